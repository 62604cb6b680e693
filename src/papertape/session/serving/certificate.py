"""A certificate authority that lives as long as a server does, and the one certificate that it signs."""

from __future__ import annotations

import ipaddress
import ssl
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Final

from papertape.model.units import SECOND, Nanos

if TYPE_CHECKING:
    from cryptography import x509
    from cryptography.hazmat.primitives.asymmetric.ec import EllipticCurvePrivateKey

NAMES: Final = ("localhost", "127.0.0.1", "::1")
"""What a server on loopback is called."""

LIVES: Final = timedelta(days=30)
EARLIER: Final = timedelta(hours=1)
"""Since when it is valid: the clock of a container may be a little behind."""

CA_FILE: Final = "ca.pem"


def serving_tls(folder: Path, now_ns: Nanos, *hosts: str) -> ssl.SSLContext:
    """Make an authority and a certificate for `hosts` and the names of loopback, and leave the authority's own in `folder`.

    Both keys are new and are on no disk when this returns.

    Args:
        folder: where `ca.pem` is put.
        now_ns: today, nanoseconds since 1970-01-01 UTC.
    """
    from cryptography import x509
    from cryptography.hazmat.primitives import hashes, serialization
    from cryptography.hazmat.primitives.asymmetric import ec
    from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

    def name(text: str) -> x509.Name:
        return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, text)])

    today = datetime.fromtimestamp(now_ns // SECOND, UTC)
    authority_key, key = ec.generate_private_key(ec.SECP256R1()), ec.generate_private_key(ec.SECP256R1())

    def certificate(subject: str, its_key: EllipticCurvePrivateKey, *, is_authority: bool) -> x509.CertificateBuilder:
        made = x509.CertificateBuilder().subject_name(name(subject)).issuer_name(name("papertape, a throwaway authority"))
        made = made.public_key(its_key.public_key()).serial_number(x509.random_serial_number())
        made = made.not_valid_before(today - EARLIER).not_valid_after(today + LIVES)
        made = made.add_extension(x509.BasicConstraints(ca=is_authority, path_length=0 if is_authority else None), critical=True)
        made = made.add_extension(x509.SubjectKeyIdentifier.from_public_key(its_key.public_key()), critical=False)
        issuer = x509.AuthorityKeyIdentifier.from_issuer_public_key(authority_key.public_key())
        return made.add_extension(issuer, critical=False).add_extension(_usage(is_authority=is_authority), critical=True)

    authority = certificate("papertape, a throwaway authority", authority_key, is_authority=True).sign(authority_key, hashes.SHA256())
    called = list(dict.fromkeys([*NAMES, *hosts]))
    leaf = (
        certificate("papertape", key, is_authority=False)
        .add_extension(x509.SubjectAlternativeName([_called(each) for each in called]), critical=False)
        .add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH]), critical=False)
        .sign(authority_key, hashes.SHA256())
    )
    pem = serialization.Encoding.PEM
    (folder / CA_FILE).write_bytes(authority.public_bytes(pem))
    secret = folder / "leaf.pem"  # `ssl` takes keys from files only
    secret.touch(mode=0o600)
    try:
        private = key.private_bytes(pem, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
        secret.write_bytes(private + leaf.public_bytes(pem))
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(secret)
    finally:
        secret.unlink()
    return context


def _usage(*, is_authority: bool) -> x509.KeyUsage:
    from cryptography import x509

    return x509.KeyUsage(
        digital_signature=not is_authority, key_cert_sign=is_authority, crl_sign=is_authority, content_commitment=False,
        key_encipherment=False, data_encipherment=False, key_agreement=False, encipher_only=False, decipher_only=False,
    )  # fmt: skip


def _called(host: str) -> x509.GeneralName:
    from cryptography import x509

    try:
        return x509.IPAddress(ipaddress.ip_address(host))
    except ValueError:
        return x509.DNSName(host)
