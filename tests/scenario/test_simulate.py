"""`papertape.simulate`: from a bot and a few words to a verdict."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

import papertape
from papertape.faults import LostReply

SHORT = {"coinbase": {"feed": {"tape": "builtin:btc-usd", "end": "20s"}, "account": {"USD": "100000"}}}


async def buys(exchange: papertape.BaseExchange, size: str = "0.01") -> None:
    await exchange.place_order("BTC/USD", "market", "buy", size)


def test_a_bot_and_a_fault_are_enough() -> None:
    """The market, the money and the checks come by themselves."""
    result = papertape.simulate(buys, faults=["lost_reply"], bot_config={"size": "0.02"}, venues=SHORT)
    assert result.is_passed, result.failures
    assert (result.orders, [fault.fired for fault in result.faults]) == (1, [1])
    assert result.repro.startswith("papertape.simulate(buys, …, seed=0)")


def test_the_shapes_of_a_fault_are_one() -> None:
    """A kind, a table or a struct: the same fault, the same run."""
    faults: list[Any] = ["lost_reply", {"kind": "lost_reply"}, LostReply()]
    digests = [papertape.simulate(buys, faults=[fault], venues=SHORT).digest for fault in faults]
    assert digests[0] == digests[1] == digests[2]


def test_a_file_runs_from_python_too(tmp_path: Path) -> None:
    """By its path or loaded before; seed and depth can be overruled."""
    path = tmp_path / "short.scenario.toml"
    path.write_text(
        'bot = "papertape.bots:twap"\nbot_config = { slices = 2, over = "5s" }\n'
        '[venue.coinbase]\nfeed = { tape = "builtin:btc-usd", end = "20s" }\naccount = { USD = "100000" }\n',
        encoding="utf-8",
    )
    by_path = papertape.simulate(path, seed=4)
    loaded = papertape.simulate(papertape.load_scenario(path), seed=4)
    assert by_path.digest == loaded.digest
    assert by_path.repro == f"papertape run {path.as_posix()} --seed 4"


def test_a_mistake_in_the_call_is_named() -> None:
    """The same messages as for a file, with simulate() in its place."""
    with pytest.raises(
        papertape.ConfigError, match=r'simulate\(\): \[\[fault\]\] 1, key `kind`: no fault is called "lost_replay"; did you'
    ):
        papertape.simulate(buys, faults=["lost_replay"])
    with pytest.raises(papertape.ConfigError, match=r"simulate\(\): \[venue\.coinbase\], key `acount`: there is no such key; did you mean"):
        papertape.simulate(buys, venues={"coinbase": {"feed": "builtin:btc-usd", "acount": {}}})
    with pytest.raises(papertape.ConfigError, match=r"simulate\(\): `faults` goes with a bot"):
        papertape.simulate("x.scenario.toml", faults=["lost_reply"])
    with pytest.raises(papertape.ConfigError, match=r"simulate\(\): the first argument is 7; expected"):
        papertape.simulate(7)  # type: ignore[arg-type]  # wrong on purpose
