#!/usr/bin/python3
"""bench.py - speed, memory and start-up of a release build, beside a bare epoll server.

usage: bench.py --build DIR [--quick]. Prints tables; a figure beyond its target is marked. The exit
code is 1 when a request was lost or a connection hung, 2 when all went well but a figure misses its target.

Method: mfad and the bare server answer the same bytes; their runs alternate within each round, so that
both meet the same machine. Each server has CPU 0 and the load generator CPU 1. CPU per request is the
server's own time on the CPU (/proc/PID/schedstat) by the answers that arrived; the figure to trust on a
shared machine, where requests per second vary threefold. The load generator reads every header and
compares every body. Tables show medians.
"""
import argparse
import os
import subprocess
import sys
import tempfile
import time

HERE = os.path.dirname(os.path.abspath(__file__))
TESTS = os.path.dirname(HERE)
sys.path[:0] = [os.path.join(TESTS, 'integration'), TESTS]

from awssim.client import AwsSim  # noqa: E402
from bench_roles import measure_roles  # noqa: E402
from figures import median, memory_kib, misses, on_cpu_sec, pin, say, troubles, verdict  # noqa: E402
from mfadtest import web  # noqa: E402
from mfadtest.build import Build  # noqa: E402
from mfadtest.processes import group, wait_until  # noqa: E402
from mfadtest.stack import Stack, free_port  # noqa: E402

SERVER_CPU, LOAD_CPU = 0, 1
RUN_SEC = 10  # no run takes longer

# (name, keep-alive?, connections, requests, CPU ratio at most, rate ratio at least)
CASES = [
    ('keep-alive, 1 connection', True, 1, 20000, 1.4, None),
    ('keep-alive, 16 connections', True, 16, 60000, 1.4, None),
    ('keep-alive, 256 connections', True, 256, 60000, 1.4, 0.85),
    ('one request each, 1 at a time', False, 1, 10000, 1.5, None),
    ('one request each, 16 at a time', False, 16, 20000, 1.5, None),
    ('one request each, 256 at a time', False, 256, 20000, 1.5, None),
]


class Tools:
    """The two C programs, compiled for this run, and the bytes that they use."""

    def __init__(self, folder, stack, path='/'):
        self.folder, self.stack = folder, stack
        os.makedirs(folder, exist_ok=True)
        for name in ('bare-server', 'load'):
            subprocess.run(['cc', '-O2', '-Wall', '-Wextra', '-D_GNU_SOURCE', '-o', os.path.join(folder, name),
                            os.path.join(HERE, name + '.c')], check=True)
        for is_keep in (True, False):
            request = web.request_bytes(path, stack.port, stack.token, close=not is_keep)
            answer = web.exchange(stack.port, request)
            assert answer.status == 200, answer
            self.write(self.name('request', is_keep), request)
            self.write(self.name('answer', is_keep), answer.raw)

    def name(self, what, is_keep):
        return os.path.join(self.folder, f'{what}-{"keep" if is_keep else "close"}')

    def write(self, path, data):
        with open(path, 'wb') as f:
            f.write(data)

    def bare_server(self):
        port = free_port()
        process = subprocess.Popen([os.path.join(self.folder, 'bare-server'), str(port),
                                    self.name('answer', True), self.name('answer', False)])
        wait_until(lambda: is_open(port))
        pin(process.pid, SERVER_CPU)
        return process, port

    def load(self, pid, port, is_keep, connections, requests):
        """(requests a second, microseconds of the server's CPU a request, slowest answer in ms)."""
        argv = [os.path.join(self.folder, 'load'), str(port), 'keep' if is_keep else 'close', str(connections),
                str(requests), str(RUN_SEC), self.name('request', is_keep), self.name('answer', is_keep)]
        before = on_cpu_sec(pid)
        done = subprocess.run(argv, capture_output=True, text=True, timeout=RUN_SEC + 20, check=False,
                              preexec_fn=lambda: pin(0, LOAD_CPU))
        used = on_cpu_sec(pid) - before
        answers, errors, silent, sec, slowest = done.stdout.split()
        if int(errors) or int(silent) or int(answers) == 0:
            troubles.append(f'port {port}, {connections} connections: {answers} answers, {errors} errors, '
                            f'{silent} connections without an answer {done.stderr}')
        return int(answers) / float(sec), used / max(1, int(answers)) * 1e6, float(slowest) / 1e3


def is_open(port):
    try:
        web.exchange(port, b'GET / HTTP/1.1\r\nConnection: close\r\n\r\n', timeout=2)
        return True
    except OSError:
        return False


def measure_http(tools, stack, rounds):
    bare, bare_port = tools.bare_server()
    pin(stack.front.pid, SERVER_CPU)
    say(f'\nHTTP: {rounds} rounds, medians; ratios are mfad : bare epoll server')
    show_head()
    try:
        for name, is_keep, connections, requests, cpu_max, rate_min in CASES:
            ours, theirs = [], []
            for _ in range(rounds):
                theirs.append(tools.load(bare.pid, bare_port, is_keep, connections, requests))
                ours.append(tools.load(stack.front.pid, stack.port, is_keep, connections, requests))
            show_case(name, ours, theirs, cpu_max, rate_min)
        rate, cpu, slowest = tools.load(stack.front.pid, stack.port, True, 1000, 100000)
        say(f'{"keep-alive, 1,000 connections":33}{rate:9.0f}{"":16}{cpu:9.1f}{"":14}{slowest:12.1f}'
            '  (once: none may hang)')
    finally:
        bare.kill()
        bare.wait()


def measure_one_role(folder, stack, path, rounds):
    """An answer for a role, beside the bare server."""
    tools = Tools(os.path.join(folder, 'role'), stack, path)
    bare, bare_port = tools.bare_server()
    pin(stack.front.pid, SERVER_CPU)
    ours, theirs = [], []
    try:
        for _ in range(rounds):
            theirs.append(tools.load(bare.pid, bare_port, True, 16, 60000))
            ours.append(tools.load(stack.front.pid, stack.port, True, 16, 60000))
    finally:
        bare.kill()
        bare.wait()
    show_head()
    show_case('a role, 16 keep-alive connections', ours, theirs, 1.4, None)


def show_head():
    say(f'{"":33}{"req/s":>9}{"bare":>9}{"ratio":>7}{"CPU µs":>9}{"bare":>7}{"ratio":>7}{"slowest ms":>12}')


def show_case(name, ours, theirs, cpu_max, rate_min):
    rate, cpu = median([o[0] for o in ours]), median([o[1] for o in ours])
    bare_rate, bare_cpu = median([t[0] for t in theirs]), median([t[1] for t in theirs])
    rate_ratio = median([o[0] / t[0] for o, t in zip(ours, theirs)])
    cpu_ratio = median([o[1] / t[1] for o, t in zip(ours, theirs)])
    note = verdict(cpu_ratio, at_most=cpu_max) + verdict(rate_ratio, at_least=rate_min)
    say(f'{name:33}{rate:9.0f}{bare_rate:9.0f}{rate_ratio:7.2f}{cpu:9.1f}{bare_cpu:7.1f}{cpu_ratio:7.2f}'
        f'{max(o[2] for o in ours):12.1f}{note}')


def processes(stack):
    """[(name, pid), ...]: mfad, mfad-peers, mfad-signer."""
    return [(name, pid) for leader in (stack.front.pid, stack.signer.pid) for pid, name in group(leader).items()]


def show_memory(when, stack):
    for name, pid in processes(stack):
        found = memory_kib(pid)
        if found is None:
            say(f'{name:12} {when:12} only root can see this')
            continue
        note = verdict(found[1], at_most=4096) if name == 'mfad' and when == 'idle' else ''
        say(f'{name:12} {when:12} RSS {found[0]:6} KiB  PSS {found[1]:6} KiB  its own {found[2]:6} KiB{note}')


def switches(pid):
    with open(f'/proc/{pid}/status', encoding='ascii') as f:
        return sum(int(line.split()[1]) for line in f if 'ctxt_switches' in line)


def measure_wakeups(stack, sec):
    """Context switches: a process that is never woken has none."""
    # keep-alive connections end 5 s after their last request, and 10 s after it the log counts what it left out
    time.sleep(16)
    before = {pid: switches(pid) for _, pid in processes(stack)}
    time.sleep(sec)
    say(f'\nWake-ups in {sec} idle seconds (context switches in /proc/PID/status)')
    for name, pid in processes(stack):
        count = switches(pid) - before[pid]
        say(f'{name:12} {count}' + verdict(count, at_most=0))


def measure_start(stack, times):
    say(f'\nFrom start to READY=1, {times} starts, with what the measuring process needs to start them')
    for program, target in ((stack.signer, None), (stack.front, 10)):
        found = []
        for _ in range(times):
            program.terminate()
            program.start()
            found.append(program.ready_sec * 1000)
        say(f'{program.name:12} median {median(found):5.1f} ms, slowest {max(found):5.1f} ms'
            + verdict(median(found), at_most=target))


def spawn_ms(argv, environment):
    began = time.perf_counter()
    nothing = [(os.POSIX_SPAWN_OPEN, 1, os.devnull, os.O_WRONLY, 0)]
    pid = os.posix_spawn(argv[0], argv, environment, file_actions=nothing)
    _, status = os.waitpid(pid, 0)
    return (time.perf_counter() - began) * 1000, os.waitstatus_to_exitcode(status)


def measure_mfactl(stack, times, arguments, at_most):
    ours, true = [], []
    for _ in range(times):
        sec, code = spawn_ms([stack.build.mfactl, *arguments], stack.environment)
        assert code == 0, f'mfactl {arguments}: exit {code}'
        ours.append(sec)
        true.append(spawn_ms(['/bin/true'], stack.environment)[0])
    say(f'\nmfactl {" ".join(arguments)}, {times} times')
    say(f'median {median(ours):.2f} ms, /bin/true {median(true):.2f} ms; ratio {median(ours) / median(true):.2f}' +
        verdict(median(ours), at_most=at_most))


def next_window(simulator):
    """AWS's clock half a minute on, so that no code has to be waited for."""
    next_window.offset = getattr(next_window, 'offset', 0) + 30
    simulator.options(clock_offset=next_window.offset)


def curl_ms(simulator):
    began = time.perf_counter()
    subprocess.run(['curl', '-s', '-o', '/dev/null', '--cacert', simulator.ca_file, '--data',
                    'Action=GetCallerIdentity&Version=2011-06-15', simulator.url], check=True)
    return (time.perf_counter() - began) * 1000


def measure_unlock(stack, times):
    simulator = stack.simulator
    unlocks, bare = [], []
    for _ in range(times):
        next_window(simulator)
        code = simulator.fresh_code()
        began = time.perf_counter()
        done = stack.mfactl('unlock', code)
        total = (time.perf_counter() - began) * 1000
        assert done.code == 0, done
        unlocks.append(total - simulator.log('GetSessionToken')[-1]['took_ms'])
        total = curl_ms(simulator)
        bare.append(total - simulator.log()[-1]['took_ms'])
    cost = median(unlocks) - median(bare)
    say(f'\nmfactl unlock, {times} times, over HTTPS, without the simulator\'s own time')
    say(f'median {median(unlocks):.1f} ms, a bare curl call {median(bare):.1f} ms, difference {cost:.1f} ms'
        + verdict(cost, at_most=20))


def measure_crowd(stack, count):
    """First requests that all arrive while the code is being sent to STS."""
    simulator = stack.simulator
    web.raise_descriptor_limit()
    with stack.control() as c:
        c.call('Lock')
    simulator.reset(keep=True)
    next_window(simulator)
    simulator.fault('delay', 'GetSessionToken', sec=0.5)
    with stack.control() as c:
        c.send('Unlock', code=simulator.fresh_code())
        wait_until(lambda: simulator.log('GetSessionToken'))
        answers = web.get_many(stack.port, stack.token, count)
        c.receive()
    good = [a.sec for a in answers if a.status == 200]
    pending = [a for a in answers if a.status == 503]
    calls = len(simulator.log('GetSessionToken'))
    say(f'\n{count} simultaneous first requests, while STS takes 500 ms')
    say(f'{calls} STS call(s); {len(good)} answered 200, {len(pending)} answered 503, '
        f'{count - len(good) - len(pending)} anything else; slowest {max(a.sec for a in answers) * 1000:.0f} ms')
    if calls != 1 or len(good) + len(pending) != count:
        troubles.append('the crowd was not answered as promised')


def bench(stack, folder, quick):
    done = stack.start().mfactl('init', '--yes', '--remove-plain-keys', passphrase=stack.passphrase)
    assert done.code == 0, done
    stack.unlock()
    tools = Tools(folder, stack)
    time.sleep(6)
    say('\nMemory')
    show_memory('idle', stack)
    measure_http(tools, stack, 2 if quick else 7)
    say('\nMemory')
    show_memory('after load', stack)
    measure_wakeups(stack, 10 if quick else 60)
    measure_mfactl(stack, 50 if quick else 300, ['status'], at_most=2)
    measure_mfactl(stack, 50 if quick else 300, ['status', '--prompt'], at_most=5)
    measure_unlock(stack, 5 if quick else 20)
    measure_crowd(stack, 500)
    measure_start(stack, 5 if quick else 20)
    bare, bare_port = tools.bare_server()
    try:
        measure_roles(stack.build, stack.simulator, folder, quick, bare_port,
                      lambda roles, path: measure_one_role(folder, roles, path, 2 if quick else 7))
    finally:
        bare.kill()
        bare.wait()


def main():
    parser = argparse.ArgumentParser(description=__doc__.split('\n', maxsplit=1)[0])
    parser.add_argument('--build', default='build-bench', help='the meson build directory, --buildtype=release')
    parser.add_argument('--quick', action='store_true', help='fewer rounds, to see that it works')
    options = parser.parse_args()
    with AwsSim() as simulator, tempfile.TemporaryDirectory(prefix='mfad-bench-') as folder:
        build = Build(options.build)
        stack = Stack(build, simulator)
        # each leads a group, in which what it starts is found
        stack.front, stack.signer = (stack.program(path, os.setpgrp) for path in (build.front, build.signer))
        try:
            bench(stack, folder, options.quick)
        finally:
            troubles.extend(stack.stop())
            stack.remove()
    for trouble in troubles:
        say(f'TROUBLE: {trouble}')
    if misses:
        say(f'{len(misses)} figure(s) beyond their targets: {"; ".join(misses)}')
    return 1 if troubles else 2 if misses else 0


if __name__ == '__main__':
    sys.exit(main())
