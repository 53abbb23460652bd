"""The operations, and their answers in AWS's XML."""
import re
import time
import uuid
from xml.sax.saxutils import escape

from awssim import roles
from awssim.model import AwsError
from awssim.roles import validation

STS = ('sts', '2011-06-15', 'https://sts.amazonaws.com/doc/2011-06-15/')
IAM = ('iam', '2010-05-08', 'https://iam.amazonaws.com/doc/2010-05-08/')


def iso(seconds):
    return time.strftime('%Y-%m-%dT%H:%M:%SZ', time.gmtime(seconds))


def element(name, content):
    """`content`: text, or a list of (name, content)."""
    if content == []:
        return f'<{name}/>\n'
    if isinstance(content, list):
        inner = '\n' + ''.join(element(n, c) for n, c in content)
    else:
        inner = escape(content)
    return f'<{name}>{inner}</{name}>\n'


def success(action, result, request_id):
    namespace = ACTIONS[action][0][2]
    metadata = element('ResponseMetadata', [('RequestId', request_id)])
    return (f'<{action}Response xmlns="{namespace}">\n{element(action + "Result", result)}'
            f'{metadata}</{action}Response>\n').encode()


def error(e, namespace, request_id, in_metadata):
    """The RequestId stands in either place, depending on the front end that answers."""
    fault = 'Sender' if e.status < 500 else 'Receiver'
    identity = [('RequestId', request_id)]
    if in_metadata:
        identity = [('ResponseMetadata', identity)]
    inner = element('Error', [('Type', fault), ('Code', e.code), ('Message', e.message)])
    inner += ''.join(element(n, c) for n, c in identity)
    return f'<ErrorResponse xmlns="{namespace}">\n{inner}</ErrorResponse>\n'.encode()


def new_request_id():
    return str(uuid.uuid4())


def credentials_element(credential):
    return ('Credentials', [('AccessKeyId', credential.id), ('SecretAccessKey', credential.secret),
                            ('SessionToken', credential.token), ('Expiration', iso(credential.expires))])


def duration_of(params, default, maximum):
    text = params.get('DurationSeconds', str(default))
    if not re.fullmatch(r'-?\d{1,9}', text):
        raise AwsError(400, 'MalformedInput', 'Invalid Argument')
    if int(text) < 900:
        raise validation(text, 'durationSeconds', 'have value greater than or equal to 900')
    if int(text) > maximum:
        raise validation(text, 'durationSeconds', f'have value less than or equal to {maximum}')
    return int(text)


def check_mfa_form(params):
    code, serial = params.get('TokenCode'), params.get('SerialNumber')
    if code is not None and not re.fullmatch(r'\d*', code):
        raise validation(code, 'tokenCode', r'satisfy regular expression pattern: [\d]*')
    if code is not None and len(code) != 6:
        raise validation(code, 'tokenCode', 'have length equal to 6')
    if serial is not None and not re.fullmatch(r'[\w+=/:,.@-]{9,256}', serial, re.ASCII):
        raise validation(serial, 'serialNumber', r'satisfy regular expression pattern: [\w+=/:,.@-]*')


def get_session_token(model, caller, params):
    if caller.kind != 'long-term':
        raise AwsError(403, 'AccessDenied', 'Cannot call GetSessionToken with session credentials')
    duration = duration_of(params, 43200, 129600)
    check_mfa_form(params)
    has_mfa = 'SerialNumber' in params or 'TokenCode' in params or model.options['mfa_needed']
    if has_mfa:
        model.check_mfa(caller.user, params.get('SerialNumber'), params.get('TokenCode'))
    bought = model.hand_out('session', caller, caller.arn, caller.user_id, duration, has_mfa)
    return [credentials_element(bought)]


def assume_role(model, caller, params):
    asked = roles.Asked(params, caller)
    duration = duration_of(params, 3600, 43200)
    check_mfa_form(params)
    gives_mfa = 'SerialNumber' in params or 'TokenCode' in params
    maximum = roles.check_role(model, caller, asked, caller.has_mfa or gives_mfa)
    roles.check_duration(caller, duration, maximum)
    if gives_mfa:
        model.check_mfa(caller.user, params.get('SerialNumber'), params.get('TokenCode'))
    role_id = 'AROAIOSFODNN7EXAMPLE1:' + asked.name
    assumed = f'arn:{asked.partition}:sts::{asked.account}:assumed-role/{asked.match[4]}/{asked.name}'
    bought = model.hand_out('role', caller, assumed, role_id, duration, gives_mfa)
    bought.principal, bought.account = asked.arn, asked.account
    bought.source_identity, bought.transitive_tags = asked.source_identity, asked.transitive_tags
    return [credentials_element(bought),
            ('AssumedRoleUser', [('AssumedRoleId', role_id), ('Arn', assumed)])]


def get_caller_identity(model, caller, params):
    if caller.kind == 'long-term' and not model.options['long_term_identity']:
        raise AwsError(403, 'AccessDenied', 'this simulator was told to accept temporary credentials only')
    account = caller.arn.split(':')[4]
    return [('Arn', caller.arn), ('UserId', caller.user_id), ('Account', account)]


def list_mfa_devices(model, caller, params):
    user = caller.user
    asked = params.get('UserName', user.name)
    if caller.kind == 'session' and not caller.has_mfa:
        raise AwsError(403, 'InvalidClientTokenId', 'The security token included in the request is invalid.')
    if 'iam:ListMFADevices' in user.deny or asked != user.name:
        raise AwsError(403, 'AccessDenied', f'User: {caller.arn} is not authorized to perform: '
                       f'iam:ListMFADevices on resource: user {asked} because no identity-based policy '
                       'allows the iam:ListMFADevices action')
    members = [('member', [('UserName', user.name), ('SerialNumber', d.serial),
                           ('EnableDate', '2024-05-01T10:00:00Z')]) for d in user.devices]
    return [('IsTruncated', 'false'), ('MFADevices', members)]


ACTIONS = {
    'GetSessionToken': (STS, get_session_token),
    'AssumeRole': (STS, assume_role),
    'GetCallerIdentity': (STS, get_caller_identity),
    'ListMFADevices': (IAM, list_mfa_devices),
}
