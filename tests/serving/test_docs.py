"""What docs/serve.md shows works as it stands there."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import msgspec
import pytest

from papertape.cli.main import main
from serving.process import ROOT, serving

PAGE = (ROOT / "docs/serve.md").read_text(encoding="utf-8")
BLOCKS = re.findall(r"```(\w+)\n(.*?)```", PAGE, flags=re.DOTALL)
(PYTHON,) = [text for language, text in BLOCKS if language == "python"]
(NODE,) = [text for language, text in BLOCKS if language == "js"]
SHELL = [line for language, text in BLOCKS if language == "sh" for line in text.splitlines()]
STARTS = [line for line in SHELL if line.startswith("papertape serve")]
CURLS = [line for line in SHELL if line.startswith("curl")]


def in_a_folder(folder: Path, *words: str) -> subprocess.CompletedProcess[str]:
    """Run a snippet where `papertape` is on the path."""
    path = os.pathsep.join([str(Path(sys.executable).parent), os.environ.get("PATH", "")])
    return subprocess.run(words, cwd=folder, capture_output=True, text=True, check=False, env={**os.environ, "PATH": path})


def test_the_python_program_runs(tmp_path: Path) -> None:
    """ccxt, as a person would begin; nothing on stderr, and nothing left behind."""
    (tmp_path / "mine.py").write_text(PYTHON, encoding="utf-8")
    done = in_a_folder(tmp_path, sys.executable, "-W", "error", "mine.py")
    assert (done.returncode, done.stderr) == (0, "")


@pytest.mark.skipif(shutil.which("node") is None, reason="needs node")
def test_the_node_program_runs(tmp_path: Path) -> None:
    """What the account holds, in another language."""
    (tmp_path / "mine.js").write_text(NODE, encoding="utf-8")
    done = in_a_folder(tmp_path, "node", "mine.js")
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.splitlines() == ["USD 100000", "BTC 1"]


@pytest.mark.skipif(shutil.which("curl") is None, reason="needs curl")
def test_the_curl_lines_are_answered(tmp_path: Path) -> None:
    """Each of them, with what the readiness line says in the place of its variables."""
    assert len(CURLS) == 12
    with serving("--tls") as server:
        ready = server.ready
        variables = {
            "HTTP": ready["http"],
            "HTTPS": ready["https"],
            "CA": ready["ca"],
            "CONTROL": ready["control"],
            "TOKEN": ready["token"],
        }
        script = "set -eu\n" + "".join(f"{line.replace('curl -s', 'curl -sf')}; echo ';'\n" for line in CURLS)
        environment = {**os.environ, **variables}
        done = subprocess.run(["sh", "-c", script], capture_output=True, text=True, check=False, env=environment, cwd=tmp_path)
    assert (done.returncode, done.stderr) == (0, "")
    answers = [msgspec.json.decode(text) for text in done.stdout.split(";\n")[:-1]]
    assert answers[1]["pricebook"]["product_id"] == "BTC-USD"
    assert [each["fault"]["kind"] for each in answers[7]] == ["outage", "reject", "market_phase"]
    assert [each["lifted"] for each in answers[9]] == [True, True, True]
    assert answers[10]["speed"] == "10"


@pytest.mark.parametrize("line", STARTS)
def test_the_ways_to_start_it_are_ways(line: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Every line that starts a server is understood."""
    import papertape.session.serving.run as run

    begun = []

    async def serve(spec: object, **more: object) -> None:
        begun.append(spec)

    monkeypatch.setattr(run, "serve", serve)
    monkeypatch.chdir(ROOT)
    assert main(line.split()[1:]) == 0
    assert len(begun) == 1
