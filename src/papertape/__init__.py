"""papertape: break the exchange on purpose, and get the same run every time.

>>> import papertape
>>> sorted(papertape.__all__)[:3]
['BaseExchange', 'ConfigError', 'ExchangeFactory']
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from papertape.exchanges.base import BaseExchange
    from papertape.exchanges.factory import ExchangeFactory
    from papertape.model.errors import ConfigError, OutcomeUnknown, TapeError
    from papertape.scenario.load import load_scenario
    from papertape.scenario.simulate import simulate
    from papertape.session.result import RunResult, Status
    from papertape.session.spec import Scenario

__all__ = [
    "BaseExchange",
    "ConfigError",
    "ExchangeFactory",
    "OutcomeUnknown",
    "RunResult",
    "Scenario",
    "Status",
    "TapeError",
    "load_scenario",
    "simulate",
]

__version__ = "0.1.0"

_HOME = {
    "BaseExchange": "papertape.exchanges.base",
    "ConfigError": "papertape.model.errors",
    "ExchangeFactory": "papertape.exchanges.factory",
    "OutcomeUnknown": "papertape.model.errors",
    "RunResult": "papertape.session.result",
    "Scenario": "papertape.session.spec",
    "Status": "papertape.session.result",
    "TapeError": "papertape.model.errors",
    "load_scenario": "papertape.scenario.load",
    "simulate": "papertape.scenario.simulate",
}


def __getattr__(name: str) -> Any:  # names are looked up when used, so that `import papertape` stays quick
    if name not in _HOME:
        raise AttributeError(f"module 'papertape' has no attribute {name!r}")
    return getattr(import_module(_HOME[name]), name)
