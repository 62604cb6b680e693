"""JUnit XML, as continuous integration reads it: one test case for each scenario."""

from __future__ import annotations

from collections.abc import Sequence
from xml.etree import ElementTree as Xml

from papertape.reports.table import side_lines, timeline_lines
from papertape.session.result import RunResult, Status


def render(results: Sequence[RunResult]) -> str:
    """One test suite called papertape; what failed, is suspect or was vacuous is a failure, what could not be carried out an error."""
    failed = sum(result.status in (Status.FAILED, Status.SUSPECT, Status.VACUOUS) for result in results)
    errors = sum(result.status is Status.ERROR for result in results)
    counts = {"tests": str(len(results)), "failures": str(failed), "errors": str(errors), "skipped": "0"}
    seconds = f"{sum(result.wall_s for result in results):.3f}"
    suites = Xml.Element("testsuites", {"name": "papertape", **counts, "time": seconds})
    suite = Xml.SubElement(suites, "testsuite", {"name": "papertape", **counts, "time": seconds})
    for result in results:
        _case(suite, result)
    Xml.indent(suites)
    return '<?xml version="1.0" encoding="utf-8"?>\n' + Xml.tostring(suites, encoding="unicode") + "\n"


def _case(suite: Xml.Element, result: RunResult) -> None:
    case = Xml.SubElement(suite, "testcase", {"classname": "papertape", "name": _clean(result.scenario), "time": f"{result.wall_s:.3f}"})
    properties = Xml.SubElement(case, "properties")
    for name, value in (("seed", result.seed), ("depth", result.depth), ("digest", result.digest), ("repro", result.repro)):
        Xml.SubElement(properties, "property", {"name": name, "value": _clean(str(value))})
    if result.is_passed:
        return
    kind = "error" if result.status is Status.ERROR else "failure"
    message = result.failures[0] if result.failures else str(result.status)
    element = Xml.SubElement(case, kind, {"type": str(result.status), "message": _clean(message)})
    lines = list(result.failures)
    if result.timeline:
        lines += ["what led there:", *timeline_lines(result.timeline)]
    if result.sides:
        lines += ["where the two sides stand at the end:", *side_lines(result.sides)]
    element.text = _clean("\n".join([*lines, f"again: {result.repro}"]))


def _clean(text: str) -> str:
    """Without the characters that XML 1.0 cannot hold at all."""
    return "".join(
        each for each in text if each in "\t\n\r" or " " <= each <= "\ud7ff" or "\ue000" <= each <= "\ufffd" or each >= "\U00010000"
    )
