#!/usr/bin/python3
"""Writes tests/vectors/sigv4: requests of ours as botocore signs them, in the shape of AWS's own test suite.

Run it again after a change; the result depends on nothing but this file and botocore's signer."""
import datetime
import json
import os
from unittest import mock

from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials

FOLDER = os.path.join(os.path.dirname(os.path.abspath(__file__)), 'sigv4')
FORM = [('Content-Type', 'application/x-www-form-urlencoded; charset=utf-8')]
TOKEN = 'FwoGZXIvYXdzEExampleToken//////////' + 'abcdefghijklmnopqrstuvwxyz0123456789+/' * 20 + '=='
GET_SESSION_TOKEN = ('Action=GetSessionToken&Version=2011-06-15&DurationSeconds=43200'
                     '&SerialNumber=arn%3Aaws%3Aiam%3A%3A123456789012%3Amfa%2Fme&TokenCode=123456')
IDENTITY = 'Action=GetCallerIdentity&Version=2011-06-15'
CASES = {  # service, region, host, headers, query, body, token, time
    'sts-get-session-token': ('sts', 'eu-central-1', 'sts.eu-central-1.amazonaws.com', FORM, '', GET_SESSION_TOKEN,
                              None, '2026-11-22T00:00:00Z'),
    'sts-identity-with-token': ('sts', 'us-east-1', 'sts.us-east-1.amazonaws.com', FORM, '', IDENTITY, TOKEN,
                                '2026-02-28T23:59:59Z'),
    'iam-list-mfa-devices': ('iam', 'us-east-1', 'iam.amazonaws.com', FORM, '',
                             'Action=ListMFADevices&Version=2010-05-08', None, '2024-02-29T12:00:00Z'),
    'host-with-port': ('sts', 'us-east-1', '127.0.0.1:4566', FORM, '', IDENTITY, None, '2026-11-22T00:00:00Z'),
    'host-ipv6': ('sts', 'us-east-1', '[::1]:4566', FORM, '', IDENTITY, None, '2026-11-22T00:00:00Z'),
    'empty-body': ('sts', 'us-gov-west-1', 'sts.us-gov-west-1.amazonaws.com', [], '', '', None,
                   '1970-01-01T00:00:00Z'),
    'query-order': ('sts', 'cn-north-1', 'sts.cn-north-1.amazonaws.com.cn', [], 'b=2&a-b=3&a=2&a=1&c', '', None,
                    '9999-12-31T23:59:59Z'),
    'many-headers': ('sts', 'us-east-1', 'sts.amazonaws.com',
                     [('X-B', '  two   words  '), ('X-A', 'x'), ('x-ab', 'Y'), ('X-Empty', ''), *FORM], '', IDENTITY,
                     TOKEN, '2026-11-22T00:00:00Z'),
    'repeated-header': ('sts', 'us-east-1', 'sts.amazonaws.com',
                        [('X-B', 'second'), ('X-A', 'x'), ('X-B', 'first'), ('X-B', ' third ')], '', IDENTITY, None,
                        '2026-11-22T00:00:00Z'),
}


def write(folder, name, content):
    with open(os.path.join(folder, name), 'w', encoding='utf-8', newline='') as f:
        f.write(content)


def make(name, service, region, host, headers, query, body, token, time):
    folder = os.path.join(FOLDER, name)
    os.makedirs(folder, exist_ok=True)
    keys = {'access_key_id': 'AKIAIOSFODNN7EXAMPLE', 'secret_access_key': 'wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY'}
    signer = SigV4Auth(Credentials(keys['access_key_id'], keys['secret_access_key'], token), service, region)
    target = '/' + ('?' + query if query else '')
    request = AWSRequest(method='POST', url=f'https://{host}{target}', data=body)
    for header in headers:
        request.headers.add_header(*header)
    with mock.patch('botocore.auth.datetime') as clock:
        clock.datetime.utcnow.return_value = datetime.datetime.strptime(time, '%Y-%m-%dT%H:%M:%SZ')
        signer.add_auth(request)
    request.headers.replace_header('X-Amz-Date', request.context['timestamp'])
    del request.headers['Authorization']
    canonical = signer.canonical_request(request)
    to_sign = signer.string_to_sign(request, canonical)
    if token:
        keys['token'] = token
    write(folder, 'context.json', json.dumps({'credentials': keys, 'normalize': False, 'region': region,
                                              'service': service, 'sign_body': False, 'timestamp': time}, indent=4))
    lines = [f'POST {target} HTTP/1.1', f'Host:{host}'] + [f'{n}:{v}' for n, v in headers]
    write(folder, 'request.txt', '\n'.join(lines) + '\n' + ('\n' + body if body else ''))
    write(folder, 'header-canonical-request.txt', canonical)
    write(folder, 'header-string-to-sign.txt', to_sign)
    write(folder, 'header-signature.txt', signer.signature(to_sign, request))


for case, values in CASES.items():
    make(case, *values)
print(f'{len(CASES)} cases in {FOLDER}')
