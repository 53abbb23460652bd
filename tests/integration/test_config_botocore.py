#!/usr/bin/python3
"""Our reading of AWS configuration files against the installed botocore's, over a folder of odd files.

Each file of tests/vectors/aws-config is read as INI, as a config file, as a credentials file, and beside every
other one. docs/aws-config.md gives the reasons for what is meant to differ."""
import configparser
import glob
import os

import botocore.configloader
import botocore.exceptions
import botocore.session
import pytest

from awstool import VECTORS, tool  # noqa: F401

FOLDER = os.path.join(VECTORS, 'aws-config')
FILES = sorted(os.path.basename(path)[:-4] for path in glob.glob(os.path.join(FOLDER, '*.ini')))
SUFFIX = '-long-term'
HOME = '/home/somebody'

# What we read where botocore does not, and the other way round. The tests fail when one is no longer so.
INI_DIFFERS = {
    'bom': 'a byte order mark is skipped; Python takes it for the first character of the section',
    'nul': 'a NUL byte is an error',
    'nbsp': 'only ASCII space is space',
    'information-separator': 'only ASCII space is space',
    'unicode-key': 'only ASCII letters of a key are lower-cased',
    'python-default-section': 'Python hides the section [DEFAULT]',
}
CONFIG_DIFFERS = {
    'bom': 'as above',
    'nul': 'as above',
    'latin1': 'bytes that are not UTF-8 are no error where we do not use them',
    'nbsp': 'as above',
    'information-separator': 'as above',
    'python-default-section': 'values of [DEFAULT] are not inherited: no other SDK does that',
    'empty-profile-name': 'a profile without a name cannot be asked for',
    'long-value': 'a value of ours that no AWS service would accept is an error at once',
    'long-name': 'names beyond PROFILE_NAME_MAX are passed over',
}
CREDENTIALS_DIFFER = {
    'tab-in-name': 'names with control characters are passed over',
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


def profiles_by_botocore(config, credentials, monkeypatch):
    monkeypatch.setenv('AWS_CONFIG_FILE', config)
    monkeypatch.setenv('AWS_SHARED_CREDENTIALS_FILE', credentials)
    try:
        return botocore.session.Session().full_config['profiles']
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


def expected_profiles(profiles, credentials):
    names = dict.fromkeys(n[:-len(SUFFIX)] if n.endswith(SUFFIX) and n != SUFFIX else n for n in profiles)
    expected = {}
    for name in names:
        own, long_term = profiles.get(name, {}), profiles.get(name + SUFFIX, {})

        def of(*keys):
            return text(own, *keys) or text(long_term, *keys)

        key = plain_key(profiles, credentials, name)
        ca_bundle = of('ca_bundle')
        if ca_bundle == '~' or ca_bundle.startswith('~/'):
            ca_bundle = HOME + ca_bundle[1:]
        expected[name] = {'is_role': bool(text(own, 'role_arn')), 'has_key': bool(key), 'region': of('region'),
                          'mfa_serial': of('mfa_serial', 'aws_mfa_device'), 'endpoint_url': of('endpoint_url'),
                          'ca_bundle': ca_bundle}
        if key:
            expected[name]['key'] = key
    return expected


def agrees(tool, config, credentials, monkeypatch):  # noqa: F811
    """None when both read the two files alike, else both readings."""
    ours = tool.config(config, credentials, HOME).get('profiles')
    profiles = profiles_by_botocore(config, credentials, monkeypatch)
    theirs = profiles
    if profiles is not None:
        try:
            keys = botocore.configloader.raw_config_parse(credentials)
        except botocore.exceptions.ConfigNotFound:
            keys = {}
        theirs = expected_profiles(profiles, keys)
    if ours is not None and theirs is not None:  # the order is part of the answer
        ours, theirs = list(ours.items()), [(name, theirs[name]) for name in sorted(theirs)]
    return None if ours == theirs else (ours, theirs)


@pytest.mark.parametrize('name', FILES)
def test_ini(tool, name):  # noqa: F811
    ours = tool.ini(path_of(name))
    same = ours.get('sections') == ini_by_python(path_of(name))
    assert same != (name in INI_DIFFERS), (ours, ini_by_python(path_of(name)))


@pytest.mark.parametrize('name', FILES)
def test_as_config(tool, name, monkeypatch):  # noqa: F811
    difference = agrees(tool, path_of(name), '/nonexistent', monkeypatch)
    assert (difference is not None) == (name in CONFIG_DIFFERS), difference


@pytest.mark.parametrize('name', sorted(set(FILES) - set(CONFIG_DIFFERS)))
def test_as_credentials_beside_each_other(tool, name, monkeypatch):  # noqa: F811
    for config in ['/nonexistent'] + [path_of(f) for f in FILES if f not in CONFIG_DIFFERS]:
        difference = agrees(tool, config, path_of(name), monkeypatch)
        assert difference is None or name in CREDENTIALS_DIFFER, (config, difference)
    assert name not in CREDENTIALS_DIFFER or agrees(tool, '/nonexistent', path_of(name), monkeypatch)
