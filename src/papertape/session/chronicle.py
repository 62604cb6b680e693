"""What a run was like, for people who look at it afterwards: prices, requests, and what the bot wanted from which of its lines.

Nothing of it decides anything, and none of it is in the digest. It is taken from what venues and clients remember anyway once all is over;
only a bot's lines are noted on the way, where somebody asked for a chronicle. Times are run time in nanoseconds. Prices are floats here,
because they end in a picture.
"""

from __future__ import annotations

import linecache
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Final

import msgspec

from papertape.invariants import INVARIANTS
from papertape.model.book import Book
from papertape.model.event import BookSnapshot, BookUpdate, Ticker, Trade
from papertape.model.order import Order
from papertape.model.request import Op
from papertape.model.units import Nanos, plain
from papertape.model.view import Truth
from papertape.resilience.intents import Ended, MemoryIntents, Record, Sending, Told, Wanted
from papertape.runtime.place import users_line
from papertape.session.spec import Scenario
from papertape.session.world import VenueWorld, instruments_of
from papertape.sim.fact import GaveUp, Gone, Heard, Reached, Sent
from papertape.sim.written import in_words

BARS_MAX: Final = 1200
"""How many prices of one instrument are kept; a screen is hardly wider."""


class Bar(msgspec.Struct, frozen=True, gc=False, array_like=True):
    """What a price did in one stretch of time: when the stretch began, the lowest, the highest and the last."""

    at_ns: Nanos
    low: float
    high: float
    last: float


class Asked(msgspec.Struct, frozen=True, gc=False, kw_only=True, omit_defaults=True):
    """One request, from leaving the client to its end.

    Attributes:
        number: the Door's.
        reached_ns: when the venue dealt with it; None if it never came there.
        ended_ns: when the client heard, or no longer could, or no longer waited; None if the run ended first.
        ended: how: "heard", "cut" (the connection), "lost" (silently, and given up where the client then stopped waiting) or "given up";
            empty if the run ended first.
        refusal: what the client was told instead of yes.
        line: which line of the user's code asked, such as "bot.py:31"; empty where nobody knows.
    """

    number: int
    op: str
    sent_ns: Nanos
    client_order_id: str = ""
    order_id: str = ""
    reached_ns: Nanos | None = None
    ended_ns: Nanos | None = None
    ended: str = ""
    refusal: str = ""
    line: str = ""


class News(msgspec.Struct, frozen=True, gc=False, array_like=True):
    """What the client believed of an order from then on: when, its status, and the base filled."""

    at_ns: Nanos
    status: str
    filled: str


class Wish(msgspec.Struct, frozen=True, gc=False, kw_only=True, omit_defaults=True):
    """An order that the bot wanted, as its own log of intents tells.

    Attributes:
        order: what was wanted, in the journal's words.
        sent_ns: when its request first left; None if none did.
        news: what the venue told of it.
        ended_ns, ended: when and how it came to nothing, where it did.
        line: which line of the user's code wanted it; empty where nobody knows.
    """

    client_order_id: str
    order: dict[str, str]
    wanted_ns: Nanos
    sent_ns: Nanos | None = None
    news: tuple[News, ...] = ()
    ended_ns: Nanos | None = None
    ended: str = ""
    line: str = ""


class Placed(msgspec.Struct, frozen=True, gc=False, kw_only=True, omit_defaults=True):
    """An order that the venue had, as it stood at the end.

    Attributes:
        amount, filled: base.
        limits: when its limit became what (quote per base), the first at its start; empty for a market order.
        ended_ns: when it became final; None if it was open at the end.
        foreign: somebody else on the account placed it.
    """

    id: str
    client_order_id: str
    symbol: str
    type: str
    side: str
    amount: str
    status: str
    filled: str
    created_ns: Nanos
    limits: tuple[tuple[Nanos, float], ...] = ()
    ended_ns: Nanos | None = None
    reason: str = ""
    foreign: bool = False


class Filled(msgspec.Struct, frozen=True, gc=False, kw_only=True):
    """One execution; `amount` in base, `price` and `fee` in quote."""

    trade_id: str
    order_id: str
    client_order_id: str
    symbol: str
    side: str
    at_ns: Nanos
    price: str
    amount: str
    fee: str
    liquidity: str


class VenueChronicle(msgspec.Struct, frozen=True, kw_only=True):
    """One venue's part.

    Attributes:
        prices: by symbol.
        orders, fills: the venue's, foreign ones too, oldest first.
        opening: the account as the run began, by currency.
        has_books: whether the client's own books are known, and with them what it believed; a program's are not.
    """

    venue: str
    prices: dict[str, list[Bar]]
    asked: tuple[Asked, ...]
    wishes: tuple[Wish, ...]
    orders: tuple[Placed, ...]
    fills: tuple[Filled, ...]
    opening: dict[str, str]
    has_books: bool


class Chronicle(msgspec.Struct, frozen=True, kw_only=True):
    """A run, for a report.

    Attributes:
        end_ns: when it was over.
        invariants: by which it was judged.
        must_happen: the marks that the scenario demands.
        sources: the text of the user's lines that asked for something, by line, such as "bot.py:31"; secrets are starred out.
    """

    end_ns: Nanos
    invariants: tuple[str, ...]
    must_happen: tuple[str, ...]
    venues: tuple[VenueChronicle, ...]
    sources: dict[str, str] = {}


class Chronicler:
    """Takes the chronicle of one run, as `run_scenario(chronicler=…)`.

    Attributes:
        chronicle: None until the run is over.
    """

    def __init__(self) -> None:
        self.chronicle: Chronicle | None = None

    def begin(self, worlds: Sequence[VenueWorld]) -> None:
        """The venues are built, and nobody has asked for anything yet."""
        for world in worlds:
            world.disk = _LinedIntents()

    def end(self, scenario: Scenario, worlds: Sequence[VenueWorld], end_ns: Nanos) -> None:
        """All is over."""
        expect = scenario.expect
        self.chronicle = Chronicle(
            end_ns=end_ns, invariants=expect.invariants or tuple(INVARIANTS), must_happen=tuple(map(str, expect.must_happen)),
            venues=tuple(_of_venue(world, end_ns) for world in worlds), sources=_sources(scenario, worlds),
        )  # fmt: skip


class _LinedIntents(MemoryIntents):
    """A disk that also notes which line of the bot wanted what; what a crash takes from the log it does not take from these notes."""

    def __init__(self) -> None:
        super().__init__()
        self.lines: dict[str, tuple[Path, int]] = {}

    def append(self, record: Record, *, durable: bool) -> None:
        if isinstance(record, Wanted):
            place = users_line()
            if place is not None:
                self.lines[record.client_order_id] = Path(place[0]), place[1]
        super().append(record, durable=durable)


def _sources(scenario: Scenario, worlds: Sequence[VenueWorld]) -> dict[str, str]:
    places = {_short(*place): place for world in worlds if isinstance(world.disk, _LinedIntents) for place in world.disk.lines.values()}
    if scenario.program is not None:
        program = scenario.folder / scenario.program
        lines = [fact.line for world in worlds for fact in world.door.facts if isinstance(fact, Sent)]
        for name, _, number in (line.rpartition(":") for line in lines):
            if name == program.name and number.isdigit():
                places[f"{name}:{number}"] = program, int(number)
    if not places:
        return {}
    from papertape.runtime.trace.secret import mask  # with which comes all that a trace needs

    found = {line: mask(linecache.getline(str(path), number).strip()) for line, (path, number) in places.items()}
    return {line: text for line, text in sorted(found.items()) if text}


def _short(path: Path, number: int) -> str:
    return f"{path.name}:{number}"


def _of_venue(world: VenueWorld, end_ns: Nanos) -> VenueChronicle:
    lines = {key: _short(*place) for key, place in world.disk.lines.items()} if isinstance(world.disk, _LinedIntents) else {}
    requests, truth = asked(world), world.door.truth()
    return VenueChronicle(
        venue=world.name,
        prices=prices(world, end_ns),
        asked=requests,
        wishes=wishes(world.disk.load(), world.epoch_ns, lines),
        orders=placed(truth, requests, world.epoch_ns),
        fills=tuple(
            Filled(
                trade_id=fill.trade_id, order_id=fill.order_id, client_order_id=fill.client_order_id, symbol=fill.symbol,
                side=str(fill.side), at_ns=fill.venue_ns - world.epoch_ns, price=plain(fill.price), amount=plain(fill.amount),
                fee=plain(fill.fee), liquidity=str(fill.liquidity),
            )
            for fill in truth.fills
        ),
        opening={currency: plain(balance.total) for currency, balance in truth.opening.currencies.items()},
        has_books=world.exchange is not None,
    )  # fmt: skip


def placed(truth: Truth, requests: Sequence[Asked], epoch_ns: Nanos) -> tuple[Placed, ...]:
    """The venue's orders; `requests` tell when their limits were edited."""
    edits: dict[str, list[Nanos]] = {}
    for request in requests:
        if request.op == Op.ORDER_EDIT and request.reached_ns is not None:
            edits.setdefault(request.order_id, []).append(request.reached_ns)
    before: dict[str, list[float]] = {}
    for move in truth.moves:
        before.setdefault(move.order_id, []).append(float(move.before))
    return tuple(
        Placed(
            id=order.id, client_order_id=order.client_order_id, symbol=order.symbol, type=str(order.type), side=str(order.side),
            amount=plain(order.amount), status=str(order.status), filled=plain(order.filled), created_ns=order.created_ns - epoch_ns,
            limits=_limits(order, order.created_ns - epoch_ns, before.get(order.id, []), edits.get(order.id, [])),
            ended_ns=order.updated_ns - epoch_ns if order.status.is_final else None, reason=order.reason,
            foreign=order.client_order_id in truth.foreign,
        )
        for order in truth.orders
    )  # fmt: skip


def _limits(order: Order, created_ns: Nanos, before: Sequence[float], edited_ns: Sequence[Nanos]) -> tuple[tuple[Nanos, float], ...]:
    """Where some edits were refused it is not known which of them moved it: then only where it ended."""
    if order.price is None:
        return ()
    prices = [*before, float(order.price)] if len(before) == len(edited_ns) else [float(order.price)]
    return tuple(zip([created_ns, *edited_ns], prices, strict=False))


def asked(world: VenueWorld) -> tuple[Asked, ...]:
    """Every request, in the order in which they left."""
    found: dict[int, dict[str, object]] = {}
    for fact in world.door.facts:
        if isinstance(fact, Sent):
            request = fact.request
            found[fact.number] = {
                "number": fact.number, "op": str(request.op), "sent_ns": fact.at_ns, "client_order_id": request.client_order_id,
                "order_id": request.order_id, "line": fact.line,
            }  # fmt: skip
        elif isinstance(fact, Reached):
            found[fact.number]["reached_ns"] = fact.at_ns
        elif isinstance(fact, Heard):
            found[fact.number] |= {"ended_ns": fact.at_ns, "ended": "heard", "refusal": str(fact.refusal or "")}
        elif isinstance(fact, Gone):
            found[fact.number] |= {"ended_ns": fact.at_ns, "ended": "cut" if fact.is_cut else "lost"}
        elif isinstance(fact, GaveUp) and found[fact.number].get("ended", "lost") == "lost":
            found[fact.number] |= {"ended_ns": fact.at_ns, "ended": found[fact.number].get("ended", "given up")}
    return tuple(sorted((msgspec.convert(each, Asked) for each in found.values()), key=lambda each: (each.sent_ns, each.number)))


def wishes(records: Iterable[Record], epoch_ns: Nanos, lines: dict[str, str]) -> tuple[Wish, ...]:
    """What the log of intents tells, one wish for each order wanted; of what a later life took up there is only what came first."""
    found: dict[str, Wish] = {}
    news: dict[str, list[News]] = {}
    for record in records:
        if isinstance(record, Wanted):
            key = record.client_order_id
            words = {name: str(value) for name, value in in_words(record.order).items()}
            found.setdefault(
                key, Wish(client_order_id=key, order=words, wanted_ns=record.at_ns - epoch_ns, line=lines.get(key, ""))
            )  # fmt: skip
        elif isinstance(record, Sending | Ended | Told) and record.client_order_id in found:
            key, at_ns = record.client_order_id, record.at_ns - epoch_ns
            match record:
                case Sending():
                    if found[key].sent_ns is None:
                        found[key] = msgspec.structs.replace(found[key], sent_ns=at_ns)
                case Ended():
                    found[key] = msgspec.structs.replace(found[key], ended_ns=at_ns, ended=str(record.how).replace("_", " "))
                case Told():
                    news.setdefault(key, []).append(News(at_ns, str(record.order.status), plain(record.order.filled)))
    return tuple(msgspec.structs.replace(wish, news=tuple(news.get(key, ()))) for key, wish in found.items())


def prices(world: VenueWorld, end_ns: Nanos) -> dict[str, list[Bar]]:
    """What the venue's prices did, by symbol: of trades, else of tickers; where the tapes have neither, the middle of the book."""
    width_ns = max(1, end_ns // BARS_MAX)
    trades, tickers, middles = _Bars(width_ns), _Bars(width_ns), _Bars(width_ns)
    books = {each.symbol: Book(each) for each in instruments_of(world.feeds)}
    has_prices = any(kind in feed.tape.counts for feed in world.feeds for kind in ("trade", "ticker"))
    for feed in world.feeds:
        for _, reach_ns, _, event in feed.rows():
            at_ns = reach_ns - world.epoch_ns
            if at_ns > end_ns:
                break  # the run was over before its tape
            if isinstance(event, Trade):
                trades.add(event.symbol, at_ns, float(books[event.symbol].instrument.price(event.price_ticks)))
            elif isinstance(event, Ticker) and event.last_ticks is not None:
                tickers.add(event.symbol, at_ns, float(books[event.symbol].instrument.price(event.last_ticks)))
            elif not has_prices and isinstance(event, BookSnapshot | BookUpdate):
                book = books[event.symbol]
                book.apply(event)
                if book.mid is not None:
                    middles.add(event.symbol, at_ns, float(book.mid))
    return middles.bars() | tickers.bars() | trades.bars()


class _Bars:
    """Prices, thinned as they come; tapes of one venue come one after the other, and may overlap."""

    def __init__(self, width_ns: Nanos) -> None:
        self._found: dict[str, dict[Nanos, Bar]] = {}
        self._width_ns = width_ns

    def add(self, symbol: str, at_ns: Nanos, price: float) -> None:
        begin_ns = at_ns // self._width_ns * self._width_ns
        bars = self._found.setdefault(symbol, {})
        before = bars.get(begin_ns)
        low, high = (price, price) if before is None else (min(before.low, price), max(before.high, price))
        bars[begin_ns] = Bar(begin_ns, low, high, price)

    def bars(self) -> dict[str, list[Bar]]:
        return {symbol: [bars[at_ns] for at_ns in sorted(bars)] for symbol, bars in self._found.items()}
