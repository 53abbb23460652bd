"""A throw-away certificate authority, and every kind of bad certificate."""
import datetime
import ipaddress
import os
import ssl

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

DAY = datetime.timedelta(days=1)
NAMES = [x509.DNSName('localhost'), x509.IPAddress(ipaddress.ip_address('127.0.0.1')),
         x509.IPAddress(ipaddress.ip_address('::1')),
         # for what comes through a proxy under AWS's own names
         x509.DNSName('*.amazonaws.com'), x509.DNSName('*.us-east-1.amazonaws.com'),
         x509.DNSName('*.eu-west-1.amazonaws.com'), x509.DNSName('signin.aws.amazon.com')]
WRONG_NAMES = [x509.DNSName('wrong.example')]
# RFC 5280 section 4.2.1.3: an authority must say this, and Python from 3.13 on looks
CA_USAGE = x509.KeyUsage(digital_signature=False, content_commitment=False, key_encipherment=False,
                         data_encipherment=False, key_agreement=False, key_cert_sign=True, crl_sign=True,
                         encipher_only=False, decipher_only=False)


def name(text):
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, text)])


class Authority:
    def __init__(self, title):
        self.key = ec.generate_private_key(ec.SECP256R1())
        self.subject = name(title)
        self.certificate = sign(self.subject, self.key, self.subject, self.key, None, -DAY, 30 * DAY)

    def pem(self):
        return self.certificate.public_bytes(serialization.Encoding.PEM)


def sign(subject, key, issuer, issuer_key, alternatives, since, until):
    """`alternatives`: None makes a certificate authority."""
    now = datetime.datetime.now(datetime.timezone.utc)
    builder = (x509.CertificateBuilder().subject_name(subject).issuer_name(issuer)
               .public_key(key.public_key()).serial_number(x509.random_serial_number())
               .not_valid_before(now + since).not_valid_after(now + until)
               .add_extension(x509.BasicConstraints(ca=alternatives is None, path_length=None), critical=True)
               .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
               .add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(issuer_key.public_key()),
                              critical=False))
    if alternatives is None:
        builder = builder.add_extension(CA_USAGE, critical=True)
    else:
        builder = builder.add_extension(x509.SubjectAlternativeName(alternatives), critical=False)
    return builder.sign(issuer_key, hashes.SHA256())


def server_context(directory, label, key, certificate):
    """An ssl.SSLContext; the ssl module reads keys from files only."""
    path = os.path.join(directory, label + '.pem')
    with open(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), 'wb') as f:
        f.write(key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8,
                                  serialization.NoEncryption()))
        f.write(certificate.public_bytes(serialization.Encoding.PEM))
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(path)
    return context


def signed_context(directory, label, authority, names=None, since=-DAY, until=30 * DAY):
    key = ec.generate_private_key(ec.SECP256R1())
    certificate = sign(name('awssim'), key, authority.subject, authority.key, names or NAMES, since, until)
    return server_context(directory, label, key, certificate)


def old_tls_context(directory, authority):
    context = signed_context(directory, 'tls11', authority)
    context.set_ciphers('ALL:@SECLEVEL=0')  # OpenSSL 3.0 speaks TLS 1.1 at no higher level
    context.minimum_version = ssl.TLSVersion.TLSv1_1
    context.maximum_version = ssl.TLSVersion.TLSv1_1
    return context


def make(directory, variants):
    """Writes ca.pem; returns {listener: ssl.SSLContext}."""
    authority = Authority('awssim throw-away CA')
    with open(os.path.join(directory, 'ca.pem'), 'wb') as f:
        f.write(authority.pem())
    contexts = {'https': signed_context(directory, 'https', authority)}
    if not variants:
        return contexts
    lone = ec.generate_private_key(ec.SECP256R1())
    self_signed = sign(name('awssim'), lone, name('awssim'), lone, NAMES, -DAY, 30 * DAY)
    contexts['tls_self_signed'] = server_context(directory, 'self_signed', lone, self_signed)
    contexts['tls_unknown_ca'] = signed_context(directory, 'unknown_ca', Authority("somebody else's CA"))
    contexts['tls_wrong_name'] = signed_context(directory, 'wrong_name', authority, WRONG_NAMES)
    contexts['tls_expired'] = signed_context(directory, 'expired', authority, None, -9 * DAY, -2 * DAY)
    contexts['tls_not_yet_valid'] = signed_context(directory, 'not_yet_valid', authority, None, 2 * DAY)
    contexts['tls_1_1'] = old_tls_context(directory, authority)
    return contexts
