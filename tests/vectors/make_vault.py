#!/usr/bin/python3
"""Writes and reads vault files from docs/vault-format.md alone, independently of the C code.

Run it to make the files of tests/vectors/vault anew; the integration tests use it as a second reader."""
import hashlib
import os
import struct
import sys

from cryptography.hazmat.primitives.ciphers.aead import AESGCM

HEADER = struct.Struct('<8sHHBBBBIIQ16sQ8x32s')
PASSPHRASE = 'vector passphrase'
KEYS = [
    {'name': 'default', 'access_key_id': 'AKIA' + 'VECTORKEY0000001', 'secret_key': 'vector/secret+key/one',
     'mfa_serial': 'arn:aws:iam::123456789012:mfa/alice', 'user_arn': 'arn:aws:iam::123456789012:user/alice',
     'created': 1795305600},
    {'name': 'work@example', 'access_key_id': 'AKIA' + 'VECTORKEY0000002', 'secret_key': 'vector/secret+key/two',
     'mfa_serial': '', 'user_arn': '', 'created': 1795305601},
]


def kek_of(passphrase, salt, log2n):
    return hashlib.scrypt(passphrase.encode(), salt=b'mfad/vault/v1/kek' + salt, n=1 << log2n, r=8, p=1,
                          maxmem=(128 * 8 << log2n) + (2 << 20), dklen=32)


def encode_keys(keys):
    out = b''
    for key in keys:
        for tag, name in enumerate(('name', 'access_key_id', 'secret_key', 'mfa_serial', 'user_arn', 'created'), 1):
            value = struct.pack('<q', key[name]) if name == 'created' else key[name].encode()
            out += struct.pack('<BI', tag, len(value)) + value
    out += b'\0'
    return out + bytes(-len(out) % 256)


def decode_keys(payload):
    keys, at = [], 0
    while payload[at]:
        key = {}
        for tag, name in enumerate(('name', 'access_key_id', 'secret_key', 'mfa_serial', 'user_arn', 'created'), 1):
            found, length = struct.unpack_from('<BI', payload, at)
            assert found == tag, (found, tag)
            value = payload[at + 5:at + 5 + length]
            key[name] = struct.unpack('<q', value)[0] if name == 'created' else value.decode()
            at += 5 + length
        keys.append(key)
    assert not any(payload[at:]) and len(payload) - at <= 256
    return keys


def write(passphrase, keys, log2n, generation, vault_id=None, random=os.urandom):
    salt = random(32)
    vault_id = vault_id or random(16)
    payload = encode_keys(keys)
    start = HEADER.pack(b'MFADVLT\1', 1, 160, 1, 1, log2n, 0, 8, 1, generation, vault_id, 1795305600, salt)
    length = struct.pack('<I', len(payload))
    wrap_nonce, payload_nonce, file_key = random(12), random(12), random(32)
    wrapped = AESGCM(kek_of(passphrase, salt, log2n)).encrypt(wrap_nonce, file_key, start + length)
    header = start + wrap_nonce + wrapped + length
    assert len(header) == 160
    return header + payload_nonce + AESGCM(file_key).encrypt(payload_nonce, payload, header)


def read(passphrase, data):
    """(generation, keys). Raises when anything is not as documented."""
    magic, version, header_len, kdf, aead, log2n, zero, r, p, generation, _, _, salt = HEADER.unpack_from(data)
    assert (magic, version, header_len, kdf, aead, zero, r, p) == (b'MFADVLT\1', 1, 160, 1, 1, 0, 8, 1)
    length, = struct.unpack_from('<I', data, 156)
    assert len(data) == 172 + length + 16 and length % 256 == 0
    file_key = AESGCM(kek_of(passphrase, salt, log2n)).decrypt(data[96:108], data[108:156], data[:96] + data[156:160])
    return generation, decode_keys(AESGCM(file_key).decrypt(data[160:172], data[172:], data[:160]))


def at_cost(passphrase, data, log2n):
    """The same vault behind another cost of scrypt."""
    generation, keys = read(passphrase, data)
    return write(passphrase, keys, log2n, generation, vault_id=data[32:48])


def main():
    folder = os.path.join(os.path.dirname(os.path.abspath(__file__)), 'vault')
    for name, log2n, keys in (('v1-two-keys', 15, KEYS), ('v1-empty', 15, [])):
        data = write(PASSPHRASE, keys, log2n, generation=7)
        assert read(PASSPHRASE, data) == (7, keys)
        with open(os.path.join(folder, name), 'wb') as f:
            f.write(data)


if __name__ == '__main__':
    sys.exit(main())
