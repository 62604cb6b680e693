"""Foreign data in: one importer for each kind of capture, one source for each format of another system."""

from papertape.importers.foreign import COLUMNS, FORMATS, import_foreign
from papertape.importers.importer import ImportReport, Unparsed
from papertape.importers.run import IMPORTERS, import_capture

__all__ = ["COLUMNS", "FORMATS", "IMPORTERS", "ImportReport", "Unparsed", "import_capture", "import_foreign"]
