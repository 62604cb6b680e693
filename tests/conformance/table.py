"""What real clients find at `papertape serve coinbase`: `make conformance` writes docs/conformance.md.

Each client has an environment of its own in .conformance/, made by `.ci/venv` and pip with the constraints that stand beside this file,
because their needs collide with ours and each other's. Each gets a server of its own, and makes the checks of its file there.
"""

from __future__ import annotations

import argparse
import json
import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

ROOT: Final = Path(__file__).resolve().parents[2]
HERE: Final = Path(__file__).resolve().parent
KEPT: Final = ROOT / ".conformance"
PAGE: Final = ROOT / "docs" / "conformance.md"
SERVE: Final = ("serve", "coinbase", "--tls", "--loop", "--dates", "now", "--with-parent", "--tape", "fixtures/btc-usd-30s.parquet")
NOT_TO_BE_HAD: Final = (
    "Could not find a version that satisfies",
    "No matching distribution found",
    "NewConnectionError",
    "ConnectTimeoutError",
)
"""Of pip's words, those that say so; they say the same of a version that was never made, so that pip is asked once more without any."""

LATE: Final = re.compile(r"AssertionError: waited \d+ s for |TimeoutError\b")
"""How the last line of a check's failure begins that is about time alone."""

CLIENT_ENDS_WITHIN_S: Final = 300
SERVER_ENDS_WITHIN_S: Final = 20


@dataclass(frozen=True)
class Client:
    """A program that makes checks.

    Attributes:
        program: the file of its checks.
        environment: whose name the environment and its constraints have.
        package: what is installed there.
        by: what is said of it in the page.
    """

    program: str
    environment: str
    package: str
    by: str


CLIENTS: Final = (
    Client("with_ccxt.py", "ccxt", "ccxt", "REST by http"),
    Client("with_ccxt_pro.py", "ccxt", "ccxt", "ccxt.pro's streams by ws"),
    Client("with_advanced_py.py", "advanced_py", "coinbase-advanced-py", "Coinbase's own SDK: REST by https, streams by wss"),
)


@dataclass
class Found:
    """What one client found.

    Attributes:
        version: of its package.
        claims: area, name and words of each check.
        failed: what went wrong, by the check's name; empty if nothing did. A check that was never made is not in here.
        trouble: what went wrong beside the checks, at the server or as the client ended.
    """

    version: str = ""
    claims: list[list[str]] = field(default_factory=list)
    failed: dict[str, str] = field(default_factory=dict)
    trouble: list[str] = field(default_factory=list)

    def take(self, text: str) -> None:
        """One line of the client's; what is no line of a check is trouble, and changes nothing else."""
        try:
            line = json.loads(text)
            if "claims" in line:
                claims = [[str(part) for part in (area, name, words)] for area, name, words in line["claims"]]
                self.version, self.claims = str(line["version"]), claims
            else:
                self.failed[str(line["name"])] = str(line["failed"])
        except (ValueError, TypeError, KeyError):
            self.trouble.append(f"the client said what is no line of a check: {text[:200]}")

    def wrong(self) -> list[str]:
        words = [f"{name}: {self.failed.get(name, 'was never made')}" for _, name, _ in self.claims if self.failed.get(name, "never")]
        return words + self.trouble + ([] if self.claims else ["made no check"])

    def is_late(self) -> bool:
        """Whether all that went wrong is that something did not come in time, as on a busy machine; a wrong answer is wrong at once."""
        failures = [words for words in self.failed.values() if words]
        made_all = [name for _, name, _ in self.claims] == list(self.failed)
        return bool(failures) and made_all and not self.trouble and all(LATE.match(_last_line(words)) for words in failures)


def _last_line(text: str) -> str:
    return (text.strip().splitlines() or [""])[-1]


class NotToBeHad(Exception):
    """A client's package, or the index that would have it, is not there for this machine."""


def environment(client: Client) -> Path:
    """The client's interpreter; its environment is made if it is not there, or was made for other constraints."""
    folder = KEPT / client.environment
    constraints = HERE / f"{client.environment}.txt"
    mark = folder / ".made-for"
    python = folder / "bin" / "python"
    if not mark.exists() or mark.read_text() != constraints.read_text():
        KEPT.mkdir(exist_ok=True)
        subprocess.run([ROOT / ".ci" / "venv", folder], check=True)
        install = [python, "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
        done = subprocess.run([*install, "--constraint", constraints, client.package], check=False, capture_output=True, text=True)
        if done.returncode:
            raise why_not(client, constraints, done.stderr, install)
        mark.write_text(constraints.read_text())
    return python


def why_not(client: Client, constraints: Path, errors: str, install: list[Any]) -> BaseException:
    """Whether the package cannot be had here, or is kept from us by the versions that we ask for, which is a fault of ours."""
    words = f"{client.package} cannot be installed:\n{errors}"
    if not any(each in errors for each in NOT_TO_BE_HAD):
        return SystemExit(words)
    freely = subprocess.run([*install, "--dry-run", client.package], check=False, capture_output=True, text=True)
    if freely.returncode:
        return NotToBeHad(words)
    return SystemExit(f"{words}\nIt can be had without {constraints.relative_to(ROOT)}: a version in there is wrong.")


@contextmanager
def serving(found: Found) -> Iterator[dict[str, Any]]:
    """A server until the block ends; it has to end well and to have told of no bug."""
    command = [sys.executable, "-m", "papertape", *SERVE]
    server = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, cwd=ROOT)
    assert server.stdout is not None
    try:
        line = server.stdout.readline()
        if not line:
            raise SystemExit(f"the server said:\n{server.communicate()[1]}")
        yield json.loads(line)
        server.send_signal(signal.SIGTERM)
        try:
            errors = server.communicate(timeout=SERVER_ENDS_WITHIN_S)[1]
        except subprocess.TimeoutExpired:
            server.kill()
            errors = f"(it had not ended {SERVER_ENDS_WITHIN_S} s after SIGTERM)\n{server.communicate()[1]}"
        if server.returncode or "Traceback" in errors:
            found.trouble.append(f"the server ended with {server.returncode}, and said:\n{errors}")
    finally:
        if server.poll() is None:
            server.kill()
            server.communicate()


def run(client: Client, python: Path) -> Found:
    """All checks of a client, at a server of its own."""
    found = Found()
    with serving(found) as ready:
        known = {**os.environ, "REQUESTS_CA_BUNDLE": ready["ca"]}
        command = [python, HERE / client.program, json.dumps(ready)]
        try:
            done = subprocess.run(command, env=known, capture_output=True, text=True, timeout=CLIENT_ENDS_WITHIN_S, check=False)
            lines, errors, code = done.stdout, done.stderr, done.returncode
        except subprocess.TimeoutExpired as late:
            told = late.stdout or b""  # bytes, whatever was asked for
            lines, errors, code = (
                told if isinstance(told, str) else told.decode(errors="replace"),
                "",
                f"nothing for {CLIENT_ENDS_WITHIN_S} s",
            )
    for line in lines.splitlines():
        found.take(line)
    if code:
        found.trouble.append(f"the client ended with {code}:\n{errors[-2_000:]}")
    return found


def page(outcomes: list[tuple[Client, Found]]) -> str:
    """The committed page."""
    text = [
        "# Conformance",
        "",
        f"Made by `make conformance`: real clients at `papertape {' '.join(SERVE[:-3])}`, on loopback, in a market that moves.",
        "Each client is installed in an environment of its own, with the versions that `tests/conformance` pins, and knows nothing of",
        "papertape but the readiness line. A check compares what the client says with what it sent, and one way of asking with another.",
        "",
        "papertape's own contract for adapters holds in three places, at each run of the tests: for `SimulatedExchange` and for",
        "`CoinbaseExchange` at depth `wire` (`tests/testing/test_contract.py`), and for `CoinbaseExchange` at a served venue,",
        "by real sockets (`tests/serving/test_contract.py`; how it recovers on a bad line is asked at depth `wire` alone).",
    ]
    for client, found in outcomes:
        text += ["", f"## {found.version}: {client.by}", "", "| | check | what holds | |", "|---|---|---|---|"]
        for area, name, words in found.claims:
            text.append(f"| {area} | `{name}` | {words} | {'**no**' if found.failed.get(name, 'never') else 'yes'} |")
    return "\n".join(text) + "\n"


def main() -> int:
    options = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    options.add_argument("--check", action="store_true", help="write no page, and fail if the committed one is not what would be written")
    options.add_argument("--jobs", type=int, default=os.cpu_count() or 1)
    given = options.parse_args()
    begun = time.perf_counter()
    try:
        pythons = {client.environment: environment(client) for client in CLIENTS}
    except NotToBeHad as error:
        print(f"NOTHING WAS CHECKED: {error}")
        return 0 if given.check else 1
    with ThreadPoolExecutor(given.jobs) as pool:
        found = list(pool.map(lambda client: run(client, pythons[client.environment]), CLIENTS))
    for place, (client, first) in enumerate(zip(CLIENTS, found, strict=True)):
        if given.check and first.is_late():
            names = ", ".join(name for name, words in first.failed.items() if words)
            found[place] = run(client, pythons[client.environment])
            told = "not the second time either" if found[place].wrong() else "in time the second time; if this is told often, look at it"
            print(f"NOT IN TIME: {client.program}: {names}: {told}", file=sys.stderr)
    wrong = [f"{client.program}: {words}" for client, each in zip(CLIENTS, found, strict=True) for words in each.wrong()]
    now = page(list(zip(CLIENTS, found, strict=True)))
    if not given.check:
        PAGE.write_text(now, encoding="utf-8")
    elif not wrong and PAGE.read_text(encoding="utf-8") != now:
        wrong.append(f"{PAGE.relative_to(ROOT)} is not what was found; run `make conformance` and commit it")
    count = sum(len(each.claims) for each in found)
    print("\n".join(wrong) or f"{count} checks by {len(CLIENTS)} clients: all hold", f"({time.perf_counter() - begun:.0f} s)")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
