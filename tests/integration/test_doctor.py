"""mfactl doctor: each check against something that is wrong, and against nothing that is."""
import contextlib
import json
import os
import re
import socket
import time

import pytest
from mfadtest import client
from mfadtest.fake import KEY_ID, PLAIN, SECRET, TOKEN, FakeError, profile
from mfadtest.processes import wait_until

SERIAL = 'arn:aws:iam::123456789012:mfa/alice'


class Healthy:
    """Stand-ins and a home in which nothing is wrong; `environment` leads to them."""

    def __init__(self, fake):
        self.fake = fake
        for name in ('control', 'vault'):
            os.chmod(os.path.join(fake.sockets, name), 0o600)
        os.mkdir(os.path.join(fake.home, 'vault-folder'), 0o700)
        self.vault = fake.write('vault-folder/vault', '')
        fake.keys['work'] = {'name': 'work', 'access_key_id': KEY_ID, 'mfa_serial': SERIAL}
        self.more_status, self.more_vault = {}, {}
        version = fake.mfactl('--version').out.split()[1]
        fake.answers['Control.GetStatus'] = lambda p: fake.status(**{'version': version, **self.more_status})
        fake.answers['Vault.GetStatus'] = lambda p: {**fake.vault(), 'path': self.vault, **self.more_vault}
        self.tools = os.path.join(fake.home, 'bin')  # no SDK of this machine is looked at
        os.mkdir(self.tools)
        self.environment = {'AWS_CONTAINER_CREDENTIALS_FULL_URI': f'http://127.0.0.1:{fake.port}/',
                            'AWS_CONTAINER_AUTHORIZATION_TOKEN': TOKEN,
                            'AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE': os.path.join(fake.sockets, 'token'),
                            'AWS_EC2_METADATA_DISABLED': 'true', 'PATH': self.tools}

    def configure(self, text):
        os.makedirs(os.path.join(self.fake.home, '.config/mfad'), 0o700, exist_ok=True)
        return self.fake.write('.config/mfad/mfad.conf', f'[mfad]\n{text}\n')

    def stop(self, *sockets):
        """They do not run; nor is mfad's port anybody's."""
        for name in sockets:
            os.unlink(os.path.join(self.fake.sockets, name))
        self.fake.http.close()
        self.configure(f'port = {self.fake.port}')

    def tool(self, name, script):
        path = self.fake.write(os.path.join(self.tools, name), f'#!/bin/sh\n{script}\n', 0o755)
        return path

    def run(self, *arguments, **environment):
        """@environment: None takes a variable away."""
        merged = {k: v for k, v in {**self.environment, **environment}.items() if v is not None}
        return self.fake.mfactl('doctor', *arguments, environment=merged)

    def checks(self, *arguments, **environment):
        """(level, topic, check) of each line, and the answer."""
        done = self.run('--json', *arguments, **environment)
        answer = json.loads(done.out)
        found = answer['checks']
        assert done.err == '', done
        assert answer['problems'] == sum(c['level'] == 'problem' for c in found), done
        assert done.code == (client.FAILURE if answer['problems'] else client.OK), done
        assert all(c.get('fix') for c in found if c['level'] == 'problem'), done
        return found

    def wrong(self, *arguments, **environment):
        """[(level, check, text and fix)] of what is no `ok`; the absence of systemd is none of the test's business."""
        return [(c['level'], c['check'], f'{c["text"]} | {c.get("fix", "")}')
                for c in self.checks(*arguments, **environment)
                if c['level'] != 'ok' and c['check'] not in ('systemd', 'units')]


@pytest.fixture
def healthy(fake):
    return Healthy(fake)


def expect(found, *wanted):
    """@wanted: (level, check, words that stand in the text or the fix)."""
    assert [f[:2] for f in found] == [w[:2] for w in wanted], found
    for (_, _, text), (_, _, *words) in zip(found, wanted):
        assert all(word in text for word in words), (text, words)


def test_nothing_is_wrong(healthy):
    assert healthy.wrong() == []
    topics = list(dict.fromkeys(c['topic'] for c in healthy.checks()))
    assert topics == ['service', 'vault', 'sessions', 'configuration', 'environment', 'AWS files']
    done = healthy.run()
    assert done.code == client.OK and '0 problems' in done.out and 'user/alice' in done.out, done


def test_output_is_laid_out_for_a_terminal(healthy):
    healthy.vault = healthy.fake.write('vault-folder/vault', '', 0o644)
    healthy.more_status = {'notices': ['~/.aws/config, line 7: ' + 'a value that makes no sense ' * 8]}
    done = healthy.run(AWS_ACCESS_KEY_ID='x', AWS_PROFILE='nobody')
    assert done.code == client.FAILURE and '\x1b' not in done.out, done
    # what cannot be broken, such as a path, may stick out
    for line in done.out.split('\n'):
        assert len(line) <= 80 or not re.search(r'\S \S', line[11:80]), line
    t = healthy.fake.terminal('doctor', environment={**healthy.environment, 'AWS_ACCESS_KEY_ID': 'x'})
    assert t.until('fix: unset AWS_ACCESS_KEY_ID').wait() == client.FAILURE


def test_nobody_runs(healthy):
    healthy.stop('control', 'vault')
    found = healthy.wrong()
    expect(found, ('problem', 'mfad', 'does not run'), ('problem', 'mfad-signer', 'does not run', 'mfad-signer'))
    expect(healthy.wrong(XDG_RUNTIME_DIR=''), ('problem', 'mfad', 'XDG_RUNTIME_DIR'),
           ('problem', 'mfad-signer', 'XDG_RUNTIME_DIR'))


def test_mfad_that_does_not_answer(healthy):
    """It is started again and again, say: what it logs says why."""
    def unsaid(_):
        time.sleep(20)
        return {}

    healthy.fake.answers['Control.GetStatus'] = unsaid
    expect(healthy.wrong(), ('problem', 'mfad', 'does not answer', 'logged'), ('note', 'keys'))


def test_only_the_signer_is_missing(healthy):
    os.unlink(os.path.join(healthy.fake.sockets, 'vault'))
    expect(healthy.wrong(), ('problem', 'mfad-signer', 'does not run'))


def test_another_version(healthy):
    healthy.more_status = {'version': '0.0.1'}
    expect(healthy.wrong(), ('note', 'mfad', '0.0.1', 'restart'))


def test_folder_and_sockets_of_others(healthy):
    fake = healthy.fake
    os.chmod(os.path.join(fake.sockets, 'vault'), 0o666)
    expect(healthy.wrong(), ('problem', 'sockets', 'vault', 'restart'))
    os.chmod(fake.sockets, 0o755)
    found = healthy.wrong()
    assert ('problem', 'folder') in [f[:2] for f in found] and f'chmod 700 {fake.sockets}' in str(found), found


@pytest.mark.parametrize('content, mode, word', [
    (TOKEN, 0o644, 'others may read it'), (TOKEN + '\n', 0o600, 'no SDK could send'), ('', 0o600, 'no SDK could send'),
    (None, 0, 'No such file')])
def test_token_file(healthy, content, mode, word):
    path = os.path.join(healthy.fake.sockets, 'token')
    os.unlink(path)
    if content is not None:
        healthy.fake.write(path, content, mode)
    found = healthy.wrong(AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE=None)
    expect(found, ('problem', 'token', word, 'restart'))


def test_port_without_a_listener(healthy):
    healthy.fake.http.close()
    expect(healthy.wrong(), ('problem', 'port', 'nobody does'))


@contextlib.contextmanager
def strangers(port):
    """Listeners that were born under another uid, which the kernel notes as their owner."""
    os.seteuid(65534)
    try:
        listeners = [socket.create_server(('127.0.0.1', port)),
                     socket.create_server(('::1', port), family=socket.AF_INET6)]
    finally:
        os.seteuid(0)
    yield
    for listener in listeners:
        listener.close()


@pytest.mark.root
def test_port_of_another_user(healthy):
    healthy.fake.http.close()
    with strangers(healthy.fake.port):
        expect(healthy.wrong(), ('problem', 'port', '127.0.0.1', 'user 65534', 'mfad.conf(5)'),
               ('note', 'port', '[::1]', 'user 65534'))


@pytest.mark.root
def test_port_of_another_user_keeps_mfad_from_starting(healthy):
    healthy.stop('control')
    with strangers(healthy.fake.port):
        expect(healthy.wrong(), ('problem', 'mfad', 'does not run', 'mfad.conf(5)'),
               ('problem', 'port', '127.0.0.1', 'user 65534', 'cannot have it', 'mfad.conf(5)'),
               ('problem', 'port', '[::1]', 'user 65534', 'cannot have it', 'mfad.conf(5)'), ('note', 'keys'))
        done = healthy.fake.mfactl('status')
        assert done.code == client.NOT_RUNNING and 'run: mfactl doctor' in done.err, done
    assert 'mfactl doctor' not in healthy.fake.mfactl('status').err
    # the unit counts, not mfad.conf, where systemd is to hold the port
    healthy.configure('port = 4000')
    healthy.fake.write('shown', shown(listen=healthy.fake.port))
    healthy.tool('systemctl', f'/bin/cat {healthy.fake.home}/shown')
    with strangers(healthy.fake.port):
        assert 'user 65534' in str(healthy.wrong())


def test_port_of_another_program(healthy):
    healthy.stop('control')
    with socket.create_server(('127.0.0.1', healthy.fake.port)):
        expect(healthy.wrong(), ('problem', 'mfad', 'does not run'),
               ('problem', 'port', 'another program of yours', f':{healthy.fake.port}'), ('note', 'keys'))


def test_vault_that_others_may_read(healthy):
    os.chmod(healthy.vault, 0o640)
    expect(healthy.wrong(), ('problem', 'file', 'others', f'chmod 600 {healthy.vault}'))
    os.chmod(healthy.vault, 0o600)
    os.chmod(os.path.dirname(healthy.vault), 0o711)
    expect(healthy.wrong(), ('problem', 'file', 'others', f'chmod 700 {os.path.dirname(healthy.vault)}'))
    os.unlink(healthy.vault)
    expect(healthy.wrong(), ('problem', 'file', 'No such file'))


def test_vault_that_is_not_there_or_sealed_or_empty(healthy):
    healthy.fake.vault_state = 'none'
    expect(healthy.wrong(), ('problem', 'vault', 'mfactl init'))
    healthy.fake.vault_state = 'sealed'
    expect(healthy.wrong(), ('note', 'vault', 'sealed', 'mfactl unlock'))
    healthy.more_status = {'state': 'sealed', 'sessions': []}
    expect(healthy.wrong(), ('note', 'vault', 'sealed', 'mfactl unlock'), ('note', 'session', 'none'),
           ('note', 'clock', 'not known'))
    healthy.more_status = {}
    healthy.fake.vault_state = 'open'
    healthy.fake.keys.clear()
    expect(healthy.wrong(), ('problem', 'keys', 'empty', 'mfactl init'))


def test_memory_that_is_not_protected(healthy):
    healthy.more_status = healthy.more_vault = {'memory': 'plain'}
    expect(healthy.wrong(), ('problem', 'memory', 'RLIMIT_MEMLOCK'), ('problem', 'memory', 'RLIMIT_MEMLOCK'))


def test_command_that_others_could_have_written(healthy):
    fake = healthy.fake
    os.makedirs(os.path.join(fake.home, '.config/mfad'), 0o700)
    path = fake.write('.config/mfad/mfad.conf', '[mfad]\npassphrase_command = true\n')
    assert healthy.wrong() == []
    assert f'comes from the command in {path}' in [c['text'] for c in healthy.checks()]
    os.chmod(path, 0o620)
    expect(healthy.wrong(), ('problem', 'passphrase', 'is not run', f'chmod go-w {path}'))


def test_keys(healthy):
    fake = healthy.fake
    fake.keys['other'] = {'name': 'other', 'access_key_id': KEY_ID}
    fake.answers['Control.GetKeyIdentity'] = lambda p: (
        {'user_arn': 'arn:aws:iam::1:user/a'} if p['key'] == 'work' else
        FakeError('KeyRefused', message='AWS does not know this key'))
    expect(healthy.wrong(), ('problem', 'MFA', 'other', 'mfactl init'),
           ('problem', 'key', 'other: AWS does not know', 'mfactl key test'))
    # the serial may stand in the configuration instead
    fake.write('.aws/config', f'[profile other]\nmfa_serial = {SERIAL}\n')
    assert [f[1] for f in healthy.wrong()] == ['key']

    n = len(fake.called('Control.GetKeyIdentity'))
    expect(healthy.wrong('--offline'), ('note', 'keys', 'not asked'), ('note', 'clock', 'not known'))
    assert len(fake.called('Control.GetKeyIdentity')) == n
    # without a network one attempt is enough
    fake.answers['Control.GetKeyIdentity'] = FakeError('Unreachable', message='no way to AWS')
    fake.answers['Control.TestSession'] = fake.answers['Control.GetKeyIdentity']
    expect(healthy.wrong(), ('problem', 'key', 'no way to AWS'), ('note', 'session', 'no way to AWS'),
           ('note', 'clock', 'not known'))


@pytest.mark.parametrize('error, level, text', [
    ('KeyRefused', 'problem', 'does not take it'), ('WrongSecret', 'problem', 'does not take it'),
    ('Expired', 'problem', 'does not take it'), ('Denied', 'problem', 'does not take it'),
    ('Unreachable', 'note', 'could not be asked'), ('Throttled', 'note', 'could not be asked'),
    ('ServerError', 'note', 'could not be asked'), ('UnusableProfile', 'note', 'could not be asked'),
    ('OutcomeUnknown', 'note', 'could not be asked'), ('UnknownProfile', 'note', 'could not be asked')])
def test_session_that_aws_is_asked_about(healthy, error, level, text):
    healthy.fake.answers['Control.TestSession'] = FakeError(error, message='so it is')
    found = healthy.wrong()
    expect(found, (level, 'session', f'work: AWS {text}', 'so it is'))
    assert ('mfactl unlock' in found[0][2]) == (level == 'problem' and error != 'Denied'), found


def test_only_unlocked_sessions_are_asked_about(healthy):
    """Of two keys none may be the default one."""
    fake = healthy.fake
    healthy.more_status = {'state': 'unlocked', 'default_key': None, 'sessions': [
        {'key': 'locked', 'state': 'locked'}, {'key': 'other', 'state': 'expiring', 'seconds_left': 60}]}
    expect(healthy.wrong(), ('note', 'session', 'locked is locked'))
    assert fake.called('Control.TestSession') == [{'profile': 'other'}]
    healthy.more_status = {'state': 'locked', 'sessions': [{'key': 'work', 'state': 'locked'}]}
    healthy.wrong()
    assert len(fake.called('Control.TestSession')) == 1


def test_sessions_and_roles(healthy):
    since = '2026-11-22T08:00:00Z'
    failure = {'reason': 'denied', 'message': 'AWS refuses this role', 'at': since, 'since': since}
    healthy.more_status = {'state': 'locked', 'sessions': [{'key': 'work', 'state': 'locked'}]}
    expect(healthy.wrong(), ('note', 'session', 'locked', 'mfactl unlock'))
    healthy.more_status = {'state': 'locked', 'sessions': []}
    expect(healthy.wrong(), ('note', 'session', 'none', 'mfactl unlock'))
    healthy.more_status = {'state': 'locked', 'sessions': [{'key': 'work', 'state': 'locked', 'failure': failure}]}
    expect(healthy.wrong(), ('problem', 'session', 'work fails since', 'AWS refuses', 'mfactl unlock'))
    healthy.more_status = {'roles_failing': [{'name': 'admin', 'failure': failure}]}
    expect(healthy.wrong(), ('problem', 'role', 'admin fails since', 'AWS refuses', 'mfactl profiles'))


@pytest.mark.parametrize('offset, level', [(29, None), (-29, None), (30, 'note'), (-239, 'note'), (240, 'problem'),
                                           (-9999, 'problem')])
def test_clock(healthy, offset, level):
    healthy.more_status = {'clock_offset_seconds': offset}
    expect(healthy.wrong(), *([(level, 'clock', 'behind' if offset > 0 else 'ahead of', 'timedatectl')] if level else []))


def test_clock_as_it_is_known_in_the_end(healthy):
    """What AWS answers doctor teaches mfad its clock."""
    fake = healthy.fake
    usual = fake.answers['Control.GetStatus']
    fake.answers['Control.GetStatus'] = lambda p: {
        **usual(p), 'clock_offset_seconds': 1200 if fake.called('Control.TestSession') else 0}
    expect(healthy.wrong(), ('problem', 'clock', '1200 s behind', 'timedatectl'))


def test_configuration(healthy):
    healthy.more_status = {'notices': ['config, line 7: no sense']}
    healthy.fake.profiles += [profile(f'sso{i:02}', 'unusable', notice='it has sso_session') for i in range(10)]
    found = healthy.wrong()
    expect(found, ('note', 'config', 'line 7'), *[('note', 'profile', 'sso_session')] * 8,
           ('note', 'profile', '2 more', 'mfactl profiles'))


def test_environment_that_leads_elsewhere(healthy):
    port, address = healthy.fake.port, 'AWS_CONTAINER_CREDENTIALS_FULL_URI'
    for value, word in {f'http://127.0.0.1:{port + 1}/': f'port {port + 1}', f'http://localhost:{port}/': 'elsewhere',
                        f'https://127.0.0.1:{port}/': 'elsewhere', f'http://127.0.0.1:{port}': 'no path',
                        f'http://127.0.0.1:{port}x/': 'no path', 'http://127.0.0.1:/': 'port 0',
                        f'http://127.0.0.1:{port}/profile/gone': '/profile/gone'}.items():
        expect(healthy.wrong(**{address: value}), ('problem', address, word))
    assert healthy.wrong(**{address: f'http://127.0.0.1:{port}/profile/work'}) == []
    expect(healthy.wrong(**{address: None}), ('problem', 'way to mfad', 'mfactl env'))
    expect(healthy.wrong(AWS_EC2_METADATA_DISABLED=None), ('note', 'AWS_EC2_METADATA_DISABLED', 'mfactl env'))


def test_environment_with_another_token(healthy):
    token = 'AWS_CONTAINER_AUTHORIZATION_TOKEN'
    for stale in ('stale', TOKEN[:-1] + 'x', TOKEN + 'x'):
        expect(healthy.wrong(**{token: stale}), ('problem', token, 'mfactl env'))
        assert stale not in healthy.run(**{token: stale}).out.replace(TOKEN[:-1], '')
    assert healthy.wrong(**{token: None}) == [] and healthy.wrong(**{token + '_FILE': None}) == []
    expect(healthy.wrong(**{token: None, token + '_FILE': None}), ('problem', token, 'no token'))
    expect(healthy.wrong(**{token + '_FILE': '/etc/passwd'}), ('problem', "token's file", '/etc/passwd'))
    # another name for the same file is none
    os.symlink(healthy.fake.sockets, os.path.join(healthy.fake.home, 'link'))
    assert healthy.wrong(**{token + '_FILE': os.path.join(healthy.fake.home, 'link/token')}) == []


def test_variables_that_shadow(healthy):
    names = ['AWS_ACCESS_KEY_ID', 'AWS_SECRET_ACCESS_KEY', 'AWS_WEB_IDENTITY_TOKEN_FILE',
             'AWS_CONTAINER_CREDENTIALS_RELATIVE_URI']
    for name in names:
        expect(healthy.wrong(**{name: SECRET}), ('problem', 'variables', name, f'unset {name}'))
    expect(healthy.wrong(**dict.fromkeys(names, SECRET)),
           ('problem', 'variables', ', '.join(names), 'unset ' + ' '.join(names)))
    done = healthy.run(**dict.fromkeys(names, SECRET))
    assert SECRET not in done.out + done.err
    assert healthy.wrong(**dict.fromkeys(names, '')) == [] and healthy.wrong(AWS_ROLE_ARN='x') == []


def test_profile_that_shadows(healthy):
    healthy.fake.write('.aws/config', f'[profile role]\nrole_arn = arn:aws:iam::1:role/x\nsource_profile = work\n'
                       f'[profile region]\nregion = eu-west-1\n[profile ours]\ncredential_process = /usr/bin/mfactl creds\n'
                       f'[profile theirs]\ncredential_process = other\n')
    for variable in ('AWS_PROFILE', 'AWS_DEFAULT_PROFILE'):
        expect(healthy.wrong(**{variable: 'role'}), ('problem', variable, 'role', 'mfactl env --profile role'))
        expect(healthy.wrong(**{variable: 'gone'}), ('problem', variable, 'no profile gone'))
        expect(healthy.wrong(**{variable: 'region'}), ('note', variable, 'region'))
        expect(healthy.wrong(**{variable: 'theirs'}), ('note', variable, 'theirs'))
        assert healthy.wrong(**{variable: 'ours'}) == []
    # a way of its own: no address is needed
    assert healthy.wrong(AWS_PROFILE='ours', AWS_CONTAINER_CREDENTIALS_FULL_URI=None) == []
    done = healthy.run(AWS_PROFILE='$(id)')
    assert 'env --profile' not in done.out and 'no profile $(id)' in done.out, done


def test_proxies(healthy):
    for name in ('HTTPS_PROXY', 'https_proxy'):
        done = healthy.run(**{name: 'http://user:hidden@proxy:3128'})
        assert f'{name} is set' in done.out and 'hidden' not in done.out + done.err, done
        expect(healthy.wrong(**{name: 'http://proxy:3128'}), ('note', 'proxy', 'mfad.conf'))
    expect(healthy.wrong(http_proxy='http://proxy:1'), ('note', 'proxy', 'NO_PROXY', 'mfactl env'))
    assert healthy.wrong(http_proxy='http://proxy:1', NO_PROXY='localhost,127.0.0.1') == []
    assert healthy.wrong(http_proxy='http://proxy:1', no_proxy='*') == []
    os.makedirs(os.path.join(healthy.fake.home, '.config/mfad'))
    healthy.fake.write('.config/mfad/mfad.conf', '[mfad]\nproxy = http://proxy:3128\n')
    assert healthy.wrong(HTTPS_PROXY='http://proxy:3128') == []


def test_plain_keys(healthy):
    fake = healthy.fake
    fake.write('.aws/credentials', PLAIN)
    expect(healthy.wrong(), ('problem', '[default]', 'plain text', 'mfactl init'))
    assert not [c for c in healthy.checks() if c['check'] == 'plain keys']
    fake.write('.aws/credentials', PLAIN.replace('default', 'a'))
    expect(healthy.wrong(), ('note', 'plain keys', 'those of a', 'mfactl key import --remove-plain-keys'))
    expect(healthy.wrong(AWS_PROFILE='a'), ('problem', 'AWS_PROFILE', 'plain key of profile a'), ('note', 'plain keys'))
    path = fake.write('.aws/credentials', '[default\n')
    expect(healthy.wrong(), ('problem', 'files', 'line 1'))
    assert SECRET not in healthy.run().out
    os.unlink(path)
    os.mkdir(path)
    expect(healthy.wrong(), ('problem', 'files', f'cannot read {path}: Is a directory', 'make it a file'))


def test_other_files_than_mfad_reads(healthy):
    other = healthy.fake.write('other', '')
    expect(healthy.wrong(AWS_CONFIG_FILE=other), ('note', 'AWS_CONFIG_FILE', other, 'mfactl init'))


AWS_OLD, AWS_NEW = 'aws-cli/2.9.19 Python/3.11.2 Linux/6.1', 'aws-cli/2.15.0 Python/3.11.6'


@pytest.mark.parametrize('tool, said, is_new', [
    ('aws', AWS_OLD, False), ('aws', AWS_NEW, True), ('aws', 'aws-cli/2.38.1 Python/3.13', True),
    ('aws', 'aws-cli/1.29.1 Python/3.9 botocore/1.31.85', False), ('aws', 'aws-cli/1.30.0 Python/3.9 botocore/1.32.0', True),
    ('aws', 'aws-cli/3.0', True), ('python3', '1.29.27', False), ('python3', '1.32.0', True), ('python3', '2.0', True)])
def test_versions(healthy, tool, said, is_new):
    healthy.tool(tool, f'echo "{said}"')
    assert healthy.wrong() == []  # the token is in the environment as well
    found = healthy.wrong(AWS_CONTAINER_AUTHORIZATION_TOKEN=None)
    check = {'python3': 'botocore', 'aws': 'aws (botocore)' if '/1.' in said[:10] else 'aws'}[tool]
    expect(found, *([] if is_new else [('problem', check, 'needs the token', 'mfactl env')]))
    assert (check, 'ok' if is_new else 'note') in [
        (c['check'], c['level']) for c in healthy.checks(
            AWS_CONTAINER_AUTHORIZATION_TOKEN=None, AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE=None)]


@pytest.mark.parametrize('script', ['exit 1', 'kill -SEGV $$', 'while :; do echo yyyyyyyyyyyyyyyyyyyyyyy; done'])
def test_tools_that_do_not_work_are_passed_over(healthy, script):
    for name in ('aws', 'python3', 'systemctl'):
        healthy.tool(name, script)
    assert healthy.wrong() == []


def test_tools_see_neither_our_folder_nor_our_input(healthy):
    healthy.tool('aws', f'pwd > {healthy.fake.home}/seen; echo aws-cli/2.38.1')
    assert healthy.wrong() == []
    with open(os.path.join(healthy.fake.home, 'seen'), encoding='ascii') as f:
        assert f.read() == '/\n'


UNITS = ['mfad-signer.socket', 'mfad-signer.service', 'mfad.socket', 'mfad.service']


def shown(listen=9912, **changes):
    """What systemctl shows; @changes: {unit: (LoadState, ActiveState, UnitFileState, and what else there is)}, dots as
    underscores."""
    usual = {u: ('loaded', 'active', 'enabled' if 'socket' in u else 'static') for u in UNITS}
    usual['mfad.socket'] += (f'Listen=127.0.0.1:{listen} (Stream)', f'Listen=[::1]:{listen} (Stream)')
    usual.update({u: changes[key] for u in UNITS for key in [re.sub('[.-]', '_', u)] if key in changes})
    return '\n\n'.join('\n'.join([*more, f'Id={u}', f'LoadState={a}', f'ActiveState={b}', f'UnitFileState={c}'])
                       for u, (a, b, c, *more) in usual.items())


@pytest.mark.parametrize('changes, wanted', [
    ({}, []),
    ({'mfad_service': ('loaded', 'inactive', 'static')}, []),
    ({'mfad_service': ('loaded', 'failed', 'static')}, [('problem', 'mfad.service', 'journalctl --user')]),
    ({'mfad_service': ('loaded', 'activating', 'static', 'SubState=auto-restart', 'NRestarts=12')},
     [('problem', 'mfad.service', '12 times', 'journalctl --user -n 20 -u mfad.service')]),
    ({'mfad_signer_service': ('loaded', 'activating', 'static', 'SubState=start', 'NRestarts=1')},
     [('problem', 'mfad-signer.service', 'journalctl --user -n 20 -u mfad-signer.service')]),
    ({'mfad_service': ('loaded', 'activating', 'static', 'SubState=start', 'NRestarts=0')}, []),
    ({'mfad_service': ('loaded', 'active', 'static', 'SubState=running', 'NRestarts=1')}, []),
    ({'mfad_socket': ('loaded', 'failed', 'enabled')},
     [('problem', 'mfad.socket', 'reset-failed mfad.socket')]),
    ({'mfad_socket': ('loaded', 'inactive', 'disabled')},
     [('note', 'mfad.socket', 'disabled', 'enable --now')]),
    ({'mfad_signer_socket': ('loaded', 'active', 'disabled')},
     [('note', 'mfad-signer.socket', 'next login', 'enable --now')]),
    ({'mfad_socket': ('masked', 'inactive', 'masked')}, [('note', 'mfad.socket', 'masked')]),
    (dict.fromkeys(['mfad_socket', 'mfad_service', 'mfad_signer_socket', 'mfad_signer_service'],
                   ('not-found', 'inactive', '')),
     [('note', 'units', '4 of mfad', 'daemon-reload')])])
def test_units(healthy, changes, wanted):
    healthy.fake.write('shown', shown(**changes))
    healthy.tool('systemctl', f'/bin/cat {healthy.fake.home}/shown')
    found = [(c['level'], c['check'], f'{c["text"]} | {c.get("fix", "")}') for c in healthy.checks()
             if c['level'] != 'ok']
    expect(found, *wanted)


def test_units_that_would_start_it(healthy):
    """The same unit is a problem when mfad does not run."""
    healthy.fake.write('shown', shown(mfad_socket=('loaded', 'inactive', 'disabled')))
    healthy.tool('systemctl', f'/bin/cat {healthy.fake.home}/shown')
    os.unlink(os.path.join(healthy.fake.sockets, 'control'))
    assert ('problem', 'mfad.socket') in [f[:2] for f in healthy.wrong()]


def test_real_programs(unlocked):
    """With the environment of `mfactl env`, whatever SDKs this machine has."""
    found = json.loads(unlocked.mfactl('doctor', '--json', environment=unlocked.mfactl_env()).out)['checks']
    assert [c for c in found if c['level'] == 'problem'] == []
    assert {'mfad', 'mfad-signer', 'folder', 'port', 'token', 'file', 'memory', 'MFA', 'key', 'session', 'clock',
            'variables', 'AWS_CONTAINER_CREDENTIALS_FULL_URI'} <= {c['check'] for c in found if c['level'] == 'ok'}
    found = json.loads(unlocked.mfactl('doctor', '--json', '--offline').out)['checks']
    assert [c['check'] for c in found if c['level'] == 'problem'] == ['way to mfad']


def doctor(stack, *arguments):
    """{check: (level, text and fix)} of the real programs."""
    found = json.loads(stack.mfactl('doctor', '--json', *arguments, environment=stack.client_environment()).out)['checks']
    return {c['check']: (c['level'], f'{c["text"]} | {c.get("fix", "")}') for c in found}


def test_real_clock(open_stack):
    """Known from the first time on that doctor has AWS asked, and not before."""
    open_stack.simulator.options(clock_offset=1200)
    level, text = doctor(open_stack, '--offline')['clock']
    assert level == 'note' and 'not known' in text
    level, text = doctor(open_stack)['clock']
    assert level == 'problem' and re.search(r'\b1[12]\d\d s behind', text), text
    open_stack.simulator.options(clock_offset=0)
    assert doctor(open_stack)['clock'][0] == 'ok'


def test_real_clock_while_sealed(stack):
    stack.simulator.options(clock_offset=1200)
    level, text = doctor(stack)['clock']
    assert level == 'note' and 'not known' in text


def test_real_token_that_others_could_read(unlocked):
    """A restart mends it: what was in it counts as known to others."""
    path, token = unlocked.socket_path('token'), unlocked.token
    os.chmod(path, 0o644)
    done = unlocked.mfactl('env')
    assert done.code == client.NOT_RUNNING and done.out == '', done
    assert 'others may read it' in done.err and 'start' in done.err, done
    assert not unlocked.front.terminate()
    unlocked.front.start()
    wait_until(lambda: unlocked.get().status == 200, what='the session is back')
    assert unlocked.token != token and unlocked.get(token=token).status == 403
    assert 'counts as leaked' in unlocked.front.log() and os.stat(path).st_mode & 0o777 == 0o600
    assert unlocked.mfactl('env').code == client.OK


def test_real_session_that_may_do_little(unlocked):
    """The account denies it even to look at its user's own MFA devices."""
    unlocked.simulator.fault('access_denied', 'ListMFADevices', count=-1)
    found = json.loads(unlocked.mfactl('doctor', '--json', environment=unlocked.mfactl_env()).out)['checks']
    assert [c['level'] for c in found if 'iam:ListMFADevices' in c['text']] == ['note'], found
    unlocked.simulator.fault('expired_token', 'GetCallerIdentity', count=-1)
    found = json.loads(unlocked.mfactl('doctor', '--json', environment=unlocked.mfactl_env()).out)['checks']
    assert ['AWS does not take it' in c['text'] for c in found if c['level'] == 'problem' and c['check'] == 'session'] == [True], found
