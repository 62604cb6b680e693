"""Tokens: made for one request at one time, and good for nothing else."""

from __future__ import annotations

import base64

import jwt
import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ed25519
from hypothesis import given
from hypothesis import strategies as st

from papertape.model.units import SECOND
from papertape.venues.coinbase.auth import LEEWAY_S, LIFETIME_S, Credentials, Keyring, environment, sign, throwaway_credentials

KEY = throwaway_credentials("a")
OTHER = throwaway_credentials("b")
NOW_NS = 1_786_309_548 * SECOND
URI = "GET api.coinbase.com/api/v3/brokerage/accounts"
ASKED = "GET /api/v3/brokerage/accounts"
RING = Keyring(KEY)


def test_a_token_opens_the_request_that_it_names() -> None:
    """Signed for a method and path, it is good for these."""
    assert RING.fault(sign(KEY, NOW_NS, uri=URI, nonce="1"), NOW_NS, uri=ASKED) is None
    assert RING.fault(sign(KEY, NOW_NS, nonce="1"), NOW_NS) is None


@pytest.mark.parametrize("asked", ["POST /api/v3/brokerage/accounts", "GET /api/v3/brokerage/orders", "GET /"])
def test_a_token_opens_no_other_request(asked: str) -> None:
    """Another method, another path: no."""
    assert RING.fault(sign(KEY, NOW_NS, uri=URI, nonce="1"), NOW_NS, uri=asked) == "another request's token"


@pytest.mark.parametrize(
    ("offset_s", "fault"),
    [(0, None), (LIFETIME_S + LEEWAY_S, None), (LIFETIME_S + LEEWAY_S + 1, "expired"), (-LEEWAY_S - 1, "not yet valid")],
)
def test_a_token_lives_two_minutes(offset_s: int, fault: str | None) -> None:
    """Neither before its time nor after it, give or take the leeway for clocks that disagree."""
    assert RING.fault(sign(KEY, NOW_NS, uri=URI, nonce="1"), NOW_NS + offset_s * SECOND, uri=ASKED) == fault


def test_only_the_key_of_that_name_may_sign() -> None:
    """A known name with another secret, and an unknown name, are both turned away."""
    forged = Credentials(KEY.name, OTHER.secret)
    assert RING.fault(sign(forged, NOW_NS, uri=URI, nonce="1"), NOW_NS, uri=ASKED) == "bad signature"
    assert RING.fault(sign(OTHER, NOW_NS, uri=URI, nonce="1"), NOW_NS, uri=ASKED) == "unknown key"


@given(st.data())
def test_a_token_with_a_changed_character_is_worthless(data: st.DataObject) -> None:
    """Flip any character of the signed part, and the signature no longer fits."""
    token = sign(KEY, NOW_NS, uri=URI, nonce="1")
    signed_part = token.rpartition(".")[0]
    at = data.draw(st.integers(0, len(signed_part) - 1))
    other = "A" if token[at] != "A" else "B"
    assert RING.fault(token[:at] + other + token[at + 1 :], NOW_NS, uri=ASKED) is not None


@given(st.text(max_size=50))
def test_noise_is_no_token(text: str) -> None:
    """Whatever is sent instead of a token is refused, not raised."""
    assert RING.fault(text, NOW_NS, uri=ASKED) is not None


def test_the_same_request_at_the_same_time_has_the_same_bytes() -> None:
    """Signatures are deterministic, or a run could not be repeated byte for byte."""
    assert sign(KEY, NOW_NS, uri=URI, nonce="1") == sign(KEY, NOW_NS, uri=URI, nonce="1")
    assert throwaway_credentials("a") == KEY


def test_others_read_our_tokens() -> None:
    """A library that we did not write verifies what we signed."""
    from cryptography.hazmat.primitives.serialization import load_pem_private_key

    token = sign(KEY, NOW_NS, uri=URI, nonce="1")
    public = load_pem_private_key(KEY.secret.encode(), None).public_key()
    claims = jwt.decode(token, public, algorithms=["ES256"], options={"verify_exp": False, "verify_nbf": False})
    assert claims == {"sub": KEY.name, "iss": "cdp", "nbf": NOW_NS // SECOND, "exp": NOW_NS // SECOND + 120, "uri": URI}
    assert jwt.get_unverified_header(token)["kid"] == KEY.name


def test_we_read_the_tokens_of_others() -> None:
    """One made by another library, with the claims that ccxt makes, is taken."""
    now_s = NOW_NS // SECOND
    claims = {
        "aud": ["retail_rest_api_proxy"],
        "iss": "coinbase-cloud",
        "nbf": now_s,
        "exp": now_s + 120,
        "sub": KEY.name,
        "iat": now_s,
        "uri": URI,
    }
    assert RING.fault(jwt.encode(claims, KEY.secret, "ES256", {"kid": KEY.name}), NOW_NS, uri=ASKED) is None
    long = claims | {"exp": now_s + 3600}
    assert RING.fault(jwt.encode(long, KEY.secret, "ES256", {"kid": KEY.name}), NOW_NS, uri=ASKED) == "bad lifetime"


ED_SECRET = base64.b64encode(bytes(range(64))).decode()


@pytest.mark.parametrize("as_pem", [False, True], ids=["base64", "pem"])
def test_ed25519_keys_are_taken_too(as_pem: bool) -> None:
    """As Coinbase gives them out: seed and public half in base64, or PEM. With the claims that ccxt makes, by another library."""
    seed = ed25519.Ed25519PrivateKey.from_private_bytes(bytes(range(32)))
    pem = seed.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()).decode()
    key = Credentials("organizations/a/apiKeys/b", pem if as_pem else ED_SECRET)
    ring, now_s = Keyring(key, KEY), NOW_NS // SECOND
    assert ring.fault(sign(key, NOW_NS, uri=URI, nonce="1"), NOW_NS, uri=ASKED) is None
    claims = {"aud": ["cdp_service"], "iss": "cdp", "nbf": now_s, "exp": now_s + 120, "sub": key.name, "uris": [URI]}
    token = jwt.encode(claims, seed, "EdDSA", {"kid": key.name})
    assert ring.fault(token, NOW_NS, uri=ASKED) is None
    assert ring.fault(token[:-4] + "AAAA", NOW_NS, uri=ASKED) == "bad signature"
    assert ring.fault(jwt.encode(claims, KEY.secret, "ES256", {"kid": key.name}), NOW_NS, uri=ASKED) == "bad signature"


def test_strangers_are_counted_by_the_name_they_give() -> None:
    """An unknown name, and a known one with another secret; a token that is merely too old is no stranger's."""
    ring = Keyring(KEY)
    for _ in range(2):
        ring.fault(sign(OTHER, NOW_NS, nonce="1"), NOW_NS)
    ring.fault(sign(Credentials(KEY.name, OTHER.secret), NOW_NS, nonce="1"), NOW_NS)
    ring.fault(sign(KEY, NOW_NS, nonce="1"), NOW_NS + 600 * SECOND)
    ring.fault("no.to.ken", NOW_NS)
    assert ring.strangers == {OTHER.name: 2, KEY.name: 1}


def test_a_program_finds_its_key_under_the_names_that_programs_use() -> None:
    """Coinbase's own SDK reads the first two, ccxt's own tools the others."""
    found = environment(KEY)
    assert [found[name] for name in ("COINBASE_API_KEY", "COINBASE_APIKEY")] == [KEY.name] * 2
    assert [found[name] for name in ("COINBASE_API_SECRET", "COINBASE_SECRET")] == [KEY.secret] * 2


def test_a_secret_does_not_show() -> None:
    """Printing credentials shows neither whose they are nor what they sign with."""
    assert KEY.secret not in f"{KEY} {KEY!r}"
    assert KEY.name not in f"{KEY} {KEY!r}"
