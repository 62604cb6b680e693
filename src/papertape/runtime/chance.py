"""Named randomness: what one part of a run draws does not depend on what another part draws.

Draws come from BLAKE2b over (seed, name, counter or key), so they are the same on every machine and Python version, now and later.
"""

from __future__ import annotations

import hashlib
from collections.abc import MutableSequence, Sequence
from struct import unpack
from typing import Final, TypeVar

T = TypeVar("T")

_WORD_BYTES: Final = 8
_BLOCK_BYTES: Final = 64
_FLOAT_BITS: Final = 53


class Stream:
    """Draws one after another; which they are depends on the seed and the stream's name only.

    >>> stream = Chance(7).stream("backoff")
    >>> [stream.below(10) for _ in range(8)]
    [7, 3, 6, 6, 4, 1, 4, 9]
    """

    def __init__(self, root: hashlib.blake2b) -> None:
        self._root = root
        self._block = 0
        self._buffer = b""
        self._used = 0

    def bytes(self, count: int) -> bytes:
        """The next `count` bytes."""
        missing = count - (len(self._buffer) - self._used)
        if missing > 0:
            blocks = [self._buffer[self._used :]]
            for _ in range(0, missing, _BLOCK_BYTES):
                hasher = self._root.copy()
                hasher.update(self._block.to_bytes(_WORD_BYTES, "little"))
                self._block += 1
                blocks.append(hasher.digest())
            self._buffer = b"".join(blocks)
            self._used = 0
        self._used += count
        return self._buffer[self._used - count : self._used]

    def word(self) -> int:
        """A whole number from 0 up to 2**64 - 1."""
        return int.from_bytes(self.bytes(_WORD_BYTES), "little")

    def below(self, count: int) -> int:
        """A whole number from 0 up to `count - 1`, each as likely; raises ValueError where there is none."""
        if count < 1:
            raise ValueError(f"no whole number is at least 0 and below {count}")
        size = (count.bit_length() + 7) // 8
        span = 1 << (8 * size)
        fair = span - span % count  # a draw above would make small numbers likelier
        while True:
            draw = int.from_bytes(self.bytes(size), "little")
            if draw < fair:
                return draw % count

    def between(self, low: int, high: int) -> int:
        """A whole number from `low` up to and including `high`."""
        return low + self.below(high - low + 1)

    def random(self) -> float:
        """A float from 0.0 to below 1.0; only for what decides nothing that must agree across machines."""
        return (self.word() >> (64 - _FLOAT_BITS)) / (1 << _FLOAT_BITS)

    def choice(self, items: Sequence[T]) -> T:
        """One of `items`, each as likely."""
        return items[self.below(len(items))]

    def shuffle(self, items: MutableSequence[T]) -> None:
        """Put `items` in another order, each order as likely."""
        for last in range(len(items) - 1, 0, -1):
            other = self.below(last + 1)
            items[last], items[other] = items[other], items[last]


class _Keyed:
    """Draws by key, computed for eight neighbouring keys at a time: rows come one after another."""

    __slots__ = ("_root", "block", "words")

    def __init__(self, root: hashlib.blake2b) -> None:
        self._root = root
        self.block: int | None = None
        self.words: tuple[int, ...] = ()

    def turn_to(self, block: int) -> None:
        hasher = self._root.copy()
        hasher.update(block.to_bytes(16, "little", signed=True))
        self.block, self.words = block, unpack("<8Q", hasher.digest())


class Chance:
    """The one source of randomness of a run.

    Two draws never interfere: streams are told apart by name, and what is drawn per market row is keyed by the row, so that cutting a tape
    or adding a fault shifts nothing else.

    >>> chance = Chance(7)
    >>> chance.keyed("latency/market", 41) == Chance(7).keyed("latency/market", 41)
    True
    """

    def __init__(self, seed: int | str) -> None:
        self.seed = seed
        self._keyed: dict[str, _Keyed] = {}

    def stream(self, name: str) -> Stream:
        """A new stream of that name, at its beginning."""
        return Stream(self._root("stream", name))

    def keyed(self, name: str, key: int) -> int:
        """A 64-bit number that depends on the seed, the name and the key alone, not on what was drawn before."""
        keyed = self._keyed.get(name)
        if keyed is None:
            keyed = self._keyed[name] = _Keyed(self._root("keyed", name))
        if keyed.block != key >> 3:
            keyed.turn_to(key >> 3)
        return keyed.words[key & 7]

    def _root(self, kind: str, name: str) -> hashlib.blake2b:
        # Lengths first: ("a", "bc") and ("ab", "c") are two streams.
        parts = [kind, type(self.seed).__name__, str(self.seed), name]
        text = "".join(f"{len(part)}:{part}" for part in parts)
        return hashlib.blake2b(text.encode(), digest_size=_BLOCK_BYTES, person=b"papertape")
