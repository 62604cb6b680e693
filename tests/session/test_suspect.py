"""Programs that declare no intents are judged on the venue's truth and on what they were told."""

from __future__ import annotations

from pathlib import Path

import pytest

from papertape.model.units import SECOND
from papertape.session.result import ExitCode, RunResult, Status
from programs.world import run_program

BOT = """
import asyncio, os
import ccxt.async_support as ccxt

async def buy(exchange, **params):
    return await exchange.create_order("BTC/USD", "limit", "buy", 0.01, 200000.0, params)

async def main():
    exchange = ccxt.coinbase({
        "apiKey": os.environ["COINBASE_API_KEY"], "secret": os.environ["COINBASE_API_SECRET"], "timeout": 5000, "enableRateLimit": False,
    })
    await exchange.load_markets()
    await asyncio.sleep(2)
    try:
        await trade(exchange)
    finally:
        await exchange.close()

"""
GO = "\nasyncio.run(main())\n"

BUY_AGAIN = """
async def trade(exchange):
    try:
        await buy(exchange)
    except ccxt.NetworkError:
        await buy(exchange)
"""
SAME_ID = """
async def trade(exchange):
    try:
        await buy(exchange, client_order_id="mine-1")
    except ccxt.NetworkError:
        await buy(exchange, client_order_id="mine-1")
"""
LOOK_FIRST = """
async def trade(exchange):
    try:
        await buy(exchange)
    except ccxt.NetworkError:
        if not await exchange.fetch_my_trades("BTC/USD"):
            await buy(exchange)
"""
LOOK_AND_BUY_ALL_THE_SAME = LOOK_FIRST.replace("if not await", "if await")
TWO_AT_ONCE = """
async def trade(exchange):
    await asyncio.gather(buy(exchange), buy(exchange))
"""
BUY_AND_LEAVE = """
async def trade(exchange):
    try:
        await buy(exchange)
    except ccxt.NetworkError:
        pass
"""
LISTEN_FIRST = """
import ccxt.pro as streaming

async def trade(exchange):
    pro = streaming.coinbase({"apiKey": exchange.apiKey, "secret": exchange.secret, "enableRateLimit": False})
    try:
        await exchange.create_order("BTC/USD", "limit", "buy", 0.01, 100.0)
    except ccxt.NetworkError:
        LISTEN
        await exchange.create_order("BTC/USD", "limit", "buy", 0.01, 100.0)
    finally:
        await pro.close()
"""

LOST = '[[fault]]\non = "order.create"\nkind = "lost_reply"\n'
STALLED = '[[fault]]\nkind = "stall"\nconnection = "rest"\nat = "2s"\nlasts = "8s"\n'
SWALLOWED = '[[fault]]\nkind = "black_hole"\nhost = "api.coinbase.com"\ndirection = "to_client"\nat = "2s"\nlasts = "8s"\n'
CUT = '[[fault]]\nkind = "disconnect"\nconnection = "rest"\nat = "2100ms"\n'


def after(seconds: int, trade: str) -> str:
    """The program takes its time before it does anything about the error."""
    return trade.replace("except ccxt.NetworkError:", f"except ccxt.NetworkError:\n        await asyncio.sleep({seconds})")


def run(folder: Path, trade: str, fault: str = LOST) -> RunResult:
    return run_program(folder, BOT + trade + GO, tables=fault)


def test_a_program_that_buys_again_in_the_dark_is_suspect(tmp_path: Path) -> None:
    """The sentence says when, what, and what the venue did with both; it fails by default."""
    result = run(tmp_path, BUY_AGAIN)
    assert (result.status, result.exit_code, result.orders) == (Status.SUSPECT, ExitCode.FAILED, 2)
    (sentence,) = result.failures
    assert " bought 0.01 BTC/USD again at 2." in sentence
    assert "while the outcome of the order it sent at 2." in sentence
    assert sentence.endswith(" was undisclosed; the venue filled both: 0.02 BTC")
    first, second = result.timeline
    assert (first.what, first.outcome) == ("order.create buy 0.01 BTC/USD at 200000", "filled; its answer was lost")
    assert second.outcome.startswith("filled; answer heard at 2.")
    (note,) = result.notes
    assert "the program was never told of order o-000001, buy 0.01 BTC/USD at 200000, sent at 2." in note


def test_a_client_whose_time_out_passed_has_given_up(tmp_path: Path) -> None:
    """It closes its connection, and the venue's side hears of that at once; the answer that comes later is not heard."""
    result = run(tmp_path, after(1, BUY_AGAIN), STALLED)
    assert result.status is Status.SUSPECT
    assert result.timeline[0].outcome.startswith("filled; given up at 7.")


def test_an_answer_that_the_network_swallows_discloses_nothing(tmp_path: Path) -> None:
    """It left the venue; nobody can know there that it never arrived, but the network can."""
    result = run(tmp_path, BUY_AGAIN, SWALLOWED)
    assert result.status is Status.SUSPECT
    first, second = result.timeline
    assert first.outcome.startswith("filled; given up at 7.")
    assert second.outcome.startswith("filled; answer heard at 10.")
    assert (first.line, second.line) == ("bot.py:11", "bot.py:11")


def test_an_answer_that_arrives_when_nobody_waits_any_more_discloses_nothing(tmp_path: Path) -> None:
    """The client had closed its end; the bytes come all the same, before it buys again."""
    result = run(tmp_path, after(4, BUY_AGAIN), SWALLOWED)
    assert result.status is Status.SUSPECT
    assert result.timeline[1].at_ns > 11 * SECOND


def test_the_list_of_open_orders_that_a_stream_begins_with_discloses(tmp_path: Path) -> None:
    """Whoever hears of the first on the user channel, and buys again, meant two."""
    result = run(tmp_path, LISTEN_FIRST.replace("LISTEN", "await pro.watch_orders()"))
    assert (result.status, result.orders) == (Status.PASSED, 2)
    assert run(tmp_path, LISTEN_FIRST.replace("LISTEN", "pass")).status is Status.SUSPECT


@pytest.mark.parametrize("kind", ["half_open", "black_hole"])
@pytest.mark.parametrize("lasts", ['lasts = "10s"', ""])
def test_an_order_that_arrives_after_its_repetition_came_first(tmp_path: Path, kind: str, lasts: str) -> None:
    """The network keeps the first until the program has bought again, or has even gone; it was sent first, and the venue filled both."""
    kept = f'[[fault]]\nkind = "{kind}"\nhost = "api.coinbase.com"\ndirection = "to_server"\nat = "2s"\nnth_connection = 1\n{lasts}\n'
    result = run(tmp_path, BUY_AGAIN + "    await asyncio.sleep(15)\n", kept)
    assert (result.status, result.orders) == (Status.SUSPECT, 2)
    assert "bought 0.01 BTC/USD again at 7.091s, while the outcome of the order it sent at 2.091s" in result.failures[0]
    assert [(each.at_ns // SECOND, each.outcome) for each in result.timeline] == [
        (2, "filled; given up at 7.091s"),
        (7, "filled; answer heard at 7.121s"),
    ]


def test_news_that_the_network_swallows_disclose_nothing(tmp_path: Path) -> None:
    """The stream's message about the first order left the venue and never arrived."""
    listens = (
        LISTEN_FIRST.replace("LISTEN", "await asyncio.sleep(1)")
        .replace(
            "    try:\n        await exchange",
            "    watching = asyncio.create_task(pro.watch_orders())\n    await asyncio.sleep(2)\n    try:\n        await exchange",
        )
        .replace("        await pro.close()", "        watching.cancel()\n        await pro.close()")
    )
    assert run(tmp_path, listens).status is Status.PASSED
    hole = '[[fault]]\nkind = "black_hole"\nhost = "advanced-trade-ws.coinbase.com"\ndirection = "to_client"\nat = "4s"\n'
    assert run(tmp_path, listens, LOST + hole).status is Status.SUSPECT


def test_an_answer_that_is_merely_slow_on_the_line_is_waited_for(tmp_path: Path) -> None:
    """Two orders at once, both answers on a slow line: a pair."""
    assert run(tmp_path, TWO_AT_ONCE, SWALLOWED.replace("8s", "3s")).status is Status.PASSED


def test_a_cut_connection_leaves_an_order_in_doubt(tmp_path: Path) -> None:
    """Also where it never arrived: the program cannot know, and did not look."""
    result = run(tmp_path, after(1, BUY_AGAIN), CUT)
    assert result.status is Status.SUSPECT
    assert result.timeline[0].outcome == "never reached the venue; its connection was cut at 2.1s"
    assert result.failures[0].endswith("was undisclosed; the venue has only the second, filled 0.01 BTC")


def test_who_looks_for_an_order_that_was_cut_off_may_send_it_again(tmp_path: Path) -> None:
    """It is not at the venue and cannot come there any more."""
    result = run(tmp_path, after(1, LOOK_FIRST), CUT)
    assert (result.status, result.orders) == (Status.PASSED, 1)


@pytest.mark.parametrize("trade", [SAME_ID, LOOK_FIRST], ids=["same id", "look first"])
def test_a_program_that_asks_before_it_repeats_is_not_suspect(tmp_path: Path, trade: str) -> None:
    result = run(tmp_path, trade)
    assert (result.status, result.orders, result.timeline) == (Status.PASSED, 1, ())


def test_who_was_told_and_buys_again_meant_two(tmp_path: Path) -> None:
    """That may be foolish, but it was not in the dark."""
    result = run(tmp_path, LOOK_AND_BUY_ALL_THE_SAME)
    assert (result.status, result.orders) == (Status.PASSED, 2)


def test_two_orders_at_once_are_not_suspect(tmp_path: Path) -> None:
    result = run(tmp_path, TWO_AT_ONCE, fault="")
    assert (result.status, result.orders) == (Status.PASSED, 2)


def test_an_order_that_the_program_was_never_told_of_is_worth_a_note(tmp_path: Path) -> None:
    """It decides nothing: the program may never have meant to look."""
    result = run(tmp_path, BUY_AND_LEAVE)
    assert result.status is Status.PASSED
    assert len(result.notes) == 1


def test_what_a_program_believes_is_not_judged_and_says_so(tmp_path: Path) -> None:
    result = run(tmp_path, TWO_AT_ONCE, fault="")
    kept = {
        name for name, _, why in (each.partition(" (coinbase): ") for each in result.not_judged) if why == "the program keeps its own books"
    }
    assert {"no_duplicate_exposure", "every_order_known", "position_matches", "money_conserved", "book_matches"} <= kept
    assert not kept & {"rate_respected", "orders_from_fresh_data", "leaves_foreign_orders_alone"}, "those need none"


def test_an_invariant_that_only_a_client_of_ours_can_break_makes_a_program_vacuous(tmp_path: Path) -> None:
    """Who asks for it by name wants it judged."""
    result = run(tmp_path, TWO_AT_ONCE, fault='[expect]\ninvariants = ["position_matches", "rate_respected"]\n')
    assert result.status is Status.VACUOUS
    assert result.failures == ("invariant position_matches was not judged: the program keeps its own books",)


def test_limits_are_judged_on_the_venues_truth(tmp_path: Path) -> None:
    """And are graver than a suspicion, which is told all the same."""
    result = run(tmp_path, BUY_AGAIN, LOST + '[expect.venue]\nmax_position = "0.015 BTC"\n')
    assert result.status is Status.FAILED
    assert result.failures[0].startswith("coinbase: the position reached 0.02 BTC at 2.")
    assert result.failures[0].endswith("; 0.015 is the most")
    assert "was undisclosed" in result.failures[1]


def test_a_program_that_never_reached_the_venue_proves_nothing(tmp_path: Path) -> None:
    result = run_program(tmp_path, "print('hello')\n")
    assert result.status is Status.VACUOUS
    assert result.failures == ("the program never reached the venue",)


def test_a_fault_that_hit_nothing_makes_a_program_vacuous(tmp_path: Path) -> None:
    result = run(tmp_path, TWO_AT_ONCE, LOST + "nth = 7\n")
    assert result.status is Status.VACUOUS
    assert result.failures == ("fault 1 (lost_reply) hit nothing",)


@pytest.mark.parametrize(("limit", "status"), [(1, Status.SUSPECT), (2, Status.PASSED)])
def test_a_listing_discloses_what_stands_on_its_page(tmp_path: Path, limit: int, status: Status) -> None:
    """Newest first: with one row a page, the page shows the order that came after the lost one."""
    trade = """
async def trade(exchange):
    try:
        await buy(exchange)
    except ccxt.NetworkError:
        await exchange.create_order("BTC/USD", "limit", "sell", 0.05, 1000.0)
        await exchange.v3PrivateGetBrokerageOrdersHistoricalBatch({"limit": LIMIT})
        await buy(exchange)
"""
    assert run(tmp_path, trade.replace("LIMIT", str(limit))).status is status
