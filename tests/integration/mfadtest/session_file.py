"""Reads and writes mfad's file of sessions from docs/vault-format.md alone, independently of the C code."""
import hashlib
import hmac
import os
import time

MAGIC, HEADER_LEN = b'MFADSES\2', 88


def _hkdf(key, salt, info):
    """RFC 5869, 32 bytes."""
    return hmac.digest(hmac.digest(salt, key, hashlib.sha256), info + b'\1', hashlib.sha256)


def boot_id():
    with open('/proc/sys/kernel/random/boot_id', encoding='ascii') as f:
        return f.read().strip()


def asleep_usec_now():
    """For how long this machine has slept since it was started."""
    awake = time.clock_gettime_ns(time.CLOCK_MONOTONIC)
    return (time.clock_gettime_ns(time.CLOCK_BOOTTIME) - awake) // 1000


class Wrapper:
    """What mfad-signer does with the open vault @vault (the bytes of its file) in the boot @boot."""

    def __init__(self, vault, passphrase, boot=None):
        from cryptography.hazmat.primitives.ciphers.aead import AESGCM
        from vectors.make_vault import kek_of
        self.aesgcm = AESGCM
        self.boot = (boot or boot_id()).encode()
        self.key = _hkdf(kek_of(passphrase, vault[64:96], vault[14]), vault[32:48], b'mfad/session/v1')

    def unwrap(self, wrapped):
        return self.aesgcm(self.key).decrypt(wrapped[:12], wrapped[12:], self.boot)

    def wrap(self, key):
        nonce = os.urandom(12)
        return nonce + self.aesgcm(self.key).encrypt(nonce, key, self.boot)

    def read(self, data):
        """(the file's key, its entries as bytes). Raises when anything is not as documented."""
        assert data[:8] == MAGIC
        key = self.unwrap(data[8:68])
        return key, self.aesgcm(key).decrypt(data[76:88], data[88:], data[:88])

    def write(self, key, entries, asleep_usec=None):
        nonce = os.urandom(12)
        asleep = asleep_usec_now() if asleep_usec is None else asleep_usec
        header = MAGIC + self.wrap(key) + asleep.to_bytes(8, 'little') + nonce
        assert len(header) == HEADER_LEN
        return header + self.aesgcm(key).encrypt(nonce, entries, header)


class _Reader:
    def __init__(self, data):
        self.data = data

    def take(self, length):
        value, self.data = self.data[:length], self.data[length:]
        assert len(value) == length
        return value

    def number(self, size):
        return int.from_bytes(self.take(size), 'little')

    def bytes(self):
        return self.take(self.number(4))

    def text(self):
        return self.bytes().decode()


def decode(entries):
    """[{field: value}, ...]"""
    r, found = _Reader(entries), []
    while r.data:
        e = {'kind': {1: 'session', 2: 'role', 3: 'role_arn', 4: 'direct'}[r.number(1)], 'name': r.text()}
        if e['kind'] in ('session', 'direct'):
            e['mfa_serial'] = r.text()
        else:
            e.update(is_asked_for=r.number(1), used_usec=r.number(8))
        if e['kind'] != 'session':
            e['mark'] = r.bytes()
        e.update(access_key_id=r.text(), secret_key=r.text(), session_token=r.text(), expiration_sec=r.number(8),
                 bought_boot_usec=r.number(8), ends_boot_usec=r.number(8), bought_wall_sec=r.number(8),
                 ends_wall_sec=r.number(8), account=r.text(), role_arn=r.text())
        found.append(e)
    return found
