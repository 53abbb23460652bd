"""What mfactl does to the user's ~/.aws files and to the vault's list of keys."""
import os

import pytest
from mfadtest import client
from mfadtest.fake import KEY_ID, PLAIN, SECRET, FakeError

ODD_FILES = {
    'only the key': (PLAIN, '[default]\n'),
    'CRLF': (PLAIN.replace('\n', '\r\n') + 'region = x\r\n', '[default]\r\nregion = x\r\n'),
    'comments and blank lines': (f'# mine\n\n  ; here\n{PLAIN}# after = 1\n\n\n[b]\nx=1',
                                 '# mine\n\n  ; here\n[default]\n# after = 1\n\n\n[b]\nx=1'),
    'no newline at the end': (PLAIN[:-1], '[default]\n'),
    'other profiles': (f'[a]\naws_access_key_id=KEEPME1234567890\naws_secret_access_key=keep\n{PLAIN}'
                       '[z]\nregion = \tx  \n',
                       '[a]\naws_access_key_id=KEEPME1234567890\naws_secret_access_key=keep\n[default]\n'
                       '[z]\nregion = \tx  \n'),
    'bytes that are not UTF-8': (b'# caf\xe9\n' + PLAIN.encode(), b'# caf\xe9\n[default]\n'),
}


@pytest.mark.parametrize('what', ODD_FILES)
@pytest.mark.parametrize('mode', [0o600, 0o640])
def test_plain_keys_are_removed_and_nothing_else(fake, what, mode):
    before, after = (t if isinstance(t, bytes) else t.encode() for t in ODD_FILES[what])
    path = fake.write('.aws/credentials', before, mode)
    fake.vault_state = 'none'
    done = fake.mfactl('init', '--yes', '--remove-plain-keys', 'default', passphrase='long enough to be one')
    assert done.code == client.OK and 'No copy' in done.out, done
    with open(path, 'rb') as f:
        assert f.read() == after
    assert os.stat(path).st_mode & 0o777 == mode and os.listdir(fake.aws) == ['credentials']
    key = fake.keys['default']
    assert (key['access_key_id'], key['secret_access_key']) == (KEY_ID, SECRET)
    assert SECRET not in done.out + done.err


def test_plain_keys_behind_a_link(fake):
    target = fake.write('dotfiles', PLAIN)
    os.symlink('../dotfiles', os.path.join(fake.aws, 'credentials'))
    done = fake.mfactl('init', '--yes', '--remove-plain-keys')
    assert done.code == client.OK, done
    assert os.path.islink(os.path.join(fake.aws, 'credentials'))
    with open(target, encoding='ascii') as f:
        assert f.read() == '[default]\n'


def assert_untouched(fake, done):
    with open(os.path.join(fake.aws, 'credentials'), encoding='ascii') as f:
        assert f.read() == PLAIN, done


def test_plain_keys_stay_unless_it_is_asked_for(fake):
    fake.write('.aws/credentials', PLAIN)
    done = fake.mfactl('init', '--yes')
    assert done.code == client.OK, done
    assert_untouched(fake, done)


def test_plain_keys_stay_when_the_vault_fails_or_forgets(fake):
    fake.write('.aws/credentials', PLAIN)
    for answer in (FakeError('CannotWrite', message='the disk is full'), {}):
        fake.answers['Vault.AddKey'] = answer
        done = fake.mfactl('key', 'import', '--yes', '--remove-plain-keys')
        assert done.code == client.VAULT, done
        assert_untouched(fake, done)


def test_plain_keys_stay_when_the_file_has_a_second_name(fake):
    path = fake.write('.aws/credentials', PLAIN)
    os.link(path, path + '.backup')
    done = fake.mfactl('key', 'import', '--yes', '--remove-plain-keys')
    assert done.code == client.FAILURE and 'second name' in done.err, done
    assert_untouched(fake, done)


def test_broken_file_is_named_with_its_line(fake):
    fake.write('.aws/credentials', '[default\n')
    done = fake.mfactl('init', '--yes')
    assert done.code == client.FAILURE and 'credentials, line 1' in done.err, done


def test_import_from_another_file_and_by_name(fake):
    path = fake.write('keys', f'{PLAIN}[b]\naws_access_key_id = {KEY_ID}2\naws_secret_access_key = s\n')
    assert fake.mfactl('key', 'import', '--from', path, 'b').code == client.OK
    assert list(fake.keys) == ['b']
    assert fake.mfactl('key', 'import', '--from', path, 'nope').code == client.FAILURE
    assert fake.mfactl('key', 'import', '--from', path + 'x', 'b').code == client.FAILURE


def test_import_again_and_of_another_key(fake):
    fake.write('.aws/credentials', PLAIN)
    assert fake.mfactl('key', 'import', 'default').code == client.OK
    fake.keys['default'].update(mfa_serial='arn:aws:iam::1:mfa/x', secret_access_key='wrongly typed')
    assert fake.mfactl('key', 'import', 'default').code == client.OK
    assert fake.keys['default']['secret_access_key'] == SECRET
    assert fake.keys['default']['mfa_serial'] == 'arn:aws:iam::1:mfa/x'

    fake.write('.aws/credentials', PLAIN.replace('EXAMPLE\n', 'EXAMPLF\n'))
    done = fake.mfactl('key', 'import', 'default')
    assert done.code == client.VAULT and '--yes' in done.err, done
    assert fake.keys['default']['access_key_id'] == KEY_ID
    assert fake.mfactl('key', 'import', '--yes').code == client.OK
    assert fake.keys['default']['access_key_id'] == KEY_ID[:-1] + 'F'


def test_init_is_not_stopped_by_the_network(fake):
    fake.write('.aws/credentials', PLAIN)
    for method in ('GetKeyIdentity', 'ListMfaDevices'):
        fake.answers[f'Control.{method}'] = FakeError('Unreachable', message='AWS cannot be reached')
    done = fake.mfactl('init', '--yes')
    assert done.code == client.OK and 'cannot be reached' in done.err and 'mfa_serial' in done.err, done
    assert list(fake.keys) == ['default']


def test_init_passes_over_devices_that_give_no_codes(fake):
    fake.write('.aws/credentials', PLAIN)
    fake.answers['Control.ListMfaDevices'] = {'serials': ['arn:aws:iam::1:u2f/user/alice/key',
                                                          'arn:aws:iam::1:mfa/alice']}
    assert fake.mfactl('init', '--yes').code == client.OK
    assert fake.keys['default']['mfa_serial'] == 'arn:aws:iam::1:mfa/alice'


def test_init_prefers_the_serial_of_the_configuration(fake):
    fake.write('.aws/credentials', PLAIN)
    fake.write('.aws/config', '[default]\nmfa_serial = arn:aws:iam::1:mfa/mine\n')
    assert fake.mfactl('init', '--yes').code == client.OK
    assert fake.keys['default']['mfa_serial'] == 'arn:aws:iam::1:mfa/mine'
    assert not fake.called('Control.ListMfaDevices')


def test_key_add_from_a_pipe(fake):
    done = fake.mfactl('key', 'add', 'x', '--key-stdin', stdin=f'{KEY_ID}\n{SECRET}\n')
    assert done.code == client.OK and SECRET not in done.out + done.err, done
    assert fake.keys['x']['secret_access_key'] == SECRET
    for text in ('', KEY_ID, f'{KEY_ID}\n\n', f'{KEY_ID}\na b\n', f'a b\n{SECRET}\n'):
        assert fake.mfactl('key', 'add', 'y', '--key-stdin', stdin=text).code == client.USAGE
    assert list(fake.keys) == ['x']
