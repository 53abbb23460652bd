#!/usr/bin/python3
"""Which key a role's chain starts from, which roles lie between, and where AssumeRole goes: against the installed
botocore, which is let run up to the requests that it would send.

What a role inherits from its source is ours alone (docs/aws-config.md, "What a role inherits"): there botocore is
asked about a configuration that says the same in so many words."""
import glob
import io
import itertools
import json
import os
import re
import subprocess

import botocore.awsrequest
import botocore.configprovider
import botocore.exceptions
import botocore.loaders
import botocore.session
import botocore.utils
import pytest

from awstool import VECTORS, tool  # noqa: F401

FILES = sorted(glob.glob(os.path.join(VECTORS, 'aws-config', '*.ini')))
ANSWER = """<AssumeRoleResponse xmlns="https://sts.amazonaws.com/doc/2011-06-15/"><AssumeRoleResult><Credentials>
<AccessKeyId>ASIA{}</AccessKeyId><SecretAccessKey>secret</SecretAccessKey><SessionToken>token</SessionToken>
<Expiration>2100-01-01T00:00:00Z</Expiration></Credentials></AssumeRoleResult></AssumeRoleResponse>"""
# mfad takes no credentials from there, and says so; see test_config_botocore.py
FOREIGN = {'credential_source', 'web_identity_token_file', 'credential_process', 'sso_session', 'sso_start_url'}


class Raw(io.BytesIO):
    def stream(self, **_):
        yield self.read()


class Reference:
    """Sessions of botocore for the profiles of one config file."""
    loader = botocore.loaders.Loader()

    def __init__(self, path, monkeypatch):
        monkeypatch.setenv('AWS_CONFIG_FILE', path)
        monkeypatch.setenv('AWS_SHARED_CREDENTIALS_FILE', '/nonexistent')
        monkeypatch.setenv('AWS_EC2_METADATA_DISABLED', 'true')
        for name in [n for n in os.environ if re.fullmatch('AWS_(ACCESS|SECRET|SESSION|SECURITY|CONTAINER|ENDPOINT'
                                                           '|DEFAULT|REGION|PROFILE|ROLE|WEB|USE|STS).*', n)]:
            monkeypatch.delenv(name)
        self.profiles = botocore.session.Session().full_config['profiles']

    def keys(self):
        """Profile: access key id."""
        return {name: p['aws_access_key_id'] for name, p in self.profiles.items()
                if p.get('aws_access_key_id') and p.get('aws_secret_access_key')}

    def session(self, name):
        session = botocore.session.Session(profile=name)
        session.register_component('data_loader', self.loader)
        provider, store = botocore.configprovider, session.get_component('config_store')
        # our defaults; see docs/aws-config.md
        for setting, default in {'sts_regional_endpoints': 'regional', 'region': 'us-east-1'}.items():
            store.set_config_provider(setting, provider.ChainProvider([
                provider.ScopedConfigProvider(setting, session), provider.ConstantProvider(default)]))
        if not hasattr(provider, 'ConfiguredEndpointProvider'):  # before 1.31
            create, own = session.create_client, self.profiles[name]
            url = None if botocore.utils.ensure_boolean(own.get('ignore_configured_endpoint_urls', '')) \
                else own.get('endpoint_url')
            session.create_client = lambda *a, **k: create(*a, **{**k, 'endpoint_url': k.get('endpoint_url') or url})
        return session

    def calls(self, name):
        """[(access key id, role ARN, URL, region of the signature)] of one call after the other; or the error."""
        calls = []

        def answer(request, **_):
            body = request.body.decode() if isinstance(request.body, bytes) else request.body
            authorization = request.headers['Authorization']
            if isinstance(authorization, bytes):
                authorization = authorization.decode()
            scope = re.search(r'Credential=([^/]+)/\d{8}/([^/]+)/sts/', authorization)
            arn = re.search(r'(?:^|&)RoleArn=([^&]+)', body)[1].replace('%3A', ':').replace('%2F', '/')
            calls.append((scope[1], arn, request.url.rstrip('/'), scope[2]))
            return botocore.awsrequest.AWSResponse(request.url, 200, {'Content-Type': 'text/xml'},
                                                   Raw(ANSWER.format(len(calls)).encode()))

        session = self.session(name)
        session.register('before-send.sts.AssumeRole', answer)
        for provider in session.get_component('credential_provider').providers:
            if provider.METHOD == 'assume-role':
                provider._prompter = lambda _: '123456'
        try:
            credentials = session.get_credentials()
            if credentials is not None:
                credentials.get_frozen_credentials()
        except botocore.exceptions.BotoCoreError as error:
            return error
        return calls


def ours(tool, path, keys):  # noqa: F811
    program = os.path.join(os.path.dirname(tool.path), 'profiles-tool')
    done = subprocess.run([program, path, '/nonexistent', *keys], capture_output=True, timeout=60, check=True)
    return {p['name']: p for p in map(json.loads, done.stdout.decode().split('\n')[:-1])}


def links(profiles, name):
    """The profiles from `name` on, each the source of the one before."""
    seen = []
    while name in profiles and name not in seen:
        seen.append(name)
        name = profiles[name].get('source_profile') if profiles[name].get('role_arn') else None
    return seen


def chain_of(answers, profiles, name):
    """The ARNs of the roles that mfad would assume one after the other to get `name`."""
    arns = []
    while name:
        arns.insert(0, profiles[name]['role_arn'])
        name = answers[name]['source']
    return arns


def is_ours_alone(reference, chain):
    """Not to be compared: what docs/aws-config.md says of aws-mfa's names, and of other sources of credentials."""
    return (any(name.endswith('-long-term') or name + '-long-term' in reference.profiles for name in chain) or
            any(FOREIGN & {*reference.profiles[name]} for name in chain))


@pytest.mark.parametrize('path', FILES, ids=lambda path: os.path.basename(path)[:-4])
def test_chains_of_the_odd_files(tool, path, monkeypatch):  # noqa: F811
    """The same key and the same roles, and an error here where there is one there."""
    try:
        reference = Reference(path, monkeypatch)
    except (botocore.exceptions.ConfigParseError, UnicodeDecodeError):
        return
    keys = reference.keys()
    answers = ours(tool, path, keys)
    n, opened = 0, set()
    for name, p in answers.items():
        chain = links(reference.profiles, name)
        if p['kind'] not in ('role', 'unusable') or 'role_arn' not in reference.profiles.get(name, {}) or \
                is_ours_alone(reference, chain) or re.match(r'(its source ".*": )?line \d+: ', p['problem']):
            continue  # the last: a profile that is wrong by itself, see test_config_botocore.py
        n += 1
        theirs = reference.calls(name)
        if p['kind'] == 'unusable':
            assert isinstance(theirs, botocore.exceptions.BotoCoreError), (p, theirs)
            is_circle = isinstance(theirs, botocore.exceptions.InfiniteLoopConfigError)
            assert is_circle == ('circle' in p['problem']), (p, theirs)
        elif isinstance(theirs, botocore.exceptions.InfiniteLoopConfigError):
            assert keys.keys() & chain, (p, theirs)
            opened.add(name)
        else:
            assert not isinstance(theirs, Exception), (p, theirs)
            assert (keys[p['key']], chain_of(answers, reference.profiles, name)) == (
                theirs[0][0], [arn for _, arn, _, _ in theirs]), (p, theirs)
    if os.path.basename(path) == 'role-chains.ini':
        assert n == 18 and opened == {'q'}, 'the circle that a key opens, in docs/aws-config.md'


REGIONS = {'key': 'cn-north-1', 'middle': 'us-gov-west-1', 'role': 'eu-central-1'}
FLAGS = ['', 'use_fips_endpoint', 'use_dualstack_endpoint', 'ignore_configured_endpoint_urls']


def profiles_of_chains():
    """{name: settings}: chains of one and of two roles, where each link says something or nothing of where to call."""
    def settings(level, has_region, has_url, flag=''):
        said = {'region': REGIONS[level]} if has_region else {}
        if has_url:
            said['endpoint_url'] = f'https://{level}.example'
        return {**said, **({flag: 'true'} if flag else {})}

    def role(name, source, said):
        profiles[name] = {'role_arn': f'arn:aws:iam::123456789012:role/{name}', 'source_profile': source, **said}

    profiles = {}
    yes_no = [(False, False), (False, True), (True, False), (True, True)]
    for i, (region, url) in enumerate(yes_no):
        key = f'key{i}'
        profiles[key] = {'aws_access_key_id': f'AKIAEXAMPLE{i}', 'aws_secret_access_key': 's3cret',
                         **settings('key', region, url)}
        for j, (said, flag) in enumerate(itertools.product(yes_no, FLAGS)):
            role(f'{key}-role{j}', key, settings('role', *said, flag))
        for j, (said, flag) in enumerate(itertools.product(yes_no, FLAGS)):
            role(f'{key}-middle{j}', key, settings('middle', *said, flag))
            for k, (its, its_flag) in enumerate([(yes_no[0], ''), (yes_no[2], ''), (yes_no[1], ''),
                                                 (yes_no[0], FLAGS[1])]):
                role(f'{key}-middle{j}-role{k}', f'{key}-middle{j}', settings('role', *its, its_flag))
    return profiles


def is_open_where(p):
    return not any(p.get(flag) for flag in FLAGS[1:])


def spelled_out(profiles, name):
    """The profile with what it inherits as docs/aws-config.md has it, written down."""
    own = dict(profiles[name])
    has_urls = True
    for at, source in itertools.pairwise(links(profiles, name)):
        has_urls = has_urls and is_open_where(profiles[at])
        ignores = FLAGS[3] in profiles[source]
        for setting in ['region', 'endpoint_url'] if has_urls and not ignores else ['region']:
            if setting in profiles[source]:
                own.setdefault(setting, profiles[source][setting])
    return own


def write(path, profiles):
    with open(path, 'w') as f:
        for name, settings in profiles.items():
            f.write(f'[profile {name}]\n' + ''.join(f'{key} = {value}\n' for key, value in settings.items()))
    return str(path)


def test_where_the_links_of_chains_are_bought(tool, tmp_path, monkeypatch):  # noqa: F811
    """(key, region, URL) of every profile: as botocore has it, or as it has what is inherited when that is said."""
    profiles = profiles_of_chains()
    path = write(tmp_path / 'config', profiles)
    answers = ours(tool, path, [name for name in profiles if 'role_arn' not in profiles[name]])
    spelled = {name: spelled_out(profiles, name) for name in profiles}
    n_same = n_inherited = n_refused = 0
    for name, p in answers.items():
        if p['kind'] == 'key':
            continue
        if any('endpoint_url' in profiles[link] and profiles[link].keys() & {*FLAGS[1:3]}
               for link in links(profiles, name)):
            # as botocore's rules refuse it, too; see docs/aws-config.md, "Endpoints"
            assert p['kind'] == 'unusable' and 'custom endpoint do not go together' in p['problem'], p
            n_refused += 1
            continue
        assert p['kind'] == 'role', p
        where = (profiles[p['key']]['aws_access_key_id'], p['url'], p['region'])
        is_inherited = spelled[name] != profiles[name]
        chain = {link: profiles[link] for link in links(profiles, name)}  # no more, as botocore reads it each time
        theirs = Reference(write(tmp_path / 'chain', {**chain, name: spelled[name]}), monkeypatch).calls(name)
        assert not isinstance(theirs, Exception), (p, theirs)
        assert where == (theirs[0][0], *theirs[-1][2:]), (p, theirs)
        n_inherited += is_inherited
        n_same += not is_inherited
    assert n_same > 50 and n_inherited > 100 and n_refused > 50, (n_same, n_inherited, n_refused)
