"""The audit record of everybody who asks for credentials, and `mfactl log`."""
import contextlib
import json
import os
import signal
import socket
import subprocess
import sys
import threading
import time

import pytest
from mfadtest import client, web
from mfadtest.processes import wait_until
from mfadtest.varlink import VarlinkError

KEEP = {'lent', 'refused', 'suppressed'}


def records(stack):
    """All of them, page by page, as GetLog gives them."""
    found, answer = [], {'is_last': False, 'last': 0}
    with stack.control() as c:
        while not answer['is_last']:
            answer = c.call('GetLog', after=answer['last'])
            assert answer['records'] or answer['is_last'], 'an empty page'
            found += answer['records']
    return found


def audit(stack):
    return [r for r in records(stack) if r['event'] in KEEP]


def lines(stack):
    """What `mfactl log --json` prints."""
    done = stack.mfactl('log', '--json')
    assert done.code == client.OK, done
    return [json.loads(line) for line in done.out.splitlines()]


LOOKS = 5


def record_of(stack, ask):
    """What ask() leaves. mfad looks for the program that asks for 5 ms at most, which is not always enough on a busy
    machine; then it names none, and is asked again. A wrong name stays one, and so does none at all."""
    for _ in range(LOOKS):
        ask()
        record = audit(stack)[-1]
        if record['peer']['comm'] is not None:
            break
        time.sleep(1)  # there is only so much time for all looks
    return record


def comm_of(pid):
    with open(f'/proc/{pid}/comm', encoding='utf-8') as f:
        return f.read().rstrip('\n')


def test_credentials_over_http(unlocked):
    creds = unlocked.credentials()
    record = record_of(unlocked, unlocked.credentials)
    assert record['event'] == 'lent'
    assert record['result'] == 'ok'
    assert record['profile'] == 'default'
    assert record['token'] == 'default'
    assert record['access_key_id'] == creds['AccessKeyId'][-4:]
    assert abs(record['at_usec'] / 1e6 - time.time()) < 60
    peer = record['peer']
    assert peer['uid'] == os.getuid()
    assert peer['pid'] == os.getpid()
    assert peer['exe'] == os.path.realpath(sys.executable)
    assert peer['comm'] == comm_of(os.getpid())


def test_credentials_over_varlink(unlocked):
    def ask():
        with unlocked.control() as c:
            c.call('GetCredentials')

    record = record_of(unlocked, ask)
    assert (record['event'], record['result'], record['profile']) == ('lent', 'ok', 'default')
    assert record['peer']['pid'] == os.getpid()
    assert record['peer']['exe'] == os.path.realpath(sys.executable)
    assert record['token'] is None


def test_mfactl_is_named(unlocked):
    """It is undumpable, so nobody sees its executable; what it calls itself is known."""
    def ask():
        assert unlocked.mfactl('creds').code == client.OK

    peer = record_of(unlocked, ask)['peer']
    assert peer['comm'] == 'mfactl'
    assert peer['pid'] > 0


def test_another_process_is_told_apart(unlocked):
    """A script that holds its connection is found by it, whatever else runs as this user."""
    script = ('import os, socket, sys\n'
              's = socket.create_connection(("127.0.0.1", int(sys.argv[1])))\n'
              's.sendall(sys.stdin.buffer.read())\n'
              'assert s.recv(65536).startswith(b"HTTP/1.1 200")\n'
              'print(os.getpid())\n')
    request = web.request_bytes('/', unlocked.port, unlocked.token)
    asked = []

    def ask():
        done = subprocess.run([sys.executable, '-c', script, str(unlocked.port)], input=request, check=True,
                              capture_output=True, timeout=60)
        asked.append(int(done.stdout))

    assert record_of(unlocked, ask)['peer']['pid'] == asked[-1]


def test_unit_is_that_of_the_cgroup(unlocked):
    unlocked.credentials()
    with open('/proc/self/cgroup', encoding='utf-8') as f:
        text = f.read()
    unit = audit(unlocked)[-1]['peer']['unit']
    assert unit is None or f'/{unit}' in text
    if '.scope' not in text and '.service' not in text:
        assert unit is None


def test_refusals(open_stack):
    """Each with the code that the client hears."""
    stack = open_stack
    asked = [
        (dict(path='/'), 403, 'MfadLocked', 'default', 'default'),
        (dict(path='/profile/nobody'), 400, 'MfadUnknownProfile', 'nobody', 'default'),
        (dict(path='/', token='x' * 43), 403, 'MfadBadToken', None, None),
        (dict(path='/'), 403, 'MfadForbidden', None, None),
    ]
    for options, status, code, profile, token in asked:
        extra = ['Origin: http://evil'] if code == 'MfadForbidden' else []
        path = options.pop('path')

        def ask():
            answer = stack.get(path, *extra, **options)
            assert (answer.status, json.loads(answer.body)['code']) == (status, code)

        record = record_of(stack, ask)
        assert (record['event'], record['result']) == ('refused', code)
        assert (record['profile'], record['token']) == (profile, token)
        assert record['peer']['pid'] == os.getpid()
        assert record['access_key_id'] is None
    with stack.control() as c:
        with pytest.raises(VarlinkError) as e:
            c.call('GetCredentials', profile='nobody')
    assert e.value.name == 'UnknownProfile'
    record = audit(stack)[-1]
    assert (record['event'], record['result'], record['profile']) == ('refused', 'UnknownProfile', 'nobody')


def test_health_asks_for_nothing(unlocked):
    before = len(audit(unlocked))
    assert unlocked.get('/healthz').status == 200
    assert len(audit(unlocked)) == before


def test_flood_is_counted_not_written(unlocked):
    """All of them are accounted for when the time is over."""
    n = 500
    for _ in range(n):
        assert unlocked.get().status == 200
    assert len(audit(unlocked)) < 40

    def count():
        # what was refused before, when the stack was not yet unlocked, is none of this test's
        return sum(r['suppressed'] or 1 for r in audit(unlocked) if r['result'] == 'ok')
    wait_until(lambda: count() == n, sec=40, what='the number of suppressed records')


def test_other_users_are_recorded(unlocked):
    """A connection of another uid gets nothing, and its uid into the log."""
    if os.getuid() != 0:
        pytest.skip('only root can be another user')
    code = f'import socket; s = socket.create_connection(("127.0.0.1", {unlocked.port})); s.recv(1)'
    subprocess.run(['/usr/bin/setpriv', '--reuid', '12345', '--clear-groups', '/usr/bin/python3', '-c', code],
                   check=False, timeout=60, stderr=subprocess.DEVNULL)
    record = wait_until(lambda: [r for r in audit(unlocked) if r['result'] == 'foreign-uid'],
                        what='the record')[0]
    assert record['peer']['uid'] == 12345


AS_ANOTHER = """
import os, socket, sys
os.setgroups([])
os.setuid(int(sys.argv[1]))
for _ in range(100):
    with socket.create_connection(("127.0.0.1", int(sys.argv[2]))) as s:
        try:
            assert s.recv(1) == b''
        except ConnectionResetError:
            pass
"""


def test_every_other_user_is_recorded(unlocked):
    """Neither of two hides behind the other, and all connections of both are accounted for."""
    if os.getuid() != 0:
        pytest.skip('only root can be another user')
    for uid in (12345, 12346):
        subprocess.run(['/usr/bin/python3', '-c', AS_ANOTHER, str(uid), str(unlocked.port)], check=True, timeout=60)

    def counts():
        found = {}
        for r in audit(unlocked):
            if r['result'] == 'foreign-uid':
                found[r['peer']['uid']] = found.get(r['peer']['uid'], 0) + (r['suppressed'] or 1)
        return found
    assert set(counts()) == {12345, 12346}
    wait_until(lambda: counts() == {12345: 100, 12346: 100}, sec=40, what='the numbers of both')
    assert len([r for r in audit(unlocked) if r['result'] == 'foreign-uid']) < 40


def test_who_goes_away_is_no_other_user(unlocked):
    """Ours, and gone before anybody could ask whose it was."""
    for _ in range(200):
        with contextlib.suppress(OSError):
            socket.create_connection(('127.0.0.1', unlocked.port)).close()
    assert unlocked.get().status == 200
    assert [r for r in audit(unlocked) if r['result'] not in ('ok', 'MfadLocked')] == []


def test_events_of_a_day(unlocked, simulator):
    """Unlock, failure, configuration."""
    stack = unlocked
    simulator.options(totp_drift=20)  # nobody waits for the next code
    assert 'unlocked' in [r['event'] for r in records(stack)]
    simulator.fault('wrong_code', 'GetSessionToken')
    stack.unlock_error()
    failed = [r for r in records(stack) if r['event'] == 'unlock_failed']
    assert failed and failed[-1]['result'] == 'wrong_code'
    stack.write('.aws/config', 'this is no section\n')
    stack.get_profile('default')
    wait_until(lambda: [r for r in records(stack) if r['event'] == 'config_broken'], what='a broken file')
    stack.write('.aws/config', stack.first_config)
    stack.get_profile('default')
    wait_until(lambda: [r for r in records(stack) if r['event'] == 'config_read'], what='a mended file')


def test_lock_says_that_the_rest_is_gone(unlocked):
    """Where the log does not go to the journal."""
    unlocked.credentials()
    last = records(unlocked)[-1]['number']
    assert unlocked.mfactl('lock').code == client.OK
    after = records(unlocked)
    assert after[0]['event'] == 'locked'
    assert after[0]['message'] == 'locked; the log begins anew here, as it does not go to the journal'
    assert after[0]['number'] > last
    # and it still knows who asks
    assert record_of(unlocked, unlocked.get)['peer']['pid'] == os.getpid()


def test_a_start_is_no_lock(stack):
    assert [r['event'] for r in records(stack)][0] == 'started'


def test_for_people(unlocked):
    unlocked.get('/profile/nobody')
    record_of(unlocked, unlocked.credentials)
    done = unlocked.mfactl('log')
    assert done.code == client.OK, done
    text = done.out.splitlines()
    ok = [line for line in text if ' ok ' in line][-1]
    assert 'default' in ok and str(os.getpid()) in ok
    assert [line for line in text if 'UnknownProfile' in line and 'nobody' in line]
    assert [line for line in text if 'session "default": unlocking -> unlocked' in line]


@pytest.mark.parametrize('columns', [60, 80, 120])
def test_fits_a_terminal(unlocked, columns):
    unlocked.get_profile('a-profile-with-a-rather-long-name-for-any-terminal')
    unlocked.credentials()
    terminal = unlocked.terminal('log', columns=columns)
    assert terminal.wait() == client.OK
    text = terminal.screen.replace('\r', '').splitlines()
    assert [line for line in text if ' ok ' in line]
    assert max(map(len, text)) <= columns, text
    assert not [line for line in text if line != line.rstrip()]


def test_json_is_one_object_a_line(unlocked):
    unlocked.credentials()
    assert lines(unlocked) == records(unlocked)


def test_more_than_a_page(unlocked):
    for i in range(15):
        for _ in range(8):
            unlocked.get(f'/profile/nobody-{i}')
    found = lines(unlocked)
    assert len(found) > 120
    numbers = [r['number'] for r in found]
    assert numbers == sorted(set(numbers))


class Follower:
    """`mfactl log -f --json`, its lines as they come."""

    def __init__(self, stack, *more):
        self.process = subprocess.Popen([stack.build.mfactl, 'log', '-f', '--json', *more],
                                        env={**stack.sanitizer_environment(), **stack.environment},
                                        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        self.seen = []
        self.thread = threading.Thread(target=self._read, daemon=True)
        self.thread.start()

    def _read(self):
        for line in self.process.stdout:
            self.seen.append(json.loads(line))

    def end(self):
        self.process.send_signal(signal.SIGINT)
        self.process.wait(20)
        self.thread.join(20)
        self.process.stdout.close()
        self.process.stderr.close()


def test_follow_goes_on_after_a_lock(unlocked):
    unlocked.credentials()
    follower = Follower(unlocked)
    try:
        wait_until(lambda: [r for r in follower.seen if r['event'] == 'lent'], what='what was')
        unlocked.get('/profile/nobody')
        wait_until(lambda: [r for r in follower.seen if r['profile'] == 'nobody'], what='what is new')
        assert unlocked.mfactl('lock').code == client.OK
        wait_until(lambda: [r for r in follower.seen if r['event'] == 'locked'], what='the lock')
        unlocked.get('/profile/nobody-else')
        wait_until(lambda: [r for r in follower.seen if r['profile'] == 'nobody-else'], what='what comes then')
        numbers = [r['number'] for r in follower.seen]
        assert numbers == sorted(set(numbers)), 'each once, in their order'
    finally:
        follower.end()


def test_follow_ends_with_mfad(unlocked):
    """Where there is no journal."""
    follower = Follower(unlocked)
    try:
        wait_until(lambda: follower.seen, what='the first line')
        assert unlocked.front.terminate() is None
        follower.process.wait(30)
        assert follower.process.returncode == client.NOT_RUNNING
    finally:
        follower.end()
        unlocked.front.start()


def with_journalctl(stack, script):
    """For mfactl's environment: this is what it finds as journalctl, if anything."""
    path = stack.write('bin/journalctl', '#!/bin/sh\n' + script)
    os.chmod(path, 0o755 if script else 0o644)
    return {'PATH': f'{os.path.dirname(path)}:/bin' if script else os.path.dirname(path)}


def journal_entry(**more):
    return json.dumps({'__CURSOR': 's=1;i=1', '__REALTIME_TIMESTAMP': '1795305600000001', 'MESSAGE': 'an entry',
                       'MESSAGE_ID': '22a1e0b048da4040a39c4b1fc47c6465', **more})


@pytest.mark.parametrize('script', [
    '', 'exit 1\n', 'echo\n', 'echo garbage\n', 'echo {}\n', 'head -c 300000 /dev/zero; echo\n', 'kill -9 $$\n',
    f"echo '{journal_entry()}'; exit 1\n",  # what comes of a failure is not all that there is
    f"echo '{journal_entry(MESSAGE_ID='f' * 32)}'\n",
], ids=['none', 'fails', 'blank', 'garbage', 'empty', 'long', 'killed', 'half', 'of-others'])
def test_neither_mfad_nor_journal(make_stack, script):
    stack = make_stack()
    for options in ([], ['-f']):
        done = stack.mfactl('log', *options, environment=with_journalctl(stack, script))
        assert (done.code, done.out) == (client.NOT_RUNNING, ''), done


def test_journal_without_mfad(make_stack):
    """Whatever stands in it, the records are shown and nothing else; times and numbers grow where clocks do not."""
    stack = make_stack()
    stack.write('entries', '\n'.join([
        journal_entry(), 'garbage', journal_entry(MESSAGE='x' * 70000), journal_entry(MESSAGE_ID='f' * 32),
        journal_entry(MESSAGE=['first', 'second'], PEER_UID='0', PEER_EXE=[47, 255, 27, 10]),
        journal_entry(MESSAGE='earlier\x1b[31m', __REALTIME_TIMESTAMP='1795305500000000'), '']))
    environment = with_journalctl(stack, f'echo "$@" >{stack.home}/asked; cat {stack.home}/entries\n')
    done = stack.mfactl('log', '--json', environment=environment)
    assert done.code == client.OK, done
    found = [json.loads(line) for line in done.out.splitlines()]
    assert [r['message'] for r in found] == ['an entry', 'first', 'earlier?[31m']
    assert [r['number'] for r in found] == [1795305600000001, 1795305600000002, 1795305600000003]
    assert found[1]['peer'] == {'uid': 0, 'pid': None, 'exe': '/???', 'comm': None, 'unit': None}
    with open(f'{stack.home}/asked', encoding='utf-8') as f:
        asked = f.read()
    assert f' _UID={os.getuid()} MESSAGE_ID=' in asked and ' --lines=1000 ' in asked
    done = stack.mfactl('log', environment=environment)
    assert done.code == client.OK and '\x1b' not in done.out and done.out.count('an entry') == 1


def test_follow_ends_with_journalctl(make_stack):
    stack = make_stack()
    environment = with_journalctl(stack, f"""case "$*" in
*--follow*--after-cursor=s=1\\;i=1*) echo '{journal_entry(MESSAGE='new')}'; exit 7 ;;
*) echo '{journal_entry()}' ;;
esac
""")
    done = stack.mfactl('log', '-f', environment=environment)
    assert done.code == client.FAILURE
    assert 'an entry\n' in done.out and 'new\n' in done.out
    assert 'exit code 7' in done.err and 'mfactl log -f' in done.err


def test_another_journal_is_not_shown(unlocked):
    """One that mfad does not write to is not asked when it runs."""
    unlocked.credentials()
    environment = with_journalctl(unlocked, f"echo '{journal_entry()}'; touch {unlocked.home}/asked\n")
    done = unlocked.mfactl('log', environment=environment)
    assert done.code == client.OK
    assert 'an entry' not in done.out and ' ok ' in done.out
    assert not os.path.exists(f'{unlocked.home}/asked')


@pytest.mark.parametrize('words', [['log', 'word'], ['log', '-x'], ['status', '-f']])
def test_usage(stack, words):
    assert stack.mfactl(*words).code == client.USAGE


def finder_of(stack):
    """The process that looks for peers: of the same program, with the end of its socket as descriptor 0."""
    found = []
    for name in os.listdir('/proc'):
        with contextlib.suppress(OSError):
            if name.isdigit() and comm_of(name) == 'mfad-peers' and \
                    os.readlink(f'/proc/{name}/exe') == stack.build.front:
                with open(f'/proc/{name}/environ', 'rb') as f:
                    if stack.runtime.encode() in f.read():
                        found.append(int(name))
    return found


@pytest.mark.root
def test_finder_ends_with_mfad(unlocked):
    finder = finder_of(unlocked)
    assert len(finder) == 1
    assert unlocked.mfactl('lock').code == client.OK
    unlocked.credentials() if unlocked.status()['state'] == 'unlocked' else unlocked.get()
    assert finder_of(unlocked) == finder, 'a lock keeps it'
    unlocked.front.kill()
    wait_until(lambda: finder_of(unlocked) == [], what='its end')
    unlocked.front.start()


@pytest.mark.root
def test_finder_holds_nothing_but_its_socket(unlocked):
    pid = finder_of(unlocked)[0]
    assert os.listdir(f'/proc/{pid}/fd') == ['0']


@pytest.mark.root
def test_requests_go_on_without_the_finder(unlocked):
    unlocked.credentials()
    os.kill(finder_of(unlocked)[0], signal.SIGKILL)
    for _ in range(3):
        assert unlocked.get().status == 200
    record = audit(unlocked)[-1]
    assert record['result'] == 'ok'
    assert record['peer']['pid'] is None
    assert unlocked.front.is_running()
    # a lock is one without it, too; nor is another made in the sandbox, where it would see nothing
    assert unlocked.mfactl('lock').code == client.OK
    assert [r['event'] for r in records(unlocked)][0] == 'locked'
    assert finder_of(unlocked) == []
    assert 'the log will name nobody' in unlocked.front.log()


def test_full_log_pipe_never_blocks(make_stack):
    """Standard error is a pipe that nobody reads."""
    stack = make_stack()
    reader, writer = os.pipe()
    try:
        stack.front = stack.program(stack.build.front, lambda: os.dup2(writer, 2))
        stack.start()
        stack.unlocked()
        for i in range(2000):
            assert stack.get(f'/profile/nobody-{i}').status == 400
        assert stack.get().status == 200
    finally:
        os.close(reader)
        os.close(writer)


def test_no_secret_at_any_level(make_stack, simulator):
    """A day with everything that goes wrong, at debug level: none of it says a secret."""
    simulator.options(totp_drift=20)  # nobody waits for the next code
    stack = make_stack()
    stack.environment['MFAD_LOG_LEVEL'] = 'debug'
    stack.front = stack.program(stack.build.front)
    stack.signer = stack.program(stack.build.signer)
    stack.write_profiles({'role': {'role_arn': 'arn:aws:iam::123456789012:role/role', 'source_profile': 'default'},
                          'refused': {'role_arn': 'arn:aws:iam::123456789012:role/nobody',
                                      'source_profile': 'default'}})
    stack.start()
    bad_token, bad_passphrase, origin = 'Bt' * 21 + 'x', 'Wp-0123456789-wrong-passphrase', 'http://Og0123456789'
    with stack.vault() as v, contextlib.suppress(VarlinkError):
        v.call('Open', passphrase=bad_passphrase)
    codes = [simulator.fresh_code()]
    stack.open_vault()
    stack.unlock(codes[0])
    served = [stack.credentials()]
    for name in ('role', 'refused', 'nobody'):
        answer = stack.get_profile(name)
        if answer.status == 200:
            served.append(json.loads(answer.body))
    assert len(served) >= 2, 'no role was bought, so nothing is proved of roles'
    stack.get(token=bad_token)
    stack.get('/', f'Origin: {origin}')
    web.exchange(stack.port, b'GARBAGE ' + bad_token.encode() + b'\r\n\r\n')
    with contextlib.suppress(OSError), socket.create_connection(('127.0.0.1', stack.port), timeout=5) as s:
        s.sendall(f'GET / HTTP/1.1\r\nAuthorization: {stack.token}\r\n folded: {stack.token}\r\n\r\n'.encode())
        s.recv(4096)
    for fault in ('wrong_code', 'close', 'garbage'):
        simulator.fault(fault, 'GetSessionToken')
        codes.append(simulator.fresh_code())
        stack.unlock_error(codes[-1])
    stack.write('.aws/config', 'aws_secret_access_key = NoSection0123456789\n')
    stack.get()
    stack.write('.aws/config', stack.first_config)
    stack.get()
    stack.mfactl('creds')
    log = json.dumps(records(stack)) + stack.mfactl('log').out
    stack.mfactl('lock', '--seal')
    log += json.dumps(records(stack)) + ''.join(stack.logs().values())
    assert '<7>' in log, 'nothing was logged at debug level, so nothing is proved'
    secrets = {**stack.markers(), 'bad token': bad_token, 'bad passphrase': bad_passphrase, 'origin': origin,
               'a broken file': 'NoSection0123456789'}
    for i, creds in enumerate(served):
        secrets[f'secret {i}'], secrets[f'token {i}'] = creds['SecretAccessKey'], creds['Token']
        secrets[f'key id {i}'] = creds['AccessKeyId']
    for i, code in enumerate(codes):
        secrets[f'code {i}'] = f'"{code}"'
    assert [name for name, secret in secrets.items() if secret in log] == []
