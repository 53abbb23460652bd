"""mfactl env, exec and creds: what real shells make of it, and what it does not trust."""
import json
import os
import resource
import signal
import subprocess

import pytest
from mfadtest import client
from mfadtest.fake import CREDENTIALS, PLAIN, TOKEN, FakeError, profile


def printed(shell, text, before):
    """What each variable is after @shell has evaluated @text, in an environment of @before."""
    command = {'sh': ['/bin/sh', '-c', 'eval "$TEXT"; env -0'],
               'sh unquoted': ['/bin/sh', '-c', 'eval $TEXT; env -0'],
               'fish': ['fish', '--no-config', '-c', 'echo $TEXT | source; env -0'],
               'csh': ['tcsh', '-f', '-c', 'eval "`printenv TEXT`"; env -0']}[shell]
    done = subprocess.run(command, env={**before, 'TEXT': text}, capture_output=True, check=True)
    assert done.stderr == b'', done.stderr
    return dict(line.split('=', 1) for line in done.stdout.decode().split('\0') if '=' in line)


SHADOWS = ['AWS_ACCESS_KEY_ID', 'AWS_SECRET_ACCESS_KEY', 'AWS_SESSION_TOKEN', 'AWS_SECURITY_TOKEN',
           'AWS_PROFILE', 'AWS_DEFAULT_PROFILE', 'AWS_WEB_IDENTITY_TOKEN_FILE', 'AWS_ROLE_ARN',
           'AWS_CONTAINER_CREDENTIALS_RELATIVE_URI', 'AWS_CREDENTIAL_FILE', 'AWS_CREDENTIAL_EXPIRATION']


@pytest.mark.parametrize('shell', ['sh', 'fish', 'csh'])
@pytest.mark.parametrize('runtime', ['run', "a b  c'd", '$(id)`id`$HOME', 'x!y\\z\\', '"&;|<>(){}*?[~#'])
def test_env_in_real_shells_with_hostile_paths(make_fake, shell, runtime):
    fake = make_fake(runtime_name=runtime)
    before = {**fake.environment, **dict.fromkeys(SHADOWS, 'stale'), 'no_proxy': "it's,$(id)"}
    done = fake.mfactl('env', '--shell', shell, '--profile', 'work', environment=before)
    assert done.code == client.OK, done
    after = printed(shell, done.out, before)
    assert after['AWS_CONTAINER_CREDENTIALS_FULL_URI'] == f'http://127.0.0.1:{fake.port}/profile/work'
    assert after['AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE'] == os.path.join(fake.sockets, 'token')
    assert after['AWS_CONTAINER_AUTHORIZATION_TOKEN'] == TOKEN
    assert after['AWS_EC2_METADATA_DISABLED'] == 'true'
    assert after['no_proxy'] == after['NO_PROXY'] == "it's,$(id),127.0.0.1"
    assert not set(after) & set(SHADOWS)


@pytest.mark.parametrize('shell', ['sh unquoted', 'csh'])
def test_env_survives_a_forgotten_quote(fake, shell):
    done = fake.mfactl('env', '--shell', shell.split()[0])
    assert printed(shell, done.out, fake.environment)['AWS_EC2_METADATA_DISABLED'] == 'true'


def test_files_of_mfads_configuration_are_ours_too(fake):
    os.makedirs(os.path.join(fake.home, '.config', 'mfad', 'mfad.conf.d'))
    path = fake.write('other', '[profile work]\nregion = eu-north-1\n')
    fake.write('.config/mfad/mfad.conf', '[mfad]\naws_config_file = /nonexistent\nport = 4000\n')
    fake.write('.config/mfad/mfad.conf.d/a.conf', f'[mfad]\naws_config_file = {path}\n')
    fake.write('.config/mfad/mfad.conf.d/b.txt', '[mfad]\naws_config_file = /nonexistent\n')
    assert "AWS_REGION='eu-north-1'" in fake.mfactl('env').out
    ours = fake.write('ours', '[profile work]\nregion = eu-south-1\n')
    assert "AWS_REGION='eu-south-1'" in fake.mfactl('env', environment={'AWS_CONFIG_FILE': ours}).out


def test_env_takes_the_shell_from_the_environment(fake):
    assert 'set -gx ' in fake.mfactl('env', environment={'SHELL': '/usr/bin/fish'}).out
    assert 'setenv ' in fake.mfactl('env', environment={'SHELL': '/bin/tcsh'}).out
    assert 'export ' in fake.mfactl('env', environment={'SHELL': '/opt/odd'}).out


def test_env_default_profile_has_a_path_that_is_not_empty(fake):
    after = printed('sh', fake.mfactl('env').out, fake.environment)
    assert after['AWS_CONTAINER_CREDENTIALS_FULL_URI'] == f'http://127.0.0.1:{fake.port}/'


@pytest.mark.parametrize('arguments, advice', [
    (['--profile', 'my profile'], 'eval "$(mfactl env --profile \'my profile\')"'),
    (['--profile', 'work', '--token-file-only'], 'eval "$(mfactl env --profile work --token-file-only)"'),
    (['--profile', 'work', '--shell', 'fish'], 'mfactl env --shell fish --profile work | source'),
    (['--profile', "it's"], None),
])
def test_env_on_a_terminal_says_how_it_is_used(fake, arguments, advice):
    fake.profiles = [profile(n) for n in ('work', 'my profile', "it's")]
    terminal = fake.terminal('env', *arguments)
    assert terminal.wait() == client.OK
    said = [line for line in terminal.screen.splitlines() if 'to use it, run' in line]
    assert said == ([f'mfactl: to use it, run: {advice}'] if advice else []), terminal.screen


def test_env_token_file_only(fake):
    before = {**fake.environment, 'AWS_CONTAINER_AUTHORIZATION_TOKEN': 'stale'}
    done = fake.mfactl('env', '--token-file-only', '--shell', 'sh')
    assert TOKEN not in done.out
    assert 'AWS_CONTAINER_AUTHORIZATION_TOKEN' not in printed('sh', done.out, before)


def test_env_brings_the_region_of_the_profile(fake):
    fake.write('.aws/config', '[profile work]\nregion = eu-central-1\n')
    done = fake.mfactl('env')
    assert "AWS_REGION='eu-central-1'" in done.out and "AWS_DEFAULT_REGION='eu-central-1'" in done.out
    assert 'REGION' not in fake.mfactl('env', environment={'AWS_REGION': 'us-east-1'}).out


def test_env_warns_of_a_key_that_shadows_us(fake):
    fake.write('.aws/credentials', PLAIN)
    done = fake.mfactl('env')
    assert done.code == client.OK and '[default]' in done.err, done
    other = fake.write('elsewhere', '')
    done = fake.mfactl('env', environment={'AWS_SHARED_CREDENTIALS_FILE': other})
    assert '[default]' not in done.err


def test_region_of_a_named_profile_goes_before_the_environments(fake):
    fake.profiles = [profile('prod', 'role', region='eu-west-3')]
    fake.answers['Control.GetCredentials'] = {'credentials': CREDENTIALS, 'region': 'eu-west-3'}
    before = {'AWS_REGION': 'us-east-1', 'AWS_DEFAULT_REGION': 'us-east-2'}
    for arguments in (['env', '--profile', 'prod', '--shell', 'sh'], ['exec', '--profile', 'prod', 'env', '-0']):
        done = fake.mfactl(*arguments, environment=before)
        after = printed('sh', done.out, before) if arguments[0] == 'env' else dict(
            line.split('=', 1) for line in done.out.split('\0') if '=' in line)
        assert (after['AWS_REGION'], after['AWS_DEFAULT_REGION']) == ('eu-west-3', 'eu-west-3'), arguments
    done = fake.mfactl('exec', 'env', '-0', environment=before)
    assert 'AWS_REGION=us-east-1' in done.out.split('\0')
    assert 'AWS_REGION=eu-west-3' in fake.mfactl('exec', 'env', '-0').out.split('\0')


@pytest.mark.parametrize('name', ['my profile', 'a/b', '..', 'é', "it's", '100%'])
def test_every_name_has_an_address(fake, name):
    fake.profiles = [profile(name, 'role')]
    done = fake.mfactl('env', '--profile', name, '--shell', 'sh')
    assert done.code == client.OK, done
    address = printed('sh', done.out, fake.environment)['AWS_CONTAINER_CREDENTIALS_FULL_URI']
    assert address == f'http://127.0.0.1:{fake.port}' + fake.profiles[0]['path']


def test_env_holds_while_locked_but_not_for_unusable_profiles(fake):
    fake.answers['Control.GetStatus'] = lambda p: fake.status(state='locked')
    done = fake.mfactl('env')
    assert done.code == client.OK and 'FULL_URI' in done.out and done.err == '', done
    fake.profiles = [profile('work', state='locked'), profile('x', 'unusable', notice='the reason')]
    assert fake.mfactl('env', '--profile', 'work').code == client.OK
    done = fake.mfactl('env', '--profile', 'x')
    assert done.code == client.FAILURE and done.out == '' and 'the reason' in done.err, done
    done = fake.mfactl('env', '--profile', 'y')
    assert done.code == client.FAILURE and done.out == '' and 'no profile "y"' in done.err, done


def test_env_buys_nothing(fake):
    """It stands in start-up files: no role is assumed for it, and no network waited for."""
    fake.profiles = [profile('prod', 'role')]
    for arguments in (['env'], ['env', '--profile', 'prod']):
        assert fake.mfactl(*arguments).code == client.OK
    assert not fake.called('Control.GetCredentials')


def test_env_holds_while_sealed_when_nobody_knows_the_keys(fake):
    fake.vault_state, fake.profiles = 'sealed', []
    done = fake.mfactl('env', '--profile', 'x')
    assert done.code == client.OK and 'FULL_URI' in done.out, done


def spoil_mode(fake):
    os.chmod(os.path.join(fake.sockets, 'token'), 0o640)


def spoil_link(fake):
    path = os.path.join(fake.sockets, 'token')
    os.rename(path, path + '.real')
    os.symlink(path + '.real', path)


def spoil_content(fake):
    fake.write(os.path.join(fake.sockets, 'token'), TOKEN + '\n')


def spoil_missing(fake):
    os.unlink(os.path.join(fake.sockets, 'token'))


def spoil_folder(fake):
    os.chmod(fake.sockets, 0o750)


def spoil_listener(fake):
    fake.http.close()


@pytest.mark.parametrize('spoil', [spoil_mode, spoil_link, spoil_content, spoil_missing, spoil_folder,
                                   spoil_listener])
def test_env_and_exec_refuse_what_they_cannot_trust(fake, spoil):
    spoil(fake)
    for arguments in (['env'], ['exec', '--', 'echo', 'ran']):
        done = fake.mfactl(*arguments)
        assert done.code == client.NOT_RUNNING and done.out == '' and done.err, done


def test_sudo_is_refused(fake):
    done = fake.mfactl('status', environment={'SUDO_UID': str(os.getuid() + 1)})
    assert done.code == client.NOT_RUNNING and 'sudo' in done.err, done


# exec and creds

def test_exec_becomes_the_command(fake):
    done = fake.mfactl('exec', '--profile', 'work', '--', 'sh', '-c', 'env -0; exit 42',
                       environment={'AWS_PROFILE': 'stale'})
    assert done.code == 42, done
    after = dict(line.split('=', 1) for line in done.out.split('\0') if '=' in line)
    assert after['AWS_CREDENTIAL_EXPIRATION'] == CREDENTIALS['expiration']
    assert after['AWS_CONTAINER_AUTHORIZATION_TOKEN'] == TOKEN and 'AWS_PROFILE' not in after
    assert not any(CREDENTIALS[s] in done.out for s in ('secret_access_key', 'session_token'))
    assert fake.called('Control.GetCredentials') == [{'profile': 'work'}]


def test_exec_leaves_options_to_the_command(fake):
    assert fake.mfactl('exec', 'echo', '--profile', 'x').out == '--profile x\n'


def test_exec_that_cannot(fake):
    assert fake.mfactl('exec', '--', '/nonexistent/program').code == 127
    assert fake.mfactl('exec', '--', fake.write('not-executable', 'x')).code == 126


@pytest.mark.sanitizers_no  # ASan lowers the limit by itself
def test_exec_gives_back_what_it_inherited(fake):
    def born():
        os.umask(0o027)
        resource.setrlimit(resource.RLIMIT_CORE, (4096, 8192))
        signal.signal(signal.SIGPIPE, signal.SIG_DFL)

    script = 'umask; ulimit -c; ulimit -H -c; grep SigIgn /proc/self/status; ls /proc/self/fd'
    run = {'env': fake.environment, 'capture_output': True, 'text': True, 'preexec_fn': born, 'check': True}
    bare = subprocess.run(['sh', '-c', script], **run).stdout
    assert subprocess.run([fake.mfactl_path, 'exec', 'sh', '-c', script], **run).stdout == bare


def test_exec_while_locked_runs_nothing(fake):
    fake.answers['Control.GetCredentials'] = FakeError('Locked', message='locked. run: mfactl unlock')
    done = fake.mfactl('exec', '--', 'echo', 'ran')
    assert (done.code, done.out, done.err) == (client.LOCKED, '', 'mfactl: locked. run: mfactl unlock\n')


def test_creds_for_credential_process(fake):
    done = fake.mfactl('creds', '--profile', 'my profile')
    assert done.code == client.OK and json.loads(done.out) == {
        'Version': 1, 'AccessKeyId': 'ASIAFAKE', 'SecretAccessKey': 'fake/secret',
        'SessionToken': 'fake+token==', 'Expiration': '2026-11-22T18:20:00Z', 'AccountId': '123456789012'}
    assert fake.called('Control.GetCredentials') == [{'profile': 'my profile'}]
    fake.answers['Control.GetCredentials'] = FakeError('Sealed', message='sealed')
    done = fake.mfactl('creds')
    assert (done.code, done.out) == (client.LOCKED, '') and 'mfactl unlock' in done.err, done
