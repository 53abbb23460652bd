"""AWS down, slow, hostile or of another opinion about the time: what the user hears, what is kept."""
import time

import pytest
from awssim.client import AwsSim
from mfadtest import client
from mfadtest.processes import wait_until


def unlock(stack, code=None):
    return stack.mfactl('unlock', '--code-stdin', stdin=(code or stack.simulator.fresh_code()) + '\n')


def failure(stack):
    return stack.status()['sessions'][0]['failure']['reason']


def test_nobody_listens(open_stack):
    text = open_stack.read('.aws/config')
    open_stack.write('.aws/config', text.replace(open_stack.simulator.url, 'https://localhost:1'))
    code = open_stack.simulator.fresh_code()
    done = unlock(open_stack, code)
    assert done.code == client.AWS, done
    assert failure(open_stack) == 'unreachable'
    answer = open_stack.get()
    assert (answer.status, answer.code) == (400, 'MfadUpstreamUnreachable')
    # nothing was sent: the same code is still good
    open_stack.write('.aws/config', text)
    assert unlock(open_stack, code).code == client.OK


def test_name_that_does_not_resolve(open_stack):
    text = open_stack.read('.aws/config')
    open_stack.write('.aws/config', text.replace(open_stack.simulator.url, 'https://sts.mfad.invalid'))
    done = unlock(open_stack)
    assert done.code == client.AWS and failure(open_stack) == 'unreachable', done


@pytest.mark.parametrize('kind, reason', [
    ('500', 'server_error'), ('503', 'server_error'), ('throttle503', 'throttled'),
    ('throttle', 'throttled'), ('429', 'throttled'),
    ('access_denied', 'denied'), ('wrong_serial', 'wrong_serial'), ('invalid_token', 'key_refused'),
    ('expired_token', 'expired'), ('region_disabled', 'region_disabled'),
    ('close', 'outcome_unknown'), ('reset', 'outcome_unknown'), ('short_body', 'outcome_unknown'),
    ('garbage', 'bad_answer'), ('html', 'bad_answer'), ('empty', 'bad_answer'),
    ('missing_field', 'bad_answer'), ('doctype', 'bad_answer'), ('bomb', 'bad_answer'),
    ('deep', 'bad_answer'), ('redirect', 'bad_answer'), ('bad_expiration', 'bad_answer'),
    ('huge', 'bad_answer'), ('gzip', 'bad_answer')])
def test_fault_is_named_and_nothing_is_retried_or_stored(open_stack, kind, reason):
    open_stack.simulator.fault(kind, 'GetSessionToken', count=-1)
    done = unlock(open_stack)
    assert done.code == (client.LOCKED if reason == 'expired' else client.AWS), done
    assert len(open_stack.posts()) == 1
    assert failure(open_stack) == reason
    assert done.err.strip()
    answer = open_stack.get()
    assert answer.status in (400, 403) and 'SecretAccessKey' not in answer.json()


@pytest.mark.parametrize('kind', ['no_namespace', 'fraction', 'http10', 'continue'])
def test_oddities_that_are_legal_are_understood(open_stack, kind):
    open_stack.simulator.fault(kind, 'GetSessionToken')
    done = unlock(open_stack)
    assert done.code == client.OK, done
    assert open_stack.get().status == 200


def test_hanging_sts_ends_the_unlock_in_time_and_old_creds_are_served(unlocked):
    before = unlocked.credentials()
    unlocked.simulator.fault('hang', 'GetSessionToken', sec=60)
    unlocked.simulator.options(clock_offset=30)
    began = time.monotonic()
    with unlocked.control() as c:
        c.send('Unlock', code=unlocked.simulator.totp())
        wait_until(lambda: len(unlocked.posts()) == 2)
        assert unlocked.credentials()['Token'] == before['Token']
        with pytest.raises(Exception) as error:
            c.receive()
    assert error.value.name == 'OutcomeUnknown'
    assert time.monotonic() - began < 16.5
    assert unlocked.credentials()['Token'] == before['Token']


def test_dripping_sts_is_cut_off(open_stack):
    open_stack.simulator.fault('drip', 'GetSessionToken', sec=1)
    done = unlock(open_stack)
    assert done.code == client.AWS and done.sec < 16.5, done
    assert failure(open_stack) == 'outcome_unknown'


@pytest.mark.parametrize('offset', [3600, -3600])
def test_clock_off_by_an_hour_is_named_then_survived(open_stack, offset):
    open_stack.simulator.options(clock_offset=offset)
    done = unlock(open_stack)
    first = done.code
    if first != client.OK:
        assert first == client.AWS and failure(open_stack) == 'clock_wrong', done
        # learnt from AWS's answer: the next code works although the clock is still wrong
        open_stack.simulator.options(clock_offset=offset + 30)
        done = unlock(open_stack, open_stack.simulator.totp())
    assert done.code == client.OK, done
    status = open_stack.status()
    assert abs(status['clock_offset_seconds'] - offset) <= 32
    # what is served is in terms of our clock, for SDKs compare with that
    creds = open_stack.credentials()
    left = time.mktime(time.strptime(creds['Expiration'], '%Y-%m-%dT%H:%M:%SZ')) - time.timezone - time.time()
    assert abs(left - 12 * 3600) < 60
    assert 'clock' in open_stack.mfactl('status').out


@pytest.mark.parametrize('scheme', ['http', 'https'])
def test_the_clock_of_a_profiles_own_endpoint_is_its_own(make_stack, scheme):
    stack = make_stack()
    with AwsSim() as other:
        where = {'endpoint_url': other.http_url} if scheme == 'http' else {
            'endpoint_url': other.url, 'ca_bundle': other.ca_file}
        stack.write_profiles({'local': {'role_arn': 'arn:aws:iam::123456789012:role/Dev',
                                        'source_profile': 'default', **where}})
        stack.start().unlocked()
        other.options(clock_offset=20 * 3600)
        # whatever the other one answers: what counts is that it was heard
        assert stack.get_profile('local').status != 200
        word = f'differs from that of "{where["endpoint_url"]}"'
        wait_until(lambda: word in stack.front.log(), what="the other one's answer")
        assert stack.status()['clock_offset_seconds'] == 0
        stack.simulator.options(clock_offset=30)
        stack.unlock(stack.simulator.totp())
        assert stack.posts()[-1]['outcome'] == 'ok'


def test_an_answer_with_terminal_escapes_is_printed_harmlessly(open_stack):
    open_stack.simulator.fault('error', 'GetSessionToken', status=403, code='AccessDenied',
                               message='\x1b]0;pwn\x07\u202eno\x9b31m')
    done = unlock(open_stack)
    assert done.code == client.AWS, done
    for text in (done.out, done.err, open_stack.get().body.decode(), *open_stack.logs().values()):
        assert not any(ord(c) < 32 and c not in '\n\t' or 0x7f <= ord(c) < 0xa0 or c == '\u202e' for c in text)


def test_untrusted_certificate_is_refused_before_a_byte_is_sent(open_stack):
    text = open_stack.read('.aws/config')
    open_stack.write('.aws/config', text.replace(f'ca_bundle = {open_stack.simulator.ca_file}\n', ''))
    code = open_stack.simulator.fresh_code()
    done = unlock(open_stack, code)
    assert done.code == client.AWS and failure(open_stack) == 'unreachable', done
    assert 'certificate' in done.err
    assert open_stack.posts() == []
    open_stack.write('.aws/config', text)
    assert unlock(open_stack, code).code == client.OK
