#!/usr/bin/python3
"""Our reading of AWS configuration files against the installed botocore's, over a folder of odd files.

Each file of tests/vectors/aws-config is read as INI, as a config file, and as a credentials file, alone and beside
every fifth of the others and a few with much in them. What is meant to differ stands in docs/aws-config.md with its reason: each difference below names
its row there, and no row may be without its use here."""
import configparser
import glob
import os
import re
import shlex

import botocore.configloader
import botocore.configprovider
import botocore.credentials
import botocore.exceptions
import botocore.session
import botocore.utils
import pytest

from awstool import ROOT, VECTORS, tool  # noqa: F401

FOLDER = os.path.join(VECTORS, 'aws-config')
FILES = sorted(os.path.basename(path)[:-4] for path in glob.glob(os.path.join(FOLDER, '*.ini')))
SUFFIX = '-long-term'
HOME = '/home/somebody'

# The first column of the table in docs/aws-config.md.
BOM = 'a byte order mark at the start'
NUL = 'a NUL byte'
LATIN1 = 'bytes that are not UTF-8'
SPACE = 'no-break space and other Unicode space around a value'
KEY_CASE = 'a key with capitals beyond ASCII'
DEFAULT = '`[DEFAULT]` in capitals'
NAME = 'a profile name that is empty, longer than 128 bytes or has control characters'
VALUE = 'one of our settings with a value that it cannot have'
SOURCE = '`credential_source` beside `role_arn`'
WEB_IDENTITY = '`web_identity_token_file` beside `role_arn`'
# These are in what expected_profiles() makes of botocore's reading.
IN_EXPECTED = {
    'a plain key in the *config* file',
    '`~` in `ca_bundle`',
    '`NAME-long-term` beside `NAME`',
}
# And these no file in the folder can show; tests/unit, test_endpoint_botocore.py or test_chains_botocore.py have them.
ELSEWHERE = {
    'more than 4,096 profiles, 8,192 sections, 256 keys in a section, or 4 MiB',
    '`$VARIABLE` in the files\' own paths',
    'no `sts_regional_endpoints`',
    'no `region` or `endpoint_url` in a role\'s profile',
    'a circle of `source_profile` on which a profile has a key of its own',
}

# file: row, and what differs when it is the config file: "PROFILE.member", "names" for the list of profiles, or
# "broken" when one of us cannot read it at all.
CONFIG_DIFFERS = {
    'bom': (BOM, {'broken'}),
    'nul': (NUL, {'broken'}),
    'latin1': (LATIN1, {'broken'}),
    'nbsp': (SPACE, {'default.problem', 'default.region'}),
    'information-separator': (SPACE, {'default.problem', 'default.region'}),
    'python-default-section': (DEFAULT, {'a.region'}),
    'empty-profile-name': (NAME, {'names'}),
    'long-name': (NAME, {'names'}),
    'role-credential-source': (SOURCE, {'x.problem', 'y.problem', 'z.problem'}),
    'role-web-identity': (WEB_IDENTITY, {'x.problem', 'y.problem'}),
    **{name: (VALUE, {f'{profile}.{member}' for profile, members in wrong.items()
                      for member in ['problem', *members]}) for name, wrong in {
        'comments': {'default': ['region', 'mfa_serial']},
        'duration-odd': {'a': [], 'b': []},
        'duration-out-of-range': {'a': ['duration_sec'], 'b': ['duration_sec']},
        'duration-python': {'a': ['duration_sec'], 'b': ['duration_sec']},
        'endpoint-odd': {'a': ['sts_url', 'iam_url'], 'b': ['sts_url', 'iam_url']},
        'external-id-odd': {'a': ['external_id']},
        'form-feed': {'default': ['mfa_serial']},
        'indented-section': {'default': ['region']},
        'long-value': {'default': ['region']},
        'mfa-serial-odd': {'a': ['mfa_serial']},
        'mfad-keys-odd': {'a': [], 'b': ['session_tags'], 'c': [], 'd': ['session_policy'], 'e': ['policy_arns'],
                          'f': ['proxy']},
        'next-line': {'default': ['region']},
        'region-odd': {'a': ['region'], 'b': ['region']},
        'relative-ca': {'a': ['ca_bundle'], 'b': ['ca_bundle']},
        'role-continued-arn': {'x': ['role_arn']},
        'role-tabs': {'x': ['region']},
        'session-name-odd': {'a': ['role_session_name']},
    }.items()},
}
CREDENTIALS_DIFFER = {
    'tab-in-name': (NAME, {'names'}),
    'role-tabs': (NAME, {'names'}),
}
INI_DIFFERS = {
    'bom': BOM,
    'nul': NUL,
    'nbsp': SPACE,
    'information-separator': SPACE,
    'unicode-key': KEY_CASE,
    'python-default-section': DEFAULT,
}


def path_of(name):
    return os.path.join(FOLDER, name + '.ini')


def ini_by_python(path):
    parser = configparser.RawConfigParser()  # as botocore.configloader.raw_config_parse() does
    try:
        parser.read([path])
    except (configparser.Error, UnicodeDecodeError):
        return None
    return {section: dict(parser.items(section)) for section in parser.sections()}


def full_config(config, credentials, monkeypatch):
    """What botocore makes of both files, or None when it cannot read them."""
    monkeypatch.setenv('AWS_CONFIG_FILE', config)
    monkeypatch.setenv('AWS_SHARED_CREDENTIALS_FILE', credentials)
    try:
        return botocore.session.Session().full_config
    except botocore.exceptions.ConfigParseError:
        return None


def raw_config(path):
    try:
        return botocore.configloader.raw_config_parse(path)
    except botocore.exceptions.ConfigNotFound:
        return {}
    except botocore.exceptions.ConfigParseError:
        return None


def text(section, *keys):
    for key in keys:
        value = section.get(key, '')
        if value and not isinstance(value, dict):  # a nested block is none of our settings
            return value
    return ''


def plain_key(profiles, credentials, name):
    """The rules of aws_profile.h, spelt with botocore's reading of the credentials file."""
    for section in (name + SUFFIX, name):
        values = credentials.get(section, {})
        pair = [text(values, 'aws_access_key_id'), text(values, 'aws_secret_access_key')]
        has_token = text(values, 'aws_session_token', 'aws_security_token')
        if all(pair) and section in profiles and not (has_token and section == name):
            return [section, *pair]
    return None


def services_of(config):
    """[services NAME] by name, as botocore's build_profile_map() reads them from 1.31 on."""
    services = {}
    for section, values in config.items():
        if section.startswith('services'):
            try:
                words = shlex.split(section)
            except ValueError:
                continue
            if len(words) == 2:
                services[words[1]] = values
    return services


def endpoints(of, config, full):
    """({service: URL}, is it wrong), by the rules of botocore's ConfiguredEndpointProvider (1.31 on): asked itself
    where it is installed."""
    if botocore.utils.ensure_boolean(of('ignore_configured_endpoint_urls')):
        return {'sts': '', 'iam': ''}, False
    name, urls, services = of('services'), {}, services_of(config)
    is_missing, wrong = bool(name) and not services.get(name), []
    for service in ('sts', 'iam'):
        block = services.get(name, {}).get(service, {}) if name else {}
        is_flat = not isinstance(block, dict)
        urls[service] = '' if is_flat else block.get('endpoint_url')
        urls[service] = urls[service] or of('endpoint_url')
        wrong += [is_missing or is_flat]
        if hasattr(botocore.configprovider, 'ConfiguredEndpointProvider'):
            scoped = {key: of(key) for key in ('services', 'endpoint_url') if of(key)}
            provider = botocore.configprovider.ConfiguredEndpointProvider(full, scoped, service, environ={})
            try:
                theirs = provider.provide() or ''
            except (AttributeError, botocore.exceptions.InvalidConfigError):  # the former for a flat one
                theirs = None
            assert theirs == (None if wrong[-1] else urls[service])
    return urls, any(wrong)


def is_refused_role(full, name):
    """Whether botocore itself says that this role's profile is wrong. That its source is missing, or comes round to
    it again, is not its own fault; see test_chains_botocore.py."""
    provider = botocore.credentials.AssumeRoleProvider(
        load_config=lambda: full, client_creator=None, cache={}, profile_name=name,
        credential_sourcer=botocore.credentials.CanonicalNameCredentialSourcer(
            [botocore.credentials.EnvProvider(), botocore.credentials.ContainerProvider(),
             botocore.credentials.InstanceMetadataProvider(None)]))
    provider._loaded_config = full  # as its load() does before it assumes the role, which is not wanted here
    if not provider._has_assume_role_config_vars(full['profiles'][name]):
        return False
    try:
        provider._get_role_config(name)
    except botocore.exceptions.InfiniteLoopConfigError:
        return False
    except botocore.exceptions.InvalidConfigError as error:
        return 'does not exist' not in str(error) or not full['profiles'][name]['source_profile']
    except botocore.exceptions.PartialCredentialsError:
        return True
    return False


def items(value, *inner):
    """"A , B" as "A,B"."""
    parts = [part.strip() for part in value.split(',')]
    return ','.join('='.join(p.strip() for p in part.split('=', 1)) if inner else part for part in parts)


def expected_role(of, own):
    """The members of a role's profile; the same for what is none, with nothing in them."""
    if not text(own, 'role_arn'):
        def of(*_):  # noqa: F811
            return ''
    duration = of('duration_seconds')
    return {'role_arn': text(own, 'role_arn'), 'source_profile': of('source_profile'),
            'external_id': of('external_id'), 'role_session_name': of('role_session_name'),
            'duration_sec': int(duration) if re.fullmatch(r'[+0-9_]+', duration) else 0,
            'is_direct_mfa': of('mfad_direct_mfa').lower() == 'true',
            'source_identity': of('mfad_source_identity'), 'session_policy': of('mfad_session_policy'),
            'policy_arns': items(of('mfad_policy_arns')), 'session_tags': items(of('mfad_session_tags'), '='),
            'transitive_tags': items(of('mfad_transitive_tags'))}


def expected_profiles(full, config, credentials):
    profiles = full['profiles']
    names = dict.fromkeys(n[:-len(SUFFIX)] if n.endswith(SUFFIX) and n != SUFFIX else n for n in profiles)
    expected = {}
    for name in names:
        own, long_term = profiles.get(name, {}), profiles.get(name + SUFFIX, {})

        def of(*keys):
            return text(own, *keys) or text(long_term, *keys)

        is_role = bool(text(own, 'role_arn'))
        key = plain_key(profiles, credentials, name)
        urls, is_wrong = endpoints(of, config, full)
        ca_bundle, regional = of('ca_bundle'), of('sts_regional_endpoints')
        if ca_bundle == '~' or ca_bundle.startswith('~/'):
            ca_bundle = HOME + ca_bundle[1:]
        expected[name] = {'is_role': is_role, 'has_key': bool(key), 'region': of('region'),
                          'mfa_serial': of('mfa_serial', 'aws_mfa_device'), 'ca_bundle': ca_bundle,
                          'sts_url': urls['sts'], 'iam_url': urls['iam'], 'signin_url': of('mfad_signin_url'),
                          'proxy': of('mfad_proxy'), 'use_global': regional == 'legacy',
                          'use_fips': botocore.utils.ensure_boolean(of('use_fips_endpoint')),
                          'use_dualstack': botocore.utils.ensure_boolean(of('use_dualstack_endpoint')),
                          'problem': is_wrong or regional not in ('', 'legacy', 'regional') or
                          is_role and is_refused_role(full, name),
                          **expected_role(of, own)}
        if key:
            expected[name]['key'] = key
    return expected


def differences(tool, config, credentials, monkeypatch):  # noqa: F811
    ours = tool.config(config, credentials, HOME).get('profiles')
    full = full_config(config, credentials, monkeypatch)
    if ours is None or full is None:
        return set() if ours is None and full is None else {'broken'}
    theirs = expected_profiles(full, raw_config(config), raw_config(credentials))
    if list(ours) != sorted(theirs):  # aws-tool sorts
        return {'names'}
    for profile in ours.values():
        profile['problem'] = bool(profile['problem'])
    return {f'{name}.{member}' for name in ours for member in {*ours[name], *theirs[name]}
            if ours[name].get(member) != theirs[name].get(member)}


@pytest.mark.parametrize('name', FILES)
def test_ini(tool, name):  # noqa: F811
    ours = tool.ini(path_of(name))
    same = ours.get('sections') == ini_by_python(path_of(name))
    assert same != (name in INI_DIFFERS), (ours, ini_by_python(path_of(name)))


@pytest.mark.parametrize('name', FILES)
def test_as_config(tool, name, monkeypatch):  # noqa: F811
    assert differences(tool, path_of(name), '/nonexistent', monkeypatch) == CONFIG_DIFFERS.get(name, (0, set()))[1]


@pytest.mark.parametrize('name', sorted(set(FILES) - {n for n, (row, _) in CONFIG_DIFFERS.items() if row != VALUE}))
def test_as_credentials_beside_each_other(tool, name, monkeypatch):  # noqa: F811
    whole = [f for f in FILES if f not in CONFIG_DIFFERS or CONFIG_DIFFERS[f][0] == VALUE]
    here = FILES.index(name)  # every fifth, another fifth for each file: most have no profile in common
    others = [f for i, f in enumerate(whole) if (i + here) % 5 == 0 or f in (name, 'roles', 'services', 'plain')]
    for config in [None, *others]:
        found = differences(tool, path_of(config) if config else '/nonexistent', path_of(name), monkeypatch)
        allowed = CONFIG_DIFFERS.get(config, (0, set()))[1] | CONFIG_DIFFERS.get(name, (0, set()))[1]
        if name in CREDENTIALS_DIFFER:
            assert found == CREDENTIALS_DIFFER[name][1] or config and raw_config(path_of(config)) is None, config
        else:
            assert {re.sub(r'^profile ', '', f) for f in found} <= allowed, (config, found - allowed)


def test_every_difference_has_its_reason():
    with open(os.path.join(ROOT, 'docs', 'aws-config.md')) as f:
        rows = re.findall(r'^\| (.*?) \|.*\|.*\|$', f.read().split('## Where we differ')[1], re.M)[1:]
    used = {row for row, _ in [*CONFIG_DIFFERS.values(), *CREDENTIALS_DIFFER.values()]} | {*INI_DIFFERS.values()}
    assert len(rows) == len(set(rows))
    assert set(rows) == used | IN_EXPECTED | ELSEWHERE
    assert {*CONFIG_DIFFERS, *CREDENTIALS_DIFFER, *INI_DIFFERS} <= set(FILES)


NEW = {'aws_access_key_id': 'ASIANEWEXAMPLE', 'aws_secret_access_key': 'new+secret/=',
       'aws_session_token': 'new/token==', 'x_mfad_expiration': '2027-01-15T08:00:00Z'}


@pytest.mark.parametrize('name', FILES)
def test_exported_keys_are_read_and_nothing_else_changes(tool, name, tmp_path):  # noqa: F811
    target = str(tmp_path / 'credentials')
    before = ini_by_python(path_of(name))
    for section in ['default', 'short', 'a', 'x', 'profile a', 'other', *(before or {})]:
        result = tool.session(path_of(name), target, section)
        if before is None or name in INI_DIFFERS:
            assert result in ('OK', 'EINVAL', 'EEXIST')
            continue
        old = before.get(section, {})
        if not section.isprintable() or len(section.encode()) > 128:
            assert result == 'EINVAL'
        elif (old.get('aws_access_key_id') or old.get('aws_secret_access_key')) and not (
                old.get('x_mfad_expiration') and old.get('aws_session_token')):
            assert result == 'EEXIST' and os.path.getsize(target) == 0
        else:
            kept = {key: value for key, value in old.items() if key not in (*NEW, 'aws_security_token')}
            assert result == 'OK'
            assert ini_by_python(target) == {**before, section: {**kept, **NEW}}, section
            provider = botocore.credentials.SharedCredentialProvider(target, section)
            try:
                found = provider.load()
            except botocore.exceptions.ConfigParseError:
                assert raw_config(path_of(name)) is None
                continue
            assert (found.access_key, found.secret_key, found.token) == (
                NEW['aws_access_key_id'], NEW['aws_secret_access_key'], NEW['aws_session_token'])
            again = str(tmp_path / 'again')
            assert tool.session(target, again, section) == 'OK'
            with open(target, 'rb') as one, open(again, 'rb') as two:
                assert one.read() == two.read()
