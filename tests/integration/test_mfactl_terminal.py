"""mfactl on a terminal: questions without echo, signals, colours, and what other users could see."""
import os
import pty
import re
import resource
import signal
import subprocess
import termios
import time

import pytest
from mfadtest import client
from mfadtest.fake import KEY_ID, PLAIN, SECRET, FakeError
from mfadtest.processes import wait_until


def test_init_on_a_terminal(fake):
    path = fake.write('.aws/credentials', f'{PLAIN}[b]\naws_access_key_id=AKIAANOTHERKEYEXAMPLE\n'
                      'aws_secret_access_key=s\n')
    fake.vault_state = 'none'
    t = fake.terminal('init')
    t.until('[default]? [Y/n]').send('').until('[b]? [Y/n]').send('n')
    t.until('New passphrase').send('short').until('at least 8')
    t.until('New passphrase').send('nine chars').until('12 characters').until('Once more').send('other')
    t.until('not the same').until('New passphrase').send('long enough to be one')
    t.until('Once more').send('long enough to be one')
    t.until('user/alice').until('mfa/alice').until('[y/N]').send('y').until('No copy').until('mfactl unlock')
    assert t.wait() == client.OK, t.screen
    assert 'long enough' not in t.screen and SECRET not in t.screen
    assert list(fake.keys) == ['default'] and fake.passphrase == 'long enough to be one'
    with open(path, encoding='ascii') as f:
        assert f.read() == '[default]\n[b]\naws_access_key_id=AKIAANOTHERKEYEXAMPLE\naws_secret_access_key=s\n'


def test_init_on_a_terminal_without_any_file(fake):
    t = fake.terminal('init')
    t.until('Access key ID').send(KEY_ID).until('Secret access key').send(SECRET).until('Ready')
    assert t.wait() == client.OK and SECRET not in t.screen and KEY_ID in t.screen
    assert fake.keys['default']['secret_access_key'] == SECRET


def test_wrong_passphrase_may_be_tried_again(fake):
    fake.vault_state = 'sealed'
    fake.answers['Control.GetStatus'] = lambda p: fake.status(sessions=[])
    t = fake.terminal('unlock')
    t.until('assphrase').send('wrong').until('cannot open').until('assphrase').send(fake.passphrase)
    t.until('MFA code').send('12345').until('six digits').until('MFA code').send('123 456')
    assert t.wait() == client.OK, t.screen


def test_no_code_is_asked_for_when_the_passphrase_brings_the_session_back(fake):
    fake.vault_state = 'sealed'
    asked = []

    def status(_):
        """First mfad has not heard, then it is about to put sessions back, then they are there."""
        asked.append(fake.status(vault='sealed', sessions=[]) if not asked else
                     fake.status(restoring=len(asked) < 3, **({'sessions': []} if len(asked) < 3 else {})))
        return asked[-1]

    fake.answers['Control.GetStatus'] = status
    t = fake.terminal('unlock')
    t.until('assphrase').send(fake.passphrase).until('unlocked until').until('"work"; no code needed')
    assert t.wait() == client.OK and 'MFA code' not in t.screen, t.screen
    assert len(asked) == 4 and not fake.called('Control.Unlock')


@pytest.mark.parametrize('arguments, state', [
    (['--duration', '1h'], 'unlocked'),   # a new one is wanted
    (['--key', 'home'], 'unlocked'),      # another one is wanted
    ([], 'expiring'), ([], 'locked'),
])
def test_a_code_is_asked_for_all_the_same(fake, arguments, state):
    fake.vault_state = 'sealed'
    session, = fake.status()['sessions']
    fake.answers['Control.GetStatus'] = lambda p: fake.status(sessions=[{**session, 'state': state}])
    t = fake.terminal('unlock', *arguments)
    t.until('assphrase').send(fake.passphrase).until('MFA code').send('123456')
    assert t.wait() == client.OK, t.screen
    assert len(fake.called('Control.Unlock')) == 1


def test_an_open_vault_is_no_reason_not_to_ask(fake):
    t = fake.terminal('unlock')
    t.until('MFA code').send('123456')
    assert t.wait() == client.OK, t.screen


def test_unlock_asks_which_key_when_none_is_the_default(fake):
    for name in ('home', 'work'):
        fake.keys[name] = {'name': name, 'access_key_id': KEY_ID}
    fake.answers['Control.GetStatus'] = lambda p: fake.status(default_key=None, sessions=[])
    t = fake.terminal('unlock')
    t.until('2  work').until('1 to 2: ').send('3').until('1 to 2: ').send('x').until('1 to 2: ').send('2')
    t.until('MFA code').send('123456')
    assert t.wait() == client.OK, t.screen
    assert fake.called('Control.Unlock') == [{'code': '123456', 'key': 'work'}]
    t = fake.terminal('unlock')
    for _ in range(3):
        t.until('1 to 2: ').send('')
    assert t.until('--key').wait() == client.USAGE and len(fake.called('Control.Unlock')) == 1
    # a name, a default or a single key leave no question
    for arguments in (['unlock', '--key', 'home', '123456'], ['unlock', '123456']):
        if '--key' not in arguments:
            fake.answers['Control.GetStatus'] = lambda p: fake.status()
        t = fake.terminal(*arguments)
        assert t.wait() == client.OK and 'Number' not in t.screen, t.screen


def test_unlock_asks_for_no_code_that_nobody_could_use(fake):
    """Without a terminal, too, it is said before the code is read which key has to be named."""
    for name in ('home', 'work'):
        fake.keys[name] = {'name': name, 'access_key_id': KEY_ID}
    fake.answers['Control.GetStatus'] = lambda p: fake.status(default_key=None, sessions=[])
    for arguments, given in ((['unlock', '--code-stdin'], '123456\n'), (['unlock', '123456'], ''), (['unlock'], '')):
        done = fake.mfactl(*arguments, stdin=given)
        assert done.code == client.USAGE and '--key NAME   (one of: home, work)' in done.err, done
    # one key, and a default_profile in mfad.conf that names nothing
    del fake.keys['home']
    t = fake.terminal('unlock')
    assert t.until('--key NAME   (one of: work)').wait() == client.USAGE and 'MFA code' not in t.screen
    # a default profile that mfad cannot use
    fake.answers['Control.GetStatus'] = lambda p: fake.status(default_key=None, default_profile='dev', sessions=[])
    t = fake.terminal('unlock')
    t.until('the default profile "dev" cannot be used').until('mfactl profiles')
    assert t.wait() == client.FAILURE and 'MFA code' not in t.screen
    assert fake.called('Control.Unlock') == []


def test_older_vault_is_opened_only_on_a_word(fake):
    fake.vault_state = 'sealed'

    def rollback(parameters):
        if not parameters.get('accept_rollback'):
            raise FakeError('Rollback', message='this vault is an older one', generation=1, expected=2)
        fake.vault_state = 'open'
        return {}

    fake.answers['Vault.Open'] = rollback
    done = fake.mfactl('key', 'list', passphrase='x')
    assert done.code == client.VAULT, done
    t = fake.terminal('key', 'list')
    t.until('assphrase').send('x').until('older').until('[y/N]').send('')
    assert t.wait() == client.VAULT and fake.vault_state == 'sealed'
    t = fake.terminal('key', 'list')
    t.until('assphrase').send('x').until('[y/N]').send('y')
    assert t.wait() == client.OK, t.screen


class Prompt:
    """mfactl at its question for the code, on a terminal whose settings can be looked at."""

    def __init__(self, fake, *arguments):
        self.master, slave = pty.openpty()
        self.before = termios.tcgetattr(self.master)

        def born():
            os.setsid()
            resource.setrlimit(resource.RLIMIT_CORE, (4096, 8192))
            os.close(os.open(os.ttyname(slave), os.O_RDWR))  # becomes the controlling terminal

        self.process = subprocess.Popen([fake.mfactl_path, *(arguments or ['unlock'])],
                                        env={**fake.environment, 'TERM': 'xterm'}, stdin=slave, stdout=slave,
                                        stderr=slave, preexec_fn=born)
        os.close(slave)
        if not arguments:
            wait_until(lambda: not self.echoes(), what='the question')

    def echoes(self):
        return bool(termios.tcgetattr(self.master)[3] & termios.ECHO)

    def state(self):
        with open(f'/proc/{self.process.pid}/stat', encoding='ascii') as f:
            return f.read().rsplit(')', 1)[1].split()[0]

    def close(self):
        if self.process.poll() is None:
            self.process.kill()
        self.process.wait()
        os.close(self.master)


@pytest.fixture
def prompt(fake):
    p = Prompt(fake)
    yield p
    p.close()


@pytest.mark.parametrize('number', [signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGQUIT])
def test_terminal_is_put_back_after_a_signal(prompt, number):
    prompt.process.send_signal(number)
    assert prompt.process.wait(10) == -number
    assert termios.tcgetattr(prompt.master) == prompt.before


def test_terminal_is_put_back_after_control_c(prompt):
    os.write(prompt.master, b'\x03')
    assert prompt.process.wait(10) == -signal.SIGINT
    assert termios.tcgetattr(prompt.master) == prompt.before


def test_who_gives_no_code_hears_that_nothing_was_sent(fake):
    terminal = fake.terminal('unlock').until('MFA code: ')
    os.write(terminal.fd, b'\x04')
    terminal.until('no code was given, and nothing was sent')
    assert terminal.wait() == client.USAGE and not fake.called('Control.Unlock')


def test_a_code_that_is_much_too_long_is_asked_for_again(fake):
    terminal = fake.terminal('unlock')
    for _ in range(2):
        terminal.until('MFA code: ').send('1' * 3000).until('six digits')
    terminal.until('MFA code: ').send('123456')
    assert terminal.wait() == client.OK, terminal.screen


def test_terminal_is_put_back_at_end_of_input(prompt):
    os.write(prompt.master, b'\x04')
    assert prompt.process.wait(10) != 0
    assert termios.tcgetattr(prompt.master) == prompt.before


def test_stop_and_go_on_at_the_question(fake, prompt):
    """An orphaned process group ignores SIGTSTP's default, so SIGSTOP's state is looked for only if
    the kernel stops it; either way the terminal is sane and the question comes again."""
    os.kill(prompt.process.pid, signal.SIGTSTP)
    time.sleep(0.3)
    if prompt.state() == 'T':
        assert prompt.echoes()
        prompt.process.send_signal(signal.SIGCONT)
    wait_until(lambda: not prompt.echoes(), what='the question again')
    os.write(prompt.master, b'123456\n')
    assert prompt.process.wait(10) == client.OK
    assert fake.called('Control.Unlock') == [{'code': '123456'}]


def test_code_in_argv_is_overwritten_at_once(fake):
    fake.answers['Control.Unlock'] = lambda p: time.sleep(1) or FakeError('Busy', message='x')
    with subprocess.Popen([fake.mfactl_path, 'unlock', '--duration', '1h', '123', '456'],
                          env=fake.environment, stderr=subprocess.DEVNULL) as process:
        wait_until(lambda: fake.called('Control.Unlock'))
        with open(f'/proc/{process.pid}/cmdline', 'rb') as f:
            words = f.read().split(b'\0')
    assert words[1:] == [b'unlock', b'--duration', b'1h', b'X' * 3, b'X' * 3, b''], words


def test_history_is_mentioned_on_a_terminal_only(fake):
    assert 'history' not in fake.mfactl('unlock', '123456').err
    t = fake.terminal('unlock', '123456')
    assert t.wait() == client.OK and 'history' in t.screen


@pytest.mark.parametrize('environment, is_coloured', [
    ({'TERM': 'xterm'}, True), ({'TERM': 'xterm', 'NO_COLOR': '1'}, False), ({'TERM': 'dumb'}, False)])
def test_colour(fake, environment, is_coloured):
    master, slave = pty.openpty()
    subprocess.run([fake.mfactl_path, 'status'], env={**fake.environment, **environment}, stdout=slave,
                   check=True)
    os.close(slave)
    assert (b'\x1b[' in os.read(master, 4096)) == is_coloured
    os.close(master)
    assert '\x1b' not in fake.mfactl('status', environment={'TERM': 'xterm'}).out


def test_process_is_hardened(prompt):
    """Nor can it be dumped or traced, prctl(2), but that does not show to root."""
    def line(file, name):
        with open(f'/proc/{prompt.process.pid}/{file}', encoding='ascii') as f:
            return re.search(rf'^{name}:?\s+(\S+)', f.read(), flags=re.M).group(1)

    assert line('limits', 'Max core file size') == '0'
    assert line('status', 'Umask') == '0077'


def test_no_library_that_makes_it_slow(fake):
    libraries = subprocess.run(['ldd', fake.mfactl_path], capture_output=True, text=True, check=True).stdout
    assert not re.search(r'libcrypto|libssl|libcurl|libsystemd', libraries), libraries
