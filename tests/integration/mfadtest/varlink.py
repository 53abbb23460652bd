"""A Varlink client of a few lines, independent of mfactl's."""
import json
import socket
import struct


class VarlinkError(Exception):
    def __init__(self, name, parameters):
        super().__init__(f'{name}: {parameters}')
        self.name, self.parameters = name.rsplit('.', 1)[-1], parameters


class Varlink:
    """Calls on the unix socket @path; @interface is put before a method without a dot."""

    def __init__(self, path, interface, timeout=20):
        self.interface = interface
        self.socket = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        # a socket with Python's timeout would not wait for room in the backlog
        self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_SNDTIMEO, struct.pack('ll', int(timeout), 0))
        self.socket.connect(path)
        self.socket.settimeout(timeout)
        self.rest = b''

    def __enter__(self):
        return self

    def __exit__(self, *ignored):
        self.close()

    def close(self):
        self.socket.close()

    def send(self, method, more=False, **parameters):
        name = method if '.' in method else f'{self.interface}.{method}'
        message = {'method': name, 'parameters': parameters}
        if more:
            message['more'] = True
        self.socket.sendall(json.dumps(message).encode() + b'\0')

    def receive(self):
        """(parameters, whether more answers follow)."""
        while b'\0' not in self.rest:
            data = self.socket.recv(65536)
            if not data:
                raise ConnectionResetError('the service closed the connection')
            self.rest += data
        line, self.rest = self.rest.split(b'\0', 1)
        answer = json.loads(line)
        if 'error' in answer:
            raise VarlinkError(answer['error'], answer.get('parameters', {}))
        return answer.get('parameters', {}), answer.get('continues', False)

    def call(self, method, **parameters):
        self.send(method, **parameters)
        return self.receive()[0]
