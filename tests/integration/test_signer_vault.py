"""The vault's file under attack and under faults: changed, replaced, killed while writing, on a full disk."""
import os
import random
import shutil
import subprocess
import threading
import time

import pytest

from mfadtest import template
from mfadtest.processes import wait_until
from mfadtest.signer import (  # noqa: F401  (fixtures too)
    KEY_ID, PASSPHRASE, SECRET, SERIAL, add_key, binary, home, make_home, open_home, refusal, session_token)
from mfadtest.varlink import VarlinkError


def test_an_independent_reader(open_home):
    """What docs/vault-format.md says is enough to read our file, and to write one that we read."""
    make_vault = pytest.importorskip('vectors.make_vault')
    generation, keys = make_vault.read(PASSPHRASE, open_home.read_vault())
    assert generation == 2 and abs(keys[0].pop('created') - time.time()) < 60
    assert keys == [{'name': 'default', 'access_key_id': KEY_ID, 'secret_key': SECRET, 'mfa_serial': SERIAL,
                     'user_arn': ''}]
    open_home.call('Seal')
    open_home.write_vault(make_vault.write(PASSPHRASE, make_vault.KEYS, 16, 12))
    open_home.call('Open', passphrase=PASSPHRASE)
    status = open_home.call('GetStatus')
    assert [k['name'] for k in status['keys']] == ['default', 'work@example']
    assert (status['generation'], status['kdf_log2n']) == (12, 16)


# --- what attackers and accidents do to the file --------------------------------------------------

def test_flipped_bits(open_home):
    open_home.call('Seal')
    good = open_home.read_vault()
    rng = random.Random(1)
    bits = [bit for offset in (0, 8, 10, 12, 13, 14, 15, 16, 20, 156) for bit in (offset * 8 + 1, offset * 8 + 7)]
    bits += [offset * 8 + rng.randrange(8) for offset in (24, 32, 48, 64, 96, 108, 140, 160, 172, len(good) - 1)]
    for bit in bits:
        bad = bytearray(good)
        bad[bit // 8] ^= 1 << bit % 8
        open_home.write_vault(bad)
        began = time.monotonic()
        error = refusal(open_home, 'Open', passphrase=PASSPHRASE)
        assert error.name in ('CannotOpen', 'BadVault'), (bit, error)
        if error.name == 'CannotOpen':
            # each failure delays the next by 0.1 s; not the subject here
            open_home.write_vault(good)
            open_home.call('Open', passphrase=PASSPHRASE)
            open_home.call('Seal')
        else:
            assert time.monotonic() - began < 0.2, 'bounds are checked before scrypt'
    for cut in (0, 7, 8, 160, 187, len(good) - 1):
        open_home.write_vault(good[:cut])
        assert refusal(open_home, 'Open', passphrase=PASSPHRASE).name == 'BadVault', cut
    open_home.write_vault(good)
    open_home.call('Open', passphrase=PASSPHRASE)


def test_rollback(open_home):
    old = open_home.read_vault()
    add_key(open_home, name='second')
    open_home.call('Seal')
    open_home.write_vault(old)
    error = refusal(open_home, 'Open', passphrase=PASSPHRASE)
    assert (error.name, error.parameters['generation'], error.parameters['expected']) == ('Rollback', 2, 3)
    assert open_home.call('GetStatus')['state'] == 'sealed'
    open_home.call('Open', passphrase=PASSPHRASE, accept_rollback=True)
    open_home.call('Seal')
    open_home.call('Open', passphrase=PASSPHRASE)  # accepted once, accepted for good


def test_a_file_replaced_while_open(open_home):
    old = open_home.read_vault()
    add_key(open_home, name='second')
    open_home.write_vault(old)
    error = refusal(open_home, 'RemoveKey', name='default')
    assert error.name == 'CannotWrite' and 'replaced' in error.parameters['message']
    assert open_home.read_vault() == old
    os.unlink(open_home.vault)
    assert refusal(open_home, 'RemoveKey', name='default').name == 'CannotWrite'
    assert not os.path.exists(open_home.vault)
    assert len(open_home.call('GetStatus')['keys']) == 2


def make_wider(home):
    os.chmod(home.data, 0o755)


def make_file_readable(home):
    os.chmod(home.vault, 0o644)


def make_link(home):
    os.link(home.vault, os.path.join(home.data, 'backup'))


def make_symlink(home):
    os.rename(home.data, home.data + '2')
    os.symlink(home.data + '2', home.data)


def make_file_symlink(home):
    os.rename(home.vault, os.path.join(home.data, 'elsewhere'))
    os.symlink('elsewhere', home.vault)


def make_foreign(home):
    if os.geteuid() != 0:
        pytest.skip('needs root')
    os.chown(home.data, 65534, 65534)


@pytest.mark.parametrize('damage', [make_wider, make_file_readable, make_link, make_symlink, make_file_symlink, make_foreign])
def test_unsafe_places(open_home, damage):
    open_home.call('Seal')
    damage(open_home)
    error = refusal(open_home, 'Open', passphrase=PASSPHRASE)
    assert error.name == 'BadVault' and 'mode 0700' in error.parameters['message']
    assert open_home.vault in error.parameters['message']


def test_no_vault_in_an_unsafe_place(home):
    os.chmod(home.data, 0o755)
    error = refusal(home, 'Create', passphrase=PASSPHRASE)
    assert error.name == 'BadVault' and 'mode 0700' in error.parameters['message']
    assert os.listdir(home.data) == []


def test_a_second_signer(open_home, make_home):
    other = make_home(data_parent=open_home.data_parent).start()
    assert refusal(other, 'Open', passphrase=PASSPHRASE).name == 'Busy'
    open_home.call('Seal')
    other.call('Open', passphrase=PASSPHRASE)
    assert refusal(open_home, 'Open', passphrase=PASSPHRASE).name == 'Busy'


# --- crashes and full disks -----------------------------------------------------------------------

def kill_while_writing(home, rng):
    """Adds and removes a key until a kill -9 at some moment ends it. Returns the names at the last answer."""
    known = [set(k['name'] for k in home.call('GetStatus')['keys'])]

    def write():
        try:
            with home.connect() as v:
                while True:
                    v.call('AddKey', name='other', access_key_id=KEY_ID, secret_access_key=SECRET, replace=True)
                    known.append({'default', 'other'})
                    v.call('RemoveKey', name='other')
                    known.append({'default'})
        except (OSError, ConnectionResetError):
            pass

    writer = threading.Thread(target=write)
    writer.start()
    time.sleep(rng.uniform(0.0, 0.05))
    home.program.kill()
    writer.join()
    return known[-1]


def test_kill_while_writing_never_loses_the_vault(open_home):
    rng = random.Random(os.environ.get('MFAD_TEST_SEED', '1'))
    open_home.call('Seal')
    template.at_least_cost(open_home.data, PASSPHRASE)
    open_home.call('Open', passphrase=PASSPHRASE)
    for _ in range(50):
        known = kill_while_writing(open_home, rng)
        open_home.start()
        open_home.call('Open', passphrase=PASSPHRASE)
        names = {k['name'] for k in open_home.call('GetStatus')['keys']}
        # the write under way at the kill may have reached the disk or not
        assert 'default' in names and names <= {'default', 'other'}, (names, known)
        assert sorted(os.listdir(open_home.data)) == ['vault', 'vault.gen', 'vault.lock']


@pytest.mark.parametrize('call', ['openat', 'write', 'fsync', 'renameat', 'linkat', 'unlinkat', 'fchmod', 'pread64'])
@pytest.mark.parametrize('fault', ['error=EIO', 'error=ENOSPC', 'signal=KILL'])
@pytest.mark.skipif(not shutil.which('strace') or os.geteuid() != 0, reason='needs strace and root')
@pytest.mark.sanitizers_no
def test_a_fault_at_each_system_call_of_a_write(make_home, open_home, call, fault):
    """The vault is all-old or all-new, and an error was told. @call fails the n-th time, n = 1, 2, ..."""
    trace = os.path.join(open_home.folder, 'trace')
    hits = 0
    for when in range(1, 30):
        before = open_home.read_vault()
        tracer = subprocess.Popen(
            ['strace', '-qq', '-o', trace, '-e', f'trace={call}', '-e', f'inject={call}:{fault}:when={when}',
             '-p', str(open_home.program.pid)], stderr=subprocess.PIPE)
        wait_until(lambda: 'TracerPid:\t0' not in open(f'/proc/{open_home.program.pid}/status').read(), what='strace')
        outcome = 'written'
        try:
            add_key(open_home, replace=True, mfa_serial=SERIAL)
        except VarlinkError as e:
            assert e.name == 'CannotWrite', e
            outcome = 'refused'
        except OSError:
            outcome = 'killed'
        tracer.terminate()
        tracer.communicate()
        with open(trace, encoding='ascii', errors='replace') as f:
            was_hit = outcome == 'killed' or 'INJECTED' in f.read()
        after = open_home.read_vault()
        assert (after == before) == (outcome == 'refused') or outcome == 'killed', (when, outcome)
        if not was_hit:
            break  # the write has no call of that number
        hits += 1
        if outcome == 'killed':
            open_home.program.kill()
        else:
            assert open_home.program.terminate() is None
        open_home.start()
        open_home.call('Open', passphrase=PASSPHRASE)
        assert [k['name'] for k in open_home.call('GetStatus')['keys']] == ['default']
    else:
        raise AssertionError(f'{call} has no end')
    assert hits > 0, f'a write makes no {call}'


@pytest.fixture
def small_disk(tmp_path):
    if os.geteuid() != 0:
        pytest.skip('needs root')
    folder = tmp_path / 'disk'
    folder.mkdir(mode=0o700)
    if subprocess.run(['mount', '-t', 'tmpfs', '-o', 'size=256k,mode=0700', 'tmpfs', folder], check=False).returncode != 0:
        pytest.skip('cannot mount a tmpfs here')
    yield str(folder)
    subprocess.run(['umount', '-l', folder], check=True)


def test_full_disk(make_home, small_disk):
    home = make_home(data_parent=small_disk).start()
    home.call('Create', passphrase=PASSPHRASE)
    add_key(home, mfa_serial=SERIAL)
    home.call('Seal')
    home.call('Open', passphrase=PASSPHRASE)  # drops vault.old, whose room the next write would use
    before = home.read_vault()
    with open(os.path.join(small_disk, 'ballast'), 'wb', buffering=0) as f:
        with pytest.raises(OSError):
            while True:
                f.write(b'x' * 4096)
    error = refusal(home, 'AddKey', name='second', access_key_id=KEY_ID, secret_access_key=SECRET)
    assert error.name == 'CannotWrite' and 'No space left' in error.parameters['message']
    assert home.read_vault() == before and not os.path.exists(home.vault + '.new')
    home.call('Seal')
    home.call('Open', passphrase=PASSPHRASE)  # needs no room
    assert len(home.call('GetStatus')['keys']) == 1
    os.unlink(os.path.join(small_disk, 'ballast'))
    add_key(home, name='second')
    home.call('Seal')
    subprocess.run(['mount', '-o', 'remount,ro', small_disk], check=True)
    home.call('Open', passphrase=PASSPHRASE)
    assert refusal(home, 'RemoveKey', name='second').name == 'CannotWrite'
    with home.sign_socket() as sign:
        assert session_token(sign, '123456')['kind'] == 'signed'
    home.call('Seal')  # lets go of the disk
