"""The log of intents on a real disk."""

from __future__ import annotations

from decimal import Decimal
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from exchanges.scripted import World, play
from papertape.exchanges.intent_file import IntentFile
from papertape.model.errors import ConfigError
from papertape.model.event import Side
from papertape.model.order import NewOrder, OrderType
from papertape.resilience.intents import Ended, Ending, MemoryIntents, Sending, Wanted

ORDER = NewOrder(symbol="BTC/USD", type=OrderType.LIMIT, side=Side.BUY, amount=Decimal("0.10"), price=Decimal("64000.10"))
RECORDS = (
    Wanted(client_order_id="a-1", number=1, order=ORDER, at_ns=1),
    Sending(client_order_id="a-1", attempt=1, at_ns=2),
    Ended(client_order_id="a-1", how=Ending.REFUSED, at_ns=3),
)


steps = st.one_of(
    st.tuples(st.just("append"), st.sampled_from(RECORDS), st.booleans()),
    st.tuples(st.just("crash"), st.floats(0, 1), st.booleans()),
    st.tuples(st.just("restart"), st.none(), st.booleans()),
)


@settings(max_examples=60, deadline=None)
@given(st.lists(steps, max_size=25))
def test_a_file_and_the_virtual_disk_forget_the_same(script: list[tuple[str, Any, bool]]) -> None:
    """What runs are made with loses what a real disk may: what follows the last sync, but for a part that may end in a torn line."""
    with TemporaryDirectory() as folder:
        path = Path(folder) / "log.jsonl"
        disk, file = MemoryIntents(), IntentFile(path)
        synced = 0
        for what, value, durable in script:
            if what == "append":
                disk.append(value, durable=durable)
                file.append(value, durable=durable)
                synced = path.stat().st_size if durable else synced
                continue
            file.close()
            whole = path.read_bytes()
            kept = whole if what == "restart" else whole[: synced + int((len(whole) - synced) * value)]
            path.write_bytes(kept)
            disk.crash(keeps=kept[synced:].count(b"\n"))
            file = IntentFile(path)
            synced = path.stat().st_size
            assert list(file.load()) == list(disk.load())
        file.close()


def written(path: Path) -> bytes:
    with IntentFile(path) as log:
        for record in RECORDS:
            log.append(record, durable=True)
    return path.read_bytes()


def test_what_was_written_is_read_again(tmp_path: Path) -> None:
    """Decimals, numbers and kinds come back as they were."""
    written(tmp_path / "log.jsonl")
    with IntentFile(tmp_path / "log.jsonl") as log:
        assert log.load() == RECORDS


def test_a_log_of_a_whole_life_is_read_again(tmp_path: Path) -> None:
    """Everything the shell writes, orders the venue told of included."""
    disk = MemoryIntents()

    async def story(world: World) -> None:
        order = await world.buy()
        world.link.fill(order.client_order_id, "0.5")
        await world.sleep(0.1)

    play(story, store=disk)
    with IntentFile(tmp_path / "log.jsonl") as log:
        for record in disk.load():
            log.append(record, durable=False)
    with IntentFile(tmp_path / "log.jsonl") as log:
        assert log.load() == disk.load()


def test_a_torn_line_is_cut_off(tmp_path: Path) -> None:
    """Wherever a crash tore the last line, the lines before it stand and the log goes on."""
    whole = written(tmp_path / "log.jsonl")
    last = whole.rstrip(b"\n").rfind(b"\n") + 1
    for length in range(last, len(whole)):
        path = tmp_path / f"torn-{length}.jsonl"
        path.write_bytes(whole[:length])
        with IntentFile(path) as log:
            assert log.load() == RECORDS[:2]
            log.append(RECORDS[2], durable=True)
        assert path.read_bytes() == whole


def test_damage_in_the_middle_is_an_error(tmp_path: Path) -> None:
    """The file and line are named, and nothing is guessed."""
    path = tmp_path / "log.jsonl"
    whole = written(path)
    path.write_bytes(whole.replace(b'"sending"', b'"sendimg"'))
    with pytest.raises(ConfigError, match=r"log\.jsonl:2"):
        IntentFile(path)


def test_two_bots_do_not_share_a_log(tmp_path: Path) -> None:
    """The second is told so; when the first is done, it may."""
    with IntentFile(tmp_path / "log.jsonl"), pytest.raises(ConfigError, match="another process"):
        IntentFile(tmp_path / "log.jsonl")
    with IntentFile(tmp_path / "log.jsonl"):
        pass
