"""Write the golden digests anew: `python tests/session/goldens.py`, from the repository's folder."""

from __future__ import annotations

import json
from pathlib import Path

import papertape

SCENARIOS = ("scenarios/lost_reply.scenario.toml", "scenarios/everything_at_once.scenario.toml")

if __name__ == "__main__":
    digests = {path: papertape.simulate(path).digest for path in SCENARIOS}
    (Path(__file__).parent / "goldens.json").write_text(json.dumps(digests, indent=2) + "\n")
