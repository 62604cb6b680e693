"""The faults of the network as tables: what they say, what makes no sense, and that text and table are two ways to say the same."""

from __future__ import annotations

import functools
import operator
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from papertape.cli.list import explain
from papertape.faults import (
    AT_THE_DOOR,
    FAULTS,
    ON_THE_LINE,
    Bandwidth,
    BlackHole,
    ConnectRefused,
    Corrupt,
    DnsFailure,
    DnsSlow,
    HalfClose,
    HalfOpen,
    Lag,
    Reset,
    SlowConnect,
    Split,
    TlsExpired,
)  # fmt: skip
from papertape.faults.base import as_table, checked
from papertape.faults.network import NetworkFault
from papertape.model.errors import ConfigError
from papertape.model.units import MILLISECOND, SECOND
from papertape.runtime.network.trouble import Act
from papertape.scenario.fault_text import fault_text, parse_fault

ANY = functools.reduce(operator.or_, FAULTS.values())

durations = st.integers(1, 10**6).map(lambda ms: f"{ms}ms")
kinds = st.sampled_from([str(member.__struct_config__.tag) for member in ON_THE_LINE if member.act.name not in ("FAIL_LOOKUP", "EXPIRE")])
selectors = st.fixed_dictionaries(
    {},
    optional={"host": st.sampled_from(["api.test", "localhost", "::1"]), "nth_connection": st.integers(1, 9), "at": durations},
)


@given(kind=kinds, keys=selectors)
def test_a_table_a_text_and_a_fault_are_the_same(kind: str, keys: dict[str, Any]) -> None:
    """Whichever way it goes round."""
    fault = msgspec.convert({"kind": kind, **keys}, ANY)
    assert msgspec.convert(as_table(fault), ANY) == fault
    if kind != "dns_slow" or keys.get("host", "api.test") == "api.test":
        assert parse_fault(fault_text(fault)) == fault


@pytest.mark.parametrize(
    "fault",
    [
        Split(size=7, random=True, direction="to_client", after_bytes=0),
        Corrupt(skip=3, bit=0, after_frames=2),
        Lag(add="1m30s", jitter="10us", from_="1s", until="2s"),
        DnsFailure(error="try_again", takes="5s", host="a.test"),
        Bandwidth(bytes_per_second=1, lasts="5s"),
    ],
)
def test_every_key_survives_the_command_line(fault: NetworkFault) -> None:
    assert parse_fault(fault_text(fault)) == fault


@pytest.mark.parametrize(
    ("fault", "words"),
    [
        (Reset(on="order.create"), "key `on`: goes with requests at a venue"),
        (Reset(nth=2), "goes by host and nth_connection"),
        (Reset(where={"side": "buy"}), "key `where`"),
        (Reset(venue="coinbase"), "key `venue`"),
        (Reset(times=2), "key `times`"),
        (Reset(host=""), "expected the name of a host"),
        (Reset(host="https://a.test/"), "expected the name of a host"),
        (Reset(nth_connection=0), "the first connection is 1"),
        (Reset(after_bytes=-1), "expected 0 or more"),
        (Reset(after_bytes=1, after_frames=1), "stands beside `after_bytes`"),
        (Reset(lasts="5s"), "needs `at`"),
        (HalfOpen(at="soon"), '"soon" is no duration'),
        (HalfOpen(at="1s", lasts="0s"), "`lasts`: is 0"),
        (HalfOpen(until="1s"), "needs `from`"),
        (BlackHole(from_="2s", until="1s"), "not after"),
        (ConnectRefused(after_bytes=1), "acts before there are any"),
        (TlsExpired(direction="to_server"), "acts before there are any"),
        (DnsSlow(host="10.0.0.1"), "which nobody looks up"),
        (DnsFailure(host="localhost"), "which nobody looks up"),
        (DnsFailure(takes="long"), '"long" is no duration'),
        (SlowConnect(add="much"), '"much" is no duration'),
        (Lag(jitter="some"), '"some" is no duration'),
        (Bandwidth(bytes_per_second=0), '"half_open" for none at all'),
        (Split(size=0), "expected 1 or more"),
        (Corrupt(skip=-1), "expected 0 or more"),
        (Corrupt(bit=8), "expected 0 to 7"),
    ],
)  # fmt: skip
def test_settings_that_make_no_sense_are_named(fault: NetworkFault, words: str) -> None:
    with pytest.raises(ConfigError, match="key") as raised:
        checked(fault)
    assert words in str(raised.value)


@pytest.mark.parametrize("member", ON_THE_LINE)
def test_each_says_what_it_does_at_both_depths(member: type[NetworkFault], capsys: pytest.CaptureFixture[str]) -> None:
    """Nothing at interface depth, and exactly what at wire depth; it makes sense as it is, does nothing at a Door, and can be explained."""
    fault = member()
    assert checked(fault) is fault
    assert (fault.needs_wire, fault.lanes(), fault.trigger()) == (True, (), None)
    assert fault.trouble().kind == fault.kind
    explain(fault.kind)
    told = capsys.readouterr().out
    assert "interface: nothing;" in told
    assert "wire: " in told
    assert "nth_connection = (not set)" in told


def test_every_act_has_a_fault_and_every_fault_its_own() -> None:
    assert [member.act for member in ON_THE_LINE if [each.act for each in ON_THE_LINE].count(member.act) > 1] == []
    assert [act for act in Act if act not in [member.act for member in ON_THE_LINE]] == []
    assert not any(hasattr(member, "needs_wire") for member in AT_THE_DOOR)


@pytest.mark.parametrize(
    ("fault", "start_ns", "lasts_ns"),
    [
        (Reset(), None, None),
        (Reset(at="1s"), SECOND, 0),
        (Reset(at="1s", after_bytes=5), SECOND, None),
        (HalfClose(from_="1s", until="1500ms"), SECOND, 500 * MILLISECOND),
        (HalfOpen(at="1s"), SECOND, None),
        (HalfOpen(lasts="2s"), None, 2 * SECOND),
        (HalfOpen(at="1s", lasts="2s"), SECOND, 2 * SECOND),
    ],
)
def test_when_it_acts(fault: NetworkFault, start_ns: int | None, lasts_ns: int | None) -> None:
    """What happens once and is told `at` alone happens at that instant; what lasts and is not told how long lasts until healed."""
    trouble = fault.trouble()
    assert (trouble.start_ns, trouble.lasts_ns) == (start_ns, lasts_ns)
