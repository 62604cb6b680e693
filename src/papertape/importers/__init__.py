"""Foreign data in: one importer for each kind of capture."""

from papertape.importers.importer import ImportReport, Unparsed
from papertape.importers.run import IMPORTERS, import_capture

__all__ = ["IMPORTERS", "ImportReport", "Unparsed", "import_capture"]
