"""A wheel built from the tree is the whole product: it works in an empty folder."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]

BOT = """
async def main(exchange):
    order = await exchange.place_order("BTC/USD", "market", "buy", "0.01")
    print("the bot says", order.status)
"""


@pytest.fixture(scope="module")
def installed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder that holds nothing but the installed wheel."""
    folder = tmp_path_factory.mktemp("wheel")
    build = [sys.executable, "-m", "build", "--wheel", "--no-isolation", "--outdir", str(folder / "dist"), str(ROOT)]
    subprocess.run(build, check=True, capture_output=True)
    (wheel,) = (folder / "dist").glob("*.whl")
    target = folder / "site"
    install = [sys.executable, "-m", "pip", "install", "--quiet", "--no-deps", "--no-index", "--target", str(target), str(wheel)]
    subprocess.run(install, check=True, capture_output=True)
    return target


def papertape(installed: Path, folder: Path, *words: str) -> subprocess.CompletedProcess[str]:
    environment = {**os.environ, "PYTHONPATH": str(installed), "PAPERTAPE_CACHE": str(folder / "cache")}
    environment.pop("PYTHONHASHSEED", None)
    return subprocess.run(
        [str(installed / "bin" / "papertape"), *words], cwd=folder, env=environment, capture_output=True, text=True, check=False
    )


def test_the_wheel_is_what_runs(installed: Path, tmp_path: Path) -> None:
    """Not the tree that the tests run from."""
    code = "import papertape; print(papertape.__file__)"
    environment = {**os.environ, "PYTHONPATH": str(installed)}
    done = subprocess.run([sys.executable, "-c", code], cwd=tmp_path, env=environment, capture_output=True, text=True, check=True)
    assert done.stdout.startswith(str(installed))


def test_a_bot_runs_in_an_empty_folder(installed: Path, tmp_path: Path) -> None:
    """The promise of the README: a bot file, a venue, a fault."""
    (tmp_path / "bot.py").write_text(BOT, encoding="utf-8")
    done = papertape(installed, tmp_path, "run", "bot.py", "--venue", "coinbase", "--fault", "lost_reply")
    assert done.returncode == 0, done.stderr
    assert "passed" in done.stdout
    assert "lost_reply ×1" in done.stdout
    assert "the bot says closed" in done.stderr


def test_programs_run_in_an_empty_folder(installed: Path, tmp_path: Path) -> None:
    """The README's second screen, and its fix."""
    for name in ("buys_twice.py", "buys_once.py"):
        (tmp_path / name).write_text((ROOT / "tests/programs/bots" / name).read_text(encoding="utf-8"), encoding="utf-8")
    twice = papertape(installed, tmp_path, "run", "buys_twice.py", "--fault", "lost_reply")
    assert (twice.returncode, "the venue filled both: 0.02 BTC" in twice.stdout) == (1, True), twice.stderr
    once = papertape(installed, tmp_path, "run", "buys_once.py", "--fault", "lost_reply")
    assert (once.returncode, "passed" in once.stdout) == (0, True), once.stdout + once.stderr
