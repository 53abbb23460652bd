"""One program of ours, started, waited for and stopped; nothing else is ever stopped."""
import atexit
import os
import select
import signal
import socket
import subprocess
import time

START_SEC = 20  # the sanitizers' builds on a busy machine
STOP_SEC = 10
# What a program prints when a sanitizer found something.
SANITIZER_WORDS = ('ERROR: AddressSanitizer', 'ERROR: LeakSanitizer', 'runtime error:')


def wait_until(condition, sec=10, what='the condition'):
    """The first true value of condition(); fails the test after @sec."""
    end = time.monotonic() + sec
    while True:
        value = condition()
        if value:
            return value
        assert time.monotonic() < end, f'{what}: not within {sec} s'
        time.sleep(0.01)


def group(leader):
    """{pid: name} of what lives of the group of processes that @leader leads or led: what it started belongs to it, also
    after its end, and another test's never does."""
    found = {}
    for pid in filter(str.isdigit, os.listdir('/proc')):
        try:
            with open(f'/proc/{pid}/stat', encoding='ascii', errors='replace') as f:
                name, rest = f.read().split('(', 1)[1].rsplit(')', 1)
        except OSError:
            continue
        state, _, its_group = rest.split()[:3]
        if int(its_group) == leader and state not in 'ZX':
            found[int(pid)] = name
    return found


def descriptors(pid):
    return len(os.listdir(f'/proc/{pid}/fd'))


class Program:
    """@argv in @environment; its standard error goes to @log_path. Ready when it says READY=1."""

    def __init__(self, argv, environment, log_path, preexec_fn=None):
        self.argv, self.log_path = argv, log_path
        self.name = os.path.basename(argv[0])
        self.notify = None
        self.status = None  # the last STATUS= line
        self.is_resting = False  # failed, and so sleeps a while before it ends, or until it is told to
        self.ready_sec = None
        self.expected_exit = 0
        self.pass_fds = ()  # descriptors of ours that it may have
        self.process = None
        self._environment, self._preexec_fn = environment, preexec_fn
        atexit.register(self._leave_nothing_behind)

    @property
    def pid(self):
        return self.process.pid

    def start(self):
        path = os.path.join(os.path.dirname(self.log_path), self.name + '.notify')
        if os.path.exists(path):
            os.unlink(path)
        self.notify = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC)
        self.notify.bind(path)
        self.is_resting = False
        began = time.monotonic()
        with open(self.log_path, 'ab') as log:
            self.process = subprocess.Popen(
                self.argv, env={**self._environment, 'NOTIFY_SOCKET': path}, stdin=subprocess.DEVNULL,
                stdout=log, stderr=log, preexec_fn=self._preexec_fn, pass_fds=self.pass_fds, cwd='/')
        self._wait_ready(began)
        return self

    def _wait_ready(self, began):
        while self.ready_sec is None:
            left = began + START_SEC - time.monotonic()
            assert left > 0, f'{self.name} is not ready after {START_SEC} s:\n{self.log()}'
            if select.select([self.notify], [], [], min(left, 0.2))[0]:
                self.read_notify()
            if self.is_resting:
                self.process.send_signal(signal.SIGTERM)
                self.is_resting = False
            if self.ready_sec is None and self.process.poll() is not None:
                code = self.process.returncode
                self._forget()
                raise AssertionError(f'{self.name} ended with {code}:\n{self.log()}')
            if self.ready_sec == 0:
                self.ready_sec = time.monotonic() - began

    def read_notify(self):
        """Takes in what the program told its service manager so far."""
        while select.select([self.notify], [], [], 0)[0]:
            for line in self.notify.recv(4096).decode().split('\n'):
                if line == 'READY=1' and self.ready_sec is None:
                    self.ready_sec = 0
                if line.startswith('STATUS='):
                    self.status = line[len('STATUS='):]
                    self.is_resting = self.status.startswith('cannot start, and tries again')

    def log(self):
        with open(self.log_path, encoding='utf-8', errors='replace') as f:
            return f.read()

    def is_running(self):
        return self.process is not None and self.process.poll() is None

    def kill(self):
        """As a crash would: the program gets no say."""
        self.process.kill()
        self.process.wait(STOP_SEC)
        self._forget()

    def terminate(self):
        """Ends it with SIGTERM. Returns what is wrong with how it went, or None."""
        if self.process is None:
            return None
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
        try:
            code = self.process.wait(STOP_SEC)
        except subprocess.TimeoutExpired:
            self.kill()
            return f'{self.name} did not end within {STOP_SEC} s of SIGTERM'
        self._forget()
        if code != self.expected_exit:
            return f'{self.name} ended with {code}, not {self.expected_exit}'
        return None

    def _leave_nothing_behind(self):
        """For a test run that ends without its tear-down."""
        if self.is_running():
            self.process.kill()

    def _forget(self):
        self.process = None
        self.notify.close()
        self.ready_sec = None

    def complaints(self):
        """What a sanitizer found."""
        return [line for line in self.log().split('\n') if any(w in line for w in SANITIZER_WORDS)]
