"""Users, keys, MFA devices, roles and the credentials that were handed out.

The configuration file (JSON; everything but `users` has a default):

  {"account": "123456789012", "partition": "aws",
   "users": [{"name": "alice", "account": "...", "partition": "...",
              "keys": [{"id": "AKIA...", "secret": "...", "active": true}],
              "mfa": [{"serial": "arn:aws:iam::123456789012:mfa/alice", "seed": "BASE32"}],
              "deny": ["iam:ListMFADevices"]}],
   "roles": {"arn:aws:iam::123456789012:role/Admin":
             {"external_id": "x", "max_sec": 43200, "needs_mfa": true,
              "trusts": ["arn:aws:iam::123456789012:user/alice", "arn:aws:iam::123456789012:role/First"]}},
   "options": {...}}

A user's account and partition are those at the top unless said otherwise. Without "roles" every role may be
assumed, without "trusts" by everybody. The options and their defaults are in OPTIONS.
"""
import base64
import json
import mmap
import secrets
import struct
import time

from awssim import totp

OPTIONS = {
    'credential_life_sec': None,    # overrides DurationSeconds
    'totp_drift': 0,                # windows before and after the current one that are accepted too
    'mfa_needed': True,             # GetSessionToken without serial and code is refused
    'long_term_identity': True,     # GetCallerIdentity with a long-term key, which AWS allows
    'request_id': 'alternate',      # in errors: "plain", "metadata" or "alternate"
    'token_len': 800,               # of session tokens
    'clock_offset': 0,              # AWS's clock minus ours, in seconds
    'clock_file': None,             # microseconds to add to that, as 8 bytes that may change at any time
    'disabled_regions': [],         # where the account has not activated STS
}


class AwsError(Exception):
    """What goes out as <ErrorResponse>."""

    def __init__(self, status, code, message):
        super().__init__(message)
        self.status, self.code, self.message = status, code, message


class Device:
    def __init__(self, serial, seed):
        self.serial, self.seed = serial, seed
        self.used = set()   # windows whose code was accepted once

    def accepts(self, code, now, drift):
        """True once per window, as AWS does it."""
        current = totp.window(now)
        for number in range(current - drift, current + drift + 1):
            if number not in self.used and totp.code_of_window(self.seed, number) == code:
                self.used.add(number)
                return True
        return False


class User:
    def __init__(self, config, entry):
        self.name = name = entry['name']
        self.account = entry.get('account', config.get('account', '123456789012'))
        self.partition = entry.get('partition', config.get('partition', 'aws'))
        self.arn = entry.get('arn', f'arn:{self.partition}:iam::{self.account}:user/{name}')
        self.id = 'AIDA' + base64.b32encode(name.encode().ljust(10, b'x'))[:17].decode().replace('=', 'A')
        self.deny = set(entry.get('deny', []))
        self.devices = [Device(d['serial'], d['seed']) for d in entry.get('mfa', [])]


class Credential:
    """kind: "long-term", "session" (GetSessionToken) or "role" (AssumeRole). parent: what bought it.
    principal: whom a role's "trusts" would name."""

    def __init__(self, kind, key_id, secret, user, arn, user_id, parent=None):
        self.kind, self.id, self.secret, self.user = kind, key_id, secret, user
        self.arn, self.user_id, self.parent, self.principal = arn, user_id, parent, user.arn
        self.partition, self.account = user.partition, user.account
        self.token, self.expires, self.has_mfa, self.active = None, None, False, True
        self.source_identity, self.transitive_tags = None, {}

    def is_active(self):
        """A session ends with its key; a role's credentials live on."""
        return self.active and (self.kind != 'session' or self.parent.is_active())


class Model:
    def __init__(self, config):
        self.config = config
        self.options = dict(OPTIONS)
        self.moved_clock = None
        self.credentials = {}
        self.users = {}
        self.reset()

    def reset(self):
        """As at the start: nothing handed out, no code used, options as configured."""
        self.set_options(OPTIONS)
        self.set_options(self.config.get('options', {}))
        self.roles = self.config.get('roles')
        self.credentials.clear()
        self.users.clear()
        for entry in self.config['users']:
            user = User(self.config, entry)
            self.users[user.name] = user
            for key in entry.get('keys', []):
                credential = Credential('long-term', key['id'], key['secret'], user, user.arn, user.id)
                credential.active = key.get('active', True)
                self.credentials[credential.id] = credential

    def set_options(self, options):
        unknown = set(options) - set(OPTIONS)
        if unknown:
            raise ValueError(f"unknown options: {', '.join(sorted(unknown))}")
        self.options.update(options)
        if 'clock_file' in options:
            self.moved_clock = self.map_clock(options['clock_file'])

    def map_clock(self, path):
        if path is None:
            return None
        with open(path, 'rb') as f:
            return mmap.mmap(f.fileno(), 8, prot=mmap.PROT_READ)

    def now(self):
        moved_usec = struct.unpack('=q', self.moved_clock[:8])[0] if self.moved_clock else 0
        return time.time() + self.options['clock_offset'] + moved_usec / 1e6

    def device(self, serial):
        for user in self.users.values():
            for device in user.devices:
                if device.serial == serial:
                    return device
        return None

    def check_mfa(self, user, serial, code):
        """Raises unless the code is the current one of the user's own device, for the first time."""
        if not serial or not code:
            raise AwsError(403, 'AccessDenied', 'MultiFactorAuthentication failed, must provide both '
                           'MFA serial number and one time pass code.')
        device = next((d for d in user.devices if d.serial == serial), None)
        if not device:
            raise AwsError(403, 'AccessDenied', 'MultiFactorAuthentication failed, unable to validate '
                           'MFA code.  Please verify your MFA serial number is valid and associated '
                           'with this user.')
        if not device.accepts(code, self.now(), self.options['totp_drift']):
            raise AwsError(403, 'AccessDenied',
                           'MultiFactorAuthentication failed with invalid MFA one time pass code. ')

    def hand_out(self, kind, parent, arn, user_id, duration_sec, has_mfa):
        key_id = 'ASIA' + base64.b32encode(secrets.token_bytes(10)).decode()
        secret = base64.b64encode(secrets.token_bytes(30)).decode()
        credential = Credential(kind, key_id, secret, parent.user, arn, user_id, parent)
        credential.token = base64.b64encode(secrets.token_bytes(self.options['token_len'] * 3 // 4)).decode()
        credential.has_mfa = has_mfa
        # AWS gives whole seconds; rounding down never promises more life than there is
        life = self.options['credential_life_sec'] or duration_sec
        credential.expires = int(self.now() + life)
        self.credentials[key_id] = credential
        return credential


def made_up_config():
    """One user, new at every start, for the demo and for tests that do not care."""
    account = '123456789012'
    return {
        'account': account,
        'users': [{
            'name': 'alice',
            'keys': [{'id': 'AKIA' + base64.b32encode(secrets.token_bytes(10)).decode(),
                      'secret': base64.b64encode(secrets.token_bytes(30)).decode()}],
            'mfa': [{'serial': f'arn:aws:iam::{account}:mfa/alice',
                     'seed': base64.b32encode(secrets.token_bytes(20)).decode()}],
        }],
    }


def load_config(path):
    if not path:
        return made_up_config()
    with open(path, encoding='utf-8') as f:
        return json.load(f)
