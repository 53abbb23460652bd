"""mfad-signer alone: the life of a vault, its two sockets, and what it signs."""
import collections
import os
import re
import signal
import socket
import stat
import struct
import subprocess
import time
import urllib.parse

import pytest
from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials

from mfadtest import memory
from mfadtest.processes import wait_until
from mfadtest.signer import (  # noqa: F401  (fixtures too)
    ASSUME_ROLE, GET_CALLER_IDENTITY, GET_SESSION_TOKEN, GET_SIGNIN_TOKEN, HOUR, KEY_ID, LIST_MFA_DEVICES,
    PASSPHRASE, ROLE, SECRET, SERIAL, add_key, assume_role, binary, home, make_home, open_home, refusal,
    session_token)
from mfadtest.varlink import VarlinkError


# --- the life of a vault ------------------------------------------------------------------------

def test_a_vault_lives(home):
    assert home.call('GetStatus')['state'] == 'none'
    assert refusal(home, 'Open', passphrase=PASSPHRASE).name == 'NoVault'
    assert refusal(home, 'RemoveKey', name='x').name == 'NoVault'
    home.call('Create', passphrase=PASSPHRASE)
    assert refusal(home, 'Create', passphrase=PASSPHRASE).name == 'VaultExists'
    add_key(home, mfa_serial=SERIAL)
    assert refusal(home, 'AddKey', name='default', access_key_id=KEY_ID, secret_access_key=SECRET).name == 'KeyExists'
    add_key(home, replace=True, user_arn='arn:aws:iam::123456789012:user/alice')
    home.call('SetKeyInfo', name='default', mfa_serial=SERIAL)
    assert refusal(home, 'SetKeyInfo', name='nobody').name == 'UnknownKey'

    status = home.call('GetStatus')
    assert status['state'] == 'open' and status['path'] == home.vault and status['kdf_log2n'] == 17
    assert status['generation'] == 4 and status['memory'] in ('secretmem', 'locked', 'plain')
    key, = status['keys']
    assert re.fullmatch(r'\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ', key.pop('created'))
    assert key == {'name': 'default', 'access_key_id': KEY_ID[-4:], 'mfa_serial': SERIAL,
                   'user_arn': 'arn:aws:iam::123456789012:user/alice'}

    pid = home.program.pid
    home.call('Seal')
    assert home.program.pid == pid and home.program.is_running()
    status = home.call('GetStatus')
    assert status['state'] == 'sealed' and status['keys'] == []
    assert refusal(home, 'AddKey', name='x', access_key_id=KEY_ID, secret_access_key=SECRET).name == 'Sealed'
    assert refusal(home, 'Open', passphrase=PASSPHRASE + '!').name == 'CannotOpen'
    assert home.call('GetStatus')['state'] == 'sealed'
    home.call('Open', passphrase=PASSPHRASE)
    home.call('RemoveKey', name='default')
    assert home.call('GetStatus')['keys'] == []


def test_files_are_private_and_hold_no_plain_text(open_home):
    assert stat.S_IMODE(os.stat(open_home.data).st_mode) == 0o700
    for name in os.listdir(open_home.data):
        path = os.path.join(open_home.data, name)
        assert stat.S_IMODE(os.stat(path).st_mode) == 0o600, name
        with open(path, 'rb') as f:
            data = f.read()
        for marker in (SECRET, KEY_ID, PASSPHRASE, SERIAL):
            assert marker.encode() not in data, name
    assert len(open_home.read_vault()) == 160 + 12 + 256 + 16
    for name in ('vault', 'sign'):
        mode = os.lstat(os.path.join(open_home.runtime, 'mfad', name)).st_mode
        assert stat.S_ISSOCK(mode) and stat.S_IMODE(mode) == 0o600


def test_every_write_is_new(open_home):
    """Salt stays until the passphrase changes; nonces, file key and so every cipher byte do not."""
    before = open_home.read_vault()
    add_key(open_home, replace=True, mfa_serial=SERIAL)
    after = open_home.read_vault()
    assert len(before) == len(after) and before[32:96] == after[32:96]
    assert struct.unpack_from('<Q', after, 24)[0] == struct.unpack_from('<Q', before, 24)[0] + 1
    assert before[96:140] != after[96:140] and before[160:172] != after[160:172]
    same = sum(a == b for a, b in zip(before[172:], after[172:]))
    assert same < 16, 'the payload was not encrypted anew'
    open_home.call('ChangePassphrase', old_passphrase=PASSPHRASE, new_passphrase=PASSPHRASE)
    assert open_home.read_vault()[64:96] != after[64:96]
    assert open_home.read_vault()[32:48] == after[32:48]


def test_change_of_passphrase(open_home):
    new = 'Größe und ein paar Wörter'
    assert refusal(open_home, 'ChangePassphrase', old_passphrase='wrong passphrase', new_passphrase=new).name == 'CannotOpen'
    assert refusal(open_home, 'ChangePassphrase', old_passphrase=PASSPHRASE, new_passphrase='short').name == 'WeakPassphrase'
    open_home.call('ChangePassphrase', old_passphrase=PASSPHRASE, new_passphrase=new)
    open_home.call('Seal')
    assert refusal(open_home, 'Open', passphrase=PASSPHRASE).name == 'CannotOpen'
    open_home.call('ChangePassphrase', old_passphrase=new, new_passphrase=PASSPHRASE)  # on a sealed one
    assert open_home.call('GetStatus')['keys'][0]['name'] == 'default'


@pytest.mark.parametrize('passphrase', ['', 'seven77'])
def test_weak_passphrase(home, passphrase):
    error = refusal(home, 'Create', passphrase=passphrase)
    assert error.name == 'WeakPassphrase' and '8 bytes' in error.parameters['message']
    assert home.call('GetStatus')['state'] == 'none' and not os.path.exists(home.vault)


@pytest.mark.parametrize('parameter, value', [
    ('name', '-x'), ('name', 'a b'), ('name', 'x' * 65), ('access_key_id', 'A B'), ('secret_access_key', 'with space'),
    ('secret_access_key', ''), ('mfa_serial', 'no spaces please'), ('user_arn', 'a b'), ('stray', '1')])
def test_bad_parameters(open_home, parameter, value):
    parameters = {'name': 'n', 'access_key_id': KEY_ID, 'secret_access_key': SECRET, parameter: value}
    error = refusal(open_home, 'AddKey', **parameters)
    assert error.name == 'InvalidParameter' and error.parameters == {'parameter': parameter}


def test_too_many_keys(open_home):
    for i in range(31):
        add_key(open_home, name=f'key{i}')
    error = refusal(open_home, 'AddKey', name='more', access_key_id=KEY_ID, secret_access_key=SECRET)
    assert error.name == 'TooManyKeys'
    with open_home.sign_socket() as sign:
        assert len(sign.status()['keys']) == 32
    open_home.call('Seal')
    open_home.call('Open', passphrase=PASSPHRASE)
    assert len(open_home.call('GetStatus')['keys']) == 32


# --- passphrases --------------------------------------------------------------------------------

def test_wrong_passphrases_wait(open_home):
    open_home.call('Seal')
    for i in range(4):
        assert refusal(open_home, 'Open', passphrase=f'wrong passphrase {i}').name == 'CannotOpen'
    assert '4 in a row' in open_home.program.log()
    # five more at once, of which four may wait; all the while status is answered
    connections = [open_home.connect() for _ in range(6)]
    try:
        assert refusal(open_home, 'Open', passphrase='wrong passphrase').name == 'CannotOpen'
        for c in connections:
            c.send('Open', passphrase=PASSPHRASE)
        began = time.monotonic()
        assert open_home.call('GetStatus')['state'] == 'sealed'
        assert time.monotonic() - began < 0.4, 'the delay holds the event loop'
        results = collections.Counter()
        for c in connections:
            try:
                results[str(c.receive()[0])] += 1
            except VarlinkError as e:
                results[e.name] += 1
        assert results == {'{}': 4, 'Busy': 2}
        assert time.monotonic() - began > 0.3
    finally:
        for c in connections:
            c.close()


def test_a_caller_that_leaves_the_queue(open_home):
    open_home.call('Seal')
    assert refusal(open_home, 'Open', passphrase='wrong passphrase').name == 'CannotOpen'
    leaver = open_home.connect()
    leaver.send('Open', passphrase=PASSPHRASE)
    leaver.close()
    time.sleep(1.5)
    assert open_home.call('GetStatus')['state'] == 'sealed'
    open_home.call('Open', passphrase=PASSPHRASE)


# --- signing ------------------------------------------------------------------------------------

def check_signature(answer, body_starts):
    """botocore signs the same request with the same key: the same signature must come out."""
    assert answer['kind'] == 'signed', answer
    headers = dict(line.split(': ', 1) for line in answer['headers'].splitlines())
    authorization = headers.pop('Authorization')
    assert answer['body'].startswith(body_starts)
    credential, signed, signature = re.fullmatch(
        r'AWS4-HMAC-SHA256 Credential=(\S+), SignedHeaders=(\S+), Signature=([0-9a-f]{64})', authorization).groups()
    key_id, _, region, service, _ = credential.split('/')
    assert key_id == KEY_ID and 'x-amz-security-token' not in signed
    request = AWSRequest(method='POST', url=answer['url'], data=answer['body'].encode(), headers={
        k: v for k, v in headers.items() if k.lower() in signed.split(';')})
    request.context['timestamp'] = headers['X-Amz-Date']
    auth = SigV4Auth(Credentials(KEY_ID, SECRET), service, region)
    canonical = auth.canonical_request(request)
    expected = auth.signature(auth.string_to_sign(request, canonical), request)
    assert signature == expected


def test_signatures_are_aws_s(open_home):
    with open_home.sign_socket() as sign:
        check_signature(session_token(sign, '123456'), 'Action=GetSessionToken&')
        check_signature(sign.sign(GET_CALLER_IDENTITY), 'Action=GetCallerIdentity&')
        check_signature(sign.sign(LIST_MFA_DEVICES, endpoint='https://iam.amazonaws.com'), 'Action=ListMFADevices&')
        check_signature(sign.sign(GET_CALLER_IDENTITY, endpoint='http://127.0.0.1:4566', region='eu-west-3'), 'Action=')


def test_a_role_is_signed_with_mfa(open_home):
    role = dict(ROLE, external_id='id:1', source_identity='alice', policy='{"Version": "2012-10-17"}',
                policy_arns='arn:aws:iam::aws:policy/One,arn:aws:iam::aws:policy/Two', tags='team=blue,stage=',
                transitive_tags='team')
    with open_home.sign_socket() as sign:
        check_signature(assume_role(sign, '123456'), 'Action=AssumeRole&')
        answer = assume_role(sign, '234567', duration=12 * HOUR, role=role)
        check_signature(answer, 'Action=AssumeRole&')
    assert dict(urllib.parse.parse_qsl(answer['body'], keep_blank_values=True, strict_parsing=True)) == {
        'Action': 'AssumeRole', 'Version': '2011-06-15', 'RoleArn': role['arn'], 'DurationSeconds': '43200',
        'RoleSessionName': role['session_name'], 'SerialNumber': SERIAL, 'TokenCode': '234567',
        'ExternalId': 'id:1', 'SourceIdentity': 'alice', 'Policy': role['policy'],
        'PolicyArns.member.1.arn': 'arn:aws:iam::aws:policy/One',
        'PolicyArns.member.2.arn': 'arn:aws:iam::aws:policy/Two', 'Tags.member.1.Key': 'team',
        'Tags.member.1.Value': 'blue', 'Tags.member.2.Key': 'stage', 'Tags.member.2.Value': '',
        'TransitiveTagKeys.member.1': 'team'}


def test_what_policy_refuses_of_roles(open_home):
    refused = [dict(code=''), dict(serial=''), dict(serial='', code=''), dict(code='12345'), dict(duration=899),
               dict(duration=12 * HOUR + 1), dict(duration=0), dict(role={}), dict(role={'arn': ROLE['arn']}),
               dict(role=dict(ROLE, session_name='a b')), dict(role=dict(ROLE, arn='admin')),
               dict(role=dict(ROLE, external_id='a&b')), dict(role=dict(ROLE, tags='team')),
               dict(role=dict(ROLE, policy_arns='x')), dict(role=dict(ROLE, transitive_tags='a,,b')),
               dict(role=dict(ROLE, policy='\x01')), dict(role=dict(ROLE, source_identity='a:b'))]
    with open_home.sign_socket() as sign:
        for change in refused:
            answer = assume_role(sign, **{'code': '111111', **change})
            assert (answer['kind'], answer.get('why')) == ('refused', 'policy'), change
        assert sign.sign(GET_SIGNIN_TOKEN)['why'] == 'policy'
        assert sign.sign(GET_SIGNIN_TOKEN, serial=SERIAL, code='111111', duration=HOUR)['why'] == 'policy'
        assert assume_role(sign, '111111')['kind'] == 'signed', 'a refusal must not burn the code'
    for op, role in ((ASSUME_ROLE, None), (GET_SESSION_TOKEN, ROLE), (GET_CALLER_IDENTITY, ROLE)):
        with open_home.sign_socket() as sign:  # too few or too many fields: no packet at all
            assert sign.sign(op, serial=SERIAL, code='222222', duration=HOUR, role=role) is None, op


def test_a_code_is_signed_once_whatever_it_is_for(open_home):
    with open_home.sign_socket() as sign:
        assert session_token(sign, '123456')['kind'] == 'signed'
        again = assume_role(sign, '123456')
        assert again['why'] == 'code_used' and 110 <= again['wait_sec'] <= 120
        assert assume_role(sign, '654321')['kind'] == 'signed'
        assert session_token(sign, '654321')['why'] == 'code_used'
        assert assume_role(sign, '654321', role=dict(ROLE, session_name='other'))['why'] == 'code_used'
        assert sign.forget(SERIAL, '654321')['kind'] == 'done'
        assert assume_role(sign, '654321')['kind'] == 'signed'


def test_a_code_is_signed_once(open_home):
    with open_home.sign_socket() as sign:
        assert session_token(sign, '123456')['kind'] == 'signed'
        again = session_token(sign, '123456')
        assert again['why'] == 'code_used' and 110 <= again['wait_sec'] <= 120
        with open_home.sign_socket() as other:
            assert session_token(other, '123456')['why'] == 'code_used'
        assert sign.sign(GET_SESSION_TOKEN, serial=SERIAL + '2', code='123456', duration=HOUR)['kind'] == 'signed'
        assert session_token(sign, '654321')['kind'] == 'signed'
        assert sign.forget(SERIAL, '999999')['kind'] == 'done'
        assert session_token(sign, '123456')['why'] == 'code_used'
        assert sign.forget(SERIAL, '123456')['kind'] == 'done'
        assert session_token(sign, '123456')['kind'] == 'signed'


def test_what_policy_refuses(open_home):
    now = int(time.time())
    refused = [dict(code=''), dict(serial=''), dict(code='12345'), dict(code='12345a'), dict(duration=899),
               dict(duration=129601), dict(region='EU'), dict(endpoint='http://example.com'),
               dict(endpoint='https://sts.amazonaws.com/x'), dict(wall=now - 25 * HOUR), dict(wall=now + 25 * HOUR)]
    good = dict(serial=SERIAL, code='111111', duration=HOUR)
    with open_home.sign_socket() as sign:
        for change in refused:
            answer = sign.sign(GET_SESSION_TOKEN, **{**good, **change})
            assert (answer['kind'], answer.get('why')) == ('refused', 'policy'), change
        assert sign.sign(GET_CALLER_IDENTITY, code='111111')['why'] == 'policy'
        assert session_token(sign, '111111', key='other')['why'] == 'unknown_key'
        assert sign.sign(GET_SESSION_TOKEN, **good)['kind'] == 'signed', 'a refusal must not burn the code'


def test_nothing_is_signed_while_sealed(home):
    with home.sign_socket() as sign:
        assert session_token(sign, '123456')['why'] == 'no_vault'
        home.call('Create', passphrase=PASSPHRASE)
        assert sign.receive() == {'id': 0, 'kind': 'status', 'vault': 'open', 'arena': sign.status()['arena'], 'keys': []}
        add_key(home)
        assert [k['name'] for k in sign.receive()['keys']] == ['default']
        home.call('Seal')
        last = sign.receive()
        assert (last['id'], last['vault'], last['keys']) == (0, 'sealed', [])
        assert sign.receive() is None
    with home.sign_socket() as sign:
        assert session_token(sign, '123456')['why'] == 'sealed'
        assert sign.status()['vault'] == 'sealed'


def test_the_sign_socket_drops_what_is_no_packet(open_home):
    for packet in (b'x', b'\x01\x00\x00\x00\x00', b'\x09\x01\x00\x00\x00', b'\x01\x01\x00\x00\x00more', b'y' * 70000):
        with open_home.sign_socket() as sign:
            sign.socket.send(packet)
            assert sign.receive() is None, packet[:10]
    fds = len(os.listdir(f'/proc/{open_home.program.pid}/fd')) if os.geteuid() == 0 else 0
    with open_home.sign_socket() as sign:  # descriptors are not wanted
        socket.send_fds(sign.socket, [b'\x01\x01\x00\x00\x00'], [0, 1, 2])
        assert sign.receive() is None
    if fds:
        wait_until(lambda: len(os.listdir(f'/proc/{open_home.program.pid}/fd')) <= fds, what='no descriptor kept')
    connections = [open_home.sign_socket() for _ in range(9)]
    try:
        assert [c.status() is not None for c in connections[:8]] == [True] * 8
        assert connections[8].receive() is None
    finally:
        for c in connections:
            c.socket.close()
    wait_until(lambda: open_home.sign_socket().status(), what='a place is free again')


@pytest.mark.skipif(os.geteuid() != 0, reason='needs another uid')
def test_other_uids_get_nothing(open_home):
    """Even when the socket and its folders stand open: the uid check alone must refuse."""
    folder = os.path.join(open_home.runtime, 'mfad')
    for path, mode in ((open_home.folder, 0o755), (open_home.runtime, 0o755), (folder, 0o755),
                       (os.path.join(folder, 'vault'), 0o666), (os.path.join(folder, 'sign'), 0o666)):
        os.chmod(path, mode)
    script = ('import socket,sys\n'
              'for name, kind, data in (("vault", socket.SOCK_STREAM, b\'{"method":"org.mfad.Vault.GetStatus"}\\0\'),'
              '("sign", socket.SOCK_SEQPACKET, b"\\1\\1\\0\\0\\0")):\n'
              '    s = socket.socket(socket.AF_UNIX, kind); s.settimeout(5); s.connect(sys.argv[1] + "/" + name)\n'
              '    try: s.send(data); print(len(s.recv(100)))\n'
              '    except (BrokenPipeError, ConnectionResetError): print(0)\n')
    done = subprocess.run(['/usr/bin/python3', '-c', script, folder], user=65534, group=65534, cwd='/',
                          capture_output=True, text=True, check=True)
    assert done.stdout.split() == ['0', '0'], done


# --- the process --------------------------------------------------------------------------------

def test_status_line_and_signals(home):
    program = home.program
    assert program.status == 'no vault yet'

    def status_is(text):
        def check():
            program.read_notify()
            return program.status == text
        wait_until(check, what=text)

    home.call('Create', passphrase=PASSPHRASE)
    status_is('vault open, 0 keys')
    add_key(home)
    status_is('vault open, 1 key')
    pid = program.pid
    os.kill(pid, signal.SIGUSR1)
    status_is('vault sealed')
    wait_until(lambda: 'starting afresh' in program.log() and program.is_running())
    assert home.call('GetStatus')['state'] == 'sealed' and program.pid == pid
    assert program.terminate() is None


def test_seal_is_answered_once_and_then_the_connection_ends(open_home):
    with open_home.connect() as v:
        v.send('Seal')
        assert v.receive() == ({}, False)
        assert v.socket.recv(1) == b''
    with open_home.connect() as v:  # nobody waits for the answer
        v.send('Seal')
    wait_until(lambda: open_home.program.log().count('starting afresh') == 2, what='the second sealing')
    assert open_home.call('GetStatus')['state'] == 'sealed'


def test_sealing_replaces_the_process_image(open_home):
    def image():
        """Where the kernel has put the program; root alone may look."""
        if not memory.can_scan():
            return None
        return [start for start, _, name in memory.mappings(open_home.program.pid) if name.endswith('mfad-signer')]

    before = image()
    with open_home.connect() as idle, open_home.sign_socket() as sign:
        idle.call('GetStatus')
        sign.status()
        open_home.call('Seal')
        assert idle.socket.recv(1) == b'', 'a connection of the old image lives on'
    assert before is None or image() != before


@pytest.mark.root
@pytest.mark.sanitizers_no
def test_what_memory_holds(open_home):
    """While open: the secret key in the arena only, the passphrase nowhere. Once sealed: neither."""
    code = '918273'
    wanted = {'secret': SECRET, 'passphrase': PASSPHRASE, 'new passphrase': 'another passphrase', 'code': code}

    def scan():
        found = memory.Scan(open_home.program.pid, wanted)
        return found.found, [name for name in found.unreadable if 'secretmem' not in name]

    open_home.call('ChangePassphrase', old_passphrase=PASSPHRASE, new_passphrase='another passphrase')
    assert refusal(open_home, 'Open', passphrase=PASSPHRASE).name == 'CannotOpen'
    with open_home.sign_socket() as sign:
        assert session_token(sign, code)['kind'] == 'signed'
        sign.status()  # answered only after the turn before is cleaned up
    found, unreadable = scan()
    assert not unreadable
    if open_home.call('GetStatus')['memory'] != 'secretmem':  # the arena is readable then
        assert found.pop('secret') > 0
    assert found == {}
    open_home.call('Seal')
    assert scan() == ({}, [])


def test_arguments_and_environment(binary, make_home):
    def run(*arguments, **environment):
        return subprocess.run([binary, *arguments], env=environment, capture_output=True, text=True, check=False, timeout=20)

    assert run('--version').stdout.startswith('mfad-signer ') and run('--help').returncode == 0
    assert run('--frobnicate').returncode == 2 and run('--help', 'x').returncode == 2
    done = run(HOME='/nonexistent')
    assert done.returncode == 1 and 'XDG_RUNTIME_DIR is not set' in done.stderr
    done = run(XDG_RUNTIME_DIR='/tmp')
    assert done.returncode == 1 and 'HOME' in done.stderr
    home = make_home()
    os.mkdir(os.path.join(home.runtime, 'mfad'), 0o755)
    done = run(**home.environment)
    assert done.returncode == 1 and 'mode 0700' in done.stderr
    os.chmod(os.path.join(home.runtime, 'mfad'), 0o700)
    home.start()
    done = run(**home.environment)
    assert done.returncode == 1 and 'another mfad-signer' in done.stderr


@pytest.mark.sanitizers_no
def test_not_dumpable(open_home):
    pid = open_home.program.pid
    with open(f'/proc/{pid}/limits', encoding='ascii') as f:
        assert re.search(r'Max core file size\s+0\s+0', f.read())
    assert os.stat(f'/proc/{pid}/mem').st_uid == 0, 'same-uid processes could read its memory'
