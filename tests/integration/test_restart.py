"""Sessions and roles come back after a restart or a crash, from a file that only the signer opens; and only then."""
import os
import shutil
import signal
import stat
import threading
import time

import pytest
from mfadtest import activate, client, session_file, web
from mfadtest.moved_clock import MovedClock
from mfadtest.processes import wait_until
from mfadtest.signer import SignSocket

ACTIVATE = os.path.abspath(activate.__file__)
PROFILES = {name: {'role_arn': f'arn:aws:iam::123456789012:role/{name}', 'source_profile': 'default'}
            for name in ('dev', 'ops')}
BACK = 'back from before the start'
WRAPPED_KEY = slice(8, 68)  # in the file


def path(stack):
    return stack.socket_path('session')


def has_file(stack):
    return os.path.lexists(path(stack))


def read(stack):
    with open(path(stack), 'rb') as f:
        return f.read()


def write(stack, data, mode=0o600):
    with open(path(stack), 'wb') as f:
        f.write(data)
    os.chmod(path(stack), mode)


def restart(stack, how='kill'):
    """What mfad logged since."""
    before = len(stack.front.log())
    getattr(stack.front, how)()
    stack.front.start()
    return stack.front.log()[before:]


def without_date(creds):
    return {k: v for k, v in creds.items() if k != 'LastUpdated'}


def complaints(log):
    return [line for line in log.split('\n') if 'the file "session"' in line]


def is_back(stack):
    return stack.get().status == 200


# what comes back

@pytest.mark.parametrize('how', ['kill', 'terminate'])
def test_the_session_is_back_for_the_first_request(unlocked, how):
    creds, posts = unlocked.credentials(), len(unlocked.posts())
    before, = unlocked.status()['sessions']
    log = restart(unlocked, how)
    answer = unlocked.get()
    assert answer.status == 200, answer
    assert without_date(answer.json()) == without_date(creds)
    after, = unlocked.status()['sessions']
    assert abs(after.pop('seconds_left') - before.pop('seconds_left')) < 60
    assert after == before
    assert len(unlocked.posts()) == posts
    assert f'{BACK}: 1 session, 0 roles' in log and complaints(log) == []
    assert unlocked.front.status.startswith('unlocked until ') or wait_until(
        lambda: unlocked.front.read_notify() or 'unlocked until' in (unlocked.front.status or ''))


def test_it_is_back_after_each_of_several_restarts(unlocked):
    creds = unlocked.credentials()
    for how in ('kill', 'terminate', 'kill', 'kill'):
        restart(unlocked, how)
        assert without_date(unlocked.credentials()) == without_date(creds)
    assert len(unlocked.posts()) == 1


@pytest.fixture
def with_roles(make_stack):
    stack = make_stack()
    stack.write_profiles(PROFILES)
    stack.start().unlocked()
    for name in PROFILES:
        assert stack.get_profile(name).status == 200
    return stack


def role_of(stack, name):
    answer = stack.get_profile(name)
    assert answer.status == 200, answer
    return without_date(answer.json())


def test_roles_are_back_without_being_bought_again(with_roles):
    before = {name: role_of(with_roles, name) for name in PROFILES}
    restart(with_roles, 'terminate')  # which writes what was bought a moment ago
    assert with_roles.status()['roles_held'] == 2
    assert {name: role_of(with_roles, name) for name in PROFILES} == before
    assert len(with_roles.posts('AssumeRole')) == 2


def test_roles_are_written_a_moment_after_they_were_bought(with_roles):
    size = os.path.getsize(path(with_roles))
    wait_until(lambda: os.path.getsize(path(with_roles)) > size or with_roles.status()['roles_held'] == 2, sec=5)
    time.sleep(1.5)
    restart(with_roles, 'kill')
    assert with_roles.status()['roles_held'] == 2


def test_a_role_whose_profile_changed_meanwhile_is_bought_anew(with_roles):
    before = {name: role_of(with_roles, name) for name in PROFILES}
    assert with_roles.front.terminate() is None
    changed = {**PROFILES, 'ops': {**PROFILES['ops'], 'role_arn': 'arn:aws:iam::123456789012:role/other'}}
    with_roles.write_profiles(changed)
    with_roles.front.start()
    assert role_of(with_roles, 'dev') == before['dev']
    assert role_of(with_roles, 'ops')['AccessKeyId'] != before['ops']['AccessKeyId']
    assert [e['role'].rsplit('/')[-1] for e in with_roles.posts('AssumeRole')].count('other') == 1
    assert len(with_roles.posts('AssumeRole')) == 3


def test_a_role_whose_profile_is_gone_is_gone(with_roles):
    assert with_roles.front.terminate() is None
    with_roles.write_profiles({'dev': PROFILES['dev']})
    with_roles.front.start()
    assert with_roles.status()['roles_held'] == 1
    assert with_roles.get_profile('ops').code == 'MfadUnknownProfile'


# crashes under load

def hold_sockets(stack):
    """mfad as its service manager starts it, with sockets that are never closed."""
    os.mkdir(stack.sockets, 0o700)
    given = {'http': f'tcp:127.0.0.1:{stack.port}', 'control': f'stream:{stack.socket_path("control")}'}
    mask = os.umask(0o177)
    try:
        held = {name: activate.listener(address) for name, address in given.items()}
    finally:
        os.umask(mask)
    stack.front.argv = [ACTIVATE, *(f'{name}=fd:{s.fileno()}' for name, s in held.items()), stack.build.front]
    stack.front.pass_fds = tuple(s.fileno() for s in held.values())
    return held


class Askers:
    """Threads that ask for credentials all the time, and try again, as SDKs do, when a connection was cut."""

    TRIES = 4

    def __init__(self, stack, count=4):
        self.port, self.token = stack.port, stack.token
        self.n_answers, self.n_cut, self.problems = 0, 0, []
        self.ended = threading.Event()
        self.threads = [threading.Thread(target=self.run) for _ in range(count)]

    def run(self):
        while not self.ended.is_set():
            for _ in range(self.TRIES):
                answer = self.ask()
                if answer is None or answer.status:
                    break
                self.n_cut += 1
            if answer is None or answer.status != 200:
                self.problems.append(answer)
            self.n_answers += 1

    def ask(self):
        try:
            return web.get(self.port, self.token, timeout=20)
        except (ConnectionResetError, BrokenPipeError):
            return web.Answer(b'', 0)
        except OSError as e:  # refused, above all
            self.problems.append(e)
            return None

    def __enter__(self):
        for thread in self.threads:
            thread.start()
        return self

    def __exit__(self, *ignored):
        self.ended.set()
        for thread in self.threads:
            thread.join()


def test_twenty_crashes_under_requests(make_stack):
    stack = make_stack()
    held = hold_sockets(stack)
    try:
        stack.start().unlocked()
        with Askers(stack) as askers:
            for _ in range(20):
                seen = askers.n_answers
                wait_until(lambda: askers.n_answers > seen + 3)
                restart(stack)
        assert askers.problems == []
        assert askers.n_answers > 100
        assert len(stack.posts()) == 1
        assert stack.front.log().count(BACK) == 20
    finally:
        for s in held.values():
            s.close()


# the vault

def no_code_needed(done):
    return done.code == client.OK and 'no code needed' in done.out and 'unlocked until' in done.out


@pytest.mark.parametrize('killed', ['signer', 'both'])
def test_after_the_signer_died_the_passphrase_is_enough(unlocked, killed):
    creds = unlocked.credentials()
    unlocked.signer.kill()
    if killed == 'both':
        unlocked.front.kill()
    unlocked.signer.start()
    if killed == 'both':
        unlocked.front.start()
        answer = unlocked.get()
        assert answer.status == 403 and 'mfactl unlock' in answer.json()['Message']
        assert has_file(unlocked)
    done = unlocked.mfactl('unlock', passphrase=unlocked.passphrase)
    assert no_code_needed(done), done
    assert without_date(unlocked.credentials()) == without_date(creds)
    assert len(unlocked.posts()) == 1


def test_on_a_terminal_only_the_passphrase_is_asked_for(unlocked):
    unlocked.signer.kill()
    restart(unlocked)
    unlocked.signer.start()
    terminal = unlocked.terminal('unlock')
    terminal.until('Passphrase').send(unlocked.passphrase).until('no code needed')
    assert terminal.wait() == client.OK
    assert 'MFA code' not in terminal.screen
    assert is_back(unlocked)


def test_with_a_code_unlock_buys_a_new_session(unlocked):
    creds = unlocked.credentials()
    unlocked.signer.kill()
    restart(unlocked)
    unlocked.signer.start()
    unlocked.simulator.options(clock_offset=30)
    done = unlocked.mfactl('unlock', '--code-stdin', stdin=unlocked.simulator.totp() + '\n',
                           passphrase=unlocked.passphrase)
    assert done.code == client.OK and 'no code needed' not in done.out, done
    assert unlocked.credentials()['AccessKeyId'] != creds['AccessKeyId']
    restart(unlocked)
    assert unlocked.credentials()['AccessKeyId'] != creds['AccessKeyId']


def test_without_anything_to_come_back_a_code_is_needed(stack):
    done = stack.mfactl('unlock', passphrase=stack.passphrase)
    assert done.code == client.USAGE and '--code-stdin' in done.err, done
    assert stack.vault_status()['state'] == 'open'


def test_a_sealed_vault_keeps_the_file_closed(unlocked):
    assert unlocked.mfactl('vault', 'seal').code == client.OK
    log = restart(unlocked)
    assert unlocked.get().status == 403 and unlocked.status()['sessions'] == []
    assert unlocked.status()['state'] == 'sealed'
    assert has_file(unlocked) and BACK not in log
    unlocked.open_vault()
    wait_until(lambda: is_back(unlocked))
    assert len(unlocked.posts()) == 1


def test_a_new_passphrase_is_no_new_code(unlocked):
    before = read(unlocked)[WRAPPED_KEY]
    with unlocked.vault() as v:
        v.call('ChangePassphrase', old_passphrase=unlocked.passphrase,
               new_passphrase='another passphrase of the same vault')
    wait_until(lambda: read(unlocked)[WRAPPED_KEY] != before, what='the file is written with a key wrapped anew')
    restart(unlocked)
    assert is_back(unlocked)


def change_passphrase(stack, new):
    with stack.vault() as v:
        v.call('ChangePassphrase', old_passphrase=stack.passphrase, new_passphrase=new)
    stack.passphrase = new


@pytest.mark.parametrize('when', ['after', 'before'])
def test_a_crash_around_a_new_passphrase_costs_no_code(unlocked, when):
    creds = unlocked.credentials()
    if when == 'before':
        unlocked.front.kill()
    change_passphrase(unlocked, 'another passphrase of the same vault')
    if when == 'before':
        change_passphrase(unlocked, 'and one more')
    else:
        unlocked.front.kill()
    before = read(unlocked)
    unlocked.front.start()
    assert without_date(unlocked.credentials()) == without_date(creds)
    # and from then on it is bound to the new one
    if when == 'before':
        wait_until(lambda: read(unlocked) != before, what='the file is written with a key wrapped anew')
    else:
        time.sleep(0.3)
    unlocked.front.kill()
    unlocked.signer.kill()
    unlocked.start().open_vault()
    wait_until(lambda: is_back(unlocked))
    assert len(unlocked.posts()) == 1


# when there is no file

@pytest.mark.parametrize('how', ['lock', 'seal', 'signal', 'sealed', 'half'])
def test_a_lock_leaves_no_file(unlocked, how):
    assert has_file(unlocked)
    if how == 'sealed':  # it waits for the passphrase
        unlocked.signer.kill()
        restart(unlocked)
        assert has_file(unlocked)
    if how == 'half':  # left by a crash in the midst of a write
        shutil.copy(path(unlocked), path(unlocked) + '.new')
    if how == 'signal':
        os.kill(unlocked.front.pid, signal.SIGUSR1)
        wait_until(lambda: not has_file(unlocked))
    else:
        done = unlocked.mfactl('lock', *(['--seal'] if how == 'seal' else []))
        assert done.code == client.OK, done
    assert [n for n in os.listdir(unlocked.sockets) if n.startswith('session')] == []
    if how == 'sealed':
        unlocked.signer.start()
    log = restart(unlocked)
    assert BACK not in log and unlocked.get().status == 403
    assert not has_file(unlocked)


def test_nothing_unlocked_no_file(open_stack):
    assert not has_file(open_stack)
    open_stack.unlock_error('000000')
    restart(open_stack, 'terminate')
    assert not has_file(open_stack)


@pytest.fixture
def clocked(make_stack, build, simulator, tmp_path):
    stack = make_stack()
    stack.clock = MovedClock(build, str(tmp_path))
    stack.clock.drive(stack)
    simulator.options(clock_file=stack.clock.path)
    stack.start().open_vault()
    stack.unlock(duration_seconds=900)
    assert has_file(stack)
    return stack


def test_the_file_goes_with_the_last_credentials(clocked):
    clocked.clock.leap(600)
    assert is_back(clocked) and has_file(clocked)
    clocked.clock.leap(250)
    assert clocked.get().code == 'MfadMfaRequired'
    wait_until(lambda: not has_file(clocked))


def test_what_expired_while_mfad_was_down(clocked):
    clocked.front.kill()
    clocked.clock.leap(850)
    clocked.front.start()
    answer = clocked.get()
    assert answer.code == 'MfadMfaRequired' and 'expired' in answer.json()['Message']
    assert not has_file(clocked)
    assert complaints(clocked.front.log()) == []


def test_the_time_that_is_left_is_right_after_a_restart(clocked):
    clocked.front.kill()
    clocked.clock.leap(500)
    clocked.front.start()
    session, = clocked.status()['sessions']
    assert 250 < session['seconds_left'] <= 400
    assert session['state'] == 'expiring'  # less than half of a short life


# files that are not taken

def spoilt(data):
    """{what: bytes}"""
    def flip(at):
        return data[:at] + bytes([data[at] ^ 0x10]) + data[at + 1:]

    return {'magic': flip(0), 'version': flip(7), 'wrapped': flip(30), 'nonce': flip(70), 'entries': flip(200),
            'tag': flip(len(data) - 1), 'truncated': data[:-1], 'header only': data[:80], 'empty': b'',
            'longer': data + b'\0', 'other': os.urandom(500)}


@pytest.mark.parametrize('what', spoilt(bytes(300)))
def test_a_changed_file_is_ignored_with_one_warning_and_removed(unlocked, what):
    unlocked.front.kill()
    write(unlocked, spoilt(read(unlocked))[what])
    unlocked.front.start()
    assert unlocked.get().code == 'MfadLocked'
    assert not has_file(unlocked)
    assert len(complaints(unlocked.front.log())) == 1
    unlocked.simulator.options(clock_offset=30)
    unlocked.unlock(unlocked.simulator.totp())
    restart(unlocked)
    assert is_back(unlocked)


def place(stack, how):
    data = read(stack)
    if how == 'mode':
        os.chmod(path(stack), 0o644)
    elif how == 'owner':
        os.chown(path(stack), 65534, 65534)
    elif how == 'link':
        os.link(path(stack), path(stack) + '.other')
    else:
        os.rename(path(stack), path(stack) + '.other')
        os.symlink(path(stack) + '.other', path(stack))
    return data


@pytest.mark.parametrize('how', ['mode', 'link', 'symlink', pytest.param('owner', marks=pytest.mark.root)])
def test_a_file_that_is_not_ours_alone_is_refused(unlocked, how):
    unlocked.front.kill()
    place(unlocked, how)
    unlocked.front.start()
    assert unlocked.get().code == 'MfadLocked'
    assert not has_file(unlocked)
    assert len(complaints(unlocked.front.log())) == 1


def test_a_file_of_another_vault_is_refused(unlocked):
    unlocked.front.kill()
    unlocked.signer.kill()
    os.unlink(os.path.join(unlocked.data, 'vault'))
    unlocked.start()
    with unlocked.vault() as v:
        v.call('Create', passphrase=unlocked.passphrase)
    wait_until(lambda: not has_file(unlocked))
    assert 'not of this vault' in unlocked.front.log()
    assert unlocked.status()['sessions'] == []


def test_what_cannot_be_written_is_told_once_and_harms_nobody(open_stack):
    os.mkdir(path(open_stack))
    open_stack.unlock()
    assert is_back(open_stack)
    for _ in range(3):
        assert open_stack.get().status == 200
    assert len(complaints(open_stack.front.log())) == 1
    notice, = open_stack.status()['notices']
    assert 'would not survive a restart' in notice
    assert 'Permission denied' in notice or 'Is a directory' in notice, notice  # with Landlock, and without
    assert notice in open_stack.mfactl('status').out.replace('\n', ' ')
    os.rmdir(path(open_stack))
    restart(open_stack, 'terminate')  # which is the last chance to write it
    assert is_back(open_stack) and open_stack.status()['notices'] == []


def test_what_could_not_be_written_is_written_later(clocked):
    os.unlink(path(clocked))
    os.mkdir(path(clocked))
    clocked.simulator.options(clock_offset=30)
    clocked.unlock(clocked.simulator.totp())
    assert len(clocked.status()['notices']) == 1
    os.rmdir(path(clocked))
    clocked.clock.leap(31)
    wait_until(lambda: is_back(clocked) and has_file(clocked))
    assert clocked.status()['notices'] == []
    restart(clocked)
    assert is_back(clocked)


# what is in it

@pytest.fixture
def wrapper(unlocked):
    pytest.importorskip('cryptography')
    with open(os.path.join(unlocked.data, 'vault'), 'rb') as f:
        vault = f.read()

    def make(boot=None):
        return session_file.Wrapper(vault, unlocked.passphrase, boot)
    return make


def test_the_file_is_private_and_says_nothing(unlocked):
    info = os.lstat(path(unlocked))
    assert stat.S_ISREG(info.st_mode) and stat.S_IMODE(info.st_mode) == 0o600 and info.st_uid == os.getuid()
    creds, data = unlocked.credentials(), read(unlocked)
    for text in (creds['AccessKeyId'], creds['SecretAccessKey'], creds['Token'], unlocked.simulator.serial(),
                 unlocked.simulator.key()['secret'], unlocked.passphrase, 'default', '123456789012'):
        assert text.encode() not in data, text


def test_the_file_is_as_documented(unlocked, wrapper):
    creds = unlocked.credentials()
    _, entries = wrapper().read(read(unlocked))
    entry, = session_file.decode(entries)
    assert (entry['kind'], entry['name'], entry['role_arn']) == ('session', 'default', '')
    assert entry['mfa_serial'] == unlocked.simulator.serial() and entry['account'] == '123456789012'
    assert (entry['access_key_id'], entry['secret_key'], entry['session_token']) == (
        creds['AccessKeyId'], creds['SecretAccessKey'], creds['Token'])
    now_usec = time.clock_gettime(time.CLOCK_BOOTTIME) * 1e6
    assert entry['bought_boot_usec'] < now_usec < entry['ends_boot_usec']
    assert abs(entry['ends_wall_sec'] - time.time() - (entry['ends_boot_usec'] - now_usec) / 1e6) < 5


def test_no_nonce_and_no_wrapped_key_comes_twice(unlocked, wrapper):
    """The key stays as long as it is good for something; what is encrypted with it always has another nonce."""
    seen = []
    for _ in range(3):
        data = read(unlocked)
        seen.append((data[68:80], wrapper().read(data)[0]))
        unlocked.front.terminate()
        unlocked.front.start()
        with unlocked.vault() as v:  # news of the vault: the key is wrapped anew, and the file written
            v.call('SetKeyInfo', name='default', user_arn='arn:aws:iam::123456789012:user/alice')
        wait_until(lambda: read(unlocked)[68:80] != seen[-1][0], what='the next write')
    assert len({nonce for nonce, _ in seen}) == 3
    assert len({key for _, key in seen}) == 1


def test_a_file_of_another_boot_is_refused(unlocked, wrapper):
    key, entries = wrapper().read(read(unlocked))
    # first the same boot, written by other hands: that it can be taken is what makes the refusal mean something
    for boot, status in ((None, 200), ('01234567-89ab-cdef-0123-456789abcdef', 403)):
        unlocked.front.kill()
        write(unlocked, wrapper(boot).write(key, entries))
        unlocked.front.start()
        assert unlocked.get().status == status, boot
    assert not has_file(unlocked)
    assert 'not of this vault' in complaints(unlocked.front.log())[0]


def test_entries_that_make_no_sense_are_refused(unlocked, wrapper):
    key, entries = wrapper().read(read(unlocked))
    for bad in (entries[:-1], entries + b'\1', b'\7' + entries[1:], b''):
        unlocked.front.kill()
        write(unlocked, wrapper().write(key, bad))
        unlocked.front.start()
        wait_until(lambda: not has_file(unlocked))
        assert unlocked.front.is_running()


def test_the_signer_gives_no_key_while_sealed(unlocked):
    with SignSocket(unlocked.socket_path('sign')) as sign:
        wrapped = read(unlocked)[WRAPPED_KEY]
        assert len(sign.unwrap(wrapped)['data']) == 32
        assert sign.unwrap(bytes(60))['why'] == 'alien'
    with unlocked.vault() as v:
        v.call('Seal')
    with SignSocket(unlocked.socket_path('sign')) as sign:
        assert sign.unwrap(wrapped)['why'] == 'sealed'
        assert sign.wrap(bytes(32))['why'] == 'sealed'

