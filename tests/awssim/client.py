"""What tests and the demo use: start and stop a simulator, read its log, break it, ask for codes."""
import http.client
import json
import os
import subprocess
import tempfile
import time
from urllib.parse import quote

from awssim import totp

HERE = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
START_SEC = 20


class AwsSim:
    """Use as a context manager, or start() and stop(). `config` as in model.py; without it one user."""

    def __init__(self, config=None, state=None, tls_variants=False):
        self.config, self.state, self.tls_variants = config, state, tls_variants
        self.process = self.ports = self.made_state = None
        self.given = set()  # codes that fresh_code() gave out

    def __enter__(self):
        return self.start()

    def __exit__(self, *ignored):
        self.stop()

    def start(self):
        if not self.state:
            self.made_state = tempfile.TemporaryDirectory(prefix='awssim-')
            self.state = self.made_state.name
        argv = ['/usr/bin/python3', '-m', 'awssim', 'serve', '--state', self.state, '--until-eof']
        if self.config:
            path = os.path.join(self.state, 'config.json')
            with open(path, 'w', encoding='utf-8') as f:
                json.dump(self.config, f)
            argv += ['--config', path]
        if self.tls_variants:
            argv.append('--tls-variants')
        ready = os.path.join(self.state, 'ports.json')
        if os.path.exists(ready):
            os.unlink(ready)
        # ends with us even if we are killed: its standard input is our pipe
        self.process = subprocess.Popen(argv, stdin=subprocess.PIPE, env={**os.environ, 'PYTHONPATH': HERE})
        end = time.monotonic() + START_SEC
        while not os.path.exists(ready):
            if self.process.poll() is not None or time.monotonic() > end:
                raise RuntimeError('awssim did not start')
            time.sleep(0.01)
        return self.load()

    def load(self):
        """Joins a simulator that somebody else started in `state`."""
        with open(os.path.join(self.state, 'ports.json'), encoding='utf-8') as f:
            self.ports = json.load(f)
        with open(os.path.join(self.state, 'users.json'), encoding='utf-8') as f:
            self.config = json.load(f)
        return self

    def stop(self):
        if self.process:
            self.process.terminate()
            self.process.wait(10)
            self.process.stdin.close()
            self.process = None
        if self.made_state:
            self.made_state.cleanup()
            self.made_state = self.state = None

    # where things are

    @property
    def url(self):
        """HTTPS; trust `ca_file`."""
        return f"https://localhost:{self.ports['https']}"

    @property
    def http_url(self):
        return f"http://127.0.0.1:{self.ports['http']}"

    def url_of(self, listener):
        """Of "tls_self_signed" and the other variants."""
        return f'https://localhost:{self.ports[listener]}'

    @property
    def ca_file(self):
        return self.ports['ca_file']

    def user(self, name=None):
        """The configuration of a user, by default the first."""
        return next(u for u in self.config['users'] if name in (None, u['name']))

    def key(self, name=None):
        return self.user(name)['keys'][0]

    def serial(self, name=None):
        return self.user(name)['mfa'][0]['serial']

    # the admin door

    def ask(self, method, path, value=None):
        connection = http.client.HTTPConnection('127.0.0.1', self.ports['admin'], timeout=30)
        try:
            connection.request(method, path, None if value is None else json.dumps(value))
            response = connection.getresponse()
            result = json.loads(response.read())
        finally:
            connection.close()
        if response.status != 200:
            raise ValueError(result['error'])
        return result

    def fault(self, kind, action='*', count=1, **more):
        self.ask('POST', '/fault', {'action': action, 'kind': kind, 'count': count, **more})

    def options(self, **options):
        self.ask('POST', '/options', options)

    def set_active(self, key_id, active):
        self.ask('POST', '/key', {'id': key_id, 'active': active})

    def reset(self, keep=False):
        """As at the start; `keep`: credentials, used codes and options stay."""
        self.ask('POST', '/reset', {'keep': keep})
        if not keep:
            self.given.clear()

    def log(self, action=None):
        return [e for e in self.ask('GET', '/log') if action in (None, e['action'])]

    def counts(self, action='AssumeRole', outcome=None):
        """{role: calls}; the role of other actions is None. @outcome: "ok", an error's code, or any."""
        found = {}
        for name, role, how, count in self.ask('GET', '/counts'):
            if name == action and outcome in (None, how):
                found[role] = found.get(role, 0) + count
        return found

    def connections(self, listener=None):
        return [c for c in self.ask('GET', '/connections') if listener in (None, c['listener'])]

    def now(self):
        return self.ask('GET', '/now')['now']

    # codes

    def totp(self, serial=None, at=None):
        """What the device shows, used or not. By the simulator's clock unless `at` is given."""
        serial = serial or self.serial()
        if at is None:
            return self.ask('GET', '/totp?serial=' + quote(serial))['current']
        device = next(d for u in self.config['users'] for d in u.get('mfa', []) if d['serial'] == serial)
        return totp.code(device['seed'], at=at)

    def fresh_code(self, serial=None, margin_sec=2):
        """A code that will be accepted: never given out here before, not used yet, and good for
        `margin_sec` more. Waits for the next window where it must; the option totp_drift spares the
        waiting, for then the codes of the windows around are good too."""
        serial = serial or self.serial()
        while True:
            state = self.ask('GET', '/totp?serial=' + quote(serial))
            unused = [c for c in state['unused'] if (serial, c) not in self.given]
            if unused and (state['left_sec'] >= margin_sec or len(unused) > 2):
                self.given.add((serial, unused[0]))
                return unused[0]
            time.sleep(min(state['left_sec'] + 0.05, totp.STEP_SEC))
