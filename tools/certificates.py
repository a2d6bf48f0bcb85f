"""Certificates of an authority made for the occasion, for servers on this machine."""
import datetime
import ipaddress
import os
import typing

# localhost and the names that a workspace has below it.
NAMES = ("localhost", "vault.localhost", "tarnvault.vault.localhost", "tarnlake.dfs.localhost", "tarnlake.blob.localhost")


class Certificates(typing.NamedTuple):
    """PEM files: the authority that clients must trust, the server's certificate and its key."""

    ca: str
    certificate: str
    key: str


def make_certificates(folder: str, names: typing.Iterable[str] = NAMES, days: int = 2) -> Certificates:
    """ca.pem, cert.pem and key.pem (mode 0600) in this folder, for these names and 127.0.0.1."""
    from cryptography import x509
    from cryptography.hazmat.primitives import hashes, serialization
    from cryptography.hazmat.primitives.asymmetric import ec

    now = datetime.datetime.now(datetime.timezone.utc)
    ca_key, key = ec.generate_private_key(ec.SECP256R1()), ec.generate_private_key(ec.SECP256R1())
    ca_name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "Tarn, made on this machine")])

    def builder(subject, public_key):
        return (x509.CertificateBuilder().subject_name(subject).issuer_name(ca_name).public_key(public_key).serial_number(x509.random_serial_number())
                .not_valid_before(now - datetime.timedelta(hours=1)).not_valid_after(now + datetime.timedelta(days=days)))

    ca = (builder(ca_name, ca_key.public_key()).add_extension(x509.BasicConstraints(True, None), True)
          .add_extension(x509.KeyUsage(True, False, False, False, False, True, True, False, False), True)
          .add_extension(x509.SubjectKeyIdentifier.from_public_key(ca_key.public_key()), False).sign(ca_key, hashes.SHA256()))
    alternatives = [x509.DNSName(n) for n in names] + [x509.IPAddress(ipaddress.ip_address("127.0.0.1"))]
    certificate = (builder(x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "localhost")]), key.public_key())
                   .add_extension(x509.SubjectAlternativeName(alternatives), False)
                   .add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(ca_key.public_key()), False).sign(ca_key, hashes.SHA256()))
    made = Certificates(*(os.path.join(folder, n) for n in ("ca.pem", "cert.pem", "key.pem")))
    for path, data in zip(made, (ca.public_bytes(serialization.Encoding.PEM), certificate.public_bytes(serialization.Encoding.PEM),
                                 key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()))):
        with open(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "wb") as f:
            f.write(data)
    return made
