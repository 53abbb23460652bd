"""The Debian package: what is in it, what lintian says, and its life on a booted machine (tests/package/)."""
import glob
import os
import re
import subprocess

import pytest

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
SCRIPTS = os.path.join(ROOT, 'tests', 'package')
SKIPPED = 77
# where the package puts something that `meson install` puts elsewhere, or not at all
MOVED = {'share/zsh/site-functions/_mfactl': 'share/zsh/vendor-completions/_mfactl'}
ADDED = ('share/doc/mfad/', 'share/lintian/overrides/')

pytestmark = [pytest.mark.root, pytest.mark.sanitizers_no]


def run(*argv, timeout=120, **more):
    done = subprocess.run(argv, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, stdin=subprocess.DEVNULL, text=True,
                          timeout=timeout, check=False, **more)
    assert done.returncode == 0, f'{" ".join(argv)}: exit {done.returncode}\n{done.stdout}'
    return done.stdout


@pytest.fixture(scope='module')
def package(all_clients, tmp_path_factory):
    """The folder with a freshly built package."""
    if not all_clients:
        pytest.skip('only with --all-clients: it takes a minute')
    folder = tmp_path_factory.mktemp('package')
    run(os.path.join(SCRIPTS, 'build-deb'), str(folder), timeout=300)
    yield folder
    for path in folder.iterdir():
        path.unlink()


@pytest.fixture(scope='module')
def deb(package):
    found = glob.glob(f'{package}/mfad_*.deb')
    assert len(found) == 1, found
    return found[0]


def test_lintian_has_nothing_to_say(package, deb):
    said = run('lintian', '--allow-root', '--fail-on', 'error,warning', *glob.glob(f'{package}/*.changes'))
    assert not re.findall('^[EW]: .*', said, flags=re.M), said


def test_version_is_that_of_the_programs(deb):
    with open(os.path.join(ROOT, 'meson.build'), encoding='utf-8') as f:
        version = re.search(r"version: '(.*?)'", f.read()).group(1)
    assert run('dpkg-deb', '-f', deb, 'Version').strip() == version


def test_holds_what_meson_installs_and_as_private(deb, build, tmp_path):
    run('meson', 'install', '--no-rebuild', '--quiet', '-C', build.folder, '--destdir', str(tmp_path))
    installed = {}
    for folder, _, names in os.walk(tmp_path):
        for name in names:
            path = os.path.join(folder, name)
            inside = os.path.relpath(path, tmp_path / 'usr/local')
            installed[MOVED.get(inside, inside)] = os.stat(path).st_mode & 0o777
    packed = {}
    for line in run('dpkg-deb', '-c', deb).splitlines():
        mode, owner, *_, path = line.split()
        assert owner == 'root/root' and path.startswith('./usr/') or path == './', line
        inside = re.sub(r'(/man\d/.*)\.gz$', r'\1', path[len('./usr/'):])
        if not mode.startswith('d') and not inside.startswith(ADDED):
            packed[inside] = sum(0o400 >> i for i, bit in enumerate(mode[1:10]) if bit != '-')
    assert 'bin/mfactl' in packed and 'lib/systemd/user/mfad.service' in packed
    assert packed == installed
    assert {m for p, m in packed.items() if p.startswith('libexec/')} == {0o711}


def test_life_on_a_booted_machine(deb):
    done = subprocess.run([os.path.join(SCRIPTS, 'boot-test'), deb], capture_output=True, text=True, timeout=300,
                          stdin=subprocess.DEVNULL, check=False)
    if done.returncode == SKIPPED:
        pytest.skip(done.stderr.strip())
    assert done.returncode == 0, done.stdout[-20000:] + done.stderr
    assert 'every chapter as it should be' in done.stdout
