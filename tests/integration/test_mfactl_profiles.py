"""mfactl profiles, refresh, status and key test: what they say of profiles and roles, to people and to scripts."""
import json
import os
import socket
import time

import pytest
from mfadtest import client
from mfadtest.fake import KEY_ID, FakeError, profile

FAILURE = {'reason': 'denied', 'message': 'AWS does not let you assume the role. See: mfactl profiles',
           'at': '2026-11-22T06:10:00Z', 'since': '2026-11-22T05:20:00Z'}
MANY = [profile('work', left=42000), profile('prod', 'role', left=3300), profile('idle', 'role'),
        profile('my odd/profile', 'role', left=100, state='expiring', notice='shortened to one hour ' * 8),
        profile('denied', 'role', state='failing', failure=FAILURE),
        profile('broken', 'unusable', notice='source_profile "nope" does not exist')]


def rows(text):
    """{name: the other columns} of the table."""
    lines = [line for line in text.splitlines() if line[:1].strip()]
    assert lines[0].split()[:5] == ['NAME', 'KIND', 'SOURCE', 'STATE', 'LEFT'], text
    at = lines[0].index('KIND')
    return {line[:at].strip(): line[at:] for line in lines[1:]}


# profiles

def test_profiles_in_a_pipe(fake):
    fake.profiles = MANY
    done = fake.mfactl('profiles', environment={'TZ': 'UTC'})
    assert done.code == client.OK and done.err == '', done
    table = rows(done.out)
    assert list(table) == sorted(p['name'] for p in MANY)
    assert table['prod'].split() == ['role', 'work', 'unlocked', '55', 'min', '/profile/prod']
    assert table['work'].split() == ['key', '-', 'unlocked', '11', 'h', '40', 'min', '/profile/work']
    assert table['my odd/profile'].split()[-1] == '/profile/my~20odd~2Fprofile'
    assert '    failing since 05:20, last try 06:10: AWS does not let you assume' in done.out
    assert '    source_profile "nope" does not exist\n' in done.out


@pytest.mark.parametrize('columns', [80, 60, 120, 200])
def test_profiles_fit_the_terminal(fake, columns):
    long = 'a-name-that-is-far-too-long-for-any-column-of-any-table.' * 2
    fake.profiles = MANY + [profile(long, 'role', source='a-source-that-is-not-short-either')]
    t = fake.terminal('profiles', columns=columns, environment={'TZ': 'UTC'})
    assert t.wait() == client.OK
    lines = t.screen.replace('\r', '').split('\n')
    assert long in ''.join(lines), t.screen
    assert not [line for line in lines if len(line) > columns and ' ' in line.strip()], t.screen
    assert any('my~20odd~2Fprofile' in line for line in lines), t.screen


def test_profiles_as_names_for_scripts(fake):
    fake.profiles = MANY + [profile('é'), profile('nasty\x1b[2J')]
    done = fake.mfactl('profiles', '--names', environment={'LANG': 'C'})
    assert done.out.split('\n')[:-1] == sorted([p['name'] for p in MANY] + ['é'])
    fake.profiles = []
    assert fake.mfactl('profiles', '--names').out == ''
    assert 'mfactl init' in fake.mfactl('profiles').out


def test_profiles_as_json(fake):
    fake.profiles = MANY
    done = fake.mfactl('profiles', '--json')
    assert json.loads(done.out) == {'profiles': sorted(MANY, key=lambda p: p['name'])}


@pytest.mark.parametrize('arguments', [[], ['--json'], ['--names']])
def test_a_thousand_profiles(fake, arguments):
    fake.profiles = [profile(f'team-{i:04}', 'role', notice='x' * 300) for i in range(1000)]
    done = fake.mfactl('profiles', *arguments)
    assert done.code == client.OK and all(f'team-{i:04}' in done.out for i in (0, 63, 64, 999)), done
    assert len(fake.called('Control.ListProfiles')) == 16
    assert done.sec < 10


@pytest.mark.parametrize('answer', [{}, {'profiles': [], 'is_last': False}, {'profiles': 7, 'is_last': True},
                                    {'profiles': [profile('x')], 'is_last': False}, {'profiles': [{}]}])
def test_a_list_without_end_or_sense_is_no_list(fake, answer):
    fake.answers['Control.ListProfiles'] = answer
    done = fake.mfactl('profiles')
    assert done.code == client.FAILURE and 'no end' in done.err, done


def test_nonsense_in_the_list_is_survived(fake):
    fake.answers['Control.ListProfiles'] = {'is_last': True, 'profiles': [
        {}, 1, None, {'name': '\x1b[2J\u202e', 'state': 7, 'failure': [], 'notice': '\x07'}]}
    done = fake.mfactl('profiles')
    assert done.code == client.OK and not set('\x1b\u202e\x07') & set(done.out), done


# refresh

def test_refresh_of_one(fake):
    fake.profiles = MANY
    done = fake.mfactl('refresh', 'prod')
    assert done.code == client.OK and 'prod until' in done.out and '1 h 0 min' in done.out, done
    assert fake.mfactl('refresh').code == client.FAILURE
    assert fake.called('Control.Refresh') == [{'profile': 'prod'}, {}]
    done = fake.mfactl('refresh', 'work')
    assert done.code == client.FAILURE and 'mfactl profiles' in done.err, done


def test_refresh_of_all_that_are_held(fake):
    fake.profiles = MANY
    done = fake.mfactl('refresh', '--all')
    assert done.code == client.OK and done.out.count('refreshed') == 2, done
    assert fake.called('Control.Refresh') == [{'profile': 'my odd/profile'}, {'profile': 'prod'}]
    fake.profiles = [profile('idle', 'role')]
    assert 'nothing to refresh' in fake.mfactl('refresh', '--all').out


def test_refresh_goes_on_and_ends_as_the_worst(fake):
    fake.profiles = [profile(n, 'role', left=60) for n in 'abcd']
    errors = {'a': 'Busy', 'b': 'Denied', 'c': 'Locked', 'd': None}

    def answer(parameters):
        error = errors[parameters['profile']]
        return FakeError(error, message='the reason') if error else {'profile': profile('d', 'role', left=3600)}

    fake.answers['Control.Refresh'] = answer
    done = fake.mfactl('refresh', '--all')
    assert done.code == client.AWS and done.out.count('refreshed') == 1, done
    assert [f'mfactl: {n}: the reason\n' in done.err for n in 'abcd'] == [True, True, True, False]


# status

def test_status_tells_of_roles_and_notices(fake):
    fake.answers['Control.GetStatus'] = fake.status(
        roles_held=3, roles_failing=[MANY[4]], clock_offset_seconds=-40,
        notices=['/home/alice/.aws/config, line 12: what it says makes no sense, and the old state is kept'])
    done = fake.mfactl('status', environment={'TZ': 'UTC'})
    for words in ('3 held, 1 failing', 'denied\n', 'failing since 05:20, last try 06:10: AWS does not',
                  'line 12: what', '40 s ahead of', 'next       eval "$(mfactl env)"'):
        assert words in done.out, (words, done)
    t = fake.terminal('status')
    assert t.wait() == client.OK
    assert max(len(line.rstrip('\r')) for line in t.screen.split('\n')) <= 80, t.screen
    document = json.loads(fake.mfactl('status', '--json').out)
    assert document['roles_held'] == 3 and document['roles_failing'][0]['name'] == 'denied'


def test_status_says_how_many_more_fail(fake):
    fake.answers['Control.GetStatus'] = fake.status(roles_failing=[MANY[4]] * 16, roles_failing_total=40)
    out = fake.mfactl('status').out
    assert '0 held, 40 failing\n' in out and out.count('denied\n') == 16 and 'and 24 more: mfactl profiles\n' in out
    fake.answers['Control.GetStatus'] = fake.status(roles_failing=[MANY[4]])
    assert ' more: ' not in fake.mfactl('status').out


@pytest.mark.parametrize('offset, words', [
    (-86400, '86400 s ahead of AWS\'s; mfad allows for it'),
    (864000, '864000 s behind AWS\'s; set it, that is too much to correct for')])
def test_status_says_how_wrong_the_clock_is(fake, offset, words):
    fake.answers['Control.GetStatus'] = fake.status(clock_offset_seconds=offset)
    assert words in ' '.join(fake.mfactl('status').out.split())


def test_status_names_the_default_profile_and_not_its_key(fake):
    fake.answers['Control.GetStatus'] = fake.status(default_key='work', default_profile='dev')
    assert f'http://127.0.0.1:{fake.port}/ as "dev"\n' in fake.mfactl('status').out


@pytest.mark.parametrize('status, following', [
    ({'state': 'locked', 'sessions': []}, 'mfactl unlock'), ({'state': 'sealed', 'vault': 'sealed'}, 'mfactl unlock'),
    ({'state': 'locked', 'vault': 'none', 'sessions': []}, 'mfactl init'),
    ({'state': 'locked', 'vault': 'unreachable', 'sessions': []}, 'mfad-signer'),
    ({'state': 'expiring'}, 'mfactl unlock'), ({'state': 'unlocking'}, '--watch'), ({}, 'eval')])
def test_status_tells_the_next_command(fake, status, following):
    fake.answers['Control.GetStatus'] = fake.status(**status)
    line = next(line for line in fake.mfactl('status').out.split('\n') if line.startswith('next'))
    assert following in line
    assert '--key' not in line


def test_status_does_not_repeat_what_is_done(fake):
    ours = {'AWS_CONTAINER_CREDENTIALS_FULL_URI': f'http://127.0.0.1:{fake.port}/', 'TZ': 'UTC'}
    out = fake.mfactl('status', environment=ours).out
    assert 'eval' not in out and ': mfactl unlock' in out


@pytest.mark.parametrize('command', ['status', 'profiles'])
def test_files_that_only_we_read_are_warned_of(fake, command):
    path = fake.write('elsewhere', '')
    for variable in ('AWS_CONFIG_FILE', 'AWS_SHARED_CREDENTIALS_FILE'):
        done = fake.mfactl(command, environment={variable: path})
        assert done.code == client.OK and f'{variable} names {path}' in done.err and 'mfactl init' in done.err, done
    os.symlink('../elsewhere', os.path.join(fake.aws, 'config'))
    assert fake.mfactl(command, environment={'AWS_CONFIG_FILE': path}).err == ''


# status --prompt

@pytest.mark.parametrize('left, segment', [(42000, 'aws 11h\n'), (7200, 'aws 2h\n'), (3599, 'aws 59m\n'),
                                           (1800, 'aws 30m\n'), (1799, 'aws 29m!\n'), (59, 'aws 59s!\n')])
def test_prompt_tells_what_is_left(fake, left, segment):
    sessions = [{'key': 'other', 'state': 'unlocked', 'seconds_left': 99999},
                {'key': 'work', 'state': 'unlocked', 'seconds_left': left}]
    fake.answers['Control.GetStatus'] = fake.status(sessions=sessions)
    done = fake.mfactl('status', '--prompt')
    assert (done.code, done.out, done.err) == (client.OK, segment, ''), done


def test_prompt_of_another_key_and_of_none(fake):
    fake.answers['Control.GetStatus'] = fake.status(
        default_key=None, sessions=[{'key': 'a', 'seconds_left': 60}, {'key': 'b', 'seconds_left': 7200}])
    assert fake.mfactl('status', '--prompt').out == 'aws 2h\n'
    for vault, segment in (('open', 'aws locked\n'), ('sealed', 'aws locked\n'), ('none', ''), ('unreachable', '')):
        fake.answers['Control.GetStatus'] = fake.status(vault=vault, sessions=[])
        done = fake.mfactl('status', '--prompt')
        assert (done.code, done.out, done.err) == (client.OK, segment, ''), done


def test_prompt_is_silent_whatever_is_wrong(fake):
    def silent(**environment):
        done = fake.mfactl('status', '--prompt', environment=environment)
        assert (done.code, done.out, done.err) == (client.OK, '', ''), done
        return done

    silent(SUDO_UID=str(os.getuid() + 1))
    silent(XDG_RUNTIME_DIR='/nonexistent')
    silent(XDG_RUNTIME_DIR='')
    fake.answers['Control.GetStatus'] = FakeError('Internal', message='x')
    silent()
    fake.answers['Control.GetStatus'] = {'sessions': 7, 'vault': []}
    silent()
    fake.answers['Control.GetStatus'] = lambda p: time.sleep(3) or {}
    assert silent().sec < 2


def test_prompt_does_not_wait_for_a_full_backlog(fake):
    path = os.path.join(fake.sockets, 'control')
    os.unlink(path)
    with socket.socket(socket.AF_UNIX) as listener, socket.socket(socket.AF_UNIX) as other:
        listener.bind(path)
        listener.listen(0)
        other.connect(path)
        done = fake.mfactl('status', '--prompt')
        assert (done.code, done.out, done.err) == (client.OK, '', '') and done.sec < 2, done


# key test

def test_key_test(fake):
    for name in ('home', 'work'):
        fake.keys[name] = {'name': name, 'access_key_id': KEY_ID}
    done = fake.mfactl('key', 'test')
    assert done.code == client.OK and done.out.count('user/alice') == 2, done
    assert fake.mfactl('key', 'test', 'home').out.split()[0] == 'home'
    assert fake.called('Control.GetKeyIdentity') == [{'key': 'home'}, {'key': 'work'}, {'key': 'home'}]
    fake.answers['Control.GetKeyIdentity'] = lambda p: {'user_arn': 'arn:x', 'account_id': '1'} \
        if p['key'] == 'work' else FakeError('KeyRefused', message='AWS does not know this key')
    done = fake.mfactl('key', 'test')
    assert done.code == client.AWS and 'home: AWS does not know' in done.err and 'arn:x' in done.out, done
    done = fake.mfactl('key', 'test', '--json')
    assert done.code == client.AWS and json.loads(done.out)['keys'] == [
        {'name': 'home', 'error': 'org.mfad.Control.KeyRefused', 'message': 'AWS does not know this key'},
        {'name': 'work', 'user_arn': 'arn:x', 'account_id': '1'}]


def test_key_test_opens_the_vault(fake):
    fake.vault_state = 'sealed'
    fake.keys['work'] = {'name': 'work', 'access_key_id': KEY_ID}
    done = fake.mfactl('key', 'test', passphrase=fake.passphrase)
    assert done.code == client.OK and 'user/alice' in done.out, done
