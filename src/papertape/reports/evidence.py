"""What somebody needs who has to believe a verdict later: which bot, which configuration, which tapes, by hash; and what was left out."""

from __future__ import annotations

import hashlib
import platform
import subprocess
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final

import msgspec

from papertape.reports.html.story import Story
from papertape.session.result import RunResult
from papertape.version import VERSION

FORMAT: Final = 1

LEFT_OUT: Final = (
    "Our orders do not move the recorded market: nobody reacts to them, and only what was recorded can be taken.",
    "Spot only: no funding, no margin, no liquidation.",
    "A fill happens when the fill model's docstring says so (`papertape explain MODEL`); a real queue may be longer or shorter.",
    "Latency is drawn from a law or taken from the recording; it does not grow with the venue's load.",
    "Of faults there are those that were planned; that none was found is no proof that there is none.",
    "A program's own books cannot be read: invariants about them are not judged.",
)
"""What no run of this version can show."""


def evidence(runs: Sequence[tuple[RunResult, Story | None]], bot: Path, planned: int) -> dict[str, Any]:
    """All of it as plain values; `bot` is a folder of the bot's repository, `planned` how many runs there should be."""
    return {
        "format": FORMAT,
        "papertape": VERSION,
        "python": platform.python_version(),
        "bot": commit_of(bot),
        "planned": planned,
        "is_whole": len(runs) == planned,
        "runs": [_of_run(result, story) for result, story in runs],
        "left_out": list(LEFT_OUT),
    }


def render(runs: Sequence[tuple[RunResult, Story | None]], bot: Path, planned: int) -> str:
    """The file's text: JSON that people can read too."""
    return msgspec.json.format(msgspec.json.encode(evidence(runs, bot, planned)), indent=1).decode() + "\n"


def commit_of(folder: Path) -> dict[str, Any]:
    """The commit that a folder is at, and whether files were changed since; both None where there is no repository, or no git."""
    commit, changed = _git(folder, "rev-parse", "HEAD"), _git(folder, "status", "--porcelain")
    return {"commit": commit or None, "is_changed": None if not commit or changed is None else bool(changed)}


def _of_run(result: RunResult, story: Story | None) -> dict[str, Any]:
    header = {} if story is None else {key: value for key, value in story.header.items() if key not in ("n", "t", "kind")}
    venues = header.get("venues") or {}
    tapes = {name: [feed.get("content") for feed in venue.get("feed", ())] for name, venue in venues.items() if isinstance(venue, dict)}
    text = msgspec.json.encode(header, order="deterministic") if header else b""
    return {
        "scenario": result.scenario, "title": result.title, "seed": result.seed, "depth": result.depth,
        "bot": header.get("bot") or header.get("program"),
        "config_sha256": hashlib.sha256(text).hexdigest() if text else None, "tapes": tapes,
        "models": {name: venue.get("model") for name, venue in venues.items() if isinstance(venue, dict)},
        "verdict": str(result.status), "failures": list(result.failures), "not_judged": list(result.not_judged),
        "invariants": [] if story is None else list(story.chronicle.invariants),
        "faults": [{"kind": fault.kind, "fired": fault.fired} for fault in result.faults],
        "digest": result.digest, "wire_digest": result.wire_digest, "again": result.repro,
    }  # fmt: skip


def _git(folder: Path, *words: str) -> str | None:
    try:
        done = subprocess.run(["git", "-C", str(folder), *words], capture_output=True, text=True, check=False, timeout=20)  # noqa: S603, S607 - git as the user has it
    except (OSError, subprocess.TimeoutExpired):
        return None
    return done.stdout.strip() if done.returncode == 0 else None
