"""Role profiles: bought once, from the right source, with what the profile says; and when the files change."""
import concurrent.futures
import json
import re
import threading
import time

import boto3
import pytest
from mfadtest import client, web
from mfadtest.memory import Scan
from mfadtest.moved_clock import children, is_ended
from mfadtest.processes import wait_until
from mfadtest.seccomp import deny_memfd_secret
from mfadtest.stack import spelt

ACCOUNT = '123456789012'
POLICY = json.dumps({'Version': '2012-10-17', 'Statement': [{'Effect': 'Allow', 'Action': 's3:Get*', 'Resource': '*'}]})


def arn(name):
    return f'arn:aws:iam::{ACCOUNT}:role/{name}'


def role(name, source='default', **more):
    return {'role_arn': arn(name), 'source_profile': source, **more}


PROFILES = {'dev': role('Dev'), 'prod': role('Prod', 'dev')}


@pytest.fixture
def make_roles(make_stack):
    """make_roles(profiles, unlocked=True): a started stack with these role profiles."""
    def make(profiles, unlocked=True, **options):
        stack = make_stack(**options)
        stack.write_profiles(profiles)
        stack.start().open_vault()
        if unlocked:
            stack.unlock()
        return stack
    return make


@pytest.fixture
def stack(make_roles):
    return make_roles(PROFILES)


def assumed(stack):
    """[role's name, ...]: the AssumeRole calls, in order."""
    return [e['role'].rsplit('/', 1)[1] for e in stack.posts('AssumeRole')]


def who(stack, creds):
    """The ARN that these creds, as mfad serves them, belong to."""
    sts = boto3.client('sts', region_name='us-east-1', endpoint_url=stack.simulator.http_url,
                       aws_access_key_id=creds['AccessKeyId'], aws_secret_access_key=creds['SecretAccessKey'],
                       aws_session_token=creds['Token'])
    return sts.get_caller_identity()['Arn']


# buying

def test_a_role_is_bought_when_it_is_asked_for_and_only_once(stack):
    assert assumed(stack) == []
    creds = stack.get_profile('dev').json()
    assert who(stack, creds).startswith(f'arn:aws:sts::{ACCOUNT}:assumed-role/Dev/mfad-')
    assert creds['AccountId'] == ACCOUNT
    for _ in range(3):
        assert stack.get_profile('dev').json() == creds
    assert assumed(stack) == ['Dev']


def test_a_chain_is_bought_from_its_start(stack):
    creds = stack.get_profile('prod').json()
    assert who(stack, creds).split('/')[1] == 'Prod'
    assert [(e['role'], e['credential']) for e in stack.posts('AssumeRole')] == [
        (arn('Dev'), 'session'), (arn('Prod'), 'role')]
    assert stack.get_profile('dev').status == 200
    assert assumed(stack) == ['Dev', 'Prod']


def test_many_requests_for_a_cold_role_are_one_call(stack):
    stack.simulator.fault('delay', 'AssumeRole', sec=0.4)
    answers = web.get_many(stack.port, stack.token, 300, '/profile/dev')
    statuses = [a.status for a in answers]
    assert set(statuses) <= {200, 503} and statuses.count(200) >= 250, statuses
    assert {a.code for a in answers if a.status == 503} <= {'MfadPending'}
    assert len({a.json()['AccessKeyId'] for a in answers if a.status == 200}) == 1
    assert assumed(stack) == ['Dev']


def test_a_slow_sts_is_waited_for_no_longer_than_sdks_wait(stack):
    stack.simulator.fault('delay', 'AssumeRole', sec=2)
    answers = web.get_many(stack.port, stack.token, 100, '/profile/dev')
    assert {(a.status, a.code) for a in answers} == {(503, 'MfadPending')}
    assert min(a.sec for a in answers) >= 0.7
    wait_until(lambda: stack.get_profile('dev').status == 200)
    assert assumed(stack) == ['Dev']


def test_many_cold_roles_at_the_same_time_are_one_call_each(make_roles):
    names = [f'r{n}' for n in range(20)]
    stack = make_roles({name: role(name) for name in names})
    with concurrent.futures.ThreadPoolExecutor(40) as pool:
        answers = list(pool.map(lambda n: until_answered(stack, n), names * 4))
    assert {a.status for a in answers} == {200}
    assert sorted(assumed(stack)) == sorted(names)


def test_few_calls_are_under_way_at_a_time(make_roles):
    names = [f'r{n}' for n in range(30)]
    stack = make_roles({name: role(name) for name in names})
    stack.simulator.fault('delay', 'AssumeRole', count=-1, sec=0.3)
    seen, ended = [], threading.Event()

    def watch():
        while not ended.wait(0.01):
            seen.append(sum(not is_ended(pid) for pid in children(stack.front.pid)))

    thread = threading.Thread(target=watch)
    thread.start()
    crowd = web.Crowd(stack.port, stack.token, ['/profile/' + name for name in names])
    ended.set()
    thread.join()
    assert {a.status for a in crowd.answers} == {200}
    assert 4 <= max(seen) <= 8 and sorted(assumed(stack)) == sorted(names), max(seen)


def until_answered(stack, name):
    """What a client gets that tries again as long as it is told to, as they all do."""
    return wait_until(lambda: next((a for a in [stack.get_profile(name)] if a.status != 503), None), what=name)


def test_what_a_profile_says_reaches_aws(make_roles):
    stack = make_roles({'full': role('Full', external_id='shared-1234', duration_seconds='1800', region='eu-central-1',
                                     role_session_name='alice@example.com', mfad_session_policy=POLICY,
                                     mfad_policy_arns='arn:aws:iam::aws:policy/ReadOnlyAccess, arn:aws:iam::aws:policy/Two',
                                     mfad_session_tags='Team=red blue, cost-centre=42', mfad_transitive_tags='Team',
                                     mfad_source_identity='alice')})
    stack.simulator.options(request_id='plain')
    assert stack.get_profile('full').status == 200
    entry, = stack.posts('AssumeRole')
    assert (entry['outcome'], entry['region']) == ('ok', 'eu-central-1')
    said = {k: v for k, v in entry['params'].items() if k not in ('Action', 'Version', 'Policy')}
    assert json.loads(entry['params']['Policy']) == json.loads(POLICY)
    assert said == {
        'RoleArn': arn('Full'), 'RoleSessionName': 'alice@example.com', 'DurationSeconds': '1800',
        'ExternalId': 'shared-1234', 'SourceIdentity': 'alice', 'TransitiveTagKeys.member.1': 'Team',
        'PolicyArns.member.1.arn': 'arn:aws:iam::aws:policy/ReadOnlyAccess',
        'PolicyArns.member.2.arn': 'arn:aws:iam::aws:policy/Two',
        'Tags.member.1.Key': 'Team', 'Tags.member.1.Value': 'red blue',
        'Tags.member.2.Key': 'cost-centre', 'Tags.member.2.Value': '42'}


def test_transitive_tags_and_source_identity_are_handed_down(make_roles):
    stack = make_roles({'dev': role('Dev', mfad_session_tags='Team=red', mfad_transitive_tags='Team',
                                    mfad_source_identity='alice'),
                        'prod': role('Prod', 'dev'), 'again': role('Again', 'prod', mfad_session_tags='team=blue')})
    assert stack.get_profile('prod').status == 200
    assert stack.get_profile('again').status == 403  # AWS: it is inherited
    assert 'transitive' in stack.get_profile('again').json()['Message']


def test_any_role_by_its_arn(stack):
    path = '/role-arn/' + spelt(arn('team/Any'))
    creds = stack.get(path).json()
    assert who(stack, creds).split('/')[1] == 'Any'
    assert stack.get(path).json() == creds
    assert assumed(stack) == ['Any']
    for wrong in ('nonsense', 'arn~3Aaws', spelt('arn:aws:iam::1:user/x y'), ''):
        assert stack.get('/role-arn/' + wrong).status in (400, 404), wrong
    assert assumed(stack) == ['Any']


def test_refresh_buys_anew_at_once(stack):
    before = stack.get_profile('dev').json()
    done = stack.mfactl('refresh', 'dev')
    assert done.code == client.OK, done
    assert stack.get_profile('dev').json()['AccessKeyId'] != before['AccessKeyId']
    assert assumed(stack) == ['Dev', 'Dev']
    stack.simulator.fault('access_denied', 'AssumeRole')
    after = stack.get_profile('dev').json()
    assert stack.mfactl('refresh', 'dev').code == client.AWS
    assert stack.get_profile('dev').json() == after, 'a refresh that failed lost what was held'


def test_waiting_for_a_role_on_the_control_socket(stack):
    stack.simulator.fault('delay', 'AssumeRole', sec=1.5)
    done = stack.mfactl('creds', '--profile', 'dev')
    assert done.code == client.OK, done
    assert json.loads(done.out)['AccessKeyId'] == stack.get_profile('dev').json()['AccessKeyId']
    assert assumed(stack) == ['Dev']


# keys and sessions

def test_locked_unlocked_locked(make_roles):
    stack = make_roles(PROFILES, unlocked=False)
    assert (stack.get_profile('prod').status, stack.get_profile('prod').code) == (403, 'MfadLocked')
    assert stack.profiles()['prod']['state'] == 'locked'
    stack.unlock()
    assert stack.profiles()['prod']['state'] == 'idle'
    assert stack.get_profile('prod').status == 200
    profile = stack.profiles()['prod']
    assert (profile['kind'], profile['state'], profile['source']) == ('role', 'unlocked', 'dev')
    assert profile['path'] == '/profile/prod' and 3500 < profile['seconds_left'] <= 3600
    assert stack.status()['roles_held'] == 2
    assert stack.mfactl('lock').code == client.OK
    assert stack.get_profile('prod').code == 'MfadLocked'
    assert stack.status()['roles_held'] == 0


def test_unlock_by_a_role_profile_opens_the_key_of_its_chain(make_roles):
    stack = make_roles(PROFILES, unlocked=False)
    assert stack.unlock(key='prod')['key'] == 'default'
    assert stack.get_profile('dev').status == 200


def test_a_longer_duration_is_shortened_with_a_notice(make_roles):
    stack = make_roles({'long': role('Long', duration_seconds='14400')})
    assert stack.get_profile('long').status == 200
    assert stack.posts('AssumeRole')[0]['duration'] == '3600'
    notice = stack.profiles()['long']['notice']
    assert 'duration_seconds' in notice, notice
    done = stack.mfactl('profiles')
    assert done.code == client.OK and 'duration_seconds' in done.out, done


def test_direct_mfa_is_one_long_call_with_the_code(make_roles):
    stack = make_roles({'direct': role('Direct', duration_seconds='43200', mfad_direct_mfa='true', external_id='abc'),
                        'behind': role('Behind', 'direct')}, unlocked=False)
    assert stack.get_profile('direct').code == 'MfadLocked'
    done = stack.mfactl('unlock', '--key', 'direct', '--code-stdin', stdin=stack.simulator.fresh_code() + '\n')
    assert done.code == client.OK, done
    entry, = stack.posts('AssumeRole')
    assert (entry['credential'], entry['duration'], entry['serial']) == ('long-term', '43200', stack.simulator.serial())
    assert entry['code'] and entry['params']['ExternalId'] == 'abc'
    assert stack.posts('GetSessionToken') == []
    assert who(stack, stack.get_profile('direct').json()).split('/')[1] == 'Direct'
    profile = stack.profiles()['direct']
    assert (profile['kind'], profile['state']) == ('direct', 'unlocked') and profile['seconds_left'] > 43000
    # a role behind it is bought with its credentials; the key's own session stays locked
    assert who(stack, stack.get_profile('behind').json()).split('/')[1] == 'Behind'
    assert stack.posts('AssumeRole')[-1]['credential'] == 'role'
    assert stack.get('/').code == 'MfadLocked'


def test_a_code_of_a_direct_role_is_never_sent_twice(make_roles):
    stack = make_roles({'direct': role('Direct', mfad_direct_mfa='true')}, unlocked=False)
    code = stack.simulator.fresh_code()
    stack.unlock(code, key='direct')
    # one device, one memory of codes, whatever they were for
    assert stack.unlock_error(code).name == 'CodeUsed'
    stack.simulator.fault('500', 'AssumeRole', count=-1)
    stack.simulator.options(clock_offset=30)
    assert stack.unlock_error(stack.simulator.totp(), key='direct').name in ('OutcomeUnknown', 'ServerError')
    assert assumed(stack) == ['Direct', 'Direct']
    assert stack.get_profile('direct').status == 200, 'the old credentials were lost'


def test_the_service_manager_hears_how_many_roles_there_are(stack):
    def said():
        stack.front.read_notify()
        return stack.front.status

    for name, roles in (('dev', '1 role'), ('prod', '2 roles')):
        assert stack.get_profile(name).status == 200
        wait_until(lambda text=roles: re.fullmatch(rf'unlocked until \d\d:\d\d, {text}', said()), what=roles)
    assert stack.mfactl('lock').code == client.OK
    wait_until(lambda: said() == 'locked', what='the lock')


# files that change

def wait_for(stack, condition, what):
    return wait_until(lambda: condition(stack.profiles()), 5, what)


def test_a_role_that_is_changed_is_bought_anew(stack):
    stack.get_profile('dev')
    stack.write_profiles({**PROFILES, 'dev': role('Other')})
    wait_for(stack, lambda p: p['dev']['role_arn'] == arn('Other'), 'the new file is read')
    assert who(stack, stack.get_profile('dev').json()).split('/')[1] == 'Other'
    assert assumed(stack) == ['Dev', 'Other']


@pytest.mark.parametrize('restarts', [False, True])
def test_a_direct_role_that_is_changed_needs_another_code(make_roles, restarts):
    stack = make_roles({'direct': role('Direct', mfad_direct_mfa='true')}, unlocked=False)
    code = stack.simulator.fresh_code()
    stack.unlock(code, key='direct')
    before = stack.get_profile('direct').json()
    if restarts:
        stack.front.terminate()
    else:
        stack.write_profiles({'direct': role('Direct', mfad_direct_mfa='true'), 'new': role('New')})
        wait_for(stack, lambda p: 'new' in p, 'the new file is read')
        assert stack.get_profile('direct').json() == before, 'a change elsewhere costs no code'
    stack.write_profiles({'direct': role('Other', mfad_direct_mfa='true')})
    if restarts:
        stack.front.start()
    else:
        wait_for(stack, lambda p: p['direct']['role_arn'] == arn('Other'), 'the new file is read')
    assert stack.get_profile('direct').code == 'MfadLocked'
    assert stack.unlock_error(code, key='direct').name == 'CodeUsed', 'it has bought something else'
    stack.simulator.options(clock_offset=30)
    stack.unlock(stack.simulator.totp(), key='direct')
    assert who(stack, stack.get_profile('direct').json()).split('/')[1] == 'Other'


def test_a_direct_role_comes_back_after_a_restart(make_roles):
    stack = make_roles({'direct': role('Direct', mfad_direct_mfa='true')}, unlocked=False)
    stack.unlock(key='direct')
    before = stack.get_profile('direct').json()
    stack.front.terminate()
    stack.front.start()
    assert stack.get_profile('direct').json() == before


def test_a_change_elsewhere_in_the_file_keeps_what_is_held(stack):
    before = stack.get_profile('dev').json()
    stack.write_profiles({**PROFILES, 'new': role('New')})
    wait_for(stack, lambda p: 'new' in p, 'the new file is read')
    assert stack.get_profile('dev').json() == before
    assert stack.get_profile('new').status == 200
    assert assumed(stack) == ['Dev', 'New']


def test_a_role_that_is_removed_is_unknown(stack):
    assert stack.get_profile('prod').status == 200
    stack.write_profiles({'dev': PROFILES['dev']})
    wait_for(stack, lambda p: 'prod' not in p, 'the new file is read')
    answer = stack.get_profile('prod')
    assert (answer.status, answer.code) == (400, 'MfadUnknownProfile')
    # and it is not bought again behind anybody's back
    wait_until(lambda: stack.status()['roles_held'] == 1, what='its credentials are dropped')
    assert stack.get_profile('dev').status == 200


def test_a_broken_file_keeps_the_old_state_and_says_where(stack):
    before = stack.get_profile('dev').json()
    path = stack.write('.aws/config', stack.read('.aws/config') + '[profile broken\nrole_arn = x\n')
    line = stack.read('.aws/config').split('\n').index('[profile broken') + 1
    notices = wait_until(lambda: stack.status()['notices'], 5, 'the file is read')
    assert any(path in notice and f'line {line}' in notice for notice in notices), notices
    assert stack.get_profile('dev').json() == before and stack.get_profile('prod').status == 200
    assert path in stack.mfactl('status').out.replace('\n', '')
    stack.write_profiles(PROFILES)
    wait_until(lambda: not stack.status()['notices'], 5, 'the file is read again')
    assert stack.get_profile('dev').json() == before


def test_a_file_that_is_written_in_place_is_noticed_too(stack):
    stack.get_profile('dev')
    stack.write('.aws/config', stack.read('.aws/config').replace(arn('Dev'), arn('Else')))
    wait_for(stack, lambda p: p['dev']['role_arn'] == arn('Else'), 'the new file is read')
    assert who(stack, stack.get_profile('dev').json()).split('/')[1] == 'Else'


# profiles that cannot work

UNUSABLE = {
    'cycle-a': (role('A', 'cycle-b'), ['cycle-a', 'cycle-b']),
    'cycle-b': (role('B', 'cycle-a'), ['cycle-a', 'cycle-b']),
    'self': (role('S', 'self'), ['self']),
    'behind-a-cycle': (role('C', 'cycle-a'), ['cycle-a', 'cycle-b']),
    'no-source': ({'role_arn': arn('N')}, ['source_profile']),
    'wrong-source': (role('W', 'nobody'), ['nobody']),
    'environment': ({'role_arn': arn('E'), 'credential_source': 'Environment'}, ['Environment']),
    'instance': ({'role_arn': arn('I'), 'credential_source': 'Ec2InstanceMetadata'}, ['Ec2InstanceMetadata']),
    'container': ({'role_arn': arn('K'), 'credential_source': 'EcsContainer'}, ['EcsContainer']),
    'bad-arn': ({'role_arn': 'no-arn', 'source_profile': 'default'}, ['role_arn']),
    'bad-duration': (role('D', duration_seconds='soon'), ['duration_seconds']),
    'bad-policy': (role('P', mfad_session_policy='{"Statement"'), ['mfad_session_policy']),
    'bad-tags': (role('T', mfad_session_tags='Team'), ['mfad_session_tags']),
    'bad-name': (role('M', role_session_name='a b'), ['role_session_name']),
    'bad-fips': (role('F', use_fips_endpoint='true', endpoint_url='https://sts.example'), ['FIPS']),
    'on-bad-fips': (role('O', 'bad-fips'), ['its source "bad-fips"', 'FIPS']),
}


def test_each_profile_that_cannot_work_says_why(make_roles):
    stack = make_roles({**{name: settings for name, (settings, _) in UNUSABLE.items()}, 'good': role('Good')})
    listed, wrong = stack.profiles(), {}
    for name, (_, words) in UNUSABLE.items():
        answer = stack.get_profile(name)
        message = answer.json()['Message']
        if (answer.status, answer.code) != (400, 'MfadUnusableProfile') or any(w not in message for w in words) or \
                listed[name]['kind'] != 'unusable' or any(w not in listed[name]['notice'] for w in words):
            wrong[name] = (answer, listed[name]['kind'], listed[name]['notice'])
    assert wrong == {}
    assert assumed(stack) == []
    assert stack.get_profile('good').status == 200
    done = stack.mfactl('creds', '--profile', 'cycle-a')
    assert done.code == client.FAILURE and 'cycle-b' in done.err, done


def test_names_with_odd_characters_have_a_stable_spelling(make_roles):
    names = ['a b/c', 'Zürich', '..', '.hidden', 'x..y', '~tilde', '100%', "it's", 'ünï/../etc']
    stack = make_roles({name: role(f'R{n}') for n, name in enumerate(names)})
    listed = stack.profiles()
    for n, name in enumerate(names):
        assert listed[name]['path'] == '/profile/' + spelt(name)
        assert who(stack, stack.get(listed[name]['path']).json()).split('/')[1] == f'R{n}'
    # what is spelt otherwise than we do is no second name of it
    for path in ('/profile/a~20b~2fc', '/profile/~61~20b~2Fc', '/profile/a~20b~2Fc~00', '/profile/~', '/profile/~4'):
        assert stack.get(path).status in (400, 404), path


# secrets

@pytest.mark.root
@pytest.mark.sanitizers_no
def test_lock_forgets_the_roles_too(make_stack):
    stack = make_stack()
    stack.front = stack.program(stack.build.front, deny_memfd_secret)
    stack.write_profiles(PROFILES)
    stack.start().open_vault()
    stack.unlock()
    creds = stack.get_profile('prod').json()
    source = stack.get_profile('dev').json()
    secrets = {'secret': creds['SecretAccessKey'], 'token': creds['Token'], 'token of the source': source['Token']}
    found = Scan(stack.front.pid, secrets).found
    assert set(found) == set(secrets), f'positive control: {found}'
    assert stack.mfactl('lock').code == client.OK
    assert Scan(stack.front.pid, secrets).found == {}


@pytest.mark.root
@pytest.mark.sanitizers_no
def test_old_credentials_are_wiped_when_new_ones_are_bought(make_stack):
    stack = make_stack()
    stack.front = stack.program(stack.build.front, deny_memfd_secret)
    stack.write_profiles(PROFILES)
    stack.start().open_vault()
    stack.unlock()
    old = stack.get_profile('dev').json()
    assert stack.mfactl('refresh', 'dev').code == client.OK
    stack.get_profile('dev')
    secrets = {'secret': old['SecretAccessKey'], 'token': old['Token']}
    wait_until(lambda: Scan(stack.front.pid, secrets).found == {}, 7, 'the old credentials are wiped')


def test_no_role_is_bought_from_a_session_that_has_ended(make_roles):
    stack = make_roles(PROFILES, unlocked=False)
    stack.simulator.options(credential_life_sec=62)
    stack.unlock()
    time.sleep(3)  # below a minute it counts as over
    assert stack.get_profile('dev').status == 403
    assert assumed(stack) == []
