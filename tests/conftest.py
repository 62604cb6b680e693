"""What tests of several packages need."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings

REALDATA = "PAPERTAPE_REALDATA"

os.environ["PYTHON_KEYRING_BACKEND"] = "keyring.backends.fail.Keyring"  # no test asks a person's own keyring, nor do its processes

# How long a draw or a test takes says how busy the machine is, and no more.
settings.register_profile("papertape", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("papertape")


@pytest.fixture(scope="session")
def realdata() -> Callable[[str], Path]:
    """Finds a real capture by its path in the folder $PAPERTAPE_REALDATA.

    Without the variable the test is skipped; with it, a capture that is not there is a failure.
    """
    folder = os.environ.get(REALDATA)
    if not folder:
        pytest.skip(f"${REALDATA} is not set; real captures are not part of the repository")

    def find(name: str) -> Path:
        path = Path(folder) / name
        assert path.is_file(), f"{path}: ${REALDATA} is set, but this capture is not there"
        return path

    return find
