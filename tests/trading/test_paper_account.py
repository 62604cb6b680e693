"""The file of a paper account: what is written is there, whatever happens to the process; what is no account is refused."""

from __future__ import annotations

import os
import signal
import sqlite3
import stat
import subprocess
import sys
from decimal import Decimal
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from papertape.model.errors import ConfigError
from papertape.model.event import Side
from papertape.model.order import Order, OrderStatus, OrderType, TimeInForce
from papertape.trading.paper.account import PaperAccount, reset


def order(number: int, status: OrderStatus = OrderStatus.OPEN) -> Order:
    return Order(
        id=f"o-{number}", client_order_id=f"c-{number}", symbol="BTC/USD", type=OrderType.LIMIT, side=Side.BUY, amount=Decimal("0.5"),
        price=Decimal(60_000), time_in_force=TimeInForce.GTC, post_only=False, status=status, created_ns=number, updated_ns=number,
    )  # fmt: skip


def opened(path: Path, venue: str = "coinbase") -> PaperAccount:
    return PaperAccount(path, venue=venue, opening={"USD": Decimal(100)})


@settings(max_examples=25, deadline=None)  # each write waits for the disk
@given(st.lists(st.tuples(st.integers(1, 5), st.sampled_from(OrderStatus), st.decimals(0, 10**12, places=8)), max_size=20))
def test_what_is_written_is_read_again(tmp_path_factory: pytest.TempPathFactory, changes: list[tuple[int, OrderStatus, Decimal]]) -> None:
    """Orders in the order in which they first came, each as it was last; money as it was last."""
    path = tmp_path_factory.mktemp("account") / "paper.sqlite"
    expected: dict[str, Order] = {}
    money = Decimal(100)
    with opened(path) as account:
        for number, status, money in changes:
            expected[f"o-{number}"] = order(number, status)
            account.write({"USD": money}, [expected[f"o-{number}"]], [])
    with opened(path) as account:
        assert account.kept.orders == tuple(expected.values())
        assert account.kept.money == {"USD": money}
        assert account.kept.opening == {"USD": Decimal(100)}


def test_only_its_owner_may_read_it(tmp_path: Path) -> None:
    with opened(tmp_path / "deep" / "paper.sqlite") as account:
        assert stat.S_IMODE(account.path.stat().st_mode) == 0o600


def test_two_processes_on_one_account_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "paper.sqlite"
    with opened(path):
        code = (
            "import sys\nfrom pathlib import Path\nfrom papertape.trading.paper.account import PaperAccount\n"
            "PaperAccount(Path(sys.argv[1]), venue='coinbase', opening={})"
        )
        second = subprocess.run([sys.executable, "-c", code, str(path)], capture_output=True, text=True, check=False)
        assert "another process trades on this paper account" in second.stderr
        with pytest.raises(ConfigError, match="another process"):
            reset(path)
    with opened(path):
        pass


def test_a_kill_loses_nothing_that_was_written(tmp_path: Path) -> None:
    path = tmp_path / "paper.sqlite"
    code = (
        "import os, sys\nfrom decimal import Decimal\nfrom pathlib import Path\n"
        "from tests.trading.test_paper_account import opened, order\n"
        "account = opened(Path(sys.argv[1]))\n"
        "for number in range(1, 1_000):\n"
        "    account.write({'USD': Decimal(number)}, [order(number)], [])\n"
        "    print(number, flush=True)\n"
    )
    root = Path(__file__).parents[2]
    with subprocess.Popen([sys.executable, "-c", code, str(path)], stdout=subprocess.PIPE, text=True, cwd=root) as process:
        assert process.stdout is not None
        told = 0
        while told < 20:
            told = int(process.stdout.readline())
        os.kill(process.pid, signal.SIGKILL)
        told = max([told, *(int(line) for line in process.stdout.read().splitlines() if line)])
    with opened(path) as account:
        assert told <= len(account.kept.orders) <= told + 1
        assert account.kept.money["USD"] == len(account.kept.orders)


def test_an_account_of_another_venue_is_refused(tmp_path: Path) -> None:
    with opened(tmp_path / "paper.sqlite"):
        pass
    with pytest.raises(ConfigError, match="one at coinbase, not at kraken"):
        opened(tmp_path / "paper.sqlite", venue="kraken")


@pytest.mark.parametrize("content", [b"not SQLite at all, but long enough to look" * 40, b"SQLite format 3\x00" + b"\xff" * 4_000])
def test_a_damaged_account_is_refused_and_stays_as_it_is(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "paper.sqlite"
    path.write_bytes(content)
    with pytest.raises(ConfigError, match=r"paper\.sqlite: the paper account is damaged or is no account .* --reset"):
        opened(path)
    assert path.read_bytes() == content


def test_another_databases_file_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "paper.sqlite"
    with sqlite3.connect(path) as other:
        other.execute("CREATE TABLE about (key TEXT, value TEXT)")
    other.close()
    with pytest.raises(ConfigError, match="no paper account of this version"):
        opened(path)


def test_an_account_that_was_emptied_is_no_new_one(tmp_path: Path) -> None:
    """A new one is whole before it has its name, so that a kill leaves none or all of it."""
    path = tmp_path / "paper.sqlite"
    with opened(path):
        assert [each.name for each in tmp_path.iterdir()] == ["paper.sqlite"]
    path.write_bytes(b"")
    with pytest.raises(ConfigError, match=r"the paper account is damaged or is no account \(it is empty\)"):
        opened(path)


def test_a_reset_takes_what_tells_of_the_orders_along(tmp_path: Path) -> None:
    """A new account calls its first order as the old one did; a log of intents that knew that name would take the one for the other."""
    path, intents = tmp_path / "paper.sqlite", tmp_path / "intents.jsonl"
    path.write_bytes(b"damaged, and long enough to look" * 40)
    intents.write_text("of the first\n")
    assert reset(path, intents)
    assert sorted(each.name for each in tmp_path.iterdir()) == ["intents.1.jsonl", "paper.1.sqlite"]
    intents.write_text("of nobody\n")
    assert not reset(path, intents)
    assert (tmp_path / "intents.2.jsonl").read_text() == "of nobody\n"


def test_a_reset_keeps_the_old_account_beside_its_place(tmp_path: Path) -> None:
    path = tmp_path / "paper.sqlite"
    assert not reset(path)
    for _ in range(2):
        with opened(path) as account:
            assert account.kept.orders == ()
            account.write({"USD": Decimal(1)}, [order(1)], [])
        assert reset(path)
    assert sorted(each.name for each in tmp_path.iterdir()) == ["paper.1.sqlite", "paper.2.sqlite"]
