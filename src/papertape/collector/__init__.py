"""Watching an exchange from beside the bot: signals for whoever looks on, in any mode, at no cost to whoever trades."""

from papertape.collector.collector import BookShot, DataCollector, Kind, Pulse
from papertape.collector.lines import lines_of
from papertape.collector.mailbox import Batch, Mailbox
from papertape.collector.signal import Signal

__all__ = ["Batch", "BookShot", "DataCollector", "Kind", "Mailbox", "Pulse", "Signal", "lines_of"]
