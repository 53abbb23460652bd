"""mfad-signer alone in a throw-away home, and a client of its `sign` socket (layout: docs/protocol.md)."""
import os
import shutil
import socket
import struct
import tempfile
import time

import pytest

from mfadtest.build import Build
from mfadtest.processes import Program
from mfadtest.varlink import Varlink, VarlinkError

STATUS, SIGN, FORGET_CODE, WRAP, UNWRAP = 1, 2, 3, 4, 5
GET_SESSION_TOKEN, LIST_MFA_DEVICES, GET_CALLER_IDENTITY, ASSUME_ROLE, GET_SIGNIN_TOKEN = 1, 2, 3, 4, 5
REFUSALS = {1: 'no_vault', 2: 'sealed', 3: 'unknown_key', 4: 'code_used', 5: 'policy', 6: 'internal', 7: 'alien'}
STATES = {0: 'none', 1: 'sealed', 2: 'open'}

PASSPHRASE = 'correct horse battery staple'
KEY_ID = 'AKIA' + 'SIGNERTESTKEYID1'
SECRET = 'wJalr' + 'XUtnFEMI/K7MDENG+bPxRfiCY' + 'SIGNERTEST'
SERIAL = 'arn:aws:iam::123456789012:mfa/alice'
ROLE = {'arn': 'arn:aws:iam::123456789012:role/admin', 'session_name': 'mfad-alice-desk'}
HOUR = 3600
ROLE_FIELDS = ('arn', 'session_name', 'external_id', 'source_identity', 'policy', 'policy_arns', 'tags',
               'transitive_tags')


def _text(text):
    data = text.encode()
    return struct.pack('<I', len(data)) + data


class _Reader:
    def __init__(self, data):
        self.data = data

    def number(self, layout):
        value, = struct.unpack_from('<' + layout, self.data)
        self.data = self.data[struct.calcsize('<' + layout):]
        return value

    def bytes(self):
        length = self.number('I')
        value, self.data = self.data[:length], self.data[length:]
        return value

    def text(self):
        return self.bytes().decode()


class SignSocket:
    def __init__(self, path, timeout=20):
        self.socket = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        self.socket.settimeout(timeout)
        self.socket.connect(path)
        self.last_id = 0

    def __enter__(self):
        return self

    def __exit__(self, *ignored):
        self.socket.close()

    def receive(self):
        """The next answer as a dictionary; None at the end of the connection."""
        packet = self.socket.recv(1 << 17)
        if not packet:
            return None
        r = _Reader(packet)
        kind, answer = r.number('B'), {'id': r.number('I')}
        if kind == 1:
            answer.update(kind='status', vault=STATES[r.number('B')], arena=r.number('B'))
            answer['keys'] = [dict(zip(('name', 'access_key_id', 'mfa_serial', 'user_arn'),
                                       (r.text(), r.text(), r.text(), r.text())))
                              for _ in range(r.number('I'))]
        elif kind == 2:
            answer.update(kind='signed', url=r.text(), headers=r.text(), body=r.text())
        elif kind == 3:
            answer.update(kind='refused', why=REFUSALS[r.number('B')], wait_sec=r.number('I'))
        else:
            answer.update(kind={4: 'done', 5: 'wrapped', 6: 'unwrapped'}[kind])
            if kind > 4:
                answer.update(data=r.bytes())
        assert r.data == b'', 'bytes left over'
        return answer

    def ask(self, kind, body=b''):
        self.last_id += 1
        self.socket.send(struct.pack('<BI', kind, self.last_id) + body)
        answer = self.receive()
        assert answer is None or answer['id'] == self.last_id, answer
        return answer

    def status(self):
        return self.ask(STATUS)

    def sign(self, op, key='default', region='us-east-1', endpoint='https://sts.us-east-1.amazonaws.com',
             serial='', code='', duration=0, wall=None, role=None):
        """@role: what of ROLE_FIELDS is not empty; the fields follow whenever it is given."""
        wall = int(time.time()) if wall is None else wall
        fields = b'' if role is None else b''.join(_text(role.get(name, '')) for name in ROLE_FIELDS)
        return self.ask(SIGN, _text(key) + struct.pack('<B', op) + _text(region) + _text(endpoint)
                        + _text(serial) + _text(code) + struct.pack('<Iq', duration, wall) + fields)

    def forget(self, serial, code, key='default'):
        return self.ask(FORGET_CODE, _text(key) + _text(serial) + _text(code))

    def wrap(self, key):
        return self.ask(WRAP, struct.pack('<I', len(key)) + key)

    def unwrap(self, wrapped):
        return self.ask(UNWRAP, struct.pack('<I', len(wrapped)) + wrapped)


class SignerHome:
    """@data_parent: where the vault's directory goes; by default inside the home."""

    def __init__(self, binary, data_parent=None):
        self.folder = tempfile.mkdtemp(prefix='mfad-signer-')
        self.runtime = os.path.join(self.folder, 'run')
        os.mkdir(self.runtime, 0o700)
        self.data_parent = data_parent or os.path.join(self.folder, 'data')
        self.data = os.path.join(self.data_parent, 'mfad')
        self.vault = os.path.join(self.data, 'vault')
        self.environment = {'HOME': self.folder, 'XDG_RUNTIME_DIR': self.runtime,
                            'XDG_DATA_HOME': self.data_parent}
        self.program = Program([binary], self.environment, os.path.join(self.folder, 'log'))

    def start(self):
        self.program.start()
        return self

    def call(self, method, **parameters):
        self.program.read_notify()  # ten unread messages would block the program
        with Varlink(os.path.join(self.runtime, 'mfad', 'vault'), 'org.mfad.Vault', timeout=60) as v:
            return v.call(method, **parameters)

    def connect(self):
        return Varlink(os.path.join(self.runtime, 'mfad', 'vault'), 'org.mfad.Vault', timeout=60)

    def sign_socket(self):
        return SignSocket(os.path.join(self.runtime, 'mfad', 'sign'))

    def read_vault(self):
        with open(self.vault, 'rb') as f:
            return f.read()

    def write_vault(self, data):
        with open(os.open(self.vault, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), 'wb') as f:
            f.write(data)

    def remove(self):
        """Ends the program and removes every file. Returns what is wrong with how it went, or None."""
        problem = self.program.terminate()
        complaints = self.program.complaints() if os.path.exists(self.program.log_path) else []
        shutil.rmtree(self.folder)
        return problem or complaints or None


# Fixtures and short hands of the test files test_signer*.py.

@pytest.fixture
def binary(request):
    path = Build(request.config.getoption('--build-dir')).signer
    assert os.path.exists(path), f'not built: {path}'
    return path


@pytest.fixture
def make_home(binary):
    homes = []

    def make(**options):
        homes.append(SignerHome(binary, **options))
        return homes[-1]

    yield make
    problems = [home.remove() for home in homes]
    assert not any(problems), problems


@pytest.fixture
def home(make_home):
    return make_home().start()


def add_key(home, name='default', **more):
    home.call('AddKey', name=name, access_key_id=KEY_ID, secret_access_key=SECRET, **more)


@pytest.fixture
def open_home(home):
    home.call('Create', passphrase=PASSPHRASE)
    add_key(home, mfa_serial=SERIAL)
    return home


def refusal(home, method, **parameters):
    with pytest.raises(VarlinkError) as caught:
        home.call(method, **parameters)
    return caught.value


def session_token(sign, code, **more):
    return sign.sign(GET_SESSION_TOKEN, serial=SERIAL, code=code, duration=HOUR, **more)


def assume_role(sign, code, **more):
    call = dict(serial=SERIAL, code=code, duration=HOUR, role=ROLE)
    return sign.sign(ASSUME_ROLE, **{**call, **more})
