"""The habits that no linter knows: short modules, docstrings first, no order from sets, every shelf member registered."""

from __future__ import annotations

import ast
import importlib
import pkgutil
import re
from pathlib import Path

import pytest

import papertape

SOURCE = Path(papertape.__file__).parent
ROOT = SOURCE.parent.parent
MODULES = sorted(SOURCE.rglob("*.py"))
LINES_MAX = 400

SETS = ("set", "frozenset")
ORDER_DOES_NOT_MATTER = ("sorted", "any", "all", "sum", "min", "max", "len", "set", "frozenset")


def name_of(path: Path) -> str:
    return path.relative_to(SOURCE).as_posix()


@pytest.mark.parametrize("path", MODULES, ids=name_of)
def test_a_module_is_a_page_or_three(path: Path) -> None:
    """No module is longer than 400 lines; what outgrows that becomes a folder."""
    assert len(path.read_text(encoding="utf-8").splitlines()) <= LINES_MAX


@pytest.mark.parametrize("path", MODULES, ids=name_of)
def test_a_module_begins_with_what_it_is_for(path: Path) -> None:
    """The first statement of every module is its docstring."""
    assert ast.get_docstring(ast.parse(path.read_text(encoding="utf-8")))


def test_nothing_is_called_utils() -> None:
    """Every module has a noun for a name."""
    assert [path for path in MODULES if path.stem in ("utils", "util", "helpers", "misc", "common")] == []


def test_each_silenced_check_says_why() -> None:
    """Behind what tells mypy or ruff to be quiet stands the reason, in the code, the tests and the benchmarks."""
    folders = (SOURCE, ROOT / "tests", ROOT / "benchmarks")
    silent = [
        f"{path.relative_to(ROOT).as_posix()}:{number}"
        for folder in folders
        for path in sorted(folder.rglob("*.py"))
        for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), start=1)
        if unexplained(line)
    ]
    assert silent == []


def unexplained(line: str) -> bool:
    """Whether a line silences a check and says no more.

    >>> unexplained("x = f()  # type: ignore[no-any-return]"), unexplained("x = f()  # type: ignore[no-any-return]  # as it came")
    (True, False)
    >>> unexplained("import x  # noqa: F401"), unexplained("import x  # noqa: F401 - it registers itself")
    (True, False)
    """
    return re.search(r"# (type: ignore(\[[^]]*\])?|noqa(: [A-Z0-9, ]+)?)\s*$", line) is not None


@pytest.mark.parametrize("path", MODULES, ids=name_of)
def test_nothing_takes_its_order_from_a_set(path: Path) -> None:
    """Iterating over a set gives another order under another PYTHONHASHSEED; nothing in papertape does."""
    assert set_iterations(ast.parse(path.read_text(encoding="utf-8"))) == []


def test_the_set_check_can_fail() -> None:
    """What the check above looks for is found where it is."""
    guilty = "seen: set[str] = set()\nfor each in seen:\n    print(each)\nx = [y for y in {1, 2}]\nz = list(frozenset('ab'))\n"
    innocent = "seen = set()\nfor each in sorted(seen):\n    pass\nok = any(y for y in seen)\nfor each in [1]:\n    pass\n"
    assert set_iterations(ast.parse(guilty)) == [2, 4, 5]
    assert set_iterations(ast.parse(innocent)) == []


SHELVES = {
    "papertape.bots.canaries": "CANARIES",
    "papertape.faults": "FAULTS",
    "papertape.invariants": "INVARIANTS",
    "papertape.sim.fills": "FILLS",
    "papertape.sim.fees": "FEES",
    "papertape.sim.latency": "LATENCIES",
    "papertape.reports": "REPORTS",
}
FOUNDATIONS = (
    "base",
    "cancelling",
    "network",
    "on_stream",
    "on_subscription",
    "drawing",
    "quantiles",
    "divergence",
    "canaries",
    "sweep",
    "evidence",
    "parquet",
)  # what members stand on, and what is no member


@pytest.mark.parametrize("shelf", SHELVES)
def test_every_file_on_a_shelf_is_registered(shelf: str) -> None:
    """A member is one file and one word in its shelf's __init__; neither is forgotten."""
    package = importlib.import_module(shelf)
    registry = getattr(package, SHELVES[shelf])
    homes = {member if isinstance(member, str) else getattr(member, "__module__", type(member).__module__) for member in registry.values()}
    files = {f"{shelf}.{found.name}" for found in pkgutil.iter_modules(package.__path__) if found.name not in FOUNDATIONS}
    assert {home for home in homes if home.startswith(shelf)} == files


def set_iterations(tree: ast.Module) -> list[int]:
    """Lines that iterate over something that is a set by its literal, its call or its annotation."""
    sets = _names_of_sets(tree)
    harmless = {
        id(argument)
        for call in ast.walk(tree)
        if isinstance(call, ast.Call) and isinstance(call.func, ast.Name) and call.func.id in ORDER_DOES_NOT_MATTER
        for argument in call.args
    }
    found = []
    for node in ast.walk(tree):
        if isinstance(node, ast.For | ast.AsyncFor):
            iterated = [node.iter]
        elif isinstance(node, ast.ListComp | ast.GeneratorExp | ast.DictComp) and id(node) not in harmless:
            iterated = [generator.iter for generator in node.generators]
        elif isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id in ("list", "tuple", "enumerate", "iter"):
            iterated = list(node.args[:1])
        else:
            continue
        found += [each.lineno for each in iterated if _is_set(each, sets)]
    return sorted(found)


def _names_of_sets(tree: ast.Module) -> set[str]:
    names: set[str] = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.AnnAssign) and _is_set_annotation(node.annotation):
            names.add(ast.unparse(node.target))
        elif isinstance(node, ast.Assign) and _is_set(node.value, set()):
            names.update(ast.unparse(target) for target in node.targets)
        elif isinstance(node, ast.arg) and node.annotation is not None and _is_set_annotation(node.annotation):
            names.add(node.arg)
    return names


def _is_set_annotation(annotation: ast.expr) -> bool:
    return ast.unparse(annotation).partition("[")[0] in (*SETS, "AbstractSet", "Set")


def _is_set(node: ast.expr, names: set[str]) -> bool:
    if isinstance(node, ast.Set | ast.SetComp):
        return True
    if isinstance(node, ast.Call) and isinstance(node.func, ast.Name):
        return node.func.id in SETS
    return isinstance(node, ast.Name | ast.Attribute) and ast.unparse(node) in names
