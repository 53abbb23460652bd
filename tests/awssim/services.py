"""How other services that speak STS answer: LocalStack, MinIO and Ceph RGW, each with its own XML, times and
alphabets. What they hand out works with the simulator as AWS's does."""
import base64
import re
import secrets
import string

KINDS = {'like_localstack', 'like_minio', 'like_ceph', 'like_prefixed'}
UPPER = string.ascii_uppercase + string.digits
ALNUM = string.ascii_letters + string.digits
NAMESPACE = re.compile(rb' xmlns="[^"]*"')


def pick(alphabet, length):
    return ''.join(secrets.choice(alphabet) for _ in range(length))


def jwt():
    parts = (secrets.token_bytes(n) for n in (27, 240, 64))
    return '.'.join(base64.urlsafe_b64encode(p).decode().rstrip('=') for p in parts)


NEW = {  # kind: key id, secret key, session token (None: as it was)
    'like_localstack': lambda: ('LSIA' + pick(UPPER, 16), pick(ALNUM + '+/', 40), None),
    'like_minio': lambda: (pick(UPPER, 20), pick(ALNUM + '+/', 40), jwt()),
    'like_ceph': lambda: (pick(ALNUM, 20), pick(UPPER, 40), None),
    'like_prefixed': lambda: ('key_' + pick(ALNUM, 60), pick(ALNUM + '-_', 86), None),
}
FRACTION = {'like_localstack': b'.123456', 'like_minio': b'', 'like_ceph': b'.123456789', 'like_prefixed': b'.5'}


def text_of(body, name):
    found = re.search(rb'<%s>([^<]*)</%s>' % (name, name), body)
    return found and found[1]


def rename(kind, body, model):
    """New credentials in this service's alphabets, in the answer and in the model."""
    old_id = text_of(body, b'AccessKeyId')
    if old_id is None:
        return body
    credential = model.credentials.pop(old_id.decode())
    old = (credential.id, credential.secret, credential.token)
    new = tuple(n or o for n, o in zip(NEW[kind](), old))
    credential.id, credential.secret, credential.token = new
    model.credentials[credential.id] = credential
    for before, after in zip(old, new):
        body = body.replace(before.encode(), after.encode())
    return body


def error(kind, body):
    code, message = text_of(body, b'Code'), text_of(body, b'Message')
    if kind == 'like_minio':
        return (b'<?xml version="1.0" encoding="UTF-8"?>\n<ErrorResponse xmlns="https://sts.amazonaws.com/doc/'
                b'2011-06-15/"><Error><Type></Type><Code>%s</Code><Message>%s</Message></Error>'
                b'<RequestId>17A</RequestId></ErrorResponse>' % (code, message))
    if kind == 'like_ceph':
        return (b'<?xml version="1.0" encoding="UTF-8"?><Error><Code>%s</Code><Message>%s</Message>'
                b'<RequestId>tx0</RequestId><HostId>a-b-c</HostId></Error>' % (code, message))
    return body


def success(kind, body):
    body = re.sub(rb'Z</Expiration>', FRACTION[kind] + b'Z</Expiration>', body)
    if kind == 'like_minio':
        nobody = b'<AssumedRoleUser><Arn></Arn><AssumeRoleId></AssumeRoleId></AssumedRoleUser>'
        body = re.sub(rb'<AssumedRoleUser>.*</AssumedRoleUser>', nobody, body, flags=re.S)
        return b'<?xml version="1.0" encoding="UTF-8"?>\n' + body
    if kind == 'like_ceph':
        # JSON's encoder made to write XML: no namespace, no metadata, another spelling
        body = re.sub(rb'<ResponseMetadata>.*</ResponseMetadata>\n', b'', NAMESPACE.sub(b'', body), flags=re.S)
        body = body.replace(b'AssumedRoleId>', b'AssumeRoleId>')
        return b'<?xml version="1.0" encoding="UTF-8"?>' + body.replace(b'\n', b'')
    if kind == 'like_prefixed':
        body = re.sub(rb'<(/?)', rb'<\1ns2:', body).replace(b' xmlns=', b' xmlns:ns2=')
        return re.sub(rb'ns2:\w+Response\b', b'ns2:Answer', body)
    return body


def dress(kind, answer, model):
    """Makes `answer` look as if this service had given it."""
    if answer.status != 200:
        answer.body = error(kind, answer.body)
    else:
        answer.body = success(kind, rename(kind, answer.body, model))
    answer.set('Content-Type', 'application/xml')
