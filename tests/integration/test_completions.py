"""What bash, zsh and fish themselves make of our completions, with the names that mfad gives."""
import fcntl
import os
import pty
import re
import select
import shlex
import shutil
import signal
import struct
import subprocess
import termios
import time

import pytest
from mfadtest.fake import FakeError, profile

FOLDER = os.path.join(os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__)))),
                      'client', 'completions')
NAMES = ['default', 'work', "it's", 'my profile', 'a:b@c=d', 'é', '$(touch pwned)', 'wo\\rk']


def in_bash(fake, line):
    """What bash's function offers for @line, with the cursor at its end."""
    script = f'source {shlex.quote(FOLDER)}/mfactl.bash; COMP_LINE=$LINE COMP_POINT=${{#LINE}}; _mfactl; ' \
             'printf "%s\\n" "${COMPREPLY[@]}"'
    return lines_of(['bash', '--norc', '--noprofile', '-c', script], fake, line)


def in_fish(fake, line):
    """What fish offers, as it is inserted; descriptions follow a tab."""
    script = f'source {shlex.quote(FOLDER)}/mfactl.fish; complete -C "$LINE"'
    return [found.split('\t')[0] for found in lines_of(['fish', '--no-config', '-c', script], fake, line)]


def in_zsh(fake, line):
    """What zsh lists, read from its screen: it completes for a person only."""
    with Screen(['zsh', '-f', '-i'], fake) as screen:
        screen.type(f'PS1="READ""Y "; fpath=({shlex.quote(FOLDER)} $fpath); autoload -Uz compinit; '
                    'compinit -u -d "$HOME/dump"; zstyle ":completion:*" list-packed no; LISTMAX=1000; '
                    'zstyle ":completion:*" verbose no; setopt LIST_ROWS_FIRST\n').until('READY ')
        # the list, and then the prompt again; or a bell
        shown = screen.type(line + '\x04').until('READY ', '\a').text[screen.seen:].replace(line, '', 1)
        found = re.split(r'\s{2,}|[\r\n]+', re.sub(r'\x1b\[[0-9;?]*[a-zA-Z]|\a', '', shown))
        return [f for f in found if f and 'READY' not in f]


def lines_of(argv, fake, line):
    done = subprocess.run(argv, env={**environment(fake), 'LINE': line}, capture_output=True, text=True,
                          timeout=30, check=False, cwd=fake.home)
    assert done.stderr == '', done
    return [found for found in done.stdout.split('\n') if found]


def environment(fake):
    folder = os.path.dirname(fake.mfactl_path)
    return {**fake.environment, 'PATH': f'{folder}:/usr/bin:/bin', 'LC_ALL': 'C.UTF-8'}


class Screen:
    """A shell on a terminal of its own."""

    def __init__(self, argv, fake):
        self.text, self.seen = '', 0
        self.pid, self.fd = pty.fork()
        if self.pid == 0:
            fcntl.ioctl(0, termios.TIOCSWINSZ, struct.pack('HHHH', 100, 200, 0, 0))
            os.chdir(fake.home)
            os.execvpe(argv[0], argv, {**environment(fake), 'TERM': 'dumb'})

    def __enter__(self):
        return self

    def __exit__(self, *_):
        os.kill(self.pid, signal.SIGKILL)
        os.waitpid(self.pid, 0)
        os.close(self.fd)

    def _read(self, sec):
        if select.select([self.fd], [], [], sec)[0]:
            self.text += os.read(self.fd, 65536).decode(errors='replace')

    def type(self, keys):
        self.seen = len(self.text)
        os.write(self.fd, keys.encode())
        return self

    def until(self, *texts, sec=20):
        """Until one of them stands there."""
        end = time.monotonic() + sec
        while not any(text in self.text[self.seen:] for text in texts):
            assert time.monotonic() < end, f'none of {texts!r} on the screen:\n{self.text}'
            self._read(0.2)
        return self


ALL = {'bash': in_bash, 'fish': in_fish, 'zsh': in_zsh}


@pytest.fixture(params=sorted(ALL))
def complete(request, fake):
    if not shutil.which(request.param):
        pytest.skip(f'no {request.param} here')
    fake.profiles = [profile(n) for n in NAMES]
    yield lambda line: ALL[request.param](fake, line)
    assert not os.path.exists(os.path.join(fake.home, 'pwned'))


def commands_of(fake):
    """{command: its options}, from --help."""
    names = re.findall(r'^    ([a-z]+(?: [a-z]+)?)  +\S', fake.mfactl('--help').out, flags=re.M)
    return {name: set(re.findall(r'^    (--[a-z-]+)', fake.mfactl(*name.split(), '--help').out, flags=re.M))
            for name in names}


def test_every_command_is_offered_and_no_other(complete, fake):
    commands = commands_of(fake)
    groups = {c.split()[0] for c in commands if ' ' in c}
    assert 'unlock' in commands and groups == {'key', 'vault'}
    assert set(complete('mfactl ')) == {c.split()[0] for c in commands}
    for group in groups:
        assert set(complete(f'mfactl {group} ')) == {c.split()[1] for c in commands if c.startswith(group + ' ')}


def test_every_option_is_offered_and_no_other(complete, fake):
    for command, options in commands_of(fake).items():
        offered = set(complete(f'mfactl {command} --'))
        assert {o.rstrip('=') for o in offered} == options, command


@pytest.mark.parametrize('line', ['mfactl env --profile w', 'mfactl unlock --key w', 'mfactl refresh w',
                                  'mfactl key test w', 'mfactl exec --profile w'])
def test_names_come_from_mfad(complete, fake, line):
    offered = complete(line)
    assert len(offered) == 2 and 'work' in offered and fake.called('Control.ListProfiles'), offered


def test_beginnings_are_completed(complete):
    assert complete('mfactl unl') == ['unlock']
    assert complete('mfactl env --shell f') == ['fish']
    assert complete('mfactl vault pa') == ['passwd']


def test_nothing_is_said_when_mfad_does_not_run(complete, fake):
    fake.answers['Control.ListProfiles'] = FakeError('Internal', message='loud and clear')
    assert not [o for o in complete('mfactl refresh zz') if o]


@pytest.mark.parametrize('line, offered', [
    ('mfactl env --profile my', [r'my\ profile']), ('mfactl env --profile my\\ p', [r'my\ profile']),
    ('mfactl env --profile it', [r"it\'s"]), ('mfactl env --profile a', ['a:b@c=d']),
    ('mfactl env --profile a:b', ['b@c=d']), ('mfactl env --profile a:b@c=', ['d']),
    ('mfactl env --profile=def', ['default']), ('mfactl env --profile $', [r'\$\(touch\ pwned\)']),
    ('mfactl exec -- sh --pro', []), ('mfactl env --to ', []),
    ('mfactl exec --profile work -- bzca', ['bzcat']), ('mfactl exec --profile work bzca', ['bzcat']),
])
def test_odd_names_in_bash(fake, line, offered):
    fake.profiles = [profile(n) for n in NAMES]
    assert list(dict.fromkeys(in_bash(fake, line))) == offered
    assert not os.path.exists(os.path.join(fake.home, 'pwned'))


def test_bash_on_a_terminal(fake):
    fake.profiles = [profile('my profile'), profile('team:alice@corp')]
    with Screen(['bash', '--norc', '--noprofile', '-i'], fake) as screen:
        screen.type(f"PS1='READ''Y '; source {shlex.quote(FOLDER)}/mfactl.bash; bind 'set bell-style none'\n")
        screen.until('READY ')
        screen.type('echo mfactl; mfactl env --profile team:a\t').until('team:alice@corp ')
        screen.type('\x15mfactl env --profile my\t').until('my\\ profile ')
        screen.type('\x15mfactl unl\t').until('mfactl unlock ')
        fake.write('a-file-of-mine', '')
        screen.type('\x15mfactl exec --profile x -- cat a-fi\t').until('a-file-of-mine ')
        screen.type('\x15mfactl creds --profile my\t\n').until('"Version":1')
    assert fake.called('Control.GetCredentials') == [{'profile': 'my profile'}]


def test_fish_quotes_what_it_inserts(fake):
    if not shutil.which('fish'):
        pytest.skip('no fish here')
    fake.profiles = [profile('my profile')]
    with Screen(['fish', '--no-config', '-i'], fake) as screen:
        screen.type(f'source {shlex.quote(FOLDER)}/mfactl.fish; echo REA""DY\n').until('READY')
        screen.type('mfactl creds --profile my\t\n').until('"Version":1')
    assert fake.called('Control.GetCredentials') == [{'profile': 'my profile'}]


def test_fish_offers_files_to_the_command_of_exec(fake):
    if not shutil.which('fish'):
        pytest.skip('no fish here')
    fake.write('a-file-of-mine', '')
    assert in_fish(fake, 'mfactl exec --profile x -- cat a-fi') == ['a-file-of-mine']
    assert in_fish(fake, 'mfactl exec --profile x -- bzca') == ['bzcat']


def test_completions_are_installed(build):
    plan = subprocess.run(['meson', 'introspect', '--installed', build.folder], capture_output=True, text=True,
                          check=True).stdout
    for place in ('bash-completion/completions/mfactl', 'zsh/site-functions/_mfactl',
                  'fish/vendor_completions.d/mfactl.fish'):
        assert place in plan
