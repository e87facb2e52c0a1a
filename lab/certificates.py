"""The lab's own certificate authority, so that every service speaks TLS that clients verify."""

import ipaddress
import os
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

_VALIDITY = timedelta(days=90)
_BACKDATED = timedelta(hours=1)  # a container's clock may run behind


@dataclass(frozen=True)
class ServerCertificate:
    """What a server needs to be started with, and its clients to trust it."""

    ca_file: Path
    cert_file: Path
    key_file: Path


@dataclass(frozen=True)
class Authority:
    """One CA: `ca.crt` for everybody, `ca.key` for its owner only."""

    folder: Path

    @property
    def ca_file(self) -> Path:
        return self.folder / "ca.crt"

    @property
    def _key_file(self) -> Path:
        return self.folder / "ca.key"

    def open(self) -> "Authority":
        """Make the CA unless the folder has it already, so that a lab keeps its own."""
        if not (self.ca_file.exists() and self._key_file.exists()):
            self.folder.mkdir(parents=True, exist_ok=True, mode=0o700)
            key = ec.generate_private_key(ec.SECP256R1())
            certificate = _authority_certificate(key)
            _write_key(self._key_file, key=key)
            self.ca_file.write_bytes(certificate.public_bytes(serialization.Encoding.PEM))
        return self

    def issue(self, name: str, *, addresses: Sequence[str]) -> ServerCertificate:
        """A server certificate for IP addresses or host names, as `tls/<name>.crt` and `.key`."""
        issued = self._files(name)
        issued.cert_file.parent.mkdir(exist_ok=True, mode=0o700)
        key = ec.generate_private_key(ec.SECP256R1())
        certificate = self._sign(name, key=key, addresses=addresses)
        _write_key(issued.key_file, key=key)
        issued.cert_file.write_bytes(certificate.public_bytes(serialization.Encoding.PEM))
        return issued

    def certificate(self, name: str) -> ServerCertificate | None:
        """The one that was issued under this name before."""
        files = self._files(name)
        return files if files.cert_file.exists() else None

    def _files(self, name: str) -> ServerCertificate:
        folder = self.folder / "tls"
        return ServerCertificate(
            ca_file=self.ca_file,
            cert_file=folder / f"{name}.crt",
            key_file=folder / f"{name}.key",
        )

    def _sign(
        self, name: str, *, key: ec.EllipticCurvePrivateKey, addresses: Sequence[str]
    ) -> x509.Certificate:
        ca = x509.load_pem_x509_certificate(self.ca_file.read_bytes())
        ca_key = serialization.load_pem_private_key(self._key_file.read_bytes(), password=None)
        if not isinstance(ca_key, ec.EllipticCurvePrivateKey):
            raise TypeError(f"{self._key_file}: not an EC key; remove the lab's state folder")
        names = x509.SubjectAlternativeName([_general_name(address) for address in addresses])
        usage = x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH])
        return (
            _builder(name, issuer=ca.subject, public_key=key.public_key())
            .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
            .add_extension(_key_usage(signs_certificates=False), critical=True)
            .add_extension(usage, critical=False)
            .add_extension(names, critical=False)
            .add_extension(
                x509.AuthorityKeyIdentifier.from_issuer_public_key(ca_key.public_key()),
                critical=False,
            )
            .sign(ca_key, hashes.SHA256())
        )


def _authority_certificate(key: ec.EllipticCurvePrivateKey) -> x509.Certificate:
    name = "airflow-transition lab CA"
    return (
        _builder(name, issuer=_subject(name), public_key=key.public_key())
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .add_extension(_key_usage(signs_certificates=True), critical=True)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
        .sign(key, hashes.SHA256())
    )


def _builder(
    name: str, *, issuer: x509.Name, public_key: ec.EllipticCurvePublicKey
) -> x509.CertificateBuilder:
    now = datetime.now(UTC)
    return (
        x509.CertificateBuilder()
        .subject_name(_subject(name))
        .issuer_name(issuer)
        .public_key(public_key)
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - _BACKDATED)
        .not_valid_after(now + _VALIDITY)
    )


def _subject(name: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])


def _key_usage(*, signs_certificates: bool) -> x509.KeyUsage:
    return x509.KeyUsage(
        digital_signature=not signs_certificates,
        key_cert_sign=signs_certificates,
        crl_sign=signs_certificates,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        encipher_only=False,
        decipher_only=False,
    )


def _general_name(address: str) -> x509.GeneralName:
    try:
        return x509.IPAddress(ipaddress.ip_address(address))
    except ValueError:
        return x509.DNSName(address)


def _write_key(file: Path, *, key: ec.EllipticCurvePrivateKey) -> None:
    pem = key.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption(),
    )
    file.unlink(missing_ok=True)
    descriptor = os.open(file, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "wb") as out:
        out.write(pem)
