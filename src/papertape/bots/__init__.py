"""The Bot protocol and sample bots."""

from papertape.bots.bot import Bot
from papertape.bots.market_maker import MarketMaker
from papertape.bots.momentum_taker import MomentumTaker
from papertape.bots.patient_maker import PatientMaker
from papertape.bots.twap import twap

__all__ = ["Bot", "MarketMaker", "MomentumTaker", "PatientMaker", "twap"]
