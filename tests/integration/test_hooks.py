"""What locks besides the user: suspend, screen lock, idle time, logout; on a bus and with a logind of our own."""
import contextlib
import os
import shutil
import signal
import socket
import subprocess
import time

import pytest
from mfadtest.logind import Bus, Logind, image
from mfadtest.moved_clock import MovedClock, settle
from mfadtest.processes import wait_until

ALL_OFF = {'lock_on_suspend': 'no', 'lock_on_screen_lock': 'no', 'lock_on_logout': 'no', 'lock_idle': 'off'}
NOTICE = 'the locks on suspend, screen lock, idle time and logout may not work'
SETTLE_SEC = 0.3  # for what must not happen


def is_missing():
    """What this machine lacks for a bus of our own."""
    modules = subprocess.run(['/usr/bin/python3', '-c', 'import dbus, gi'], capture_output=True, check=False)
    return modules.returncode != 0 or not shutil.which('dbus-daemon') or not shutil.which('dbus-send')


needs_bus = pytest.mark.skipif(is_missing(), reason='needs dbus, python3-dbus and python3-gi')


class Machine:
    """A stack, its bus and its logind."""

    def __init__(self, stack):
        self.stack = stack
        self.bus = Bus(stack.folder).start()
        self.logind = Logind(self.bus)
        self.peers_at_first = self.bus.peers()

    def stop(self):
        self.logind.stop()
        self.bus.stop()

    def is_mfad_there(self):
        return self.bus.peers() != self.peers_at_first

    def unlock(self, listens=True):
        self.stack.open_vault()
        self.stack.unlock()
        if listens:
            self.wait_listening()

    def wait_listening(self):
        """Until mfad has heard what there is to hear at first."""
        wait_until(lambda: self.logind.do('asked') > 0, what='the question about our user')
        # asked before or with that question
        self.stack.get('/healthz')
        time.sleep(0.05)

    def is_locked(self):
        answer = self.stack.get()
        assert (answer.status, answer.code) in ((200, 'Success'), (403, 'MfadLocked')), answer
        return answer.status == 403

    def is_locked_or_expired(self):
        return self.stack.get().code in ('MfadLocked', 'MfadMfaRequired')

    def wait_locked(self):
        # a request that is under way while it locks is cut off
        wait_until(lambda: self.stack.get().status == 403, what='the lock')
        assert self.is_locked()

    def stays_unlocked(self):
        end = time.monotonic() + SETTLE_SEC
        while time.monotonic() < end:
            assert not self.is_locked()
            time.sleep(0.02)


def configure(stack, **settings):
    text = ''.join(f'{key} = {value}\n' for key, value in {**ALL_OFF, **settings}.items())
    stack.write('.config/mfad/mfad.conf.d/50-hooks.conf', '[mfad]\n' + text)


@pytest.fixture
def make_machine(make_stack):
    """make_machine(setting=value...): what is not named is off. Both programs run, nothing is unlocked."""
    machines = []

    def make(clock=None, **settings):
        stack = make_stack()
        machine = Machine(stack)
        machines.append(machine)
        if clock:
            clock.drive(stack)
        configure(stack, **settings)
        stack.start()
        return machine

    yield make
    for machine in machines:
        machine.stop()


# suspend

@needs_bus
def test_inhibitor_is_held_while_unlocked(make_machine):
    machine = make_machine(lock_on_suspend='yes')
    assert not machine.is_mfad_there()
    machine.unlock()
    one, = machine.logind.held()
    assert (one['what'], one['who'], one['mode']) == ('sleep', 'mfad', 'delay')
    assert machine.stack.mfactl('lock').code == 0
    wait_until(lambda: not machine.logind.held(), what='the end of the inhibitor')
    wait_until(lambda: not machine.is_mfad_there(), what='the end of the connection')


@needs_bus
def test_suspend_locks_before_the_machine_sleeps(make_machine):
    machine = make_machine(lock_on_suspend='yes')
    machine.unlock()
    pid = machine.stack.front.pid
    machine.logind.suspend()
    # no waiting: who asks after the inhibitor has gone asks the new image
    assert machine.is_locked()
    one, = machine.logind.inhibitors()
    if os.geteuid() == 0:
        assert one['image'] not in ('0', 'gone') and one['image_when_closed'] != one['image']
        assert one['image_when_closed'] in ('0', image(pid)), 'it was closed by neither the old nor the new image'
    assert machine.stack.front.is_running() and machine.stack.front.pid == pid
    machine.logind.resume()
    assert machine.is_locked()


@needs_bus
def test_unlock_after_and_during_a_sleep_inhibits_again(make_machine):
    machine = make_machine(lock_on_suspend='yes')
    machine.unlock()
    machine.logind.suspend()
    machine.logind.do('refuse', value=True)  # as logind does until it is awake again
    machine.stack.simulator.options(clock_offset=30)
    asked = machine.logind.do('asked')
    machine.stack.unlock(machine.stack.simulator.totp())
    wait_until(lambda: machine.logind.do('asked') > asked)
    assert machine.logind.held() == []
    machine.logind.do('refuse', value=False)
    machine.logind.resume()
    wait_until(machine.logind.held, what='an inhibitor after the sleep')
    assert not machine.is_locked()
    machine.logind.suspend()
    assert machine.is_locked()


@needs_bus
def test_a_restarted_logind_gets_the_inhibitor_too(make_machine):
    machine = make_machine(lock_on_suspend='yes')
    machine.unlock()
    machine.logind.do('restart')
    wait_until(lambda: len(machine.logind.inhibitors()) == 2, what='a second inhibitor')
    wait_until(lambda: len(machine.logind.held()) == 1, what='the end of the first')
    machine.logind.suspend()
    assert machine.is_locked()


# the screen

@needs_bus
@pytest.mark.parametrize('how', ['signal', 'hint'])
def test_screen_lock(make_machine, how):
    machine = make_machine(lock_on_screen_lock='yes')
    machine.unlock()

    def lock_screen(name):
        if how == 'signal':
            machine.logind.do('lock', name=name)
        else:
            machine.logind.do('locked_hint', name=name, value=True)

    lock_screen('7')  # another user's
    if how == 'hint':
        machine.logind.do('locked_hint', name='1', value=False)
    machine.stays_unlocked()
    lock_screen('1')
    machine.wait_locked()


@needs_bus
def test_screen_lock_of_a_session_that_came_later(make_machine):
    machine = make_machine(lock_on_screen_lock='yes')
    machine.unlock()
    machine.logind.do('login', name='2')
    wait_until(lambda: machine.logind.do('asked') == 2)
    time.sleep(0.05)
    machine.logind.do('lock', name='2')
    machine.wait_locked()


# logout

@needs_bus
@pytest.mark.parametrize('how', ['lingers', 'is gone'])
def test_logout(make_machine, how):
    machine = make_machine(lock_on_logout='yes')
    machine.unlock()
    machine.logind.do('login', name='2')
    machine.logind.do('logout', name='2')
    machine.logind.do('other_logout')
    machine.stays_unlocked()
    if how == 'lingers':
        machine.logind.do('state', value='lingering')
        machine.logind.do('logout', name='1')
    else:
        machine.logind.do('user_removed')
    machine.wait_locked()


@needs_bus
def test_logout_locks_by_default(make_machine):
    machine = make_machine()
    machine.stack.write('.config/mfad/mfad.conf.d/50-hooks.conf', '')
    machine.stack.front.terminate()
    machine.stack.front.start()
    machine.unlock()
    assert machine.logind.inhibitors() == []
    machine.logind.do('lock', name='1')
    machine.logind.do('sleep', begins=True)
    machine.stays_unlocked()
    machine.logind.do('state', value='lingering')
    machine.logind.do('logout', name='1')
    machine.wait_locked()


@needs_bus
def test_who_was_never_logged_in_does_not_log_out(make_machine):
    machine = make_machine(lock_on_logout='yes')
    machine.logind.do('state', value='lingering')
    machine.unlock()
    machine.logind.do('other_logout')
    machine.stays_unlocked()


# idle time

@pytest.fixture
def clock(build, tmp_path):
    if time.clock_gettime(time.CLOCK_MONOTONIC) < 200:
        pytest.skip('this machine was started a moment ago; nobody can have been idle for long')
    return MovedClock(build, str(tmp_path))


@needs_bus
def test_idle_time(make_machine, clock):
    machine = make_machine(clock, lock_idle='1m')
    machine.unlock()
    clock.leap(61)
    machine.stays_unlocked()  # each request wakes mfad, which asks: nobody is idle
    assert machine.logind.do('asked') == 2
    # since the machine was started: longer than mfad knows of
    machine.logind.do('idle', since_usec=1)
    clock.leap(31)
    machine.stays_unlocked()
    assert machine.logind.do('asked') == 2, 'it was not time to ask'
    clock.leap(31)
    machine.wait_locked()


@needs_bus
def test_idle_time_counts_from_the_unlock(make_machine, clock):
    machine = make_machine(clock, lock_idle='1m')
    machine.logind.do('idle', since_usec=1)
    machine.unlock()
    clock.leap(40)
    machine.stays_unlocked()
    clock.leap(21)
    machine.wait_locked()


@needs_bus
def test_a_long_sleep_is_idle_time(make_machine, clock):
    """The clock that counts sleep leaps and the one that does not stays: just what a sleep does."""
    machine = make_machine(clock, lock_idle='10m')
    machine.unlock()
    machine.logind.do('sleep', begins=True)
    for _ in range(2):
        clock.leap(400)
        machine.logind.resume()
        machine.stays_unlocked()
    clock.leap(601)
    machine.logind.resume()
    machine.wait_locked()


# after a sleep that did not lock

@needs_bus
def test_a_session_that_ended_in_sleep_has_ended(make_machine, clock):
    machine = make_machine(clock, lock_on_logout='yes')
    machine.unlock()
    clock.leap(13 * 3600)
    machine.logind.resume()

    def says_locked():
        machine.stack.front.read_notify()
        return machine.stack.front.status == 'locked'

    wait_until(says_locked, what='the end of the session, without any request')
    assert machine.stack.get().status == 403
    wait_until(lambda: not machine.is_mfad_there(), what='the end of the connection')


@needs_bus
def test_a_role_that_fell_due_in_sleep_is_bought_at_once(make_machine, clock):
    """It is the end of the sleep that wakes mfad, not a request."""
    machine = make_machine(clock, lock_on_logout='yes')
    stack = machine.stack
    stack.write_profiles({'dev': {'role_arn': 'arn:aws:iam::123456789012:role/dev', 'source_profile': 'default'}})
    wait_until(lambda: 'dev' in stack.profiles(), what='the new file')
    machine.unlock()
    stack.simulator.options(clock_file=clock.path)
    assert stack.get_profile('dev').status == 200
    settle(stack)
    time.sleep(2)  # until everything that was put off is done
    clock.leap(31 * 60)
    time.sleep(SETTLE_SEC)
    assert len(stack.posts('AssumeRole')) == 1, 'it was bought before anything woke mfad: this shows nothing'
    machine.logind.resume()
    wait_until(lambda: len(stack.posts('AssumeRole')) == 2, 2, 'the refresh after the sleep')


@needs_bus
def test_roles_that_outlive_the_session(make_machine, clock):
    machine = make_machine(clock, lock_on_suspend='yes')
    stack = machine.stack
    stack.simulator.options(clock_file=clock.path)
    stack.write_profiles({'dev': {'role_arn': 'arn:aws:iam::123456789012:role/dev', 'source_profile': 'default'}})
    stack.open_vault()
    stack.unlock(duration_seconds=900)
    assert stack.get_profile('dev').status == 200
    clock.leap(1200)
    assert machine.is_locked_or_expired() and stack.get_profile('dev').status == 200
    wait_until(lambda: len(machine.logind.held()) == 1, what='an inhibitor for the role alone')
    clock.leap(3600)
    wait_until(lambda: stack.status()['roles_held'] == 0)
    wait_until(lambda: not machine.is_mfad_there(), what='the end of the connection')


# while no mfad runs

@needs_bus
@pytest.mark.parametrize('how', ['screen', 'sleep'])
@pytest.mark.parametrize('is_sealed', [False, True])
def test_what_happened_while_mfad_was_down(make_machine, how, is_sealed):
    machine = make_machine(**{'lock_on_screen_lock' if how == 'screen' else 'lock_on_suspend': 'yes'})
    machine.unlock()
    machine.logind.do('login', name='2')
    machine.stack.front.kill()
    if how == 'screen':
        machine.logind.do('locked_hint', name='2', value=True)
    else:
        machine.logind.do('sleep', begins=True)
    if is_sealed:
        machine.stack.signer.kill()
        machine.stack.signer.start()
    machine.stack.front.start()
    if is_sealed:
        machine.stack.open_vault()
    machine.wait_locked()
    assert not os.path.exists(machine.stack.socket_path('session'))


@needs_bus
def test_what_ended_while_mfad_was_down(make_machine):
    machine = make_machine(lock_on_screen_lock='yes', lock_on_suspend='yes', lock_on_logout='yes')
    machine.unlock()
    machine.logind.do('login', name='2')  # without a Get of its own
    machine.stack.front.kill()
    machine.logind.do('locked_hint', name='1', value=True)
    machine.logind.do('sleep', begins=True)
    machine.logind.do('locked_hint', name='1', value=False)
    machine.logind.do('sleep', begins=False)
    machine.stack.front.start()
    machine.stays_unlocked()
    machine.logind.suspend()
    assert machine.is_locked()


@needs_bus
def test_who_unlocks_behind_a_locked_screen_is_unlocked(make_machine):
    machine = make_machine(lock_on_screen_lock='yes', lock_on_suspend='yes')
    machine.logind.do('locked_hint', name='1', value=True)
    machine.logind.do('sleep', begins=True)
    machine.unlock()
    machine.stays_unlocked()


@needs_bus
@pytest.mark.parametrize('is_on', [True, False])
def test_a_sleep_while_mfad_was_down(make_machine, clock, is_on):
    machine = make_machine(clock, lock_on_suspend='yes' if is_on else 'no', lock_on_logout='yes')
    machine.unlock()
    machine.stack.front.kill()
    clock.leap(100)
    machine.stack.front.start()
    assert machine.is_locked() == is_on
    assert os.path.exists(machine.stack.socket_path('session')) != is_on
    assert ('before the machine slept' in machine.stack.front.log()) == is_on


# what must not happen

@needs_bus
def test_what_is_off_does_nothing(make_machine):
    machine = make_machine()
    machine.unlock(listens=False)
    machine.stays_unlocked()
    assert not machine.is_mfad_there(), 'nothing is on, and yet it is on the bus'


@needs_bus
@pytest.mark.parametrize('on', ['lock_on_suspend', 'lock_on_screen_lock', 'lock_on_logout'])
def test_one_that_is_on_leaves_the_others_off(make_machine, on):
    machine = make_machine(**{on: 'yes'})
    machine.unlock()
    assert bool(machine.logind.inhibitors()) == (on == 'lock_on_suspend')
    if on != 'lock_on_suspend':
        machine.logind.do('sleep', begins=True)
    if on != 'lock_on_screen_lock':
        machine.logind.do('lock', name='1')
        machine.logind.do('locked_hint', name='1', value=True)
    if on != 'lock_on_logout':
        machine.logind.do('state', value='lingering')
        machine.logind.do('logout', name='1')
    machine.stays_unlocked()


@needs_bus
def test_a_stranger_cannot_lock(make_machine):
    """The bus lets anybody send a signal to anybody: the sender's name is what counts."""
    machine = make_machine(lock_on_suspend='yes', lock_on_screen_lock='yes')
    machine.unlock()
    name = machine.logind.held()[0]['sender']
    path = '/org/freedesktop/login1'
    for words in ([path, 'org.freedesktop.login1.Manager.PrepareForSleep', 'boolean:true'],
                  [path + '/session/_31', 'org.freedesktop.login1.Session.Lock'],
                  ['/org/freedesktop/DBus', 'org.freedesktop.DBus.NameOwnerChanged', 'string:org.freedesktop.login1',
                   'string:', 'string::1.99']):
        machine.bus.send('--type=signal', '--dest=' + name, *words)
    machine.stays_unlocked()
    machine.logind.suspend()
    assert machine.is_locked()


# no logind, no bus, a bad one

def unlock_without_bus(stack, address):
    stack.environment['DBUS_SYSTEM_BUS_ADDRESS'] = address
    stack.front = stack.program(stack.build.front)
    configure(stack, lock_on_suspend='yes', lock_on_logout='yes', lock_idle='1m')
    stack.start()
    began = time.monotonic()
    stack.unlocked()
    for _ in range(20):
        assert stack.get().status == 200
    assert time.monotonic() - began < 10, 'it waited for the bus'


def notices(stack):
    return stack.front.log().count(NOTICE)


def unlock_again(stack):
    stack.simulator.options(clock_offset=30)
    stack.unlock(stack.simulator.totp())


def test_without_a_bus(make_stack):
    stack = make_stack()
    unlock_without_bus(stack, f'unix:path={stack.folder}/nowhere')
    unlock_again(stack)
    assert notices(stack) == 1
    assert stack.mfactl('lock').code == 0


@pytest.mark.parametrize('address', ['tcp:host=127.0.0.1,port={port}',
                                     'unix:path={folder}/nowhere;tcp:host=127.0.0.1,port={port}'])
def test_only_a_socket_is_a_bus(make_stack, address):
    """sd-bus would also connect to a host; mfad opens no connection to one, wherever it is told to."""
    stack = make_stack()
    with socket.create_server(('127.0.0.1', 0)) as listener:
        listener.settimeout(SETTLE_SEC)
        unlock_without_bus(stack, address.format(folder=stack.folder, port=listener.getsockname()[1]))
        assert notices(stack) == 1
        with pytest.raises(TimeoutError):
            listener.accept()


@pytest.mark.parametrize('is_full', [False, True])
def test_a_bus_that_never_answers(make_stack, is_full):
    stack = make_stack()
    path = os.path.join(stack.folder, 'silent')
    with contextlib.ExitStack() as open_sockets:
        listener = open_sockets.enter_context(socket.socket(socket.AF_UNIX))
        listener.bind(path)
        listener.listen(0 if is_full else 16)
        if is_full:
            with contextlib.suppress(BlockingIOError):
                for _ in range(8):
                    s = open_sockets.enter_context(socket.socket(socket.AF_UNIX))
                    s.setblocking(False)
                    s.connect(path)
        unlock_without_bus(stack, f'unix:path={path}')
        assert stack.front.ready_sec < 5
        assert notices(stack) == (1 if is_full else 0)
        assert stack.mfactl('lock').code == 0
        assert stack.get().status == 403


@needs_bus
def test_a_bus_without_logind(make_stack):
    stack = make_stack()
    bus = Bus(stack.folder).start()
    try:
        unlock_without_bus(stack, bus.address)
        wait_until(lambda: notices(stack) == 1, what='the notice')
        # it comes late
        logind = Logind(bus)
        try:
            wait_until(logind.held, what='the inhibitor')
            logind.suspend()
            assert stack.get().status == 403
        finally:
            logind.stop()
    finally:
        bus.stop()


@needs_bus
def test_a_bus_that_goes_away_and_comes_back(make_machine):
    machine = make_machine(lock_on_suspend='yes', lock_on_logout='yes')
    machine.unlock()
    machine.stop()
    wait_until(lambda: notices(machine.stack) == 1, what='the notice')
    assert not machine.is_locked()
    machine.bus.start()
    machine.logind = Logind(machine.bus)
    unlock_again(machine.stack)
    wait_until(machine.logind.held, what='the inhibitor on the new bus')
    machine.logind.suspend()
    assert machine.is_locked()


# by the user's own word

def test_sigusr1_locks(unlocked):
    before = image(unlocked.front.pid)
    os.kill(unlocked.front.pid, signal.SIGUSR1)
    wait_until(lambda: unlocked.get().code == 'MfadLocked', what='the lock')
    assert unlocked.front.is_running()
    if os.geteuid() == 0:
        assert image(unlocked.front.pid) != before
