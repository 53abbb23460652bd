"""Locking, sealing, and what is left after each program was killed."""
import contextlib
import os
import shutil
import signal
import socket
import threading
import time

import pytest
from mfadtest import client
from mfadtest.processes import wait_until
from mfadtest.varlink import VarlinkError


def image(pid):
    """Changes with execve(2): where the kernel put the new image's stack. Only root may know."""
    with open(f'/proc/{pid}/stat', encoding='ascii') as f:
        stack_start = f.read().rsplit(')', 1)[1].split()[25]
    if stack_start == '0':
        pytest.skip('needs root to tell one image from the next')
    return stack_start


@contextlib.contextmanager
def knocking(port):
    """Connects all the time meanwhile; yields [number of connections, [errors]]."""
    seen = [0, []]
    ended = threading.Event()

    def knock():
        while not ended.is_set():
            try:
                with socket.create_connection(('127.0.0.1', port), timeout=5):
                    seen[0] += 1
            except OSError as e:
                seen[1].append(e)

    thread = threading.Thread(target=knock)
    thread.start()
    try:
        yield seen
    finally:
        ended.set()
        thread.join()


def test_lock_drops_the_session_and_says_what_to_do(unlocked):
    done = unlocked.mfactl('lock')
    assert done.code == client.OK, done
    answer = unlocked.get()
    assert (answer.status, answer.code) == (403, 'MfadLocked')
    assert 'mfactl unlock' in answer.json()['Message']
    assert unlocked.status()['state'] == 'locked'
    assert unlocked.vault_status()['state'] == 'open'


def test_lock_is_answered_by_a_new_image_of_the_same_process(unlocked):
    token, pid, before = unlocked.token, unlocked.front.pid, image(unlocked.front.pid)
    with unlocked.control() as c:
        assert c.call('Lock') == {}
        # no waiting: when the answer is there, the old image is gone
        assert image(pid) != before
    assert unlocked.front.is_running()
    assert unlocked.token == token


def test_port_stays_open_while_locking(unlocked):
    with knocking(unlocked.port) as seen:
        for _ in range(10):
            with unlocked.control() as c:
                c.call('Lock')
    assert seen[1] == [] and seen[0] > 50, seen


def test_watch_goes_on_across_a_lock(unlocked):
    watching = unlocked.terminal('status', '--watch')
    watching.until('unlocked').until('next')
    for _ in range(3):
        assert unlocked.mfactl('lock').code == client.OK
        watching.until('\nlocked').until('next')
    for _ in range(30):  # also in the moment in which it asks anew
        with unlocked.control() as c:
            c.call('Lock')
    watching.until('\nlocked').until('next')
    watching.send('\x03')  # Ctrl-C
    assert watching.wait() == -signal.SIGINT and 'ended' not in watching.screen


def test_lock_is_idempotent(stack):
    for _ in range(3):
        assert stack.mfactl('lock').code == client.OK


def test_lock_does_not_wait_for_an_unlock_in_flight(open_stack):
    open_stack.simulator.fault('hang', 'GetSessionToken', sec=10)
    with open_stack.control() as c:
        c.send('Unlock', code=open_stack.simulator.fresh_code())
        wait_until(lambda: open_stack.posts())
        began = time.monotonic()
        assert open_stack.mfactl('lock').code == client.OK
        assert time.monotonic() - began < 2
        with pytest.raises((ConnectionResetError, VarlinkError)):
            c.receive()
    assert open_stack.get().code == 'MfadLocked'


def test_lock_leaves_no_fetch_behind(open_stack):
    open_stack.simulator.fault('hang', 'GetSessionToken', sec=10)
    with open_stack.control() as c:
        c.send('Unlock', code=open_stack.simulator.fresh_code())
        wait_until(lambda: open_stack.posts())
        assert open_stack.mfactl('lock').code == client.OK
    wait_until(lambda: not children(open_stack.front.pid), sec=3, what='the end of mfad-fetch')


def children(pid):
    found = []
    for name in os.listdir('/proc'):
        if name.isdigit():
            with contextlib.suppress(OSError), open(f'/proc/{name}/stat', encoding='ascii',
                                                    errors='replace') as f:
                if int(f.read().rsplit(')', 1)[1].split()[1]) == pid:
                    found.append(int(name))
    return found


def test_lock_works_when_all_connections_are_taken(unlocked):
    held = []
    try:
        for _ in range(64):
            held.append(unlocked.control())
        assert unlocked.mfactl('lock', timeout=5).code == client.OK
        assert unlocked.get().code == 'MfadLocked'
    finally:
        for c in held:
            c.close()


def test_lock_seal_also_seals_the_vault(unlocked):
    signer, before = unlocked.signer.pid, image(unlocked.signer.pid)
    done = unlocked.mfactl('lock', '--seal')
    assert done.code == client.OK, done
    assert unlocked.vault_status()['state'] == 'sealed'
    assert image(signer) != before and unlocked.signer.is_running()
    assert unlocked.mfactl('status').code == client.LOCKED
    assert unlocked.unlock_error('123456').name == 'Sealed'
    unlocked.simulator.options(clock_offset=30)
    done = unlocked.mfactl('unlock', '--code-stdin', stdin=unlocked.simulator.totp() + '\n',
                           passphrase=unlocked.passphrase)
    assert done.code == client.OK, done


@pytest.mark.parametrize('how', ['sealed', 'killed'])
def test_used_code_stays_used(open_stack, how):
    """AWS would refuse it and count it; mfad does not even ask."""
    code = open_stack.simulator.fresh_code()
    open_stack.unlock(code)
    if how == 'sealed':
        assert open_stack.mfactl('lock', '--seal').code == client.OK
    else:
        open_stack.signer.kill()
        open_stack.signer.start()
        with open_stack.control() as c:
            c.call('Lock')
    open_stack.open_vault()
    before = len(open_stack.posts())
    assert open_stack.unlock_error(code).name == 'CodeUsed'
    assert len(open_stack.posts()) == before


def test_vault_seal_leaves_the_session(unlocked):
    assert unlocked.mfactl('vault', 'seal').code == client.OK
    assert unlocked.get().status == 200
    wait_until(lambda: unlocked.status()['vault'] == 'sealed')
    assert unlocked.status()['state'] == 'unlocked'


def test_signer_killed_session_still_served(unlocked):
    unlocked.signer.kill()
    assert unlocked.get().status == 200
    wait_until(lambda: unlocked.status()['vault'] == 'unreachable')
    assert unlocked.unlock_error('123456').name in ('Sealed', 'Internal')
    unlocked.signer.start()
    wait_until(lambda: unlocked.unlock_error('123456').name == 'Sealed', what='mfad finds the signer')
    unlocked.open_vault()
    unlocked.simulator.options(clock_offset=30)
    unlocked.unlock(unlocked.simulator.totp())


def test_signer_killed_while_its_answer_is_unread(stack):
    """What mfad knows of the key is the signer's word, and goes with it in the midst of the unlock."""
    stack.write('.aws/config', stack.read('.aws/config').replace(f'mfa_serial = {stack.simulator.serial()}\n', ''))
    stack.open_vault()
    with stack.vault() as vault:
        vault.call('SetKeyInfo', name='default', mfa_serial=stack.simulator.serial())
    stack.get()
    os.kill(stack.signer.pid, signal.SIGSTOP)
    found = []
    unlocking = threading.Thread(target=lambda: found.append(stack.unlock_error()))
    unlocking.start()
    time.sleep(0.5)  # mfad has asked
    os.kill(stack.front.pid, signal.SIGSTOP)
    os.kill(stack.signer.pid, signal.SIGCONT)
    time.sleep(0.5)  # it has answered
    stack.signer.kill()
    os.kill(stack.front.pid, signal.SIGCONT)
    unlocking.join()
    assert found[0].name == 'Sealed', found
    assert stack.get().status == 403
    stack.signer.start()


def test_front_killed_and_started_again_works_on(unlocked):
    token = unlocked.token
    unlocked.front.kill()
    assert unlocked.mfactl('status').code == client.NOT_RUNNING
    unlocked.front.start()
    assert unlocked.token == token
    assert unlocked.get().status == 200
    unlocked.simulator.options(clock_offset=30)
    unlocked.unlock(unlocked.simulator.totp())
    assert unlocked.get().status == 200


def test_fetch_killed_fails_that_call_only(open_stack):
    open_stack.simulator.fault('hang', 'GetSessionToken', sec=10)
    with open_stack.control() as c:
        c.send('Unlock', code=open_stack.simulator.fresh_code())
        wait_until(lambda: open_stack.posts())
        fetch, = children(open_stack.front.pid)
        os.kill(fetch, 9)
        with pytest.raises(VarlinkError) as error:
            c.receive()
    assert error.value.name == 'OutcomeUnknown'
    open_stack.simulator.reset(keep=True)
    open_stack.simulator.options(clock_offset=30)
    open_stack.unlock(open_stack.simulator.totp())


def test_programs_started_in_the_other_order(make_stack):
    stack = make_stack()
    stack.front.start()
    assert stack.status()['vault'] == 'unreachable'
    stack.signer.start()
    stack.unlocked()
    assert stack.get().status == 200


def test_second_instance_refuses_to_start(stack):
    for program in (stack.build.front, stack.build.signer):
        second = stack.program(program)
        second.log_path += '.second'
        with pytest.raises(AssertionError, match='ended with'):
            second.start()
    assert stack.get().status == 403


def test_programs_end_on_sigterm_with_sockets_in_use(unlocked):
    with unlocked.control() as c, socket.create_connection(('127.0.0.1', unlocked.port)):
        c.send('GetStatus', more=True)
        c.receive()
        assert unlocked.stop() == []


def test_clients_without_daemon_hear_so(make_stack):
    stack = make_stack()
    for command in (['status'], ['lock'], ['unlock', '--code-stdin'], ['env'], ['creds']):
        done = stack.mfactl(*command, stdin='123456\n')
        assert done.code == client.NOT_RUNNING, done
        assert done.out == '' and done.err


def test_a_service_manager_that_does_not_listen_stops_nobody(unlocked):
    """Its socket takes eleven messages; each new image sends one or two."""
    for _ in range(25):
        with unlocked.vault(timeout=10) as vault:
            vault.call('Seal')
        with unlocked.control(timeout=10) as control:
            control.call('Lock')
    assert unlocked.vault_status()['state'] == 'sealed'


def test_a_service_manager_that_hangs_stops_nobody(make_stack):
    """It wants signs of life and takes none: its queue is full long before the end."""
    stack = make_stack()
    stack.front = stack.program(stack.build.front, WATCHDOG_USEC='200000')
    stack.signer = stack.program(stack.build.signer, WATCHDOG_USEC='200000')
    stack.start()
    end = time.monotonic() + 5
    while time.monotonic() < end:
        assert stack.get().status == 403
        assert stack.vault_status()['state'] == 'sealed'
        time.sleep(0.1)


def signalled_early(program):
    """As it is started, but it gets SIGUSR1 at the first system call of its own main(), which is umask(2)'s."""
    # -D: strace is not the parent, so that the program is started and ended as ever
    program.argv = ['strace', '-D', '-qq', '-o', '/dev/null', '-e', 'trace=umask',
                    '-e', 'inject=umask:signal=USR1:when=1', *program.argv]
    return program


needs_strace = pytest.mark.skipif(not shutil.which('strace'), reason='needs strace')


@needs_strace
@pytest.mark.sanitizers_no  # which cannot be traced
def test_a_lock_signal_is_heard_from_the_first_moment_on(unlocked):
    """By default it would end mfad, and what it was to lock would come back with the next start."""
    unlocked.front.kill()
    assert os.path.exists(unlocked.socket_path('session'))
    signalled_early(unlocked.front).start()
    wait_until(lambda: unlocked.get().status == 403, what='the lock')
    assert unlocked.front.is_running()
    assert not os.path.exists(unlocked.socket_path('session'))


@needs_strace
@pytest.mark.sanitizers_no
def test_a_seal_signal_is_heard_from_the_first_moment_on(make_stack):
    """Also while the service manager's passphrase is being tried, which takes the better part of a second."""
    stack = make_stack()
    path = stack.write('credentials/mfad.passphrase', stack.passphrase, 0o400)
    stack.signer = stack.program(stack.build.signer, CREDENTIALS_DIRECTORY=os.path.dirname(path))
    signalled_early(stack.signer).start()
    wait_until(lambda: 'sealed, starting afresh' in stack.signer.log(), what='the seal')
    assert 'vault opened with the credential' in stack.signer.log()
    assert stack.vault_status()['state'] == 'sealed'
