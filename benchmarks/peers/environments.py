"""An environment for each peer, in .peers/, made by `.ci/venv` and pip with the constraints that stand beside this file."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path
from typing import Final

ROOT: Final = Path(__file__).resolve().parents[2]
HERE: Final = Path(__file__).resolve().parent
KEPT: Final = ROOT / ".peers"

PEERS: Final = {"hftbacktest": ("hftbacktest",), "nautilus": ("nautilus_trader",)}
"""What is installed in which environment."""


def environment(peer: str) -> Path:
    """The peer's interpreter; its environment is made if it is not there, or was made for other constraints.

    Raises `subprocess.CalledProcessError` where it cannot be made: no index, or one without the package.
    """
    folder = KEPT / peer
    constraints = HERE / f"{peer}.txt"
    mark, python = folder / ".made-for", folder / "bin" / "python"
    if not mark.exists() or mark.read_text() != constraints.read_text():
        KEPT.mkdir(exist_ok=True)
        subprocess.run([ROOT / ".ci" / "venv", folder, newest_python()], check=True)
        command = [python, "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
        subprocess.run([*command, "--constraint", constraints, *PEERS[peer]], check=True)
        mark.write_text(constraints.read_text())
    return python


def is_made(peer: str) -> bool:
    """Whether the peer can be asked without anything being installed."""
    mark = KEPT / peer / ".made-for"
    return mark.exists() and mark.read_text() == (HERE / f"{peer}.txt").read_text()


def newest_python() -> str:
    """The peers' newest versions want a newer Python than papertape does; what there is, is taken."""
    home = Path(os.environ.get("PYENV_ROOT", Path.home() / ".pyenv")) / "versions"
    for version in ("3.13", "3.12"):
        for candidate in (f"python{version}", *(str(each / "bin" / "python") for each in sorted(home.glob(f"{version}.*"), reverse=True))):
            try:
                if subprocess.run([candidate, "-c", "import venv"], capture_output=True, check=False).returncode == 0:
                    return candidate
            except OSError:
                continue
    return "python3"
