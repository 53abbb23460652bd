"""Makes a system call fail in a program to be started. Without a library: a classic BPF filter by prctl(2)."""
import ctypes
import struct

PR_SET_NO_NEW_PRIVS, PR_SET_SECCOMP, SECCOMP_MODE_FILTER = 38, 22, 2
RET_ALLOW, RET_ERRNO, ENOSYS = 0x7fff0000, 0x00050000, 38
LOAD_WORD, JUMP_EQUAL, RETURN = 0x20, 0x15, 0x06
# the same numbers on every architecture
SYS_MEMFD_SECRET, SYS_LANDLOCK_CREATE_RULESET = 447, 444


class Program(ctypes.Structure):
    _fields_ = [('len', ctypes.c_ushort), ('filter', ctypes.c_void_p)]


def instruction(code, k, jump_true=0, jump_false=0):
    return struct.pack('HBBI', code, jump_true, jump_false, k)


def deny(number):
    """A preexec_fn: the call with this number is unknown."""
    def install():
        text = b''.join([instruction(LOAD_WORD, 0),  # seccomp_data.nr
                         instruction(JUMP_EQUAL, number, 0, 1),
                         instruction(RETURN, RET_ERRNO | ENOSYS),
                         instruction(RETURN, RET_ALLOW)])
        buffer = ctypes.create_string_buffer(text, len(text))
        program = Program(len(text) // 8, ctypes.cast(buffer, ctypes.c_void_p))
        libc = ctypes.CDLL(None, use_errno=True)
        if libc.prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) or \
                libc.prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, ctypes.byref(program), 0, 0):
            raise OSError(ctypes.get_errno(), 'prctl')
    return install


# so that the arena can be read by root and its fallback is tested
deny_memfd_secret = deny(SYS_MEMFD_SECRET)
no_landlock = deny(SYS_LANDLOCK_CREATE_RULESET)
