"""The simulator's own test, with Debian's boto3 as the judge: what AWS accepts it accepts, what AWS
refuses it refuses with AWS's words."""
import concurrent.futures
import datetime
import http.client
import os
import socket
import ssl
import subprocess
import sys
import time

import boto3
import botocore.auth
import botocore.exceptions
import pytest
from botocore.awsrequest import AWSRequest
from botocore.config import Config
from botocore.credentials import Credentials

TESTS = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
sys.path.insert(0, TESTS)
from awssim import totp  # noqa: E402
from awssim.client import AwsSim  # noqa: E402

ACCOUNT = '123456789012'
SERIAL = f'arn:aws:iam::{ACCOUNT}:mfa/alice'
CONFIG = {
    'users': [
        {'name': 'alice',
         'keys': [{'id': 'AKIAALICE0EXAMPLE000', 'secret': 'alice/secret+1'},
                  {'id': 'AKIAALICE1EXAMPLE000', 'secret': 'inactive', 'active': False}],
         'mfa': [{'serial': SERIAL, 'seed': 'GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ'}]},
        {'name': 'bob', 'deny': ['iam:ListMFADevices'],
         'keys': [{'id': 'AKIABOB00EXAMPLE0000', 'secret': 'bob/secret'}],
         'mfa': [{'serial': f'arn:aws:iam::{ACCOUNT}:mfa/bob', 'seed': 'MFRGGZDFMZTWQ2LK'}]},
    ],
    'options': {'totp_drift': 20},
}


@pytest.fixture(scope='module')
def started():
    with AwsSim(CONFIG, tls_variants=True) as sim:
        yield sim


@pytest.fixture
def sim(started):
    started.reset()
    return started


def client(sim, service='sts', key=None, token=None, url=None, region='eu-west-1'):
    key = key or sim.key()
    return boto3.client(service, region_name=region, endpoint_url=url or sim.url, verify=sim.ca_file,
                        aws_access_key_id=key['id'], aws_secret_access_key=key['secret'],
                        aws_session_token=token, config=Config(retries={'max_attempts': 0}, parameter_validation=False))


def error_of(call, **params):
    with pytest.raises(botocore.exceptions.ClientError) as e:
        call(**params)
    answer = e.value.response
    return (answer['ResponseMetadata']['HTTPStatusCode'], answer['Error']['Code'], answer['Error']['Message'])


def session(sim, **more):
    return client(sim).get_session_token(SerialNumber=SERIAL, TokenCode=sim.fresh_code(SERIAL), **more)['Credentials']


def with_session(sim, creds, service='sts'):
    return client(sim, service, {'id': creds['AccessKeyId'], 'secret': creds['SecretAccessKey']},
                  creds['SessionToken'])


WRONG_CODE = (403, 'AccessDenied', 'MultiFactorAuthentication failed with invalid MFA one time pass code. ')


def test_totp_of_rfc_6238():
    seed = 'GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ'
    for at, code in [(59, '287082'), (1111111109, '081804'), (2000000000, '279037')]:
        assert totp.code(seed, at=at) == code
        shown = subprocess.run([os.path.join(TESTS, 'awssim', 'awssim'), 'totp', seed, '--at', str(at)],
                               capture_output=True, text=True, check=True)
        assert shown.stdout == code + '\n'


def test_session_and_identity(sim):
    creds = session(sim, DurationSeconds=900)
    left = creds['Expiration'] - datetime.datetime.now(datetime.timezone.utc)
    assert 890 < left.total_seconds() <= 900
    assert creds['AccessKeyId'].startswith('ASIA') and len(creds['SessionToken']) == 800
    identity = with_session(sim, creds).get_caller_identity()
    assert identity['Arn'] == f'arn:aws:iam::{ACCOUNT}:user/alice' and identity['Account'] == ACCOUNT
    entry = sim.log('GetCallerIdentity')[0]
    assert entry['credential'] == 'session' and entry['tls'] and entry['region'] == 'eu-west-1'


def test_over_plain_http(sim):
    client(sim, url=sim.http_url).get_caller_identity()
    assert [(e['tls'], e['credential'], e['outcome']) for e in sim.log()] == [(False, 'long-term', 'ok')]


def test_key_refusals(sim):
    good = sim.key()
    unknown = (403, 'InvalidClientTokenId', 'The security token included in the request is invalid.')
    assert error_of(client(sim, key={'id': 'AKIANOBODY', 'secret': 'x'}).get_caller_identity) == unknown
    assert error_of(client(sim, key=CONFIG['users'][0]['keys'][1]).get_caller_identity) == unknown
    assert error_of(client(sim, token='made-up').get_caller_identity) == unknown
    status, code, _ = error_of(client(sim, key={**good, 'secret': 'wrong'}).get_caller_identity)
    assert (status, code) == (403, 'SignatureDoesNotMatch')
    sim.set_active(good['id'], False)
    assert error_of(client(sim).get_caller_identity) == unknown
    sim.options(long_term_identity=False)
    sim.set_active(good['id'], True)
    assert error_of(client(sim).get_caller_identity)[1] == 'AccessDenied'


def test_session_token_is_checked(sim):
    creds = session(sim)
    creds['SessionToken'] = creds['SessionToken'][:-4] + 'AAAA'
    assert error_of(with_session(sim, creds).get_caller_identity)[1] == 'InvalidClientTokenId'
    assert error_of(with_session(sim, {**creds, 'SessionToken': None}).get_caller_identity)[1] == 'InvalidClientTokenId'


def test_session_expires(sim):
    sim.options(credential_life_sec=1)
    creds = session(sim)
    time.sleep(1.1)
    assert error_of(with_session(sim, creds).get_caller_identity) == (
        403, 'ExpiredToken', 'The security token included in the request is expired')


def test_code_is_good_once(sim):
    code = sim.fresh_code(SERIAL)
    client(sim).get_session_token(SerialNumber=SERIAL, TokenCode=code)
    assert error_of(client(sim).get_session_token, SerialNumber=SERIAL, TokenCode=code) == WRONG_CODE
    assert [(e['serial'], e['code'], e['outcome']) for e in sim.log('GetSessionToken')] == [
        (SERIAL, code, 'ok'), (SERIAL, code, 'AccessDenied')]
    assert sim.fresh_code(SERIAL) != code


def test_only_the_current_window_without_drift(sim):
    sim.options(totp_drift=0)
    for at in (sim.now() - 60, sim.now() + 90):
        assert error_of(client(sim).get_session_token, SerialNumber=SERIAL,
                        TokenCode=sim.totp(SERIAL, at=at)) == WRONG_CODE
    client(sim).get_session_token(SerialNumber=SERIAL, TokenCode=sim.fresh_code(SERIAL))


@pytest.mark.parametrize('params,status,code,words', [
    ({}, 403, 'AccessDenied', 'must provide both MFA serial number and one time pass code.'),
    ({'SerialNumber': SERIAL}, 403, 'AccessDenied', 'must provide both'),
    ({'TokenCode': '123456'}, 403, 'AccessDenied', 'must provide both'),
    ({'SerialNumber': SERIAL[:-5] + 'bob', 'TokenCode': '123456'}, 403, 'AccessDenied', 'unable to validate MFA code.  Please'),
    ({'SerialNumber': SERIAL, 'TokenCode': '12345a'}, 400, 'ValidationError', "at 'tokenCode'"),
    ({'DurationSeconds': 899}, 400, 'ValidationError', 'greater than or equal to 900'),
    ({'DurationSeconds': 129601}, 400, 'ValidationError', 'less than or equal to 129600'),
])
def test_parameters_refused(sim, params, status, code, words):
    got = error_of(client(sim).get_session_token, **params)
    assert got[:2] == (status, code) and words in got[2]


def test_session_cannot_buy_a_session(sim):
    creds = session(sim)
    assert error_of(with_session(sim, creds).get_session_token) == (
        403, 'AccessDenied', 'Cannot call GetSessionToken with session credentials')


def test_roles(sim):
    role = f'arn:aws:iam::{ACCOUNT}:role/team/Admin'
    bought = with_session(sim, session(sim)).assume_role(RoleArn=role, RoleSessionName='me')
    assert bought['AssumedRoleUser']['Arn'] == f'arn:aws:sts::{ACCOUNT}:assumed-role/Admin/me'
    as_role = with_session(sim, bought['Credentials'])
    assert as_role.get_caller_identity()['Arn'].endswith('assumed-role/Admin/me')
    assert 'role chaining' in error_of(as_role.assume_role, RoleArn=role, RoleSessionName='me', DurationSeconds=7200)[2]


def test_mfa_devices(sim):
    listed = client(sim, 'iam').list_mfa_devices(UserName='alice')['MFADevices']
    assert [d['SerialNumber'] for d in listed] == [SERIAL]
    bob = client(sim, 'iam', sim.key('bob'))
    assert error_of(bob.list_mfa_devices)[:2] == (403, 'AccessDenied')


def test_clock_offset(sim):
    sim.options(clock_offset=3600)
    status, code, message = error_of(client(sim).get_caller_identity)
    assert (status, code) == (403, 'SignatureDoesNotMatch')
    assert message.startswith('Signature expired: ') and message.endswith(' - 15 min.)')
    sim.options(clock_offset=-3600)
    assert error_of(client(sim).get_caller_identity)[2].startswith('Signature not yet current: ')
    sim.options(clock_offset=-600)
    answer = client(sim).get_caller_identity()
    date = answer['ResponseMetadata']['HTTPHeaders']['date']
    told = datetime.datetime.strptime(date, '%a, %d %b %Y %H:%M:%S GMT').replace(tzinfo=datetime.timezone.utc)
    assert abs(told.timestamp() + 600 - time.time()) < 3


def signed(sim, body='Action=GetCallerIdentity&Version=2011-06-15', service='sts', **headers):
    """What botocore would send, as headers and body, to be spoilt by a test."""
    key = sim.key()
    request = AWSRequest('POST', sim.http_url + '/', {
        'Content-Type': 'application/x-www-form-urlencoded; charset=utf-8', **headers}, body)
    botocore.auth.SigV4Auth(Credentials(key['id'], key['secret']), service, 'us-east-1').add_auth(request)
    return dict(request.headers.items()), body


def post(sim, headers, body):
    connection = http.client.HTTPConnection('127.0.0.1', sim.ports['http'], timeout=10)
    connection.request('POST', '/', body, headers)
    answer = connection.getresponse()
    text = answer.read().decode()
    connection.close()
    return answer.status, text


def test_what_was_signed_counts(sim):
    headers, body = signed(sim)
    assert post(sim, headers, body)[0] == 200
    assert post(sim, headers, body.replace('2011-06-15', '2011-06-15&X=1'))[0] == 403
    assert 'SignatureDoesNotMatch' in post(sim, {**headers, 'Content-Type': 'text/plain'}, body)[1]
    assert post(sim, {**headers, 'X-Unsigned': '1'}, body)[0] == 200
    bare = {k: v for k, v in headers.items() if k != 'Authorization'}
    assert 'MissingAuthenticationToken' in post(sim, bare, body)[1]
    unsigned = headers['Authorization'].replace(';host;', ';')
    assert "must be a 'SignedHeader'" in post(sim, {**headers, 'Authorization': unsigned}, body)[1].replace('&#x27;', "'")


def test_scope_and_operation(sim):
    wrong = signed(sim, service='iam')
    assert "correct service: 'sts'" in post(sim, *wrong)[1]
    assert 'InvalidAction' in post(sim, *signed(sim, 'Action=DeleteUser&Version=2010-05-08'))[1]
    assert 'MalformedQueryString' in post(sim, *signed(sim, 'Action=GetCallerIdentity&Action=X&Version=2011-06-15'))[1]


def test_request_id_stands_in_both_places(sim):
    texts = [post(sim, {}, 'Action=GetCallerIdentity&Version=2011-06-15')[1] for _ in range(2)]
    assert sorted('<ResponseMetadata>' in t for t in texts) == [False, True]
    assert all(t.startswith('<ErrorResponse xmlns="https://sts.amazonaws.com/doc/2011-06-15/">') for t in texts)


@pytest.mark.parametrize('kind,expected', [
    ('500', (500, 'InternalFailure')), ('503', (503, 'ServiceUnavailable')), ('throttle', (400, 'Throttling')),
    ('access_denied', (403, 'AccessDenied')), ('expired_token', (403, 'ExpiredToken'))])
def test_scripted_errors_leave_the_code_unused(sim, kind, expected):
    sim.fault(kind, 'GetSessionToken', count=1)
    code = sim.fresh_code(SERIAL)
    assert error_of(client(sim).get_session_token, SerialNumber=SERIAL, TokenCode=code)[:2] == expected
    client(sim).get_session_token(SerialNumber=SERIAL, TokenCode=code)


@pytest.mark.parametrize('kind', ['close', 'reset', 'reset_midway', 'short_body', 'truncated', 'garbage'])
def test_broken_answers(sim, kind):
    sim.fault(kind, 'GetCallerIdentity')
    with pytest.raises(Exception):  # noqa: B017 - botocore has many, and lets urllib3's through
        client(sim).get_caller_identity()
    client(sim).get_caller_identity()
    assert [e['outcome'] for e in sim.log()] == ['ok', 'ok']


def test_delay_and_count(sim):
    sim.fault('delay', 'GetCallerIdentity', count=2, sec=0.3)
    took = []
    for _ in range(3):
        start = time.monotonic()
        client(sim).get_caller_identity()
        took.append(time.monotonic() - start >= 0.3)
    assert took == [True, True, False]
    with pytest.raises(ValueError):
        sim.fault('no such kind')


TLS = {'tls_self_signed': 'self.signed certificate', 'tls_unknown_ca': 'unable to get local issuer',
       'tls_wrong_name': 'Hostname mismatch', 'tls_expired': 'certificate has expired',
       'tls_not_yet_valid': 'not yet valid', 'tls_1_1': 'protocol|legacy'}


@pytest.mark.parametrize('listener', sorted(TLS))
def test_bad_certificates(sim, listener):
    context = ssl.create_default_context(cafile=sim.ca_file)
    with pytest.raises(ssl.SSLError, match=TLS[listener]):
        with socket.create_connection(('127.0.0.1', sim.ports[listener])) as s:
            context.wrap_socket(s, server_hostname='localhost')
    for _ in range(100):
        records = sim.connections(listener)
        if records and not records[0]['open']:
            break
        time.sleep(0.01)
    assert [r['bytes'] for r in records] == [0]


def test_bytes_after_the_handshake_are_counted(sim):
    client(sim).get_caller_identity()
    record = sim.connections('https')[0]
    assert record['handshake'] == 'done' and record['bytes'] > 500


def test_connect_faults(sim):
    sim.fault('reset', 'connect')
    with pytest.raises(botocore.exceptions.BotoCoreError):
        client(sim).get_caller_identity()
    assert sim.log() == []


def test_six_hundred_connections_at_once(sim):
    sim.fault('delay', 'GetCallerIdentity', count=-1, sec=1)
    headers, body = signed(sim)
    with concurrent.futures.ThreadPoolExecutor(600) as pool:
        answers = list(pool.map(lambda _: post(sim, headers, body)[0], range(600)))
    assert answers == [200] * 600


def test_ends_with_its_parent():
    sim = AwsSim().start()
    sim.process.stdin.close()
    assert sim.process.wait(5) == 0
    sim.process = None
    sim.stop()
