"""Named randomness is the same everywhere and never shifts."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from papertape.runtime.chance import Chance


def test_draws_are_the_same_on_every_machine_and_version() -> None:
    """The very numbers are part of what a seed means: they may not change unnoticed."""
    chance = Chance(7)
    assert [chance.stream("backoff").word(), chance.keyed("latency/market", 0), chance.keyed("latency/market", 41)] == [
        12235167388417416675,
        192866807440105906,
        13610005486610587347,
    ]
    assert Chance("seven").stream("backoff").bytes(4).hex() == "eb1f0b93"


@given(first=st.lists(st.integers(1, 1000)), second=st.lists(st.integers(1, 1000)))
def test_one_stream_does_not_shift_another(first: list[int], second: list[int]) -> None:
    """Whatever is drawn from one stream in between, another stream's draws stay."""
    chance = Chance(1)
    alone = chance.stream("b")
    expected = [alone.below(count) for count in second]
    noisy, quiet = chance.stream("a"), chance.stream("b")
    drawn = []
    for index, count in enumerate(second):
        for other in first[index : index + 3]:
            noisy.below(other)
        drawn.append(quiet.below(count))
    assert drawn == expected


@given(st.integers(-(2**100), 2**100), st.text(max_size=5))
def test_a_keyed_draw_ignores_what_was_drawn_before(key: int, name: str) -> None:
    """Asking for a row's draw twice, or after others, gives the same number of 64 bits."""
    chance = Chance(3)
    draw = chance.keyed(name, key)
    chance.keyed(name, key + 1)
    chance.stream(name).word()
    assert chance.keyed(name, key) == draw == Chance(3).keyed(name, key)
    assert 0 <= draw < 2**64


def test_names_and_seeds_are_told_apart() -> None:
    """Neighbouring names, keys and seeds, and a number against its text, share nothing."""
    draws = [
        Chance(1).stream("a").word(),
        Chance(1).stream("b").word(),
        Chance(2).stream("a").word(),
        Chance("1").stream("a").word(),
        Chance(11).stream("a").word(),
        Chance(1).stream("1a").word(),
        Chance(1).keyed("a", 0),
        Chance(1).keyed("a", 1),
        Chance(1).keyed("a", -1),
    ]
    assert len(dict.fromkeys(draws)) == len(draws)


@given(st.integers(1, 2**70), st.integers(0, 50))
def test_below_stays_below(count: int, seed: int) -> None:
    """A draw is at least 0 and below the count, whatever the count."""
    assert 0 <= Chance(seed).stream("x").below(count) < count


@given(st.integers(-1000, 1000), st.integers(0, 1000))
def test_between_includes_both_ends(low: int, span: int) -> None:
    """A range of one number gives that number; other draws stay within."""
    stream = Chance(5).stream("x")
    assert stream.between(low, low) == low
    assert all(low <= stream.between(low, low + span) <= low + span for _ in range(5))


def test_below_is_fair() -> None:
    """Over many draws of three, each comes about as often."""
    stream = Chance(9).stream("dice")
    counts = [0, 0, 0]
    for _ in range(30_000):
        counts[stream.below(3)] += 1
    assert all(9_600 < count < 10_400 for count in counts)


def test_nothing_is_below_nothing() -> None:
    """Asking for one of no numbers is an error, not a silent 0."""
    with pytest.raises(ValueError, match="below 0"):
        Chance(1).stream("x").below(0)


@given(st.lists(st.integers(0, 200), max_size=20))
def test_bytes_are_one_long_stream(sizes: list[int]) -> None:
    """However the bytes are asked for, together they are the same."""
    piecewise, whole = Chance(4).stream("x"), Chance(4).stream("x")
    assert b"".join(piecewise.bytes(size) for size in sizes) == whole.bytes(sum(sizes))


@given(st.lists(st.integers(), max_size=30))
def test_a_shuffle_loses_nothing(items: list[int]) -> None:
    """A shuffled list holds what it held, and the same seed shuffles the same way."""
    first, second = list(items), list(items)
    Chance(2).stream("x").shuffle(first)
    Chance(2).stream("x").shuffle(second)
    assert sorted(first) == sorted(items)
    assert first == second


def test_floats_are_below_one() -> None:
    """A float draw is at least 0.0 and below 1.0, and choice takes what is there."""
    stream = Chance(8).stream("x")
    assert all(0.0 <= stream.random() < 1.0 for _ in range(1000))
    assert stream.choice(["only"]) == "only"
