"""The simulator's AssumeRole, with Debian's boto3 as the judge: partitions, trust, parameters, life."""
import hashlib
import json
import struct
import sys

import pytest
from test_awssim import TESTS, client, error_of

sys.path.insert(0, TESTS)
from awssim.client import AwsSim  # noqa: E402

ACCOUNT, OTHER, CHINA = '123456789012', '210987654321', '333333333333'
ALICE = f'arn:aws:iam::{ACCOUNT}:user/alice'


def role(name, account=ACCOUNT, partition='aws'):
    return f'arn:{partition}:iam::{account}:role/{name}'


CONFIG = {
    'account': ACCOUNT,
    'users': [
        {'name': 'alice', 'keys': [{'id': 'AKIAALICE0EXAMPLE000', 'secret': 'alice/secret'}],
         'mfa': [{'serial': f'arn:aws:iam::{ACCOUNT}:mfa/alice', 'seed': 'GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ'}]},
        {'name': 'li', 'account': CHINA, 'partition': 'aws-cn',
         'keys': [{'id': 'AKIALI000EXAMPLE0000', 'secret': 'li/secret'}],
         'mfa': [{'serial': f'arn:aws-cn:iam::{CHINA}:mfa/li', 'seed': 'MFRGGZDFMZTWQ2LK'}]},
    ],
    'roles': {
        role('Open'): {}, role('Long'): {'max_sec': 43200}, role('Chinese', CHINA, 'aws-cn'): {},
        role('Named'): {'external_id': 'shared-1234'}, role('Other', OTHER): {},
        role('First'): {'trusts': [ALICE]}, role('Second'): {'trusts': [role('First')]},
        role('Third', OTHER): {'trusts': [f'arn:aws:iam::{ACCOUNT}:root']},
        role('ForOther'): {'trusts': [f'arn:aws:iam::{OTHER}:root']},
        role('WithMfa'): {'needs_mfa': True},
    },
    'options': {'totp_drift': 20, 'mfa_needed': False},
}
GOOD_POLICY = json.dumps({'Version': '2012-10-17', 'Statement': [
    {'Effect': 'Allow', 'Action': 's3:Get*', 'Resource': '*'}]})


@pytest.fixture(scope='module')
def started():
    with AwsSim(CONFIG) as simulator:
        yield simulator


@pytest.fixture
def sim(started):
    started.reset()
    return started


def sts(sim, creds=None, user=None, region='eu-west-1'):
    """Signing with @creds, as STS gave them, or with a user's long-term key."""
    if creds is None:
        return client(sim, key=sim.key(user), region=region)
    key = {'id': creds['AccessKeyId'], 'secret': creds['SecretAccessKey']}
    return client(sim, key=key, token=creds['SessionToken'], region=region)


def assume(sim, name, creds=None, user=None, region='eu-west-1', **more):
    arn = name if name.startswith('arn:') else role(name)
    return sts(sim, creds, user, region).assume_role(RoleArn=arn, RoleSessionName='me', **more)['Credentials']


def refused(sim, name, creds=None, user=None, region='eu-west-1', **more):
    arn = name if name.startswith('arn:') else role(name)
    return error_of(sts(sim, creds, user, region).assume_role, RoleArn=arn, RoleSessionName='me', **more)


def denied(name):
    return (403, 'AccessDenied', f'User: {ALICE} is not authorized to perform: sts:AssumeRole on resource: '
            + (name if name.startswith('arn:') else role(name)))


INVALID_TOKEN = (403, 'InvalidClientTokenId', 'The security token included in the request is invalid.')


def test_a_key_is_known_in_its_own_partition_only(sim):
    assert sts(sim, user='li', region='cn-north-1').get_caller_identity()['Arn'] == f'arn:aws-cn:iam::{CHINA}:user/li'
    for user, region in (('li', 'us-east-1'), ('alice', 'cn-northwest-1'), ('alice', 'us-gov-west-1'),
                         ('alice', 'eusc-de-east-1'), ('alice', 'us-isob-east-1')):
        assert error_of(sts(sim, user=user, region=region).get_caller_identity) == INVALID_TOKEN, region


def test_a_role_of_another_partition_is_refused(sim):
    chinese = role('Chinese', CHINA, 'aws-cn')
    assert refused(sim, chinese) == denied(chinese)
    creds = assume(sim, chinese, user='li', region='cn-north-1')
    assert sts(sim, creds, region='cn-north-1').get_caller_identity()['Arn'] == \
        f'arn:aws-cn:sts::{CHINA}:assumed-role/Chinese/me'
    assert error_of(sts(sim, creds).get_caller_identity) == INVALID_TOKEN


def test_unknown_roles_and_wrong_external_ids_are_denied(sim):
    assert refused(sim, 'NoSuch') == denied('NoSuch')
    assert refused(sim, 'Named') == denied('Named')
    assert refused(sim, 'Named', ExternalId='shared-12345') == denied('Named')
    assert assume(sim, 'Named', ExternalId='shared-1234')
    assert refused(sim, 'WithMfa') == denied('WithMfa')
    with_mfa = sts(sim).get_session_token(SerialNumber=sim.serial(), TokenCode=sim.fresh_code())['Credentials']
    assert assume(sim, 'WithMfa', with_mfa)


def test_a_chain_needs_its_chain(sim):
    assert refused(sim, 'Second') == denied('Second')
    first = assume(sim, 'First')
    second = assume(sim, 'Second', first)
    assert refused(sim, 'First', second)[1] == 'AccessDenied'
    third = assume(sim, role('Third', OTHER), second)
    assert assume(sim, 'ForOther', third)
    assert refused(sim, 'ForOther', second)[1] == 'AccessDenied'
    assert [e['caller'].split(':')[-1] for e in sim.log('AssumeRole') if e['outcome'] == 'ok'] == [
        'user/alice', 'assumed-role/First/me', 'assumed-role/Second/me', 'assumed-role/Third/me']


def test_durations(sim):
    session = sts(sim).get_session_token()['Credentials']
    assert 'MaxSessionDuration set for this role' in refused(sim, 'Open', DurationSeconds=3601)[2]
    assert assume(sim, 'Long', DurationSeconds=43200)
    assert "at 'durationSeconds'" in refused(sim, 'Long', DurationSeconds=43201)[2]
    assert "at 'durationSeconds'" in refused(sim, 'Long', DurationSeconds=899)[2]
    assert refused(sim, 'Long', session, DurationSeconds=3601)[:2] == (400, 'ValidationError')
    chained = refused(sim, 'Long', assume(sim, 'Open', session), DurationSeconds=3601)
    assert chained[:2] == (400, 'ValidationError') and '1 hour session limit for roles' in chained[2]


@pytest.mark.parametrize('more, code, words', [
    ({'Policy': '{"Version": "2012-10-17"}'}, 'MalformedPolicyDocument', ''),
    ({'Policy': '{"Version"'}, 'MalformedPolicyDocument', ''),
    ({'Policy': '{"Statement": [{"Effect": "Maybe", "Action": "*", "Resource": "*"}]}'}, 'MalformedPolicyDocument', ''),
    ({'Policy': GOOD_POLICY + ' ' * 2048}, 'ValidationError', "at 'policy'"),
    ({'PolicyArns': [{'arn': 'arn:aws:iam::aws:role/ReadOnlyAccess'}]}, 'ValidationError', 'is not valid'),
    ({'PolicyArns': [{'arn': f'arn:aws:iam::aws:policy/P{n}'} for n in range(11)]}, 'ValidationError', 'policyArns'),
    ({'Tags': [{'Key': 'Team', 'Value': 'a'}, {'Key': 'team', 'Value': 'b'}]}, 'InvalidParameterValue', 'Duplicate'),
    ({'Tags': [{'Key': 'a*b', 'Value': 'a'}]}, 'ValidationError', "at 'tags.1.member.key'"),
    ({'Tags': [{'Key': 'k', 'Value': 'v' * 257}]}, 'ValidationError', "at 'tags.1.member.value'"),
    ({'Tags': [{'Key': f'k{n}', 'Value': 'v'} for n in range(51)]}, 'ValidationError', "at 'tags'"),
    ({'TransitiveTagKeys': ['team']}, 'InvalidParameterValue', 'must be included'),
    ({'SourceIdentity': 'x'}, 'ValidationError', "at 'sourceIdentity'"),
    ({'ExternalId': '1'}, 'ValidationError', "at 'externalId'"),
    ({'Tags': [{'Key': f'key{n}', 'Value': hashlib.sha512(bytes([n])).hexdigest()} for n in range(40)]}, 'PackedPolicyTooLarge',
     'Packed size of session tags consumes'),
])
def test_parameters_refused(sim, more, code, words):
    got = refused(sim, 'Open', **more)
    assert got[:2] == (400, code) and words in got[2]


def test_parameters_accepted_stand_in_the_log(sim):
    assume(sim, 'Open', Policy=GOOD_POLICY, PolicyArns=[{'arn': 'arn:aws:iam::aws:policy/ReadOnlyAccess'}],
           Tags=[{'Key': 'Team', 'Value': 'red blue'}, {'Key': 'cost', 'Value': ''}], TransitiveTagKeys=['Team'],
           SourceIdentity='alice@example.com', ExternalId='ab')
    params = sim.log('AssumeRole')[0]['params']
    assert params['Policy'] == GOOD_POLICY and params['SourceIdentity'] == 'alice@example.com'
    assert params['PolicyArns.member.1.arn'] == 'arn:aws:iam::aws:policy/ReadOnlyAccess'
    assert (params['Tags.member.1.Key'], params['Tags.member.1.Value']) == ('Team', 'red blue')
    assert params['TransitiveTagKeys.member.1'] == 'Team'


def test_what_is_handed_down_a_chain_cannot_be_changed(sim):
    first = assume(sim, 'Open', Tags=[{'Key': 'Team', 'Value': 'red'}], TransitiveTagKeys=['Team'], SourceIdentity='alice')
    second = assume(sim, 'Open', first, SourceIdentity='alice', Tags=[{'Key': 'cost', 'Value': '1'}])
    again = refused(sim, 'Open', second, Tags=[{'Key': 'team', 'Value': 'blue'}])
    assert again[1] == 'InvalidParameterValue' and 'transitive tag key from the calling session' in again[2]
    assert 'source identity is already set' in refused(sim, 'Open', second, SourceIdentity='bob')[2]


def test_a_deactivated_key_ends_its_sessions_but_not_its_roles(sim):
    session = sts(sim).get_session_token()['Credentials']
    as_role = assume(sim, 'Open', session)
    sim.set_active(sim.key()['id'], False)
    assert refused(sim, 'Open', session) == INVALID_TOKEN
    assert sts(sim, as_role).get_caller_identity()
    sim.set_active(sim.key()['id'], True)
    assert assume(sim, 'Open', session)


def test_disabled_regions(sim):
    sim.options(disabled_regions=['eu-central-1'])
    status, code, message = error_of(sts(sim, region='eu-central-1').get_session_token)
    assert (status, code) == (403, 'RegionDisabledException') and f'account:{ACCOUNT}' in message
    assert sts(sim).get_session_token()


def test_faults_for_one_role_only(sim):
    sim.fault('access_denied', 'AssumeRole', count=-1, role=role('Long'))
    for _ in range(2):
        assert refused(sim, 'Long')[1] == 'AccessDenied'
        assume(sim, 'Open')
    assert sim.counts() == {role('Long'): 2, role('Open'): 2}
    assert sim.counts(outcome='ok') == {role('Open'): 2}


def test_a_clock_that_is_moved(sim, tmp_path):
    clock = tmp_path / 'clock'
    clock.write_bytes(struct.pack('=q', 0))
    sim.options(clock_file=str(clock))
    creds = assume(sim, 'Open')
    with open(clock, 'r+b', buffering=0) as f:
        for moved_sec, expected in ((800, None), (1000, 'SignatureDoesNotMatch'), (3601, 'ExpiredToken')):
            f.seek(0)
            f.write(struct.pack('=q', moved_sec * 1_000_000))
            if expected:
                assert error_of(sts(sim, creds).get_caller_identity)[1] == expected, moved_sec
            else:
                assert sts(sim, creds).get_caller_identity()
    sim.reset()
    assert sts(sim).get_caller_identity(), 'the clock is moved still'
