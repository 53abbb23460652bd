"""STS down, slow, refusing or rubbish while roles are in use: who has credentials never notices, everybody
else hears why, and mfad finds back by itself. Hours pass by leaps of the clock (moved_clock.c)."""
import calendar
import threading
import time

import pytest
from mfadtest import client, web
from mfadtest.moved_clock import MovedClock, settle
from mfadtest.processes import wait_until
from mfadtest.wire import Wire
from test_roles import PROFILES, arn, assumed, role

# kind of fault, with its fields: the reason, and what a client without credentials gets
ENDPOINT_TROUBLE = {
    '500': ({}, 'server_error', 400, 'MfadUpstreamError'),
    '503': ({}, 'server_error', 400, 'MfadUpstreamError'),
    'throttle': ({}, 'throttled', 400, 'MfadUpstreamBusy'),
    'throttle503': ({}, 'throttled', 400, 'MfadUpstreamBusy'),
    '429': ({}, 'throttled', 400, 'MfadUpstreamBusy'),
    'html': ({}, 'bad_answer', 400, 'MfadUpstreamBadAnswer'),
    'garbage': ({}, 'bad_answer', 400, 'MfadUpstreamBadAnswer'),
    'missing_field': ({}, 'bad_answer', 400, 'MfadUpstreamBadAnswer'),
    'redirect': ({}, 'bad_answer', 400, 'MfadUpstreamBadAnswer'),
    'bad_expiration': ({}, 'bad_answer', 400, 'MfadUpstreamBadAnswer'),
    'reset': ({}, 'outcome_unknown', 400, 'MfadUpstreamUnreachable'),
    'close': ({}, 'outcome_unknown', 400, 'MfadUpstreamUnreachable'),
}
REFUSALS = {
    'access_denied': ({}, 'denied', 403, 'MfadDenied'),
    'region_disabled': ({}, 'region_disabled', 403, 'MfadRegionDisabled'),
    'invalid_token': ({}, 'key_refused', 403, 'MfadKeyRefused'),
    'expired_token': ({}, 'expired', 403, 'MfadMfaRequired'),
    'packed': ({'kind': 'error', 'status': 400, 'code': 'PackedPolicyTooLarge', 'message': 'Packed policy consumes 112% '
                'of allotted space, please use smaller policy.'}, 'bad_policy', 403, 'MfadBadPolicy'),
    'malformed': ({'kind': 'error', 'status': 400, 'code': 'MalformedPolicyDocument',
                   'message': 'Syntax errors in policy.'}, 'bad_policy', 403, 'MfadBadPolicy'),
    'duration': ({'kind': 'error', 'status': 400, 'code': 'ValidationError', 'message': 'The requested DurationSeconds '
                  'exceeds the MaxSessionDuration set for this role.'}, 'duration', 403, 'MfadDuration'),
    'signature': ({'kind': 'error', 'status': 403, 'code': 'SignatureDoesNotMatch', 'message': 'The request signature '
                   'we calculated does not match the signature you provided.'}, 'wrong_secret', 403, 'MfadWrongSecret'),
}
TROUBLE = {**ENDPOINT_TROUBLE, **REFUSALS}
# what the user reads, by reason
WORDS = {'server_error': 'trouble', 'throttled': 'fewer requests', 'bad_answer': 'not AWS', 'outcome_unknown': 'no result',
         'unreachable': 'cannot be reached', 'denied': 'trust policy', 'region_disabled': 'region',
         'key_refused': 'access key', 'expired': 'mfactl unlock', 'bad_policy': 'mfad_session_policy',
         'duration': 'duration_seconds', 'wrong_secret': 'signature'}
MINUTE = 60


class Patient:
    """A stack whose clock leaps, and the way from it to AWS."""

    def __init__(self, stack, clock, wire):
        self.stack, self.clock, self.wire, self.simulator = stack, clock, wire, stack.simulator

    def begin(self, kind):
        """@kind of TROUBLE lasts until end()."""
        more = TROUBLE[kind][0]
        self.simulator.fault(**{'kind': kind, 'action': 'AssumeRole', 'count': -1, **more})

    def end(self):
        self.simulator.reset(keep=True)

    def leap(self, sec):
        self.clock.leap(sec)
        settle(self.stack)

    def left_sec(self, name='dev'):
        stamp = self.stack.get_profile(name).json()['Expiration']
        return calendar.timegm(time.strptime(stamp, '%Y-%m-%dT%H:%M:%SZ')) - self.clock.now()

    def failing(self):
        """{profile: Failure} of the roles that GetStatus says are failing."""
        return {p['name']: p['failure'] for p in self.stack.status()['roles_failing']}

    def calls(self):
        return len(self.stack.posts('AssumeRole'))

    def seconds_until_bought(self, name, limit_sec, step_sec=5):
        """Leaps until new credentials are there, which somebody asks for all the time."""
        before = self.stack.get_profile(name)
        for passed in range(0, limit_sec + 1, step_sec):
            answer = self.stack.get_profile(name)
            if answer.status == 200 and (before.status != 200 or answer.body != before.body):
                return passed
            self.leap(step_sec)
        raise AssertionError(f'no new credentials within {limit_sec} s: {answer}')


@pytest.fixture
def make_patient(make_stack, build):
    wires = []

    def make(profiles=PROFILES, **unlock):
        stack = make_stack(use_https=False)
        wires.append(Wire(stack.simulator.ports['http']))
        stack.first_config = stack.first_config.replace(stack.simulator.http_url, wires[-1].url)
        stack.write_profiles(profiles)
        clock = MovedClock(build, stack.folder)
        stack.simulator.options(clock_file=clock.path)
        clock.drive(stack)
        stack.start().open_vault()
        stack.unlock(**unlock)
        return Patient(stack, clock, wires[-1])

    yield make
    for wire in wires:
        wire.down()


@pytest.fixture
def patient(make_patient):
    return make_patient()


# with credentials

@pytest.mark.parametrize('kind', ['500', 'throttle', 'html', 'garbage', 'close', 'access_denied', 'expired_token',
                                  'signature'])
def test_who_has_credentials_does_not_notice(patient, kind):
    reason = TROUBLE[kind][1]
    held = patient.stack.get_profile('dev').json()
    patient.begin(kind)
    since = patient.clock.now() + 31 * MINUTE
    patient.leap(31 * MINUTE)   # due now
    assert patient.calls() >= 2
    while patient.left_sec() > 70:
        assert patient.stack.get_profile('dev').json() == held
        patient.leap(MINUTE if patient.left_sec() > 2 * MINUTE else 5)
    failure = patient.failing()['dev']
    assert failure['reason'] == reason
    begun = calendar.timegm(time.strptime(failure['since'], '%Y-%m-%dT%H:%M:%SZ'))
    assert abs(begun - since) < 4 * MINUTE and failure['at'] > failure['since'], failure
    assert WORDS[reason] in failure['message'], failure
    assert patient.stack.profiles()['dev']['state'] in ('unlocked', 'expiring')
    said = patient.stack.mfactl('status')
    assert said.code == client.OK and 'dev' in said.out, said
    assert 2 + 20 <= patient.calls() <= 34, 'about one attempt a minute'
    patient.end()
    assert patient.seconds_until_bought('dev', MINUTE) <= MINUTE
    assert patient.failing() == {}


def test_an_hour_without_network(make_patient):
    patient = make_patient({**PROFILES, 'other': role('Other', region='eu-central-1')})
    for name in ('dev', 'prod', 'other'):
        assert patient.stack.get_profile(name).status == 200
    patient.leap(MINUTE)
    patient.wire.down()
    ended = set()
    for _ in range(360):
        patient.leap(10)
        assert patient.stack.get('/').status == 200
        for name in ('dev', 'prod', 'other'):
            answer = patient.stack.get_profile(name)
            if answer.status != 200:
                ended.add(name)
                assert (answer.status, answer.code) == (400, 'MfadUpstreamUnreachable'), answer
    assert ended == {'dev', 'prod', 'other'}, 'their hour is over'
    assert {f['reason'] for f in patient.failing().values()} == {'unreachable'}
    assert all(WORDS['unreachable'] in f['message'] for f in patient.failing().values())
    status = patient.stack.mfactl('status').out
    assert 'reached' in status and 'dev' in status, status
    patient.wire.up()
    assert patient.seconds_until_bought('dev', MINUTE) <= MINUTE
    assert patient.stack.get_profile('prod').status == 200 and patient.stack.get_profile('other').status == 200
    assert patient.failing() == {}


def test_an_outage_that_ends_in_time_is_not_seen_at_all(patient):
    before = patient.stack.get_profile('dev').json()
    patient.leap(20 * MINUTE)
    patient.wire.down()
    for _ in range(25 * 6):
        patient.leap(10)
        assert patient.stack.get_profile('dev').json() == before
    assert patient.failing()['dev']['reason'] == 'unreachable'
    patient.wire.up()
    for _ in range(6):
        patient.leap(10)
    assert patient.left_sec() > 55 * MINUTE
    assert assumed(patient.stack) == ['Dev', 'Dev']


def test_one_role_refused_does_not_disturb_the_others(make_patient):
    patient = make_patient({'dev': role('Dev'), 'bad': role('Bad')})
    patient.stack.get_profile('dev')
    patient.simulator.fault('access_denied', 'AssumeRole', count=-1, role=arn('Bad'))
    assert patient.stack.get_profile('bad').status == 403
    for _ in range(45):
        patient.leap(MINUTE)
        assert patient.stack.get_profile('dev').status == 200
    assert patient.left_sec() > 25 * MINUTE
    assert list(patient.failing()) == ['bad']


def test_a_key_that_is_switched_off_and_on_again(patient):
    key = patient.simulator.key()['id']
    held = patient.stack.get_profile('dev').json()
    patient.simulator.set_active(key, False)
    patient.leap(35 * MINUTE)
    assert patient.stack.get_profile('dev').json() == held
    assert patient.failing()['dev']['reason'] == 'key_refused'
    patient.simulator.set_active(key, True)
    assert patient.seconds_until_bought('dev', MINUTE) <= MINUTE


def test_a_session_that_ends_while_roles_live_and_the_next_code(make_patient):
    patient = make_patient(duration_seconds=3600)
    patient.leap(31 * MINUTE)
    held = patient.stack.get_profile('dev').json()
    patient.leap(35 * MINUTE)
    assert patient.stack.get('/').status == 403
    assert patient.stack.get_profile('dev').json() == held
    assert len(assumed(patient.stack)) == 1
    patient.stack.unlock()
    patient.leap(1)
    assert assumed(patient.stack) == ['Dev', 'Dev'], 'it waits for somebody to ask'
    assert patient.left_sec() > 55 * MINUTE


# without credentials

@pytest.mark.parametrize('kind', TROUBLE)
def test_who_has_none_hears_why(patient, kind):
    _, reason, status, code = TROUBLE[kind]
    patient.begin(kind)
    answer = patient.stack.get_profile('dev')
    assert (answer.status, answer.code) == (status, code), answer
    assert WORDS[reason] in answer.json()['Message'], answer
    profile = patient.stack.profiles()['dev']
    assert (profile['state'], profile['failure']['reason']) == ('failing', reason)
    done = patient.stack.mfactl('creds', '--profile', 'dev')
    assert done.code == (client.LOCKED if reason == 'expired' else client.AWS), done
    assert ('mfactl unlock' in done.err) == (reason == 'expired'), 'no code helps'
    patient.end()
    assert patient.seconds_until_bought('dev', MINUTE) <= MINUTE


@pytest.mark.parametrize('kind', ['access_denied', 'duration', 'region_disabled'])
def test_a_refusal_is_remembered_for_a_minute(patient, kind):
    patient.begin(kind)
    for _ in range(5):
        for _ in range(20):
            assert patient.stack.get_profile('dev').status == 403
        assert patient.calls() == 1
        patient.leap(10)
    patient.leap(11)
    assert patient.stack.get_profile('dev').status == 403
    assert patient.calls() == 2


def test_throttled_all_roles_of_the_endpoint_hold_back(make_patient):
    names = [f'r{n}' for n in range(30)]
    patient = make_patient({name: role(name) for name in names})
    patient.begin('throttle')
    assert patient.stack.get_profile(names[0]).code == 'MfadUpstreamBusy'
    before = patient.calls()
    for _ in range(60):
        patient.leap(5)
        for name in names:
            answer = patient.stack.get_profile(name)
            assert (answer.status, answer.code) == (400, 'MfadUpstreamBusy'), answer
    # five minutes, one try in half a minute at the end
    assert 8 <= patient.calls() - before <= 20
    patient.end()
    for _ in range(12):
        patient.leap(5)
        for name in names:
            patient.stack.get_profile(name)
    assert {patient.stack.get_profile(name).status for name in names} == {200}
    assert len(assumed(patient.stack)) == len(names)


def test_one_role_tries_the_way_for_all_of_them(make_patient):
    names = [f'r{n}' for n in range(12)]
    patient = make_patient({name: role(name) for name in names})
    patient.wire.down()
    assert patient.stack.get_profile(names[0]).code == 'MfadUpstreamUnreachable'
    patient.wire.up()
    patient.simulator.fault('delay', 'AssumeRole', sec=0.4)
    patient.leap(31)
    crowd, alone = [], []
    thread = threading.Thread(target=lambda: crowd.append(web.Crowd(
        patient.stack.port, patient.stack.token, ['/profile/' + name for name in names])))
    thread.start()
    for _ in range(10):
        time.sleep(0.03)
        alone.append(patient.calls())
    thread.join()
    assert max(alone) == 1, 'others did not wait for the one that tries'
    assert [a.status for a in crowd[0].answers] == [200] * len(names)
    assert crowd[0].sec < 3 and sorted(assumed(patient.stack)) == sorted(names)


def test_a_source_that_is_refused_is_named(patient):
    patient.simulator.fault('access_denied', 'AssumeRole', count=-1, role=arn('Dev'))
    answer = patient.stack.get_profile('prod')
    assert (answer.status, answer.code) == (403, 'MfadDenied')
    assert '"dev"' in answer.json()['Message'], answer
    assert assumed(patient.stack) == ['Dev']


def test_a_chain_finds_back_whatever_its_names(make_patient):
    """Who asks may come before or after whom he is assumed from, in whatever order the roles are kept."""
    patient = make_patient({'app': role('App', 'base'), 'base': role('Base', 'root'), 'root': role('Root'),
                            'z': role('Z')})
    patient.simulator.fault('access_denied', 'AssumeRole', count=-1, role=arn('Root'))
    for _ in range(3):
        answer = patient.stack.get_profile('app')
        assert (answer.status, answer.code) == (403, 'MfadDenied'), answer
        assert all(f'"{name}"' in answer.json()['Message'] for name in ('base', 'root')), answer
        assert sorted(patient.failing()) == ['app', 'base', 'root']
        patient.leap(MINUTE)
    patient.end()
    patient.wire.down()
    assert patient.stack.get_profile('z').code == 'MfadUpstreamUnreachable'
    assert patient.stack.get_profile('app').code == 'MfadUpstreamUnreachable'
    patient.wire.up()
    assert patient.seconds_until_bought('app', MINUTE) <= MINUTE
    assert patient.failing() == {}


def test_a_profile_whose_own_ca_cannot_be_read_is_alone_with_that(make_patient):
    patient = make_patient({'good': role('Good'), 'odd': role('Odd', ca_bundle='/nowhere/ca.pem')})
    assert patient.stack.get_profile('odd').status == 400
    for _ in range(5):
        assert patient.stack.get_profile('odd').status == 400
        assert patient.stack.get_profile('good').status == 200
        patient.leap(10)
        assert patient.stack.mfactl('refresh', 'good').code == client.OK


def test_the_morning_after_an_outage(make_patient):
    """What failed yesterday is no reason any more when the session has ended: a code is needed, and said so."""
    patient = make_patient(duration_seconds=3600)
    patient.stack.get_profile('dev')
    patient.wire.down()
    patient.leap(50 * MINUTE)
    assert patient.failing()['dev']['reason'] == 'unreachable'
    patient.wire.up()
    patient.leap(8 * 60 * MINUTE)
    answer = patient.stack.get_profile('dev')
    assert (answer.status, answer.code) == (403, 'MfadMfaRequired') and 'mfactl unlock' in answer.json()['Message'], answer
    assert patient.stack.profiles()['dev']['state'] == 'locked'
    assert patient.stack.mfactl('creds', '--profile', 'dev').code == client.LOCKED


@pytest.mark.parametrize('kind', ['throttle', 'access_denied'])
def test_refresh_of_a_chain_asks_once(patient, kind):
    patient.begin(kind)
    assert patient.stack.get_profile('prod').status in (400, 403)
    before = patient.calls()
    done = patient.stack.mfactl('refresh', 'prod')
    assert done.code == client.AWS and done.sec < 10, done
    time.sleep(1)
    assert patient.calls() == before + 1


def test_refresh_without_a_session_says_that_nothing_was_bought(make_patient):
    patient = make_patient(duration_seconds=3600)
    patient.leap(31 * MINUTE)
    held = patient.stack.get_profile('dev').json()
    patient.leap(35 * MINUTE)
    done = patient.stack.mfactl('refresh', 'dev')
    assert done.code == client.LOCKED and 'refreshed' not in done.out and 'mfactl unlock' in done.err, done
    assert patient.stack.get_profile('dev').json() == held


# in real time

def test_a_short_cut_in_real_time(make_patient):
    patient = make_patient({f'r{n}': role(f'r{n}') for n in range(5)})
    held = patient.stack.get_profile('r0').json()
    patient.wire.down()
    began = time.monotonic()
    answer = patient.stack.get_profile('r1')
    assert (answer.status, answer.code) == (400, 'MfadUpstreamUnreachable') and time.monotonic() - began < 5
    for _ in range(50):
        assert patient.stack.get_profile('r0').json() == held
        assert patient.stack.get_profile('r2').status == 400
        time.sleep(0.02)
    patient.wire.up()
    wait_until(lambda: patient.stack.get_profile('r1').status == 200, 30, 'it finds back')
    for name in ('r2', 'r3', 'r4'):
        wait_until(lambda n=name: patient.stack.get_profile(n).status == 200, 5, name)


def test_a_hanging_sts_holds_nobody(patient):
    held = patient.stack.get_profile('dev').json()
    patient.simulator.fault('hang', 'AssumeRole', count=-1, sec=30)
    assert patient.stack.get_profile('prod').status == 503
    for _ in range(20):
        began = time.monotonic()
        assert patient.stack.get_profile('dev').json() == held
        assert time.monotonic() - began < 0.5
    answer = wait_until(lambda: next((a for a in [patient.stack.get_profile('prod')] if a.status != 503), None), 25,
                        'the end of the call')
    assert (answer.status, answer.code) == (400, 'MfadUpstreamUnreachable'), answer
    assert patient.failing()['prod']['reason'] == 'outcome_unknown'


@pytest.mark.parametrize('offset', [3600, -3600])
def test_a_wrong_clock_costs_a_role_one_more_call_and_nobody_an_error(patient, offset):
    """No code is in it, so it may be sent again; an unlock may not."""
    patient.simulator.options(clock_offset=offset)
    assert patient.stack.get_profile('dev').status == 200
    assert [e['outcome'] for e in patient.stack.posts('AssumeRole')] == ['SignatureDoesNotMatch', 'ok']
    assert abs(patient.stack.status()['clock_offset_seconds'] - offset) <= 2
    assert 59 * MINUTE < patient.left_sec() <= 60 * MINUTE   # by our own clock, as SDKs look at it
    assert patient.stack.get_profile('prod').status == 200
    assert len(patient.stack.posts('AssumeRole')) == 3
    assert 'clock' in patient.stack.mfactl('status').out


def test_an_unlock_with_a_wrong_clock_is_sent_once(patient):
    patient.simulator.options(clock_offset=7200)
    assert patient.stack.unlock_error(patient.simulator.totp()).name == 'ClockWrong'
    assert [e['outcome'] for e in patient.stack.posts('GetSessionToken')] == ['ok', 'SignatureDoesNotMatch']
