"""HTTP as bytes: what an SDK sends and what it gets, without a library's opinions."""
import collections
import json
import resource
import select
import socket
import time


class Answer:
    def __init__(self, raw, sec):
        self.raw, self.sec = raw, sec
        head, _, self.body = raw.partition(b'\r\n\r\n')
        lines = head.decode('latin-1').split('\r\n')
        self.status = int(lines[0].split(' ')[1]) if raw else 0
        self.headers = {k.lower(): v for k, v in (line.split(': ', 1) for line in lines[1:] if ': ' in line)}

    def json(self):
        return json.loads(self.body)

    @property
    def code(self):
        """The AWS-style code of an error."""
        return self.json()['Code']

    def __repr__(self):
        return f'<{self.status} {self.body[:200]!r} after {self.sec:.3f} s>'


def request_bytes(path, port, token, *more, close=False):
    lines = [f'GET {path} HTTP/1.1', f'Host: 127.0.0.1:{port}', 'Accept: application/json']
    if token is not None:
        lines.append(f'Authorization: {token}')
    lines += more
    if close:
        lines.append('Connection: close')
    return ('\r\n'.join(lines) + '\r\n\r\n').encode()


def is_complete(raw):
    head, end, body = raw.partition(b'\r\n\r\n')
    for line in head.lower().split(b'\r\n'):
        if end and line.startswith(b'content-length:'):
            return len(body) >= int(line.split(b':')[1])
    return False


def exchange(port, data, timeout=10):
    """Everything that comes back for @data until the answer is whole or the server ends it."""
    began = time.monotonic()
    raw = b''
    with socket.create_connection(('127.0.0.1', port), timeout=timeout) as s:
        s.sendall(data)
        while not is_complete(raw):
            try:
                piece = s.recv(65536)
            except ConnectionResetError:
                break
            if not piece:
                break
            raw += piece
    return Answer(raw, time.monotonic() - began)


def get(port, token, path='/', *more, timeout=10):
    return exchange(port, request_bytes(path, port, token, *more), timeout)


def get_many(port, token, count, path='/', timeout=30):
    """@count requests at the same moment, each on a connection of its own; the Answers."""
    data = request_bytes(path, port, token)
    poll = select.poll()
    open_ones, began, answers = {}, {}, []
    for _ in range(count):
        s = socket.create_connection(('127.0.0.1', port), timeout=timeout)
        open_ones[s.fileno()] = [s, b'']
    for fd, (s, _) in open_ones.items():
        began[fd] = time.monotonic()
        s.sendall(data)
        poll.register(fd, select.POLLIN)
    end = time.monotonic() + timeout
    while open_ones and time.monotonic() < end:
        for fd, _ in poll.poll(100):
            entry = open_ones[fd]
            piece = entry[0].recv(65536)
            entry[1] += piece
            if not piece or is_complete(entry[1]):
                answers.append(Answer(entry[1], time.monotonic() - began[fd]))
                poll.unregister(fd)
                entry[0].close()
                del open_ones[fd]
    for s, raw in open_ones.values():
        answers.append(Answer(raw, timeout))
        s.close()
    return answers


def raise_descriptor_limit():
    """For a few thousand connections of this process; programs that it starts have what they had."""
    hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))


class Crowd:
    """A client for each of @paths, all beginning at once, and trying again as SDKs do: after AGAIN_SEC, when
    the answer was 503 or the connection ended without one.

    answers: the last of each. sec: when the last one had something else than 503. n_pending, n_cut: how often
    one had to try again, and why."""

    AGAIN_SEC = 0.2

    def __init__(self, port, token, paths, timeout=60):
        self.port, self.poll = port, select.poll()
        self.requests = [request_bytes(path, port, token, close=True) for path in paths]
        self.answers, self.n_pending, self.n_cut, self.sec = [None] * len(paths), 0, 0, 0.0
        self.open_ones = {}     # by descriptor: [client, socket, bytes]
        self.later = collections.deque((0, client) for client in range(len(paths)))
        self.began = time.monotonic()
        while (self.open_ones or self.later) and time.monotonic() < self.began + timeout:
            self.turn()
        for _, s, _ in self.open_ones.values():
            s.close()

    def turn(self):
        while self.later and self.later[0][0] <= time.monotonic():
            self.ask(self.later.popleft()[1])
        for fd, _ in self.poll.poll(10):
            entry = self.open_ones[fd]
            try:
                piece = entry[1].recv(65536)
            except ConnectionResetError:
                piece = b''
            entry[2] += piece
            if not piece or is_complete(entry[2]):
                self.poll.unregister(fd)
                del self.open_ones[fd]
                self.take(*entry)

    def ask(self, client):
        s = socket.create_connection(('127.0.0.1', self.port), timeout=30)
        try:
            s.sendall(self.requests[client])
        except OSError:  # ended by the other side: seen when it is read
            pass
        self.open_ones[s.fileno()] = [client, s, b'']
        self.poll.register(s.fileno(), select.POLLIN)

    def take(self, client, s, raw):
        s.close()
        now = time.monotonic()
        answer = Answer(raw, now - self.began)
        self.n_pending += answer.status == 503
        self.n_cut += answer.status == 0
        if answer.status in (0, 503):
            self.later.append((now + self.AGAIN_SEC, client))
            return
        self.answers[client] = answer
        self.sec = now - self.began
