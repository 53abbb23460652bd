"""A small CONNECT proxy: whatever name it is asked for, it leads to one port of this machine."""
import socket
import threading


class Proxy:
    """Use as a context manager. `reply`: what a CONNECT is answered, or None for "200" and the tunnel;
    b'' closes without an answer. `silent`: no answer at all. `user`: "name:password" that must be shown,
    as base64."""

    def __init__(self, port, reply=None, silent=False, user=None):
        self.target, self.reply, self.silent, self.user = port, reply, silent, user
        self.heads = []     # of all requests, as they came
        self.forwarded = 0  # bytes from clients to the target
        self.sockets = []
        self.listener = socket.create_server(('127.0.0.1', 0))
        self.port = self.listener.getsockname()[1]
        self.url = f'http://127.0.0.1:{self.port}'
        threading.Thread(target=self.accept, daemon=True).start()

    def __enter__(self):
        return self

    def __exit__(self, *ignored):
        for sock in [self.listener, *self.sockets]:
            try:
                sock.shutdown(socket.SHUT_RDWR)
            except OSError:
                pass  # it ended already
            sock.close()

    def accept(self):
        while True:
            try:
                client, _ = self.listener.accept()
            except OSError:
                return
            self.sockets.append(client)
            threading.Thread(target=self.serve, args=(client,), daemon=True).start()

    def answer_to(self, head):
        if self.user and f'Proxy-Authorization: Basic {self.user}'.encode() not in head.split(b'\r\n'):
            return b'HTTP/1.1 407 Proxy Authentication Required\r\nProxy-Authenticate: Basic realm="x"\r\n' \
                   b'Content-Length: 0\r\n\r\n'
        return self.reply

    def serve(self, client):
        head = b''
        try:
            while b'\r\n\r\n' not in head:
                more = client.recv(65536)
                if not more:
                    return
                head += more
            self.heads.append(head)
            if self.silent:
                return
            reply = self.answer_to(head)
            if reply is not None:
                client.sendall(reply)
                client.shutdown(socket.SHUT_WR)
                return
            # a Date of its own, which nobody may take for AWS's
            client.sendall(b'HTTP/1.1 200 Connection established\r\nDate: Mon, 01 Jan 2001 00:00:00 GMT\r\n\r\n')
            self.tunnel(client)
        except OSError:
            pass  # the client went away

    def tunnel(self, client):
        target = socket.create_connection(('127.0.0.1', self.target))
        self.sockets.append(target)
        threading.Thread(target=self.copy, args=(target, client, False), daemon=True).start()
        self.copy(client, target, True)

    def copy(self, source, sink, is_counted):
        try:
            while data := source.recv(65536):
                self.forwarded += len(data) if is_counted else 0
                sink.sendall(data)
        except OSError:
            pass  # one end went away, so the other must hear of it
        try:
            sink.shutdown(socket.SHUT_WR)
        except OSError:
            pass  # it has gone already
