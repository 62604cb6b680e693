"""Sets that are walked in the order in which things were put in.

Python's own sets are walked by hash, and most hashes are addresses in memory: another order in every process.
"""

from __future__ import annotations

import weakref
from collections.abc import Iterable, Iterator
from typing import Any, TypeVar

T = TypeVar("T")


class OrderedSet(set[T]):
    """A `set` in everything but its order, which is that of insertion; `pop` takes the oldest.

    >>> OrderedSet([3, 1, 2, 1]) | {9}
    OrderedSet([3, 1, 2, 9])
    """

    __slots__ = ("_order",)

    def __init__(self, items: Iterable[T] = ()) -> None:
        self._order: dict[T, None] = dict.fromkeys(items)
        super().__init__(self._order)

    def __iter__(self) -> Iterator[T]:
        return iter(self._order)

    def __repr__(self) -> str:
        return f"OrderedSet({list(self._order)!r})"

    def __reduce__(self) -> tuple[Any, ...]:
        return OrderedSet, (list(self._order),)

    def add(self, item: T) -> None:
        self._order[item] = None
        super().add(item)

    def discard(self, item: object) -> None:
        self._order.pop(item, None)  # type: ignore[arg-type]  # what is not in it is nothing to discard, whatever its type
        super().discard(item)

    def remove(self, item: T) -> None:
        del self._order[item]
        super().discard(item)

    def pop(self) -> T:
        item = next(iter(self._order), None)
        if item is None and None not in self._order:
            raise KeyError("pop from an empty set")
        self.remove(item)  # type: ignore[arg-type]  # None is an item like any other, if it is one
        return item  # type: ignore[return-value]  # None is an item like any other, if it is one

    def clear(self) -> None:
        self._order.clear()
        super().clear()

    def copy(self) -> OrderedSet[T]:
        return OrderedSet(self._order)

    __copy__ = copy

    def update(self, *others: Iterable[Any]) -> None:
        for other in others:
            for item in other:
                self.add(item)

    def _become(self, items: Iterable[T]) -> None:
        kept = list(items)
        self.clear()
        self.update(kept)

    def union(self, *others: Iterable[Any]) -> OrderedSet[Any]:
        result: OrderedSet[Any] = OrderedSet(self._order)
        result.update(*others)
        return result

    def intersection(self, *others: Iterable[Any]) -> OrderedSet[T]:
        kept: Iterable[T] = self._order
        for other in others:
            wanted = frozenset(other)
            kept = [item for item in kept if item in wanted]
        return OrderedSet(kept)

    def difference(self, *others: Iterable[Any]) -> OrderedSet[T]:
        kept: Iterable[T] = self._order
        for other in others:
            unwanted = frozenset(other)
            kept = [item for item in kept if item not in unwanted]
        return OrderedSet(kept)

    def symmetric_difference(self, other: Iterable[Any]) -> OrderedSet[Any]:
        there: dict[Any, None] = dict.fromkeys(other)
        return OrderedSet([item for item in self._order if item not in there] + [item for item in there if item not in self._order])

    def intersection_update(self, *others: Iterable[Any]) -> None:
        self._become(self.intersection(*others))

    def difference_update(self, *others: Iterable[Any]) -> None:
        self._become(self.difference(*others))

    def symmetric_difference_update(self, other: Iterable[Any]) -> None:
        self._become(self.symmetric_difference(other))

    def __or__(self, other: Any) -> Any:
        return self.union(other) if isinstance(other, (set, frozenset)) else NotImplemented

    def __and__(self, other: Any) -> Any:
        return self.intersection(other) if isinstance(other, (set, frozenset)) else NotImplemented

    def __sub__(self, other: Any) -> Any:
        return self.difference(other) if isinstance(other, (set, frozenset)) else NotImplemented

    def __xor__(self, other: Any) -> Any:
        return self.symmetric_difference(other) if isinstance(other, (set, frozenset)) else NotImplemented

    def __ror__(self, other: Any) -> Any:
        return OrderedSet(other).union(self) if isinstance(other, (set, frozenset)) else NotImplemented

    def __rand__(self, other: Any) -> Any:
        return self.intersection(other) if isinstance(other, (set, frozenset)) else NotImplemented

    def __rsub__(self, other: Any) -> Any:
        return OrderedSet(other).difference(self) if isinstance(other, (set, frozenset)) else NotImplemented

    def __rxor__(self, other: Any) -> Any:
        return OrderedSet(other).symmetric_difference(self) if isinstance(other, (set, frozenset)) else NotImplemented

    def __ior__(self, other: Any) -> Any:
        self.update(other)
        return self

    def __iand__(self, other: Any) -> Any:
        self.intersection_update(other)
        return self

    def __isub__(self, other: Any) -> Any:
        self.difference_update(other)
        return self

    def __ixor__(self, other: Any) -> Any:
        self.symmetric_difference_update(other)
        return self


class OrderedWeakSet:
    """As much of `weakref.WeakSet` as a loop needs for its async generators, oldest first."""

    def __init__(self) -> None:
        self._references: dict[int, weakref.ref[Any]] = {}

    def add(self, item: Any) -> None:
        key = id(item)
        self._references[key] = weakref.ref(item, lambda _: self._references.pop(key, None))

    def discard(self, item: Any) -> None:
        self._references.pop(id(item), None)

    def clear(self) -> None:
        self._references.clear()

    def __len__(self) -> int:
        return len(self._references)

    def __iter__(self) -> Iterator[Any]:
        alive = [reference() for reference in self._references.values()]
        return iter([item for item in alive if item is not None])
