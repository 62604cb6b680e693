"""Telling several listeners one thing, none of whom can hurt the teller or each other."""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import Generic, TypeVar

T = TypeVar("T")

log = logging.getLogger("papertape.collector")


class Signal(Generic[T]):
    """Something that listeners connect to. They are called at once, in the order in which they came, in the exchange's thread.

    Whoever needs longer than a few microseconds, or lives in another thread, connects a `Mailbox` instead. A listener's exception never
    reaches the bot: it is logged with its traceback the first time, counted every time, and the others are told all the same.

    Attributes:
        name: what it tells of.
        failures: how many exceptions listeners have raised.

    >>> heard, signal = [], Signal("trades")
    >>> disconnect = signal.connect(heard.append)
    >>> signal.emit(1); disconnect(); signal.emit(2); heard
    [1]
    """

    __slots__ = ("_listeners", "_told", "failures", "name")

    def __init__(self, name: str) -> None:
        self.name = name
        self.failures = 0
        self._listeners: tuple[Callable[[T], object], ...] = ()
        self._told: dict[int, Callable[[T], object]] = {}

    def connect(self, listener: Callable[[T], object]) -> Callable[[], None]:
        """Tell `listener` from now on; what is returned ends that, and doing it twice does nothing."""
        entry = (listener,)  # the same function may be connected twice

        def call(item: T) -> object:
            return entry[0](item)

        self._listeners += (call,)

        def disconnect() -> None:
            self._listeners = tuple(each for each in self._listeners if each is not call)
            self._told.pop(id(call), None)

        return disconnect

    def emit(self, item: T) -> None:
        """Tell everybody who is connected now."""
        for listener in self._listeners:
            try:
                listener(item)
            except Exception:
                self.failures += 1
                if id(listener) not in self._told:
                    self._told[id(listener)] = listener
                    log.exception("a listener to %s failed; it goes on being told, and its further failures are only counted", self.name)
