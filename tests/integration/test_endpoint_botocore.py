#!/usr/bin/python3
"""Our endpoints against those that the installed botocore calls, for every region it knows."""
import itertools
import re

import botocore.session
import pytest
from botocore.config import Config
from botocore.exceptions import BotoCoreError

from awstool import tool  # noqa: F401


class Captured(Exception):
    def __init__(self, request):
        super().__init__('nothing is sent')
        self.request = request


@pytest.fixture(scope='module')
def botocore_session():
    with pytest.MonkeyPatch.context() as patch:
        for name in ('AWS_CONFIG_FILE', 'AWS_SHARED_CREDENTIALS_FILE'):
            patch.setenv(name, '/nonexistent')
        for name in ('AWS_PROFILE', 'AWS_DEFAULT_PROFILE', 'AWS_DEFAULT_REGION', 'AWS_ENDPOINT_URL',
                     'AWS_USE_FIPS_ENDPOINT', 'AWS_USE_DUALSTACK_ENDPOINT', 'AWS_STS_REGIONAL_ENDPOINTS'):
            patch.delenv(name, raising=False)
        yield botocore.session.Session()


def asked_by_botocore(session, call, override=None):
    """The URL that a call would go to and the region in its signature; None when it refuses."""
    def capture(request, **_):
        raise Captured(request)

    session.set_config_variable('sts_regional_endpoints', 'legacy' if call.get('legacy') else 'regional')
    config = Config(retries={'total_max_attempts': 1}, use_fips_endpoint=call.get('fips', False),
                    use_dualstack_endpoint=call.get('dualstack', False))
    try:
        client = session.create_client(call['service'], region_name=call['region'], endpoint_url=override,
                                       aws_access_key_id='AKIAEXAMPLE', aws_secret_access_key='secret', config=config)
        client.meta.events.register('before-send', capture)
        (client.get_caller_identity if call['service'] == 'sts' else client.list_mfa_devices)()
    except BotoCoreError:
        return None
    except Captured as caught:
        request = caught.request
    authorization = request.headers['Authorization']
    scope = re.search(r'Credential=AKIAEXAMPLE/\d{8}/([^/]+)/([^/]+)/aws4_request',
                      authorization.decode() if isinstance(authorization, bytes) else authorization)
    assert scope[2] == call['service']
    return request.url.rstrip('/'), scope[1]


def all_regions(session):
    """Region: partition, without the pseudo-regions."""
    partitions = session.get_component('data_loader').load_data('partitions')['partitions']
    return {region: p for p in partitions for region in p['regions'] if not region.endswith('-global')}


def known_differences(call, partition, ours):
    """What botocore may say instead; docs/aws-config.md, "Endpoints", tells each with its reason."""
    name, fips, dualstack, region = partition['id'], call['fips'], call['dualstack'], call['region']
    url, signed = ours
    known = set()
    if dualstack and name.startswith('aws-iso'):
        known.add(None)
    if call['service'] != 'iam':
        return known
    host = 'https://iam-fips.' if fips else 'https://iam.'
    if dualstack and not name.startswith('aws-iso'):
        known.add((host + region + '.' + partition['outputs']['dualStackDnsSuffix'], signed))
    if dualstack and name.startswith('aws-iso'):
        known.add((host + (region if fips else signed) + '.' + partition['outputs']['dnsSuffix'], signed))
    if fips and name in ('aws-cn', 'aws-iso', 'aws-iso-b'):
        known.add((host + region + '.' + partition['outputs']['dnsSuffix'], signed))
    if fips and name == 'aws-cn':
        known.add((url, 'cn-northwest-1'))
    return known


@pytest.mark.parametrize('service', ['sts', 'iam'])
def test_every_known_region(tool, botocore_session, service):  # noqa: F811
    regions = all_regions(botocore_session)
    assert len(regions) > 25 and {'us-east-1', 'cn-north-1', 'us-gov-east-1', 'us-isob-east-1'} <= set(regions)
    calls = [{'service': service, 'region': region, 'fips': fips, 'dualstack': dualstack, 'legacy': legacy}
             for region, fips, dualstack, legacy in itertools.product(regions, *[(False, True)] * 3)]
    answers = tool.each('endpoint', calls)
    same = plain = 0
    for call, answer in zip(calls, answers):
        ours, theirs = (answer['url'], answer['region']), asked_by_botocore(botocore_session, call)
        assert answer['partition'] == regions[call['region']]['id']
        if ours == theirs:
            same += 1
            plain += not call['fips'] and not call['dualstack']
        else:
            assert theirs in known_differences(call, regions[call['region']], ours), (call, ours, theirs)
    assert plain == 2 * len(regions), 'nothing is to differ where nothing is set'
    assert same > len(calls) * (0.9 if service == 'sts' else 0.4)


def test_legacy_is_not_for_every_region(tool):  # noqa: F811
    answers = tool.each('endpoint', [{'service': 'sts', 'region': region, 'legacy': True}
                                     for region in ('eu-west-1', 'eu-south-1', 'us-gov-west-1')])
    assert [a['url'] for a in answers] == ['https://sts.amazonaws.com', 'https://sts.eu-south-1.amazonaws.com',
                                           'https://sts.us-gov-west-1.amazonaws.com']


@pytest.mark.parametrize('region', ['us-west-2-fips', 'fips-us-gov-west-1', 'fips-us-east-1'])
def test_old_spellings_of_fips(tool, botocore_session, region):  # noqa: F811
    call = {'service': 'sts', 'region': region}
    answer = tool.each('endpoint', [call])[0]
    assert (answer['url'], answer['region']) == asked_by_botocore(botocore_session, call)


def test_aws_global_is_the_global_endpoint(tool, botocore_session):  # noqa: F811
    call = {'service': 'sts', 'region': 'aws-global'}
    answer = tool.each('endpoint', [call])[0]
    assert (answer['url'], answer['region']) == asked_by_botocore(botocore_session, call)


@pytest.mark.parametrize('flags', [{}, {'fips': True}, {'dualstack': True}, {'fips': True, 'dualstack': True}])
@pytest.mark.parametrize('service', ['sts', 'iam'])
def test_pseudo_regions_are_their_partitions_home(tool, service, flags):  # noqa: F811
    """Intended: botocore makes hosts like sts.aws-cn-global.amazonaws.com.cn of them, which do not exist."""
    pairs = [('aws-cn-global', 'cn-northwest-1'), ('', 'us-east-1'), ('aws-us-gov-global', 'us-gov-west-1'),
             ('aws-iso-b-global', 'us-isob-east-1')]
    if service == 'iam' or flags:
        pairs.append(('aws-global', 'us-east-1'))
    answers = tool.each('endpoint', [{'service': service, 'region': region, **flags}
                                     for pair in pairs for region in pair])
    for i, pair in enumerate(pairs):
        assert answers[2 * i] == answers[2 * i + 1], pair


@pytest.mark.parametrize('override', ['https://sts.example.com', 'http://127.0.0.1:4566', 'http://localhost:4566/'])
def test_override(tool, botocore_session, override):  # noqa: F811
    call = {'service': 'sts', 'region': 'eu-west-1', 'legacy': True, 'sts_url': override}
    answer = tool.each('endpoint', [call])[0]
    assert (answer['url'], answer['region']) == asked_by_botocore(botocore_session, call, override)


@pytest.mark.parametrize('flag', ['fips', 'dualstack'])
@pytest.mark.parametrize('service', ['sts', 'iam'])
def test_override_goes_with_neither_fips_nor_dualstack(tool, service, flag):  # noqa: F811
    """As botocore's rules have it, and other SDKs do; botocore's client itself drops the flag in silence."""
    call = {'service': service, 'region': 'eu-west-1', flag: True, f'{service}_url': 'https://example.com'}
    name = 'FIPS' if flag == 'fips' else flag
    assert tool.each('endpoint', [call]) == [{'error': f'{name} and a custom endpoint do not go together'}]


def test_override_for_iam_keeps_the_partitions_region(tool):  # noqa: F811
    """Behind any address IAM itself checks for its one signing region; local simulators check none."""
    call = {'service': 'iam', 'region': 'eu-west-1', 'iam_url': 'https://iam.example.com'}
    answer = tool.each('endpoint', [call])[0]
    assert (answer['url'], answer['region']) == ('https://iam.example.com', 'us-east-1')


@pytest.mark.parametrize('override', ['http://sts.example.com', 'https://sts.example.com/path', 'ftp://localhost',
                                      'https://u:p@localhost', 'https://sts.example.com//', '/', 'localhost:80'])
def test_override_that_is_refused(tool, override):  # noqa: F811
    answer = tool.each('endpoint', [{'service': 'sts', 'sts_url': override}])[0]
    assert answer['error'].startswith('a custom endpoint is https://HOST[:PORT]')
