"""Checks a request's Signature Version 4 with botocore's own signer, computed anew from the bytes
that arrived and from exactly the headers that the client says it signed."""
import calendar
import hashlib
import hmac
import re
import time

from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.compat import HTTPHeaders
from botocore.credentials import Credentials

from awssim.model import AwsError

SKEW_SEC = 15 * 60
AUTHORIZATION = re.compile(r'AWS4-HMAC-SHA256 Credential=(?P<credential>[^,\s]+),\s*'
                           r'SignedHeaders=(?P<signed>[a-z0-9;-]+),\s*Signature=(?P<signature>[0-9a-f]{64})')


class Verifier(SigV4Auth):
    """botocore's signer, made to sign what was signed: it would leave out User-Agent and Expect."""

    def __init__(self, credentials, service, region, signed):
        super().__init__(credentials, service, region)
        self.signed = signed

    def headers_to_sign(self, request):
        headers = HTTPHeaders()
        for name in self.signed:
            for value in request.headers.get_all(name, []):
                headers.add_header(name, value)
        return headers


def incomplete(message):
    return AwsError(400, 'IncompleteSignature', message)


def mismatch(message):
    return AwsError(403, 'SignatureDoesNotMatch', message)


def basic_time(seconds):
    return time.strftime('%Y%m%dT%H%M%SZ', time.gmtime(seconds))


def check_date(stamp, now):
    """AWS's own sentences: mfad reads them."""
    try:
        signed_at = calendar.timegm(time.strptime(stamp, '%Y%m%dT%H%M%SZ'))
    except ValueError:
        raise incomplete(f"Date must be in ISO-8601 'basic format'. Got '{stamp}'. See "
                         'http://en.wikipedia.org/wiki/ISO_8601') from None
    if signed_at < now - SKEW_SEC:
        raise mismatch(f'Signature expired: {stamp} is now earlier than {basic_time(now - SKEW_SEC)} '
                       f'({basic_time(now)} - 15 min.)')
    if signed_at > now + SKEW_SEC:
        raise mismatch(f'Signature not yet current: {stamp} is still later than '
                       f'{basic_time(now + SKEW_SEC)} ({basic_time(now)} + 15 min.)')


def check_scope(scope, stamp, service):
    """`scope`: the parts of Credential= after the key. Returns the region."""
    if len(scope) != 4 or scope[3] != 'aws4_request':
        raise incomplete('Credential must have exactly 5 slash-delimited elements, e.g. '
                         'keyid/date/region/service/term')
    date, region, named, _ = scope
    if date != stamp[:8]:
        raise mismatch(f'Date in Credential scope does not match YYYYMMDD from ISO-8601 version of '
                       f"date from HTTP: '{date}' != '{stamp[:8]}', from '{stamp}'.")
    if named != service:
        raise mismatch(f"Credential should be scoped to correct service: '{service}'. ")
    if not re.fullmatch(r'[a-z0-9-]{1,32}', region):
        raise mismatch('Credential should be scoped to a valid region. ')
    return region


def partition_of(region):
    """As botocore's partitions.json has it."""
    named = {'cn': 'aws-cn', 'us-gov': 'aws-us-gov', 'eusc': 'aws-eusc', 'us-iso': 'aws-iso', 'us-isob': 'aws-iso-b',
             'us-isof': 'aws-iso-f', 'eu-isoe': 'aws-iso-e'}
    return named.get(re.match(r'(us-gov|us-iso[bf]?|eu-isoe|[a-z]+|)', region)[0], 'aws')


def find_credential(model, key_id, headers, region):
    """@region: as it stands in the signature. A partition knows nothing of another one's keys."""
    credential = model.credentials.get(key_id)
    if not credential or not credential.is_active() or credential.partition != partition_of(region):
        raise AwsError(403, 'InvalidClientTokenId', 'The security token included in the request is invalid.')
    if headers.get('x-amz-security-token') != credential.token:
        raise AwsError(403, 'InvalidClientTokenId', 'The security token included in the request is invalid.')
    if credential.expires is not None and credential.expires <= model.now():
        raise AwsError(403, 'ExpiredToken', 'The security token included in the request is expired')
    return credential


def expected_signature(request, credential, service, region, signed, stamp):
    headers = HTTPHeaders()
    for name, value in request.headers:
        headers.add_header(name, value)
    aws_request = AWSRequest(method=request.method, url=f"http://{request.header('host')}{request.target}",
                             headers=headers, data=request.body)
    aws_request.context['timestamp'] = stamp
    verifier = Verifier(Credentials(credential.id, credential.secret, credential.token), service, region, signed)
    canonical = verifier.canonical_request(aws_request)
    return verifier.signature(verifier.string_to_sign(aws_request, canonical), aws_request)


def check(model, request, service):
    """Returns the Credential that signed `request`, and the region; raises AwsError."""
    found = {}
    for name, value in request.headers:
        found.setdefault(name.lower(), value)
    if 'authorization' not in found:
        raise AwsError(403, 'MissingAuthenticationToken', 'Request is missing Authentication Token')
    match = AUTHORIZATION.fullmatch(found['authorization'])
    if not match:
        raise incomplete("Authorization header requires 'Credential', 'Signature' and 'SignedHeaders' "
                         'parameters.')
    key_id, *scope = match['credential'].split('/')
    signed = match['signed'].split(';')
    stamp = found.get('x-amz-date', '')
    if not stamp:
        raise incomplete("Authorization header requires existence of either a 'X-Amz-Date' or a 'Date' header.")
    for name in ['host', 'x-amz-date'] + (['x-amz-security-token'] if 'x-amz-security-token' in found else []):
        if name not in signed:
            raise mismatch(f"'{name}' must be a 'SignedHeader' in the AWS Authorization.")

    credential = find_credential(model, key_id, found, ''.join(scope[1:2]))
    check_date(stamp, model.now())
    region = check_scope(scope, stamp, service)
    claimed = found.get('x-amz-content-sha256')
    if claimed and claimed != hashlib.sha256(request.body).hexdigest():
        raise mismatch('The value of x-amz-content-sha256 is not the hash of the body.')
    expected = expected_signature(request, credential, service, region, signed, stamp)
    if signed != sorted(signed) or not hmac.compare_digest(expected, match['signature']):
        raise mismatch('The request signature we calculated does not match the signature you provided. '
                       'Check your AWS Secret Access Key and signing method. Consult the service '
                       'documentation for details.')
    return credential, region
