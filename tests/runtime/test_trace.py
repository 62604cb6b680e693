"""The trace of a run: what is taken down, that it can be read again, where two part, and what is never shown."""

from __future__ import annotations

import os
import random
import sys
import uuid
import zlib
from collections.abc import Callable, Iterable, Sequence
from decimal import Decimal
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from papertape.runtime.loop import VirtualLoop
from papertape.runtime.trace import Trace
from papertape.runtime.trace.draws import TracedRandom
from papertape.runtime.trace.piece import readable
from papertape.runtime.trace.record import Difference, Kind, Record, decode, digest, encode, first_difference, read
from papertape.runtime.trace.secret import mask
from papertape.runtime.trace.stack import FRAMES_MAX, read_stack, users
from papertape.runtime.trace.steps import RETURNED, Parting, Step, Steps, first_parting, read_steps
from papertape.runtime.trace.trace import RECORDS, STACKS
from papertape.runtime.trace.value import describe
from papertape.runtime.world import run_virtual

TEXT = st.text(st.characters(exclude_categories=["Cs"]), max_size=20)
COUNT = st.integers(0, 1 << 62)
RECORD = st.builds(Record, st.sampled_from(Kind), COUNT, TEXT, COUNT, TEXT, COUNT)


def record(number: int, *, stack: int = 0) -> Record:
    return Record(Kind.DRAW, number, "entropy", 4, digest(str(number).encode()), stack)


def write(path: Path, records: Sequence[Record]) -> Path:
    path.write_bytes(b"".join(map(encode, records)))
    return path


# The codec


@given(RECORD)
def test_a_record_is_read_as_it_was_written(written: Record) -> None:
    """One line, whatever is in it."""
    line = encode(written)
    assert decode(line) == written
    assert line.index(b"\n") == len(line) - 1


def test_a_line_that_was_never_finished_is_none(tmp_path: Path) -> None:
    """The process that wrote it was killed."""
    path = write(tmp_path / "a", [record(1), record(2)])
    path.write_bytes(path.read_bytes() + encode(record(3))[:-5])
    assert list(read(path)) == [record(1), record(2)]


# Where two part


def test_equal_traces_do_not_part(tmp_path: Path) -> None:
    """The numbers of stacks are each trace's own."""
    left = write(tmp_path / "a", [record(1, stack=1), record(2)])
    right = write(tmp_path / "b", [record(1, stack=2), record(2)])
    assert first_difference(left, right) is None


def test_a_trace_that_ends_early_parts_there(tmp_path: Path) -> None:
    """Either way round, and where it is empty."""
    short, long = write(tmp_path / "a", [record(1)]), write(tmp_path / "b", [record(1), record(2)])
    assert first_difference(short, long) == Difference(1, None, record(2))
    assert first_difference(long, short) == Difference(1, record(2), None)
    assert first_difference(write(tmp_path / "c", []), short) == Difference(0, None, record(1))


@given(same=st.integers(0, 5), left=st.lists(RECORD, max_size=3), right=st.lists(RECORD, max_size=3))
def test_the_first_difference_is_the_first(
    tmp_path_factory: pytest.TempPathFactory, same: int, left: list[Record], right: list[Record]
) -> None:
    """As a plain walk over both lists finds it."""
    begin = [record(number) for number in range(same)]
    ones, others = begin + left, begin + right
    folder = tmp_path_factory.mktemp("traces")
    found = first_difference(write(folder / "a", ones), write(folder / "b", others))
    at = next(
        (i for i, (one, other) in enumerate(zip(ones, others, strict=False)) if one.essence != other.essence), min(len(ones), len(others))
    )
    if at == len(ones) == len(others):
        assert found is None
    else:
        assert found == Difference(at, ones[at] if at < len(ones) else None, others[at] if at < len(others) else None)


@pytest.mark.parametrize(
    "other",
    [
        Record(Kind.CALL, 1, "entropy", 4, "d"),
        Record(Kind.DRAW, 2, "entropy", 4, "d"),
        Record(Kind.DRAW, 1, "random", 4, "d"),
        Record(Kind.DRAW, 1, "entropy", 5, "d"),
        Record(Kind.DRAW, 1, "entropy", 4, "e"),
    ],
)
def test_every_fact_of_a_record_counts(tmp_path: Path, other: Record) -> None:
    """Its kind, its time, its name, its size and its value."""
    one = Record(Kind.DRAW, 1, "entropy", 4, "d")
    assert first_difference(write(tmp_path / "a", [one]), write(tmp_path / "b", [other])) == Difference(0, one, other)


# What is taken down


async def draws(loop: VirtualLoop) -> list[Any]:
    return [os.urandom(4), uuid.uuid4(), random.random(), random.choice("abc"), random.gauss(0, 1), random.Random().random()]  # noqa: TID251 - what is traced


def taken(folder: Path, program: Callable[[VirtualLoop], Any]) -> Any:
    """What `program` returns in a traced run."""
    with Trace(folder) as trace:

        async def main(loop: VirtualLoop) -> Any:
            trace.attach(loop)
            return await program(loop)

        return run_virtual(main, seed=7)


def test_draws_are_taken_down_and_stay_what_they_are(tmp_path: Path) -> None:
    """From the machine's entropy and from the module `random`, each with the line that asked."""
    assert taken(tmp_path, draws) == run_virtual(draws, seed=7)
    records = list(read(tmp_path / RECORDS))
    assert [(each.what, each.size) for each in records[:4]] == [("entropy", 4), ("entropy", 16), ("random", 8), ("random", 1)]
    line = users(read_stack(tmp_path / STACKS, records[0].stack))
    assert line is not None
    assert (Path(line.file).name, line.name) == ("test_trace.py", "draws")


MADE_BEFORE = random.Random(3)  # noqa: TID251 - what is forbidden is what is tested


async def draws_from_what_was_made_before(loop: VirtualLoop) -> float:
    return MADE_BEFORE.random()


def test_draws_of_a_generator_that_was_made_before_the_run_are_taken_down(tmp_path: Path) -> None:
    """Or two runs that part by one would seem to part at the first byte that shows it."""
    assert taken(tmp_path, draws_from_what_was_made_before) == run_virtual(draws_from_what_was_made_before, seed=7)
    assert [(each.what, each.size) for each in read(tmp_path / RECORDS)][:1] == [("random", 8)]


@given(st.integers(0, 1 << 32))
def test_a_traced_generator_draws_what_a_plain_one_draws(seed: int) -> None:
    """Through every method that the module has."""
    plain, traced = random.Random(seed), TracedRandom(0)  # noqa: TID251 - what is forbidden is what is tested
    traced.note = lambda source, size, value: None
    traced.setstate(plain.getstate())
    for each in (plain, traced):
        each.drawn = [  # type: ignore[attr-defined]  # noted on the generator for this test
            each.random(), each.randint(1, 6), each.choice("abcdef"), each.sample(range(100), 5), each.gauss(0, 1), each.randbytes(9),
            each.getrandbits(70), each.uniform(1, 2), each.triangular(), each.expovariate(2), each.choices("abc", k=3),
        ]  # fmt: skip
    assert plain.drawn == traced.drawn  # type: ignore[attr-defined]  # noted on the generator for this test


def test_a_deep_stack_is_cut(tmp_path: Path) -> None:
    """Its innermost lines are kept: memory is bounded, whatever the program does."""

    def deep(left: int) -> bytes:
        return os.urandom(1) if not left else deep(left - 1)  # noqa: TID251 - what is forbidden is what is tested

    async def program(loop: VirtualLoop) -> None:
        deep(200)

    taken(tmp_path, program)
    stack = read_stack(tmp_path / STACKS, 0)
    assert len(stack) == FRAMES_MAX
    assert stack[0].name.endswith("deep")


def test_a_trace_that_is_closed_takes_nothing_more(tmp_path: Path) -> None:
    """What a journal still writes as it closes comes too late, and does no harm."""
    with Trace(tmp_path) as trace:
        trace.event("mark", b"{}")
    trace.event("mark", b"{}")
    assert [each.what for each in read(tmp_path / RECORDS)] == ["mark"]


# The program's own steps


class Counter:
    def __init__(self) -> None:
        self.count = 0

    def add(self, by: int) -> int:
        self.count += by
        return self.count


def walk(sizes: Iterable[str]) -> str:
    total = ""
    for size in sizes:
        total += size
    if len(total) > 3:
        return "long"
    return total


def steps_of(path: Path, work: Callable[[], object]) -> Path:
    before = sys.gettrace()
    with path.open("wb") as file:
        steps = Steps(file)
        steps.start()
        try:
            work()
        finally:
            steps.stop()
    assert sys.gettrace() is before
    return path


def test_the_first_value_that_differs_is_named_with_its_line(tmp_path: Path) -> None:
    """Not where it is used, but where it came to be."""
    left = steps_of(tmp_path / "a", partial(walk, iter(["1", "2"])))
    right = steps_of(tmp_path / "b", partial(walk, iter(["1", "3"])))
    found = first_parting(left, right)
    assert found is not None
    assert found.left is not None
    assert (found.name, found.left.function, found.left.changed) == ("size", "walk", {"size": "'2'"})
    assert found.left.line == walk.__code__.co_firstlineno + 2
    assert first_parting(left, left) is None


def test_the_way_that_a_program_goes_is_compared_too(tmp_path: Path) -> None:
    """Two branches, nothing else: no name, but two lines."""
    one, other = Step("bot.py", 7, "main", {}), Step("bot.py", 9, "main", {})
    assert Parting(None, one, other).name is None
    assert Parting(None, one, Step("bot.py", 7, "main", {"x": "1"})).name == "x"
    assert Parting(None, one, None).name is None


def test_what_an_object_holds_and_a_function_returns_is_seen(tmp_path: Path) -> None:
    """`self` is looked into; a value that has no name yet has one of ours."""
    steps = list(read_steps(steps_of(tmp_path / "a", lambda: Counter().add(5))))
    changed = [each.changed for each in steps if each.function == "Counter.add"]
    assert {"by": "5", "self": "<Counter>", "self.count": "0"} in changed
    assert changed[-1] == {RETURNED: "5"}


# What is shown, and what never


SECRETS = [
    ("GET / HTTP/1.1\r\nAuthorization: Bearer {}\r\nHost: x\r\n", "aGVsbG8"),
    ("GET / HTTP/1.1\r\nCB-ACCESS-SIGN: {}\r\n", "5f3a"),
    ("X-MBX-APIKEY: {}", "vmPUZE6mv9SD5VNHk4HlWFsOr6aKE2zvsw0MuIgwCIPy6utIco14y7Ju91duEh8A"),
    ("Cookie: session={}", "abc"),
    ("/order?symbol=BTC&signature={}&x=1", "c8db56825ae71d6d79447849e617115f"),
    ('{{"type": "subscribe", "jwt": "{}"}}', "not.a.real.one"),
    ('{{"apiKey":"{}","secret":"other"}}', "k-1"),
    ("{{'password': '{}'}}", "hunter2"),
    (r'{{"body": "{{\"api_key\": \"{}\"}}"}}', "hush"),
    ("said {} aloud", "eyJhbGciOiJFUzI1NiJ9.eyJzdWIiOiJ4In0.c2ln"),
    ("the rest of a token: {}", "A" * 60),
    ("-----BEGIN EC PRIVATE KEY-----\n{}\n-----END EC PRIVATE KEY-----", "MHcCAQEE"),
]  # fmt: skip


@pytest.mark.parametrize(("text", "secret"), SECRETS)
def test_secrets_are_starred_out_at_their_own_length(text: str, secret: str) -> None:
    """Headers, queries, JSON, JSON within JSON, tokens wherever they are."""
    shown = mask(text.format(secret))
    assert secret not in shown
    assert len(shown) == len(text.format(secret))


def test_what_the_environment_keeps_secret_stays_so(monkeypatch: pytest.MonkeyPatch) -> None:
    """Wherever in a text it turns up."""
    monkeypatch.setenv("KRAKEN_SECRET", "swordfish")
    assert mask("nothing says that swordfish is one") == "nothing says that ********* is one"


def test_orders_are_readable() -> None:
    """What a person looks for is not taken for a secret."""
    text = '{"client_order_id":"9f1c7f0e-7f5c-4c58-9f4b-0a3a9f3f2f10","product_id":"BTC-USD","side":"BUY","base_size":"0.01"}'
    assert mask(text) == text


@given(st.text(max_size=200))
def test_nothing_moves_when_secrets_are_starred_out(text: str) -> None:
    """So that places in what is shown are places in what was sent."""
    assert len(mask(text)) == len(text)


class Loud:
    def __repr__(self) -> str:
        raise AssertionError("looking must run nothing of the program's")


NESTED = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5) | st.binary(max_size=5) | st.decimals(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=3), inner, max_size=4) | st.tuples(inner, inner),
    max_leaves=8,
)


@given(NESTED)
def test_any_value_can_be_described(value: object) -> None:
    """In one line, the same every time."""
    assert "\n" not in describe(value)
    assert describe(value) == describe(value)


def test_describing_runs_no_code_of_the_program() -> None:
    """Nor does the order of a set show, which nobody has walked yet; an address is none of its business."""
    assert describe([Loud(), {"a": Loud()}]) == "[<Loud>, {'a': <Loud>}]"
    assert describe({"b", "a", "c"}) == "{'a', 'b', 'c'}"
    assert describe("<object at 0x7f1c2d3e4f50>") == "'<object at 0x…>'"
    assert describe(Decimal("0.10")) == "Decimal('0.10')"
    assert describe({"api_secret": "abc", "size": "1"}) == "{'api_secret': '***', 'size': '1'}"


# What is in a piece


def frame(payload: bytes, *, first: int = 0x81, key: bytes = b"") -> bytes:
    size = bytes([len(payload) | (0x80 if key else 0)]) if len(payload) < 126 else b"\x7e" + len(payload).to_bytes(2, "big")
    return (
        bytes([first]) + size + key + bytes(each ^ key[i & 3] for i, each in enumerate(payload)) if key else bytes([first]) + size + payload
    )


def deflated(payload: bytes) -> bytes:
    packer = zlib.compressobj(wbits=-zlib.MAX_WBITS)
    return (packer.compress(payload) + packer.flush(zlib.Z_SYNC_FLUSH))[:-4]


@pytest.mark.parametrize(
    ("piece", "text"),
    [
        (b"GET / HTTP/1.1\r\n\r\n", "GET / HTTP/1.1\r\n\r\n"),
        (frame(b'{"type":"subscribe"}', key=b"\x01\x02\x03\x04"), '{"type":"subscribe"}'),
        (frame(b"one") + frame(b"two"), "onetwo"),
        (frame(b"x" * 300), "x" * 300),
        (frame(deflated(b"squeezed"), first=0xC1), "squeezed"),
        (b"\x00\x01\x02\xff", None),
        (frame(b"whole")[:-2], None),
        (b"", ""),
    ],
)
def test_a_piece_is_read_as_far_as_it_is_text(piece: bytes, text: str | None) -> None:
    """HTTP as it is; WebSocket frames without their wrapping, unmasked and decompressed."""
    assert readable(piece) == text
