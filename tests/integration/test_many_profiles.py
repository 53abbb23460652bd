"""A thousand role profiles: mfad starts, reads them again, lists and serves them as if they were few."""
import os
import statistics
import time

import pytest
from mfadtest import web
from mfadtest.processes import wait_until
from mfadtest.stack import spelt
from test_roles import arn, assumed, role

COUNT = 1000
NAMES = [f'team-{n % 25:02d}/profile {n:04d}' for n in range(COUNT)]


def settings(n):
    return role(f'R{n:04d}', region=('eu-west-1', 'eu-central-1', 'us-east-1')[n % 3],
                **({'external_id': f'id-{n}'} if n % 4 == 0 else {}))


PROFILES = {name: settings(n) for n, name in enumerate(NAMES)}


@pytest.fixture
def stack(make_stack):
    made = make_stack(use_https=False)
    made.write_profiles(PROFILES)
    made.start().open_vault()
    return made


@pytest.fixture
def unlocked(stack):
    stack.unlock()
    return stack


def took(call):
    began = time.monotonic()
    call()
    return time.monotonic() - began


def slack(stack):
    return 10 if stack.build.is_sanitized else 1


def test_the_start_is_smooth(stack, make_stack):
    few = make_stack().start()
    # not a promise in milliseconds: what a thousand cost beside a handful, with room for a busy machine
    assert stack.front.ready_sec < few.front.ready_sec + 1 * slack(stack)
    assert stack.get('/healthz').status == 200


def test_all_are_listed_page_by_page(stack):
    assert took(stack.profiles) < 2 * slack(stack)
    listed = stack.profiles()
    assert set(listed) == {*NAMES, 'default'}
    assert {p['kind'] for name, p in listed.items() if name != 'default'} == {'role'}
    done = stack.mfactl('profiles', '--json')
    assert done.code == 0 and all(f'"{name}"' in done.out for name in NAMES[::100]), done


def test_while_the_files_are_read_again_nobody_waits(unlocked):
    assert unlocked.get_profile(NAMES[0]).status == 200
    plain = statistics.median(took(unlocked.get) for _ in range(50))
    slowest = 0.0
    for turn in range(5):
        unlocked.write_profiles({**PROFILES, NAMES[1]: role(f'Turn{turn}')})
        end = time.monotonic() + 0.4
        while time.monotonic() < end:
            slowest = max(slowest, took(lambda: unlocked.get_profile(NAMES[0])))
    assert wait_until(lambda: unlocked.profiles()[NAMES[1]]['role_arn'] == arn('Turn4'), 5, 'the last version is read')
    assert slowest < 0.25 * slack(unlocked), (slowest, plain)
    assert len(assumed(unlocked)) == 1, 'a role was bought again although nothing changed for it'


def test_only_what_is_asked_for_is_bought(unlocked):
    for name in NAMES[:20]:
        assert unlocked.get_profile(name).status == 200
    time.sleep(1)
    assert sorted(assumed(unlocked)) == [f'R{n:04d}' for n in range(20)]
    assert unlocked.status()['roles_held'] == 20


@pytest.mark.sanitizers_no
def test_two_thousand_clients_of_fifty_cold_roles(unlocked):
    """One call for each role, and nobody is sent away for good."""
    names = NAMES[:50]
    unlocked.simulator.fault('delay', 'AssumeRole', count=-1, sec=0.3)
    web.raise_descriptor_limit()
    crowd = web.Crowd(unlocked.port, unlocked.token, ['/profile/' + spelt(n) for n in names * 40])
    assert [a and a.status for a in crowd.answers] == [200] * 2000
    assert unlocked.simulator.counts('AssumeRole') == {arn(f'R{n:04d}'): 1 for n in range(50)}
    served = {path: crowd.answers[i].json()['AccessKeyId'] for i, path in enumerate(names)}
    assert len(set(served.values())) == 50
    assert all(crowd.answers[i].json()['AccessKeyId'] == served[name] for i, name in enumerate(names * 40))


def test_a_file_beyond_the_limit_keeps_the_old_state(unlocked):
    unlocked.write_profiles({**PROFILES, **{f'x{n}': role(f'X{n}') for n in range(4096)}})
    notice = wait_until(lambda: unlocked.status()['notices'], 5, 'the file is read')
    assert any('too many profiles' in text and os.path.join(unlocked.home, '.aws/config') in text for text in notice), notice
    assert unlocked.get_profile(NAMES[5]).status == 200
    assert 'x1' not in unlocked.profiles()
