"""A day with three keys, three codes and forty role profiles: everybody is served, nothing is asked for twice.

The clocks of mfad, mfad-signer and the simulator leap two minutes at a time; between two leaps every role is
asked for over HTTP, and AWS's time is what the credentials' life is compared with."""
import calendar
import os
import subprocess
import time

import pytest
from awssim.client import AwsSim
from mfadtest import client, estate
from mfadtest.estate import CHAIN, CYCLE, NEVER, ONCE, PROFILES, REGIONS, USABLE, Estate, key_of
from mfadtest.moved_clock import MovedClock, settle
from mfadtest.stack import spelt

BOTO_MANY = os.path.join(os.path.dirname(os.path.abspath(__file__)), 'clients', 'boto_many.py')
STEP_SEC = 120
DAY_SEC = 24 * 3600
PROMISED_SEC = 25 * 60      # no client sees less of an hour's credentials
JITTER = 0.1                # of the lead: roles.h
ASKED = [name for name in USABLE if name not in NEVER]
POLLED = [name for name in ASKED if name not in ONCE]


@pytest.fixture(scope='module')
def aws():
    with AwsSim(estate.simulated()) as simulator:
        yield simulator


@pytest.fixture(scope='module')
def vault(build, aws, tmp_path_factory):
    return estate.make_vault(build, aws, str(tmp_path_factory.mktemp('estate') / 'mfad'))


@pytest.fixture
def home(make_stack, aws, vault):
    aws.reset()
    return make_stack(kind=Estate, aws=aws, template=vault, use_https=False)


def arn_of(name):
    return PROFILES[name]['role_arn']


def region_of(name):
    return PROFILES[name].get('region') or REGIONS[key_of(name)]


def identity_of(name):
    """The beginning of what GetCallerIdentity says."""
    role = arn_of(name)
    return f'{role.replace(":iam:", ":sts:").split("role/")[0]}assumed-role/{role.rsplit("/", 1)[1]}/'


def life_of(name):
    """In seconds: temporary credentials buy an hour at most."""
    return min(int(PROFILES[name].get('duration_seconds', 3600)), 3600)


def left_sec(answer, now):
    return calendar.timegm(time.strptime(answer.json()['Expiration'], '%Y-%m-%dT%H:%M:%SZ')) - now


def ask_with_boto(home, names):
    """{name: what boto3 is told, as a program with that profile's endpoint}."""
    lines = ''.join(f'http://127.0.0.1:{home.port}/profile/{spelt(name)} {region_of(name)}\n' for name in names)
    environment = {**home.client_environment(), 'AWS_EC2_METADATA_DISABLED': 'true'}
    environment.pop('AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE', None)
    done = subprocess.run(['/usr/bin/python3', BOTO_MANY, home.simulator.http_url], env=environment,
                          input=lines, capture_output=True, text=True, timeout=120, check=True)
    return dict(zip(names, done.stdout.splitlines(), strict=True))


def check_calls(home):
    """One GetSessionToken per key, one AssumeRole per role, each with what its profile says."""
    sessions = home.posts('GetSessionToken')
    assert sorted(e['serial'] for e in sessions) == sorted(home.serial(key) for key in REGIONS)
    assert {e['outcome'] for e in sessions} == {'ok'}
    assert home.simulator.counts('AssumeRole') == {arn_of(name): 1 for name in ASKED}
    calls = {e['role']: e for e in home.posts('AssumeRole')}
    for name in ASKED:
        call, params = calls[arn_of(name)], calls[arn_of(name)]['params']
        assert (call['outcome'], call['region']) == ('ok', region_of(name)), name
        assert params['DurationSeconds'] == str(life_of(name)), name
        assert params.get('ExternalId') == PROFILES[name].get('external_id'), name
        assert params['RoleSessionName'].startswith(PROFILES[name].get('role_session_name', 'mfad-')), name
    assert calls[arn_of('tags')]['params']['Tags.member.2.Value'] == '42'
    assert calls[arn_of('policy')]['params']['Policy'] == estate.POLICY
    assert calls[arn_of('identity')]['params']['SourceIdentity'] == 'alice'


def check_cycle(home):
    for name in CYCLE:
        answer = home.get_profile(name)
        assert answer.status == 400 and answer.code == 'MfadUnusableProfile', answer
        message = answer.json()['Message']
        assert all(one in message for one in CYCLE), message
        assert home.profiles()[name]['kind'] == 'unusable'


def test_after_three_codes_everybody_is_served_with_one_call_each(home):
    home.start().open_vault()
    for name in USABLE[:3]:
        assert home.get_profile(name).code == 'MfadLocked'
    home.unlock_all()
    told = ask_with_boto(home, ASKED)
    assert {name: told[name] for name in ASKED if not told[name].startswith(identity_of(name))} == {}
    check_calls(home)
    told = ask_with_boto(home, CYCLE)
    assert all('cycle-a' in told[name] and 'cycle-b' in told[name] for name in CYCLE), told
    check_cycle(home)
    for name in ('chain-4', 'china-1', 'gov-1', 'Zürich', 'other/region'):
        done = home.mfactl('creds', '--profile', name)
        assert done.code == client.OK, done
    check_calls(home)
    assert home.simulator.counts('AssumeRole').keys().isdisjoint({arn_of(name) for name in NEVER})


def test_each_key_opens_its_own_profiles_only(home):
    home.start().open_vault()
    code = home.simulator.fresh_code(home.serial('china'))
    assert home.unlock(code, key='china-2')['key'] == 'china'
    by_key = {key: [name for name in USABLE if key_of(name) == key] for key in REGIONS}
    assert all(home.get_profile(name).code == 'MfadLocked' for name in by_key['default'] + by_key['gov'])
    assert all(home.get_profile(name).status == 200 for name in by_key['china'])
    assert {e['region'] for e in home.posts('AssumeRole')} == {'cn-north-1'}
    states = {name: p['state'] for name, p in home.profiles().items()}
    assert {states[name] for name in by_key['china']} == {'unlocked'} and states['china'] == 'unlocked'
    assert {states[name] for name in by_key['default'] + by_key['gov']} == {'locked'} and states['default'] == 'locked'
    assert home.get('/').code == 'MfadLocked', 'it serves the default profile, which is another key\'s'
    assert home.get_profile('china').status == 200
    # the code of one device is none of another's
    assert home.unlock_error(home.simulator.totp(home.serial('china')), key='gov').name == 'WrongCode'
    assert home.get_profile('china-1').status == 200


class Watch:
    """What a day brought: each answer's status, and the least time left, by profile."""

    def __init__(self, home, clock):
        self.home, self.clock = home, clock
        self.bad, self.least = [], {}

    def ask(self, names):
        for name in names:
            now = self.clock.now()
            answer = self.home.get_profile(name)
            if answer.status != 200:
                self.bad.append((round(self.clock.moved_sec), name, answer))
                continue
            left = left_sec(answer, now)
            self.least[name] = min(left, self.least.get(name, left))


def bounds(name, sec):
    """How often a role is bought in @sec: again at half of its life, up to a tenth of that earlier."""
    lead = life_of(name) / 2
    return int(sec / (lead + 2 * STEP_SEC)) + 1, int(sec / (lead * (1 - JITTER) - 2)) + 1


@pytest.fixture
def clock(home, build):
    """Of a home where all is unlocked."""
    made = MovedClock(build, home.folder)
    home.simulator.options(clock_file=made.path)
    made.drive(home)
    home.start().open_vault()
    home.unlock_all()
    return made


def test_what_is_only_a_source_is_bought_when_it_is_needed(home, clock):
    """The end of the chain is renewed at half of its life; those before it only when theirs is over."""
    watch = Watch(home, clock)
    for _ in range(5 * 30):
        clock.leap(STEP_SEC)
        watch.ask(['chain-4'])
        settle(home)
    assert watch.bad == [] and watch.least['chain-4'] >= PROMISED_SEC
    calls = [home.simulator.counts('AssumeRole')[arn_of(name)] for name in CHAIN]
    assert 10 <= calls[3] <= 12 and all(3 <= count <= 7 for count in calls[:3]), calls


def test_a_day_passes(home, clock):
    watch = Watch(home, clock)
    watch.ask(ONCE)
    watch.ask(POLLED)
    while clock.moved_sec < DAY_SEC - 2 * STEP_SEC:
        clock.leap(STEP_SEC)
        watch.ask(POLLED)   # before what fell due has been bought: what a client may see
        settle(home)
    assert watch.bad == []
    promised = {name: min(PROMISED_SEC, life_of(name) / 2 - STEP_SEC - 5) for name in POLLED}
    assert {n: left for n, left in watch.least.items() if n in POLLED and left < promised[n]} == {}

    counts = home.simulator.counts('AssumeRole')
    assert home.simulator.counts('AssumeRole', 'ok') == counts
    limits = {name: bounds(name, clock.moved_sec) for name in ASKED}
    assert {n: (counts.get(arn_of(n), 0), limits[n]) for n in ASKED
            if not limits[n][0] <= counts.get(arn_of(n), 0) <= limits[n][1]} == {}
    assert set(counts) == {arn_of(name) for name in ASKED}, 'a role that nobody asked for'
    assert home.simulator.counts('GetSessionToken') == {None: len(REGIONS)}
    assert home.status()['roles_failing'] == []
    forget_what_nobody_asked_for(home, clock)


def forget_what_nobody_asked_for(home, clock):
    """The day is over: roles that were asked for in its first minute only are given up."""
    held = home.status()['roles_held']
    clock.leap(3 * STEP_SEC)
    settle(home)
    assert {name: home.profiles()[name]['state'] for name in ONCE} == {name: 'idle' for name in ONCE}
    assert home.status()['roles_held'] == held - len(ONCE)
    before = home.simulator.counts('AssumeRole')
    for _ in range(30):
        clock.leap(STEP_SEC)
        Watch(home, clock).ask(CHAIN)
        settle(home)
    after = home.simulator.counts('AssumeRole')
    assert all(after[arn_of(name)] == before[arn_of(name)] for name in ONCE)
    assert all(after[arn_of(name)] > before[arn_of(name)] for name in CHAIN)
