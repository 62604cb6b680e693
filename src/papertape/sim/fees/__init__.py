"""The shelf of fee models: what a fill costs."""

from __future__ import annotations

from typing import Final

from papertape.sim.fees.base import FeeModel
from papertape.sim.fees.flat import FlatFees
from papertape.sim.fees.tiered import Tier, TieredFees

__all__ = ["FEES", "AnyFees", "FeeModel", "FlatFees", "Tier", "TieredFees"]

FEES: Final[dict[str, type[FeeModel]]] = {"flat": FlatFees, "tiered": TieredFees}
"""By the word that a scenario's `kind` holds."""

AnyFees = FlatFees | TieredFees
"""What a scenario's `fees` table may be."""
