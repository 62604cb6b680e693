"""Which rows of a block matter to orders of ours: those that must be told in their time, and those that none may skip."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterable, Mapping, Sequence

from papertape.sim.lagging import NOTHING, Minds
from papertape.sim.matcher import Matcher
from papertape.sim.side import FAR
from papertape.tape.batch import scalar_of
from papertape.tape.block import Block
from papertape.tape.strand import LISTED_MAX, Strand, numbers


def minded(instruments: Sequence[int], minds: Sequence[Minds], block: Block, begin: int, end: int) -> list[int]:
    """Places of the messages in a part of a block that must be told in their time, ascending.

    Args:
        instruments: the tape's numbers of them, in the order of `minds`.
    """
    if all(each is NOTHING for each in minds):
        return []
    if any(each.all for each in minds):
        return list(range(begin, end))
    barriers = block.barriers
    found = dict.fromkeys(barriers[bisect_left(barriers, begin) : bisect_left(barriers, end)])
    for number, each in zip(instruments, minds, strict=True):
        if each is NOTHING:
            continue
        bids, asks, bought, sold = block.strands(number)
        for strand in (bids, bought):
            found.update(dict.fromkeys(rows_at(strand, begin, end, at_least=each.ask)))
        for strand in (asks, sold):
            found.update(dict.fromkeys(rows_at(strand, begin, end, at_most=each.bid)))
    return sorted(found)


def near_ours(matchers: Mapping[int, Matcher], block: Block, begin: int, end: int) -> list[int]:
    """Places of the messages that change a level at which an order of ours rests, or of which we took, ascending.

    Args:
        matchers: by the tape's number of their instrument.
    """
    found: dict[int, None] = {}
    for number, matcher in matchers.items():
        for place, side in enumerate((matcher.bids, matcher.asks)):
            if side.own or side.taken:
                found |= dict.fromkeys(rows_at(block.strands(number)[place], begin, end, (*side.own, *side.taken)))
    return sorted(found)


def rows_at(
    strand: Strand, begin: int, end: int, prices: Sequence[int] = (), *, at_least: int | None = None, at_most: int | None = None
) -> Iterable[int]:
    """Places of rows at one of `prices`, or as far as a bound or further."""
    if not prices and at_least is None and at_most is None:
        return ()
    low, high = strand.between(begin, end)
    if low == high or (not prices and not strand.reaches(low, high, at_least, at_most)):
        return ()
    if high - low <= LISTED_MAX:
        least, most = FAR if at_least is None else at_least, -FAR if at_most is None else at_most
        found = numbers(strand.prices, low, high)
        if not prices:
            return [strand.places[row] for row, price in enumerate(found, low) if price >= least or price <= most]
        return [strand.places[row] for row, price in enumerate(found, low) if price >= least or price <= most or price in prices]
    import pyarrow.compute as pc

    part = strand.prices.slice(low, high - low)
    masks = [pc.equal(part, scalar_of("int64", price)) for price in prices]
    if at_least is not None:
        masks.append(pc.greater_equal(part, scalar_of("int64", at_least)))
    if at_most is not None:
        masks.append(pc.less_equal(part, scalar_of("int64", at_most)))
    mask = masks[0]
    for other in masks[1:]:
        mask = pc.or_(mask, other)
    return (strand.places[low + place] for place in pc.indices_nonzero(mask).to_pylist())
