"""The way to the simulator, which a test can cut: a TCP forwarder on a port of its own."""
import contextlib
import selectors
import socket
import threading


class Wire:
    """@target: a port of 127.0.0.1. Up at first; down, connections are refused, and those that were open end."""

    def __init__(self, target):
        self.target, self.listener, self.thread = target, None, None
        with socket.socket() as s:
            s.bind(('127.0.0.1', 0))
            self.port = s.getsockname()[1]
        self.up()

    @property
    def url(self):
        return f'http://127.0.0.1:{self.port}'

    def up(self):
        self.listener = socket.socket()
        self.listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        self.listener.bind(('127.0.0.1', self.port))
        self.listener.listen(256)
        self.ended, self.end = socket.socketpair()
        self.thread = threading.Thread(target=self.run, args=(self.listener, self.ended))
        self.thread.start()

    def down(self):
        if not self.thread:
            return
        self.end.close()
        self.thread.join()
        self.thread = None

    def run(self, listener, ended):
        poll, others = selectors.DefaultSelector(), {}
        poll.register(listener, selectors.EVENT_READ)
        poll.register(ended, selectors.EVENT_READ)
        ready = []
        while ended not in ready:
            ready = [key.fileobj for key, _ in poll.select()]
            for s in ready:
                if s is listener:
                    self.connect(listener.accept()[0], poll, others)
                elif s is not ended and s in others:
                    self.forward(s, poll, others)
        for s in [listener, ended, *others]:
            s.close()
        poll.close()

    def connect(self, one, poll, others):
        other = socket.create_connection(('127.0.0.1', self.target))
        others.update({one: other, other: one})
        for s in (one, other):
            poll.register(s, selectors.EVENT_READ)

    def forward(self, s, poll, others):
        data = b''
        with contextlib.suppress(OSError):
            data = s.recv(65536)
            if data:
                others[s].sendall(data)
                return
        for end in (s, others.pop(s)):
            poll.unregister(end)
            others.pop(end, None)
            end.close()
