"""The shelf of fee models: what a fill costs."""

from __future__ import annotations

from typing import Final

from papertape.sim.fees.base import FeeModel
from papertape.sim.fees.flat import FlatFees

__all__ = ["FEES", "AnyFees", "FeeModel", "FlatFees"]

FEES: Final[dict[str, type[FeeModel]]] = {"flat": FlatFees}
"""By the word that a scenario's `kind` holds."""

AnyFees = FlatFees
"""What a scenario's `fees` table may be."""
