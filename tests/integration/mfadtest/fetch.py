"""Drives the real mfad-fetch as mfad does: one packet in, one packet out, over a socket pair."""
import json
import os
import socket
import struct
import subprocess
import time
from urllib.parse import quote, urlencode

import botocore.auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials

GET_SESSION_TOKEN, LIST_MFA_DEVICES, GET_CALLER_IDENTITY, ASSUME_ROLE, GET_SIGNIN_TOKEN = 1, 2, 3, 4, 5
OUTCOMES = ['', 'ok', 'aws_error', 'bad_answer', 'resolve_failed', 'connect_failed', 'tls_untrusted',
            'tls_wrong_name', 'tls_expired', 'tls_failed', 'no_answer', 'internal']
SOCKET_FD = 3
PACKET_MAX = 80 * 1024
ROLE = 'arn:aws:iam::123456789012:role/team/Admin'


def put_text(text):
    data = text if isinstance(text, bytes) else text.encode()
    return struct.pack('<I', len(data)) + data


def encode_request(op, url, headers, body, ca_file='', proxy=''):
    """`headers`: a dictionary, all but Host."""
    lines = ''.join(f'{name}: {value}\n' for name, value in headers.items())
    return struct.pack('<B', op) + b''.join(put_text(text) for text in (url, lines, body, ca_file, proxy))


class Reader:
    def __init__(self, data):
        self.data = data

    def take(self, layout):
        size = struct.calcsize(layout)
        value, self.data = struct.unpack(layout, self.data[:size])[0], self.data[size:]
        return value

    def text(self):
        size = self.take('<I')
        value, self.data = self.data[:size], self.data[size:]
        assert len(value) == size
        return value.decode()


class Answer:
    def __init__(self, packet):
        r = Reader(packet)
        self.outcome = OUTCOMES[r.take('<B')]
        self.was_sent = bool(r.take('<B'))
        self.http_status = r.take('<I')
        self.date = r.take('<q')
        self.is_date_verified = bool(r.take('<B'))
        self.aws_code = r.text()
        self.text = r.text()
        self.creds = None
        if r.take('<B'):
            self.creds = {'id': r.text(), 'secret': r.text(), 'token': r.text(), 'expiration': r.take('<q')}
        self.serials = [r.text() for _ in range(r.take('<B'))]
        self.arn = r.text()
        self.account = r.text()
        self.signin_token = r.text()
        assert r.data == b'', 'bytes after the answer'

    def __repr__(self):
        return f'<{self.outcome} sent={self.was_sent} {self.http_status} {self.aws_code!r} {self.text!r}>'


class Fetch:
    """One run of `program` (a path, or an argv); `packet` as encode_request() makes it."""

    def __init__(self, program, packet, environment=None, stderr=None):
        ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        self.socket, self.began = ours, time.monotonic()
        descriptor = theirs.fileno()
        self.process = subprocess.Popen(program if isinstance(program, list) else [program],
                                        env=environment or {}, stdin=subprocess.DEVNULL,
                                        stdout=subprocess.DEVNULL, stderr=stderr,
                                        pass_fds=(descriptor, SOCKET_FD) if descriptor != SOCKET_FD else (SOCKET_FD,),
                                        preexec_fn=lambda: os.dup2(descriptor, SOCKET_FD))
        theirs.close()
        if packet is not None:
            ours.send(packet)

    def answer(self, timeout=30):
        """The answer, or None when the program ended without one."""
        self.socket.settimeout(timeout)
        packet = self.socket.recv(PACKET_MAX)
        self.took = time.monotonic() - self.began
        return Answer(packet) if packet else None

    def end(self, timeout=30):
        """The exit status."""
        try:
            return self.process.wait(timeout)
        finally:
            self.socket.close()
            if self.process.poll() is None:
                self.process.kill()
                self.process.wait()


def sign(key, url, body, service, token=None, region='us-east-1'):
    """The headers that botocore would send, without Host."""
    request = AWSRequest('POST', url, {'Content-Type': 'application/x-www-form-urlencoded; charset=utf-8'}, body)
    botocore.auth.SigV4Auth(Credentials(key['id'], key['secret'], token), service, region).add_auth(request)
    return dict(request.headers.items())


def request(op, endpoint, key, ca_file='', serial='', code='', duration=43200, proxy='', role=ROLE):
    """A packet with a signed request, as mfad-signer or mfad would build it. `key`: a long-term key, or the
    `creds` of an Answer."""
    bodies = {GET_SESSION_TOKEN: ('sts', {'Action': 'GetSessionToken', 'Version': '2011-06-15',
                                          'DurationSeconds': duration, 'SerialNumber': serial, 'TokenCode': code}),
              LIST_MFA_DEVICES: ('iam', {'Action': 'ListMFADevices', 'Version': '2010-05-08'}),
              GET_CALLER_IDENTITY: ('sts', {'Action': 'GetCallerIdentity', 'Version': '2011-06-15'}),
              ASSUME_ROLE: ('sts', {'Action': 'AssumeRole', 'Version': '2011-06-15', 'RoleArn': role,
                                    'RoleSessionName': 'mfad-me-here', 'DurationSeconds': 3600})}
    service, params = bodies[op]
    url, body = endpoint + '/', urlencode(params, quote_via=quote)
    headers = sign(key, url, body, service, key.get('token'))
    return encode_request(op, url, headers, body, ca_file, proxy)


def signin_request(endpoint, creds, ca_file='', duration=None, proxy=''):
    """As aws_signin_request_build() makes it: nothing is signed, the credentials are the message."""
    session = {'sessionId': creds['id'], 'sessionKey': creds['secret'], 'sessionToken': creds['token']}
    params = {'Action': 'getSigninToken', **({'SessionDuration': duration} if duration else {}),
              'Session': json.dumps(session)}
    return encode_request(GET_SIGNIN_TOKEN, endpoint + '/federation',
                          {'Content-Type': 'application/x-www-form-urlencoded; charset=utf-8'},
                          urlencode(params, quote_via=quote), ca_file, proxy)
