#!/usr/bin/python3
"""Our endpoints against those that the installed botocore calls, for every region it knows."""
import re

import botocore.session
import pytest
from botocore.config import Config

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
                     'AWS_USE_FIPS_ENDPOINT', 'AWS_USE_DUALSTACK_ENDPOINT'):
            patch.delenv(name, raising=False)
        patch.setenv('AWS_STS_REGIONAL_ENDPOINTS', 'regional')
        yield botocore.session.Session()


def asked_by_botocore(session, service, region, override=None):
    """The URL that a call would go to and the region in its signature."""
    def capture(request, **_):
        raise Captured(request)

    client = session.create_client(service, region_name=region, endpoint_url=override,
                                   aws_access_key_id='AKIAEXAMPLE', aws_secret_access_key='secret',
                                   config=Config(retries={'total_max_attempts': 1}))
    client.meta.events.register('before-send', capture)
    with pytest.raises(Captured) as caught:
        (client.get_caller_identity if service == 'sts' else client.list_mfa_devices)()
    request = caught.value.request
    authorization = request.headers['Authorization'].decode()
    scope = re.search(r'Credential=AKIAEXAMPLE/\d{8}/([^/]+)/([^/]+)/aws4_request', authorization)
    assert scope[2] == service
    return request.url.rstrip('/'), scope[1]


def all_regions(session):
    partitions = session.get_component('data_loader').load_data('partitions')['partitions']
    return sorted(region for p in partitions for region in p['regions'] if not region.endswith('-global'))


@pytest.mark.parametrize('service', ['sts', 'iam'])
def test_every_known_region(tool, botocore_session, service):  # noqa: F811
    regions = all_regions(botocore_session)
    assert len(regions) > 25 and {'us-east-1', 'cn-north-1', 'us-gov-east-1', 'us-isob-east-1'} <= set(regions)
    answers = tool.each('endpoint', [{'service': service, 'region': region} for region in regions])
    for region, answer in zip(regions, answers):
        assert (answer['url'], answer['region']) == asked_by_botocore(botocore_session, service, region), region


@pytest.mark.parametrize('service', ['sts', 'iam'])
def test_pseudo_regions_are_their_partitions_home(tool, service):  # noqa: F811
    """Intended: `aws-global` is the regional endpoint of us-east-1 for STS, not the legacy global one."""
    pairs = [('aws-global', 'us-east-1'), ('aws-cn-global', 'cn-northwest-1'), ('', 'us-east-1'),
             ('aws-us-gov-global', 'us-gov-west-1'), ('aws-iso-b-global', 'us-isob-east-1')]
    answers = tool.each('endpoint', [{'service': service, 'region': region} for pair in pairs for region in pair])
    for i, pair in enumerate(pairs):
        assert answers[2 * i] == answers[2 * i + 1], pair


@pytest.mark.parametrize('override', ['https://sts.example.com', 'http://127.0.0.1:4566', 'http://localhost:4566/'])
def test_override(tool, botocore_session, override):  # noqa: F811
    call = {'service': 'sts', 'region': 'eu-west-1', 'override': override}
    answer = tool.each('endpoint', [call])[0]
    assert (answer['url'], answer['region']) == asked_by_botocore(botocore_session, 'sts', 'eu-west-1', override)


def test_override_for_iam_keeps_the_partitions_region(tool):  # noqa: F811
    """Behind any address IAM itself checks for its one signing region; local simulators check none."""
    call = {'service': 'iam', 'region': 'eu-west-1', 'override': 'https://iam.example.com'}
    assert tool.each('endpoint', [call])[0] == {'url': 'https://iam.example.com', 'region': 'us-east-1'}


@pytest.mark.parametrize('override', ['http://sts.example.com', 'https://sts.example.com/path', 'ftp://localhost',
                                      'https://u:p@localhost', 'https://sts.example.com//', '/', 'localhost:80'])
def test_override_that_is_refused(tool, override):  # noqa: F811
    assert tool.each('endpoint', [{'service': 'sts', 'override': override}]) == [{'error': -22}]
