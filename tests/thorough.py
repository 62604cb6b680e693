"""How often the suite tries what has no end: enough for each change, and far more with $PAPERTAPE_THOROUGH (`make test-thorough`)."""

from __future__ import annotations

import os

THOROUGH = bool(os.environ.get("PAPERTAPE_THOROUGH"))


def tries(usually: int, thoroughly: int) -> int:
    """How often, this time. The claim is the same one either way: what is tried less often each day is tried far more often at night."""
    return thoroughly if THOROUGH else usually
