"""A user with three keys in three partitions and forty role profiles, as AWS and as ~/.aws know them."""
import base64
import json
import secrets
import shutil

from awssim.signature import partition_of
from mfadtest import template
from mfadtest.stack import Stack, config_section

REGIONS = {'default': 'eu-west-1', 'china': 'cn-north-1', 'gov': 'us-gov-west-1'}  # by key
ACCOUNTS = {'default': '111111111111', 'china': '222222222222', 'gov': '333333333333'}
POLICY = json.dumps({'Version': '2012-10-17', 'Statement': [{'Effect': 'Allow', 'Action': 's3:*', 'Resource': '*'}]})

CHAIN = ['chain-1', 'chain-2', 'chain-3', 'chain-4']
CYCLE = ['cycle-a', 'cycle-b']
NEVER = ['never-1', 'never-2', 'never-3']   # nobody asks for them
ONCE = ['once-1', 'once-2', 'once-3', 'once-4', 'once-5']
SPECIAL = {
    'with external id': {'external_id': 'shared-1234'},
    'other/region': {'region': 'eu-central-1'},
    'no-region': {'region': None},
    'named': {'role_session_name': 'alice@example.com'},
    'two-hours': {'duration_seconds': '7200'},
    'half-hour': {'duration_seconds': '1800'},
    'quarter': {'duration_seconds': '900'},
    'tags': {'mfad_session_tags': 'Team=red,cost-centre=42', 'mfad_transitive_tags': 'Team'},
    'policy': {'mfad_session_policy': POLICY, 'mfad_policy_arns': 'arn:aws:iam::aws:policy/ReadOnlyAccess'},
    'identity': {'mfad_source_identity': 'alice'},
    'Zürich': {},
    '日本': {},
}


def role_arn(key, name):
    """The ARN that belongs to the profile @name: what IAM allows of it."""
    plain = ''.join(c if c.isascii() and c.isalnum() else f'{ord(c):x}' for c in name)
    return f'arn:{partition_of(REGIONS[key])}:iam::{ACCOUNTS[key]}:role/team/{plain}'


def plain_profiles():
    """{name: key} of those about which nothing is special, over all three keys."""
    names = {f'china-{n}': 'china' for n in range(1, 6)}
    names.update({f'gov-{n}': 'gov' for n in range(1, 6)})
    names.update({f'dev-{n}': 'default' for n in range(1, 5)})
    names.update({name: 'default' for name in ONCE[:3] + NEVER[:2]})
    names.update({ONCE[3]: 'china', ONCE[4]: 'gov', NEVER[2]: 'gov'})
    return names


def profiles():
    """{name: settings} of the forty role profiles."""
    found = {name: {'role_arn': role_arn(key, name), 'source_profile': key, 'region': REGIONS[key]}
             for name, key in plain_profiles().items()}
    for name, more in SPECIAL.items():
        settings = {'role_arn': role_arn('default', name), 'source_profile': 'default', 'region': 'eu-west-1', **more}
        found[name] = {k: v for k, v in settings.items() if v is not None}
    for name, source in zip(CHAIN, ['default'] + CHAIN):
        found[name] = {'role_arn': role_arn('default', name), 'source_profile': source, 'region': 'eu-west-1'}
    for name, source in zip(CYCLE, reversed(CYCLE)):
        found[name] = {'role_arn': role_arn('default', name), 'source_profile': source, 'region': 'eu-west-1'}
    return found


PROFILES = profiles()
USABLE = [name for name in PROFILES if name not in CYCLE]
assert len(PROFILES) == 40


def key_of(profile):
    """The key at the start of its chain."""
    return profile if profile in REGIONS else key_of(PROFILES[profile]['source_profile'])


def user_arn(key):
    return f'arn:{partition_of(REGIONS[key])}:iam::{ACCOUNTS[key]}:user/{key}-user'


def simulated():
    """The configuration of a simulator: users by key, and each role trusts its own source only."""
    users = [{'name': f'{key}-user', 'account': ACCOUNTS[key], 'partition': partition_of(region),
              'keys': [{'id': 'AKIA' + base64.b32encode(secrets.token_bytes(10)).decode(),
                        'secret': base64.b64encode(secrets.token_bytes(30)).decode()}],
              'mfa': [{'serial': user_arn(key).replace(':user/', ':mfa/'),
                       'seed': base64.b32encode(secrets.token_bytes(20)).decode()}]}
             for key, region in REGIONS.items()]
    roles = {}
    for settings in PROFILES.values():
        source = settings['source_profile']
        trusted = user_arn(source) if source in REGIONS else PROFILES[source]['role_arn']
        roles[settings['role_arn']] = {'trusts': [trusted], 'max_sec': 43200, 'needs_mfa': source in REGIONS}
    roles[PROFILES['with external id']['role_arn']]['external_id'] = 'shared-1234'
    return {'users': users, 'roles': roles}


class Estate(Stack):
    """A stack with that user's configuration."""

    def key(self, name):
        return self.simulator.key(f'{name}-user')

    def serial(self, name):
        return self.simulator.serial(f'{name}-user')

    def write_configuration(self):
        self.write('.config/mfad/mfad.conf', f'[mfad]\nport = {self.port}\n')
        where = {'endpoint_url': self.simulator.http_url}
        if self.use_https:
            where = {'endpoint_url': self.simulator.url, 'ca_bundle': self.simulator.ca_file}
        self.first_config = ''.join(config_section(key, {'region': region, 'mfa_serial': self.serial(key), **where})
                                    for key, region in REGIONS.items())
        self.write_profiles(PROFILES)
        self.write('.aws/credentials', ''.join(
            f'[{key}]\naws_access_key_id = {self.key(key)["id"]}\n'
            f'aws_secret_access_key = {self.key(key)["secret"]}\n' for key in REGIONS))

    def unlock_all(self, duration_sec=129600):
        """One code for each key."""
        for key in REGIONS:
            self.unlock(self.simulator.fresh_code(self.serial(key)), key=key, duration_seconds=duration_sec)
        return self

    def markers(self):
        return {**super().markers(), **{f'secret of {key}': self.key(key)['secret'] for key in REGIONS}}


def make_vault(build, simulator, folder):
    """The folder of a vault with the three keys in it, copied to @folder."""
    estate = Estate(build, simulator).start()
    try:
        done = estate.mfactl('key', 'import', '--yes', passphrase=estate.passphrase)
        assert done.code == 0, done
        assert estate.stop() == []
        template.at_least_cost(estate.data)
        shutil.move(estate.data, folder)
    finally:
        estate.stop()
        estate.remove()
    return folder
