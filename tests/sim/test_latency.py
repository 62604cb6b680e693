"""Laws of delay: the same bits give the same nanoseconds, everywhere and for ever."""

from __future__ import annotations

import hashlib
import statistics
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from papertape.model.units import MILLISECOND
from papertape.sim.latency import LATENCIES, AnyLatency, ConstantLatency, LognormalLatency, MeasuredLatency, RecordedLatency
from papertape.sim.latency.quantiles import QUANTILES

TOP = 2**64
LAW = LognormalLatency(median="20ms", p99="180ms")
draws = st.integers(0, TOP - 1)


def test_median_and_p99_are_what_was_asked_for() -> None:
    """Exactly half of all draws are under the median, and 99 of 100 under p99, to a nanosecond."""
    assert LAW.ns(TOP // 2) == 20 * MILLISECOND
    assert LAW.ns(TOP // 100 * 99) in (180 * MILLISECOND, 180 * MILLISECOND - 1)


@given(draws, draws)
def test_longer_draws_never_give_shorter_delays(one: int, other: int) -> None:
    low, high = sorted((one, other))
    assert 0 < LAW.ns(low) <= LAW.ns(high) <= LAW.ns(TOP - 1)


def test_delays_are_the_same_on_every_machine() -> None:
    """A digest over the whole range, committed: integers and exact decimals only, so nothing may ever change it."""
    delays = [LAW.ns(step * (TOP // 4096)) for step in range(4096)]
    assert hashlib.sha256(repr(delays).encode()).hexdigest()[:16] == "7bc4acd28b1d6085"


def test_quantiles_are_the_normal_distribution() -> None:
    normal = statistics.NormalDist()
    assert [QUANTILES[step] for step in (0, 100, 490)] == [round(normal.inv_cdf(0.5 + step / 1000) * 10**9) for step in (0, 100, 490)]
    assert list(QUANTILES) == sorted(QUANTILES)
    assert len(QUANTILES) == 501


def test_lognormal_of_one_point_is_constant() -> None:
    law = LognormalLatency(median="5ms", p99="5ms")
    assert {law.ns(draw) for draw in (0, TOP // 3, TOP - 1)} == {5 * MILLISECOND}


def test_laws_are_read_from_a_scenario() -> None:
    """By `kind`, durations as text."""
    assert msgspec.convert({"kind": "constant", "value": "15ms"}, AnyLatency) == ConstantLatency("15ms")
    assert msgspec.convert({"kind": "lognormal", "median": "20ms", "p99": "180ms"}, AnyLatency) == LAW
    assert msgspec.convert({"kind": "recorded"}, AnyLatency) == RecordedLatency()
    assert [law.__struct_config__.tag for law in LATENCIES.values()] == list(LATENCIES)
    assert ConstantLatency("15ms").ns(draw=3) == 15 * MILLISECOND
    assert RecordedLatency().ns(draw=3) == 0


@pytest.mark.parametrize(
    ("table", "message"),
    [
        ({"kind": "constant", "value": "soon"}, 'constant latency, key `value`: "soon" is no duration'),
        ({"kind": "lognormal", "median": "20ms", "p99": "10ms"}, "expected 0 < median <= p99"),
        ({"kind": "lognormal", "median": "0s", "p99": "10ms"}, "expected 0 < median <= p99"),
        ({"kind": "lognormal", "median": "1ms", "p99": "x"}, "key `p99`"),
        ({"kind": "measured", "quantiles": ["1ms"]}, "key `quantiles`: holds 1; expected 2 to 10001 durations"),
        ({"kind": "measured", "quantiles": ["2ms", "1ms"]}, '"1ms" comes after "2ms"; expected none to be shorter'),
        ({"kind": "measured", "quantiles": ["1ms", "2 ms"]}, 'key `quantiles`: "2 ms" is no duration'),
    ],
)
def test_bad_laws_say_what_is_wrong(table: dict[str, Any], message: str) -> None:
    with pytest.raises(msgspec.ValidationError, match=message):
        msgspec.convert(table, AnyLatency)


@given(st.lists(st.integers(0, 10**9), min_size=2, max_size=9).map(sorted), draws, draws)
def test_measured_delays_stay_within_their_table(quantiles: list[int], one: int, other: int) -> None:
    """Longer draws never give shorter delays, none leaves the table, and at each step the delay is the quantile itself."""
    law = MeasuredLatency(quantiles=tuple(f"{ns}ns" for ns in quantiles))
    low, high = sorted((one, other))
    assert quantiles[0] <= law.ns(low) <= law.ns(high) <= quantiles[-1]
    steps = len(quantiles) - 1
    for step, ns in enumerate(quantiles[:-1]):
        assert abs(law.ns(-(-TOP * step // steps)) - ns) <= 1


def test_measured_delays_are_the_same_on_every_machine() -> None:
    """A digest, committed: integers only."""
    law = MeasuredLatency(quantiles=("1ms", "1.5ms", "7ms", "7ms", "1s"))
    delays = [law.ns(step * (TOP // 4096)) for step in range(4096)]
    assert hashlib.sha256(repr(delays).encode()).hexdigest()[:16] == "45182eac57528427"
