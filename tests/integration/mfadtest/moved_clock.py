"""One clock for a stack and its simulator that a test moves forward: see moved_clock.c."""
import mmap
import os
import struct
import time

from mfadtest.processes import wait_until


class MovedClock:
    """Give it to both: simulator.options(clock_file=clock.path), and clock.drive(stack) before its start."""

    def __init__(self, build, folder):
        self.library = os.path.join(build.folder, 'tests', 'integration', 'moved-clock.so')
        self.path = os.path.join(folder, 'clock')
        with open(self.path, 'wb') as f:
            f.write(bytes(8))
        with open(self.path, 'r+b') as f:
            self.view = mmap.mmap(f.fileno(), 8)

    def drive(self, stack):
        options = stack.sanitizer_environment()['ASAN_OPTIONS'] + ':verify_asan_link_order=0'
        environment = {'LD_PRELOAD': self.library, 'MFAD_TEST_CLOCK': self.path, 'ASAN_OPTIONS': options}
        stack.front = stack.program(stack.build.front, **environment)
        stack.signer = stack.program(stack.build.signer, **environment)

    @property
    def moved_sec(self):
        return struct.unpack('=q', self.view[:8])[0] / 1e6

    def now(self):
        return time.time() + self.moved_sec

    def leap(self, sec):
        self.view[:8] = struct.pack('=q', int((self.moved_sec + sec) * 1e6))


def children(pid):
    """The processes that @pid started and has not yet waited for."""
    with open(f'/proc/{pid}/task/{pid}/children', encoding='ascii') as f:
        return f.read().split()


def is_ended(pid):
    """Gone, or only not yet waited for."""
    try:
        with open(f'/proc/{pid}/stat', encoding='ascii', errors='replace') as f:
            return f.read().rsplit(')', 1)[1].split()[0] in 'ZX'
    except OSError:
        return True


def settle(stack, sec=30):
    """Wakes mfad, which then sees what fell due by a leap, and waits until no call to AWS is under way."""
    stack.get('/healthz')
    quiet = 0

    def is_quiet():
        nonlocal quiet
        quiet = 0 if children(stack.front.pid) else quiet + 1
        return quiet >= 3

    wait_until(is_quiet, sec, 'the calls to AWS end')
