"""The fast engine as long as it gains something, and from then on the plain one: what runs unless somebody asks for either."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from papertape.model.event import MarketEvent
from papertape.model.units import Nanos
from papertape.session.lag import Tuning
from papertape.session.replay import AnyCursors, Key, Road, Row, Standing
from papertape.session.skipping import SkippingCursors


class Yielding:
    """Cursors that skip as long as that gains something, and then are plain ones.

    Args:
        plain: makes those, of the messages that are left and of how it stands.
    """

    def __init__(self, skipping: SkippingCursors, plain: Callable[[Iterator[Row], Standing], AnyCursors]) -> None:
        self._skipping: SkippingCursors | None = skipping
        self._its: AnyCursors = skipping
        self._plain = plain
        self._patience = Tuning.patience

    @property
    def next_key(self) -> Key:
        return self._its.next_key

    @property
    def quiet_until_ns(self) -> Nanos:
        return self._its.quiet_until_ns

    @property
    def seen(self) -> int:
        return self._its.seen

    def under_way(self) -> Iterator[MarketEvent]:
        return self._its.under_way()

    def walk(self, loop: Road, until: Key) -> bool:
        skipping = self._skipping
        if skipping is not None and skipping.is_wanted_whole():
            self._patience -= 1
            if self._patience < 0:
                self._its, self._skipping = self._plain(*skipping.leave_off()), None
        return self._its.walk(loop, until)
