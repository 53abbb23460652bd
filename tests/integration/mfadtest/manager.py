"""A systemd user manager of our own, with mfad installed below /usr/local as `meson install` does it, and a simulated
AWS beside it. Tests step inside: their body runs as the made-up user, in the manager's namespaces."""
import ctypes
import functools
import inspect
import os
import pickle
import re
import shutil
import signal
import subprocess
import tempfile
import traceback

import pytest
from awssim.client import AwsSim
from mfadtest.processes import wait_until
from mfadtest.stack import PASSPHRASE, Stack

HERE = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
SCRIPT = os.path.join(HERE, 'with-user-manager.sh')
CANNOT = 125  # what the script says where it cannot work
UID, USER = 59000, 'mfadtest'
HOME = '/home/' + USER
RUNTIME = f'/run/user/{UID}'
PORT = 9912
UNITS = '/usr/local/lib/systemd/user'
ENVIRONMENT = {'HOME': HOME, 'USER': USER, 'XDG_RUNTIME_DIR': RUNTIME, 'LANG': 'C.UTF-8',
               'PATH': '/usr/local/bin:/usr/bin:/bin'}
NAMESPACES = ('net', 'ipc', 'cgroup', 'pid', 'mnt')


def children(pid):
    with open(f'/proc/{pid}/task/{pid}/children', encoding='ascii') as f:
        return [int(word) for word in f.read().split()]


def namespace(pid, kind):
    return os.readlink(f'/proc/{pid}/ns/{kind}')


def enter(*paths):
    """All of them are found before the first one changes what can be found."""
    libc = ctypes.CDLL(None, use_errno=True)
    fds = [os.open(path, os.O_RDONLY | os.O_CLOEXEC) for path in paths]
    for path, fd in zip(paths, fds):
        if libc.setns(fd, 0) < 0:
            raise OSError(ctypes.get_errno(), 'setns', path)
        os.close(fd)


class Manager:
    """@installed: a folder that holds what goes to /usr/local."""

    def __init__(self, installed, simulator_config, template=None):
        self.installed, self.template = installed, template
        self.simulator = AwsSim(config=simulator_config)
        self.process = self.pid = None

    def start(self):
        self.process = subprocess.Popen(
            [SCRIPT, '--local', self.installed, '--', 'sh', '-c', 'echo ready; cat >/dev/null'],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        if self.process.stdout.readline() != 'ready\n':
            _, errors = self.process.communicate(timeout=30)
            if self.process.returncode == CANNOT and 'does not start' not in errors:
                pytest.skip(errors.strip())
            raise AssertionError(f'no user manager:\n{errors}')
        self.pid = self._find_inside(self.process.pid)
        if self.template:
            data = f'/proc/{self.pid}/root{HOME}/.local/share/mfad'
            self.call(os.makedirs, f'{HOME}/.local/share')
            shutil.copytree(self.template, data)
            for folder, _, names in os.walk(data):
                for path in [folder, *(os.path.join(folder, n) for n in names)]:
                    os.chown(path, UID, UID)
        # only its sockets have to be in there
        ours = f'/proc/{os.getpid()}/ns/net'
        with open(ours, 'rb') as kept:
            enter(f'/proc/{self.pid}/ns/net')
            try:
                self.simulator.start()
            finally:
                enter(f'/proc/self/fd/{kept.fileno()}')
        return self

    def _find_inside(self, pid):
        for child in children(pid):
            if namespace(child, 'pid') != namespace(os.getpid(), 'pid'):
                return child
            found = self._find_inside(child)
            if found:
                return found
        return None

    def stop(self):
        self.simulator.stop()
        if self.process:
            self.process.stdin.close()
            self.process.wait(30)
            self.process.stdout.close()
            self.process.stderr.close()
            self.process = None

    def call(self, function, *arguments, as_root=False):
        """Runs it inside, in a process of its own; returns what it returns (pickled), raises what it raises."""
        reading, writing = os.pipe()
        pid = os.fork()
        if pid == 0:
            os.close(reading)
            self._step_inside(writing, as_root, function, arguments)
        os.close(writing)
        with os.fdopen(reading, 'rb') as f:
            answer = f.read()
        os.waitpid(pid, 0)
        assert answer, f'{function} ended without an answer'
        kind, value = pickle.loads(answer)
        if kind == 'skipped':
            pytest.skip(value)
        if kind == 'raised':
            raise AssertionError(value)
        return value

    def _step_inside(self, writing, as_root, function, arguments):
        """Never returns."""
        code = 1
        try:
            enter(*(f'/proc/{self.pid}/ns/{kind}' for kind in NAMESPACES))
            child = os.fork()  # a namespace of processes is for those that come after
            if child:
                os.close(writing)
                os.waitpid(child, 0)
                os._exit(0)
            signal.signal(signal.SIGTERM, signal.SIG_DFL)
            os.chdir('/')
            if not as_root:
                os.setgroups([])
                os.setresgid(UID, UID, UID)
                os.setresuid(UID, UID, UID)
                ctypes.CDLL(None).prctl(4, 1)  # PR_SET_DUMPABLE: a process like any other of this user
            os.environ.clear()
            os.environ.update(ENVIRONMENT)
            os.umask(0o022)
            answer = self._outcome(function, arguments)
            with os.fdopen(writing, 'wb') as f:
                f.write(answer)
            code = 0
        except BaseException:  # pylint: disable=broad-except
            traceback.print_exc()
        finally:
            os._exit(code)

    @staticmethod
    def _outcome(function, arguments):
        try:
            return pickle.dumps(('returned', function(*arguments)))
        except pytest.skip.Exception as e:
            return pickle.dumps(('skipped', str(e)))
        except BaseException:  # pylint: disable=broad-except
            return pickle.dumps(('raised', traceback.format_exc()))


def inside(test):
    """The test gets a UserStack, ready to be used, instead of the manager; what it prints is shown as usual."""
    @functools.wraps(test)
    def wrapper(manager, **more):
        def body():
            stack = UserStack(manager.simulator)
            try:
                test(stack, **more)
            except BaseException:
                print(stack.journal()[-12000:])
                raise
        manager.call(body)

    first, *others = inspect.signature(test).parameters.values()
    wrapper.__signature__ = inspect.Signature([first.replace(name='manager'), *others])
    return wrapper


class Installed:
    """The programs where `meson install` puts them; as mfadtest.build.Build."""
    is_sanitized = False
    front, signer, fetch = (f'/usr/local/libexec/mfad/{name}' for name in ('mfad', 'mfad-signer', 'mfad-fetch'))
    mfactl = '/usr/local/bin/mfactl'


class UserStack(Stack):
    """The user's own mfad, started by the user's manager. Only for use inside."""

    def __init__(self, simulator):  # pylint: disable=super-init-not-called
        self.build, self.simulator, self.use_https = Installed, simulator, False
        self.folder = self.home = HOME
        self.runtime, self.port, self.passphrase = RUNTIME, PORT, PASSPHRASE
        self.data = f'{HOME}/.local/share/mfad'
        self.sockets = f'{RUNTIME}/mfad'
        self.environment = dict(ENVIRONMENT)
        self.write_configuration()
        os.unlink(f'{HOME}/.config/mfad/mfad.conf')
        if os.path.exists(self.data):  # else every SDK would take the plain key and never ask us
            os.unlink(f'{HOME}/.aws/credentials')

    def start(self):
        self.systemctl('enable', '--now', 'mfad.socket', 'mfad-signer.socket')
        return self

    def sanitizer_environment(self):
        return {}

    def run(self, *argv, is_checked=True, **more):
        done = subprocess.run(argv, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=60, check=False,
                              env={**self.environment, **more.pop('environment', {})}, **more)
        assert not is_checked or done.returncode == 0, (argv, done.returncode, done.stdout, done.stderr)
        return done

    def systemctl(self, *arguments, **more):
        return self.run('systemctl', '--user', *arguments, **more).stdout.strip()

    def journal(self, *arguments):
        return self.run('journalctl', '--user', '--no-pager', '-o', 'cat', *arguments, is_checked=False).stdout

    def show(self, name, unit='mfad.service'):
        return self.systemctl('show', '--value', '-p', name, unit)

    def pid(self, unit='mfad.service'):
        """0 while it does not run."""
        return int(self.show('MainPID', unit))

    def another(self, before, unit='mfad.service', sec=20):
        """The process that came after @before and is ready."""
        return wait_until(lambda: self.show('SubState', unit) == 'running' and self.pid(unit) not in (0, before) and
                          self.pid(unit), sec, f'another {unit}')

    def drop_in(self, unit, text):
        """Replaces our drop-in of @unit; "" removes it."""
        path = f'.config/systemd/user/{unit}.d/50-test.conf'
        if text:
            self.write(path, text)
        else:
            os.unlink(os.path.join(HOME, path))
        self.systemctl('daemon-reload')

    def is_port_open(self):
        """Somebody takes connections, or will."""
        return bool(re.search(rf'127\.0\.0\.1:{self.port}\s', self.run('ss', '-Htln4').stdout))

    def answer_soon(self, path='/', sec=20):
        """The first answer; meanwhile no connection may be refused, but ones that break are tried again."""
        return wait_until(lambda: (lambda answer: answer.status and answer)(self.get(path)), sec, 'an answer')


def install(build):
    """`meson install` into a folder of its own, which is returned."""
    folder = tempfile.mkdtemp(prefix='mfad-installed-')
    os.chmod(folder, 0o755)
    done = subprocess.run(['meson', 'install', '--no-rebuild', '--quiet', '-C', build.folder, '--destdir', folder],
                          capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    assert os.path.exists(f'{folder}/usr/local/bin/mfactl'), f'{build.folder} is not for /usr/local'
    return folder
