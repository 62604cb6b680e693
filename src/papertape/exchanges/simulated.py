"""The exchange of a simulation: the same shell as the real ones, over whatever link the session hands it."""

from __future__ import annotations

from papertape.exchanges.factory import ExchangeFactory
from papertape.exchanges.resilient import ResilientExchange


class SimulatedExchange(ResilientExchange):
    """A `ResilientExchange` that a session has put over a simulated venue."""


ExchangeFactory.register_exchange("simulated", SimulatedExchange)
