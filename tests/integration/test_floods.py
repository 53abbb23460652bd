"""Slow, many and malformed clients: a good one is still answered at once, and nothing grows."""
import contextlib
import os
import resource
import select
import socket
import time

import pytest
from mfadtest import web
from mfadtest.processes import wait_until
from mfadtest.varlink import Varlink


def descriptors(program):
    """0 when we may not look, for only root sees those of a process that is not dumpable: then these
    tests see what clients see."""
    try:
        return len(os.listdir(f'/proc/{program.pid}/fd'))
    except PermissionError:
        return 0


def memory_kib(program):
    with open(f'/proc/{program.pid}/status', encoding='ascii') as f:
        return next(int(line.split()[1]) for line in f if line.startswith('VmRSS'))


def connect(stack):
    return socket.create_connection(('127.0.0.1', stack.port), timeout=10)


def good_client(stack, sec):
    """Asks for @sec; returns the slowest answer."""
    slowest, end = 0, time.monotonic() + sec
    while time.monotonic() < end:
        answer = stack.get()
        assert answer.status == 200, answer
        slowest = max(slowest, answer.sec)
        time.sleep(0.01)
    return slowest


def test_slow_loris_is_cut_off_after_its_five_seconds(unlocked):
    with connect(unlocked) as s:
        began = time.monotonic()
        request = web.request_bytes('/', unlocked.port, unlocked.token)
        with contextlib.suppress(BrokenPipeError, ConnectionResetError):
            for i in range(len(request)):
                s.sendall(request[i:i + 1])
                time.sleep(0.25)
                if time.monotonic() - began > 9:
                    break
            s.recv(1)
    assert 4 < time.monotonic() - began < 7


def test_idle_keep_alive_connection_is_closed(unlocked):
    with connect(unlocked) as s:
        s.sendall(web.request_bytes('/', unlocked.port, unlocked.token))
        assert s.recv(65536).startswith(b'HTTP/1.1 200')
        began = time.monotonic()
        assert s.recv(1) == b''
        assert 4 < time.monotonic() - began < 7


@pytest.mark.alone
def test_64_drips_do_not_slow_a_good_client(unlocked):
    before = descriptors(unlocked.front)
    with contextlib.ExitStack() as held:
        slow = [held.enter_context(connect(unlocked)) for _ in range(64)]
        for s in slow:
            s.sendall(b'GET / HTTP/1.1\r\nHost: ')
        assert good_client(unlocked, 2) < (1 if unlocked.build.is_sanitized else 0.2)
    wait_until(lambda: descriptors(unlocked.front) <= before + 1, what='the descriptors to be closed')


@pytest.mark.sanitizers_no
def test_more_connections_than_the_limit_the_newest_is_served(unlocked):
    """The oldest idle one gives way. Twice 1,024 connections from here need as many descriptors."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if hard < 2400:
        pytest.skip('too few descriptors allowed')
    resource.setrlimit(resource.RLIMIT_NOFILE, (2400, hard))
    before = descriptors(unlocked.front)
    try:
        with contextlib.ExitStack() as held:
            for i in range(2000):
                held.enter_context(connect(unlocked))
                if i % 200 == 0:
                    assert unlocked.get().status == 200
            assert unlocked.get().status == 200
            assert descriptors(unlocked.front) < 1100
            assert memory_kib(unlocked.front) < 32 * 1024
        wait_until(lambda: descriptors(unlocked.front) <= before + 1, what='the descriptors to be closed')
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


def is_answered_while_others_are_held(stack):
    """Whether /healthz and a profile with credentials are answered before the first of more clients of a role that
    hangs than there can be connections has waited for its time."""
    request = web.request_bytes('/profile/slow', stack.port, stack.token)
    with contextlib.ExitStack() as held:
        crowd = []
        for _ in range(1100):
            crowd.append(held.enter_context(connect(stack)))
            crowd[-1].sendall(request)  # or it would be one that gives way
        statuses = []
        for path in ('/healthz', '/'):
            with contextlib.suppress(OSError):
                statuses.append(stack.get(path).status)
        return statuses == [200, 200] and not select.select(crowd[:1], [], [], 0)[0]


@pytest.mark.alone
@pytest.mark.sanitizers_no
def test_clients_of_a_role_that_hangs_leave_room_for_others(make_stack):
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if hard < 2400:
        pytest.skip('too few descriptors allowed')
    stack = make_stack()
    stack.write_profiles({'slow': {'role_arn': 'arn:aws:iam::123456789012:role/slow', 'source_profile': 'default'}})
    stack.start().unlocked()
    stack.simulator.fault('delay', 'AssumeRole', count=-1, sec=60)
    resource.setrlimit(resource.RLIMIT_NOFILE, (2400, hard))
    try:
        # a busy machine may need all of that time for making the connections
        assert any(is_answered_while_others_are_held(stack) for _ in range(5))
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


@pytest.mark.sanitizers_no
def test_20000_requests_leave_memory_and_descriptors_as_they_were(unlocked):
    request = web.request_bytes('/', unlocked.port, unlocked.token)

    def ask(count):
        with connect(unlocked) as s:
            for _ in range(count):
                s.sendall(request)
                raw = b''
                while not web.is_complete(raw):
                    raw += s.recv(65536)

    ask(1000)
    before, fds = memory_kib(unlocked.front), descriptors(unlocked.front)
    for _ in range(20):
        ask(1000)
    assert memory_kib(unlocked.front) - before < 512
    wait_until(lambda: descriptors(unlocked.front) <= fds)


@pytest.mark.parametrize('data', [
    b'', b'\0', b'{', b'[]\0', b'{}\0', b'null\0', b'{"method":1}\0', b'{"method":"x"}\0', b'\xff\0',
    b'{"method":"org.mfad.Control.Lock","parameters":{"x":1}}\0', b'[' * 2000 + b'\0',
    b'{"method":"org.mfad.Control.Unlock","parameters":{"code":"123456","code":"1"}}\0',
    b'{"method":"org.mfad.Control.Unlock","parameters":{"code":123456}}\0',
    b'{"method":"org.mfad.Control.Unlock","parameters":{"code":"123456\\u0000"}}\0',
    b'{"method":"org.mfad.Control.GetStatus","more":1}\0', b'a' * 70000])
def test_malformed_control_messages_are_refused_and_leak_nothing(open_stack, data):
    for name, program in (('control', open_stack.front), ('vault', open_stack.signer)):
        before = descriptors(program)
        for _ in range(3):
            with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as s:
                s.settimeout(10)
                s.connect(open_stack.socket_path(name))
                with contextlib.suppress(BrokenPipeError, ConnectionResetError):
                    s.sendall(data)
                    s.shutdown(socket.SHUT_WR)
                    answer = s.recv(65536)
                    assert answer == b'' or b'"error"' in answer, answer
        wait_until(lambda: descriptors(program) <= before, what=f'{name}: descriptors')
    assert open_stack.status()['state'] == 'locked'
    assert open_stack.posts() == []


def test_half_a_message_is_given_three_seconds(open_stack):
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as s:
        s.settimeout(10)
        s.connect(open_stack.socket_path('control'))
        s.sendall(b'{"method":')
        began = time.monotonic()
        assert s.recv(1) == b''
        assert 2 < time.monotonic() - began < 5


def test_passed_descriptors_are_closed(open_stack):
    before = descriptors(open_stack.front)
    with open('/dev/null', 'rb') as f, socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as s:
        s.settimeout(5)
        s.connect(open_stack.socket_path('control'))
        with contextlib.suppress(OSError):
            for _ in range(20):
                socket.send_fds(s, [b'{'], [f.fileno()] * 10)
    wait_until(lambda: descriptors(open_stack.front) <= before)


def test_control_flood_leaves_room(open_stack):
    held = []
    try:
        for _ in range(200):
            with contextlib.suppress(OSError):
                held.append(Varlink(open_stack.socket_path('control'), 'org.mfad.Control', timeout=5))
        assert descriptors(open_stack.front) < 120
    finally:
        for c in held:
            c.close()
    wait_until(lambda: descriptors(open_stack.front) < 40)
    assert open_stack.status()['state'] == 'locked'


def test_few_descriptors_are_survived(make_stack):
    stack = make_stack()
    stack.front = stack.program(stack.build.front,
                                lambda: resource.setrlimit(resource.RLIMIT_NOFILE, (32, 32)))
    stack.start().unlocked()
    with contextlib.ExitStack() as held:
        for _ in range(60):
            with contextlib.suppress(OSError):
                held.enter_context(connect(stack))
        time.sleep(0.3)
    wait_until(lambda: stack.get().status == 200, what='an answer after the flood')
