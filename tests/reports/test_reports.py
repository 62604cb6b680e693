"""What a run's result looks like to people, to pipelines and to continuous integration."""

from __future__ import annotations

import io
import json
from decimal import Decimal
from xml.etree import ElementTree

import msgspec
import pytest

from papertape import reports
from papertape.reports.table import TIMELINE_WIDTH, timeline_lines, write
from papertape.session.result import ExitCode, FaultResult, Moment, RunResult, Status

PASSED = RunResult(
    scenario="scenarios/lost.scenario.toml", title="The reply to a buy is lost", seed=7, status=Status.PASSED, digest="abcdef0123456789",
    events=24_051, orders=12, fills=3,
    faults=(FaultResult(kind="lost_reply", fired=1, recovery_ns=1_250_000_000), FaultResult(kind="gap", fired=2)),
    marks={"reconciled_after_lost_reply": 1}, balances={"coinbase": {"USD": Decimal("99360.25"), "BTC": Decimal("1.01")}},
    fees={"USD": Decimal("3.84")}, pnl={"USD": Decimal("-3.59")}, virtual_ns=600_000_000_000, wall_s=0.25,
    repro="papertape run scenarios/lost.scenario.toml --seed 7",
)  # fmt: skip
FAILED = RunResult(
    scenario="scenarios/twice.scenario.toml", seed=1, status=Status.FAILED, digest="00", wall_s=0.5,
    failures=("no_duplicate_exposure: intent 3 has two orders, o-000004 and o-000005",),
    repro="papertape run scenarios/twice.scenario.toml --seed 1",
)  # fmt: skip
ERROR = RunResult(
    scenario="bad.scenario.toml", seed=0, status=Status.ERROR, failures=("bad.scenario.toml: key `sed`: there is no such key <&\x00>",),
    error_exit=ExitCode.CONFIG, repro="papertape run bad.scenario.toml",
)  # fmt: skip
VACUOUS = RunResult(
    scenario="void.scenario.toml", seed=0, status=Status.VACUOUS, failures=("fault 1 (gap) hit nothing",), repro="papertape run void"
)
TWICE = "coinbase: bot.py:31 bought 0.01 BTC/USD again at 12.003s, while the outcome of the order it sent at 2.001s was undisclosed"
SUSPECT = RunResult(
    scenario="bot.py", seed=0, depth="wire", status=Status.SUSPECT, failures=(TWICE,), notes=("coinbase: never told of o-000001",),
    timeline=(
        Moment(
            at_ns=2_001_004_321, venue="coinbase", line="bot.py:31", what="order.create buy 0.01 BTC/USD",
            outcome="filled; its answer was lost",
        ),
        Moment(
            at_ns=12_003_000_000, venue="coinbase", line="bot.py:7", what="order.create buy 0.01 BTC/USD at 64000",
            outcome="filled; answer heard at 12.033s",
        ),
    ),
    intercepted=(("time.time", 1204, "bot.py:12"), ("os.urandom", 3, "")), repro="papertape run bot.py --fault lost_reply",
)  # fmt: skip


def test_the_table_says_what_a_run_came_to() -> None:
    """Events, orders, fills, faults with their recovery, balances, PnL, verdict and digest, in one row."""
    text = reports.render("table", [PASSED])
    for word in (
        "lost",
        "passed",
        "24,051",
        "12",
        "3",
        "lost_reply ×1",
        "gap ×2",
        "1.25s",
        "99,360.25 USD",
        "1.01 BTC",
        "-3.59 USD",
        "abcdef012345",
    ):
        assert word in text
    assert text.rstrip().endswith("1 passed in 0.25 s")


def test_the_table_explains_what_did_not_pass() -> None:
    """Below the table: why, and the one command that shows it again."""
    text = reports.render("table", [PASSED, FAILED, VACUOUS])
    why = "no_duplicate_exposure: intent 3 has two orders, o-000004 and o-000005"
    assert f"{why}\n  again: papertape run scenarios/twice.scenario.toml --seed 1\n" in text
    assert "fault 1 (gap) hit nothing" in text
    assert text.rstrip().endswith("1 passed, 1 failed, 1 vacuous in 0.75 s")


def test_the_table_shows_what_led_to_a_suspicion() -> None:
    """Verdict, sentence, the requests in columns with the program's lines, notes, and what was simulated for the program."""
    text = reports.render("table", [SUSPECT])
    assert (
        f"""
bot.py: suspect
  {TWICE}
  what led there:
     2.001s  bot.py:31  order.create buy 0.01 BTC/USD           → filled; its answer was lost
    12.003s  bot.py:7   order.create buy 0.01 BTC/USD at 64000  → filled; answer heard at 12.033s
  note: coinbase: never told of o-000001
  simulated for the program: time.time ×1,204 (bot.py:12), os.urandom ×3
  again: papertape run bot.py --fault lost_reply

1 suspect in 0.00 s
"""
        in text
    )


def test_a_run_that_passed_shows_what_was_simulated_and_no_command() -> None:
    """So that a person can trust that nothing escaped."""
    passed = msgspec.structs.replace(PASSED, intercepted=SUSPECT.intercepted)
    text = reports.render("table", [passed])
    assert "simulated for the program: time.time ×1,204" in text
    assert "again:" not in text


def test_a_timeline_stays_within_its_columns() -> None:
    """What came of a request goes to a line of its own where there is no room; venues are named where there are several."""
    first, second = SUSPECT.timeline
    long = msgspec.structs.replace(second, outcome="never reached the venue; its connection was cut at 12.003s, told by stream at 13s")
    lines = timeline_lines([first, long, msgspec.structs.replace(first, venue="binance", line="")])
    assert lines == [
        "     2.001s  bot.py:31  coinbase  order.create buy 0.01 BTC/USD  → filled; its answer was lost",
        "    12.003s  bot.py:7   coinbase  order.create buy 0.01 BTC/USD at 64000",
        "                 → never reached the venue; its connection was cut at 12.003s, told by stream at 13s",
        "     2.001s             binance   order.create buy 0.01 BTC/USD  → filled; its answer was lost",
    ]
    assert max(map(len, lines)) <= TIMELINE_WIDTH


def test_a_suspicion_and_its_timeline_are_in_json_and_junit() -> None:
    """For pipelines it is a failure like others, with what led there."""
    told = json.loads(reports.render("json", [SUSPECT]))
    assert (told["status"], told["notes"]) == ("suspect", list(SUSPECT.notes))
    assert told["timeline"][0] == {
        "at_ns": 2_001_004_321, "venue": "coinbase", "line": "bot.py:31", "what": "order.create buy 0.01 BTC/USD",
        "outcome": "filled; its answer was lost",
    }  # fmt: skip
    assert told["intercepted"][1] == {"what": "os.urandom", "count": 3, "line": ""}
    suite = ElementTree.fromstring(reports.render("junit", [SUSPECT]))[0]
    assert (suite.attrib["failures"], suite.attrib["errors"]) == ("1", "0")
    failure = suite.find("testcase/failure")
    assert failure is not None
    assert (failure.attrib["type"], failure.attrib["message"]) == ("suspect", TWICE)


def test_a_table_to_a_file_has_no_colours() -> None:
    """Escape codes are for terminals."""
    file = io.StringIO()
    write([PASSED, FAILED], file)
    assert "\x1b" not in file.getvalue()


def test_text_that_looks_like_markup_is_left_alone() -> None:
    """[[fault]] 1 in a message is not taken for a style."""
    result = RunResult(scenario="x", seed=0, status=Status.ERROR, failures=("x: [[fault]] 1, [venue.coinbase]: [red]no[/red]",))
    assert "x: [[fault]] 1, [venue.coinbase]: [red]no[/red]" in reports.render("table", [result])


def test_json_is_one_object_a_line_with_the_promised_keys() -> None:
    """Pipelines read lines; decimals are text, so that nothing is rounded on the way."""
    lines = reports.render("json", [PASSED, FAILED]).splitlines()
    first, second = (json.loads(line) for line in lines)
    promised = "scenario seed status failures digest events orders fills faults balances fees pnl virtual_ns wall_s repro"
    assert set(promised.split()) <= set(first)
    assert first["faults"] == [
        {"kind": "lost_reply", "fired": 1, "recovery_ns": 1_250_000_000},
        {"kind": "gap", "fired": 2, "recovery_ns": None},
    ]
    assert first["balances"] == {"coinbase": {"USD": "99360.25", "BTC": "1.01"}}
    assert second["status"] == "failed"


def test_junit_tells_failures_from_errors() -> None:
    """What failed or proved nothing is a failure; what could not be carried out is an error; each ends in its command."""
    suites = ElementTree.fromstring(reports.render("junit", [PASSED, FAILED, VACUOUS, ERROR]))
    suite = suites[0]
    assert suite.attrib["tests"] == "4"
    assert suite.attrib["failures"] == "2"
    assert suite.attrib["errors"] == "1"
    cases = suite.findall("testcase")
    assert [[child.tag for child in case] for case in cases] == [
        ["properties"],
        ["properties", "failure"],
        ["properties", "failure"],
        ["properties", "error"],
    ]
    failure = cases[1].find("failure")
    assert failure is not None
    assert (failure.text or "").endswith("again: papertape run scenarios/twice.scenario.toml --seed 1")


@pytest.mark.parametrize(("result", "code"), [(PASSED, 0), (FAILED, 1), (SUSPECT, 1), (VACUOUS, 1), (ERROR, 2)])
def test_a_verdict_has_its_exit_code(result: RunResult, code: int) -> None:
    """Passed is 0, failed, suspect and vacuous are 1, an error says itself what it is."""
    assert result.exit_code == code
