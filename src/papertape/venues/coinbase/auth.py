"""Signing and checking requests with a Cloud API key: a JWT that lives two minutes and names the method and path it is for.

Pure, given a key and a time: ECDSA is deterministic here (RFC 6979), so the same request at the same time has the same bytes.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
from typing import TYPE_CHECKING, Any, Final

import msgspec

from papertape.model.units import SECOND, Nanos

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric.ec import EllipticCurvePrivateKey

LIFETIME_S: Final = 120
LEEWAY_S: Final = 5
"""How far a client's clock may be off before its token is no longer taken: our choice, Coinbase publishes none."""

ISSUERS: Final = ("cdp", "coinbase-cloud")


class Credentials(msgspec.Struct, frozen=True):
    """A Cloud API key.

    Attributes:
        name: "organizations/{org}/apiKeys/{id}".
        secret: the private key, P-256, as PEM.
    """

    name: str
    secret: str

    def __repr__(self) -> str:
        return f"Credentials(name={self.name!r}, secret=***)"


def throwaway_credentials(seed: str) -> Credentials:
    """A key that is good for a simulated venue only; the same for the same seed."""
    from cryptography.hazmat.primitives import serialization
    from cryptography.hazmat.primitives.asymmetric import ec

    digest = hashlib.sha256(f"papertape throwaway key {seed}".encode()).digest()
    key = ec.derive_private_key(int.from_bytes(digest, "big") % (2**255) + 1, ec.SECP256R1())
    pem = key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.TraditionalOpenSSL, serialization.NoEncryption())
    part = digest.hex()
    return Credentials(f"organizations/{part[:8]}/apiKeys/{part[8:16]}", pem.decode())


def sign(credentials: Credentials, now_ns: Nanos, *, uri: str | None = None, nonce: str) -> str:
    """A token for one request, or, without `uri`, for one message of a stream.

    Args:
        credentials: whose key.
        now_ns: the client's wall clock, nanoseconds since 1970-01-01 UTC.
        uri: "GET api.coinbase.com/api/v3/brokerage/accounts": method and path, no scheme, no query.
        nonce: anything that differs from token to token.
    """
    from cryptography.hazmat.primitives import hashes
    from cryptography.hazmat.primitives.asymmetric import ec
    from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature

    now_s = now_ns // SECOND
    header = {"alg": "ES256", "typ": "JWT", "kid": credentials.name, "nonce": nonce}
    claims: dict[str, Any] = {"sub": credentials.name, "iss": "cdp", "nbf": now_s, "exp": now_s + LIFETIME_S}
    if uri is not None:
        claims["uri"] = uri
    signed = f"{_encode(msgspec.json.encode(header))}.{_encode(msgspec.json.encode(claims))}"
    der = _private_key(credentials.secret).sign(signed.encode(), ec.ECDSA(hashes.SHA256(), deterministic_signing=True))
    r, s = decode_dss_signature(der)
    return f"{signed}.{_encode(r.to_bytes(32, 'big') + s.to_bytes(32, 'big'))}"


class Keyring:
    """The public halves of the keys that a venue knows."""

    def __init__(self, *credentials: Credentials) -> None:
        self._keys = {each.name: _private_key(each.secret).public_key() for each in credentials}

    def fault(self, token: str, now_ns: Nanos, *, uri: str | None = None) -> str | None:
        """What is wrong with a token, in a few words; None if nothing is.

        Args:
            token: header, claims and signature, with dots between.
            now_ns: the venue's wall clock, nanoseconds since 1970-01-01 UTC.
            uri: "GET /api/v3/brokerage/accounts": method and path that were really asked for; None for a stream's message.
        """
        from cryptography.exceptions import InvalidSignature
        from cryptography.hazmat.primitives import hashes
        from cryptography.hazmat.primitives.asymmetric import ec
        from cryptography.hazmat.primitives.asymmetric.utils import encode_dss_signature

        parts = token.split(".")
        try:
            header, claims = (msgspec.json.decode(_decode(part), type=dict[str, Any]) for part in parts[:2])
            signature = _decode(parts[2])
        except (ValueError, IndexError, binascii.Error):
            return "no token"
        key = self._keys.get(str(header.get("kid")))
        if key is None or header.get("alg") != "ES256" or claims.get("sub") != header.get("kid"):
            return "unknown key"
        if len(signature) != 64:
            return "bad signature"
        der = encode_dss_signature(int.from_bytes(signature[:32], "big"), int.from_bytes(signature[32:], "big"))
        try:
            key.verify(der, f"{parts[0]}.{parts[1]}".encode(), ec.ECDSA(hashes.SHA256()))
        except InvalidSignature:
            return "bad signature"
        return _claims_fault(claims, now_ns // SECOND, uri)


def _claims_fault(claims: dict[str, Any], now_s: int, uri: str | None) -> str | None:
    starts, ends = claims.get("nbf"), claims.get("exp")
    if not isinstance(starts, int) or not isinstance(ends, int) or ends - starts > LIFETIME_S:
        return "bad lifetime"
    if starts > now_s + LEEWAY_S:
        return "not yet valid"
    if ends < now_s - LEEWAY_S:
        return "expired"
    if claims.get("iss") not in ISSUERS:
        return "unknown issuer"
    if uri is None:
        return None
    claimed = claims.get("uri") or next(iter(claims.get("uris") or []), "")
    method, _, where = str(claimed).partition(" ")
    path = where.removeprefix("https://").removeprefix("http://").partition("/")[2]
    return None if f"{method} /{path}" == uri else "another request's token"


_parsed: dict[str, EllipticCurvePrivateKey] = {}


def _private_key(pem: str) -> EllipticCurvePrivateKey:
    key = _parsed.get(pem)
    if key is None:
        from cryptography.hazmat.primitives.asymmetric import ec
        from cryptography.hazmat.primitives.serialization import load_pem_private_key

        loaded = load_pem_private_key(pem.replace("\\n", "\n").encode(), None)
        if not isinstance(loaded, ec.EllipticCurvePrivateKey) or not isinstance(loaded.curve, ec.SECP256R1):
            raise ValueError("a Cloud API key is an elliptic-curve key on P-256, in PEM")
        key = _parsed[pem] = loaded
    return key


def _encode(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def _decode(text: str) -> bytes:
    return base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))
