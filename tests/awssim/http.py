"""Just enough HTTP/1.1: one request read from a stream, one answer built."""
import asyncio
import email.utils

HEAD_MAX = 64 * 1024
BODY_MAX = 1024 * 1024


class BadRequest(Exception):
    pass


class Request:
    def __init__(self, method, target, headers, body):
        self.method, self.target, self.headers, self.body = method, target, headers, body

    def header(self, name, default=''):
        for n, value in self.headers:
            if n.lower() == name:
                return value
        return default


class Answer:
    def __init__(self, status, body, content_type='text/xml'):
        self.version, self.status, self.reason, self.body = 'HTTP/1.1', status, '', body
        self.headers = [('Content-Type', content_type), ('Content-Length', None)]
        self.prefix = b''

    def set(self, name, value):
        """`None` removes the header."""
        at = next((i for i, (n, _) in enumerate(self.headers) if n == name), len(self.headers))
        self.headers[at:at + 1] = [] if value is None else [(name, value)]

    def head(self):
        """A Content-Length that was not set is the body's."""
        lines = [f'{self.version} {self.status} {self.reason}'.rstrip()]
        lines += [f'{n}: {len(self.body) if v is None else v}' for n, v in self.headers]
        return self.prefix + ('\r\n'.join(lines) + '\r\n\r\n').encode('latin-1')


def date(seconds):
    return email.utils.formatdate(seconds, usegmt=True)


async def read_request(reader, writer):
    """None at the end of the connection."""
    try:
        head = await reader.readuntil(b'\r\n\r\n')
    except asyncio.IncompleteReadError:
        return None
    except asyncio.LimitOverrunError:
        raise BadRequest('head too long') from None
    lines = head.decode('latin-1').split('\r\n')[:-2]
    parts = lines[0].split(' ')
    if len(parts) != 3 or not parts[2].startswith('HTTP/1.'):
        raise BadRequest('bad request line')
    headers = []
    for line in lines[1:]:
        name, colon, value = line.partition(':')
        if not colon or name != name.strip():
            raise BadRequest('bad header line')
        headers.append((name, value.strip(' \t')))
    request = Request(parts[0], parts[1], headers, b'')
    length = request.header('content-length', '0')
    if not length.isdigit() or int(length) > BODY_MAX or request.header('transfer-encoding'):
        raise BadRequest('bad length')
    if request.header('expect').lower() == '100-continue':
        writer.write(b'HTTP/1.1 100 Continue\r\n\r\n')
    try:
        request.body = await reader.readexactly(int(length))
    except asyncio.IncompleteReadError:
        return None
    return request
