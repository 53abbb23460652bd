"""Other users, hostile environments and files that are not as they should be."""
import os
import pwd
import socket
import subprocess

import pytest
from mfadtest import client, web

AS_NOBODY = ['setpriv', '--reuid=nobody', '--regid=nogroup', '--clear-groups', '--']

needs_root = pytest.mark.skipif(os.geteuid() != 0, reason='needs root to become another user')

SEND = """
import socket, sys
s = socket.create_connection(('127.0.0.1', int(sys.argv[1])), timeout=5)
how = sys.argv[2]
data = b''
try:
    s.sendall(sys.stdin.buffer.read())
    if how == 'half':
        s.shutdown(socket.SHUT_WR)
    if how != 'close':
        data = s.recv(65536)
except OSError:  # it was thrown out already
    pass
sys.stdout.write(str(len(data)))
"""


def ask_as_nobody(stack, how='stay'):
    request = web.request_bytes('/', stack.port, stack.token)
    done = subprocess.run(AS_NOBODY + ['/usr/bin/python3', '-c', SEND, str(stack.port), how],
                          input=request, capture_output=True, timeout=20, check=False)
    assert done.returncode == 0, done
    return int(done.stdout)


@needs_root
@pytest.mark.parametrize('how', ['stay', 'half'])
def test_another_uid_with_the_right_token_gets_zero_bytes(unlocked, how):
    assert unlocked.get().status == 200
    assert ask_as_nobody(unlocked, how) == 0


@needs_root
def test_another_uid_that_closes_at_once_is_no_root(unlocked):
    for _ in range(20):
        ask_as_nobody(unlocked, 'close')
    assert unlocked.get().status == 200


GET_INFO = b'{"method":"org.varlink.service.GetInfo"}\0'
SIGN_STATUS = b'\1\1\0\0\0'  # SIGNER_REQUEST_STATUS with id 1, as the front sends it
TALK = """
import socket, sys
s = socket.socket(socket.AF_UNIX, int(sys.argv[2]))
s.settimeout(5)
s.connect(sys.argv[1])
try:
    s.sendall(sys.stdin.buffer.read())
    data = s.recv(4096)
except OSError:
    data = b''
print(len(data))
"""


@needs_root
@pytest.mark.parametrize('name, kind, request_bytes', [
    ('control', socket.SOCK_STREAM, GET_INFO), ('vault', socket.SOCK_STREAM, GET_INFO),
    ('sign', socket.SOCK_SEQPACKET, SIGN_STATUS)])
def test_another_uid_on_our_sockets_gets_zero_bytes(unlocked, name, kind, request_bytes):
    """With the doors opened wide, so that only the peer check can refuse."""
    for folder in (unlocked.folder, unlocked.runtime, unlocked.sockets):
        os.chmod(folder, 0o755)
    path = unlocked.socket_path(name)
    os.chmod(path, 0o777)
    if name == 'sign':
        unlocked.front.terminate()  # it has only one place, which mfad keeps
    argv = ['/usr/bin/python3', '-c', TALK, path, str(int(kind))]
    own = subprocess.run(argv, input=request_bytes, capture_output=True, timeout=20, check=False)
    assert int(own.stdout) > 0, own
    other = subprocess.run(AS_NOBODY + argv, input=request_bytes, capture_output=True, timeout=20, check=False)
    assert int(other.stdout) == 0, other


@needs_root
@pytest.mark.parametrize('name, command', [('control', ['status']), ('control', ['lock']),
                                           ('vault', ['vault', 'seal'])])
def test_mfactl_tells_nothing_to_a_server_of_another_uid(make_stack, name, command):
    """A socket in our own folder, but served by somebody else."""
    stack = make_stack()
    os.mkdir(stack.sockets, 0o700)
    nobody = pwd.getpwnam('nobody')
    listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    listener.bind(stack.socket_path(name))
    script = f"""
import os, socket, sys
s = socket.socket(fileno={listener.fileno()})
os.setgid({nobody.pw_gid}); os.setuid({nobody.pw_uid})
s.listen(5)
print('ready', flush=True)
c, _ = s.accept()
sys.stdout.write(str(len(c.recv(4096))))
"""
    server = subprocess.Popen(['/usr/bin/python3', '-c', script], stdout=subprocess.PIPE, text=True,
                              pass_fds=[listener.fileno()])
    try:
        assert server.stdout.readline() == 'ready\n'
        listener.close()
        done = stack.mfactl(*command)
        assert done.code == client.NOT_RUNNING, done
        assert server.communicate(timeout=10)[0] == '0'
    finally:
        server.kill()
        server.wait()


SQUAT = """
import socket, sys, time
s = socket.socket()
s.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
s.bind(('127.0.0.1', int(sys.argv[1])))
s.listen()
print('ready', flush=True)
time.sleep(60)
"""


@pytest.fixture
def squat():
    """squat(port): somebody else listens there."""
    running = []

    def take(port):
        running.append(subprocess.Popen(AS_NOBODY + ['/usr/bin/python3', '-c', SQUAT, str(port)],
                                        stdout=subprocess.PIPE))
        assert running[-1].stdout.readline() == b'ready\n'

    yield take
    for process in running:
        process.kill()
        process.communicate()


@needs_root
def test_mfad_does_not_start_when_the_port_belongs_to_another_uid(make_stack, squat):
    stack = make_stack()
    squat(stack.port)
    with pytest.raises(AssertionError, match='served by uid'):
        stack.front.start()


@needs_root
@pytest.mark.parametrize('command', [['env'], ['exec', '--', 'env']])
def test_nothing_leads_to_a_port_of_another_uid(fake, squat, command):
    """Whoever answers on `control` may err about the port: its listener must be ours."""
    assert fake.mfactl(*command).code == client.OK
    fake.http.close()
    squat(fake.port)
    done = fake.mfactl(*command)
    assert done.code == client.NOT_RUNNING and done.out == '', done
    assert 'not to you' in done.err


@pytest.mark.parametrize('mode', [0o755, 0o770, 0o701])
def test_runtime_folder_open_to_others_is_refused(make_stack, mode):
    stack = make_stack()
    os.mkdir(stack.sockets)
    os.chmod(stack.sockets, mode)
    for program in stack.programs():
        with pytest.raises(AssertionError, match='ended with'):
            program.start()


def test_runtime_folder_that_is_a_link_is_refused(make_stack):
    stack = make_stack()
    os.mkdir(stack.sockets + '.elsewhere', 0o700)
    os.symlink(stack.sockets + '.elsewhere', stack.sockets)
    for program in stack.programs():
        with pytest.raises(AssertionError, match='ended with'):
            program.start()


@needs_root
def test_runtime_folder_of_another_user_is_refused(make_stack):
    stack = make_stack()
    os.mkdir(stack.sockets, 0o700)
    os.chown(stack.sockets, pwd.getpwnam('nobody').pw_uid, -1)
    for program in stack.programs():
        with pytest.raises(AssertionError, match='ended with'):
            program.start()
    done = stack.mfactl('status')
    assert done.code == client.NOT_RUNNING, done


def test_sockets_are_private(stack):
    for name in ('control', 'vault', 'sign'):
        assert os.stat(stack.socket_path(name)).st_mode & 0o777 == 0o600, name
    assert os.stat(stack.sockets).st_mode & 0o777 == 0o700


def test_hostile_environment_has_no_effect(make_stack):
    stack = make_stack()
    keylog = os.path.join(stack.folder, 'keylog')
    evil = stack.write('evil.cnf', 'openssl_conf = x\n[x]\nengines = y\n[y]\nz = z\n'
                       '[z]\ndynamic_path = /nonexistent/evil.so\ninit = 1\n')
    hostile = {'SSLKEYLOGFILE': keylog, 'OPENSSL_CONF': evil, 'http_proxy': 'http://127.0.0.1:1',
               'https_proxy': 'http://127.0.0.1:1', 'ALL_PROXY': 'http://127.0.0.1:1',
               'SSL_CERT_FILE': '/dev/null', 'SSL_CERT_DIR': '/nonexistent', 'CURL_CA_BUNDLE': '/dev/null',
               'AWS_ACCESS_KEY_ID': 'AKIAIOSFODNN7EXAMPLE', 'AWS_PROFILE': 'nowhere',
               'AWS_ENDPOINT_URL': 'http://127.0.0.1:1', 'TZ': 'Pacific/Kiritimati',
               'LC_ALL': 'tr_TR.UTF-8', 'MALLOC_CHECK_': '3', 'TMPDIR': '/nonexistent'}
    stack.front = stack.program(stack.build.front, **hostile)
    stack.signer = stack.program(stack.build.signer, **hostile)
    stack.start().unlocked()
    assert stack.get().status == 200
    assert not os.path.exists(keylog)
    # what the kernel shows is what execve got: the new image of `lock` gets only what is allowed
    assert stack.mfactl('lock').code == client.OK
    if os.geteuid() != 0:
        pytest.skip('needs root to see the environment of a process that is not dumpable')
    with open(f'/proc/{stack.front.pid}/environ', 'rb') as f:
        names = {v.split(b'=')[0].decode() for v in f.read().split(b'\0') if v}
    allowed = {'HOME', 'XDG_RUNTIME_DIR', 'XDG_CONFIG_HOME', 'XDG_DATA_HOME', 'LISTEN_PID', 'LISTEN_FDS',
               'LISTEN_FDNAMES', 'NOTIFY_SOCKET', 'WATCHDOG_PID', 'WATCHDOG_USEC', 'JOURNAL_STREAM',
               'DBUS_SYSTEM_BUS_ADDRESS', 'MFAD_LOG_LEVEL'}
    assert names <= allowed, names - allowed


def test_relative_places_are_refused(make_stack):
    stack = make_stack()
    front = stack.program(stack.build.front, XDG_RUNTIME_DIR='run')
    with pytest.raises(AssertionError, match='ended with'):
        front.start()


def test_ipv6_side_of_the_port_is_held_and_refuses(unlocked):
    try:
        with socket.create_connection(('::1', unlocked.port), timeout=5) as s:
            s.sendall(web.request_bytes('/', unlocked.port, unlocked.token))
            try:
                answer = s.recv(65536)
            except ConnectionResetError:
                answer = b''
    except OSError as e:
        pytest.skip(f'no IPv6 loopback here: {e}')
    assert b'SecretAccessKey' not in answer
