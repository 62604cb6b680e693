"""Qt stays out of processes that run simulations: these tests are collected only where pytest-qt was asked for, as `make test` does.

QT_QPA_PLATFORM=offscreen python -m pytest -p pytestqt.plugin tests/monitor_qt
"""

import sys

collect_ignore_glob = [] if "pytestqt.plugin" in sys.modules else ["test_*.py"]
