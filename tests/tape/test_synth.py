"""The generated market is a market, and the same one everywhere."""

from __future__ import annotations

import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import msgspec
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from papertape.model.book import Book
from papertape.model.errors import ConfigError
from papertape.model.event import BookSnapshot, BookUpdate, MarketEvent, Side, Ticker, Trade
from papertape.model.units import MILLISECOND, SECOND
from papertape.tape import open_tape
from papertape.tape.builtin import BUILTIN, builtin_tape, resolve
from papertape.tape.check import check_tape
from papertape.tape.market import Market
from papertape.tape.synth import EPOCH_NS, Synth, synth, write_synth
from papertape.venues.coinbase import frame
from papertape.venues.coinbase.notation import Products

ROOT = Path(__file__).parents[2]

FIXTURES = {
    "btc-usd-30s": (
        msgspec.structs.replace(BUILTIN["btc-usd"], seed=1, duration_ns=30 * SECOND),
        "901a83a326b181ef948dad4bfccc6e19b1e3d80e96f3c8f75ae160c9b909b5a6",
    ),
    "eth-usd-30s": (
        msgspec.structs.replace(BUILTIN["eth-usd"], seed=2, duration_ns=30 * SECOND),
        "e5f542aca90bf93e9b4ffa91c604f52bcfd753ae53e6b9031891ba870e2e454c",
    ),
}
"""Goldens: they change only when the generator does, and then its version goes up."""

BUILTIN_HASHES = {
    "btc-usd": "41d079bd182eb0f791702af083e02adcca048ed70025a13151b4f1c02cf7d2e0",
    "btc-usd-deep": "61e0f79f67159c89c35341129a5a250d5efa9467a04d24c9f252a24918ab3ce0",
    "btc-usd-long": "49999b97308352a149c00bf123e0cde4cb5431f8ab11a9681360fda284bbd467",
    "eth-usd": "a6010a0e97f1195e494ccf66e436cd75ec6def0e0d5b9d6ef053993a7bdc61b9",
}


def pinned_pyarrow() -> str:
    found = re.search(r"^pyarrow==(\S+)", (ROOT / "constraints.txt").read_text(), re.MULTILINE)
    assert found
    return found[1]


@pytest.mark.parametrize("name", FIXTURES)
def test_fixtures_can_be_made_again(name: str, tmp_path: Path) -> None:
    """The committed file, the golden hash and what the generator makes today are one; under the pinned pyarrow to the byte."""
    made, (recipe, golden) = ROOT / "fixtures" / f"{name}.parquet", FIXTURES[name]
    header = write_synth(recipe, tmp_path / "a.parquet")
    assert header.content_hash == golden == open_tape(made).content_hash
    assert check_tape(made) == []
    if pa.__version__ == pinned_pyarrow():
        assert (tmp_path / "a.parquet").read_bytes() == made.read_bytes()


@pytest.mark.parametrize("name", BUILTIN)
def test_builtin_markets_are_the_same_everywhere(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What a scenario plays under "builtin:NAME" has one content on every machine."""
    monkeypatch.setenv("PAPERTAPE_CACHE", str(tmp_path))
    assert open_tape(builtin_tape(name)).content_hash == BUILTIN_HASHES[name]


def with_book(recipe: Synth) -> Iterator[tuple[MarketEvent, Book]]:
    """Every event with the book as it stood before it."""
    book = Book(recipe.instrument)
    for event in synth(recipe):
        yield event, book
        if isinstance(event, BookSnapshot | BookUpdate):
            book.apply(event)


recipes = st.builds(
    Synth, seed=st.integers(0, 2**32), duration_ns=st.integers(SECOND, 8 * SECOND), events_per_second=st.integers(1, 200),
    wander_ticks=st.integers(0, 5_000), orders=st.integers(20, 400), reach_bits=st.integers(6, 14),
    lag_ns=st.sampled_from((4 * MILLISECOND, -2 * SECOND)),
)  # fmt: skip


@given(recipes)
@settings(deadline=None, max_examples=40)
def test_book_and_trades_agree(recipe: Synth) -> None:
    """Each trade is at the then best price, no larger than what rests there, and followed at once by the change it caused."""
    owed: BookUpdate | None = None
    for event, book in with_book(recipe):
        if owed is not None:
            assert (event.bids, event.asks) == (owed.bids, owed.asks)
            owed = None
        elif isinstance(event, Trade):
            best = book.best_ask if event.taker is Side.BUY else book.best_bid
            assert best is not None
            ticks, lots = best
            assert event.price_ticks == ticks
            assert 0 < event.qty_lots <= lots
            level = ((ticks, lots - event.qty_lots),)
            bought = event.taker is Side.BUY
            owed = BookUpdate(venue_ns=0, local_ns=0, symbol="", bids=() if bought else level, asks=level if bought else ())
        elif isinstance(event, Ticker):
            assert ((event.bid_ticks, event.bid_lots), (event.ask_ticks, event.ask_lots)) == (book.best_bid, book.best_ask)
    assert owed is None


@given(recipes)
@settings(deadline=None, max_examples=40)
def test_the_book_is_never_crossed_or_one_sided(recipe: Synth) -> None:
    """However wild the opinion, both sides have levels and the best bid is below the best ask; no level changes to what it was."""
    is_first = True
    for event, book in with_book(recipe):
        if is_first:
            assert isinstance(event, BookSnapshot)
            is_first = False
            continue
        assert not book.is_crossed
        assert book.best_bid is not None
        assert book.best_ask is not None
        if isinstance(event, BookUpdate):
            assert len(event.bids) + len(event.asks) == 1
            for ladder, changes in ((book.bids, event.bids), (book.asks, event.asks)):
                assert all(ladder.get(ticks, 0) != lots for ticks, lots in changes)


@given(recipes)
@settings(deadline=None, max_examples=20)
def test_time_only_goes_on(recipe: Synth) -> None:
    """The market opens at its epoch and closes in time; venue and recorder never go back, and the recorder hears after the fact.

    By a clock that may be behind.
    """
    venue_ns = EPOCH_NS
    local_ns = EPOCH_NS + min(0, recipe.lag_ns)
    for event in synth(recipe):
        assert venue_ns <= event.venue_ns < EPOCH_NS + recipe.duration_ns
        assert local_ns <= event.local_ns
        assert event.local_ns >= event.venue_ns + recipe.lag_ns
        venue_ns, local_ns = event.venue_ns, event.local_ns


def test_the_rate_is_about_what_was_asked() -> None:
    """Within a quarter, over a minute."""
    for rate in (20, 40, 160):
        count = sum(1 for _ in synth(Synth(seed=3, duration_ns=60 * SECOND, events_per_second=rate)))
        assert 0.75 * rate * 60 < count < 1.25 * rate * 60


def test_another_seed_is_another_market() -> None:
    """Two seeds share the opening time and nothing else."""
    one, other = (list(synth(Synth(seed=seed, duration_ns=SECOND))) for seed in (1, 2))
    assert one[0].venue_ns == other[0].venue_ns
    assert one[0].bids != other[0].bids


def test_a_longer_market_begins_with_the_shorter_one() -> None:
    """The duration only says when to stop."""
    short, long = (list(synth(Synth(seed=1, duration_ns=seconds * SECOND))) for seconds in (2, 4))
    assert long[: len(short)] == short


def test_orders_trade_oldest_first() -> None:
    """Price first, then time: at one price the order that came first trades first, and a partly filled one keeps its place."""
    market = Market()
    for lots in (5, 7):
        market.rest(Side.SELL, 100, lots)
    market.rest(Side.SELL, 99, 1)
    assert list(market.take(Side.BUY, 8, limit_ticks=100, levels_min=0)) == [(99, 1, 0), (100, 5, 7), (100, 2, 5)]
    assert list(market.take(Side.BUY, 9, limit_ticks=100, levels_min=0)) == [(100, 5, 0)]
    assert market.orders == []


# Builtin markets


def test_the_deep_market_is_as_odd_as_captures_are() -> None:
    """Its book is one frame of more than five megabytes, its recorder two seconds behind, and it takes levels away that are not there."""
    recipe, levels, absent = BUILTIN["btc-usd-deep"], dict[tuple[Side, int], int](), 0
    for event in synth(recipe):
        assert event.local_ns < event.venue_ns
        if isinstance(event, BookSnapshot):
            assert len(frame.render(event, 0, Products([recipe.instrument]))) > 5_000_000
        if isinstance(event, BookSnapshot | BookUpdate):
            for side, changes in ((Side.BUY, event.bids), (Side.SELL, event.asks)):
                for ticks, lots in changes:
                    absent += not lots and (side, ticks) not in levels
                    levels[side, ticks] = lots
                    if not lots:
                        del levels[side, ticks]
    assert absent > 52


def test_builtin_tape_is_made_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The first use makes it, the second finds it; its name says which generator made it."""
    monkeypatch.setenv("PAPERTAPE_CACHE", str(tmp_path / "deep" / "cache"))
    path = resolve("builtin:btc-usd", "/elsewhere")
    assert re.fullmatch(r"btc-usd-\d+\.parquet", path.name)
    before = path.stat().st_mtime_ns
    assert builtin_tape("btc-usd") == path
    assert path.stat().st_mtime_ns == before


def test_a_damaged_builtin_tape_is_made_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A cache that was cut short heals itself."""
    monkeypatch.setenv("PAPERTAPE_CACHE", str(tmp_path))
    path = builtin_tape("eth-usd")
    path.write_bytes(path.read_bytes()[:-9])
    assert open_tape(builtin_tape("eth-usd")).counts["trade"] > 0


def test_several_processes_may_ask_at_once(tmp_path: Path) -> None:
    """Of three processes that find no tape, each gets a whole one, and one file is left."""
    code = "import sys; from papertape.tape.builtin import builtin_tape; from papertape.tape import open_tape;"
    code += "print(open_tape(builtin_tape('eth-usd')).content_hash)"
    environment = {"PAPERTAPE_CACHE": str(tmp_path), "PATH": ""}
    running = [subprocess.Popen([sys.executable, "-c", code], env=environment, stdout=subprocess.PIPE, text=True) for _ in range(3)]
    told = [process.communicate()[0] for process in running]
    assert len(set(told)) == 1
    assert told[0].strip()
    assert len(list(tmp_path.iterdir())) == 1


def test_an_unknown_builtin_market_names_the_known(tmp_path: Path) -> None:
    """The nearest name is suggested."""
    with pytest.raises(ConfigError, match=r'no builtin market is called "btc-us"; did you mean "builtin:btc-usd"\?'):
        resolve("builtin:btc-us", tmp_path)


def test_a_path_is_taken_from_the_scenarios_folder(tmp_path: Path) -> None:
    """Relative to the folder, unless it is absolute."""
    assert resolve("tapes/a.parquet", tmp_path) == tmp_path / "tapes" / "a.parquet"
    assert resolve("/b.parquet", tmp_path) == Path("/b.parquet")
