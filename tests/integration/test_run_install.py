"""./run install and ./run uninstall beside a real user manager: enabled, used, upgraded under a session, removed."""
import os
import re
import shutil
import subprocess

import pytest
from mfadtest import client, manager as managers
from mfadtest.manager import HOME, RUNTIME, UID, USER, UserStack

pytestmark = [pytest.mark.root, pytest.mark.sanitizers_no]

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
PARTS = ('client', 'common', 'daemon', 'docs', 'systemd', 'meson.build', 'meson_options.txt', 'run')
SOURCE = f'{HOME}/source'
SOCKETS = ('mfad.socket', 'mfad-signer.socket')
CHANGES = '/run/layers.usr.local/upper'  # what was written below /usr/local
ENVIRONMENT_D = '.config/environment.d/60-mfad.conf'
A_MESSAGE = '0c03b427163f4bd2b174c1a952f796dc'  # that the journal's catalogue explains


def copy_source():
    os.mkdir(SOURCE)
    for part in PARTS:
        copy = shutil.copytree if os.path.isdir(f'{ROOT}/{part}') else shutil.copy2
        copy(f'{ROOT}/{part}', f'{SOURCE}/{part}')
    for folder, _, names in os.walk(SOURCE):
        for path in [folder, *(os.path.join(folder, n) for n in names)]:
            os.chown(path, UID, UID)


def run(*arguments, **environment):
    """What `./run` says."""
    done = subprocess.run(['./run', *arguments], cwd=SOURCE, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                          stderr=subprocess.STDOUT, text=True, timeout=300, check=False,
                          env={'PATH': '/usr/sbin:/usr/bin:/sbin:/bin', 'LANG': 'C.UTF-8', **environment,
                               'CFLAGS': '-O0 -w'})  # it has to be built twice, not to be fast
    assert done.returncode == 0, done.stdout
    return done.stdout


def advice(said, behind):
    """The command lines that follow a line with these words."""
    return re.search(rf'^[^\n]*{re.escape(behind)}[^\n]*\n((?:  \S[^\n]*\n?)+)', said, re.M).group(1).splitlines()


def found(top):
    """The files in there, and what they hold or lead to."""
    seen = {}
    for folder, _, names in os.walk(top):
        for path in (os.path.join(folder, n) for n in names):
            if os.path.islink(path):
                seen[os.path.relpath(path, top)] = os.readlink(path)
            else:
                with open(path, 'rb') as f:
                    seen[os.path.relpath(path, top)] = f.read()
    return seen


def programs():
    """{program: what it runs from}, of all that is not mfactl."""
    running = {}
    for pid in filter(str.isdigit, os.listdir('/proc')):
        try:
            exe = os.readlink(f'/proc/{pid}/exe')
        except OSError:
            continue
        if '/libexec/mfad/' in exe:
            running[os.path.basename(exe.split()[0])] = exe
    return running


def is_explained():
    return subprocess.run(['journalctl', '--list-catalog', A_MESSAGE], capture_output=True, check=False).returncode == 0


@pytest.fixture
def manager(running_simulator, vault_template, tmp_path):
    """A user manager, and the source of mfad in the user's home."""
    tmp_path.chmod(0o755)  # as what it is laid over
    running_simulator.reset()
    made = managers.Manager(str(tmp_path), running_simulator.config, vault_template)
    try:
        made.start()
        made.call(copy_source, as_root=True)
        yield made
    finally:
        made.stop()


def test_with_sudo_enabled_used_upgraded_and_removed(manager):
    def as_user(do):
        return manager.call(lambda: do(UserStack(manager.simulator)))

    def as_root(do, *arguments):
        return manager.call(lambda: do(*arguments), as_root=True)

    def sudo_run(*arguments):
        return manager.call(lambda: run(*arguments, SUDO_USER=USER, HOME='/nowhere'), as_root=True)

    def use(stack):
        assert [stack.show('UnitFileState', u) for u in SOCKETS] == ['enabled'] * 2
        stack.write('.config/mfad/mfad.conf.d/mine.conf', '[mfad]\nduration = 8h\n')
        stack.unlocked()
        return stack.get().status, stack.credentials()['AccessKeyId'], found(stack.data)

    def follow(lines):
        def do(stack):
            stack.run('sh', '-e', '-c', '\n'.join(lines), environment={'PATH': '/usr/local/bin:/usr/bin:/bin'})
            return stack.credentials()['AccessKeyId'], len(stack.posts())
        return as_user(do)

    sudo_run('install', '--enable')
    assert as_root(is_explained)
    status, key, vault = as_user(use)
    assert status == 200

    said = sudo_run('install')
    assert as_root(programs) == {n: f'/usr/local/libexec/mfad/{n} (deleted)' for n in ('mfad', 'mfad-signer')}
    assert as_user(lambda stack: stack.credentials()['AccessKeyId']) == key
    assert follow(advice(said, 'if it ran before')) == (key, 1)
    assert as_root(programs)['mfad'] == '/usr/local/libexec/mfad/mfad'
    assert follow(advice(said, 'the new mfad-signer')) == (key, 1)
    assert as_root(programs) == {n: f'/usr/local/libexec/mfad/{n}' for n in ('mfad', 'mfad-signer')}

    as_user(lambda stack: stack.write(ENVIRONMENT_D, stack.read('/usr/local/share/mfad/examples/60-mfad.conf')) and None)
    sudo_run('uninstall')
    assert as_root(programs) == {} and not as_root(is_explained)
    assert as_root(found, CHANGES) == {}
    assert not [p for p in as_root(lambda: [os.path.join(f, n) for f, ns, _ in os.walk(CHANGES) for n in ns]) if 'mfad' in p]
    home = as_root(found, HOME)
    left = {p for p in home if not p.startswith(('source/', '.aws/'))}
    assert left == {'.config/mfad/mfad.conf.d/mine.conf', *(f'.local/share/mfad/{name}' for name in vault)}
    assert {name: home[f'.local/share/mfad/{name}'] for name in vault} == vault
    assert not as_root(os.path.lexists, f'{RUNTIME}/mfad')


def test_own_prefix_without_root(manager):
    prefix = f'{HOME}/own'

    def story():
        stack = UserStack(manager.simulator)
        environment = {'HOME': HOME, 'XDG_RUNTIME_DIR': RUNTIME}

        def mfactl(*arguments):
            return client.run_mfactl(f'{prefix}/bin/mfactl', arguments, stack.environment)

        said = run('install', '--prefix', prefix, **environment)
        assert mfactl('status').code == client.NOT_RUNNING and not stack.is_port_open()
        stack.run('sh', '-e', '-c', '\n'.join(advice(said, 'as the user who wants it')[:2]))
        assert mfactl('status').code == client.LOCKED
        run('uninstall', **environment)
        assert not os.path.exists(f'{RUNTIME}/mfad') and not stack.is_port_open()
        assert found(prefix) == {} and found(f'{HOME}/.config') == {}

        run('install', f'--prefix={prefix}', '--enable', **environment)
        assert mfactl('status').code == client.LOCKED
        run('install', f'--prefix={prefix}', '--enable', **environment)
        assert mfactl('status').code == client.LOCKED
        run('uninstall', **environment)
        assert found(prefix) == {} and found(f'{HOME}/.config') == {}

    manager.call(story)
    assert manager.call(programs, as_root=True) == {}
