"""Real SDKs as they are installed: who they become when unlocked, and what their user reads when not.

The texts were recorded, not made up: they are what each client prints of our answer.
"""
import fcntl
import functools
import os
import re
import shutil
import subprocess
import time

import pytest
from clients.s3_stub import s3_stub

HERE = os.path.join(os.path.dirname(os.path.abspath(__file__)), 'clients')
PYTHON, AWS = '/usr/bin/python3', '/usr/bin/aws'
GO_ENVIRONMENT = {'GO111MODULE': 'off', 'GOPATH': '/usr/share/gocode', 'GOFLAGS': ''}
CLIENT_SEC = 60

LOCKED_SENTENCE = r'mfad: .*mfactl unlock'
TOKEN_SENTENCE = r'mfad: .*token'


class Client:
    """argv(workshop, endpoint): the command. locked, wrong_token: what the user reads then."""

    def __init__(self, name, argv, locked, wrong_token, max_sec, needs_all=False):
        self.name, self.argv, self.needs_all = name, argv, needs_all
        self.locked, self.wrong_token, self.max_sec = locked, wrong_token, max_sec


def one_at_a_time(build):
    """Two processes of tests may want the same client."""
    @functools.wraps(build)
    def wrapper(self, *arguments):
        os.makedirs(self.folder, exist_ok=True)
        with open(os.path.join(self.folder, 'lock'), 'ab') as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            return build(self, *arguments)

    return wrapper


class Workshop:
    """Where clients are built, once per build directory."""

    def __init__(self, folder):
        self.folder = folder

    @one_at_a_time
    def javascript(self):
        folder = os.path.join(self.folder, 'js')
        os.makedirs(folder, exist_ok=True)
        for name in ('package.json', 'package-lock.json', 'sts.mjs'):
            shutil.copy(os.path.join(HERE, name), folder)
        if not os.path.exists(os.path.join(folder, 'node_modules', '@aws-sdk', 'client-sts')):
            subprocess.run(['npm', 'ci', '--ignore-scripts', '--no-audit', '--no-fund'], cwd=folder,
                           check=True, capture_output=True)
        return os.path.join(folder, 'sts.mjs')

    @one_at_a_time
    def go(self, name):
        program = os.path.join(self.folder, name)
        if not os.path.exists(program):
            environment = {**os.environ, **GO_ENVIRONMENT, 'GOCACHE': os.path.join(self.folder, 'go-cache')}
            subprocess.run(['go', 'build', '-o', program, '.'], cwd=os.path.join(HERE, name), check=True,
                           env=environment, capture_output=True)
        return program


def botocore(body):
    """The first wording is that of botocore 1.29, the second that of 1.37."""
    return r'Error when retrieving credentials from container-role: Error retrieving metadata: ' \
           r'Received non 200 response (\(403\) from ECS|403 from container) metadata: \{"message":"' + body


CLIENTS = [
    Client('awscli', lambda w, url: [AWS, 'sts', 'get-caller-identity', '--query', 'Arn', '--output', 'text',
                                     '--endpoint-url', url],
           botocore(LOCKED_SENTENCE), botocore(TOKEN_SENTENCE), 6),
    Client('boto3', lambda w, url: [PYTHON, os.path.join(HERE, 'boto_sts.py'), url],
           botocore(LOCKED_SENTENCE), botocore(TOKEN_SENTENCE), 5),
    Client('js-fromHttp', lambda w, url: ['node', w.javascript(), 'fromHttp', url],
           r'status: 403\n.*MfadLocked: ' + LOCKED_SENTENCE, r'status: 403\n.*MfadBadToken: ' + TOKEN_SENTENCE,
           6, needs_all=True),
    Client('js-default', lambda w, url: ['node', w.javascript(), 'default', url],
           r'CredentialsProviderError: Could not load credentials from any providers',
           r'CredentialsProviderError: Could not load credentials from any providers', 8, needs_all=True),
    Client('go-v1', lambda w, url: [w.go('go1'), url, 'verbose'],
           r'MfadLocked: ' + LOCKED_SENTENCE, r'MfadBadToken: ' + TOKEN_SENTENCE, 2, needs_all=True),
    Client('go-v1-quiet', lambda w, url: [w.go('go1'), url],
           r'NoCredentialProviders: no valid providers in chain', r'NoCredentialProviders', 2, needs_all=True),
    Client('go-v2', lambda w, url: [w.go('go2'), url],
           r'failed to load credentials, .*MfadLocked: ' + LOCKED_SENTENCE,
           r'failed to load credentials, .*MfadBadToken: ' + TOKEN_SENTENCE, 2, needs_all=True),
]


@pytest.fixture(scope='session')
def workshop(build):
    return Workshop(os.path.join(build.folder, 'clients-under-test'))


@pytest.fixture(params=CLIENTS, ids=lambda c: c.name)
def sdk(request, all_clients):
    if request.param.needs_all and not all_clients:
        pytest.skip('run with --all-clients')
    if request.param.name == 'awscli' and not os.path.exists(AWS):
        pytest.skip('no /usr/bin/aws')
    return request.param


def run(argv, environment):
    began = time.monotonic()
    # Node's remarks about its own age are not what these tests are about
    done = subprocess.run(argv, env={**environment, 'NODE_NO_WARNINGS': '1'}, capture_output=True, text=True, timeout=CLIENT_SEC,
                          check=False)
    return done, time.monotonic() - began


def ask(sdk, workshop, stack, environment=None):
    argv = sdk.argv(workshop, stack.simulator.http_url)
    return run(argv, environment or stack.client_environment())


def test_unlocked_the_client_is_the_user(sdk, workshop, unlocked):
    done, sec = ask(sdk, workshop, unlocked)
    assert done.returncode == 0, done
    assert done.stdout.strip() == 'arn:aws:iam::123456789012:user/alice'
    call, = unlocked.posts('GetCallerIdentity')
    assert call['credential'] == 'session' and call['outcome'] == 'ok'


def test_locked_the_user_reads_our_sentence(sdk, workshop, unlocked):
    environment = unlocked.client_environment()
    assert unlocked.mfactl('lock').code == 0
    done, sec = ask(sdk, workshop, unlocked, environment)
    assert done.returncode != 0
    assert re.search(sdk.locked, done.stderr + done.stdout, flags=re.S), done
    assert sec < sdk.max_sec
    assert unlocked.posts('GetCallerIdentity') == []


def test_wrong_token_the_user_reads_about_the_token(sdk, workshop, unlocked):
    environment = unlocked.client_environment()
    environment['AWS_CONTAINER_AUTHORIZATION_TOKEN'] = 'x' * 43
    environment.pop('AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE', None)
    done, sec = ask(sdk, workshop, unlocked, environment)
    assert done.returncode != 0
    assert re.search(sdk.wrong_token, done.stderr + done.stdout, flags=re.S), done
    assert sec < sdk.max_sec


@pytest.mark.parametrize('life_sec', [1200, 240])
def test_expiring_session_still_works_without_a_word(sdk, workshop, open_stack, life_sec):
    """Within and beyond every SDK's refresh window: the next fetch brings the same creds again."""
    open_stack.simulator.options(credential_life_sec=life_sec)
    open_stack.unlock()
    done, sec = ask(sdk, workshop, open_stack)
    assert done.returncode == 0, done
    assert done.stdout.strip() == 'arn:aws:iam::123456789012:user/alice'
    # the JavaScript SDK remarks that it was given the token twice, which older SDKs need
    assert re.sub(r'@aws-sdk/credential-provider-http: .*?precedence\.\n', '', done.stderr, flags=re.S) == ''


@pytest.fixture
def rclone_stack(all_clients, make_stack):
    """Without a ca_bundle in ~/.aws/config, which this rclone cannot live with, mfad or not."""
    if not all_clients:
        pytest.skip('run with --all-clients')
    stack = make_stack(use_https=False).start()
    stack.open_vault()
    return stack


def rclone(stack, url, environment=None):
    return run(['rclone', 'lsd', '--retries', '1', '--low-level-retries', '1', '--s3-provider', 'Other',
                '--s3-env-auth', '--s3-region', 'us-east-1', '--s3-endpoint', url, ':s3:'],
               environment or stack.client_environment())


def test_rclone_lists_buckets_when_unlocked(rclone_stack):
    rclone_stack.unlock()
    with s3_stub(rclone_stack.credentials()) as url:
        done, _ = rclone(rclone_stack, url)
        assert done.returncode == 0 and 'proof' in done.stdout, done


def test_rclone_is_refused_with_other_credentials(rclone_stack):
    """So that the stub's word means something."""
    rclone_stack.unlock()
    with s3_stub({**rclone_stack.credentials(), 'SecretAccessKey': 'x' * 40}) as url:
        done, _ = rclone(rclone_stack, url)
        assert done.returncode != 0 and 'SignatureDoesNotMatch' in done.stderr, done


@pytest.mark.parametrize('state', ['locked', 'wrong token'])
def test_rclone_says_that_it_has_no_credentials(rclone_stack, state):
    rclone_stack.unlock()
    environment = rclone_stack.client_environment()
    if state == 'locked':
        assert rclone_stack.mfactl('lock').code == 0
    else:
        environment['AWS_CONTAINER_AUTHORIZATION_TOKEN'] = 'x' * 43
        environment.pop('AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE', None)
    done, sec = rclone(rclone_stack, 'http://127.0.0.1:1', environment)
    assert done.returncode != 0 and 'NoCredentialProviders' in done.stderr, done
    assert sec < 5


def test_rclone_expiring(rclone_stack):
    rclone_stack.simulator.options(credential_life_sec=240)
    rclone_stack.unlock()
    with s3_stub(rclone_stack.credentials()) as url:
        done, _ = rclone(rclone_stack, url)
        assert done.returncode == 0 and 'proof' in done.stdout, done
