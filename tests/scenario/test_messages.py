"""What a person reads who made a mistake in a scenario: file, table, key, what it held, what was expected, what to do."""

from __future__ import annotations

from pathlib import Path

import pytest

from papertape.model.errors import ConfigError, TapeError
from papertape.scenario.fault_text import parse_fault
from papertape.scenario.load import find_scenarios, load_scenario

GOOD = """\
title = "The reply to a buy is lost"
seed = 7
bot = "papertape.bots:MarketMaker"
bot_config = { symbol = "BTC/USD" }

[venue.coinbase]
feed = { tape = "builtin:btc-usd", start = "0s", end = "10m" }
account = { USD = "100000", BTC = "1" }
model = { fills = { kind = "queue" }, latency = { answer = { kind = "constant", value = "15ms" } } }

[[fault]]
on = "order.create"
nth = 3
kind = "lost_reply"

[heal]
at = "8m"
only = ["rest"]

[expect]
invariants = ["position_matches"]
recovers_within = "8s"
must_happen = ["reconciled_after_lost_reply"]

[expect.venue]
max_position = "0.05 BTC"

[hosts]
"api.telegram.org" = "accept"
"""

MISTAKES = [
    ("seed = 7", "sed = 7", "key `sed`: there is no such key; did you mean `seed`?"),
    ("seed = 7", 'seed = "seven"', 'key `seed`: holds "seven"; expected a whole number, such as 7'),
    ("seed = 7", 'depth = "wires"', 'key `depth`: holds "wires"; expected "interface" or "wire"; did you mean "wire"?'),
    (
        "seed = 7",
        'program = "bot.py"',
        'key `program`: stands beside `bot`; a run has one of the two: bot = "module:Name" or program = "script.py"',
    ),
    (
        'bot = "papertape.bots:MarketMaker"',
        "",
        'key `bot`: is missing; name what is to run: bot = "module:Name" or program = "script.py"',
    ),
    (
        'bot = "papertape.bots:MarketMaker"',
        'bot = "papertape.bots.MarketMaker"',
        'key `bot`: holds "papertape.bots.MarketMaker"; expected "module:Name", such as "papertape.bots:MarketMaker", or "bot.py:main"',
    ),
    (
        "[venue.coinbase]",
        "[venue.coinbsae]",
        '[venue], key `coinbsae`: no venue is called "coinbsae"; did you mean "coinbase"? `papertape list venues` shows all.',
    ),
    ("feed = ", "fed = ", "[venue.coinbase], key `fed`: there is no such key; did you mean `feed`?"),
    (
        "builtin:btc-usd",
        "builtin:btc-usdt",
        '[venue.coinbase.feed], key `tape`: no tape is called "builtin:btc-usdt"; did you mean "builtin:btc-usd"? '
        "`papertape list tapes` shows all.",
    ),
    ('end = "10m"', "end = 10", '[venue.coinbase.feed], key `end`: holds 10; expected a duration such as "2m" or an ISO 8601 time'),
    ('start = "0s"', 'start = "20m"', '[venue.coinbase.feed], key `end`: holds "10m", which is not after start = "20m"'),
    ('USD = "100000"', 'USD = "lots"', '[venue.coinbase.account], key `USD`: "lots" is no number'),
    (
        'USD = "100000"',
        'USD = "1e60"',
        "[venue.coinbase.account], key `USD`: holds 1E+60; expected at most 1e+24, beyond which no book is kept",
    ),
    ('USD = "100000"', 'USD = "-1"', "[venue.coinbase.account], key `USD`: holds -1; expected 0 or more"),
    (
        'fills = { kind = "queue" }',
        'fills = { kind = "que" }',
        '[venue.coinbase.model.fills], key `kind`: no fill model is called "que"; did you mean "queue"? `papertape list models` shows all.',
    ),
    (
        'fills = { kind = "queue" }',
        'fills = { kind = "power_queue", exponant = 2 }',
        '[venue.coinbase.model.fills], key `exponant`: fill model "power_queue" has no such key; did you mean `exponent`?',
    ),
    (
        'fills = { kind = "queue" }',
        'fills = "queue", fees = { kind = "tiered" }',
        '[venue.coinbase.model.fees], key `tiers`: is missing; fee model "tiered" needs it: expected a list',
    ),
    (
        'fills = { kind = "queue" }',
        'fills = "queue", fees = { kind = "tiered", tiers = [{ volume = 0, maker_bps = 1, taker = 2 }] }',
        "[venue.coinbase.model.fees], key `tiers`: entry 1 has a key `taker`; expected `volume`, `maker_bps`, `taker_bps`",
    ),
    (
        'fills = { kind = "queue" }',
        'fills = "queue", fees = { kind = "tiered", tiers = [{ volume = 0, maker_bps = 1, taker_bps = "two" }] }',
        '[venue.coinbase.model.fees], key `tiers`: entry 1, `taker_bps`: holds "two"; expected a number',
    ),
    (
        'kind = "constant", value = "15ms"',
        'kind = "measured", quantiles = ["1ms", 5]',
        "[venue.coinbase.model.latency.answer], key `quantiles`: entry 2 holds 5; expected text",
    ),
    (
        'kind = "constant", value = "15ms"',
        'kind = "measured", quantiles = "1ms"',
        '[venue.coinbase.model.latency.answer], key `quantiles`: holds "1ms"; expected a list',
    ),
    (
        'value = "15ms"',
        'value = "fast"',
        '[venue.coinbase.model.latency.answer], key `value`: "fast" is no duration; expected a number with a unit '
        '(ns, us, ms, s, m, h, d), such as "250ms" or "1m30s"',
    ),
    (
        'kind = "lost_reply"',
        'kind = "lost_replay"',
        '[[fault]] 1, key `kind`: no fault is called "lost_replay"; did you mean "lost_reply"? `papertape list faults` shows all.',
    ),
    (
        'kind = "lost_reply"',
        "",
        "[[fault]] 1, key `kind`: is missing; expected the name of a fault; `papertape list faults` shows all",
    ),
    ("nth = 3", "nht = 3", '[[fault]] 1, key `nht`: fault "lost_reply" has no such key; did you mean `nth`?'),
    ("nth = 3", "nth = 0", "[[fault]] 1, key `nth`: holds 0; the first matching request is 1"),
    ("nth = 3", 'nth = "third"', '[[fault]] 1, key `nth`: holds "third"; expected a whole number'),
    (
        "nth = 3",
        "venue = 'kraken'",
        '[[fault]] 1, key `venue`: no venue of this scenario is called "kraken"; `papertape list venues` shows all.',
    ),
    ("nth = 3", 'at = "soon"', '[[fault]] 1, key `at`: "soon" is no duration; expected a number with a unit'),
    (
        '"order.create"',
        '"order.make"',
        '[[fault]] 1, key `on`: holds "order.make"; expected "order.create", "order.edit", "order.cancel", ',
    ),
    ('at = "8m"', "at = 8", '[heal], key `at`: holds 8; expected text with a unit, such as "250ms" or "2m"'),
    (
        'only = ["rest"]',
        'only = ["rst"]',
        '[heal], key `only`: no lane is called "rst"; did you mean "rest"? `papertape list lanes` shows all.',
    ),
    (
        '"position_matches"',
        '"position_match"',
        '[expect], key `invariants`: no invariant is called "position_match"; did you mean "position_matches"? '
        "`papertape list invariants` shows all.",
    ),
    ('["position_matches"]', '"position_matches"', '[expect], key `invariants`: holds "position_matches"; expected a list of names'),
    (
        '"reconciled_after_lost_reply"',
        '"reconciled"',
        '[expect], key `must_happen`: no mark is called "reconciled"',
    ),
    ('"0.05 BTC"', '"0.05"', '[expect.venue], key `max_position`: holds "0.05"; expected an amount and a currency, such as "0.05 BTC"'),
    ('"accept"', '"allow"', '[hosts], key `api.telegram.org`: holds "allow"; expected "refuse", "accept" or "blackhole"'),
    ("[venue.coinbase]", "[venue.coinbase", "is no valid TOML: "),
]


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "lost.scenario.toml"


@pytest.mark.parametrize(("good", "bad", "message"), MISTAKES, ids=[bad or f"no {good}" for good, bad, _ in MISTAKES])
def test_says_what_where_and_what_was_expected(file: Path, good: str, bad: str, message: str) -> None:
    """One mistake gives one error that begins with the file and names table, key, value and remedy."""
    assert GOOD.count(good) == 1
    file.write_text(GOOD.replace(good, bad), encoding="utf-8")
    with pytest.raises(ConfigError) as caught:
        load_scenario(file)
    assert str(caught.value).startswith(f"{file.as_posix()}: {message}")


def test_the_scenario_that_the_mistakes_are_made_in_is_good(file: Path) -> None:
    """Without a mistake it loads, and every value is where it belongs."""
    file.write_text(GOOD, encoding="utf-8")
    scenario = load_scenario(file)
    assert scenario.title == "The reply to a buy is lost"
    assert scenario.seed == 7
    assert [fault.kind for fault in scenario.faults] == ["lost_reply"]
    assert scenario.faults[0].nth == 3
    assert scenario.expect.recovers_within_ns == 8_000_000_000
    assert scenario.heal is not None
    assert scenario.heal.at_ns == 480_000_000_000
    assert str(scenario.hosts["api.telegram.org"]) == "accept"
    assert scenario.repro == f"papertape run {file.as_posix()} --seed 7"


def test_a_tape_that_is_not_there_is_named(file: Path) -> None:
    """A missing tape is missing data, not a mistake in the file."""
    file.write_text(GOOD.replace("builtin:btc-usd", "mine.parquet"), encoding="utf-8")
    with pytest.raises(TapeError) as caught:
        load_scenario(file)
    wanted = f'[venue.coinbase.feed], key `tape`: holds "mine.parquet"; there is no file {file.parent.as_posix()}/mine.parquet. '
    assert str(caught.value).startswith(f"{file.as_posix()}: {wanted}")


def test_a_file_or_folder_that_is_not_there_is_named(tmp_path: Path) -> None:
    """The path as it was given, and what the folder has instead."""
    (tmp_path / "lost.scenario.toml").write_text(GOOD, encoding="utf-8")
    with pytest.raises(ConfigError, match=r"there is no such file or folder; .* has lost\.scenario\.toml"):
        find_scenarios(tmp_path / "last.scenario.toml")
    empty = tmp_path / "empty"
    empty.mkdir()
    with pytest.raises(ConfigError, match=r"no scenario in this folder; their names end in \.scenario\.toml"):
        find_scenarios(empty)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("lost_replay", '--fault lost_replay: lost_replay, key `kind`: no fault is called "lost_replay"; did you mean "lost_reply"?'),
        ("lost_reply,3", '--fault lost_reply,3: "3" is no setting; expected key=value, such as nth=3'),
        ("lost_reply,nth=x", '--fault lost_reply,nth=x: lost_reply, key `nth`: holds "x"; expected a whole number'),
        ("disconnect", "--fault disconnect: disconnect, key `at`: is missing; say when it starts"),
        ("disconnect,at=1s,conection=user", 'key `conection`: fault "disconnect" has no such key; did you mean `connection`?'),
    ],
)
def test_a_fault_on_the_command_line_is_checked_alike(text: str, message: str) -> None:
    """`--fault` gives the messages of [[fault]]."""
    with pytest.raises(ConfigError) as caught:
        parse_fault(text)
    assert message in str(caught.value)
