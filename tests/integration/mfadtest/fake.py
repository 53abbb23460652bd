"""Stand-ins for mfad and mfad-signer that answer what a test wants, also what the real ones never would."""
import json
import os
import shutil
import socket
import tempfile
import threading

from mfadtest import client

TOKEN = 'q' * 43
# AWS's own documentation uses these
KEY_ID, SECRET = 'AKIAIOSFODNN7EXAMPLE', 'wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY'
PLAIN = f'[default]\naws_access_key_id = {KEY_ID}\naws_secret_access_key = {SECRET}\n'
CREDENTIALS = {'access_key_id': 'ASIAFAKE', 'secret_access_key': 'fake/secret', 'session_token': 'fake+token==',
               'expiration': '2026-11-22T18:20:00Z', 'account_id': '123456789012'}


CONSOLE_URL = 'https://signin.aws.amazon.com/federation?Action=login&Destination=https%3A%2F%2Fx&SigninToken=' + 't' * 300


def path_of(name):
    """What encode_path_name() in common/encode.h makes of it."""
    path, last = '', b'.'
    for byte in name.encode():
        one = bytes([byte])
        is_plain = one.isalnum() or one in b'_@:=,+-' or (one == b'.' and last != b'.')
        path += one.decode() if is_plain else f'~{byte:02X}'
        last = one
    return f'/profile/{path}'


def profile(name, kind='key', **more):
    """A Profile of org.mfad.Control; `left` seconds are left of what is held."""
    left = more.pop('left', None)
    state = more.pop('state', 'unusable' if kind == 'unusable' else 'unlocked' if left else 'idle')
    held = {'seconds_left': left, 'expires_at': '2026-11-22T18:20:00Z', 'access_key_id': 'WXYZ'} if left else {}
    role = {'source': 'work', 'role_arn': f'arn:aws:iam::123456789012:role/{name}'} if kind == 'role' else {}
    return {'name': name, 'kind': kind, 'path': path_of(name), 'state': state, **role, **held, **more}


class FakeError(Exception):
    """@name without the interface."""

    def __init__(self, name, **parameters):
        super().__init__(name)
        self.name, self.parameters = name, parameters


class FakeDaemons:
    """answers: {method: parameters, or a function of the call's parameters that returns them, or a list
    of them for a call with `more`}; an answer that is a FakeError is raised."""

    def __init__(self, mfactl, runtime_name='run'):
        self.mfactl_path = mfactl
        self.folder = tempfile.mkdtemp(prefix='mfad-')
        self.home = os.path.join(self.folder, 'home')
        self.runtime = os.path.join(self.folder, runtime_name)
        self.sockets = os.path.join(self.runtime, 'mfad')
        self.aws = os.path.join(self.home, '.aws')
        for path in (self.home, self.aws, self.runtime, self.sockets):
            os.mkdir(path, 0o700)
        self.http = socket.create_server(('127.0.0.1', 0))
        self.port = self.http.getsockname()[1]
        self.environment = {'HOME': self.home, 'XDG_RUNTIME_DIR': self.runtime, 'PATH': '/usr/bin:/bin',
                            'LANG': 'C.UTF-8'}
        self.write(os.path.join(self.sockets, 'token'), TOKEN)
        self.calls, self.keys, self.profiles = [], {}, [profile('work')]
        self.passphrase = 'correct horse battery staple'
        self.vault_state = 'open'
        self.answers = {
            'Control.GetStatus': lambda p: self.status(), 'Control.Lock': {},
            'Control.GetCredentials': {'credentials': CREDENTIALS},
            'Control.ListProfiles': self._list, 'Control.Refresh': self._refresh,
            'Control.GetConsoleUrl': {'url': CONSOLE_URL},
            'Control.Unlock': {'key': 'work', 'expires_at': '2026-11-22T18:20:00Z',
                               'seconds_left': 43200, 'already': False},
            'Control.GetKeyIdentity': {'user_arn': 'arn:aws:iam::123456789012:user/alice',
                                       'account_id': '123456789012'},
            'Control.TestSession': {'user_arn': 'arn:aws:iam::123456789012:user/alice', 'account_id': '123456789012',
                                    'may_ask_iam': True},
            'Control.ListMfaDevices': {'serials': ['arn:aws:iam::123456789012:mfa/alice']},
            'Vault.GetStatus': lambda p: self.vault(), 'Vault.Create': self._create,
            'Vault.Open': self._open, 'Vault.AddKey': self._add, 'Vault.SetKeyInfo': self._set,
            'Vault.RemoveKey': lambda p: self.keys.pop(p['name']) and {}, 'Vault.Seal': {},
        }
        self._listeners = [self._listen(name) for name in ('control', 'vault')]

    # files

    def write(self, path, content, mode=0o600):
        """@path is absolute, or relative to the home."""
        path = os.path.join(self.home, path)
        with open(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, mode), 'wb') as f:
            f.write(content if isinstance(content, bytes) else content.encode())
        os.chmod(path, mode)
        return path

    def close(self):
        self.http.close()
        for listener in self._listeners:
            listener.shutdown(socket.SHUT_RDWR)
            listener.close()
        shutil.rmtree(self.folder)

    # running mfactl

    def mfactl(self, *arguments, **more):
        environment = {**self.environment, **more.pop('environment', {})}
        return client.run_mfactl(self.mfactl_path, arguments, environment, **more)

    def terminal(self, *arguments, **more):
        environment = {**self.environment, **more.pop('environment', {})}
        return client.Terminal(self.mfactl_path, arguments, environment, **more)

    def called(self, method):
        """The parameters of every such call."""
        return [p for m, p in self.calls if m == method]

    # what they say

    def status(self, **more):
        return {'version': '0', 'state': 'unlocked', 'vault': self.vault_state, 'default_key': 'work',
                'default_profile': more.get('default_key', 'work'),
                'sessions': [{'key': 'work', 'state': 'unlocked', 'expires_at': '2026-11-22T18:20:00Z',
                              'seconds_left': 3700, 'access_key_id': 'WXYZ'}],
                'roles_held': 0, 'roles_failing_total': len(more.get('roles_failing', [])), 'roles_failing': [],
                'notices': [],
                'http_port': self.port, 'clock_offset_seconds': 0, 'memory': 'locked', **more}

    def _list(self, parameters):
        """By name, the first 64 after that one."""
        names = sorted(p['name'] for p in self.profiles)
        after = [n for n in names if n > parameters.get('after', '')]
        known = {p['name']: p for p in self.profiles}
        return {'profiles': [known[n] for n in after[:64]], 'is_last': len(after) <= 64}

    def _refresh(self, parameters):
        name = parameters.get('profile', 'work')
        for found in self.profiles:
            if found['name'] == name:
                if found['kind'] != 'role':
                    raise FakeError('NotARole', message='this is a key; it has no role')
                return {'profile': {**found, 'state': 'unlocked', 'seconds_left': 3600}}
        raise FakeError('UnknownProfile', message='there is no such profile')

    def vault(self):
        keys = {'keys': [{'name': n, 'access_key_id': k['access_key_id'][-4:],
                          'created': '2026-11-22T00:00:00Z',
                          **{f: k[f] for f in ('mfa_serial', 'user_arn') if f in k}}
                         for n, k in self.keys.items()]} if self.vault_state == 'open' else {}
        return {'state': self.vault_state, 'path': os.path.join(self.home, 'vault'), 'generation': 1,
                'memory': 'locked', 'kdf_log2n': 17, **keys}

    def _create(self, parameters):
        self.vault_state, self.passphrase = 'open', parameters['passphrase']
        return {}

    def _open(self, parameters):
        if parameters['passphrase'] != self.passphrase:
            raise FakeError('CannotOpen', message='cannot open the vault')
        self.vault_state = 'open'
        return {}

    def _add(self, parameters):
        if parameters['name'] in self.keys and not parameters.get('replace'):
            raise FakeError('KeyExists', message='there is a key of this name')
        self.keys[parameters['name']] = parameters
        return {}

    def _set(self, parameters):
        self.keys[parameters['name']].update(parameters)
        return {}

    # the wire

    def _listen(self, name):
        listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        here = os.getcwd()
        os.chdir(self.sockets)  # an address holds 107 bytes, and the folder's name may be long
        listener.bind(name)
        os.chdir(here)
        listener.listen()
        threading.Thread(target=self._accept, args=(listener,), daemon=True).start()
        return listener

    def _accept(self, listener):
        while True:
            try:
                connection, _ = listener.accept()
            except OSError:
                return
            threading.Thread(target=self._serve, args=(connection,), daemon=True).start()

    def _serve(self, connection):
        rest = b''
        with connection:
            while True:
                while b'\0' in rest:
                    line, rest = rest.split(b'\0', 1)
                    for answer in self._answer(json.loads(line)):
                        try:
                            connection.sendall(json.dumps(answer).encode() + b'\0')
                        except OSError:  # mfactl did not wait for it
                            return
                data = connection.recv(65536)
                if not data:
                    return
                rest += data

    def _answer(self, call):
        parameters = call.get('parameters') or {}
        interface, method = call['method'].rsplit('.', 2)[1:]
        self.calls.append((f'{interface}.{method}', parameters))
        try:
            answer = self.answers[f'{interface}.{method}']
            answer = answer(parameters) if callable(answer) else answer
            if isinstance(answer, FakeError):
                raise answer
        except FakeError as e:
            return [{'error': f'org.mfad.{interface}.{e.name}', 'parameters': e.parameters}]
        if isinstance(answer, list):
            return [{'parameters': a, 'continues': i + 1 < len(answer)} for i, a in enumerate(answer)]
        return [{'parameters': answer}]
