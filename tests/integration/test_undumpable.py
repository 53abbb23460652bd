"""What another process of the same user gets out of our programs: nothing. As a real user, for whom no right of
root's stands in, and with programs that the user may read, which alone would hide them."""
import contextlib
import os
import shutil
import socket
import subprocess

import pytest
from mfadtest.processes import wait_until

pytestmark = [pytest.mark.root, pytest.mark.sanitizers_no]

UID = 59321  # nobody else's
AS_USER = ['setpriv', f'--reuid={UID}', f'--regid={UID}', '--clear-groups', '--']

# prints what worked; ptrace(2) comes last, for the others need no hold on the process
INTRUDE = """
import ctypes, os, sys
pid = int(sys.argv[1])
libc = ctypes.CDLL(None, use_errno=True)
libc.ptrace.argtypes = [ctypes.c_long, ctypes.c_int, ctypes.c_void_p, ctypes.c_void_p]
libc.ptrace.restype = ctypes.c_long

class Range(ctypes.Structure):
    _fields_ = [('base', ctypes.c_void_p), ('len', ctypes.c_size_t)]

def memory():
    return os.open(f'/proc/{pid}/mem', os.O_RDONLY) >= 0

def environment():
    with open(f'/proc/{pid}/environ', 'rb') as f:
        return f.read() is not None

def descriptors():
    return os.listdir(f'/proc/{pid}/fd') is not None

def maps():
    with open(f'/proc/{pid}/maps', 'rb') as f:
        return f.read() != b''

def read_from_outside():
    here, there = ctypes.create_string_buffer(8), Range(4096, 8)
    n = libc.process_vm_readv(pid, ctypes.byref(Range(ctypes.addressof(here), 8)), 1, ctypes.byref(there), 1, 0)
    return n >= 0 or ctypes.get_errno() == 14  # EFAULT: nothing is there, and we were told

def take_descriptor():
    return libc.syscall(438, os.pidfd_open(pid), 0, 0) >= 0  # pidfd_getfd(2), on every architecture

def trace():
    return libc.ptrace(0x4206, pid, None, None) == 0  # PTRACE_SEIZE

for attempt in memory, environment, descriptors, maps, read_from_outside, take_descriptor, trace:
    try:
        if attempt():
            print(attempt.__name__)
    except OSError:
        pass
"""


def intrude(pid):
    """The names of what the user can do to the process."""
    return subprocess.run(AS_USER + ['/usr/bin/python3', '-c', INTRUDE, str(pid)], check=True, timeout=30,
                          capture_output=True, text=True).stdout.split()


def status(pid):
    with open(f'/proc/{pid}/status', encoding='ascii') as f:
        return dict(line.rstrip('\n').split(':\t', 1) for line in f)


def intrude_when_idle(pid, name):
    """Before that it may still have to make itself what it is to be."""
    wait_until(lambda: status(pid)['Name'] == name)
    wait_until(lambda: status(pid)['State'][0] == 'S')
    return intrude(pid)


def become_user():
    os.setpgid(0, 0)
    os.setgroups([])
    os.setgid(UID)
    os.setuid(UID)


@contextlib.contextmanager
def running(argv, **more):
    process = subprocess.Popen(AS_USER + argv, stdin=subprocess.DEVNULL, **more)
    try:
        yield process.pid
    finally:
        process.kill()
        process.communicate()


@pytest.fixture
def users(make_stack, build):
    """A stack of that user's, of programs that he may read."""
    stack = make_stack()
    copies = os.path.join(stack.folder, 'bin')
    os.mkdir(copies)
    for name in ('front', 'signer', 'fetch', 'mfactl'):
        path = shutil.copy(getattr(build, name), copies)
        os.chmod(path, 0o755)
    stack.copies = copies
    for folder, _, files in os.walk(stack.folder):
        for path in (folder, *(os.path.join(folder, name) for name in files)):
            os.chown(path, UID, UID)
    stack.front = stack.program(os.path.join(copies, 'mfad'), become_user)
    stack.signer = stack.program(os.path.join(copies, 'mfad-signer'), become_user)
    before = os.umask(0)  # they may write to the socket that hears whether they are ready
    try:
        stack.start()
    finally:
        os.umask(before)
    return stack


def is_finder(pid, group):
    """mfad-peers is nobody's child; but it is in the group that its mfad leads."""
    try:
        fields = status(pid)
    except OSError:
        return False
    return fields['Name'] == 'mfad-peers' and int(fields['NSpgid'].split()[0]) == group


def test_the_user_gets_nothing_out_of_them(users):
    with running(['/usr/bin/sleep', '60']) as pid:
        wait_until(lambda: status(pid)['Name'] == 'sleep')
        possible = intrude(pid)
    # where ptrace(2) is for children only (Yama), less is shown here
    assert {'environment', 'descriptors', 'maps'} <= set(possible), possible

    finders = [int(p) for p in os.listdir('/proc') if p.isdigit() and is_finder(p, users.front.pid)]
    assert len(finders) == 1
    ours = {'mfad': users.front.pid, 'mfad-signer': users.signer.pid, 'mfad-peers': finders[0]}
    assert {name: intrude(pid) for name, pid in ours.items()} == {name: [] for name in ours}


def test_nor_out_of_the_short_lived_ones(users):
    found = {}
    ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    with ours, theirs:
        fetch = [os.path.join(users.copies, 'mfad-fetch')]
        with running(fetch, preexec_fn=lambda: os.dup2(theirs.fileno(), 3), close_fds=False) as pid:
            found['mfad-fetch'] = intrude_when_idle(pid, 'mfad-fetch')
    watch = [os.path.join(users.copies, 'mfactl'), 'status', '--watch']
    with running(watch, env=users.environment, stdout=subprocess.PIPE) as pid:
        found['mfactl'] = intrude_when_idle(pid, 'mfactl')
    assert found == {'mfad-fetch': [], 'mfactl': []}
