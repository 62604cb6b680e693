"""Recorded at wire depth, in virtual time: what the venue sent while the line was up, and every outage; replayed, they come again."""

from __future__ import annotations

import tempfile
from decimal import Decimal
from functools import cache
from pathlib import Path

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from papertape.faults import Disconnect, Duplicate, Fault, Gap, LateSnapshot, LostSnapshot, RateLimit, Stall
from papertape.model.book import Book
from papertape.model.errors import ConfigError, TapeError
from papertape.model.event import BookSnapshot, BookUpdate, ConnectionEvent, ConnectionKind, MarketEvent, Side, Trade
from papertape.model.request import Answer, Channel, Lane, Op, Request
from papertape.model.units import MILLISECOND, SECOND, Nanos
from papertape.recorder import Recorder, RecorderSettings, Rotation
from papertape.resilience.settings import ShellSettings
from papertape.runtime.loop import VirtualLoop
from papertape.session.world import VenueWorld
from papertape.tape import open_tape
from papertape.tape.check import check_tape
from papertape.tape.edit import merge_tapes
from recorder.studio import TAPE, events, line_events, recorded

SHELL = ShellSettings(backoff_first_ns=100 * MILLISECOND, backoff_max_ns=400 * MILLISECOND)
SETTINGS = RecorderSettings(channels=(Channel.BOOK, Channel.TRADES), probe_every_ns=SECOND, shell=SHELL)
STORY = (
    Disconnect(at="8s", lasts="4s", connection=Lane.MARKET, clean=True),
    Gap(at="16s", count=3),
    RateLimit(at="20s", lasts="2s", retry_after="2s"),
    Disconnect(at="24s", lasts="1500ms", connection=Lane.REST),
    Disconnect(at="27s", lasts="1s", connection=Lane.MARKET),
)


@pytest.fixture(scope="module")
def story(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Half a minute with everything that can go wrong, as one tape."""
    (path,) = recorded(tmp_path_factory.mktemp("story"), *STORY, settings=SETTINGS)
    return path


@pytest.fixture(scope="module")
def replayed(story: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The same tape played and recorded once more, without any fault."""
    (path,) = recorded(tmp_path_factory.mktemp("again"), tape=story, settings=SETTINGS)
    return path


@cache
def source() -> tuple[MarketEvent, ...]:
    return tuple(events(TAPE))


def what(path: Path, *kinds: ConnectionKind) -> list[tuple[str, ConnectionKind, Nanos]]:
    return [(event.connection, event.what, event.local_ns) for event in line_events(path) if event.what in kinds]


def up(path: Path) -> list[tuple[Nanos, Nanos]]:
    """From when until when the market lane brought everything: from each book until it was lost; venue time."""
    spans, since = [], None
    for event in events(path):
        if isinstance(event, BookSnapshot):
            since = event.venue_ns if since is None else since
        elif isinstance(event, ConnectionEvent) and event.loses_market and since is not None:
            spans.append((since, event.venue_ns))
            since = None
    return spans if since is None else [*spans, (since, open_tape(path).last_ns)]


def without_arrival(event: MarketEvent) -> MarketEvent:
    return msgspec.structs.replace(event, local_ns=0)


def test_a_recording_is_a_sound_tape(story: Path) -> None:
    """Nothing that `tape check` finds; every message of the market lane but the tape's own has the venue's number."""
    assert check_tape(story) == []
    tape = open_tape(story)
    assert tape.is_numbered
    numbers = [number for _, number, (_, _, _, event) in tape.numbered() if not isinstance(event, ConnectionEvent)]
    assert None not in numbers
    assert tape.header.source == "papertape record coinbase, begun 2026-01-05 00:00:00 UTC"


def test_what_was_recorded_is_what_the_venue_had(story: Path) -> None:
    """Where the line was up, the rows are the source's: each trade and each change of the book, with the venue's own time, in order."""
    spans = up(story)
    assert len(spans) == 4  # before the first drop, until the gap, until the second drop, to the end
    for kind in (Trade, BookUpdate):
        for since_ns, until_ns in spans:
            there = [without_arrival(each) for each in source() if isinstance(each, kind) and since_ns < each.venue_ns < until_ns]
            found = [without_arrival(each) for each in events(story) if isinstance(each, kind) and since_ns < each.venue_ns < until_ns]
            assert found == there
            assert len(found) > 10


def test_nothing_was_recorded_while_the_line_was_down(story: Path) -> None:
    """Between a drop and the next book nothing of the market is on the tape."""
    is_down = False
    for event in events(story):
        if isinstance(event, ConnectionEvent) and event.connection == "market":
            is_down = (is_down or event.what is ConnectionKind.DROPPED) and event.what is not ConnectionKind.OPENED
        elif isinstance(event, BookSnapshot | BookUpdate | Trade):
            assert not is_down


def test_the_book_at_the_end_is_the_venues(story: Path) -> None:
    """After two reconnections and a gap."""
    books = []
    for told in (source(), events(story)):
        book = Book(open_tape(TAPE).instruments[0])
        for event in told:
            if isinstance(event, BookSnapshot | BookUpdate):
                book.apply(event)
        books.append((book.ladder(Side.BUY), book.ladder(Side.SELL)))
    assert books[0] == books[1]


def test_every_outage_is_on_the_tape(story: Path) -> None:
    """When the lanes were lost and stood again, what was missing, and for how long the venue wanted quiet."""
    begun_ns = open_tape(TAPE).first_ns
    told = [(event.connection, event.what.value, (event.local_ns - begun_ns) // SECOND) for event in line_events(story)]
    told = [each for each in told if each[1] != "error"]
    assert told == [
        ("rest", "opened", 0),
        ("market", "opened", 0),
        ("market", "dropped", 8),
        ("market", "opened", 12),
        ("market", "gap", 16),
        ("rest", "rate_limited", 20),
        ("rest", "dropped", 24),
        ("rest", "opened", 25),
        ("market", "dropped", 27),
        ("market", "opened", 28),
    ]
    words = {event.what: event.text for event in reversed(line_events(story))}
    assert words[ConnectionKind.DROPPED].startswith("received 1001")
    assert words[ConnectionKind.RATE_LIMITED].startswith("2s: ")


def test_signs_of_life_say_how_long_they_took(story: Path) -> None:
    """Heartbeats have both clocks, and each answer of REST has its way there and back."""
    latencies = [event for event in events(story) if isinstance(event, ConnectionEvent) and event.what is ConnectionKind.LATENCY]
    beats = [event for event in latencies if event.connection == "market"]
    assert len(beats) > 20
    assert all(0 <= event.local_ns - event.venue_ns < SECOND for event in beats)
    answers = [event for event in latencies if event.connection == "rest"]
    assert len(answers) > 20
    assert all(event.text.endswith("ms there and back") for event in answers)


def test_a_replayed_recording_has_the_same_outages(story: Path, replayed: Path) -> None:
    """A client of the replayed tape loses its lanes at the very instants at which the recorder lost its own, and cannot dial before the
    recorder could; it misses numbers where the recorder did, and is told to wait as it was.
    """
    then, now = what(story, ConnectionKind.DROPPED), what(replayed, ConnectionKind.DROPPED)
    assert [each[0] for each in now] == [each[0] for each in then] == ["market", "rest", "market"]
    for (lane, _, then_ns), (_, _, now_ns) in zip(then, now, strict=True):
        # REST is found to be away when it is asked, once a second.
        assert 0 <= now_ns - then_ns <= (MILLISECOND if lane == "market" else 1_100 * MILLISECOND)
    opened_then, opened_now = ([ns for lane, _, ns in what(path, ConnectionKind.OPENED) if lane == "market"] for path in (story, replayed))
    assert all(0 <= now_ns - then_ns <= 500 * MILLISECOND for then_ns, now_ns in zip(opened_then[1:], opened_now[1:], strict=True))
    (gap_then,), (gap_now,) = (what(path, ConnectionKind.GAP) for path in (story, replayed))
    assert 0 <= gap_now[2] - gap_then[2] <= SECOND  # it shows with the next message
    assert 1 <= len(what(replayed, ConnectionKind.RATE_LIMITED)) <= 2


def test_a_client_of_the_replay_is_told_nothing_that_the_recorder_was_not(story: Path, replayed: Path) -> None:
    """The trades of the second tape are among those of the first, in their order, and few are missing: those while it redialled."""
    first = [each.trade_id for each in events(story) if isinstance(each, Trade)]
    second = [each.trade_id for each in events(replayed) if isinstance(each, Trade)]
    places = [first.index(each) for each in second]
    assert places == sorted(places)
    assert len(second) > len(first) * 3 // 4


def test_the_outages_can_be_left_out(story: Path, tmp_path: Path) -> None:
    """A tape whose feed says `outages = false` is played on a line that stands."""
    (path,) = recorded(tmp_path, tape=story, settings=SETTINGS, outages=False)
    assert what(path, ConnectionKind.DROPPED, ConnectionKind.GAP, ConnectionKind.RATE_LIMITED) == []


def test_both_depths_replay_alike(story: Path, replayed: Path, tmp_path: Path) -> None:
    """Without bytes between, which take a tenth of a millisecond, the outages are the same ones at the same time."""
    (path,) = recorded(tmp_path, tape=story, settings=SETTINGS, is_deep=False)
    assert 0 <= what(replayed, ConnectionKind.DROPPED)[0][2] - what(path, ConnectionKind.DROPPED)[0][2] < MILLISECOND
    for kind in (ConnectionKind.DROPPED, ConnectionKind.GAP, ConnectionKind.RATE_LIMITED):
        assert len(what(path, kind)) == len(what(replayed, kind))


def test_files_of_a_recording_are_one_recording(tmp_path: Path) -> None:
    """Rotated while lanes come and go: each file is sound, together they are the tape that one file would have been, and played one after
    another they make the same outages.
    """
    (whole,) = recorded(tmp_path / "whole", *STORY, settings=SETTINGS)
    parts = recorded(tmp_path / "parts", *STORY, settings=SETTINGS, rotation=Rotation(every_ns=5 * SECOND))
    assert len(parts) > 5
    assert [check_tape(path) for path in parts] == [[] for _ in parts]
    merge_tapes(parts, tmp_path / "merged.parquet")
    shift_ns = events(whole)[0].local_ns - events(tmp_path / "merged.parquet")[0].local_ns
    merged = [msgspec.structs.replace(each, local_ns=each.local_ns + shift_ns) for each in events(tmp_path / "merged.parquet")]
    assert merged == events(whole)
    assert [each[2] - each[1] for each in open_tape(tmp_path / "merged.parquet").messages()] == [
        each[2] - each[1] for each in open_tape(whole).messages()
    ]
    (again,) = recorded(tmp_path / "again", tape=parts, settings=SETTINGS)
    (same,) = recorded(tmp_path / "same", tape=whole, settings=SETTINGS)
    for kind in (ConnectionKind.DROPPED, ConnectionKind.GAP, ConnectionKind.OPENED):
        assert [each[0] for each in what(again, kind)] == [each[0] for each in what(same, kind)]


def test_a_silent_line_is_dropped_and_said(tmp_path: Path) -> None:
    """A connection that stands and brings nothing more, not even heartbeats, is given up after five of them; the tape says why."""
    (path,) = recorded(tmp_path, Stall(at="10s", lasts="20s", connection=Lane.MARKET), settings=SETTINGS, lasts_ns=18 * SECOND)
    dropped = [event for event in line_events(path) if event.what is ConnectionKind.DROPPED]
    assert dropped
    assert dropped[0].text.startswith("silent for")


def test_a_symbol_that_the_venue_does_not_trade_is_refused(tmp_path: Path) -> None:
    """With the nearest that it does, and nothing is left behind."""
    with pytest.raises(ConfigError, match=r'does not trade "BTC/UDS"; did you mean "BTC/USD"\?'):
        recorded(tmp_path, symbols=["BTC/UDS"])
    assert list(tmp_path.iterdir()) == []


def test_a_venue_that_never_answers_is_given_up(tmp_path: Path) -> None:
    """A recorder that cannot begin says so instead of waiting for ever; one that has begun never gives up."""
    with pytest.raises(TapeError, match="did not say within 1m what it trades"):
        recorded(tmp_path, Disconnect(at="0s", lasts="10m", connection=Lane.REST), lasts_ns=300 * SECOND)
    assert list(tmp_path.iterdir()) == []


def test_the_same_run_records_the_same_tape(tmp_path: Path) -> None:
    """In virtual time a recording is a function of the venue and the seed."""
    one, other = (recorded(tmp_path / name, *STORY, settings=SETTINGS)[0] for name in "ab")
    assert open_tape(one).content_hash == open_tape(other).content_hash


def test_a_book_that_does_not_come_is_asked_for_on_another_connection(tmp_path: Path) -> None:
    """The venue acknowledges the subscription and sends nothing: after ten seconds the lane is dialled anew, and the tape says why."""
    (path,) = recorded(tmp_path, LostSnapshot(at="0s"), settings=SETTINGS)
    dropped = [event for event in line_events(path) if event.what is ConnectionKind.DROPPED]
    assert [event.text for event in dropped] == ["no book of BTC/USD within 10s"]
    assert sum(isinstance(event, BookSnapshot) for event in events(path)) == 1


def test_other_steps_are_another_tape(tmp_path: Path) -> None:
    """The venue changes a tick while the line is down: what comes after it is counted in the new one, on a tape of its own."""

    def during(recorder: Recorder, world: VenueWorld, loop: VirtualLoop) -> None:
        link = recorder._link
        asked = link.request

        async def request(wanted: Request) -> Answer:
            answer = await asked(wanted)
            if wanted.op is Op.MARKETS_FETCH and loop.now_ns > 8 * SECOND:
                (market,) = answer.markets
                finer = msgspec.structs.replace(market.instrument, lot=Decimal("0.000000001"))
                return Answer(markets=(msgspec.structs.replace(market, instrument=finer),))
            return answer

        link.request = request  # type: ignore[method-assign]  # on this one link

    paths = recorded(tmp_path, STORY[0], settings=SETTINGS, during=during)
    assert [str(open_tape(path).instruments[0].lot) for path in paths] == ["1E-8", "1E-9"]
    assert [check_tape(path) for path in paths] == [[], []]
    assert line_events(paths[0])[-1].what is ConnectionKind.OPENED
    assert line_events(paths[1]) == []
    assert isinstance(events(paths[1])[-1], Trade | BookUpdate | ConnectionEvent)


faults = st.one_of(
    st.builds(Disconnect, connection=st.sampled_from([Lane.MARKET, Lane.REST]), clean=st.booleans(), lasts=st.sampled_from(["0s", "2s"])),
    st.builds(Gap, count=st.integers(1, 4)),
    st.builds(RateLimit, lasts=st.just("2s"), retry_after=st.sampled_from(["1s", "3s"])),
    st.builds(Stall, lasts=st.sampled_from(["1s", "7s"]), connection=st.just(Lane.MARKET)),
    st.builds(LostSnapshot, count=st.integers(1, 2)),
    st.builds(LateSnapshot),
    st.builds(Duplicate, count=st.integers(1, 3)),
).flatmap(lambda fault: st.integers(0, 27).map(lambda at: msgspec.structs.replace(fault, at=f"{at}s")))


@given(st.lists(faults, max_size=5), st.booleans())
@settings(deadline=None, max_examples=8)
def test_whatever_goes_wrong_nothing_false_is_recorded(plan: list[Fault], is_rotated: bool) -> None:
    """Under any plan of faults tapes are sound; every row of the market is one that the venue had, in its order; every book that the
    recorder could trust when the tape ended is the venue's; and what was recorded can be replayed and recorded again.
    """
    trusted = RecorderSettings(channels=(Channel.BOOK, Channel.TRADES), shell=SHELL)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        rotation = Rotation(every_ns=4 * SECOND) if is_rotated else Rotation()
        parts = recorded(folder / "a", *plan, settings=trusted, rotation=rotation, is_deep=False)
        if not parts:
            return
        assert [check_tape(path) for path in parts] == [[] for _ in parts]
        merge_tapes(parts, folder / "whole.parquet")
        told = events(folder / "whole.parquet")
        again = recorded(folder / "b", tape=parts, settings=trusted, is_deep=False)
        assert [check_tape(path) for path in again] == [[] for _ in again]
    places = {without_arrival(event): place for place, event in enumerate(source())}
    found = [places[without_arrival(event)] for event in told if isinstance(event, Trade | BookUpdate)]
    assert found == sorted(found)
    book, source_book = (Book(open_tape(TAPE).instruments[0]) for _ in range(2))
    for event in told:
        if isinstance(event, BookSnapshot) or (isinstance(event, BookUpdate) and book.is_complete):
            book.apply(event)
        elif isinstance(event, ConnectionEvent) and event.loses_market:
            book.clear()
    for event in source():
        if isinstance(event, BookSnapshot | BookUpdate):
            source_book.apply(event)
    was_lied_to = any(isinstance(fault, LateSnapshot) for fault in plan)  # an old book after newer changes is what the venue said
    if (
        not was_lied_to
        and book.is_complete
        and found
        and found[-1] >= max(place for event, place in places.items() if isinstance(event, BookUpdate))
    ):
        assert (dict(book.bids), dict(book.asks)) == (dict(source_book.bids), dict(source_book.asks))
