"""What is served, and where: the nouns of `papertape serve`."""

from __future__ import annotations

from decimal import Decimal
from fractions import Fraction
from pathlib import Path
from typing import Final, Literal

import msgspec

from papertape.faults.base import Fault
from papertape.model.errors import ConfigError
from papertape.session.spec import FeedSpec, ModelSpec, VenueSpec

LOOPBACK: Final = "127.0.0.1"

SPEED_MIN: Final = Fraction(1, 1000)
SPEED_MAX: Final = 10_000


class ServeSpec(msgspec.Struct, frozen=True, kw_only=True):
    """All that decides what a server does.

    Attributes:
        venue: whose protocol is spoken.
        feeds: the tapes, played together.
        account: what the account holds as the market begins, by currency.
        faults: armed from the start.
        seed: of the keys, and of all that is drawn.
        host: on which address the venue listens; the control endpoint is on loopback whatever this is.
        port, tls_port: 0 picks one.
        tls: listen for TLS too.
        speed: tape seconds for each second.
        dates: "tape" lets the venue's clock show the tape's own date, "now" the machine's as the market begins.
        loop: play the tapes again when they are over.
        waits: the market begins as the first client asks for anything.
        has_magic: client order ids that begin with `pt-` force an outcome.
        ends_with_parent: end when the process that started this one has ended, however it did.
        journal: where to write what happens, line by line; nowhere if None.
        folder: what relative tapes are relative to.
    """

    venue: str
    feeds: tuple[FeedSpec, ...]
    account: dict[str, Decimal]
    model: ModelSpec = ModelSpec()
    faults: tuple[Fault, ...] = ()
    seed: int = 0
    host: str = LOOPBACK
    port: int = 0
    tls: bool = False
    tls_port: int = 0
    speed: Fraction = Fraction(1)
    dates: Literal["tape", "now"] = "tape"
    loop: bool = False
    waits: bool = False
    has_magic: bool = True
    ends_with_parent: bool = False
    journal: Path | None = None
    folder: Path = Path()

    @property
    def venue_spec(self) -> VenueSpec:
        return VenueSpec(feed=self.feeds, account=self.account, model=self.model)


class Ready(msgspec.Struct, frozen=True, kw_only=True):
    """The line that says that the server is there; what is null is not served.

    Attributes:
        ready: true.
        venue: whose protocol is spoken.
        http, https: base URLs of REST, without a path.
        ws, wss: base URLs of the streams; own orders on any path that begins with /user, everything on any other.
        ca: the file of the authority that signed the certificate; gone when the server is.
        api_key, api_secret: the one key that the venue knows: its name, and an ES256 private key as PEM.
        control: base URL of the control endpoint.
        token: what it wants to be shown, as "Authorization: Bearer TOKEN".
        pid: of the server's process.
    """

    ready: bool = True
    venue: str
    http: str
    ws: str
    https: str | None = None
    wss: str | None = None
    ca: str | None = None
    api_key: str
    api_secret: str
    control: str
    token: str
    pid: int

    def __repr__(self) -> str:
        return f"Ready(venue={self.venue!r}, http={self.http!r}, ws={self.ws!r}, api_secret=***, token=***)"


def parse_speed(text: str) -> Fraction:
    """The speed that a text names.

    >>> parse_speed("10"), parse_speed("0.5")
    (Fraction(10, 1), Fraction(1, 2))

    Raises `ConfigError` for what is none; the message has no address.
    """
    expected = f"expected {speed_text(SPEED_MIN)} to {SPEED_MAX}, such as 10"
    try:
        speed = Fraction(text)
    except (ValueError, ZeroDivisionError):
        raise ConfigError(f'holds "{text}", which is no number; {expected}') from None
    if not SPEED_MIN <= speed <= SPEED_MAX:
        raise ConfigError(f'holds "{text}"; {expected}')
    return speed


def speed_text(speed: Fraction) -> str:
    """The text that `parse_speed` reads as this speed.

    >>> speed_text(Fraction(1, 2)), speed_text(Fraction(1, 3))
    ('0.5', '1/3')
    """
    text = f"{float(speed):g}"
    return text if Fraction(text) == speed else str(speed)
