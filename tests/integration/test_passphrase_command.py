"""passphrase_command of mfad.conf: who runs it, with what, and what happens when it fails."""
import contextlib
import os
import pty
import re
import shutil
import signal
import subprocess
import termios
import time

import pytest
from mfadtest import client
from mfadtest.fake import FakeError
from mfadtest.processes import wait_until

DOCS = os.path.join(os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__)))), 'docs')


@pytest.fixture
def sealed(fake):
    """Its mfad.conf names the command that gives the right passphrase."""
    fake.vault_state = 'sealed'
    os.makedirs(os.path.join(fake.home, '.config/mfad'), 0o700)
    command(fake, f'echo "{fake.passphrase}"')
    return fake


def command(fake, text):
    return fake.write('.config/mfad/mfad.conf', f'[mfad]\npassphrase_command = {text}\n')


def opened(fake):
    return [p['passphrase'] for p in fake.called('Vault.Open')]


def test_command_opens_the_vault_without_a_terminal(sealed):
    for arguments in (['key', 'list'], ['unlock', '123456'], ['init', '--yes'], ['key', 'test']):
        sealed.vault_state = 'sealed'
        sealed.keys['work'] = {'name': 'work', 'access_key_id': 'AKIAEXAMPLE'}
        sealed.write('.aws/credentials', '[work]\naws_access_key_id = AKIAEXAMPLE\naws_secret_access_key = s\n')
        done = sealed.mfactl(*arguments)
        assert done.code == client.OK and sealed.vault_state == 'open', done
        assert sealed.passphrase not in done.out + done.err


def test_descriptor_comes_first_and_an_open_vault_needs_nothing(sealed):
    command(sealed, f'touch {sealed.home}/ran; echo wrong')
    assert sealed.mfactl('key', 'list', passphrase=sealed.passphrase).code == client.OK
    assert sealed.mfactl('key', 'list').code == client.OK
    assert not os.path.exists(f'{sealed.home}/ran') and opened(sealed) == [sealed.passphrase]


def test_drop_in_wins(sealed):
    os.mkdir(os.path.join(sealed.home, '.config/mfad/mfad.conf.d'), 0o700)
    command(sealed, 'echo wrong')
    sealed.write('.config/mfad/mfad.conf.d/a.conf', f'[mfad]\npassphrase_command = echo "{sealed.passphrase}"\n')
    assert sealed.mfactl('key', 'list').code == client.OK


@pytest.mark.parametrize('text, word', [
    ('exit 3', 'exit code 3'), ('true', 'printed nothing'), ('no-such-program', 'exit code 127'),
    ('while :; do echo x; done', 'printed too much')])
def test_command_that_fails(sealed, text, word):
    path = command(sealed, text)
    done = sealed.mfactl('key', 'list')
    assert done.code == client.VAULT and word in done.err and path in done.err and not opened(sealed), done
    t = sealed.terminal('key', 'list')
    t.until(word).until('Passphrase of the vault').send(sealed.passphrase)
    assert t.wait() == client.OK, t.screen


def test_what_the_command_says_is_seen(sealed):
    command(sealed, 'echo "touch the token" >&2; exit 1')
    assert 'touch the token' in sealed.mfactl('key', 'list').err


def test_command_that_gives_another_passphrase(sealed):
    command(sealed, 'echo stale >> $HOME/ran; echo an older passphrase')
    done = sealed.mfactl('key', 'list')
    assert done.code == client.VAULT and 'passphrase_command' in done.err and opened(sealed) == ['an older passphrase'], done
    t = sealed.terminal('key', 'list')
    t.until('cannot open').until('passphrase_command').until('Passphrase of the vault').send('wrong')
    t.until('cannot open').until('Passphrase of the vault').send(sealed.passphrase)
    assert t.wait() == client.OK, t.screen
    with open(f'{sealed.home}/ran', encoding='ascii') as f:
        assert f.read() == 'stale\n' * 2, 'once for each mfactl'


def test_code_on_standard_input_is_not_for_the_command(sealed):
    command(sealed, f'cat > {sealed.home}/eaten; echo "{sealed.passphrase}"')
    done = sealed.mfactl('unlock', '--code-stdin', stdin='123456\n')
    assert done.code == client.OK and sealed.called('Control.Unlock') == [{'code': '123456'}], done
    assert os.path.getsize(f'{sealed.home}/eaten') == 0


def test_command_may_ask_on_the_terminal(sealed):
    command(sealed, 'stty -echo; printf "PIN: " >&2; read pin; stty echo; test "$pin" = 1234 && '
            f'echo "{sealed.passphrase}"')
    t = sealed.terminal('key', 'list')
    assert t.until('PIN: ').send('1234').wait() == client.OK, t.screen
    assert '1234' not in t.screen


def test_command_sees_three_files_and_no_secret(sealed):
    store = sealed.write('store', sealed.passphrase)
    command(sealed, f'ls /proc/self/fd > {sealed.home}/fds; cat {store}; env > {sealed.home}/env; '
            f'ps -eo args > {sealed.home}/ps')
    with open(os.open(f'{sealed.home}/x', os.O_RDWR | os.O_CREAT), 'rb') as f:
        os.set_inheritable(f.fileno(), True)
        done = subprocess.run([sealed.mfactl_path, 'key', 'list'], env=sealed.environment, pass_fds=[f.fileno()],
                              stdin=subprocess.DEVNULL, capture_output=True, check=False, start_new_session=True)
    assert done.returncode == client.OK, done
    with open(f'{sealed.home}/fds', encoding='ascii') as f:
        assert f.read().split() == ['0', '1', '2', '3'], '3 is the folder that ls reads'
    for name, word in (('env', 'XDG_RUNTIME_DIR'), ('ps', 'key list')):
        with open(f'{sealed.home}/{name}', encoding='utf-8') as f:
            text = f.read()
        assert word in text and sealed.passphrase not in text, name


@pytest.mark.parametrize('path, mode', [('.config/mfad/mfad.conf', 0o620), ('.config/mfad/mfad.conf', 0o602),
                                        ('.config/mfad', 0o720), ('.config/mfad', 0o703)])
def test_file_that_others_may_write(sealed, path, mode):
    command(sealed, f'touch {sealed.home}/ran; echo "{sealed.passphrase}"')
    os.chmod(os.path.join(sealed.home, path), mode)
    done = sealed.mfactl('key', 'list')
    assert done.code == client.VAULT and 'is not run' in done.err and 'chmod go-w' in done.err, done
    assert not os.path.exists(f'{sealed.home}/ran')


@pytest.mark.root
def test_file_of_another_user(sealed):
    command(sealed, f'touch {sealed.home}/ran; echo "{sealed.passphrase}"')
    os.chown(os.path.join(sealed.home, '.config/mfad/mfad.conf'), 65534, 65534)
    assert 'is not run' in sealed.mfactl('key', 'list').err and not os.path.exists(f'{sealed.home}/ran')


def test_new_passphrase_is_asked_for(sealed):
    sealed.vault_state = 'none'
    command(sealed, f'touch {sealed.home}/ran; echo "{sealed.passphrase}"')
    assert sealed.mfactl('key', 'import', '--yes').code != client.OK
    sealed.write('.aws/credentials', '[work]\naws_access_key_id = AKIAEXAMPLE\naws_secret_access_key = s\n')
    assert sealed.mfactl('key', 'import', '--yes').code == client.USAGE
    t = sealed.terminal('key', 'import', '--yes')
    t.until('New passphrase').send('a new one for it').until('Once more').send('a new one for it').until('passphrase_command')
    assert t.wait() == client.OK and sealed.passphrase == 'a new one for it', t.screen
    assert not os.path.exists(f'{sealed.home}/ran')


def test_change_of_the_passphrase(sealed):
    def change(parameters):
        if parameters['old_passphrase'] != sealed.passphrase:
            raise FakeError('CannotOpen', message='cannot open the vault')
        sealed.passphrase = parameters['new_passphrase']
        return {}

    sealed.answers['Vault.ChangePassphrase'] = change
    t = sealed.terminal('vault', 'passwd')
    t.until('New passphrase').send('a new one for it').until('Once more').send('a new one for it').until('is changed')
    assert t.wait() == client.OK and sealed.passphrase == 'a new one for it', t.screen
    # now what the command gives is an old one
    t = sealed.terminal('vault', 'passwd')
    t.until('New passphrase').send('a third one for it').until('Once more').send('a third one for it')
    t.until('cannot open').until('Old passphrase').send('a new one for it').until('is changed')
    assert t.wait() == client.OK and sealed.passphrase == 'a third one for it', t.screen


def test_real_programs(stack):
    """mfad takes the setting for a known one, and the vault opens without a question."""
    store = stack.write('store', stack.passphrase + '\n')
    stack.write('.config/mfad/mfad.conf', stack.read('.config/mfad/mfad.conf') + f'passphrase_command = cat {store}\n')
    stack.front.terminate()
    stack.front.start()
    done = stack.mfactl('unlock', '--code-stdin', stdin=stack.simulator.fresh_code() + '\n')
    assert done.code == client.OK and stack.status()['state'] == 'unlocked', done


class Running:
    """mfactl on a terminal of its own while its command waits, with the terminal's echo off."""

    def __init__(self, fake):
        command(fake, f'stty -echo; echo $$ > {fake.home}/pid; sleep 600; echo never')
        self.master, slave = pty.openpty()
        self.before = termios.tcgetattr(self.master)

        def born():
            os.setsid()
            os.close(os.open(os.ttyname(slave), os.O_RDWR))  # becomes the controlling terminal

        self.process = subprocess.Popen([fake.mfactl_path, 'key', 'list'], env=fake.environment, stdin=slave,
                                        stdout=slave, stderr=slave, preexec_fn=born)
        os.close(slave)
        wait_until(lambda: os.path.exists(f'{fake.home}/pid') and os.path.getsize(f'{fake.home}/pid'), what='the command')
        with open(f'{fake.home}/pid', encoding='ascii') as f:
            self.group = int(f.read())
        wait_until(lambda: not termios.tcgetattr(self.master)[3] & termios.ECHO, what='the command hides what is typed')

    def has_command(self):
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self.group, 0)
            # those that have ended are corpses until somebody reaps them
            return any(state_of(pid) not in 'ZX' for pid in members_of(self.group))
        return False

    def close(self):
        if self.process.poll() is None:
            self.process.kill()
        self.process.wait()
        os.close(self.master)
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self.group, signal.SIGKILL)


def members_of(group):
    found = []
    for name in os.listdir('/proc'):
        if name.isdigit():
            with contextlib.suppress(OSError):
                if os.getpgid(int(name)) == group:
                    found.append(int(name))
    return found


def state_of(pid):
    with contextlib.suppress(OSError):
        with open(f'/proc/{pid}/stat', encoding='ascii', errors='replace') as f:
            return f.read().rsplit(')', 1)[1].split()[0]
    return 'X'


@pytest.mark.parametrize('number', [signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGQUIT])
def test_signal_ends_the_command_too(sealed, number):
    running = Running(sealed)
    try:
        assert running.has_command()
        if number == signal.SIGINT:
            os.write(running.master, b'\x03')
        else:
            running.process.send_signal(number)
        assert running.process.wait(10) == -number
        wait_until(lambda: not running.has_command(), what='the command has gone')
        assert termios.tcgetattr(running.master) == running.before
    finally:
        running.close()


# ---- the recipes of docs/passphrase.md ----------------------------------------------------------

def recipe(title):
    """(what stores a passphrase, the text of mfad.conf) of a section."""
    with open(os.path.join(DOCS, 'passphrase.md'), encoding='utf-8') as f:
        section = re.split(r'^## ', f.read(), flags=re.M)
    text, = [s for s in section if s.startswith(title + '\n')]
    return re.search(r'```sh\n(.*?)```', text, flags=re.S).group(1), re.search(r'```ini\n(.*?)```', text, flags=re.S).group(1)


def try_recipe(fake, title, environment, typed):
    """Stores what is @typed as the page says, and opens the vault with what the page configures."""
    store, conf = recipe(title)
    everything = {**fake.environment, **environment}
    done = subprocess.run(['/bin/sh', '-ec', store], env=everything, input=typed, capture_output=True, text=True,
                          check=False, timeout=60, start_new_session=True)
    assert done.returncode == 0, done
    fake.write('.config/mfad/mfad.conf', conf)
    fake.vault_state = 'sealed'
    done = fake.mfactl('key', 'list', environment=environment)
    assert done.code == client.OK and opened(fake) == [fake.passphrase], done
    assert fake.passphrase not in done.out + done.err
    for folder, _, names in os.walk(fake.home):  # not in plain text anywhere
        for name in names:
            with contextlib.suppress(OSError), open(os.path.join(folder, name), 'rb') as f:
                assert fake.passphrase.encode() not in f.read(), os.path.join(folder, name)
    return done


@pytest.fixture
def needs(all_clients):
    """needs(*programs): skips the test without them; under --all-clients it fails."""
    def check(*programs):
        missing = [p for p in programs if not shutil.which(p, path='/usr/bin:/bin')]
        if missing and not all_clients:
            pytest.skip(f'needs {", ".join(missing)}')
        assert not missing

    return check


@contextlib.contextmanager
def started(argv, environment, stdin=None, **more):
    """A process of ours, ended afterwards."""
    with subprocess.Popen(argv, env=environment, stdin=subprocess.PIPE if stdin else subprocess.DEVNULL,
                          stderr=subprocess.DEVNULL, text=True, **more) as process:
        try:
            if stdin:
                process.stdin.write(stdin)
                process.stdin.close()
            yield process
        finally:
            process.terminate()
            try:
                process.wait(10)
            except subprocess.TimeoutExpired:
                process.kill()


def test_secret_service(sealed, needs):
    needs('secret-tool', 'gnome-keyring-daemon', 'dbus-daemon', 'dbus-send')
    with started(['dbus-daemon', '--session', '--nofork', '--print-address'], sealed.environment,
                 stdout=subprocess.PIPE) as bus:
        there = {'DBUS_SESSION_BUS_ADDRESS': bus.stdout.readline().strip()}
        everything = {**sealed.environment, **there}
        with started(['gnome-keyring-daemon', '--unlock', '--components=secrets', '--foreground'], everything,
                     stdin='login passphrase', stdout=subprocess.DEVNULL):
            asks = ['dbus-send', '--session', '--print-reply', '--dest=org.freedesktop.DBus', '/',
                    'org.freedesktop.DBus.NameHasOwner', 'string:org.freedesktop.secrets']
            wait_until(lambda: b'true' in subprocess.run(asks, env=everything, capture_output=True, check=False).stdout,
                       what='the keyring')
            try_recipe(sealed, 'Secret Service', there, sealed.passphrase)
        # the keyring has gone, and nobody can type
        sealed.vault_state = 'sealed'
        began = time.monotonic()
        done = sealed.mfactl('key', 'list', environment=there)
        assert done.code == client.VAULT and 'passphrase_command' in done.err and time.monotonic() - began < 60, done


def test_pass(sealed, needs):
    needs('pass', 'gpg')
    everything = {**sealed.environment, 'GNUPGHOME': os.path.join(sealed.home, 'g')}
    os.mkdir(everything['GNUPGHOME'], 0o700)
    try:
        for argv in (['gpg', '--batch', '--passphrase', '', '--quick-gen-key', 'mfad test', 'default', 'default', 'never'],
                     ['pass', 'init', 'mfad test']):
            done = subprocess.run(argv, env=everything, capture_output=True, text=True, check=False,
                                  timeout=60, stdin=subprocess.DEVNULL)
            assert done.returncode == 0, done
        try_recipe(sealed, 'pass', {'GNUPGHOME': everything['GNUPGHOME']}, (sealed.passphrase + '\n') * 2)
    finally:
        subprocess.run(['gpgconf', '--kill', 'all'], env=everything, capture_output=True, check=False, timeout=30)


def test_file_sealed_by_the_tpm(sealed, needs):
    needs('swtpm', 'tpm2_unseal')
    state = os.path.join(sealed.folder, 'tpm')
    os.mkdir(state, 0o700)
    there = {'TPM2TOOLS_TCTI': f'swtpm:path={state}/s'}
    with started(['swtpm', 'socket', '--tpm2', '--tpmstate', f'dir={state}', '--server', f'type=unixio,path={state}/s',
                  '--ctrl', f'type=unixio,path={state}/s.ctrl', '--flags', 'not-need-init,startup-clear'],
                 sealed.environment, stdout=subprocess.DEVNULL):
        wait_until(lambda: os.path.exists(f'{state}/s') and os.path.exists(f'{state}/s.ctrl'), what='the TPM')
        try_recipe(sealed, 'A file sealed by the TPM', there, sealed.passphrase)
        # another machine has another TPM
        sealed.vault_state = 'sealed'
        subprocess.run(['tpm2_clear'], env={**sealed.environment, **there}, check=True, capture_output=True, timeout=30)
        done = sealed.mfactl('key', 'list', environment=there)
        assert done.code == client.VAULT and 'exit code' in done.err, done
