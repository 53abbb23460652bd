"""The endpoint's variables for the whole login: written on a word, found by what the login starts, taken away again."""
import os

import pytest
from mfadtest import client
from mfadtest.manager import HOME, RUNTIME, inside

pytestmark = [pytest.mark.root, pytest.mark.sanitizers_no]

PATH = f'{HOME}/.config/environment.d/60-mfad.conf'
SAMPLE = '/usr/local/share/mfad/examples/60-mfad.conf'


@inside
def test_environment_for_the_whole_login(stack):
    stack.start()
    stack.open_vault()
    stack.write('.aws/credentials', f'[default]\naws_access_key_id = {stack.simulator.key()["id"]}\n'
                f'aws_secret_access_key = {stack.simulator.key()["secret"]}\n')
    done = stack.mfactl('init', '--yes', '--remove-plain-keys', passphrase=stack.passphrase)
    assert done.code == client.OK and PATH in done.out and 'mfactl env' in done.out, done
    assert os.stat(PATH).st_mode & 0o777 == 0o600
    with open(SAMPLE, encoding='ascii') as f:
        sample = [line for line in f if not line.startswith('#')]
    with open(PATH, encoding='ascii') as f:
        assert [line for line in f if not line.startswith('#')] == sample
    # once is enough
    assert 'environment.d' not in stack.mfactl('init', '--yes', passphrase=stack.passphrase).out

    # as at the next login: mfad does not run, and nobody asked it for anything
    stack.unlock()
    stack.systemctl('daemon-reexec')
    variables = dict(line.split('=', 1) for line in stack.systemctl('show-environment').split('\n') if '=' in line)
    assert variables['AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE'] == f'{RUNTIME}/mfad/token'
    script = ('import json, os, urllib.request as u; e = os.environ\n'
              'r = u.Request(e["AWS_CONTAINER_CREDENTIALS_FULL_URI"])\n'
              'r.add_header("Authorization", open(e["AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE"]).read())\n'
              'r.add_header("Accept", "application/json")\n'
              'print(json.load(u.urlopen(r))["AccessKeyId"])\n')
    done = stack.run('systemd-run', '--user', '--quiet', '--wait', '--pipe', '/usr/bin/python3', '-c', script)
    assert done.stdout.startswith('ASIA'), done

    done = stack.mfactl('init', '--no-environment')
    assert done.code == client.OK and not os.path.exists(PATH), done
    assert stack.mfactl('init', '--no-environment').code == client.OK


@inside
def test_environment_is_written_only_on_a_word(stack):
    stack.start()
    stack.open_vault()
    t = stack.terminal('init')
    t.until(PATH).until('Write them? [Y/n]').send('n').until('Ready')
    assert t.wait() == client.OK and not os.path.exists(PATH), t.screen
    t = stack.terminal('init')
    t.until('Write them? [Y/n]').send('').until(f'Written to {PATH}').until('Ready')
    assert t.wait() == client.OK and os.path.exists(PATH), t.screen
    t = stack.terminal('init').until('Ready')
    assert t.wait() == client.OK and 'Write them' not in t.screen, t.screen


@pytest.mark.parametrize('text', ['MINE=1\n', '', '# mine\n' + 'x' * 5000])
@inside
def test_environment_that_is_somebody_elses_stays(stack, text):
    stack.start()
    stack.open_vault()
    stack.write(PATH, text)
    done = stack.mfactl('init', '--yes', passphrase=stack.passphrase)
    assert done.code == client.OK and f'{PATH} was not written by mfactl' in done.err, done
    t = stack.terminal('init').until(f'{PATH} was not written by mfactl').until('Ready')
    assert t.wait() == client.OK and 'Write them' not in t.screen, t.screen
    done = stack.mfactl('init', '--no-environment')
    assert done.code == client.FAILURE and stack.read(PATH) == text, done


@inside
def test_environment_that_is_a_copy_of_the_sample(stack):
    """It is removed like one that mfactl has written; without its first line it is the user's own."""
    with open(SAMPLE, encoding='ascii') as f:
        sample = f.read()
    stack.write(PATH, sample)
    assert stack.mfactl('init', '--no-environment').code == client.OK and not os.path.exists(PATH)
    stack.write(PATH, sample.split('\n', 1)[1])
    assert stack.mfactl('init', '--no-environment').code == client.FAILURE and os.path.exists(PATH)
