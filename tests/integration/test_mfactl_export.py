"""mfactl export, and the files that mfactl init has mfad read: what is written where, and what never is."""
import configparser
import fcntl
import os
import stat
import subprocess

import pytest
from mfadtest import client
from mfadtest.fake import CREDENTIALS, KEY_ID, PLAIN, FakeError

CONF = '.config/mfad/mfad.conf.d/aws-files.conf'
COMMENTED = '# mine\n\n[other]\n; a remark\nregion = x\naws_access_key_id = KEEPME1234567890\n' \
            'aws_secret_access_key = keep\n'


def path_of(fake):
    return os.path.join(fake.aws, 'credentials')


def text_of(path):
    with open(path, encoding='utf-8') as f:
        return f.read()


def sections_of(fake):
    parsed = configparser.RawConfigParser()
    parsed.read(path_of(fake))
    return parsed


def assert_exported(fake, section):
    found = sections_of(fake)[section]
    assert found['aws_access_key_id'] == CREDENTIALS['access_key_id']
    assert found['aws_secret_access_key'] == CREDENTIALS['secret_access_key']
    assert found['aws_session_token'] == CREDENTIALS['session_token']
    assert found['x_mfad_expiration'] == CREDENTIALS['expiration']


def test_export_makes_file_and_folder(fake):
    os.rmdir(fake.aws)
    done = fake.mfactl('export', '--profile', 'prod', '--to', 'copy')
    assert done.code == client.OK and path_of(fake) in done.out and 'valid until' in done.out, done
    assert CREDENTIALS['secret_access_key'] not in done.out + done.err
    assert_exported(fake, 'copy')
    assert stat.S_IMODE(os.stat(path_of(fake)).st_mode) == 0o600
    assert stat.S_IMODE(os.stat(fake.aws).st_mode) == 0o700
    assert 'from profile prod\n' in text_of(path_of(fake))
    assert fake.called('Control.GetCredentials') == [{'profile': 'prod'}]


@pytest.mark.parametrize('mode', [0o600, 0o644])
def test_export_keeps_everything_else(fake, mode):
    fake.write('.aws/credentials', COMMENTED, mode)
    for _ in range(2):
        assert fake.mfactl('export', '--to', 'copy').code == client.OK
        assert text_of(path_of(fake)).startswith(COMMENTED)
        assert_exported(fake, 'copy')
        assert stat.S_IMODE(os.stat(path_of(fake)).st_mode) == 0o600
    assert 'from profile work\n' in text_of(path_of(fake))
    assert os.listdir(fake.aws) == ['credentials']


def test_export_never_replaces_a_key(fake):
    fake.write('.aws/credentials', PLAIN)
    done = fake.mfactl('export', '--to', 'default')
    assert done.code == client.FAILURE and '--to default-session' in done.err and done.out == '', done
    assert text_of(path_of(fake)) == PLAIN


def test_export_leaves_a_file_that_is_in_its_way(fake):
    path = fake.write('.aws/credentials.new', 'a draft of mine')
    done = fake.mfactl('export', '--to', 'copy')
    assert done.code == client.FAILURE and '.new' in done.err and 'remove it' in done.err, done
    assert text_of(path) == 'a draft of mine' and not os.path.exists(path_of(fake))


def test_export_to_default_is_warned_of(fake):
    assert 'shadows' in fake.mfactl('export', '--to', 'default').err
    assert 'shadows' not in fake.mfactl('export', '--to', 'copy').err


@pytest.mark.parametrize('section', ['a]b', '[x', ' a', 'a ', 'a\nb', 'DEFAULT', 'x-long-term', 'x' * 200, 'a\tb'])
def test_export_refuses_names_that_no_section_has(fake, section):
    done = fake.mfactl('export', '--to', section)
    assert done.code == client.USAGE and not os.path.exists(path_of(fake)) and fake.calls == [], done


def test_export_behind_a_link(fake):
    target = fake.write('dotfiles', COMMENTED)
    os.symlink('../dotfiles', path_of(fake))
    assert fake.mfactl('export', '--to', 'copy').code == client.OK
    assert os.path.islink(path_of(fake)) and text_of(target).startswith(COMMENTED)
    assert_exported(fake, 'copy')
    os.unlink(target)
    done = fake.mfactl('export', '--to', 'copy')
    assert done.code == client.FAILURE and 'leads nowhere' in done.err and not os.path.exists(target), done


def test_export_to_the_file_of_the_environment(fake):
    path = os.path.join(fake.home, 'elsewhere')
    done = fake.mfactl('export', '--to', 'copy', environment={'AWS_SHARED_CREDENTIALS_FILE': path})
    assert done.code == client.OK and '[copy]' in text_of(path) and not os.path.exists(path_of(fake)), done


def test_export_of_what_is_locked_or_no_credentials_writes_nothing(fake):
    fake.write('.aws/credentials', COMMENTED)
    fake.answers['Control.GetCredentials'] = FakeError('Locked', message='locked')
    assert fake.mfactl('export', '--to', 'copy').code == client.LOCKED
    for field, value in (('secret_access_key', 'a\n[evil]'), ('session_token', 'a b'), ('expiration', 'soon'),
                         ('access_key_id', 'x = y')):
        fake.answers['Control.GetCredentials'] = {'credentials': {**CREDENTIALS, field: value}}
        done = fake.mfactl('export', '--to', 'copy')
        assert done.code == client.FAILURE, done
    assert text_of(path_of(fake)) == COMMENTED


def test_exports_at_once_lose_nothing(fake):
    fake.write('.aws/credentials', COMMENTED)
    running = [subprocess.Popen([fake.mfactl_path, 'export', '--to', f'copy{i}'], env=fake.environment,
                                stdout=subprocess.DEVNULL, stderr=subprocess.PIPE) for i in range(16)]
    for process in running:
        _, err = process.communicate(timeout=60)
        assert process.returncode == client.OK, err
    for i in range(16):
        assert_exported(fake, f'copy{i}')
    assert text_of(path_of(fake)).startswith(COMMENTED) and os.listdir(fake.aws) == ['credentials']


def test_export_waits_for_another_mfactl(fake):
    """An import that edits at the same time holds the same lock."""
    folder = os.open(fake.aws, os.O_RDONLY)
    fcntl.flock(folder, fcntl.LOCK_EX)
    with subprocess.Popen([fake.mfactl_path, 'export', '--to', 'copy'], env=fake.environment,
                          stdout=subprocess.DEVNULL) as process:
        with pytest.raises(subprocess.TimeoutExpired):
            process.wait(1)
        assert not os.path.exists(path_of(fake))
        os.close(folder)
        assert process.wait(30) == client.OK
    assert_exported(fake, 'copy')


# the files that mfad reads

def named(fake):
    """An environment that names other files than mfad reads, with a key in one."""
    return {'AWS_CONFIG_FILE': fake.write('my config', '[default]\nregion = eu-central-1\n'),
            'AWS_SHARED_CREDENTIALS_FILE': fake.write('keys', PLAIN)}


def test_init_has_mfad_read_the_files_of_the_environment(fake):
    environment = named(fake)
    done = fake.mfactl('init', '--yes', environment=environment)
    assert done.code == client.OK and 'Restart it.' in done.out and CONF in done.out, done
    conf = configparser.RawConfigParser()
    conf.read(os.path.join(fake.home, CONF))
    assert dict(conf['mfad']) == {'aws_config_file': environment['AWS_CONFIG_FILE'],
                                  'aws_credentials_file': environment['AWS_SHARED_CREDENTIALS_FILE']}
    assert fake.keys['default']['access_key_id'] == KEY_ID
    # once is enough; and the other commands find these files without the environment
    assert CONF not in fake.mfactl('init', '--yes', environment=environment).out
    fake.answers['Control.GetStatus'] = lambda p: fake.status(default_key='default')
    assert "AWS_REGION='eu-central-1'" in fake.mfactl('env').out
    assert 'holds a key' in fake.mfactl('env').err


def test_init_asks_before_it_writes(fake):
    environment = named(fake)
    t = fake.terminal('init', 'default', environment=environment)
    t.until('Remove').send('n').until('from now on? [Y/n]').send('n')
    assert t.wait() == client.OK and not os.path.exists(os.path.join(fake.home, CONF)), t.screen
    done = fake.mfactl('init', 'default', environment=environment)
    assert done.code == client.OK and 'AWS_CONFIG_FILE names' in done.err, done
    assert not os.path.exists(os.path.join(fake.home, CONF))


def test_init_keeps_what_the_environment_says_nothing_of(fake):
    os.makedirs(os.path.join(fake.home, os.path.dirname(CONF)))
    fake.write('.config/mfad/mfad.conf', '[mfad]\naws_config_file = /kept/config\n')
    path = fake.write('keys', PLAIN)
    assert fake.mfactl('init', '--yes', environment={'AWS_SHARED_CREDENTIALS_FILE': path}).code == client.OK
    text = text_of(os.path.join(fake.home, CONF))
    assert 'aws_config_file = /kept/config\n' in text and f'aws_credentials_file = {path}\n' in text


def test_init_says_when_another_file_has_the_last_word(fake):
    os.makedirs(os.path.join(fake.home, os.path.dirname(CONF)))
    fake.write('.config/mfad/mfad.conf.d/z.conf', '[mfad]\naws_credentials_file = /other\n')
    done = fake.mfactl('init', '--yes', environment={'AWS_SHARED_CREDENTIALS_FILE': fake.write('keys', PLAIN)})
    assert done.code == client.OK and 'comes later' in done.err, done
