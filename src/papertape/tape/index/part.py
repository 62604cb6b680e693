"""A part of a tape that begins later than the tape does: its books are looked up, and nothing before it is read."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Callable, Generator
from typing import Any, Final

from papertape.model.event import BookSnapshot
from papertape.model.units import Nanos
from papertape.tape import schema
from papertape.tape.assemble import Roller
from papertape.tape.block import Block, Opening, rows_again
from papertape.tape.index.block import Indexed, OpenIndex
from papertape.tape.index.layout import Unfit
from papertape.tape.reader import Message

OF_THE_LINE: Final = tuple(name for kind, name in schema.KIND_NAMES.items() if kind >= schema.OPENED)
"""Kinds of messages that tell of the recorder's own line."""


def part_from(index: OpenIndex, start_ns: Nanos, end_ns: Nanos, rest: Callable[[], Any]) -> Generator[Block]:
    """The blocks of the messages with `start_ns <= reach_ns < end_ns`, and what opens them, as `tape.block.read_blocks` has them.

    Raises `Unfit`, before the first of them, where it takes the tape itself to tell how they begin: where the recorder had several
    connections, or one that was down at times, and where a message from before is still on its way and holds later ones up.
    """
    tape, entries = index.tape, index.directory.blocks
    if len(tape.connections) != 1 or any(kind in tape.counts for kind in OF_THE_LINE):
        raise Unfit("its line has a history")
    number = next((number for number, each in enumerate(entries) if index.block(each).reaches[-1] >= start_ns), len(entries))
    if number == len(entries):
        return
    entry, block = entries[number], index.block(entries[number])
    begin, end = (bisect_left(block.reaches, at_ns) for at_ns in (start_ns, end_ns))
    if begin >= end:
        return
    first_row, past_row = block.row_after(begin), block.row_after(end)
    opening = list(tape.opening(start_ns, _roller(index, number, begin).opening(start_ns, first_row)))
    latest_ns = max((message[2] for message in opening), default=None)
    rows = rows_again(tape, first_row, past_row - first_row, len(opening), block.reaches[begin], latest_ns, rest())
    if rows.arrivals[-1] != block.arrivals[end - 1]:
        raise Unfit("a message from before is on its way")
    if opening:
        yield Opening(opening, rest())
    yield rows
    if end == entry.count:
        yield from index.blocks(entries[number + 1 :], end_ns, rest, shift=rows.end - entry.first - entry.count)


def _roller(index: OpenIndex, number: int, begin: int) -> Roller:
    """What stood before message `begin` of a block."""
    tape, block = index.tape, index.block(index.directory.blocks[number])
    symbols = [instrument.symbol for instrument in tape.instruments]
    roller = Roller(symbols, [connection.name for connection in tape.connections])
    told = _told(index, number, begin)
    for instrument, sides in enumerate(_books(block, begin, symbols)):
        if symbols[instrument] in told:
            roller.take_over(instrument, 0, *sides)
    if begin:
        roller.local_ns = _at(block, begin - 1)[3].local_ns
    elif number:
        before = index.block(index.directory.blocks[number - 1])
        roller.local_ns = _at(before, before.count - 1)[3].local_ns
    return roller


def _told(index: OpenIndex, number: int, begin: int) -> dict[str, None]:
    """The instruments whose whole book has been told before a message; looked for only as long as one is missing."""
    told: dict[str, None] = {}
    for each, entry in enumerate(index.directory.blocks[: number + 1]):
        block = index.block(entry)
        for barrier in block.barriers:
            if each < number or barrier < begin:
                event = _at(block, barrier)[3]
                if isinstance(event, BookSnapshot):
                    told[event.symbol] = None
                    if len(told) == len(index.tape.instruments):
                        return told
    return told


def _books(block: Indexed, begin: int, symbols: list[str]) -> list[tuple[dict[int, int], dict[int, int]]]:
    """Bids and asks by instrument before a message of a block."""
    books = [(dict(bids), dict(asks)) for bids, asks in (block.book(instrument) for instrument in range(len(symbols)))]
    at = 0
    for barrier in [*(each for each in block.barriers if each < begin), begin]:
        for instrument, sides in enumerate(books):
            for side, strand in zip(sides, block.strands(instrument), strict=False):
                for ticks, lots in strand.levels(*strand.between(at, barrier), side.keys):
                    if lots:
                        side[ticks] = lots
                    else:
                        side.pop(ticks, None)
        event = _at(block, barrier)[3] if barrier < begin else None
        if isinstance(event, BookSnapshot):
            books[symbols.index(event.symbol)] = ({t: q for t, q in event.bids if q}, {t: q for t, q in event.asks if q})
        at = barrier + 1
    return books


def _at(block: Block, place: int) -> Message:
    return next(iter(block.messages(place, place + 1)))
