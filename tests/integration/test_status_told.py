"""What status says, and what whoever asks in vain hears: of the default profile, of roles that last less or fail, of
the clock, and over HTTP the same as by mfactl."""
import json

import pytest
from mfadtest import client
from mfadtest.moved_clock import MovedClock
from mfadtest.processes import wait_until
from test_roles import role


def test_default_profile_may_be_a_role(make_stack):
    stack = make_stack()
    stack.write_profiles({'dev': role('Dev')})
    stack.write('.config/mfad/mfad.conf', stack.read('.config/mfad/mfad.conf') + 'default_profile = dev\n')
    stack.start().unlocked()
    status = stack.status()
    assert (status['default_profile'], status['default_key']) == ('dev', 'default')
    assert f'http://127.0.0.1:{stack.port}/ as "dev"\n' in stack.mfactl('status').out
    done = stack.mfactl('export', '--to', 'copy')
    assert done.code == client.OK, done
    text = stack.read('.aws/credentials')
    assert 'written by mfactl export from profile dev\n' in text
    assert stack.get().json()['AccessKeyId'] in text


def test_only_key_is_the_default_beside_a_section_that_sets_a_region(make_stack):
    """What `aws configure` writes for all profiles does not stand in the way of the key."""
    stack = make_stack(with_vault=False)
    for path, old, new in (('.aws/config', '[default]', '[default]\nregion = us-east-1\n[profile work]'),
                           ('.aws/credentials', '[default]', '[work]')):
        stack.write(path, stack.read(path).replace(old, new))
    stack.start()
    done = stack.mfactl('key', 'import', '--yes', '--remove-plain-keys', passphrase=stack.passphrase)
    assert done.code == client.OK, done
    assert stack.status()['default_profile'] == 'work'
    done = stack.mfactl('unlock', '--code-stdin', stdin=stack.simulator.fresh_code() + '\n')
    assert done.code == client.OK and 'key "work"' in done.out, done
    assert stack.get().status == 200


def test_roles_that_last_less_than_they_ask_for_are_told_of(make_stack):
    stack = make_stack()
    stack.write_profiles({name: role(name.title(), duration_seconds=seconds)
                          for name, seconds in {'a': 3600, 'b': 3601, 'c': 7200, 'd': 43200}.items()})
    stack.start().unlocked()
    said = 'duration_seconds is shortened to 3600: AWS grants no more'
    for asked, notices in (('a', []), ('c', ['role "c": ']), ('b', ['role "b" and 1 more: ']),
                           ('d', ['role "b" and 2 more: '])):
        assert stack.get_profile(asked).status == 200
        found = stack.status()['notices']
        assert [n[:len(expected + said)] for n, expected in zip(found, notices)] == [n + said for n in notices]
        assert len(found) == len(notices), found


def test_all_roles_that_fail_are_counted(make_stack):
    stack = make_stack()
    names = [f'r{i:02}' for i in range(20)]
    stack.write_profiles({name: role(name) for name in names})
    stack.start().unlocked()
    stack.simulator.fault('access_denied', 'AssumeRole', count=-1)
    for name in names:
        assert stack.get_profile(name).status == 403
    status = stack.status()
    assert (status['roles_failing_total'], len(status['roles_failing'])) == (20, 16)
    out = stack.mfactl('status').out
    assert '0 held, 20 failing\n' in out and 'and 4 more: mfactl profiles\n' in out


@pytest.fixture
def clocked(make_stack, build, simulator, tmp_path):
    stack = make_stack()
    stack.write_profiles({'dev': role('Dev')})
    stack.clock = MovedClock(build, str(tmp_path))
    stack.clock.drive(stack)
    simulator.options(clock_file=stack.clock.path)
    stack.start().open_vault()
    return stack


def told(stack):
    """What HTTP and what mfactl says, of the key and of its role: one sentence."""
    said = set()
    for profile in ('default', 'dev'):
        answer, done = stack.get_profile(profile), stack.mfactl('creds', '--profile', profile)
        assert answer.status == 403 and done.code == client.LOCKED and done.err.startswith('mfactl: '), (answer, done)
        said |= {json.loads(answer.body)['message'][len('mfad: '):], done.err.split('\n')[0][len('mfactl: '):]}
    assert len(said) == 1, said
    return said.pop()


def test_both_faces_give_one_reason(clocked):
    assert told(clocked) == 'locked. Run: mfactl unlock'
    assert clocked.unlock_error('000000').name == 'WrongCode'
    assert told(clocked).startswith('AWS refused the code')
    clocked.clock.leap(3 * 3600)
    assert told(clocked) == 'locked. Run: mfactl unlock'
    clocked.unlock(duration_seconds=900)
    clocked.clock.leap(1000)
    assert told(clocked) == 'the session has expired. Run: mfactl unlock'
    assert clocked.mfactl('lock', '--seal').code == client.OK
    wait_until(lambda: clocked.status()['vault'] == 'sealed', what='mfad hears of it')
    assert told(clocked) == 'the vault is sealed. Run: mfactl unlock'


@pytest.mark.parametrize('days', [-3, 10])
def test_clock_that_is_too_wrong_is_told_all_the_same(open_stack, days):
    open_stack.simulator.options(clock_offset=days * 86400)
    assert open_stack.unlock_error().name == 'ClockWrong'
    assert abs(open_stack.status()['clock_offset_seconds'] - days * 86400) < 10
    out = ' '.join(open_stack.mfactl('status').out.split())
    assert f's {"behind" if days > 0 else "ahead of"} AWS\'s; set it, that is too much to correct for' in out
