"""Flow control and kinds of protocol: who may write, who wants to read, and what becomes of a piece that is stopped half-way."""

import asyncio
import contextvars
import itertools
from typing import Any

import pytest

from runtime.manners import BufferedRecorder, Recorder, Recording, both, connected, run_on, settle

MEGABYTES = 16 << 20
"""More than the line takes while nobody reads."""


@both
def test_a_writer_is_paused_above_the_high_mark_and_resumed_at_the_low_one(kind: str) -> None:
    """pause_writing within the write that goes over it, once; resume_writing once the peer has read enough."""

    async def main() -> Any:
        async with connected() as ends:
            out = ends.client.transport
            ends.server.transport.pause_reading()
            low, high = out.get_write_buffer_limits()
            out.write(b"x")
            before = out.get_write_buffer_size(), list(ends.client.log)
            out.write(bytes(MEGABYTES))
            during = out.get_write_buffer_size() > high, list(ends.client.log)
            out.write(b"more")
            ends.server.transport.resume_reading()
            await ends.client.seen("resume")
            after = out.get_write_buffer_size() <= low
            await ends.server.got(MEGABYTES + 5)
            return (low, high), before, during, after, list(ends.client.log), out.get_write_buffer_size()

    log = ["made", "pause"]
    assert run_on(kind, main)[0] == ((16384, 65536), (0, ["made"]), (True, log), True, [*log, "resume"], 0)


@both
def test_limits_of_0_pause_at_the_first_byte_that_waits(kind: str) -> None:
    """And resume when none does."""

    async def main() -> Any:
        async with connected() as ends:
            out = ends.client.transport
            out.set_write_buffer_limits(high=0)
            assert out.get_write_buffer_limits() == (0, 0)
            out.write(b"goes at once")
            before = list(ends.client.log)
            ends.server.transport.pause_reading()
            out.write(bytes(MEGABYTES))
            ends.server.transport.resume_reading()
            await ends.client.seen("resume")
            return before, list(ends.client.log), out.get_write_buffer_size()

    assert run_on(kind, main)[0] == (["made"], ["made", "pause", "resume"], 0)


@both
def test_limits_follow_from_each_other_and_are_checked(kind: str) -> None:
    """The low mark is a quarter of the high one; new limits pause at once, but never resume by themselves."""

    async def main() -> Any:
        async with connected() as ends:
            out = ends.client.transport
            seen = []
            for limits in ({"high": 1000}, {"low": 1000}, {"high": 9, "low": 9}, {}):
                out.set_write_buffer_limits(**limits)
                seen.append(out.get_write_buffer_limits())
            for wrong in ({"high": 1, "low": 2}, {"high": -1}, {"low": -1}):
                with pytest.raises(ValueError, match="must be >= 0"):
                    out.set_write_buffer_limits(**wrong)
            out.set_write_buffer_limits(high=2 * MEGABYTES)
            ends.server.transport.pause_reading()
            out.write(bytes(MEGABYTES))
            at_ease = list(ends.client.log)
            out.set_write_buffer_limits(high=10)
            strict = list(ends.client.log)
            out.set_write_buffer_limits(high=2 * MEGABYTES)
            return seen, at_ease, strict, list(ends.client.log)

    seen = [(250, 1000), (1000, 4000), (9, 9), (16384, 65536)]
    assert run_on(kind, main)[0] == (seen, ["made"], ["made", "pause"], ["made", "pause"])


class Objecting(Recorder):
    def pause_writing(self) -> None:
        super().pause_writing()
        raise ValueError("no")

    def resume_writing(self) -> None:
        super().resume_writing()
        raise ValueError("no")


@both
def test_an_error_in_flow_control_is_told_and_changes_nothing(kind: str) -> None:
    """What was written arrives."""

    async def main() -> Any:
        async with connected(Objecting) as ends:
            ends.server.transport.pause_reading()
            ends.client.transport.write(bytes(MEGABYTES))
            ends.server.transport.resume_reading()
            await ends.server.got(MEGABYTES)
            await ends.client.seen("resume")
            return list(ends.client.log)

    log, told = run_on(kind, main)
    assert log == ["made", "pause", "resume"]
    assert told == [f"protocol.{call}_writing() failed ValueError('no')" for call in ("pause", "resume")]


class StopsAfterEach(Recorder):
    """Pauses whenever it got something."""

    def data_received(self, data: bytes) -> None:
        super().data_received(data)
        self.transport.pause_reading()


@both
def test_a_paused_reader_gets_nothing_and_later_everything_in_order(kind: str) -> None:
    """Also the end waits; pausing twice, or resuming what is not paused, is nothing."""

    async def main() -> Any:
        async with connected() as ends:
            reader = ends.server.transport
            reader.resume_reading()
            reader.pause_reading()
            reader.pause_reading()
            assert not reader.is_reading()
            for word in (b"one ", b"two ", b"three"):
                ends.client.transport.write(word)
                await settle()
            ends.client.transport.write_eof()
            if kind == "virtual":
                await asyncio.sleep(1)
            await settle()
            before = bytes(ends.server.received), list(ends.server.log)
            reader.resume_reading()
            assert reader.is_reading()
            await ends.server.seen("lost")
            return before, bytes(ends.server.received), ends.server.log

    assert run_on(kind, main)[0] == ((b"", ["made"]), b"one two three", ["made", "eof", "lost"])


@both
def test_no_call_gets_more_than_a_read_takes_and_a_reader_can_stop_between_two(kind: str) -> None:
    """A piece of a megabyte comes in parts of at most 256 KiB."""

    async def main() -> Any:
        async with connected(make_server=StopsAfterEach) as ends:
            data = bytes(range(256)) * 4096
            ends.client.transport.write(data)
            ends.client.transport.write_eof()
            sizes = [0]
            while sizes[-1] < len(data):
                sizes.append(len(await ends.server.got(sizes[-1] + 1)))
                await settle()
                assert len(ends.server.received) == sizes[-1]
                assert "eof" not in ends.server.log
                ends.server.transport.resume_reading()
            await ends.server.seen("eof")
            steps = [after - before for before, after in itertools.pairwise(sizes)]
            return max(steps) <= 256 * 1024, ends.server.received == data

    assert run_on(kind, main)[0] == (True, True)


@both
def test_closing_a_paused_transport_ends_it(kind: str) -> None:
    """pause and resume after that are nothing."""

    async def main() -> Any:
        async with connected() as ends:
            ends.client.transport.pause_reading()
            ends.client.transport.close()
            ends.client.transport.resume_reading()
            ends.client.transport.pause_reading()
            await ends.client.seen("lost")
            ends.client.transport.resume_reading()
            await ends.server.seen("lost")
            return ends.client.log, ends.client.transport.is_reading()

    assert run_on(kind, main)[0] == (["made", "lost"], False)


@both
def test_a_buffered_protocol_is_filled_as_far_as_its_room_goes(kind: str) -> None:
    """get_buffer is asked with -1, any size will do; the end comes as to any protocol."""

    async def main() -> Any:
        async with connected(make_server=BufferedRecorder) as ends:
            ends.client.transport.write(b"hello world")
            ends.client.transport.close()
            await ends.server.seen("lost")
            return bytes(ends.server.received), ends.server.log, set(ends.server.hints)

    assert run_on(kind, main) == ((b"hello world", ["made", "eof", "lost"], {-1}), [])


class StopsBuffered(BufferedRecorder):
    def buffer_updated(self, nbytes: int) -> None:
        super().buffer_updated(nbytes)
        self.transport.pause_reading()


@both
def test_a_buffered_protocol_that_pauses_gets_the_rest_when_it_resumes(kind: str) -> None:
    """A piece may be stopped half-way; what comes after it stays behind it."""

    async def main() -> Any:
        async with connected(make_server=StopsBuffered) as ends:
            ends.client.transport.write(b"12345678")
            ends.client.transport.write(b"9")
            ends.client.transport.write_eof()
            steps = []
            for count in (4, 8, 9):
                await ends.server.got(count)
                await settle()
                steps.append(bytes(ends.server.received))
                assert "eof" not in ends.server.log
                ends.server.transport.resume_reading()
            await ends.server.seen("lost")
            return steps

    assert run_on(kind, main)[0] == [b"1234", b"12345678", b"123456789"]


def test_the_rest_of_a_piece_is_heard_in_the_protocols_own_context() -> None:
    """Whoever lets it read on: the variables that it sees are those of whoever made the connection."""
    who = contextvars.ContextVar("who", default="nobody")

    class Asker(StopsBuffered):
        def buffer_updated(self, nbytes: int) -> None:
            self.note(who.get())
            super().buffer_updated(nbytes)

    async def main() -> Any:
        who.set("dialler")
        async with connected(make_client=Asker) as ends:
            who.set("somebody else")
            ends.server.transport.write(b"123456789")
            for count in (4, 8, 9):
                await ends.client.got(count)
                ends.client.transport.resume_reading()
            return list(ends.client.log)

    assert run_on("virtual", main) == (["made", "dialler", "dialler", "dialler"], [])


class NoRoom(BufferedRecorder):
    def get_buffer(self, sizehint: int) -> bytearray:
        return bytearray()


class BadGet(BufferedRecorder):
    def get_buffer(self, sizehint: int) -> bytearray:
        raise ValueError("get")


class BadUpdate(BufferedRecorder):
    def buffer_updated(self, nbytes: int) -> None:
        raise ValueError("update")


@both
@pytest.mark.parametrize(
    ("bad", "expected"),
    [
        (NoRoom, "Fatal error: protocol.get_buffer() call failed. RuntimeError('get_buffer() returned an empty buffer')"),
        (BadGet, "Fatal error: protocol.get_buffer() call failed. ValueError('get')"),
        (BadUpdate, "Fatal error: protocol.buffer_updated() call failed. ValueError('update')"),
    ],
)
def test_a_buffered_protocols_mistake_ends_its_connection(kind: str, bad: Any, expected: str) -> None:
    """connection_lost gets the error, and the exception handler says in which call."""

    async def main() -> Any:
        async with connected(make_server=bad) as ends:
            ends.client.transport.write(b"x")
            await ends.server.seen("lost")
            return repr(ends.server.lost_with)

    error, told = run_on(kind, main)
    assert told == [expected]
    assert expected.endswith(error)


class HandsOver(Recorder):
    """Leaves the connection to another protocol after the first bytes, as upgrades do."""

    def __init__(self, heir: Recording) -> None:
        super().__init__()
        self.heir = heir

    def data_received(self, data: bytes) -> None:
        super().data_received(data)
        self.heir.transport = self.transport
        self.transport.set_protocol(self.heir)
        self.transport.write(b"over")


class HandsOverBuffered(BufferedRecorder):
    def __init__(self, heir: Recording) -> None:
        super().__init__()
        self.heir = heir

    def buffer_updated(self, nbytes: int) -> None:
        super().buffer_updated(nbytes)
        self.heir.transport = self.transport
        self.transport.set_protocol(self.heir)
        self.transport.write(b"over")


@both
@pytest.mark.parametrize("first", [HandsOver, HandsOverBuffered])
@pytest.mark.parametrize("second", [Recorder, BufferedRecorder])
def test_protocols_can_be_swapped_in_the_middle(kind: str, first: Any, second: Any) -> None:
    """Plain or buffered, what comes from then on is the other's, the end too; even the rest of a piece."""

    async def main() -> Any:
        heir = second()
        async with connected(make_server=lambda: first(heir)) as ends:
            ends.client.transport.write(b"abcd")
            if first is HandsOverBuffered:
                ends.client.transport.write(b"rest")
            await ends.client.got(4)
            ends.client.transport.write(b"efgh")
            ends.client.transport.close()
            await heir.seen("lost")
            ends.server.note("lost")  # for whoever clears away
            return bytes(ends.server.received), bytes(heir.received), heir.log, heir.transport.get_protocol() is heir

    result = run_on(kind, main)[0]
    rest = b"rest" if first is HandsOverBuffered else b""
    assert result[:3] == (b"abcd", rest + b"efgh", ["eof", "lost"])
    assert result[3] or kind == "real"  # asyncio's own forgets its protocol at the end
