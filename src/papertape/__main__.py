"""`python -m papertape` and the `papertape` command."""

from __future__ import annotations

import os
import sys

if __name__ == "__main__":  # or a bot called json.py in the current folder would be everybody's json
    sys.path[:] = [place for place in sys.path if place not in ("", os.getcwd())]

from papertape.cli.main import main as run_command_line


def main() -> None:
    """Run the command line and leave with its exit code."""
    sys.exit(run_command_line())


if __name__ == "__main__":
    main()
