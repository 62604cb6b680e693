"""A scenario that is written and loaded again is the same scenario."""

from __future__ import annotations

import tomllib
from pathlib import Path
from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from papertape.model.errors import ConfigError
from papertape.model.units import MINUTE
from papertape.scenario.load import load_scenario
from papertape.scenario.make import make_scenario
from papertape.scenario.swarm import drawn_plan
from papertape.scenario.write import scenario_text, value_text
from papertape.session.spec import Scenario

GALLERY = sorted((Path(__file__).parents[2] / "scenarios").glob("*.scenario.toml"))

texts = st.text(st.characters(exclude_categories=["Cs"]), max_size=8)
words = st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=8)
plain_values = st.one_of(
    st.booleans(), st.integers(-(2**60), 2**60), st.floats(allow_nan=False), texts, st.datetimes(), st.dates(), st.times()
)
values = st.recursive(plain_values, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(words, inner, max_size=3), max_leaves=6)
amounts = st.decimals(0, 10**9, places=8).map(str)
durations = st.integers(1, 10**6).map(lambda ms: f"{ms}ms")
laws = st.one_of(
    durations.map(lambda value: {"kind": "constant", "value": value}), st.just({"kind": "lognormal", "median": "20ms", "p99": "180ms"})
)
models = st.fixed_dictionaries(
    {},
    optional={
        "fills": st.sampled_from([{"kind": "queue"}, "queue"]),
        "fees": st.just({"kind": "flat", "maker_bps": 4, "taker_bps": 6}),
        "latency": st.fixed_dictionaries({}, optional={"order": laws, "answer": laws, "market": laws}),
    },
)
feeds = st.fixed_dictionaries({"tape": st.just("builtin:btc-usd")}, optional={"start": st.just("1s"), "end": durations.map("1h{}".format)})
venues = st.dictionaries(
    st.sampled_from(["coinbase", "binance"]),
    st.fixed_dictionaries(
        {"feed": feeds | st.lists(feeds, min_size=1, max_size=2), "account": st.dictionaries(words, amounts, min_size=1, max_size=3)},
        optional={"model": models},
    ),
    min_size=1,
)
expectations = st.fixed_dictionaries(
    {},
    optional={
        "invariants": st.lists(st.sampled_from(["position_matches", "rate_respected"]), unique=True),
        "recovers_within": durations,
        "must_happen": st.just(["reconnected"]),
        "must_hit": st.booleans(),
        "venue": st.fixed_dictionaries({}, optional={"max_position": amounts.map("{} BTC".format)}),
    },
)
tables = st.fixed_dictionaries(
    {"title": words, "bot": st.just("papertape.bots:MarketMaker"), "venue": venues},
    optional={
        "seed": st.integers(0, 2**40),
        "depth": st.sampled_from(["interface", "wire"]),
        "bot_config": st.dictionaries(words, values, max_size=3),
        "heal": st.fixed_dictionaries({"at": durations}, optional={"only": st.lists(st.sampled_from(["rest", "user"]), unique=True)}),
        "expect": expectations,
        "hosts": st.dictionaries(words, st.sampled_from(["refuse", "accept", "blackhole"]), max_size=2),
    },
)


def loaded(text: str) -> Scenario:
    return make_scenario(tomllib.loads(text), source="here", folder=Path())


@settings(max_examples=60, deadline=None)
@given(table=tables, plan=st.integers(0, 10**6))
def test_what_is_written_loads_as_what_it_was(table: dict[str, Any], plan: int) -> None:
    """The law: load(write(scenario)) == scenario, whatever stands in it."""
    faults = drawn_plan(plan, until_ns=MINUTE, is_wire=table.get("depth") == "wire")
    scenario = make_scenario({**table, "fault": list(faults)}, source="here", folder=Path())
    assert loaded(scenario_text(scenario)) == scenario


@settings(max_examples=60, deadline=None)
@given(value=values)
def test_any_value_of_toml_can_be_written(value: Any) -> None:
    """Texts with every kind of quote and control character among them."""
    assert tomllib.loads(f"key = {value_text(value)}")["key"] == value


@pytest.mark.parametrize("path", GALLERY, ids=lambda path: path.name.removesuffix(".scenario.toml"))
def test_the_gallery_survives_being_written_elsewhere(path: Path, tmp_path: Path) -> None:
    """In another folder too, from where it is loaded as a file."""
    scenario = load_scenario(path)
    copy = tmp_path / "copy.scenario.toml"
    copy.write_text(scenario_text(scenario, tmp_path), encoding="utf-8")
    again = load_scenario(copy)
    assert msgspec.structs.replace(again, path=scenario.path, folder=scenario.folder, repro=scenario.repro) == scenario


def test_paths_are_written_as_seen_from_the_new_folder(tmp_path: Path) -> None:
    """A bot file and a tape next to the old scenario are found from the new one."""
    for name in ("bot.py", "maker.py"):
        (tmp_path / name).write_text("async def main(exchange): ...\n", encoding="utf-8")
    (tmp_path / "day.tape").touch()
    venue = {"coinbase": {"feed": {"tape": "day.tape"}, "account": {"USD": "1"}}}
    for bot, seen in (("bot.py:main", "../bot.py:main"), ("maker:main", "../maker.py:main")):
        scenario = make_scenario({"bot": bot, "venue": venue}, source="here", folder=tmp_path)
        raw = tomllib.loads(scenario_text(scenario, tmp_path / "found"))
        assert (raw["bot"], raw["venue"]["coinbase"]["feed"]["tape"]) == (seen, "../day.tape")


def test_a_bot_that_is_an_object_has_no_file() -> None:
    async def main(exchange: object) -> None: ...

    venue = {"coinbase": {"feed": "builtin:btc-usd", "account": {"USD": "1"}}}
    with pytest.raises(ConfigError, match="its bot is an object"):
        scenario_text(make_scenario({"bot": main, "venue": venue}, source="here", folder=Path()))
