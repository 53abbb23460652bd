"""From an AWS configuration with a plain key to working credentials, with and without a terminal."""
import json
import os
import stat

import pytest
from mfadtest import client
from mfadtest.web import get


@pytest.fixture
def fresh(make_stack):
    """Both programs running, no vault yet."""
    return make_stack(with_vault=False).start()


def test_init_unattended_then_unlock_and_serve(fresh):
    done = fresh.mfactl('init', '--yes', passphrase=fresh.passphrase)
    assert done.code == client.OK, done
    assert fresh.vault_status()['state'] == 'open'
    assert [k['name'] for k in fresh.vault_status()['keys']] == ['default']
    done = fresh.mfactl('unlock', '--code-stdin', stdin=fresh.simulator.fresh_code() + '\n')
    assert done.code == client.OK, done
    assert fresh.credentials()['AccessKeyId'].startswith('ASIA')


def test_init_leaves_the_vault_private_and_without_plain_text(fresh):
    assert fresh.mfactl('init', '--yes', passphrase=fresh.passphrase).code == client.OK
    assert stat.S_IMODE(os.stat(fresh.data).st_mode) == 0o700
    key = fresh.simulator.key()
    for name in os.listdir(fresh.data):
        path = os.path.join(fresh.data, name)
        assert stat.S_IMODE(os.stat(path).st_mode) == 0o600, name
        with open(path, 'rb') as f:
            content = f.read()
        assert key['secret'].encode() not in content and key['id'].encode() not in content


def test_init_finds_the_mfa_serial_by_asking_iam(fresh):
    text = fresh.read('.aws/config').replace(f'mfa_serial = {fresh.simulator.serial()}\n', '')
    fresh.write('.aws/config', text)
    done = fresh.mfactl('init', '--yes', passphrase=fresh.passphrase)
    assert done.code == client.OK, done
    assert fresh.posts('ListMFADevices')
    assert fresh.vault_status()['keys'][0]['mfa_serial'] == fresh.simulator.serial()
    assert fresh.unlock()['key'] == 'default'


def test_init_finishes_what_an_earlier_one_could_not(fresh):
    """Its own advice: "add a device in the IAM console, then run mfactl init again"."""
    fresh.write('.aws/config', fresh.read('.aws/config').replace(f'mfa_serial = {fresh.simulator.serial()}\n', ''))
    fresh.simulator.fault('access_denied', 'ListMFADevices', count=1)
    done = fresh.mfactl('init', '--yes', passphrase=fresh.passphrase)
    assert done.code == client.OK and 'Ready' not in done.out and 'not ready' in done.err, done
    assert 'mfa_serial' not in fresh.vault_status()['keys'][0]
    done = fresh.mfactl('init', '--yes')
    assert done.code == client.OK and 'Ready' in done.out, done
    assert fresh.vault_status()['keys'][0]['mfa_serial'] == fresh.simulator.serial()
    fresh.unlock()
    before = len(fresh.posts('ListMFADevices'))
    assert 'Ready' in fresh.mfactl('init', '--yes').out and len(fresh.posts('ListMFADevices')) == before


def test_init_understands_aws_mfa_sections(fresh):
    key = fresh.simulator.key()
    fresh.write('.aws/credentials', f'[work-long-term]\naws_access_key_id = {key["id"]}\n'
                f'aws_secret_access_key = {key["secret"]}\n'
                f'aws_mfa_device = {fresh.simulator.serial()}\n')
    config = fresh.read('.aws/config').replace('[default]', '[profile work]')
    fresh.write('.aws/config', config.replace(f'mfa_serial = {fresh.simulator.serial()}\n', ''))
    done = fresh.mfactl('init', '--yes', passphrase=fresh.passphrase)
    assert done.code == client.OK, done
    keys = fresh.vault_status()['keys']
    assert [(k['name'], k['mfa_serial']) for k in keys] == [('work', fresh.simulator.serial())]
    fresh.unlock(key='work')
    assert fresh.get('/profile/work').status == 200


def test_init_without_terminal_or_passphrase_says_what_is_missing(fresh):
    done = fresh.mfactl('init', '--yes')
    assert done.code == client.USAGE, done
    assert '--passphrase-fd' in done.err
    assert fresh.vault_status()['state'] == 'none'


def test_a_passphrase_that_is_too_weak_is_refused(fresh):
    done = fresh.mfactl('init', '--yes', passphrase='short')
    assert done.code == client.VAULT, done
    assert fresh.vault_status()['state'] == 'none'


def test_status_before_anything_was_set_up(fresh):
    assert fresh.status()['vault'] == 'none'
    done = fresh.mfactl('status')
    assert done.code == client.LOCKED, done
    assert 'mfactl init' in done.out + done.err
    answer = fresh.get()
    assert (answer.status, answer.code) == (403, 'MfadLocked')
    assert 'mfactl init' in answer.json()['Message']


def test_client_token_is_private_and_without_newline(fresh):
    path = fresh.socket_path('token')
    assert stat.S_IMODE(os.stat(path).st_mode) == 0o600
    with open(path, 'rb') as f:
        token = f.read()
    assert len(token) == 43 and not token.endswith(b'\n')
    assert get(fresh.port, None).code == 'MfadBadToken'


def test_status_json_is_json(unlocked):
    done = unlocked.mfactl('status', '--json')
    assert done.code == client.OK, done
    assert json.loads(done.out)['state'] == 'unlocked'


def test_several_keys_each_have_their_session(open_stack):
    key = open_stack.simulator.key()
    with open_stack.vault() as v:
        v.call('AddKey', name='second', access_key_id=key['id'], secret_access_key=key['secret'],
               mfa_serial=open_stack.simulator.serial())
    config = open_stack.read('.aws/config')
    open_stack.write('.aws/config', config + config.replace('[default]', '[profile second]'))
    open_stack.unlock(key='second')
    assert open_stack.get('/profile/second').status == 200
    answer = open_stack.get()
    assert (answer.status, answer.code) == (403, 'MfadLocked')
