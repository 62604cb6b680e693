"""Several feeds as one, in one stated order."""

from __future__ import annotations

import heapq
from collections.abc import Iterable, Iterator, Sequence

from papertape.tape.reader import Message


def merge(feeds: Sequence[Iterable[Message]]) -> Iterator[tuple[int, Message]]:
    """All messages of all feeds as (feed index, message).

    The order is total: by `reach_ns`, then by the feed's place in `feeds`, then by row; so each feed keeps its own order.

    >>> from papertape.model.event import ConnectionEvent, ConnectionKind
    >>> event = ConnectionEvent(venue_ns=0, local_ns=0, symbol="", connection="a", what=ConnectionKind.OPENED)
    >>> one, other = [(0, 5, 6, event), (1, 9, 9, event)], [(7, 5, 5, event)]
    >>> [(feed, message[0]) for feed, message in merge([one, other])]
    [(0, 0), (1, 7), (0, 1)]
    """
    if len(feeds) == 1:
        return ((0, message) for message in feeds[0])
    return _merge(feeds)


def _merge(feeds: Sequence[Iterable[Message]]) -> Iterator[tuple[int, Message]]:
    iterators = [iter(feed) for feed in feeds]
    heads = []
    for index, iterator in enumerate(iterators):
        message = next(iterator, None)
        if message is not None:
            heads.append((message[1], index, message[0], message))  # no two heads share a feed, so messages are never compared
    heapq.heapify(heads)
    while heads:
        _, index, _, message = heads[0]
        yield index, message
        following = next(iterators[index], None)
        if following is None:
            heapq.heappop(heads)
        else:
            heapq.heapreplace(heads, (following[1], index, following[0], following))
