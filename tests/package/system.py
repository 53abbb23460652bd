"""The booted system as story.py sees it: commands, real logins, processes, files."""
import os
import select
import socket
import subprocess
import time

COMMAND_SEC = 60
MARK = 'mfad-test-done'


class Failed(Exception):
    pass


def check(is_right, what):
    if not is_right:
        raise Failed(what)


def run(*argv, **more):
    """As root. What it printed; it must succeed."""
    done = subprocess.run(argv, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, timeout=COMMAND_SEC,
                          stdin=subprocess.DEVNULL, check=False, **more)
    check(done.returncode == 0, f'{" ".join(argv)}: exit {done.returncode}\n{done.stdout}')
    return done.stdout


def wait_until(condition, what, sec=30):
    end = time.monotonic() + sec
    while not condition():
        check(time.monotonic() < end, f'not within {sec} s: {what}')
        time.sleep(0.02)


class Login:
    """A login of @user that logind and PAM know of, with a shell that runs what run() is given."""

    def __init__(self, user):
        self.user = user
        self.shell = subprocess.Popen(
            ['su', '-l', user.name, '-c', 'exec /bin/sh'], stdin=subprocess.PIPE, stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT, env={'PATH': os.environ['PATH'], 'LANG': 'C.UTF-8', 'XDG_SESSION_TYPE': 'tty',
                                           'XDG_SESSION_CLASS': 'user'})
        self.id = self.run('echo $XDG_SESSION_ID')
        check(self.id, f'logind knows nothing of the login of {user.name}')

    def start(self, command):
        """@command is a line for the shell. Followed by finish()."""
        self.shell.stdin.write(f'{{ {command}\n}} </dev/null 2>&1; MARKED=$?; echo; echo {MARK} $MARKED\n'.encode())
        self.shell.stdin.flush()

    def finish(self, code=0):
        """What it printed; it must end with @code, or None for any."""
        text, end = '', time.monotonic() + COMMAND_SEC
        while f'\n{MARK} ' not in text or not text.endswith('\n'):
            check(select.select([self.shell.stdout], [], [], max(0, end - time.monotonic()))[0],
                  f'{self.user.name}: no end of it\n{text}')
            piece = os.read(self.shell.stdout.fileno(), 65536)
            check(piece, f'{self.user.name}: the shell is gone\n{text}')
            text += piece.decode(errors='replace')
        text, got = text.rsplit(f'\n{MARK} ', 1)
        if code is not None:
            check(int(got) == code, f'{self.user.name}: exit {int(got)}, not {code}\n{text}')
        return text.strip()

    def run(self, command, code=0):
        self.start(command)
        return self.finish(code)

    def log_out(self):
        self.shell.stdin.close()
        check(self.shell.wait(COMMAND_SEC) == 0, f'{self.user.name}: logging out failed')
        self.shell.stdout.close()


class User:
    def __init__(self, name):
        self.name = name
        run('useradd', '--create-home', '--shell', '/bin/sh', name)
        self.uid = int(run('id', '-u', name))
        self.home = f'/home/{name}'
        self.runtime = f'/run/user/{self.uid}/mfad'
        self.vault = f'{self.home}/.local/share/mfad/vault'
        self.own = self.files()  # that were there before, or that the user made by hand

    def files(self):
        """Below the home, without the folders."""
        return {p for p in files(self.home) if os.path.islink(p) or not os.path.isdir(p)}

    def folder_for(self, path):
        """The absolute path of it, whose folders are there from then on."""
        folder = self.home
        for part in os.path.dirname(path).split('/'):
            folder = os.path.join(folder, part)
            if not os.path.isdir(folder):
                os.mkdir(folder, 0o700)
                os.chown(folder, self.uid, self.uid)
        full = os.path.join(self.home, path)
        self.own.add(full)
        return full

    def link(self, path, target):
        """A symbolic link below the home."""
        full = self.folder_for(path)
        os.symlink(target, full)
        os.chown(full, self.uid, self.uid, follow_symlinks=False)

    def write(self, path, text):
        """Below the home."""
        full = self.folder_for(path)
        with open(os.open(full, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), 'w', encoding='utf-8') as f:
            f.write(text)
        os.chown(full, self.uid, self.uid)

    def systemctl(self, *arguments):
        """For this user's manager, as that user; also where there is no bus."""
        return run('setpriv', f'--reuid={self.uid}', f'--regid={self.uid}', '--init-groups', 'env', '-i',
                   f'XDG_RUNTIME_DIR=/run/user/{self.uid}', 'PATH=/usr/bin:/bin', 'systemctl', '--user',
                   *arguments).strip()

    def show(self, unit, name):
        return self.systemctl('show', '--value', f'--property={name}', unit)

    def status(self):
        """What mfad says of itself."""
        return self.show('mfad.service', 'StatusText')

    def pid(self, name):
        """Of mfad or mfad-signer; 0 for none."""
        return int(self.show(name + '.service', 'MainPID'))

    def token(self):
        with open(self.runtime + '/token', encoding='ascii') as f:
            return f.read()


def is_old(pid):
    """Whether the process runs a program that is no longer installed."""
    return os.readlink(f'/proc/{pid}/exe').endswith(' (deleted)')


def programs(uid=None):
    """The processes whose program is one of the package's daemons."""
    found = []
    for pid in filter(str.isdigit, os.listdir('/proc')):
        try:
            if os.readlink(f'/proc/{pid}/exe').startswith('/usr/libexec/mfad/') and \
               uid in (None, os.stat(f'/proc/{pid}').st_uid):
                found.append(int(pid))
        except OSError:  # ended, or a thread of the kernel
            continue
    return found


def is_open(port):
    try:
        socket.create_connection(('127.0.0.1', port), timeout=5).close()
    except ConnectionRefusedError:
        return False
    return True


def files(*folders):
    """Every path in there."""
    return set(run('find', *folders, '-xdev').splitlines())
