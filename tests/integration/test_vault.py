"""The vault file under damage, and the commands that change it."""
import os
import random
import shutil
import time

import pytest
from mfadtest import client
from mfadtest.varlink import VarlinkError

CHEAP_HEADER_LEN = 160


def open_error(stack):
    with stack.vault() as v, pytest.raises(VarlinkError) as error:
        v.call('Open', passphrase=stack.passphrase)
    return error.value.name


def vault_path(stack):
    return os.path.join(stack.data, 'vault')


def flip(path, bit):
    with open(path, 'r+b') as f:
        f.seek(bit // 8)
        byte = f.read(1)[0]
        f.seek(bit // 8)
        f.write(bytes([byte ^ 1 << bit % 8]))


def test_no_flipped_bit_is_accepted(stack):
    """A sample over the whole file, for each one that passes the header's bounds costs a derivation;
    tests/unit flips every bit with a cheap one."""
    path = vault_path(stack)
    size = os.path.getsize(path)
    chance = random.Random(1)
    bits = [chance.randrange(CHEAP_HEADER_LEN * 8) for _ in range(8)]
    bits += [chance.randrange(CHEAP_HEADER_LEN * 8, size * 8) for _ in range(6)]
    for bit in bits:
        flip(path, bit)
        assert open_error(stack) in ('CannotOpen', 'BadVault'), f'bit {bit}'
        flip(path, bit)
        assert stack.vault_status()['state'] == 'sealed'
    stack.open_vault()


def test_huge_derivation_cost_is_refused_at_once(stack):
    with open(vault_path(stack), 'r+b') as f:
        f.seek(14)
        f.write(bytes([30]))
    began = time.monotonic()
    assert open_error(stack) == 'BadVault'
    assert time.monotonic() - began < 0.1


@pytest.mark.parametrize('length', [0, 7, 160, 200])
def test_truncated_vault_is_refused(stack, length):
    os.truncate(vault_path(stack), length)
    assert open_error(stack) == 'BadVault'


def test_vault_that_others_may_read_is_refused(stack):
    os.chmod(vault_path(stack), 0o644)
    done = stack.mfactl('unlock', '--code-stdin', stdin='123456\n', passphrase=stack.passphrase)
    assert done.code == client.VAULT, done


def test_vault_behind_a_symbolic_link_is_refused(stack):
    path = vault_path(stack)
    os.rename(path, path + '.elsewhere')
    os.symlink(path + '.elsewhere', path)
    assert open_error(stack) != ''


def test_old_copy_needs_a_word_of_consent(open_stack):
    path = vault_path(open_stack)
    shutil.copy2(path, path + '.copy')
    with open_stack.vault() as v:
        v.call('SetKeyInfo', name='default', user_arn='arn:aws:iam::123456789012:user/alice')
        v.call('Seal')
    os.rename(path + '.copy', path)
    assert open_error(open_stack) == 'Rollback'
    with open_stack.vault() as v:
        v.call('Open', passphrase=open_stack.passphrase, accept_rollback=True)


def test_passphrase_change(stack):
    new = 'another quite long passphrase'
    done = stack.mfactl('vault', 'passwd', passphrase=[stack.passphrase, new])
    assert done.code == client.OK, done
    with stack.vault() as v:
        v.call('Seal')
    assert open_error(stack) == 'CannotOpen'
    stack.passphrase = new
    stack.open_vault()


def test_key_add_list_remove(open_stack):
    key = open_stack.simulator.key()
    with open_stack.vault() as v:
        v.call('AddKey', name='other', access_key_id=key['id'], secret_access_key=key['secret'])
        with pytest.raises(VarlinkError) as error:
            v.call('AddKey', name='other', access_key_id=key['id'], secret_access_key=key['secret'])
        assert error.value.name == 'KeyExists'
    done = open_stack.mfactl('key', 'list')
    assert done.code == client.OK, done
    assert 'default' in done.out and 'other' in done.out
    assert key['secret'] not in done.out and key['id'] not in done.out
    assert open_stack.mfactl('key', 'remove', 'other', '--yes').code == client.OK
    assert [k['name'] for k in open_stack.vault_status()['keys']] == ['default']


def test_removed_key_loses_its_session(unlocked):
    assert unlocked.mfactl('key', 'remove', 'default', '--yes').code == client.OK
    assert unlocked.get().status in (400, 403)


def test_full_disk_leaves_the_vault_as_it_was(open_stack):
    """A folder that takes no new file stands for a full disk; root is stopped by the immutable bit."""
    before = open(vault_path(open_stack), 'rb').read()
    blocker = vault_path(open_stack) + '.new'
    os.mkdir(blocker)
    with open_stack.vault() as v, pytest.raises(VarlinkError) as error:
        v.call('SetKeyInfo', name='default', user_arn='arn:aws:iam::123456789012:user/alice')
    assert error.value.name == 'CannotWrite'
    assert open(vault_path(open_stack), 'rb').read() == before
    os.rmdir(blocker)
    open_stack.unlock()


def test_signer_killed_while_writing_leaves_a_vault(open_stack):
    for _ in range(5):
        with open_stack.vault() as v:
            v.send('ChangePassphrase', old_passphrase=open_stack.passphrase,
                   new_passphrase=open_stack.passphrase + 'x')
            time.sleep(random.uniform(0, 2.2))
            open_stack.signer.kill()
        open_stack.signer.start()
        try:
            with open_stack.vault() as v:
                v.call('Open', passphrase=open_stack.passphrase)
        except VarlinkError as e:
            assert e.name == 'CannotOpen'
            open_stack.passphrase += 'x'
            with open_stack.vault() as v:
                v.call('Open', passphrase=open_stack.passphrase)
