"""An instrument as people write it: its symbol and its steps."""

from __future__ import annotations

from decimal import Decimal

from papertape.importers.run import IMPORTERS
from papertape.model.errors import ConfigError
from papertape.model.instrument import Instrument
from papertape.model.units import exact
from papertape.venues import VENUES


def parse_instrument(text: str, venue: str, *, may_be_known: bool = False, called: str = "--instrument") -> Instrument:
    """The instrument that `SYMBOL=TICK,LOT` describes; with `may_be_known` also one that the venue's table has under that SYMBOL.

    >>> parse_instrument("BTC/USDT=0.01,0.00001", "binance").venue_symbol
    'BTCUSDT'
    >>> parse_instrument("BTC/USD", "coinbase", may_be_known=True).tick
    Decimal('0.01')
    """
    symbol, equals, steps = text.partition("=")
    tick, comma, lot = steps.partition(",")
    table = {each.symbol: each for each in VENUES[venue].instruments} if venue in VENUES else {}
    try:
        if may_be_known and not equals and symbol in table:
            return table[symbol]
        if not equals or not comma or symbol.count("/") != 1:
            known = f"; the table of {venue} has {', '.join(table)}" if may_be_known and not equals and table else ""
            raise ValueError(f"expected SYMBOL=TICK,LOT, such as BTC/USD=0.01,0.00000001{known}")
        venue_symbol = IMPORTERS[venue]().venue_symbol(symbol) if venue in IMPORTERS else symbol.replace("/", "-")
        return Instrument(symbol=symbol, venue_symbol=venue_symbol, tick=_step(tick), lot=_step(lot))
    except ValueError as error:
        raise ConfigError(f'{called} "{text}": {error}') from error


def _step(text: str) -> Decimal:
    step = exact(text)
    if step <= 0:
        raise ValueError(f"a step must be above zero, not {text}")
    return step
