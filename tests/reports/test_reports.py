"""What a run's result looks like to people, to pipelines and to continuous integration."""

from __future__ import annotations

import io
import json
from decimal import Decimal
from xml.etree import ElementTree

import pytest

from papertape import reports
from papertape.reports.table import write
from papertape.session.result import ExitCode, FaultResult, RunResult, Status

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


@pytest.mark.parametrize(("result", "code"), [(PASSED, 0), (FAILED, 1), (VACUOUS, 1), (ERROR, 2)])
def test_a_verdict_has_its_exit_code(result: RunResult, code: int) -> None:
    """Passed is 0, failed and vacuous are 1, an error says itself what it is."""
    assert result.exit_code == code
