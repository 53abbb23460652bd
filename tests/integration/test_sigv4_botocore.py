#!/usr/bin/python3
"""Our signed requests against botocore's signer, over random calls (MFAD_SEED repeats a run)."""
import datetime
import os
import random
import string
import urllib.parse
from unittest import mock

import botocore.session
import pytest
from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials

from awstool import tool  # noqa: F401

CALLS = 400
OPERATIONS = {  # number in aws_request.h: service, version, action
    1: ('sts', '2011-06-15', 'GetSessionToken'),
    2: ('iam', '2010-05-08', 'ListMFADevices'),
    3: ('sts', '2011-06-15', 'GetCallerIdentity'),
    4: ('sts', '2011-06-15', 'AssumeRole'),
}
REGIONS = ['us-east-1', 'eu-central-1', 'cn-north-1', 'us-gov-west-1', 'us-iso-east-1', 'x', 'a-1']
ENDPOINTS = ['https://sts.amazonaws.com', 'https://sts.eu-west-1.amazonaws.com:443', 'https://127.0.0.1:8443',
             'http://127.0.0.1:4566', 'http://localhost', 'http://[::1]:4566', 'http://127.9.9.9:80',
             'https://sts.internal.example.com:65535']
GRAPH = ''.join(c for c in string.printable if c.isprintable() and c != ' ')


def pick(source, alphabet, least, most):
    return ''.join(source.choice(alphabet) for _ in range(source.randint(least, most)))


NAMES = string.ascii_letters + string.digits + '_+=,.@-'
TAG_ALPHABET = string.ascii_letters + string.digits + ' _.:/+-@\u00e9\u65e5'


def maybe(source, make):
    return make() if source.random() < 0.5 else ''


def random_role(source):
    """In the form of struct aws_role: lists are texts."""
    def arn(kind):
        return f'arn:aws:iam::123456789012:{kind}/' + pick(source, GRAPH.replace(',', ''), 1, 100)

    keys = list(dict.fromkeys(pick(source, TAG_ALPHABET, 1, 20) for _ in range(source.randint(0, 8))))
    return {
        'arn': arn('role'),
        'session_name': pick(source, NAMES, 2, 64),
        'external_id': maybe(source, lambda: pick(source, NAMES + ':/', 2, 200)),
        'source_identity': maybe(source, lambda: pick(source, NAMES, 2, 64)),
        'policy': maybe(source, lambda: pick(source, GRAPH + ' \t\r\n\u00e9\u00ff', 1, 500)),
        'policy_arns': ','.join(arn('policy') for _ in range(source.randint(0, 10))),
        'tags': ','.join(key + '=' + pick(source, TAG_ALPHABET + '=', 0, 20) for key in keys),
        'transitive_tags': ','.join(keys[:source.randint(0, len(keys))]),
    }


def random_call(source):
    op = source.choice(sorted(OPERATIONS))
    call = {
        'op': op,
        'region': source.choice(REGIONS),
        'endpoint': source.choice(ENDPOINTS),
        'wall_sec': source.choice([0, 951782400, source.randint(0, 253402300799)]),
        'access_key_id': pick(source, string.ascii_uppercase + string.digits, 16, 32),
        'secret_key': pick(source, GRAPH, 1, 256),
        'session_token': source.choice([None, pick(source, GRAPH, 1, 4096)]),
    }
    if op == 1:
        call['mfa_serial'] = pick(source, string.ascii_letters + string.digits + '_+=/:,.@-', 9, 256)
        call['mfa_code'] = pick(source, string.digits, 6, 6)
        call['duration_sec'] = source.randint(900, 129600)
    if op == 4:
        call['role'] = random_role(source)
        call['duration_sec'] = source.randint(900, 43200)
        if source.random() < 0.5:
            call['mfa_serial'] = pick(source, string.ascii_letters + string.digits + '_+=/:,.@-', 9, 256)
            call['mfa_code'] = pick(source, string.digits, 6, 6)
    return call


@pytest.fixture(scope='module')
def exchanges(tool):  # noqa: F811
    seed = os.environ.get('MFAD_SEED') or str(random.SystemRandom().getrandbits(32))
    print(f'MFAD_SEED={seed}')
    source = random.Random(seed)
    calls = [random_call(source) for _ in range(CALLS)]
    return list(zip(calls, tool.each('sign', calls)))


@pytest.fixture(scope='module')
def role_serialized_by_botocore():
    """The form that botocore makes of one of our AssumeRole calls: what it would sign and send."""
    client = botocore.session.Session().create_client(
        'sts', region_name='us-east-1', aws_access_key_id='AKIAEXAMPLE', aws_secret_access_key='secret')
    caught = []
    client.meta.events.register('before-call', lambda params, **_: caught.append(params) or (mock.Mock(status_code=200), {}))

    def serialize(call):
        role = call['role']
        asked = {'RoleArn': role['arn'], 'RoleSessionName': role['session_name'],
                 'DurationSeconds': call['duration_sec'], 'ExternalId': role['external_id'],
                 'SourceIdentity': role['source_identity'], 'Policy': role['policy'],
                 'PolicyArns': [{'arn': arn} for arn in role['policy_arns'].split(',') if arn],
                 'Tags': [dict(zip(('Key', 'Value'), tag.split('=', 1))) for tag in role['tags'].split(',') if tag],
                 'TransitiveTagKeys': [key for key in role['transitive_tags'].split(',') if key],
                 'SerialNumber': call.get('mfa_serial'), 'TokenCode': call.get('mfa_code')}
        client.assume_role(**{name: value for name, value in asked.items() if value})
        return caught.pop()

    with mock.patch.object(client, '_make_request') as never:
        yield serialize
    never.assert_not_called()


def test_botocore_asks_for_the_same_role(exchanges, role_serialized_by_botocore):
    """Parameter for parameter. That our signature over it is right says test_botocore_signs_the_same."""
    roles = [(call, answer) for call, answer in exchanges if call['op'] == 4]
    assert len(roles) > 50
    for call, answer in roles:
        theirs = role_serialized_by_botocore(call)
        expected = {name: str(value) for name, value in theirs['body'].items()}
        pairs = urllib.parse.parse_qsl(answer['body'], keep_blank_values=True, strict_parsing=True)
        assert dict(pairs) == expected and len(pairs) == len(expected), call
        assert theirs['headers']['Content-Type'] == headers_of(answer)['Content-Type']


def headers_of(answer):
    lines = answer['headers'].split('\n')
    assert lines.pop() == '', 'each header ends its line'
    names = [line.split(': ', 1)[0] for line in lines]
    assert len(set(names)) == len(names)
    return dict(line.split(': ', 1) for line in lines)


def signed_by_botocore(call, answer):
    """What botocore makes of the same URL, body and content type, with the same keys and clock."""
    service = OPERATIONS[call['op']][0]
    headers = {'Content-Type': headers_of(answer)['Content-Type']}
    request = AWSRequest(method='POST', url=answer['url'], data=answer['body'].encode(), headers=headers)
    now = datetime.datetime(1970, 1, 1) + datetime.timedelta(seconds=call['wall_sec'])
    keys = Credentials(call['access_key_id'], call['secret_key'], call['session_token'])
    with mock.patch('botocore.auth.datetime') as clock:
        clock.datetime.utcnow.return_value = now
        SigV4Auth(keys, service, call['region']).add_auth(request)
    return dict(request.headers.items())


def test_botocore_signs_the_same(exchanges):
    for call, answer in exchanges:
        assert 'error' not in answer, call
        assert headers_of(answer) == signed_by_botocore(call, answer), call


def test_body_says_what_was_asked(exchanges):
    for call, answer in exchanges:
        _, version, action = OPERATIONS[call['op']]
        expected = {'Action': action, 'Version': version}
        if call['op'] == 1:
            expected.update(DurationSeconds=str(call['duration_sec']), SerialNumber=call['mfa_serial'],
                            TokenCode=call['mfa_code'])
        assert answer['url'] == call['endpoint'] + '/'
        if call['op'] == 4:
            continue  # test_botocore_asks_for_the_same_role
        pairs = urllib.parse.parse_qsl(answer['body'], strict_parsing=True)
        assert dict(pairs) == expected and len(pairs) == len(expected)


@pytest.mark.parametrize('change', ['secret_key', 'access_key_id', 'region', 'wall_sec', 'session_token', 'body',
                                    'url', 'content type'])
def test_any_change_is_noticed(exchanges, change):
    """The comparison above is no formality: each part of the request decides the signature."""
    for call, answer in exchanges[:50]:
        other_call, other_answer = dict(call), dict(answer)
        if change == 'body':
            other_answer['body'] += '&x=1'
        elif change == 'url':
            other_answer['url'] = 'https://other.example.com/'
        elif change == 'content type':
            other_answer['headers'] = answer['headers'].replace('utf-8', 'utf-9')
        elif change == 'wall_sec':
            other_call['wall_sec'] = (call['wall_sec'] + 1) % 253402300800
        else:
            other_call[change] = (call[change] or '') + 'x'
        expected = signed_by_botocore(other_call, other_answer)['Authorization']
        assert headers_of(answer)['Authorization'] != expected


@pytest.mark.parametrize('change', [
    {'op': 0}, {'op': 4}, {'op': 5}, {'op': 6}, {'region': ''}, {'region': 'EU'}, {'region': 'a/b'}, {'wall_sec': -1},
    {'wall_sec': 253402300800}, {'mfa_code': '12345'}, {'mfa_code': '12345a'}, {'mfa_code': ''},
    {'mfa_serial': ''}, {'mfa_serial': 'short'}, {'mfa_serial': 'with a blank in it'}, {'duration_sec': 899},
    {'duration_sec': 129601}, {'access_key_id': 'A\nB'}, {'session_token': 'a\nb'}, {'session_token': ''},
    {'endpoint': 'http://sts.amazonaws.com'}, {'endpoint': 'https://sts.amazonaws.com/'},
    {'endpoint': 'https://u@sts.amazonaws.com'}, {'endpoint': ''},
])
def test_what_cannot_be_said_is_refused(tool, change):  # noqa: F811
    good = {'op': 1, 'region': 'us-east-1', 'endpoint': 'https://sts.amazonaws.com', 'wall_sec': 1,
            'mfa_serial': 'arn:aws:iam::123456789012:mfa/u', 'mfa_code': '123456', 'duration_sec': 900,
            'access_key_id': 'AKIAEXAMPLE', 'secret_key': 's', 'session_token': None}
    answers = tool.each('sign', [good, {**good, **change}])
    assert 'url' in answers[0]
    assert answers[1] == {'error': -22}
