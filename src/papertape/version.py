"""The version, where everything that needs it can import it cheaply."""

from typing import Final

VERSION: Final = "0.1.0"
