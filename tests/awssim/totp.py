"""The codes of a virtual MFA device: TOTP as AWS uses it (RFC 6238, SHA-1, 30 s, six digits)."""
import base64
import hashlib
import hmac
import struct
import time

STEP_SEC = 30


def window(at):
    """The number of the 30-second window that `at` (seconds since 1970) falls into."""
    return int(at // STEP_SEC)


def code_of_window(seed, number):
    """`seed`: base32, with or without padding and spaces."""
    seed = seed.replace(' ', '').upper().rstrip('=')
    key = base64.b32decode(seed + '=' * (-len(seed) % 8))
    digest = hmac.new(key, struct.pack('>Q', number), hashlib.sha1).digest()
    offset = digest[-1] & 15
    value = struct.unpack('>I', digest[offset:offset + 4])[0] & 0x7FFFFFFF
    return f'{value % 1_000_000:06d}'


def code(seed, at=None):
    return code_of_window(seed, window(time.time() if at is None else at))
