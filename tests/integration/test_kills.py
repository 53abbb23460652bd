"""Random programs killed at random moments under a stream of requests: nobody is refused, nothing is lost or left."""
import os
import random
import signal
import threading
import time

import pytest
from mfadtest import activate
from mfadtest.processes import wait_until
from mfadtest.varlink import VarlinkError
from test_restart import ACTIVATE, Askers, PROFILES

SIGNER_EACH = 50    # of so many kills one is the signer's: it costs a passphrase, half a second of scrypt
FETCH_EACH = 5


def hold(stack, program, given):
    """@program's sockets as a service manager holds them: they outlive it."""
    mask = os.umask(0o177)
    try:
        held = {name: activate.listener(address) for name, address in given.items()}
    finally:
        os.umask(mask)
    program.argv = [ACTIVATE, *(f'{name}=fd:{s.fileno()}' for name, s in held.items()), program.argv[-1]]
    program.pass_fds = tuple(s.fileno() for s in held.values())
    return list(held.values())


@pytest.fixture
def held(make_stack):
    stack = make_stack()
    os.mkdir(stack.sockets, 0o700)
    stack.write_profiles(PROFILES)
    sockets = hold(stack, stack.front, {'http': f'tcp:127.0.0.1:{stack.port}',
                                        'control': f'stream:{stack.socket_path("control")}'})
    sockets += hold(stack, stack.signer, {'vault': f'stream:{stack.socket_path("vault")}',
                                          'sign': f'packet:{stack.socket_path("sign")}'})
    yield stack
    for s in sockets:
        s.close()


def processes_of(path):
    found = []
    for entry in os.listdir('/proc'):
        try:
            if entry.isdigit() and os.readlink(f'/proc/{entry}/exe') == path:
                found.append(int(entry))
        except OSError:
            continue
    return found


def descriptors(pid):
    return len(os.listdir(f'/proc/{pid}/fd'))


class Patient(Askers):
    """Crashes come every few milliseconds here, and cut one answer several times; SDKs wait between their tries."""

    TRIES = 20


class Refreshing(threading.Thread):
    """Buys a role again and again, so that there is an mfad-fetch to kill."""

    def __init__(self, stack):
        super().__init__()
        self.stack, self.ended, self.count = stack, threading.Event(), 0

    def run(self):
        while not self.ended.is_set():
            try:
                with self.stack.control(timeout=20) as control:
                    control.call('Refresh', profile='dev')
                self.count += 1
            except (OSError, EOFError, VarlinkError, ValueError):
                time.sleep(0.01)  # it was killed in the middle


def kill_signer(stack):
    stack.signer.kill()
    stack.signer.start()
    stack.open_vault()


def kill_fetch(path):
    """It lives for some milliseconds: waits a moment for the next one."""
    end = time.monotonic() + 0.2
    while time.monotonic() < end:
        for pid in processes_of(path):
            try:
                os.kill(pid, signal.SIGKILL)
            except ProcessLookupError:
                continue
            return True
    return False


def rampage(stack, chance, count):
    """Returns how many of each were killed."""
    killed = {'front': 0, 'fetch': 0, 'signer': 0}
    while sum(killed.values()) < count:
        if chance.randrange(SIGNER_EACH) == 0:
            kill_signer(stack)
            killed['signer'] += 1
        elif chance.randrange(FETCH_EACH) == 0 and kill_fetch(stack.build.fetch):
            killed['fetch'] += 1
        else:
            time.sleep(chance.random() * 0.01)
            stack.front.kill()
            stack.front.start()
            killed['front'] += 1
    return killed


@pytest.mark.root  # reading the descriptors of programs that are not dumpable
@pytest.mark.sanitizers_no
def test_random_kills(held, all_clients):
    seed = random.randrange(2 ** 32)
    print('seed', seed)
    held.start().unlocked()
    assert held.get_profile('dev').status == 200
    before = descriptors(held.front.pid)
    refreshing = Refreshing(held)
    with Patient(held) as askers:
        refreshing.start()
        try:
            killed = rampage(held, random.Random(seed), 1000 if all_clients else 100)
        finally:
            refreshing.ended.set()
            refreshing.join()
    assert askers.problems == []
    assert askers.n_answers > sum(killed.values()), (askers.n_answers, killed)
    assert all(killed.values()), killed
    assert refreshing.count > 0
    assert len(held.posts()) == 1, 'a code was needed'
    assert held.get().status == 200
    wait_until(lambda: not processes_of(held.build.fetch), what='no mfad-fetch is left')
    wait_until(lambda: descriptors(held.front.pid) <= before + 2, what='no descriptor is left open')
    left = set(os.listdir(held.sockets)) - {'http', 'control', 'vault', 'sign', 'token', 'session', 'codes', 'attempts', 'clock'}
    assert not left, left
