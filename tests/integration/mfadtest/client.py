"""mfactl as a person or a script calls it."""
import fcntl
import os
import pty
import select
import struct
import subprocess
import termios
import time

OK, FAILURE, USAGE, NOT_RUNNING, LOCKED, CODE_REFUSED, BUSY, AWS, VAULT = range(9)


class Result:
    def __init__(self, argv, code, out, err, sec):
        self.argv, self.code, self.out, self.err, self.sec = argv, code, out, err, sec

    def __repr__(self):
        return f'<{" ".join(self.argv)}: exit {self.code} after {self.sec:.2f} s\n' \
               f'out: {self.out}\nerr: {self.err}>'


def run_mfactl(program, arguments, environment, passphrase=None, stdin=None, timeout=60):
    """Without a terminal. @passphrase: given on a descriptor, and `--passphrase-fd N` is added."""
    argv = [program] + list(arguments)
    fds = []
    try:
        if passphrase is not None:
            for line in [passphrase] if isinstance(passphrase, str) else passphrase:
                reader, writer = os.pipe()
                os.write(writer, line.encode() + b'\n')
                os.close(writer)
                fds.append(reader)
                argv += ['--passphrase-fd', str(reader)]
        began = time.monotonic()
        done = subprocess.run(argv, env=environment, input=stdin, capture_output=True, text=True,
                              timeout=timeout, pass_fds=fds, check=False, start_new_session=True,
                              **({} if stdin is not None else {'stdin': subprocess.DEVNULL}))
        # not kept in what a failing test prints
        return Result(['mfactl'] + list(arguments), done.returncode, done.stdout, done.stderr,
                      time.monotonic() - began)
    finally:
        for fd in fds:
            os.close(fd)


class Terminal:
    """mfactl on a terminal of its own: send() types, until() waits for text on the screen."""

    def __init__(self, program, arguments, environment, timeout=30, columns=80):
        self.end = time.monotonic() + timeout
        self.screen = ''
        self.seen = 0
        self.pid, self.fd = pty.fork()
        if self.pid == 0:
            fcntl.ioctl(0, termios.TIOCSWINSZ, struct.pack('HHHH', 24, columns, 0, 0))
            os.execve(program, [program] + list(arguments), {**environment, 'TERM': 'dumb'})

    def _read(self):
        """False at the end of the program."""
        left = self.end - time.monotonic()
        assert left > 0, f'mfactl is still there; the screen says:\n{self.screen}'
        if not select.select([self.fd], [], [], min(left, 0.5))[0]:
            return True
        try:
            data = os.read(self.fd, 4096)
        except OSError:  # EIO: the other side is closed
            return False
        self.screen += data.decode(errors='replace')
        return bool(data)

    def until(self, text):
        while text not in self.screen[self.seen:]:
            assert self._read(), f'mfactl ended before it said {text!r}:\n{self.screen}'
        self.seen = self.screen.index(text, self.seen) + len(text)
        return self

    def send(self, line):
        os.write(self.fd, line.encode() + b'\n')
        return self

    def wait(self):
        """Its exit code."""
        while self._read():
            pass
        _, status = os.waitpid(self.pid, 0)
        os.close(self.fd)
        return os.waitstatus_to_exitcode(status)
