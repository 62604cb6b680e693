"""Signing and checking requests with a Cloud API key: a JWT that lives two minutes and names the method and path it is for.

Pure, given a key and a time: ECDSA is deterministic here (RFC 6979), so the same request at the same time has the same bytes.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
from enum import StrEnum
from functools import lru_cache, partial
from typing import TYPE_CHECKING, Any, Final

import msgspec

from papertape.model.units import SECOND, Nanos

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric.ec import EllipticCurvePrivateKey, EllipticCurvePublicKey
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

LIFETIME_S: Final = 120
LEEWAY_S: Final = 5
"""How far a client's clock may be off before its token is no longer taken: our choice, Coinbase publishes none."""

ES256: Final = "ES256"
EDDSA: Final = "EdDSA"
"""How tokens name the two ways to sign."""

ISSUERS: Final = ("cdp", "coinbase-cloud")


P256_ORDER: Final = 0xFFFFFFFF00000000FFFFFFFFFFFFFFFFBCE6FAADA7179E84F3B9CAC2FC632551
"""How many points P-256 has (FIPS 186-5): of a signature (r, s) the order less s fits as well."""


_decode_part: Final = msgspec.json.Decoder(dict[str, Any]).decode


class Right(StrEnum):
    """What a key may be allowed."""

    VIEW = "view"
    TRADE = "trade"
    TRANSFER = "transfer"


USUAL_RIGHTS: Final = (Right.VIEW, Right.TRADE)


class Credentials(msgspec.Struct, frozen=True):
    """A Cloud API key.

    Attributes:
        name: "organizations/{org}/apiKeys/{id}".
        secret: the private key: P-256 as PEM, or Ed25519 as PEM or in base64.
    """

    name: str
    secret: str

    def __repr__(self) -> str:
        return "Credentials(name=***, secret=***)"

    def __reduce__(self) -> str:
        raise TypeError("credentials are not to be pickled")


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
    now_s = now_ns // SECOND
    key = _private_key(credentials.secret)
    header = {"alg": key.algorithm, "typ": "JWT", "kid": credentials.name, "nonce": nonce}
    claims: dict[str, Any] = {"sub": credentials.name, "iss": "cdp", "nbf": now_s, "exp": now_s + LIFETIME_S}
    if uri is not None:
        claims["uri"] = uri
    signed = f"{_encode(msgspec.json.encode(header))}.{_encode(msgspec.json.encode(claims))}"
    return f"{signed}.{_encode(key.sign(signed.encode()))}"


def es256(signed: str, secret: str) -> bytes:
    """The signature of a token's header and claims with a P-256 key, the lesser of the two that fit, as ccxt gives it.

    ccxt itself reads the key anew for each token, and works out by which of four points it could be found again, which no JWT has a place
    for: six times the work for the same bytes.
    """
    key = _private_key(secret)
    if key.algorithm != ES256:
        raise ValueError("a P-256 key signs with ES256, no other")
    signature = key.sign(signed.encode())
    s = int.from_bytes(signature[32:], "big")
    return signature[:32] + min(s, P256_ORDER - s).to_bytes(32, "big")


def secret_for_ccxt(secret: str) -> str:
    """The private key as ccxt reads it, which tells the kinds apart by how they are written: P-256 in PEM, Ed25519 in base64.

    Raises `ValueError` for what is neither.
    """
    from cryptography.hazmat.primitives import serialization
    from cryptography.hazmat.primitives.asymmetric import ed25519

    key = _load(secret)
    if isinstance(key, ed25519.Ed25519PrivateKey):
        return base64.b64encode(key.private_bytes_raw()).decode()
    pem = key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.TraditionalOpenSSL, serialization.NoEncryption())
    return pem.decode()


def environment(credentials: Credentials) -> dict[str, str]:
    """What a program finds its key under, by variable: as Coinbase's own SDK and most programs name it, and as ccxt does."""
    name, secret = credentials.name, credentials.secret
    return {"COINBASE_API_KEY": name, "COINBASE_API_SECRET": secret, "COINBASE_APIKEY": name, "COINBASE_SECRET": secret}


class Keyring:
    """The public halves of the keys that a venue knows.

    Attributes:
        strangers: how often somebody signed with a key that is not among them, by the name that the key goes under.
    """

    def __init__(self, *credentials: Credentials) -> None:
        self.strangers: dict[str, int] = {}
        self._keys: dict[str, PublicKey] = {}
        self._rights: dict[str, tuple[Right, ...]] = {}
        for each in credentials:
            self.issue(each)

    def issue(self, credentials: Credentials, rights: tuple[Right, ...] = USUAL_RIGHTS) -> None:
        """Know a key from now on, and what it is allowed. Raises `ValueError` if its secret is no key of Coinbase's kinds."""
        self._keys[credentials.name] = PublicKey(_load(credentials.secret).public_key())
        self._rights[credentials.name] = rights

    def rights(self, token: str) -> tuple[Right, ...]:
        """What the key is allowed that a token without a fault was signed with."""
        return self._rights[signer(token)]

    def note_stranger(self, name: str) -> None:
        """Somebody signed under this name, and not with the key that we know under it."""
        self.strangers[name] = self.strangers.get(name, 0) + 1

    def fault(self, token: str, now_ns: Nanos, *, uri: str | None = None) -> str | None:
        """What is wrong with a token, in a few words; None if nothing is.

        Args:
            token: header, claims and signature, with dots between.
            now_ns: the venue's wall clock, nanoseconds since 1970-01-01 UTC.
            uri: "GET /api/v3/brokerage/accounts": method and path that were really asked for; None for a stream's message.
        """
        parts = token.split(".")
        try:
            header, claims = [_decode_part(_decode(part)) for part in parts[:2]]
            signature = _decode(parts[2])
        except (ValueError, IndexError, RecursionError, binascii.Error):
            return "no token"
        name = str(header.get("kid"))
        key = self._keys.get(name)
        if key is None or claims.get("sub") != name:
            self.note_stranger(name)
            return "unknown key"
        if str(header.get("alg")) != key.algorithm or not key.fits(signature, f"{parts[0]}.{parts[1]}".encode()):
            self.note_stranger(name)
            return "bad signature"
        return _claims_fault(claims, now_ns // SECOND, uri)


@lru_cache(maxsize=16)  # one request's is asked for several times
def signer(token: str) -> str:
    """Under which name somebody signed a token, whether or not it is right; "" if it is no token."""
    try:
        return str(_decode_part(_decode(token.partition(".")[0])).get("kid", ""))
    except (ValueError, RecursionError, binascii.Error):
        return ""


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
    several = claims.get("uris")
    claimed = claims.get("uri") or (several[0] if isinstance(several, list) and several else "")
    method, _, where = str(claimed).partition(" ")
    path = where.removeprefix("https://").removeprefix("http://").partition("/")[2]
    return None if f"{method} /{path}" == uri else "another request's token"


class PrivateKey:
    """A key that signs as a token wants it: `algorithm` is its name there."""

    def __init__(self, key: EllipticCurvePrivateKey | Ed25519PrivateKey) -> None:
        from cryptography.hazmat.primitives.asymmetric import ed25519

        if isinstance(key, ed25519.Ed25519PrivateKey):
            self.algorithm, self.sign = EDDSA, key.sign
        else:
            self.algorithm, self.sign = ES256, partial(_sign_es256, key, *_dss(is_deterministic=True))


class PublicKey:
    """The other half: `fits(signature, signed)` is whether the key's owner signed this."""

    def __init__(self, key: EllipticCurvePublicKey | Ed25519PublicKey) -> None:
        from cryptography.exceptions import InvalidSignature
        from cryptography.hazmat.primitives.asymmetric import ed25519

        if isinstance(key, ed25519.Ed25519PublicKey):
            self.algorithm, self._verify = EDDSA, key.verify
        else:
            self.algorithm, self._verify = ES256, partial(_verify_es256, key, *_dss())
        self._refusal = InvalidSignature

    def fits(self, signature: bytes, signed: bytes) -> bool:
        if len(signature) != 64:
            return False
        try:
            self._verify(signature, signed)
        except self._refusal:
            return False
        return True


def _dss(*, is_deterministic: bool = False) -> tuple[Any, Any]:
    """What `cryptography` is to be told of ES256, and how it writes signatures: looked up once for each key, as that takes its time."""
    from cryptography.hazmat.primitives import hashes
    from cryptography.hazmat.primitives.asymmetric import ec, utils

    return ec.ECDSA(hashes.SHA256(), deterministic_signing=is_deterministic), utils


def _sign_es256(key: EllipticCurvePrivateKey, how: Any, utils: Any, signed: bytes) -> bytes:
    r, s = utils.decode_dss_signature(key.sign(signed, how))
    return bytes(r.to_bytes(32, "big") + s.to_bytes(32, "big"))


def _verify_es256(key: EllipticCurvePublicKey, how: Any, utils: Any, signature: bytes, signed: bytes) -> None:
    der = utils.encode_dss_signature(int.from_bytes(signature[:32], "big"), int.from_bytes(signature[32:], "big"))
    key.verify(der, signed, how)


@lru_cache(maxsize=64)  # of as many worlds as have been made lately; each has keys of its own
def _private_key(secret: str) -> PrivateKey:
    return PrivateKey(_load(secret))


@lru_cache(maxsize=64)
def _load(secret: str) -> EllipticCurvePrivateKey | Ed25519PrivateKey:
    from cryptography.hazmat.primitives.asymmetric import ec, ed25519
    from cryptography.hazmat.primitives.serialization import load_pem_private_key

    if not secret.startswith("-----BEGIN"):  # the other kind of key: seed and public half in base64
        raw = base64.b64decode(secret, validate=True)
        if len(raw) not in (32, 64):
            raise ValueError("an Ed25519 key is 32 or 64 bytes in base64")
        return ed25519.Ed25519PrivateKey.from_private_bytes(raw[:32])
    loaded = load_pem_private_key(secret.replace("\\n", "\n").encode(), None)
    if isinstance(loaded, ed25519.Ed25519PrivateKey):
        return loaded
    if not isinstance(loaded, ec.EllipticCurvePrivateKey) or not isinstance(loaded.curve, ec.SECP256R1):
        raise ValueError("a Cloud API key is an elliptic-curve key on P-256, or an Ed25519 key, in PEM")
    return loaded


def _encode(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def _decode(text: str) -> bytes:
    return base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))
