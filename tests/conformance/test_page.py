"""docs/conformance.md is of the checks that there are, and a check that fails is told of."""

from __future__ import annotations

import ast
from pathlib import Path
from typing import Any

import pytest

from conformance.checks import Checks, made, until
from conformance.table import CLIENTS, HERE, PAGE, Found, NotToBeHad, page, why_not


def claims_in(program: str) -> list[tuple[str, str, str]]:
    """Area, name and words of every check of a client's file, which can only be imported in that client's environment."""
    found = []
    for each in ast.parse((HERE / program).read_text(encoding="utf-8")).body:
        if isinstance(each, ast.FunctionDef | ast.AsyncFunctionDef):
            areas = [ast.literal_eval(mark.args[0]) for mark in each.decorator_list if isinstance(mark, ast.Call)]
            found += [(area, each.name, " ".join((ast.get_docstring(each) or "").split())) for area in areas]
    return found


def test_the_page_tells_of_every_check_and_of_no_other() -> None:
    """What stands in the page is what the three files claim, in their order, and all of it holds."""
    rows = [line for line in PAGE.read_text(encoding="utf-8").splitlines() if line.startswith("| ") and "| `" in line]
    claims = [claim for client in CLIENTS for claim in claims_in(client.program)]
    assert rows == [f"| {area} | `{name}` | {words} | yes |" for area, name, words in claims]
    assert len({client.program for client in CLIENTS}) == len(list(HERE.glob("with_*.py")))


@pytest.mark.parametrize("client", CLIENTS, ids=lambda client: client.program)
def test_a_client_has_its_versions_pinned(client: Any) -> None:
    """Its package and all that comes with it; without a host or a place to get them from."""
    lines = (HERE / f"{client.environment}.txt").read_text(encoding="utf-8").splitlines()
    assert any(line.startswith(f"{client.package}==") for line in lines)
    assert all(line.count("==") == 1 and "/" not in line and "@" not in line for line in lines)


def test_a_check_that_raises_has_failed() -> None:
    """Whether it is awaited or not; and one that does not, has not."""

    def good(ready: Any) -> None:
        assert ready == 1

    async def bad(ready: Any) -> None:
        assert ready == 2

    assert made(good, 1) == ""
    assert "AssertionError" in made(good, 2)
    assert "AssertionError" in made(bad, 1)


def test_what_never_comes_is_a_failure(monkeypatch: pytest.MonkeyPatch) -> None:
    """Patience has an end."""
    monkeypatch.setattr("conformance.checks.PATIENCE_S", 0)
    with pytest.raises(AssertionError, match="waited 0 s for a fill"):
        until(lambda: None, "a fill")


CLAIMS = [["orders", "first", "One."], ["orders", "second", "Two."]]


@pytest.mark.parametrize(
    ("found", "wrong"),
    [
        (Found("x 1", CLAIMS, {"first": "", "second": ""}), []),
        (Found("x 1", CLAIMS, {"first": "", "second": "it broke"}), ["second: it broke"]),
        (Found("x 1", CLAIMS, {"first": ""}), ["second: was never made"]),
        (Found("x 1", CLAIMS, {"first": "", "second": ""}, ["the server ended with 1"]), ["the server ended with 1"]),
        (Found(), ["made no check"]),
    ],
)
def test_only_what_was_made_and_held_is_good(found: Found, wrong: list[str]) -> None:
    """A check that failed, one that was never made, a server that broke, a client that did nothing: each is told of."""
    assert found.wrong() == wrong


def test_the_page_says_no_where_it_is_no() -> None:
    """The line of a check that failed, or was not made."""
    text = page([(CLIENTS[0], Found("x 1", CLAIMS, {"first": "it broke"}))])
    assert "| orders | `first` | One. | **no** |" in text
    assert "| orders | `second` | Two. | **no** |" in text


def test_checks_are_made_in_their_order() -> None:
    """That of the file."""
    checks = Checks()
    for name in ("b", "a"):
        checks(name)(lambda ready: None)
    assert [area for area, _ in checks._checks] == ["b", "a"]


def test_every_program_is_there() -> None:
    """And is kept from pytest, which would import it here."""
    kept = ast.literal_eval((HERE / "conftest.py").read_text(encoding="utf-8").split("collect_ignore = ")[1])
    assert sorted(kept) == sorted(client.program for client in CLIENTS)
    assert all(Path(HERE / client.program).is_file() for client in CLIENTS)


@pytest.mark.parametrize(
    "line", ["5", '"claims"', "[]", '{"claims": 5, "version": "x"}', '{"claims": [["a"]], "version": 1}', '{"name": "a"}', "what"]
)
def test_a_stray_line_of_a_client_is_trouble_and_no_more(line: str) -> None:
    """The table is still made, of the lines that are ones."""
    found = Found()
    found.take('{"version": "x 1", "claims": [["orders", "first", "One."]]}')
    found.take(line)
    found.take('{"name": "first", "failed": ""}')
    assert found.wrong() == [f"the client said what is no line of a check: {line}"]
    assert "| orders | `first` | One. | yes |" in page([(CLIENTS[0], found)])


LATE, WRONG = "Traceback\nAssertionError: waited 30 s for a fill", "Traceback\nAssertionError: waited for nobody"


@pytest.mark.parametrize(
    ("found", "is_late"),
    [
        (Found("x 1", CLAIMS, {"first": "", "second": LATE}), True),
        (Found("x 1", CLAIMS, {"first": "Traceback\nTimeoutError", "second": LATE}), True),
        (Found("x 1", CLAIMS, {"first": "", "second": "Traceback\nassert 1 == 2\nAssertionError"}), False),
        (Found("x 1", CLAIMS, {"first": WRONG, "second": LATE}), False),
        (Found("x 1", CLAIMS, {"first": LATE}), False),
        (Found("x 1", CLAIMS, {"first": "", "second": LATE}, ["the server ended with 1"]), False),
        (Found("x 1", CLAIMS, {"first": "", "second": ""}), False),
    ],
)
def test_only_what_came_too_late_gets_a_second_look(found: Found, is_late: bool) -> None:
    """A busy machine makes nothing wrong that is right."""
    assert found.is_late() is is_late


@pytest.mark.parametrize(
    ("errors", "freely", "kind"),
    [
        ("ERROR: No matching distribution found for ccxt==0", "true", SystemExit),
        ("ERROR: No matching distribution found for ccxt", "false", NotToBeHad),
        ("ERROR: ResolutionImpossible", "false", SystemExit),
    ],
)
def test_a_wrong_version_is_our_fault_and_a_missing_index_is_not(errors: str, freely: str, kind: type[BaseException]) -> None:
    """Pip says the same of both; without the versions it can tell them apart."""
    error = why_not(CLIENTS[0], HERE / "ccxt.txt", errors, [freely])
    assert type(error) is kind
    assert errors in str(error)
