"""What a code buys, and every way in which it may be refused."""
import calendar
import json
import re
import time

import pytest
from mfadtest import client
from mfadtest.moved_clock import MovedClock
from mfadtest.processes import wait_until

SLACK_SEC = 60  # of a busy machine


def wall(stamp):
    return calendar.timegm(time.strptime(stamp, '%Y-%m-%dT%H:%M:%SZ'))


def mfactl_unlock(stack, code, *more, **options):
    return stack.mfactl('unlock', '--code-stdin', *more, stdin=code + '\n', **options)


def test_unlock_opens_the_vault_and_buys_a_session(stack):
    assert stack.status()['state'] == 'sealed'
    done = mfactl_unlock(stack, stack.simulator.fresh_code(), passphrase=stack.passphrase)
    assert done.code == client.OK, done
    assert stack.status()['state'] == 'unlocked'
    assert [p['outcome'] for p in stack.posts()] == ['ok']


def test_served_credentials_have_every_field_in_its_form(unlocked):
    answer = unlocked.get()
    creds = answer.json()
    assert list(creds) == ['Code', 'LastUpdated', 'Type', 'AccessKeyId', 'SecretAccessKey', 'Token',
                           'Expiration', 'AccountId']
    assert (creds['Code'], creds['Type'], creds['AccountId']) == ('Success', 'AWS-HMAC', '123456789012')
    assert re.fullmatch(r'\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ', creds['Expiration'])
    assert abs(wall(creds['Expiration']) - time.time() - 12 * 3600) < 30
    assert answer.headers['content-type'] == 'application/json'
    assert answer.headers['cache-control'] == 'no-store'
    assert 'server' not in answer.headers and 'retry-after' not in answer.headers


def test_duration_is_asked_for(open_stack):
    done = mfactl_unlock(open_stack, open_stack.simulator.fresh_code(), '--duration', '15m')
    assert done.code == client.OK, done
    assert open_stack.posts()[0]['duration'] == '900'
    assert 870 < wall(open_stack.credentials()['Expiration']) - time.time() <= 900


@pytest.mark.parametrize('duration', ['14m', '37h', '0', 'soon', '-1h', '12'])
def test_duration_outside_the_limits_is_a_usage_error(open_stack, duration):
    done = mfactl_unlock(open_stack, '123456', '--duration', duration)
    assert done.code == client.USAGE, done
    assert open_stack.posts() == []


def test_wrong_code(open_stack):
    right = open_stack.simulator.totp()
    wrong = f'{(int(right) + 1) % 1000000:06d}'
    done = mfactl_unlock(open_stack, wrong)
    assert done.code == client.CODE_REFUSED, done
    assert open_stack.status()['sessions'][0]['failure']['reason'] == 'wrong_code'
    answer = open_stack.get()
    assert answer.status == 403 and 'mfactl unlock' in answer.json()['Message']
    assert open_stack.unlock()['key'] == 'default'


@pytest.mark.parametrize('code', ['12345', '1234567', 'abcdef', '１２３４５６', '12345 '])
def test_what_cannot_be_a_code_is_never_sent(open_stack, code):
    done = mfactl_unlock(open_stack, code)
    assert done.code in (client.USAGE, client.CODE_REFUSED), done
    assert open_stack.posts() == []


def test_a_code_typed_with_a_space_is_understood(open_stack):
    code = open_stack.simulator.fresh_code()
    done = mfactl_unlock(open_stack, f'{code[:3]} {code[3:]}')
    assert done.code == client.OK, done


def test_same_code_again_is_answered_from_memory(unlocked):
    code = unlocked.posts()[0]['code']
    assert unlocked.unlock(code)['already'] is True
    assert len(unlocked.posts()) == 1


def test_used_code_is_refused_without_asking_aws(unlocked):
    """The session is gone, the code is burnt: AWS would refuse it, and nothing is sent."""
    code = unlocked.posts()[0]['code']
    assert unlocked.mfactl('lock').code == client.OK
    done = mfactl_unlock(unlocked, code)
    assert done.code == client.CODE_REFUSED, done
    assert 'next code' in done.err
    assert len(unlocked.posts()) == 1
    assert unlocked.unlock_error(code).name == 'CodeUsed'


def test_code_that_aws_refused_is_not_sent_twice(open_stack):
    wrong = f'{(int(open_stack.simulator.totp()) + 1) % 1000000:06d}'
    assert open_stack.unlock_error(wrong).name == 'WrongCode'
    assert open_stack.unlock_error(wrong).name in ('WrongCode', 'CodeUsed')
    assert len(open_stack.posts()) == 1


def test_three_wrong_codes_make_the_next_one_wait(open_stack):
    right = int(open_stack.simulator.totp())
    for i in range(1, 4):
        assert open_stack.unlock_error(f'{(right + i) % 1000000:06d}').name == 'WrongCode'
    error = open_stack.unlock_error(f'{(right + 4) % 1000000:06d}')
    assert error.name == 'MustWait' and 50 <= error.parameters['wait_seconds'] <= 60
    assert len(open_stack.posts()) == 3
    done = mfactl_unlock(open_stack, open_stack.simulator.totp())
    assert done.code == client.BUSY, done
    # the count survives a crash, or a loop of crashes could hammer AWS
    open_stack.front.kill()
    open_stack.front.start()
    assert open_stack.unlock_error(f'{(right + 5) % 1000000:06d}').name == 'MustWait'
    assert len(open_stack.posts()) == 3


def test_wrong_passphrase(stack):
    code = stack.simulator.fresh_code(margin_sec=5)
    done = mfactl_unlock(stack, code, passphrase='not the passphrase at all')
    assert done.code == client.VAULT, done
    assert stack.status()['vault'] == 'sealed'
    assert stack.posts() == []
    assert mfactl_unlock(stack, code, passphrase=stack.passphrase).code == client.OK


def test_sealed_vault_without_passphrase_says_what_is_missing(stack):
    done = mfactl_unlock(stack, '123456')
    assert done.code in (client.USAGE, client.LOCKED), done
    assert '--passphrase-fd' in done.err


def test_new_code_replaces_the_session_without_a_gap(unlocked):
    before = unlocked.credentials()['AccessKeyId']
    unlocked.simulator.options(clock_offset=30)
    unlocked.simulator.fault('delay', 'GetSessionToken', sec=1)
    with unlocked.control() as c:
        c.send('Unlock', code=unlocked.simulator.totp())
        wait_until(lambda: len(unlocked.posts()) == 2)
        assert unlocked.credentials()['AccessKeyId'] == before
        c.receive()
    assert unlocked.credentials()['AccessKeyId'] != before


def test_failed_renewal_keeps_the_old_session(unlocked):
    before = unlocked.credentials()['Token']
    wrong = f'{(int(unlocked.simulator.totp()) + 1) % 1000000:06d}'
    assert unlocked.unlock_error(wrong).name == 'WrongCode'
    assert unlocked.credentials()['Token'] == before
    assert unlocked.status()['state'] == 'unlocked'


def test_expired_session_is_said_to_be_expired(make_stack, build, tmp_path):
    """Creds with less than a minute left are never served."""
    stack, clock = make_stack(), MovedClock(build, str(tmp_path))
    clock.drive(stack)
    stack.simulator.options(clock_file=clock.path)
    stack.start().open_vault()
    stack.unlock(duration_seconds=900)
    clock.leap(900 - 60 - SLACK_SEC)
    assert stack.get().status == 200
    clock.leap(SLACK_SEC)
    answer = stack.get()
    assert (answer.status, answer.code) == (403, 'MfadMfaRequired')
    assert 'expired' in answer.json()['Message'] and 'mfactl unlock' in answer.json()['Message']
    assert stack.status()['state'] == 'locked'
    stack.unlock()
    assert stack.get().status == 200


def test_unlock_on_a_terminal_asks_for_both_without_echo(stack):
    terminal = stack.terminal('unlock')
    terminal.until('assphrase').send(stack.passphrase)
    code = stack.simulator.fresh_code()
    terminal.until('ode').send(code)
    assert terminal.wait() == client.OK, terminal.screen
    assert stack.passphrase not in terminal.screen and code not in terminal.screen


def test_code_on_the_command_line_is_overwritten(open_stack):
    """/proc/PID/cmdline is world-readable."""
    open_stack.simulator.fault('delay', 'GetSessionToken', sec=1)
    code = open_stack.simulator.fresh_code()
    terminal = open_stack.terminal('unlock', code)
    wait_until(lambda: open_stack.posts())
    with open(f'/proc/{terminal.pid}/cmdline', 'rb') as f:
        assert code.encode() not in f.read()
    assert terminal.wait() == client.OK, terminal.screen


def test_creds_are_what_credential_process_expects(unlocked):
    done = unlocked.mfactl('creds')
    assert done.code == client.OK, done
    creds = json.loads(done.out)
    served = unlocked.credentials()
    assert creds['Version'] == 1
    assert creds['AccessKeyId'] == served['AccessKeyId']
    assert creds['SessionToken'] == served['Token']
    assert creds['Expiration'] == served['Expiration']


def test_unknown_profile_is_400(unlocked):
    answer = unlocked.get('/profile/nowhere')
    assert (answer.status, answer.code) == (400, 'MfadUnknownProfile')


def test_status_streams_changes(open_stack):
    with open_stack.control() as c:
        c.send('GetStatus', more=True)
        first, more = c.receive()
        assert more and first['state'] == 'locked'
        open_stack.unlock()
        seen = []
        while 'unlocked' not in seen:
            seen.append(c.receive()[0]['state'])
        assert 'unlocking' in seen


def test_errors_have_both_spellings_in_one_line(stack):
    """Java wants the small letters, the JavaScript SDK the capitals."""
    answer = stack.get(token='x' * 43)
    assert answer.status == 403 and answer.headers['content-type'] == 'application/json'
    body = answer.json()
    assert list(body) == ['message', 'code', 'Message', 'Code'] and body['code'] == body['Code'] == 'MfadBadToken'
    assert body['message'] == body['Message'] and body['message'].startswith('mfad: ')
    assert answer.body.isascii() and answer.body.rstrip(b'\n').count(b'\n') == 0
