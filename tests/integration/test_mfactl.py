"""What mfactl says and how it ends. The daemons are stand-ins, so that they can also say what real ones
never would."""
import json
import os
import socket
import subprocess
import threading

import pytest
from mfadtest import client
from mfadtest.fake import PLAIN, FakeError


# words and exit codes

@pytest.mark.parametrize('arguments, word', [
    ([], '--help'), (['frobnicate'], '--help'), (['key'], 'key import'), (['vault', 'x'], 'vault seal'),
    (['unlock', '--frob'], '--frob'), (['unlock', '--key'], '--key'), (['unlock', '1', '2', '3'], 'too many'),
    (['unlock', '12345'], 'six digits'), (['unlock', '１２３４５６'], 'six digits'),
    (['unlock', '--duration', '14m', '123456'], '36h'), (['unlock', '--duration', 'x', '123456'], '12h'),
    (['unlock', '--passphrase-fd', '-1'], 'passphrase-fd'), (['unlock', '--json'], '--json'),
    (['lock', 'now'], 'too many'), (['exec'], 'COMMAND'), (['env', '--shell', 'cmd.exe'], 'powershell'),
    (['key', 'add'], 'NAME'), (['key', 'add', '-', '--key-stdin'], 'called'),
    (['env', '--profile', ''], 'name'), (['export'], '--to'), (['refresh', '--all', 'x'], '--all'),
    (['creds', '--profile', b'\xff'], 'no name'), (['unlock', '--key', b'a\xff', '123456'], 'no name'),
    (['refresh', b'\xff'], 'no profile'), (['console', '--destination', 'javascript:alert(1)'], 'https://'),
])
def test_usage_errors(fake, arguments, word):
    done = fake.mfactl(*arguments)
    assert done.code == client.USAGE and word in done.err and done.out == '', done
    assert not fake.called('Control.Unlock')


def test_a_refused_argument_is_not_repeated(fake):
    assert '87654321' not in fake.mfactl('unlock', '87654321').err


@pytest.mark.parametrize('command', [
    'init', 'unlock', 'lock', 'status', 'profiles', 'refresh', 'env', 'exec', 'creds', 'export', 'console',
    'key import', 'key add', 'key list', 'key test', 'key remove', 'vault passwd', 'vault seal', 'vault status'])
def test_every_command_has_help(fake, command):
    done = fake.mfactl(*command.split(), '--help')
    assert done.code == client.OK and done.out.startswith(f'mfactl {command}') and done.err == '', done
    assert command in fake.mfactl('--help').out
    assert fake.calls == []


@pytest.mark.parametrize('arguments, state, option', [
    (['unlock'], 'open', '--code-stdin'), (['unlock', '123456'], 'sealed', '--passphrase-fd'),
    (['init'], 'open', '--yes'), (['init', '--yes'], 'none', '--passphrase-fd'),
    (['key', 'import'], 'open', '--yes'), (['key', 'import', 'default'], 'none', '--passphrase-fd'),
    (['key', 'add', 'x'], 'open', '--key-stdin'), (['key', 'list'], 'sealed', '--passphrase-fd'), (['key', 'test'], 'sealed', '--passphrase-fd'),
    (['key', 'remove', 'x'], 'open', '--yes'), (['vault', 'passwd'], 'open', '--passphrase-fd'),
])
def test_without_a_terminal_the_missing_option_is_named(fake, arguments, state, option):
    fake.vault_state = state
    fake.write('.aws/credentials', PLAIN)
    done = fake.mfactl(*arguments)
    assert done.code == client.USAGE and option in done.err, done
    assert done.sec < 5 and {m for m, _ in fake.calls} <= {'Vault.GetStatus', 'Control.GetStatus'}


@pytest.mark.parametrize('name, code', [
    ('WrongCode', client.CODE_REFUSED), ('CodeUsed', client.CODE_REFUSED), ('Busy', client.BUSY),
    ('MustWait', client.BUSY), ('Throttled', client.AWS), ('Unreachable', client.AWS),
    ('Denied', client.AWS), ('ServerError', client.AWS), ('WrongSecret', client.AWS),
    ('Expired', client.LOCKED), ('UnusableProfile', client.FAILURE), ('OutcomeUnknown', client.AWS), ('NoVault', client.VAULT),
    ('Internal', client.FAILURE), ('NeverHeardOf', client.FAILURE)])
def test_errors_have_their_exit_codes(fake, name, code):
    fake.answers['Control.Unlock'] = FakeError(name, message='the reason')
    done = fake.mfactl('unlock', '123456')
    assert done.code == code and 'mfactl: the reason\n' in done.err and done.out == '', done


def test_unlock_names_key_when_there_is_no_default(fake):
    fake.answers['Control.Unlock'] = FakeError('UnknownProfile', message='there is no default profile')
    done = fake.mfactl('unlock', '123456')
    assert done.code == client.FAILURE and '--key' in done.err and 'not used' in done.err, done
    assert '--key' not in fake.mfactl('unlock', '--key', 'x', '123456').err


def test_unlock_without_vault_leads_to_init(fake):
    fake.vault_state = 'none'
    done = fake.mfactl('unlock', '123456')
    assert done.code == client.VAULT and 'mfactl init' in done.err, done


@pytest.mark.parametrize('lang, expected', [
    ('C.UTF-8', 'a\\x1b]0;pwn\\x07\\u202eb é'), ('C', 'a\\x1b]0;pwn\\x07\\xe2\\x80\\xaeb \\xc3\\xa9')])
def test_hostile_text_cannot_steer_the_terminal(fake, lang, expected):
    fake.answers['Control.Unlock'] = FakeError('Denied', message='a\x1b]0;pwn\x07\u202eb é')
    done = fake.mfactl('unlock', '123456', environment={'LANG': lang})
    assert expected in done.err
    evil = fake.status(default_key='\x1b[2J\u202e', sessions=[])
    fake.answers['Control.GetStatus'] = evil
    for arguments in (['status'], ['status', '--json']):
        assert not set('\x1b\u202e') & set(fake.mfactl(*arguments).out)


def test_service_that_answers_nonsense_or_nothing(fake):
    for answer in ({}, {'state': 7, 'sessions': 'x', 'http_port': 'y'}, {'sessions': [1, None, {}]}):
        fake.answers['Control.GetStatus'] = answer
        assert fake.mfactl('status').code == client.LOCKED
        assert fake.mfactl('env').code == client.NOT_RUNNING
    fake.answers['Control.GetCredentials'] = {'credentials': {'access_key_id': 'x'}}
    done = fake.mfactl('creds')
    assert done.code == client.FAILURE and done.out == '', done


# unlock, lock, status

@pytest.mark.parametrize('words', [['123456'], ['123 456'], ['123', '456']])
def test_codes_on_the_command_line(fake, words):
    done = fake.mfactl('unlock', *words, '--key', 'work', '--duration', '2h')
    assert done.code == client.OK and '(12 h 0 min)' in done.out, done
    assert fake.called('Control.Unlock') == [{'code': '123456', 'key': 'work', 'duration_seconds': 7200}]


@pytest.mark.parametrize('text', ['123456\n', '123 456\n', '123456\r\n', '123456'])
def test_codes_on_standard_input(fake, text):
    assert fake.mfactl('unlock', '--code-stdin', stdin=text).code == client.OK
    assert fake.called('Control.Unlock') == [{'code': '123456'}]


@pytest.mark.parametrize('text', ['', '\n', '12345\n', '1234567\n', '12 3456\n', '123  456\n', ' 123456\n'])
def test_what_is_no_code_is_not_sent(fake, text):
    assert fake.mfactl('unlock', '--code-stdin', stdin=text).code == client.USAGE
    assert not fake.called('Control.Unlock')


@pytest.mark.parametrize('state', ['open', 'sealed'])
def test_passphrase_and_code_on_one_descriptor(fake, state):
    """The passphrase's line is read also when it is not needed: the code follows it."""
    fake.vault_state = state
    done = fake.mfactl('unlock', '--code-stdin', '--passphrase-fd', '0',
                       stdin=f'{fake.passphrase}\n123456\n')
    assert done.code == client.OK, done
    assert fake.called('Control.Unlock') == [{'code': '123456'}]
    assert len(fake.called('Vault.Open')) == (state == 'sealed')


def test_passphrase_never_goes_to_mfad(fake):
    fake.vault_state = 'sealed'
    assert fake.mfactl('unlock', '123456', passphrase=fake.passphrase).code == client.OK
    assert fake.called('Vault.Open') == [{'passphrase': fake.passphrase}]
    assert not any(fake.passphrase in str(p) for m, p in fake.calls if m.startswith('Control'))


def test_lock_and_seal_are_both_tried(fake):
    fake.answers['Control.Lock'] = FakeError('Internal', message='no')
    assert fake.mfactl('lock', '--seal').code == client.FAILURE
    assert fake.called('Vault.Seal')
    fake.answers['Control.Lock'] = {}
    fake.answers['Vault.Seal'] = FakeError('Sealed', message='sealed already')
    assert fake.mfactl('lock', '--seal').code == client.OK


@pytest.mark.parametrize('state, code', [('unlocked', 0), ('expiring', 0), ('unlocking', client.LOCKED),
                                         ('locked', client.LOCKED), ('sealed', client.LOCKED)])
def test_status_tells_the_state(fake, state, code):
    failure = {'reason': 'wrong_code', 'message': 'AWS refused the code. run: mfactl unlock',
               'at': '2026-11-22T12:00:00Z'}
    session = {'key': 'work', 'state': state if state != 'sealed' else 'locked', 'failure': failure}
    fake.answers['Control.GetStatus'] = fake.status(state=state, sessions=[session])
    done = fake.mfactl('status')
    assert done.code == code and state in done.out and 'AWS refused the code' in done.out, done
    document = json.loads(fake.mfactl('status', '--json').out)
    assert document['state'] == state and document['vault_status']['state'] == 'open'


def test_status_says_what_time_is_left(fake):
    assert '(1 h 1 min left)' in fake.mfactl('status').out


def test_status_warns(fake):
    fake.answers['Control.GetStatus'] = fake.status(clock_offset_seconds=-3600, memory='plain')
    done = fake.mfactl('status')
    assert '3600 s ahead of' in done.out and 'RLIMIT_MEMLOCK' in done.out


def test_folder_that_is_not_ours_alone(fake):
    """What is said helps."""
    os.chmod(fake.sockets, 0o755)
    done = fake.mfactl('status')
    assert done.code == client.NOT_RUNNING and f'run: chmod 700 {fake.sockets}\n' in done.err, done
    os.chmod(fake.sockets, 0o700)
    assert fake.mfactl('status').code == client.OK
    os.rename(fake.sockets, fake.sockets + '-elsewhere')
    os.symlink(fake.sockets + '-elsewhere', fake.sockets)
    done = fake.mfactl('status')
    assert done.code == client.NOT_RUNNING and 'run: mfactl doctor' in done.err, done
    assert 'remove it if it is not yours' in fake.mfactl('doctor', '--offline').out.replace('\n                ', ' ')


def test_watch_prints_every_change(fake):
    fake.answers['Control.GetStatus'] = [fake.status(state=s) for s in ('locked', 'unlocking', 'unlocked')]
    done = fake.mfactl('status', '--watch', '--json')
    assert [json.loads(line)['state'] for line in done.out.splitlines()] == ['locked', 'unlocking', 'unlocked']


def test_watch_of_a_service_that_hangs_up_ends(fake):
    """It goes on after what it has seen work, not for ever."""
    path = os.path.join(fake.sockets, 'control')
    os.rename(path, path + '-')
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(path)
        os.chmod(path, 0o600)
        listener.listen()
        thread = threading.Thread(target=lambda: [listener.accept()[0].close() for _ in range(20)])
        thread.start()
        done = fake.mfactl('status', '--watch')
        thread.join()
    assert done.code == client.NOT_RUNNING and 'ended in the middle' in done.err, done


def test_output_that_nobody_reads_is_no_success(fake):
    with open('/dev/full', 'w', encoding='ascii') as full:
        for arguments in (['status'], ['status', '--json'], ['env'], ['creds'], ['profiles'], ['--help'], ['init', '-h']):
            done = subprocess.run([fake.mfactl_path, *arguments], env=fake.environment, stdout=full,
                                  stderr=subprocess.PIPE, text=True, check=False)
            assert done.returncode == client.FAILURE and 'No space left' in done.stderr, (arguments, done)
    done = subprocess.run(['sh', '-c', '{ "$1" profiles; echo $? >&2; } | true', 'sh', fake.mfactl_path],
                          env={**fake.environment, 'PATH': '/usr/bin:/bin'}, capture_output=True, text=True, check=False)
    assert done.stderr in ('1\n', '0\n'), 'who closes a pipe has seen enough'


@pytest.mark.parametrize('group', ['key', 'vault'])
def test_help_of_a_group(fake, group):
    for option in ('--help', '-h'):
        done = fake.mfactl(group, option)
        assert done.code == client.OK and f'mfactl {group} ' in done.out and done.err == '', done
    done = fake.mfactl(group)
    assert done.code == client.USAGE and done.out == '' and f'mfactl {group} ' in done.err, done
