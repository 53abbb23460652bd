"""Role profiles through real programs: by environment, by credential_process, and as the ground that the SDKs'
own roles stand on."""
import json
import os
import subprocess

import pytest
from clients.s3_stub import s3_stub
from mfadtest import client
from mfadtest.stack import config_section, spelt
from test_clients import AWS, CLIENTS, HERE, PYTHON, ask, rclone, rclone_stack, run, workshop  # noqa: F401
from test_roles import ACCOUNT, arn, assumed, role

ODD = 'team a/Zürich'
PROFILES = {'dev': role('Dev'), 'prod': role('Prod', 'dev'), ODD: role('Odd', region='eu-central-1')}


@pytest.fixture(params=CLIENTS, ids=lambda c: c.name)
def sdk(request, all_clients):
    if request.param.needs_all and not all_clients:
        pytest.skip('run with --all-clients')
    if request.param.name == 'awscli' and not os.path.exists(AWS):
        pytest.skip('no /usr/bin/aws')
    return request.param


@pytest.fixture
def stack(make_stack):
    made = make_stack()
    made.write_profiles(PROFILES)
    made.start().open_vault()
    made.unlock()
    return made


def as_role(name):
    return f'arn:aws:sts::{ACCOUNT}:assumed-role/{name}/mfad-'


@pytest.mark.parametrize('profile, expected', [('prod', 'Prod'), (ODD, 'Odd')])
def test_mfactl_env_makes_any_program_the_role(sdk, workshop, stack, profile, expected):  # noqa: F811
    environment = stack.client_environment(profile)
    assert 'AWS_PROFILE' not in environment
    done, _ = ask(sdk, workshop, stack, environment)
    assert done.returncode == 0 and done.stdout.startswith(as_role(expected)), done
    call, = stack.posts('GetCallerIdentity')
    assert call['credential'] == 'role' and call['outcome'] == 'ok'


def test_a_role_that_is_refused_is_explained_to_the_program_s_user(sdk, workshop, stack):  # noqa: F811
    if 'MfadLocked' not in sdk.locked and 'mfactl unlock' not in sdk.locked:
        pytest.skip('it tells its user nothing at all')
    environment = stack.client_environment('dev')
    stack.simulator.fault('access_denied', 'AssumeRole', count=-1)
    done, sec = ask(sdk, workshop, stack, environment)
    assert done.returncode != 0 and 'not authorized' in done.stderr + done.stdout, done
    assert sec < sdk.max_sec
    assert len(assumed(stack)) == 1, 'each try of the client asked AWS'


def test_the_role_by_its_arn(sdk, workshop, stack):  # noqa: F811
    environment = stack.client_environment()
    environment['AWS_CONTAINER_CREDENTIALS_FULL_URI'] = \
        f'http://127.0.0.1:{stack.port}/role-arn/{spelt(arn("team/Any"))}'
    done, _ = ask(sdk, workshop, stack, environment)
    assert done.returncode == 0 and done.stdout.startswith(as_role('Any')), done


def test_rclone_as_a_role(rclone_stack):  # noqa: F811
    rclone_stack.write_profiles(PROFILES)
    rclone_stack.unlock()
    creds = rclone_stack.get_profile('prod').json()
    with s3_stub(creds) as url:
        done, _ = rclone(rclone_stack, url, rclone_stack.client_environment('prod'))
        assert done.returncode == 0 and 'proof' in done.stdout, done
        done, _ = rclone(rclone_stack, url, rclone_stack.client_environment('dev'))
        assert done.returncode != 0, 'the stub takes any credentials'


# what a program's own configuration makes of us

def own_config(stack, **profiles):
    """Another configuration file, for the program alone; returns its environment."""
    path = stack.write('program/config', ''.join(config_section(n, s) for n, s in profiles.items()))
    return {**stack.environment, 'AWS_CONFIG_FILE': path, 'AWS_EC2_METADATA_DISABLED': 'true',
            'AWS_DEFAULT_REGION': 'us-east-1', 'AWS_SHARED_CREDENTIALS_FILE': os.devnull}


def identity_of_cli(stack, environment, *more):
    if not os.path.exists(AWS):
        pytest.skip('no /usr/bin/aws')
    done, _ = run([AWS, 'sts', 'get-caller-identity', '--query', 'Arn', '--output', 'text', '--endpoint-url',
                   stack.simulator.http_url, *more], environment)
    assert done.returncode == 0, done
    return done.stdout.strip()


@pytest.mark.parametrize('profile, expected', [('prod', 'Prod'), (ODD, 'Odd')])
def test_credential_process(stack, profile, expected):
    """`aws --profile x`, where x names mfactl."""
    # botocore splits the command as a shell would
    environment = own_config(stack, x={'credential_process': f'{stack.build.mfactl} creds --profile "{profile}"'})
    assert identity_of_cli(stack, environment, '--profile', 'x').startswith(as_role(expected))
    done, _ = run([PYTHON, os.path.join(HERE, 'boto_sts.py'), stack.simulator.http_url],
                  {**environment, 'AWS_PROFILE': 'x'})
    assert done.stdout.startswith(as_role(expected)), done


def test_credential_process_says_what_is_wrong(stack):
    environment = own_config(stack, x={'credential_process': f'{stack.build.mfactl} creds --profile dev'})
    assert stack.mfactl('lock').code == client.OK
    done, _ = run([PYTHON, os.path.join(HERE, 'boto_sts.py'), stack.simulator.http_url],
                  {**environment, 'AWS_PROFILE': 'x'})
    assert done.returncode != 0 and 'mfactl unlock' in done.stderr, done


ON_TOP = """
import sys, boto3, botocore.session
create_client = botocore.session.Session.create_client

def at_the_simulator(self, service, *more, **options):  # Debian's botocore reads no endpoint_url from a profile
    return create_client(self, service, *more, **{'endpoint_url': sys.argv[1], **options})

botocore.session.Session.create_client = at_the_simulator
print(boto3.Session(profile_name=sys.argv[2]).client('sts', endpoint_url=sys.argv[1]).get_caller_identity()['Arn'])
"""


def test_boto3_with_a_role_of_its_own_on_top_of_ours(stack):
    """role_arn + credential_source = EcsContainer in the program's own configuration."""
    environment = {**own_config(stack, top={'role_arn': arn('Top'), 'credential_source': 'EcsContainer',
                                            'role_session_name': 'top'}),
                   **stack.mfactl_env('dev')}
    done, _ = run([PYTHON, stack.write('program/top.py', ON_TOP), stack.simulator.http_url, 'top'], environment)
    assert done.stdout.strip() == f'arn:aws:sts::{ACCOUNT}:assumed-role/Top/top', done
    assert [(e['role'], e['credential']) for e in stack.posts('AssumeRole')] == [
        (arn('Dev'), 'session'), (arn('Top'), 'role')]


def test_where_credential_process_may_stand(stack):
    """In a key's profile of the same name; in a role's the SDK does not look at it, and assumes the role itself."""
    ran = os.path.join(stack.folder, 'ran')

    def process(name):
        script = stack.write(f'program/{name}.sh', f'echo {name} >> {ran}\n'
                             f'exec {stack.build.mfactl} creds --profile {name}\n')
        return {'credential_process': f'/bin/sh {script}'}

    environment = own_config(stack, **{'default': process('default'), 'dev': {**role('Dev'), **process('dev')},
                                       'my-dev': process('dev')})
    program = stack.write('program/any.py', ON_TOP)
    for profile, who, processes in [('default', f'arn:aws:iam::{ACCOUNT}:user/', ['default']),
                                    ('dev', f'arn:aws:sts::{ACCOUNT}:assumed-role/Dev/botocore-session-', ['default']),
                                    ('my-dev', as_role('Dev'), ['dev'])]:
        done, _ = run([PYTHON, program, stack.simulator.http_url, profile], environment)
        assert done.stdout.startswith(who), (profile, done)
        with open(ran) as f:
            assert sorted(set(f.read().split())) == processes, profile
        os.unlink(ran)


def test_mfactl_exec_as_a_role(stack):
    done = stack.mfactl('exec', '--profile', ODD, '--', '/usr/bin/env')
    assert done.code == client.OK, done
    got = dict(line.split('=', 1) for line in done.out.splitlines() if '=' in line)
    assert got['AWS_REGION'] == 'eu-central-1' and got['AWS_CONTAINER_CREDENTIALS_FULL_URI'].endswith(
        '/profile/' + spelt(ODD))


def test_two_profiles_at_once_are_two_identities(stack):
    names = {'dev': 'Dev', 'prod': 'Prod', ODD: 'Odd'}
    running = {profile: subprocess.Popen([PYTHON, os.path.join(HERE, 'boto_sts.py'), stack.simulator.http_url],
                                         env=stack.client_environment(profile), stdout=subprocess.PIPE, text=True)
               for profile in names}
    told = {profile: process.communicate(timeout=60)[0] for profile, process in running.items()}
    assert {p: t.startswith(as_role(names[p])) for p, t in told.items()} == dict.fromkeys(names, True), told
    assert sorted(assumed(stack)) == ['Dev', 'Odd', 'Prod']


def test_creds_prints_what_credential_process_expects(stack):
    done = stack.mfactl('creds', '--profile', 'prod')
    assert done.code == client.OK, done
    printed, served = json.loads(done.out), stack.get_profile('prod').json()
    assert printed['Version'] == 1
    assert (printed['AccessKeyId'], printed['SecretAccessKey'], printed['SessionToken'], printed['Expiration']) == (
        served['AccessKeyId'], served['SecretAccessKey'], served['Token'], served['Expiration'])
