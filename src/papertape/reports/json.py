"""One JSON object for each scenario, one a line."""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

from papertape.session.result import RunResult


def render(results: Sequence[RunResult]) -> str:
    """JSON lines; keys as in `RunResult.to_dict`."""
    return "".join(msgspec.json.encode(result.to_dict()).decode() + "\n" for result in results)
