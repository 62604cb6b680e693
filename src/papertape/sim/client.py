"""Who asks at a Door, as far as anybody can tell."""

from __future__ import annotations

from typing import Protocol

from papertape.model.units import Nanos


class Client(Protocol):
    """One client, for one request.

    Attributes:
        asked_at: the line of the program that asked, such as "bot.py:31"; empty where nobody knows.
        asked_ns: when it wrote what it asked, run time; None where that is when it comes to the Door.
        can_tell: whether it will be known when it has got its answer; else what leaves the Door is heard at once.
    """

    @property
    def asked_at(self) -> str: ...

    @property
    def asked_ns(self) -> Nanos | None: ...

    @property
    def can_tell(self) -> bool: ...

    def left_ns(self) -> Nanos | None:
        """When it closed its end of the line, run time; None while it has not, and where nobody knows."""
        ...


class Neighbour:
    """A client with no line in between."""

    asked_at = ""
    asked_ns: Nanos | None = None
    can_tell = False

    def left_ns(self) -> Nanos | None:
        return None
