"""`python -m papertape` and the `papertape` command."""

from __future__ import annotations

import sys

from papertape.cli.main import main as run_command_line


def main() -> None:
    """Run the command line and leave with its exit code."""
    sys.exit(run_command_line())


if __name__ == "__main__":
    main()
