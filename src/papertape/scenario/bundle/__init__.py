"""One file with everything that a run needs: packed by `papertape bundle`, taken by `papertape run`."""

from papertape.scenario.bundle.manifest import SUFFIX
from papertape.scenario.bundle.opened import Opened, unpack
from papertape.scenario.bundle.pack import Packed, pack

__all__ = ["SUFFIX", "Opened", "Packed", "pack", "unpack"]
