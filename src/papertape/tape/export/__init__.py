"""Tapes out, in the formats of other systems: one exporter for each."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from papertape.tape.export.exporter import Export, Exported
from papertape.tape.export.hftbacktest import export_hftbacktest
from papertape.tape.export.nautilus import export_nautilus

__all__ = ["EXPORTERS", "Export", "Exported"]

EXPORTERS: Final[dict[str, Callable[[Export], Exported]]] = {"hftbacktest": export_hftbacktest, "nautilus": export_nautilus}
"""What `papertape tape export --format` knows."""
