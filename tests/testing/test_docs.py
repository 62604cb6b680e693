"""What docs/servers.md and docs/testing.md show works as it stands there."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

DOCS = Path(__file__).parents[2] / "docs"


def snippet(page: str) -> str:
    (text,) = re.findall(r"```python\n(.*?)```", (DOCS / page).read_text(encoding="utf-8"), flags=re.DOTALL)
    return str(text)


def test_the_example_with_servers_runs(tmp_path: Path) -> None:
    """As a program of its own, assertions and all."""
    (tmp_path / "mine.py").write_text(snippet("servers.md"), encoding="utf-8")
    done = subprocess.run([sys.executable, "-W", "error", "mine.py"], cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert done.stderr == ""


def test_the_example_tests_pass(tmp_path: Path) -> None:
    """As a test file in an empty folder, warnings being errors."""
    (tmp_path / "test_mine.py").write_text(snippet("testing.md"), encoding="utf-8")
    words = ["-m", "pytest", "-q", "-W", "error", "-o", "asyncio_default_fixture_loop_scope=function", "-p", "no:cacheprovider"]
    done = subprocess.run([sys.executable, *words], cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "2 passed" in done.stdout
