"""The refusal table, as raw bytes over TCP to the real mfad: each line gets its status and no key id."""
import ctypes
import socket
import time

from mfadtest import web
from mfadtest.processes import wait_until

JSON = 'application/json'


def mhd_is_strict():
    """Whether the libmicrohttpd that mfad runs on refuses by itself what older ones leave to mfad: from 1.0 on."""
    library = ctypes.CDLL('libmicrohttpd.so.12')
    library.MHD_get_version.restype = ctypes.c_char_p
    return int(library.MHD_get_version().split(b'.')[0]) >= 1


IS_STRICT = mhd_is_strict()


class Request:
    """One line of the table. Without @host or @token the usual ones stand in. @strict is the status with which a
    strict libmicrohttpd refuses the line, with a page of its own; 0 is a connection that ends without a word."""

    def __init__(self, name, status, *lines, first='GET / HTTP/1.1', host='Host: 127.0.0.1:{port}',
                 token='Authorization: {token}', body=b'', is_mhd=False, strict=None):
        if IS_STRICT and strict is not None:
            status, is_mhd = strict, True
        self.name, self.status, self.lines, self.first = name, status, lines, first
        self.host, self.token, self.body = host, token, body
        self.is_mhd = is_mhd  # libmicrohttpd refuses it before we see it, with a page of its own

    def bytes(self, port, token):
        lines = [self.first, *filter(None, [self.host, self.token]), *self.lines]
        text = '\r\n'.join(lines) + '\r\n\r\n'
        text = text.replace('{port}', str(port)).replace('{next_port}', str(port + 1)).replace('{token}', token)
        return text.encode('latin-1') + self.body


GOOD = Request('a usual request', 200)

TABLE = [
    GOOD,
    Request('another good one', 200, 'Accept: */*', 'Amz-Sdk-Request: attempt=1; max=3'),
    Request('Host without port', 200, host='Host: 127.0.0.1'),
    Request('HTTP/1.0', 200, first='GET / HTTP/1.0'),

    Request('no Host', 421, host=None, strict=400),
    Request('two Hosts', 421, 'Host: 127.0.0.1:{port}'),
    Request('two Hosts, one evil', 421, 'Host: evil.example'),
    Request('Host evil', 421, host='Host: evil.example'),
    Request('Host evil with our port', 421, host='Host: evil.example:{port}'),
    Request('Host 0.0.0.0', 421, host='Host: 0.0.0.0:{port}'),
    Request('Host with the next port', 421, host='Host: 127.0.0.1:{next_port}'),
    Request('Host with a trailing dot', 421, host='Host: localhost.:{port}'),
    Request('Host with userinfo', 421, host='Host: x@127.0.0.1:{port}'),
    Request('Host with a blank before the colon', 400, host='Host : 127.0.0.1:{port}', strict=400),

    Request('absolute form', 404, first='GET http://127.0.0.1:{port}/ HTTP/1.1'),
    Request('asterisk', 404, first='GET * HTTP/1.1'),
    Request('%2e%2e', 404, first='GET /profile/%2e%2e HTTP/1.1'),
    Request('..', 404, first='GET /profile/../ HTTP/1.1'),
    Request('%00', 404, first='GET /%00 HTTP/1.1'),
    Request('NUL in the path', 404, first='GET /\0x HTTP/1.1', strict=0),
    Request('query', 404, first='GET /?profile=default HTTP/1.1'),
    Request('//', 404, first='GET //profile/default HTTP/1.1'),
    Request('// in an ARN', 404, first='GET /role-arn/arn:aws:iam::123456789012:role//ops HTTP/1.1'),
    Request('.. in an ARN', 404, first='GET /role-arn/arn:aws:iam::123456789012:role/../ops HTTP/1.1'),
    Request('%2F in an ARN', 404, first='GET /role-arn/arn:aws:iam::123456789012:role%2Fops HTTP/1.1'),
    Request('/role-arn/ and no ARN', 404, first='GET /role-arn/ HTTP/1.1'),
    Request('blank in the path', 404, first='GET /profile/a b HTTP/1.1', strict=400),
    Request('CRLF in the path', 400, first='GET /\r\nX: y HTTP/1.1', is_mhd=True),

    Request('get', 405, first='get / HTTP/1.1'),
    Request('FOO', 405, first='FOO / HTTP/1.1'),
    Request('OPTIONS', 405, first='OPTIONS / HTTP/1.1'),
    Request('POST', 405, 'Content-Length: 3', first='POST / HTTP/1.1', body=b'a=b'),
    Request('PUT', 405, first='PUT /latest/api/token HTTP/1.1'),
    Request('NUL in the method', 405, first='GET\0\0 / HTTP/1.1', strict=0),
    Request('HTTP/1.9', 400, first='GET / HTTP/1.9'),
    Request('HTTP/2.0', 505, first='GET / HTTP/2.0', is_mhd=True),
    Request('the preface of HTTP/2', 505, first='PRI * HTTP/2.0', host=None, token=None,
            body=b'SM\r\n\r\n', is_mhd=True),
    Request('HTTP/0.9', 400, first='GET /', host=None, token=None, is_mhd=True),

    Request('NUL in Authorization', 400, token='Authorization: {token}\0evil', strict=400),
    Request('NUL at the end of Authorization', 400, token='Authorization: {token}\0', strict=400),
    Request('two NULs in Authorization', 400, token='Authorization: {token}\0\0x', strict=400),
    Request('folded header', 400, 'X: a', ' b', strict=400),
    Request('folded header that hides a name', 400, 'X: a', ' Origin: evil', 'Y: z', strict=400),
    Request('bare LF', 400, 'X: a\nY: b', strict=400),
    Request('bare CR', 400, 'X: a\rOrigin: b', strict=400),
    Request('header without colon', 400, 'X', is_mhd=True),
    Request('header without name', 400, ': x', strict=400),
    Request('tab in a value', 400, 'X: a\tb'),
    Request('9 KiB header', 431, 'X: ' + 'y' * 9216, is_mhd=True),
    Request('33 headers', 400, *[f'X{i}: y' for i in range(31)]),
    Request('32 headers', 200, *[f'X{i}: y' for i in range(30)]),

    Request('TE and CL', 400, 'Transfer-Encoding: chunked', 'Content-Length: 3', body=b'0\r\n\r\n', strict=400),
    Request('two CLs', 400, 'Content-Length: 0', 'Content-Length: 0'),
    Request('two different CLs', 400, 'Content-Length: 0', 'Content-Length: 5', body=b'abcde'),
    Request('CL 5', 400, 'Content-Length: 5', body=b'abcde'),
    Request('CL 5 and no body', 400, 'Content-Length: 5'),
    Request('CL that is no number', 400, 'Content-Length: x', is_mhd=True),
    Request('CL 0', 200, 'Content-Length: 0'),
    Request('Expect', 400, 'Expect: 100-continue'),
    Request('Content-Type', 400, 'Content-Type: text/plain'),

    Request('no Authorization', 403, token=None),
    Request('empty Authorization', 403, token='Authorization:'),
    Request('two Authorizations', 403, 'Authorization: {token}'),
    Request('Bearer', 403, token='Authorization: Bearer {token}'),
    # RFC 9110 section 5.5: the blank is not of the value. Older versions of libmicrohttpd say that it is.
    Request('token and a blank', 200 if IS_STRICT else 403, token='Authorization: {token} '),
    Request('token without its end', 403, token='Authorization: {token}'.replace('{token}', 'x' * 42)),
    Request('another token', 403, token='Authorization: ' + 'A' * 43),

    Request('Origin', 403, 'Origin: http://127.0.0.1:{port}'),
    Request('empty Origin', 403, 'Origin:'),
    Request('Referer', 403, 'Referer: http://127.0.0.1:{port}/'),
    Request('Cookie', 403, 'Cookie: a=b'),
    Request('Sec-Fetch-Mode', 403, 'Sec-Fetch-Mode: no-cors'),
    Request('empty X-Forwarded-For', 403, 'X-Forwarded-For:'),
    Request('Forwarded', 403, 'Forwarded: for=127.0.0.1'),
    Request('Via', 403, 'Via: 1.1 proxy'),
    Request('Upgrade', 403, 'Upgrade: h2c', 'Connection: Upgrade'),
    Request('preflight', 405, 'Origin: http://evil', 'Access-Control-Request-Method: GET',
            first='OPTIONS / HTTP/1.1'),
    Request('a browser', 403, 'User-Agent: Mozilla/5.0 (X11; Linux x86_64)'),
]


def everything(port, data, seconds=2):
    """All that comes until the server ends the connection or stays silent."""
    raw = b''
    with socket.create_connection(('127.0.0.1', port), timeout=seconds) as s:
        s.sendall(data)
        while True:
            try:
                piece = s.recv(65536)
            except (ConnectionResetError, TimeoutError):
                return raw, False
            if not piece:
                return raw, True
            raw += piece


def faults(request, answer, key_id):
    """What is wrong with @answer, in words."""
    if answer.status != request.status:
        yield f'{answer.status} instead of {request.status}'
    if (key_id in answer.raw) != (request.status == 200):
        yield 'the key id is where it should not be, or not where it should'
    lower = answer.raw.lower()
    for word in (b'access-control-', b'\r\nserver:', b'retry-after', b'www-authenticate'):
        if word in lower:
            yield f'sends {word}'
    if not request.is_mhd and answer.headers.get('content-type') != JSON:
        yield 'is not JSON'
    if request.status != 200 and not request.is_mhd and not answer.json()['Message'].startswith('mfad: '):
        yield 'no sentence of ours'


def test_refusal_table(unlocked):
    key_id = unlocked.get().json()['AccessKeyId'].encode()
    token, port, problems = unlocked.token, unlocked.port, []
    for request in TABLE:
        answer = web.exchange(port, request.bytes(port, token))
        problems += [f'{request.name}: {fault}: {answer}' for fault in faults(request, answer, key_id)]
    assert not problems, '\n'.join(problems)


def test_nothing_of_a_request_comes_back(unlocked):
    marker = 'mArKeRmArKeR'
    for request in (Request('path', 404, first=f'GET /{marker} HTTP/1.1'),
                    Request('profile', 400, first=f'GET /profile/{marker} HTTP/1.1'),
                    Request('host', 421, host=f'Host: {marker}'),
                    Request('token', 403, token=f'Authorization: {marker}'),
                    Request('header', 400, f'{marker} : x')):
        answer = web.exchange(unlocked.port, request.bytes(unlocked.port, unlocked.token))
        assert answer.status == request.status, (request.name, answer)
        assert marker.encode() not in answer.raw, request.name


def test_pipelined_requests_are_judged_alone(unlocked):
    port, token = unlocked.port, unlocked.token
    key_id = unlocked.get().json()['AccessKeyId'].encode()
    good = GOOD.bytes(port, token)
    evil = Request('evil', 403, 'Origin: http://evil').bytes(port, token)
    wrong = Request('wrong', 403, token='Authorization: ' + 'A' * 43).bytes(port, token)

    raw, _ = everything(port, good + good, 1)
    assert raw.count(b'HTTP/1.1 200') == 2 and raw.count(key_id) == 2
    raw, is_closed = everything(port, good + evil + good)
    assert raw.count(b'HTTP/1.1 200') == 1 and raw.count(b'HTTP/1.1 403') == 1 and raw.count(key_id) == 1
    assert is_closed  # nothing after a refused request is a request
    raw, _ = everything(port, wrong + good, 1)
    assert raw.count(b'HTTP/1.1 403') == 1 and raw.count(b'HTTP/1.1 200') == 1


def test_a_body_is_never_taken_for_a_request(unlocked):
    port, token = unlocked.port, unlocked.token
    inner = GOOD.bytes(port, token)
    for lines in ([f'Content-Length: {len(inner)}'], ['Transfer-Encoding: chunked'],
                  ['Content-Length: 0', f'Content-Length: {len(inner)}']):
        raw, is_closed = everything(port, Request('outer', 400, *lines).bytes(port, token) + inner)
        assert raw.count(b'HTTP/1.1 ') == 1 and raw.startswith(b'HTTP/1.1 400'), (lines, raw)
        assert is_closed


def test_one_byte_at_a_time(unlocked):
    began = time.monotonic()
    with socket.create_connection(('127.0.0.1', unlocked.port), timeout=5) as s:
        s.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        for byte in GOOD.bytes(unlocked.port, unlocked.token):
            s.sendall(bytes([byte]))
        assert s.recv(65536).startswith(b'HTTP/1.1 200')
    assert time.monotonic() - began < 5


def test_head_and_body_come_in_one_piece(unlocked):
    for request in (GOOD, Request('refused', 403, 'Origin: x')):
        with socket.create_connection(('127.0.0.1', unlocked.port), timeout=5) as s:
            s.sendall(request.bytes(unlocked.port, unlocked.token))
            assert web.is_complete(s.recv(65536)), request.name


def test_headers_of_every_answer(unlocked):
    for path in ('/', '/healthz', '/nothing', '/profile/nobody'):
        headers = unlocked.get(path).headers
        assert headers['content-type'] == JSON
        assert headers['cache-control'] == 'no-store'
        assert headers['x-content-type-options'] == 'nosniff'
        assert headers['content-security-policy'] == "default-src 'none'; sandbox"
        assert headers['cross-origin-resource-policy'] == 'same-origin'
        assert 'date' in headers and 'content-length' in headers
        assert 'connection' not in headers or path == '/nothing'


def test_health_tells_the_state_without_a_token(make_stack):
    stack = make_stack().start()
    wait_until(lambda: web.get(stack.port, None, '/healthz').json() == {'state': 'sealed'}, what='mfad hears of the vault')
    stack.open_vault()
    assert stack.get('/healthz').json() == {'state': 'locked'}
    stack.unlock()
    answer = web.get(stack.port, None, '/healthz')
    assert answer.status == 200 and answer.json() == {'state': 'unlocked'}
