"""A real browser without a network: opens a page and says what it found there."""

from __future__ import annotations

import re
import shutil
import subprocess
import tempfile
from html import unescape
from pathlib import Path
from typing import NamedTuple

import pytest

CHROMIUM = next((path for name in ("chromium", "chromium-browser", "google-chrome") if (path := shutil.which(name))), None)

needs_browser = pytest.mark.skipif(
    CHROMIUM is None, reason="NO BROWSER: pages were not opened in one; on Debian, apt install chromium, as .ci/run does"
)

FLAGS = (
    "--headless=new", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking",
    "--disable-component-update", "--disable-sync", "--host-resolver-rules=MAP * ~NOTFOUND", "--enable-logging=stderr",
    "--virtual-time-budget=5000", "--window-size=1500,2400",
)  # fmt: skip


class Opened(NamedTuple):
    """A page as the browser has it once its scripts have run.

    Attributes:
        dom: its elements as text, scripts and styles left out.
        words: what a person reads.
        console: what its scripts complained of.
    """

    dom: str
    words: str
    console: list[str]

    def count(self, pattern: str) -> int:
        return len(re.findall(pattern, self.dom))


def opened(path: Path) -> Opened:
    """The page in that file, opened in headless Chromium that can look up no host."""
    assert CHROMIUM is not None
    with tempfile.TemporaryDirectory(prefix="browser-") as profile:
        command = [CHROMIUM, *FLAGS, f"--user-data-dir={profile}", "--dump-dom", path.as_uri()]
        done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=90)
    dom = re.sub(r"<(script|style)\b.*?</\1>", " ", done.stdout, flags=re.DOTALL)
    words = " ".join(unescape(re.sub(r"<[^>]+>", " ", dom)).split())
    return Opened(dom, words, [line for line in done.stderr.splitlines() if "CONSOLE" in line])
