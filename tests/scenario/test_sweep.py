"""A sweep is what was asked for, whoever does it: one process or two, one run or three parts."""

from __future__ import annotations

import io
from pathlib import Path

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from papertape.model.errors import ConfigError
from papertape.reports.sweep import write as write_report
from papertape.scenario.crew import Crew
from papertape.scenario.seed_result import Cell, Hits, SeedResult, lines
from papertape.scenario.summary import as_json, summarize
from papertape.scenario.sweep import Collector, Shard, bases_of, do_sweep, holes, jobs_of, merged, parse_shard, read_lines
from papertape.scenario.worker import Base, Job
from papertape.session.result import Status

BASE = """\
title = "A market maker for ten seconds"
bot = "papertape.bots:MarketMaker"

[venue.coinbase]
feed = { tape = "builtin:btc-usd", end = "10s" }
account = { USD = "100000", BTC = "1" }
"""

SEEDS = 5


def lines_of(folder: Path, workers: int, shard: Shard | None = None) -> str:
    jobs = (shard or Shard()).of(jobs_of(bases_of([folder]), 3, SEEDS))
    file = io.StringIO()
    with Crew(workers) as crew:
        results, is_cut = do_sweep(jobs, crew, Collector(len(jobs), file))
    assert not is_cut
    assert file.getvalue() == lines(results)
    return lines(results)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    place = tmp_path_factory.mktemp("sweep")
    (place / "maker.scenario.toml").write_text(BASE, encoding="utf-8")
    return place


@pytest.fixture(scope="module")
def whole(folder: Path) -> str:
    return lines_of(folder, 1)


def test_two_workers_do_what_one_does(folder: Path, whole: str) -> None:
    """Byte for byte, in the order of the seeds."""
    assert lines_of(folder, 2) == whole
    results = [msgspec.json.decode(line, type=SeedResult) for line in whole.splitlines()]
    assert [result.seed for result in results] == list(range(3, 3 + SEEDS))
    assert len({result.digest for result in results}) == SEEDS
    assert any(fault.fired for result in results for fault in result.faults)
    assert any(result.cells for result in results)


def test_shards_merge_to_the_same_as_one_run(folder: Path, whole: str, tmp_path: Path) -> None:
    """Each part is a file; together they are the file that one run would have written, whatever their order."""
    paths = []
    for number in (2, 1):
        paths.append(tmp_path / f"{number}.jsonl")
        paths[-1].write_text(lines_of(folder, 2, Shard(number, 2)), encoding="utf-8")
    assert lines(merged([read_lines(path) for path in paths], ["a", "b"])) == whole


@settings(max_examples=40, deadline=None)
@given(count=st.integers(1, 9), total=st.integers(0, 40))
def test_every_job_is_in_one_shard(count: int, total: int) -> None:
    jobs = [Job(Base("x"), seed) for seed in range(total)]
    parts = [Shard(number, count).of(jobs) for number in range(1, count + 1)]
    assert sorted(job.seed for part in parts for job in part) == list(range(total))
    assert max(map(len, parts)) - min(map(len, parts)) <= 1


@settings(max_examples=40, deadline=None)
@given(order=st.permutations(range(6)), missing=st.integers(0, 6))
def test_results_are_written_in_order_however_they_come(order: list[int], missing: int) -> None:
    """What is complete up to there at once, what lies behind a hole in the end."""
    file = io.StringIO()
    collector = Collector(6, file)
    for index in order[missing:]:
        collector.take(index, SeedResult(scenario="x", seed=index, status=Status.PASSED))
    results = collector.finish()
    assert [result.seed for result in results] == sorted(order[missing:])
    assert file.getvalue() == lines(results)


def test_an_interrupt_leaves_what_is_done(folder: Path) -> None:
    """Ctrl-C is heard by whoever waits; the results so far are in order, and it is known that some are missing."""
    jobs = jobs_of(bases_of([folder]), 0, 50)

    def press(done: int, total: int, result: SeedResult) -> None:
        if done == 3:
            raise KeyboardInterrupt

    with Crew(2) as crew:
        results, is_cut = do_sweep(jobs, crew, Collector(len(jobs), told=press))
    assert is_cut
    assert len(results) == 3
    assert [result.seed for result in results] == sorted(result.seed for result in results)


def test_parts_of_different_sweeps_do_not_merge() -> None:
    """The same seed with another digest: another version, or another tape."""
    one = SeedResult(scenario="x", seed=4, status=Status.PASSED, digest="a")
    other = msgspec.structs.replace(one, digest="b")
    assert merged([[one], [one]], ["a", "b"]) == [one]
    with pytest.raises(ConfigError, match=r"late\.jsonl: seed 4 of x is in early\.jsonl as well, with another result"):
        merged([[one], [other]], ["early.jsonl", "late.jsonl"])


@pytest.mark.parametrize("text", ["0/2", "3/2", "1", "a/b", "1/0", "-1/2", "", "1/10000000", "\u0661/\u0662"])
def test_a_shard_is_i_of_n(text: str) -> None:
    with pytest.raises(ConfigError, match="expected i/n"):
        parse_shard(text)


def test_a_line_that_is_none_is_named(tmp_path: Path) -> None:
    path = tmp_path / "part.jsonl"
    path.write_text('{"scenario":"x","seed":1,"status":"passed"}\n{"seed":2}\n', encoding="utf-8")
    with pytest.raises(ConfigError, match=r"part\.jsonl:2: is no line of a sweep: .*scenario"):
        read_lines(path)


def test_the_report_counts_what_there_is() -> None:
    """Verdicts, faults with their hits, where they hit, what broke and in which seeds."""
    cells = (Cell("gap", "orders open", "all lanes up", 2), Cell("gap", "no order open", "a lane down", 1))
    results = [
        SeedResult(
            scenario="x", seed=0, status=Status.PASSED, faults=(Hits("gap", 2), Hits("gap", 0)), cells=cells, marks={"reconnected": 3}
        ),
        SeedResult(scenario="x", seed=1, status=Status.FAILED, faults=(Hits("stall", 0),), broken=("position_matches",), failures=("no",)),
    ]
    file = io.StringIO()
    write_report(results, file, kinds=["lost_reply"], lacking=['"resubscribed" had to happen in some seed and did in none'])
    rows = [" ".join(line.split()) for line in file.getvalue().splitlines()]
    for row in (
        "x 2 1 1 0 0 0 0 0 0", "gap 1 1 2 1 2", "stall 1 0 1 0 0", "lost_reply 0 0 0 0 0", "gap - - - 1 2 - - -",
        "reconnected 1 3", "resubscribed 0 0", "position_matches 1 1 no", "never hit anything: lost_reply, stall",
        'never hit while "a lane dialling": gap', 'never hit while "a lane repairing": gap',
        '"resubscribed" had to happen in some seed and did in none',
        "2 seeds: 1 passed, 1 failed",
    ):  # fmt: skip
        assert row in rows, file.getvalue()


def test_why_seeds_proved_nothing_is_counted() -> None:
    """By the kind of reason, with the first seed of each; and an invariant that nobody ever judged is named."""
    results = [
        SeedResult(
            scenario="x", seed=7, status=Status.VACUOUS, failures=("gap, over at 5s, had not been recovered from", "nothing was judged")
        ),
        SeedResult(scenario="x", seed=8, status=Status.VACUOUS, failures=("gap, over at 9s, had not been recovered from",)),
        SeedResult(scenario="x", seed=9, status=Status.PASSED),
    ]
    results = [msgspec.structs.replace(result, not_judged=("position_matches",)) for result in results]
    whole = summarize(results)
    assert [(reason.seeds, reason.first) for reason in whole.hollow.values()] == [(2, 7), (1, 7)]
    assert whole.never_judged() == ["position_matches"]
    file = io.StringIO()
    write_report(results, file)
    rows = [" ".join(line.split()) for line in file.getvalue().splitlines()]
    for row in ("gap, over at 5s, had not been recovered from 2 7", "position_matches 0 3", "judged in no seed: position_matches"):
        assert row in rows, file.getvalue()


def test_a_sweep_falls_short_where_a_fault_or_a_mark_is_missing() -> None:
    """A fault that is drawn often and never hits proves as little as one that is never drawn."""
    result = SeedResult(scenario="x", seed=1, status=Status.PASSED, faults=(Hits("gap", 9), Hits("stall", 0)), marks={"reconnected": 1})
    whole = summarize([result, msgspec.structs.replace(result, seed=2)], ["gap", "stall", "reject"])
    assert whole.shortfalls() == []
    assert whole.shortfalls(at_least=2, must_happen=["reconnected", "resubscribed"]) == [
        '"reject": 0 of 0 faults drawn hit something; at least 2 had to',
        '"stall": 0 of 2 faults drawn hit something; at least 2 had to',
        '"resubscribed" had to happen in some seed and did in none',
    ]
    assert len(whole.shortfalls(at_least=3)) == 3


def test_every_count_is_in_the_file_too() -> None:
    cells = (Cell("gap", "orders open", "all lanes up", 2),)
    table = msgspec.json.decode(as_json(summarize([SeedResult(scenario="x", seed=0, status=Status.PASSED, cells=cells)], ["gap"])))
    assert table["cells"] == [{"fault": "gap", "order": "orders open", "lanes": "all lanes up", "count": 2}]
    assert table["never_exercised"]["gap"] == ["no order open", "a lane repairing", "a lane dialling", "a lane down"]
    assert (table["never_hit"], table["faults"]["gap"]["drawn"]) == (["gap"], 0)


def test_a_builtin_tape_is_swept_with_the_bot_that_is_named() -> None:
    """No file is needed; the repro names tape and bot."""
    (base,) = bases_of([Path("builtin:btc-usd")], bot="papertape.bots:twap", depth="wire")
    scenario = base.load()
    assert (scenario.bot, scenario.depth, scenario.expect.recovers_within) == ("papertape.bots:twap", "wire", "60s")
    assert base.repro(4) == "papertape sweep builtin:btc-usd --bot papertape.bots:twap --depth wire --seeds 1 --first 4"
    with pytest.raises(ConfigError, match="which bot"):
        bases_of([Path("builtin:btc-usd")])
    with pytest.raises(ConfigError, match="is a bot itself"):
        bases_of([Path("bot.py")], bot="papertape.bots:twap")


def test_another_bot_takes_a_scenarios_place(folder: Path) -> None:
    """With the settings of one of the same make; any other gets at most its symbol, since it would not know them."""
    path = folder / "sized.toml"
    path.write_text(BASE.replace("\n\n", '\nbot_config = { symbol = "BTC/USD", size = "0.02" }\n\n', 1), encoding="utf-8")
    canary = Base(path.as_posix(), bot="papertape.bots.canaries:IgnoresRetryAfter").load()
    assert canary.bot_config == {"symbol": "BTC/USD", "size": "0.02"}
    taker = Base(path.as_posix(), bot="papertape.bots:MomentumTaker").load()
    assert (taker.bot, taker.bot_config) == ("papertape.bots:MomentumTaker", {"symbol": "BTC/USD"})


def test_a_part_that_is_missing_is_told() -> None:
    """Nobody takes three quarters of a sweep for the whole of it."""
    results = [SeedResult(scenario="a", seed=seed, status=Status.PASSED, digest="") for seed in range(10, 18)]
    assert holes(results) == []
    told = holes([result for result in results if result.seed % 4 != 3])
    assert told == ["a: 2 of its seeds from 10 to 17 are in none of the parts; is a file missing?"]
