"""How Coinbase writes times, numbers, names and sides."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from datetime import UTC, datetime
from decimal import Decimal
from functools import lru_cache
from typing import Final, TypeVar

from papertape.model.event import Side
from papertape.model.instrument import Instrument
from papertape.model.units import EXACT, HOUR, MINUTE, SECOND, Nanos, plain

K = TypeVar("K")
V = TypeVar("V")

EPOCH_ORDINAL: Final = datetime(1970, 1, 1, tzinfo=UTC).toordinal()

GRANULARITIES: Final = {
    "ONE_MINUTE": MINUTE,
    "FIVE_MINUTE": 5 * MINUTE,
    "FIFTEEN_MINUTE": 15 * MINUTE,
    "THIRTY_MINUTE": 30 * MINUTE,
    "ONE_HOUR": HOUR,
    "TWO_HOUR": 2 * HOUR,
    "SIX_HOUR": 6 * HOUR,
    "ONE_DAY": 24 * HOUR,
}
"""Bar lengths by Coinbase's names, in nanoseconds."""

OWN_BOOKS: Final = ("USDT", "EURC", "XSGD", "TGBP", "AUDD")
"""Currencies whose markets against USDC have books of their own; all 400 others of a product list of August 2026 share that against USD."""

DAY_S: Final = 86_400

DIGITS_MAX: Final = 40
"""Longer numbers are none that anybody means, and would cost their reader time."""

REMEMBERED_MAX: Final = 20_000
"""Of each step, so many numbers are remembered either way: a few large books."""

_days: dict[str, Nanos] = {}
_dates: dict[int, str] = {}
_moments: dict[int, str] = {}
_instants: dict[str, Nanos] = {}


def parse_time(text: str) -> Nanos:
    """Nanoseconds since 1970-01-01 UTC of an RFC 3339 time with up to nine decimals, in UTC.

    >>> parse_time("2026-08-09T21:05:48.50436Z")
    1786309548504360000
    >>> parse_time("2026-08-09 21:05:48.854840045 +0000 UTC m=+41691.260485341")
    1786309548854840045
    """
    second_ns = _instants.get(text[:19])  # neighbouring frames share it
    if second_ns is None:
        second_ns = _remember_instant(text[:19])
    fraction = text[20:].removesuffix("Z")
    if " " in fraction:
        fraction = fraction.split(" ", 1)[0]
    return second_ns + (int(fraction.ljust(9, "0")) if fraction else 0)


def _remember_instant(text: str) -> Nanos:
    day_ns = _days.get(text[:10])  # frames of a day share it, and dates are dear to parse
    if day_ns is None:
        day_ns = _remember_day(text[:10])
    second_ns = day_ns + (int(text[11:13]) * 3600 + int(text[14:16]) * 60 + int(text[17:19])) * SECOND
    if len(_instants) > 1_000:
        _instants.clear()
    _instants[text] = second_ns
    return second_ns


def _remember_day(text: str) -> Nanos:
    day_ns = (datetime(int(text[:4]), int(text[5:7]), int(text[8:10]), tzinfo=UTC).toordinal() - EPOCH_ORDINAL) * 24 * HOUR
    if len(_days) > 1_000:
        _days.clear()
    _days[text] = day_ns
    return day_ns


@lru_cache(maxsize=256)  # what happens at once is told in several places
def format_time(ns: Nanos) -> str:
    """RFC 3339 with as many decimals as needed and no more, as Coinbase's servers write it.

    >>> format_time(1786309548504360000), format_time(0)
    ('2026-08-09T21:05:48.50436Z', '1970-01-01T00:00:00Z')
    """
    seconds, fraction = divmod(ns, SECOND)
    moment = _moments.get(seconds)  # neighbouring frames share it
    if moment is None:
        moment = _remember_moment(seconds)
    return f"{moment}.{f'{fraction:09d}'.rstrip('0')}Z" if fraction else f"{moment}Z"


def _remember_moment(seconds: int) -> str:
    days, seconds_of_day = divmod(seconds, DAY_S)
    day = _dates.get(days)  # all of a day share it, and dates are dear to write
    if day is None:
        day = _dates[days] = datetime.fromtimestamp(days * DAY_S, UTC).strftime("%Y-%m-%dT")
        if len(_dates) > 1_000:
            _dates.clear()
    minutes, second = divmod(seconds_of_day, 60)
    hour, minute = divmod(minutes, 60)
    moment = f"{day}{hour:02d}:{minute:02d}:{second:02d}"
    if len(_moments) > 1_000:
        _moments.clear()
    _moments[seconds] = moment
    return moment


def format_heartbeat_time(ns: Nanos) -> str:
    """The other way of writing a time, which only heartbeats have.

    >>> format_heartbeat_time(1786309548854840045)
    '2026-08-09 21:05:48.854840045 +0000 UTC'
    """
    time = format_time(ns)
    return f"{time[:10]} {time[11:-1]} +0000 UTC"


def parse_side(text: str) -> Side:
    """A side in capitals."""
    return Side.BUY if text == "BUY" else Side.SELL


def format_side(side: Side) -> str:
    """A side in capitals."""
    return "BUY" if side is Side.BUY else "SELL"


def product_id(symbol: str) -> str:
    """Coinbase's name for "BTC/USD"."""
    return symbol.split(":")[0].replace("/", "-")


def symbol_of(product: str) -> str:
    """The unified symbol of "BTC-USD"; "" stays ""."""
    return product.replace("-", "/")


def decimal_or(text: str | None, default: Decimal = Decimal(0)) -> Decimal:
    """A number in a field that Coinbase leaves empty at times."""
    return Decimal(text) if text else default


def size(given: object) -> Decimal:
    """A decimal number as a request may hold it; raises `ValueError` or `decimal.InvalidOperation` for what is none.

    >>> size("0.5"), size("1e999999999")
    Traceback (most recent call last):
    ValueError: 1e999999999 is no number
    """
    text = str(given)
    number = Decimal(text) if len(text) <= DIGITS_MAX else None
    if number is None or not number.is_finite() or abs(number.adjusted()) > DIGITS_MAX:
        raise ValueError(f"{text[:DIGITS_MAX]} is no number")
    return number


class Remembered(dict[K, V]):
    """What a function gave for what it was asked, up to `REMEMBERED_MAX` of them; to meet one again costs a look into a dict, no call."""

    def __init__(self, find: Callable[[K], V]) -> None:
        super().__init__()
        self._find = find

    def __missing__(self, key: K) -> V:
        value = self._find(key)
        if len(self) >= REMEMBERED_MAX:
            self.clear()
        self[key] = value
        return value


class Steps:
    """Between decimals on the wire and counts of one step; fast where the step is a power of ten, and where a number has just been met.

    >>> tick = Steps(Decimal("0.01"))
    >>> tick.count("65062.5"), tick.count("0"), tick.text(6506250), tick.text(6506200)
    (6506250, 0, '65062.5', '65062')
    >>> tick.count("65062.505")
    Traceback (most recent call last):
    ValueError: 65062.505 is not a multiple of 0.01

    Attributes:
        count: how many steps a text is.
        text: how so many steps are written.
    """

    def __init__(self, step: Decimal) -> None:
        self.step = step
        digits, exponent = step.normalize().as_tuple()[1:]
        self._places = -int(exponent) if digits == (1,) and int(exponent) <= 0 else None
        self._zeros = "0" * (self._places or 0)
        # A book is told over and over, and most of its levels are as they were.
        self.count: Callable[[str], int] = Remembered(self._count).__getitem__
        self.text: Callable[[int], str] = Remembered(self._text).__getitem__

    def _count(self, text: str) -> int:
        places = self._places
        if places is not None:
            whole, _, fraction = text.partition(".")
            if len(fraction) <= places:
                return int(whole + fraction + self._zeros[len(fraction) :])
        steps, rest = divmod(Decimal(text), self.step)
        if rest:
            raise ValueError(f"{text} is not a multiple of {plain(self.step)}")
        return int(steps)

    def _text(self, count: int) -> str:
        places = self._places
        if places and count >= 0:
            digits = str(count).rjust(places + 1, "0")
            fraction = digits[-places:].rstrip("0")
            return f"{digits[:-places]}.{fraction}" if fraction else digits[:-places]
        return plain(EXACT.multiply(self.step, Decimal(count)))


steps_of: Final = lru_cache(maxsize=64)(Steps)
"""Those of a step; all who ask for the same share them, and what has been met."""


def alias_of(instrument: Instrument) -> str:
    """The product whose book this one shares: "BTC-USD" for "BTC-USDC"; "" for one with a book of its own."""
    base, quote = instrument.base, instrument.quote
    return f"{base}-USD" if quote == "USDC" and base not in OWN_BOOKS else ""


class Product:
    """An instrument under Coinbase's name, ready for its numbers.

    Attributes:
        stream_name: under which name streams tell of it; another's, where it shares that one's book.
    """

    __slots__ = ("instrument", "lots", "name", "stream_name", "symbol", "ticks")

    def __init__(self, instrument: Instrument) -> None:
        self.instrument = instrument
        self.symbol = instrument.symbol
        self.name = self.stream_name = product_id(instrument.symbol)
        self.ticks = steps_of(instrument.tick)
        self.lots = steps_of(instrument.lot)


class Products:
    """The products that both ends of a connection know, by either name.

    A market against USDC shares its book with that against USD, and streams tell of it under the latter's name only, whichever was asked
    for; so what a stream tells is of those that were followed under its name.

    Attributes:
        streamed: by the name that a stream uses, of whom it tells.
    """

    def __init__(self, instruments: Iterable[Instrument] = ()) -> None:
        self.by_name: dict[str, Product] = {}
        self.by_symbol: dict[str, Product] = {}
        self.streamed: dict[str, tuple[Product, ...]] = {}
        self._followed: dict[str, None] = {}
        self.learn(instruments)

    def learn(self, instruments: Iterable[Instrument], aliases: Mapping[str, str] | None = None) -> None:
        """Know these, and by a product's name the name under which streams tell of it where that is another's."""
        for instrument in instruments:
            product = Product(instrument)
            product.stream_name = (aliases or {}).get(product.name) or product.name
            self.by_name[product.name] = product
            self.by_symbol[product.symbol] = product
        self._tell_apart()

    def follow(self, symbol: str) -> None:
        """Somebody asks for a stream of this."""
        if symbol not in self._followed:
            self._followed[symbol] = None
            self._tell_apart()

    def alias(self, symbol: str) -> str:
        """The product whose book this one shares; "" for one with a book of its own."""
        product = self.by_symbol.get(symbol)
        return "" if product is None or product.stream_name == product.name else product.stream_name

    def _tell_apart(self) -> None:
        """Of whom a name tells: of those who are followed, else of who has it as its own, else of the only one there is."""
        sharing: dict[str, list[Product]] = {}
        for product in self.by_symbol.values():
            sharing.setdefault(product.stream_name, []).append(product)
        for name, products in sharing.items():
            followed = [each for each in products if each.symbol in self._followed]
            own = [each for each in products if each.name == name]
            self.streamed[name] = tuple(followed or own or products[:1])
