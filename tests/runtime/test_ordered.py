"""An ordered set is a set in everything but its order."""

import copy
import gc
import pickle
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from papertape.runtime.ordered import OrderedSet, OrderedWeakSet

ITEMS = st.lists(st.integers(0, 9), max_size=8)


def in_order(items: list[int]) -> list[int]:
    return list(dict.fromkeys(items))


@given(ITEMS, ITEMS)
def test_operators_agree_with_set_and_keep_order(first: list[int], second: list[int]) -> None:
    """Every operator gives the same members as set's; the left side's order first, then the right side's."""
    a, b = OrderedSet(first), OrderedSet(second)
    cases: list[tuple[Any, list[int]]] = [
        (a | b, in_order(first + second)),
        (a & b, [item for item in in_order(first) if item in second]),
        (a - b, [item for item in in_order(first) if item not in second]),
        (a ^ b, [i for i in in_order(first) if i not in second] + [i for i in in_order(second) if i not in first]),
        (a.union(second), in_order(first + second)),
        (a.intersection(second), [item for item in in_order(first) if item in second]),
        (a.difference(second), [item for item in in_order(first) if item not in second]),
        (a.symmetric_difference(second), [i for i in in_order(first) if i not in second] + [i for i in in_order(second) if i not in first]),
    ]
    plain = set(second)
    for result, expected in cases:
        assert isinstance(result, OrderedSet)
        assert list(result) == expected
    assert a | plain == set(first) | plain
    assert plain | a == set(first) | plain
    assert plain & a == a & plain == set(first) & plain
    assert plain - a == plain - set(first)
    assert plain ^ a == a ^ plain == set(first) ^ plain
    assert (a <= b, a < b, a == b, a.isdisjoint(b)) == (
        set(first) <= plain,
        set(first) < plain,
        set(first) == plain,
        not set(first) & plain,
    )


@given(ITEMS, ITEMS, st.sampled_from(["|", "&", "-", "^"]))
def test_operators_in_place_agree_with_set(first: list[int], second: list[int], operator: str) -> None:
    """`|=` and its kin change the set itself, to what set would hold."""
    ordered, plain = OrderedSet(first), set(first)
    same = ordered
    match operator:
        case "|":
            ordered |= OrderedSet(second)
            plain |= set(second)
        case "&":
            ordered &= OrderedSet(second)
            plain &= set(second)
        case "-":
            ordered -= OrderedSet(second)
            plain -= set(second)
        case "^":
            ordered ^= OrderedSet(second)
            plain ^= set(second)
    assert ordered is same
    assert ordered == plain == set(ordered)
    assert len(ordered) == len(plain)


@given(st.lists(st.tuples(st.sampled_from(["add", "discard", "remove", "pop", "clear"]), st.integers(0, 5)), max_size=30))
def test_a_changing_set_agrees_with_a_dict(changes: list[tuple[str, int]]) -> None:
    """Through any changes it holds what a dict's keys would hold, in that order."""
    ordered: OrderedSet[int] = OrderedSet()
    model: dict[int, None] = {}
    for change, item in changes:
        match change:
            case "add":
                ordered.add(item)
                model[item] = None
            case "discard":
                ordered.discard(item)
                model.pop(item, None)
            case "remove" if item not in model:
                with pytest.raises(KeyError):
                    ordered.remove(item)
            case "remove":
                ordered.remove(item)
                del model[item]
            case "pop" if not model:
                with pytest.raises(KeyError):
                    ordered.pop()
            case "pop":
                assert ordered.pop() == next(iter(model))
                del model[next(iter(model))]
            case "clear":
                ordered.clear()
                model.clear()
        assert list(ordered) == list(model)
        assert (len(ordered), bool(ordered), item in ordered) == (len(model), bool(model), item in model)


def test_copies_keep_the_order() -> None:
    """copy, deepcopy and pickle give an equal set in the same order."""
    ordered = OrderedSet([3, 1, 2])
    for other in (ordered.copy(), copy.copy(ordered), copy.deepcopy(ordered), pickle.loads(pickle.dumps(ordered))):
        assert list(other) == [3, 1, 2]
        other.add(4)
    assert list(ordered) == [3, 1, 2]


def test_none_can_be_a_member() -> None:
    """None is a member like any other."""
    ordered = OrderedSet([None])
    assert ordered.pop() is None
    with pytest.raises(KeyError):
        ordered.pop()


def test_a_foreign_operand_is_refused() -> None:
    """As with set, operators want sets."""
    with pytest.raises(TypeError):
        OrderedSet([1]) | [2]


def test_a_weak_set_forgets_the_dead_and_keeps_the_order() -> None:
    """Members that nobody else holds are gone; the others come oldest first."""

    class Thing: ...

    things = [Thing() for _ in range(10)]
    weak = OrderedWeakSet()
    for thing in things:
        weak.add(thing)
    weak.discard(things[3])
    del things[5], thing
    gc.collect()
    assert list(weak) == [thing for index, thing in enumerate(things) if index != 3]
    assert len(weak) == 8
    weak.clear()
    assert list(weak) == []
