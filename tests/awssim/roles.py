"""AssumeRole: its parameters as AWS checks them, and whom a role trusts."""
import json
import re
import zlib

from awssim.model import AwsError

ROLE_ARN = re.compile(r'arn:(aws[a-z-]*):iam::(\d{12}):role/([\w+=,.@/-]*?)([\w+=,.@-]{1,64})')
POLICY_ARN = re.compile(r'arn:aws[a-z-]*:iam::(\d{12}|aws):policy/[\w+=,.@/-]{1,512}')
LIST = re.compile(r'(PolicyArns|Tags|TransitiveTagKeys)\.member\.(\d{1,3})(?:\.(arn|Key|Value))?')
NAME = re.compile(r'[\w+=,.@-]{2,64}', re.ASCII)
EXTERNAL_ID = re.compile(r'[\w+=,.@:/-]{2,1224}', re.ASCII)
TAG_KEY, TAG_VALUE = re.compile(r'[\w\s.:/=+@-]{1,128}'), re.compile(r'[\w\s.:/=+@-]{0,256}')
POLICY_MAX, POLICY_ARNS_MAX, TAGS_MAX = 2048, 10, 50
PACKED_MAX = 1024   # AWS does not publish its packing; ours is zlib's
CHAINED_SEC_MAX = 3600


def validation(value, member, constraint):
    return AwsError(400, 'ValidationError', f"1 validation error detected: Value '{value}' at '{member}' "
                    f'failed to satisfy constraint: Member must {constraint}')


def pattern_of(params, name, pattern):
    """The parameter @name, or None; raises unless it matches."""
    value = params.get(name)
    if value is not None and not pattern.fullmatch(value):
        raise validation(value, name[0].lower() + name[1:],
                         f'satisfy regular expression pattern: {pattern.pattern}')
    return value


def list_of(params, name):
    """The members of a list, in order: texts, or a dict for each where they have fields."""
    found = {}
    for param, value in params.items():
        match = LIST.fullmatch(param)
        if match and match[1] == name:
            if match[3]:
                found.setdefault(int(match[2]), {})[match[3]] = value
            else:
                found[int(match[2])] = value
    if sorted(found) != list(range(1, len(found) + 1)):
        raise AwsError(400, 'MalformedInput', f'{name}: the members are not numbered 1, 2, ...')
    return [found[n] for n in sorted(found)]


def check_policy(text):
    """A syntax check; what a policy allows is not simulated."""
    if text is None:
        return
    if not 1 <= len(text) <= POLICY_MAX:
        raise validation(text, 'policy', f'have length less than or equal to {POLICY_MAX}')
    malformed = AwsError(400, 'MalformedPolicyDocument', 'Syntax errors in policy.')
    try:
        policy = json.loads(text)
    except ValueError:
        raise malformed from None
    statements = policy.get('Statement') if isinstance(policy, dict) else None
    statements = [statements] if isinstance(statements, dict) else statements
    if not statements or not isinstance(statements, list):
        raise malformed
    for statement in statements:
        if not isinstance(statement, dict) or statement.get('Effect') not in ('Allow', 'Deny') or \
                not {'Action', 'NotAction'} & set(statement) or not {'Resource', 'NotResource'} & set(statement):
            raise malformed


def policy_arns_of(params):
    arns = [m.get('arn', '') if isinstance(m, dict) else '' for m in list_of(params, 'PolicyArns')]
    if len(arns) > POLICY_ARNS_MAX:
        raise validation(arns, 'policyArns', f'have length less than or equal to {POLICY_ARNS_MAX}')
    for arn in arns:
        if not POLICY_ARN.fullmatch(arn):
            raise AwsError(400, 'ValidationError', f'ARN {arn} is not valid.')
    return arns


def tags_of(params):
    members = list_of(params, 'Tags')
    if len(members) > TAGS_MAX:
        raise validation(len(members), 'tags', f'have length less than or equal to {TAGS_MAX}')
    tags = {}
    for n, member in enumerate(members, 1):
        if not isinstance(member, dict) or set(member) != {'Key', 'Value'}:
            raise AwsError(400, 'MalformedInput', 'a tag needs Key and Value')
        if not TAG_KEY.fullmatch(member['Key']):
            raise validation(member['Key'], f'tags.{n}.member.key',
                             f'satisfy regular expression pattern: {TAG_KEY.pattern}')
        if not TAG_VALUE.fullmatch(member['Value']):
            raise validation(member['Value'], f'tags.{n}.member.value',
                             f'satisfy regular expression pattern: {TAG_VALUE.pattern}')
        tags[member['Key']] = member['Value']
    if len({key.lower() for key in tags}) != len(members):
        raise AwsError(400, 'InvalidParameterValue',
                       'Duplicate tag keys found. Please note that Tag keys are case insensitive.')
    return tags


def check_inherited(caller, tags, transitive, identity):
    """What a session hands down to the next role cannot be said anew."""
    keys = {key.lower() for key in tags}
    if keys & {key.lower() for key in caller.transitive_tags}:
        raise AwsError(400, 'InvalidParameterValue', "One of the specified transitive tag keys can't be set because "
                       'it conflicts with a transitive tag key from the calling session.')
    if not {key.lower() for key in transitive} <= keys:
        raise AwsError(400, 'InvalidParameterValue',
                       'The specified transitive tag key must be included in the requested tags.')
    if caller.source_identity and identity not in (None, caller.source_identity):
        raise AwsError(403, 'AccessDenied', 'The source identity is already set for this assume role session')


def check_packed(policy, arns, tags):
    size = len(zlib.compress(json.dumps([policy, arns, tags]).encode(), 9))
    if size <= PACKED_MAX:
        return
    percent = size * 100 // PACKED_MAX
    raise AwsError(400, 'PackedPolicyTooLarge',
                   f'Packed policy consumes {percent}% of allotted space, please use smaller policy.' if policy or arns
                   else f'Packed size of session tags consumes {percent}% of allotted space.')


class Asked:
    """The parameters of one AssumeRole, checked one by one."""

    def __init__(self, params, caller):
        self.match = ROLE_ARN.fullmatch(params.get('RoleArn', ''))
        if not self.match:
            raise AwsError(400, 'ValidationError', f"{params.get('RoleArn', '')} is invalid")
        self.arn, self.partition, self.account = self.match[0], self.match[1], self.match[2]
        self.name = pattern_of({'RoleSessionName': '', **params}, 'RoleSessionName', NAME)
        self.external_id = pattern_of(params, 'ExternalId', EXTERNAL_ID)
        self.source_identity = pattern_of(params, 'SourceIdentity', NAME) or caller.source_identity
        check_policy(params.get('Policy'))
        arns, self.tags = policy_arns_of(params), tags_of(params)
        transitive = list_of(params, 'TransitiveTagKeys')
        check_inherited(caller, self.tags, transitive, params.get('SourceIdentity'))
        check_packed(params.get('Policy'), arns, self.tags)
        self.transitive_tags = {**caller.transitive_tags, **{key: self.tags.get(key, '') for key in transitive}}


def is_trusted(role, caller):
    """"trusts": the ARNs of users, roles or accounts ("arn:...:root"); without it everybody."""
    account = f'arn:{caller.partition}:iam::{caller.account}:root'
    return 'trusts' not in role or bool({'*', caller.principal, account} & set(role['trusts']))


def check_role(model, caller, asked, has_mfa):
    """Returns the longest life that the role allows."""
    role = {'max_sec': 43200} if model.roles is None else model.roles.get(asked.arn)
    if role is None or caller.partition != asked.partition or not is_trusted(role, caller) or \
            role.get('external_id') not in (None, asked.external_id) or role.get('needs_mfa') and not has_mfa:
        raise AwsError(403, 'AccessDenied', f'User: {caller.arn} is not authorized to perform: '
                       f'sts:AssumeRole on resource: {asked.arn}')
    return role.get('max_sec', 3600)


def check_duration(caller, duration, maximum):
    if caller.kind == 'role' and duration > CHAINED_SEC_MAX:
        raise AwsError(400, 'ValidationError', 'The requested DurationSeconds exceeds the 1 hour session '
                       'limit for roles assumed by role chaining.')
    # AWS says the same of a session's credentials
    if duration > (maximum if caller.kind == 'long-term' else min(maximum, CHAINED_SEC_MAX)):
        raise AwsError(400, 'ValidationError', 'The requested DurationSeconds exceeds the '
                       'MaxSessionDuration set for this role.')
