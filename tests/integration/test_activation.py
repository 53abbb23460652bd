"""Sockets that somebody else made: taken by name, checked, and kept over a lock and a seal."""
import os
import socket

import pytest
from mfadtest import activate, client
from mfadtest.processes import wait_until

ACTIVATE = os.path.abspath(activate.__file__)


def activated(stack, program, *sockets):
    """@program as its service manager would start it."""
    p = stack.program(ACTIVATE)
    p.argv = [ACTIVATE, *sockets, program]
    p.name = os.path.basename(program)
    p.log_path = os.path.join(stack.folder, p.name + '.log')
    return p


def inode_of(path):
    return os.stat(path).st_ino


def test_both_programs_take_their_sockets_by_name(make_stack):
    stack = make_stack()
    os.mkdir(stack.sockets, 0o700)
    # another order than the programs ask in, so that only the names can tell
    stack.signer = activated(stack, stack.build.signer, f'sign=packet:{stack.socket_path("sign")}',
                             f'vault=stream:{stack.socket_path("vault")}')
    stack.front = activated(stack, stack.build.front, f'control=stream:{stack.socket_path("control")}',
                            f'http6=tcp:::1:{stack.port}', f'http=tcp:127.0.0.1:{stack.port}')
    stack.start()
    made = {name: inode_of(stack.socket_path(name)) for name in ('control', 'vault', 'sign')}
    stack.unlocked()
    assert stack.get().status == 200

    assert stack.mfactl('lock', '--seal').code == client.OK
    assert stack.get().code == 'MfadLocked'
    wait_until(lambda: stack.status()['vault'] == 'sealed')
    assert {name: inode_of(stack.socket_path(name)) for name in made} == made
    with pytest.raises(OSError), socket.create_connection(('::1', stack.port), timeout=5) as s:
        s.sendall(b'GET / HTTP/1.1\r\n\r\n')
        if not s.recv(1):
            raise ConnectionResetError


@pytest.mark.parametrize('sockets, reason', [
    (['http=tcp:127.0.0.2:{port}'], 'does not listen on 127.0.0.1 alone'),
    (['http=stream:{runtime}/http'], 'does not listen on 127.0.0.1 alone'),
    (['http=tcp:127.0.0.1:{port}', 'http6=tcp:127.0.0.3:{port}'], r'does not listen on \[::1\] alone'),
    (['control=packet:{runtime}/control'], 'of the wrong kind'),
])
def test_sockets_that_are_not_what_they_should_be(make_stack, sockets, reason):
    stack = make_stack()
    given = [s.format(port=stack.port, runtime=stack.runtime) for s in sockets]
    with pytest.raises(AssertionError, match=reason):
        activated(stack, stack.build.front, *given).start()
