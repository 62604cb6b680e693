"""What real clients find at `papertape serve coinbase`: `make conformance` writes docs/conformance.md.

Each client has an environment of its own in .conformance/, made by `.ci/venv` and pip with the constraints that stand beside this file,
because their needs collide with ours and each other's. Each gets a server of its own, and makes the checks of its file there.
"""

from __future__ import annotations

import argparse
import json
import os
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
"""Of pip's words, those that say so."""

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

    def take(self, line: dict[str, Any]) -> None:
        if "claims" in line:
            self.version, self.claims = line["version"], line["claims"]
        else:
            self.failed[line["name"]] = line["failed"]

    def wrong(self) -> list[str]:
        words = [f"{name}: {self.failed.get(name, 'was never made')}" for _, name, _ in self.claims if self.failed.get(name, "never")]
        return words + self.trouble + ([] if self.claims else ["made no check"])


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
        command = [python, "-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--constraint", constraints, client.package]
        done = subprocess.run(command, check=False, capture_output=True, text=True)
        if done.returncode:
            # Anything else, constraints that contradict each other above all, is a fault of ours.
            kind = NotToBeHad if any(words in done.stderr for words in NOT_TO_BE_HAD) else SystemExit
            raise kind(f"{client.package} cannot be installed:\n{done.stderr}")
        mark.write_text(constraints.read_text())
    return python


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
            lines, errors, code = (late.stdout or b"").decode(), "", f"nothing for {CLIENT_ENDS_WITHIN_S} s"
    for line in lines.splitlines():
        try:
            found.take(json.loads(line))
        except (ValueError, TypeError, KeyError):
            found.trouble.append(f"the client said what is no line of a check: {line[:200]}")
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
