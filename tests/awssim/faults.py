"""Faults on request: what a broken, slow or hostile AWS does.

A fault is {"action": "GetSessionToken" | ... | "*" | "connect", "kind": ..., "count": 1, ...}; a
negative count lasts until /reset; with "role" it is for this RoleArn only. Kinds, with the further fields in brackets:

 instead of an answer, before the request is looked at (an MFA code stays unused):
   500 503 429 throttle throttle503 access_denied wrong_code wrong_serial invalid_token expired_token
   region_disabled error [status, code, message]
 the request is done in full, then the answer goes wrong:
   delay [sec]  hang [sec]  drip [sec: between two bytes]  drip_head [sec]  endless_head  reset  close
   reset_midway  short_body  huge  huge_chunked  huge_head  redirect [location]  http10  continue
 the request is done in full, and the body is changed:
   garbage  html  empty  truncated  missing_field [field]  empty_field [field]  change_field [field, text]
   double_field [field]  doctype  bomb  deep [depth]  long_text [len]  no_namespace  fraction
   bad_expiration [text]  bad_charset  gzip  latin1  wrong_content_type  body [text]
   wrong_date [text; "none" leaves the header out]  double_date [text]
 the answer, good or bad, looks like that of another service (services.py):
   like_localstack  like_minio  like_ceph  like_prefixed
 with the action "connect", before TLS: reset  hang [sec]
"""
import asyncio
import gzip
import os
import re
import socket
import struct

from awssim import services
from awssim.model import AwsError

INSTEAD = {
    '500': (500, 'InternalFailure', 'An internal error has occurred.'),
    '503': (503, 'ServiceUnavailable', 'The request has failed due to a temporary failure of the server.'),
    '429': (429, 'TooManyRequestsException', 'Too many requests.'),
    'throttle': (400, 'Throttling', 'Rate exceeded'),
    'throttle503': (503, 'Throttling', 'Rate exceeded'),
    'access_denied': (403, 'AccessDenied', 'User: arn:aws:iam::123456789012:user/alice is not authorized '
                      'to perform: sts:GetSessionToken'),
    'wrong_code': (403, 'AccessDenied', 'MultiFactorAuthentication failed with invalid MFA one time pass code. '),
    'wrong_serial': (403, 'AccessDenied', 'MultiFactorAuthentication failed, unable to validate MFA code.  '
                     'Please verify your MFA serial number is valid and associated with this user.'),
    'invalid_token': (403, 'InvalidClientTokenId', 'The security token included in the request is invalid.'),
    'expired_token': (403, 'ExpiredToken', 'The security token included in the request is expired'),
    'region_disabled': (403, 'RegionDisabledException', 'STS is not activated in this region for account:'
                        '123456789012. Your account administrator can activate STS in this region using '
                        'the IAM Console.'),
}
WIRE = {'hang', 'drip', 'drip_head', 'endless_head', 'reset', 'close', 'reset_midway', 'short_body', 'huge',
        'huge_chunked', 'huge_head'}
BOMB = b''.join([b'<?xml version="1.0"?>\n<!DOCTYPE l [\n<!ENTITY l0 "ha">\n',
                 *(b'<!ENTITY l%d "%s">\n' % (i, b'&l%d;' % (i - 1) * 10) for i in range(1, 10)),
                 b']>\n<l>&l9;</l>\n'])


class Faults:
    def __init__(self):
        self.waiting = []

    def add(self, fault):
        if fault['kind'] not in KINDS:
            raise ValueError(f"unknown kind of fault: {fault['kind']}")
        self.waiting.append({'action': '*', 'count': 1, **fault})

    def reset(self):
        self.waiting.clear()

    def take(self, action, role=None):
        for fault in self.waiting:
            if fault.get('role') not in (None, role):
                continue
            if fault['action'] == action or (fault['action'] == '*' and action != 'connect'):
                fault['count'] -= 1
                if fault['count'] == 0:
                    self.waiting.remove(fault)
                return fault
        return None


def instead(fault):
    """The error that is sent without looking at the request, or None."""
    if fault['kind'] == 'error':
        return AwsError(fault.get('status', 400), fault.get('code', 'Unknown'), fault.get('message', ''))
    return AwsError(*INSTEAD[fault['kind']]) if fault['kind'] in INSTEAD else None


def field(body, name, change):
    """`body` with <name>...</name> replaced by what `change` makes of the element and its text."""
    pattern = re.compile(rb'<%s>(.*?)</%s>' % (name.encode(), name.encode()), re.S)
    return pattern.sub(lambda m: change(m[0], m[1]), body, count=1)


def text_of(fault, name, text):
    text = text.encode('utf-8', 'surrogateescape')
    return b'<%s>%s</%s>' % (name.encode(), text, name.encode())


def change_credentials(fault, answer):
    name = fault.get('field', 'SessionToken')
    kind = fault['kind']
    if kind == 'missing_field':
        answer.body = field(answer.body, name, lambda whole, text: b'')
    elif kind == 'empty_field':
        answer.body = field(answer.body, name, lambda whole, text: text_of(fault, name, ''))
    elif kind == 'double_field':
        answer.body = field(answer.body, name, lambda whole, text: whole + whole)
    elif kind == 'change_field':
        answer.body = field(answer.body, name, lambda whole, text: text_of(fault, name, fault['text']))
    elif kind == 'bad_expiration':
        stamp = fault.get('text', '2001-01-01T00:00:00Z')
        answer.body = field(answer.body, 'Expiration', lambda whole, text: text_of(fault, 'Expiration', stamp))
    elif kind == 'fraction':
        answer.body = field(answer.body, 'Expiration',
                            lambda whole, text: text_of(fault, 'Expiration', text.decode()[:-1] + '.123Z'))
    elif kind == 'bad_charset':
        answer.body = field(answer.body, name, lambda whole, text: text_of(fault, name, 'a b\u00e9&lt;'))
    elif kind == 'long_text':
        answer.body = field(answer.body, name, lambda whole, text: text_of(fault, name, 'A' * fault.get('len', 33000)))


def change_body(fault, answer):
    kind = fault['kind']
    if kind == 'garbage':
        answer.body = os.urandom(500)
    elif kind == 'html':
        answer.body = b'<!DOCTYPE html><html><body><h1>Welcome to Hotel WiFi</h1>Please log in.</body></html>'
        answer.set('Content-Type', 'text/html')
    elif kind == 'empty':
        answer.body = b''
    elif kind == 'truncated':
        answer.body = answer.body[:len(answer.body) // 2]
    elif kind == 'doctype':
        answer.body = b'<?xml version="1.0"?>\n<!DOCTYPE x [<!ENTITY e "v">]>\n' + answer.body
    elif kind == 'bomb':
        answer.body = BOMB
    elif kind == 'deep':
        depth = fault.get('depth', 20)
        answer.body = b'<a>' * depth + answer.body + b'</a>' * depth
    elif kind == 'no_namespace':
        answer.body = re.sub(rb' xmlns="[^"]*"', b'', answer.body)
    elif kind == 'latin1':
        answer.body = b'<?xml version="1.0" encoding="ISO-8859-1"?>\n<!-- \xe9 -->' + answer.body
    elif kind == 'gzip':
        answer.body = gzip.compress(answer.body)
        answer.set('Content-Encoding', 'gzip')
    elif kind == 'wrong_content_type':
        answer.set('Content-Type', 'application/json')
    elif kind == 'body':
        answer.body = fault['text'].encode()


def change(fault, answer):
    """Changes `answer` before it is sent; what happens on the wire is send()'s."""
    kind = fault['kind']
    change_credentials(fault, answer)
    change_body(fault, answer)
    if kind == 'redirect':
        answer.status, answer.reason = 302, 'Found'
        answer.set('Location', fault.get('location', 'http://127.0.0.1:1/'))
    elif kind == 'wrong_date':
        answer.set('Date', None if fault.get('text') == 'none' else
                   fault.get('text', 'Mon, 01 Jan 2001 00:00:00 GMT'))
    elif kind == 'double_date':
        answer.headers.append(('Date', fault.get('text', 'Mon, 01 Jan 2001 00:00:00 GMT')))
    elif kind == 'http10':
        answer.version = 'HTTP/1.0'
    elif kind == 'continue':
        answer.prefix = b'HTTP/1.1 100 Continue\r\n\r\n' * 5


def reset(writer):
    """Ends the connection with RST instead of FIN."""
    sock = writer.get_extra_info('socket')
    if sock is not None:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack('ii', 1, 0))
    writer.transport.abort()


async def push(writer, data, sec=0):
    """Gives way to the loop, or neither the end of the connection nor another client would be seen."""
    writer.write(data)
    await writer.drain()
    await asyncio.sleep(sec)


async def drip(writer, data, sec):
    for i in range(len(data)):
        await push(writer, data[i:i + 1], sec)


async def stream(writer, piece, count):
    for _ in range(count):
        await push(writer, piece)


async def send_huge(writer, answer, chunked):
    piece = b'<a>' + b'A' * (64 * 1024 - 7) + b'</a>'
    count = 10 * 2 ** 30 // len(piece)
    answer.set('Content-Length', None if chunked else str(count * len(piece)))
    if chunked:
        answer.set('Transfer-Encoding', 'chunked')
        piece = b'%x\r\n%s\r\n' % (len(piece), piece)
    writer.write(answer.head())
    await stream(writer, piece, count)


async def send(fault, answer, writer):
    """The faults of WIRE. Returns when the connection is to be closed."""
    kind, sec = fault['kind'], fault.get('sec', 1)
    data = answer.head() + answer.body
    if kind == 'hang':
        await asyncio.sleep(fault.get('sec', 3600))
    elif kind == 'drip':
        await drip(writer, data, sec)
    elif kind == 'drip_head':
        writer.write(b'HTTP/1.1 200 OK\r\n')
        await drip(writer, b'X-Slow: ' + b'a' * 3600, sec)
    elif kind == 'endless_head':
        writer.write(b'HTTP/1.1 200 OK\r\n')
        await stream(writer, b'X-More: ' + b'a' * 200 + b'\r\n', 10 ** 7)
    elif kind == 'huge_head':
        answer.headers.append(('X-Huge', 'a' * 60000))
        writer.write(answer.head() + answer.body)
        await writer.drain()
    elif kind == 'reset_midway':
        writer.write(data[:len(data) - len(answer.body) // 2])
        await writer.drain()
        await asyncio.sleep(0.1)
        reset(writer)
    elif kind == 'short_body':
        writer.write(data[:-20])
        await writer.drain()
    elif kind == 'reset':
        reset(writer)
    elif kind in ('huge', 'huge_chunked'):
        await send_huge(writer, answer, kind == 'huge_chunked')


KINDS = set(INSTEAD) | WIRE | services.KINDS | {
    'error', 'delay', 'redirect', 'http10', 'continue', 'garbage', 'html', 'empty', 'truncated',
    'missing_field', 'empty_field', 'change_field', 'double_field', 'doctype', 'bomb', 'deep', 'long_text',
    'no_namespace', 'fraction', 'bad_expiration', 'bad_charset', 'gzip', 'latin1', 'wrong_content_type',
    'wrong_date', 'double_date', 'body'}
