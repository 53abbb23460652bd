"""Random programs killed at random moments under a stream of requests: nobody is refused, nothing is lost or left."""
import json
import os
import pathlib
import random
import signal
import subprocess
import threading
import time

import pytest
from mfadtest import activate
from mfadtest.moved_clock import children
from mfadtest.processes import descriptors, group, wait_until
from mfadtest.varlink import VarlinkError
from test_restart import ACTIVATE, Askers, PROFILES

SDK_LOOP = os.path.join(os.path.dirname(os.path.dirname(os.path.abspath(__file__))), 'package', 'sdk_loop.py')
SIGNER_EACH = 50    # of so many kills one is the signer's: it costs a passphrase
FETCH_EACH = 5
ANSWERS_EACH = 6    # of all who ask


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
    stack.front = stack.program(stack.build.front, os.setpgrp)
    os.mkdir(stack.sockets, 0o700)
    stack.write_profiles(PROFILES)
    sockets = hold(stack, stack.front, {'http': f'tcp:127.0.0.1:{stack.port}',
                                        'control': f'stream:{stack.socket_path("control")}'})
    sockets += hold(stack, stack.signer, {'vault': f'stream:{stack.socket_path("vault")}',
                                          'sign': f'packet:{stack.socket_path("sign")}'})
    yield stack
    for s in sockets:
        s.close()


class Sdk:
    """A program with boto's own retries, and nothing besides them."""

    def __init__(self, stack):
        self.began, self.done = (os.path.join(stack.folder, name) for name in ('sdk-began', 'sdk-done'))
        self.process = subprocess.Popen(['/usr/bin/python3', SDK_LOOP, self.began, self.done], text=True,
                                        env=stack.client_environment(), stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                                        preexec_fn=lambda: os.nice(10))  # the others matter, too
        wait_until(lambda: os.path.exists(self.began), 30, 'the first answer to the SDK')

    def end(self):
        """What it has to tell: see sdk_loop.py."""
        pathlib.Path(self.done).touch()
        return json.loads(self.process.communicate(timeout=60)[0])


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


def kill_fetch(stack):
    """It lives for some milliseconds: waits a moment for the next one."""
    end = time.monotonic() + 0.2
    while time.monotonic() < end:
        for pid in children(stack.front.pid):
            try:
                os.kill(int(pid), signal.SIGKILL)
            except ProcessLookupError:
                continue
            return True
    return False


def rampage(stack, askers, chance, count, fronts):
    """Returns how many of each were killed. @fronts: the processes that mfad has had, to be continued."""
    killed = {'front': 0, 'fetch': 0, 'signer': 0}
    while sum(killed.values()) < count:
        if sum(killed.values()) % SIGNER_EACH == SIGNER_EACH // 2:
            kill_signer(stack)
            killed['signer'] += 1
        elif chance.randrange(FETCH_EACH) == 0 and kill_fetch(stack):
            killed['fetch'] += 1
        else:
            # what came while there was none has been answered: who tries again, as SDKs do, is not cut off for ever
            seen = askers.n_answers
            wait_until(lambda n=seen + ANSWERS_EACH: askers.n_answers >= n, what='answers')
            time.sleep(chance.random() * 0.01)
            stack.front.kill()
            stack.front.start()
            fronts.append(stack.front.pid)
            killed['front'] += 1
    return killed


def refresh(stack, count):
    with stack.control(timeout=20) as control:
        for _ in range(count):
            control.call('Refresh', profile='dev')


def assert_nothing_is_left(stack, fronts, signer_had):
    for pid in fronts[:-1]:
        wait_until(lambda p=pid: not group(p), what=f'the end of what mfad {pid} had started')
    wait_until(lambda: sorted(group(fronts[-1]).values()) == ['mfad', 'mfad-peers'], what='only the living one has a helper')
    wait_until(lambda: descriptors(stack.signer.pid) <= signer_had, what='mfad-signer closes what its clients have left')
    left = set(os.listdir(stack.sockets)) - {'http', 'control', 'vault', 'sign', 'token', 'session', 'codes', 'attempts', 'clock'}
    assert not left, left


@pytest.mark.root  # reading the descriptors of programs that are not dumpable
@pytest.mark.sanitizers_no
def test_random_kills(held, all_clients):
    seed = random.randrange(2 ** 32)
    print('seed', seed)
    held.start().unlocked()
    assert held.get_profile('dev').status == 200
    fronts, signer_had = [held.front.pid], descriptors(held.signer.pid)
    refreshing, sdk = Refreshing(held), Sdk(held)
    with Askers(held, count=2) as askers:
        refreshing.start()
        try:
            killed = rampage(held, askers, random.Random(seed), 1000 if all_clients else 100, fronts)
        finally:
            refreshing.ended.set()
            refreshing.join()
            told = sdk.end()
    assert askers.problems == [] and told['failures'] == []
    assert askers.n_answers > sum(killed.values()), (askers.n_answers, killed)
    assert told['asked'] > sum(killed.values()) / 10, (told, killed)
    assert all(killed.values()), killed
    assert refreshing.count > 0
    assert len(held.posts()) == 1, 'a code was needed'
    assert held.get().status == 200
    assert_nothing_is_left(held, fronts, signer_had)


@pytest.mark.root
@pytest.mark.sanitizers_no
def test_many_calls_to_aws_leave_no_descriptor(held):
    """In one process, which no crash tidies up."""
    held.start().unlocked()
    refresh(held, 3)
    had = {p.name: descriptors(p.pid) for p in held.programs()}
    refresh(held, 40)
    for p in held.programs():  # a connection that just ends is none too many
        wait_until(lambda p=p: descriptors(p.pid) <= had[p.name] + 2, what=f'{p.name} has as many as before')
