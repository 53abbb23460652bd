"""mfad and mfad-signer in a throw-away home, configured for a simulated AWS."""
import collections
import contextlib
import errno
import json
import os
import random
import shlex
import shutil
import socket
import subprocess
import tempfile

from mfadtest import client, web
from mfadtest.processes import Program, wait_until
from mfadtest.varlink import Varlink, VarlinkError

# long, so that what is left of a copy is not soon overwritten by something else of its size
PASSPHRASE = 'correct horse battery staple, and then ' + 'Zq7vXw2KpLm9TrBn ' * 8


kept = collections.deque(maxlen=100)  # more than one test ever needs


def free_port():
    """A port that is free on both loopback addresses, as far as anybody can know. It is none that the kernel gives to
    whoever asks for any, and no other process of tests gets it as long as we may need it."""
    while True:
        port = random.randrange(10000, 32768)
        ours = socket.socket(socket.AF_UNIX)
        try:
            ours.bind(f'\0mfad-test-port-{port}')
            with socket.socket() as s:
                s.bind(('127.0.0.1', port))
            with socket.socket(socket.AF_INET6) as s6:
                s6.bind(('::1', port))
        except OSError as e:
            if e.errno in (errno.EADDRINUSE, errno.EACCES):
                ours.close()
                continue
            # without IPv6 there is nothing to ask
        kept.append(ours)
        return port


PLAIN = set(b'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789._@:=,+-')


def spelt(name):
    """@name as a segment of a path: docs/protocol.md."""
    out, before = '', ord('.')
    for byte in name.encode():
        plain = byte in PLAIN and not (byte == before == ord('.'))
        out += chr(byte) if plain else f'~{byte:02X}'
        before = byte
    return out


def config_section(profile, settings):
    """A section of ~/.aws/config, quoted as botocore wants it."""
    head = 'default' if profile == 'default' else f'profile {shlex.quote(profile)}'
    return f'[{head}]\n' + ''.join(f'{key} = {value}\n' for key, value in settings.items()) + '\n'


class Stack:
    """@simulator: an awssim.client.AwsSim. Nothing is started until somebody asks for it."""

    def __init__(self, build, simulator, template=None, use_https=True):
        self.build, self.simulator, self.use_https = build, simulator, use_https
        self.folder = tempfile.mkdtemp(prefix='mfad-')
        self.home = os.path.join(self.folder, 'home')
        self.runtime = os.path.join(self.folder, 'run')
        self.data = os.path.join(self.home, '.local', 'share', 'mfad')
        self.sockets = os.path.join(self.runtime, 'mfad')
        self.port = free_port()
        self.passphrase = PASSPHRASE
        for folder in (self.home, self.runtime):
            os.mkdir(folder, 0o700)
        self.environment = {'HOME': self.home, 'XDG_RUNTIME_DIR': self.runtime, 'PATH': '/usr/bin:/bin',
                            'LANG': 'C.UTF-8',
                            # nobody is there unless a test wants it; never this machine's own
                            'DBUS_SYSTEM_BUS_ADDRESS': f'unix:path={self.folder}/bus'}
        self.write_configuration()
        if template:
            os.makedirs(os.path.dirname(self.data), 0o700)
            shutil.copytree(template, self.data)
            # as after `init --remove-plain-keys`: else every SDK would take the plain key and never ask us
            os.unlink(os.path.join(self.home, '.aws/credentials'))
        self.front = self.program(build.front)
        self.signer = self.program(build.signer)

    # files

    def write(self, path, text, mode=0o600):
        """@path is relative to the home."""
        full = os.path.join(self.home, path)
        os.makedirs(os.path.dirname(full), 0o700, exist_ok=True)
        with open(os.open(full, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, mode), 'w', encoding='utf-8') as f:
            f.write(text)
        return full

    def read(self, path):
        with open(os.path.join(self.home, path), encoding='utf-8') as f:
            return f.read()

    def write_configuration(self):
        key = self.simulator.key()
        self.write('.config/mfad/mfad.conf', f'[mfad]\nport = {self.port}\n')
        where = f'endpoint_url = {self.simulator.http_url}\n'
        if self.use_https:
            where = f'endpoint_url = {self.simulator.url}\nca_bundle = {self.simulator.ca_file}\n'
        self.write('.aws/config', '[default]\nregion = us-east-1\n'
                   f'mfa_serial = {self.simulator.serial()}\n{where}')
        self.first_config = self.read('.aws/config')
        self.write('.aws/credentials', f'[default]\naws_access_key_id = {key["id"]}\n'
                   f'aws_secret_access_key = {key["secret"]}\n')

    def write_profiles(self, profiles):
        """~/.aws/config as it was at first, and {name: {setting: value}} behind it; replaced whole."""
        text = self.first_config + '\n' + ''.join(config_section(n, s) for n, s in profiles.items())
        path = self.write('.aws/config.new', text)
        os.rename(path, path[:-len('.new')])

    # programs

    def program(self, path, preexec_fn=None, **environment):
        name = os.path.basename(path)
        return Program([path], {**self.sanitizer_environment(), **self.environment, **environment},
                       os.path.join(self.folder, name + '.log'), preexec_fn)

    def sanitizer_environment(self):
        return {'ASAN_OPTIONS': 'detect_leaks=1:abort_on_error=0:disable_coredump=0', 'UBSAN_OPTIONS': 'print_stacktrace=1'}

    def start(self):
        self.signer.start()
        self.front.start()
        return self

    def programs(self):
        return [self.front, self.signer]

    def stop(self):
        """Ends both. Returns everything that was wrong with how they went."""
        problems = [p.terminate() for p in self.programs()]
        for p in self.programs():
            if os.path.exists(p.log_path):
                problems += p.complaints()
        return [p for p in problems if p]

    def remove(self):
        shutil.rmtree(self.folder, ignore_errors=True)

    def logs(self):
        """{program: text} of what was logged so far."""
        return {p.name: p.log() for p in self.programs() if os.path.exists(p.log_path)}

    # talking to them

    def mfactl(self, *arguments, **more):
        environment = {**self.sanitizer_environment(), **self.environment, **more.pop('environment', {})}
        return client.run_mfactl(self.build.mfactl, arguments, environment, **more)

    def terminal(self, *arguments, **more):
        return client.Terminal(self.build.mfactl, arguments,
                               {**self.sanitizer_environment(), **self.environment}, **more)

    def socket_path(self, name):
        return os.path.join(self.sockets, name)

    def control(self, **more):
        return Varlink(self.socket_path('control'), 'org.mfad.Control', **more)

    def vault(self, **more):
        return Varlink(self.socket_path('vault'), 'org.mfad.Vault', **more)

    def status(self):
        with self.control() as c:
            return c.call('GetStatus')

    def vault_status(self):
        with self.vault() as v:
            return v.call('GetStatus')

    @property
    def token(self):
        with open(self.socket_path('token'), encoding='ascii') as f:
            return f.read()

    def get(self, path='/', *more, token=None, **options):
        return web.get(self.port, self.token if token is None else token, path, *more, **options)

    def get_profile(self, name, **options):
        return self.get('/profile/' + spelt(name), **options)

    def profiles(self):
        """{name: what ListProfiles says}, page by page."""
        found, answer = {}, {'is_last': False}
        with self.control() as c:
            while not answer['is_last']:
                answer = c.call('ListProfiles', **({'after': list(found)[-1]} if found else {}))
                assert answer['profiles'] or answer['is_last'], 'an empty page'
                found.update((p['name'], p) for p in answer['profiles'])
        return found

    def open_vault(self):
        with self.vault() as v:
            v.call('Open', passphrase=self.passphrase)
        wait_until(lambda: self.status()['vault'] == 'open', what='mfad hears that the vault is open')

    def unlock(self, code=None, **parameters):
        """By Varlink, with a fresh code."""
        with self.control() as c:
            return c.call('Unlock', code=code or self.simulator.fresh_code(), **parameters)

    def unlock_error(self, code=None, **parameters):
        """The VarlinkError of an unlock that must fail."""
        try:
            answer = self.unlock(code, **parameters)
        except VarlinkError as e:
            return e
        raise AssertionError(f'unlock succeeded: {answer}')

    def unlocked(self):
        self.open_vault()
        self.unlock()
        return self

    def posts(self, action='GetSessionToken'):
        """What the simulator got."""
        return self.simulator.log(action)

    def client_environment(self, profile=None):
        """What `mfactl env` gives, applied to an empty environment."""
        return {**self.environment, **self.mfactl_env(profile), 'AWS_DEFAULT_REGION': 'us-east-1'}

    def mfactl_env(self, profile=None):
        """What the output of `mfactl env` sets, as a real shell understands it."""
        done = self.mfactl('env', *(['--profile', profile] if profile else []))
        assert done.code == client.OK, done
        shell = subprocess.run(['/bin/sh', '-c', 'eval "$1"; env -0', 'sh', done.out], check=True,
                               env={'PATH': '/usr/bin:/bin'}, capture_output=True, text=True)
        pairs = dict(line.split('=', 1) for line in shell.stdout.split('\0') if '=' in line)
        return {k: v for k, v in pairs.items() if k not in ('PWD', 'SHLVL', '_', 'OLDPWD', 'PATH')}

    def markers(self):
        """What must never be logged, by name."""
        found = {'passphrase': self.passphrase, 'long-term secret': self.simulator.key()['secret']}
        with contextlib.suppress(OSError):
            found['client token'] = self.token
        return found

    def credentials(self):
        """The creds that are served now."""
        answer = self.get()
        assert answer.status == 200, answer
        return json.loads(answer.body)
