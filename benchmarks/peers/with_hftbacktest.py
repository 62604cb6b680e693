"""hftbacktest's side: run in its own environment, `python with_hftbacktest.py JOB`, one JSON object on stdout.

It gets what makes it quickest: the table lies in memory already, and everything is compiled before the clock starts.
"""

from __future__ import annotations

import json
import sys
import time
from importlib.metadata import version
from typing import Any

import numpy as np
from hftbacktest import GTC, GTX, LIMIT, BacktestAsset, HashMapMarketDepthBacktest
from numba import njit

HOUR = 3_600_000_000_000
NONE = -(2**62)


def market(job: dict[str, Any], data: Any) -> Any:
    asset = (
        BacktestAsset()
        .data([data])
        .linear_asset(1.0)
        .constant_order_latency(job["latency_ns"], job["latency_ns"])
        .partial_fill_exchange()
        .trading_value_fee_model(0.004, 0.006)
        .tick_size(job["tick"])
        .lot_size(job["lot"])
    )
    queue, *settings = job.get("queue", ["risk_adverse_queue_model"])
    asset = getattr(asset, queue)(*settings)
    return HashMapMarketDepthBacktest([asset])


@njit
def nothing(hbt):
    while hbt.elapse(HOUR) == 0:
        pass
    return 0


def maker(hbt, size, move, every_ns, position_max):
    """papertape's sample market maker: joins the best prices, follows when they have moved, twice a second at most."""
    bid_at, ask_at = NONE, NONE
    number = 0
    bid_id, ask_id = 0, 0
    quoted_ns = -every_ns
    sent = 0
    while True:
        code = hbt.wait_next_feed(False, HOUR)
        if code != 2:
            if code == 0:
                continue
            break
        now_ns = hbt.current_timestamp
        if now_ns - quoted_ns < every_ns:
            continue
        depth = hbt.depth(0)
        bid, ask = depth.best_bid_tick, depth.best_ask_tick
        if bid <= NONE or ask >= -NONE:
            continue
        orders = hbt.orders(0)
        position = hbt.position(0)
        if bid_id and bid_id not in orders:
            bid_id = 0
        if ask_id and ask_id not in orders:
            ask_id = 0
        if not (bid_id and abs(bid_at - bid) < move):
            if bid_id:
                hbt.cancel(0, bid_id, False)
                bid_id = 0
            if position + size <= position_max:
                number += 1
                sent += 1
                bid_id, bid_at, quoted_ns = number, bid, now_ns
                hbt.submit_buy_order(0, number, bid * depth.tick_size, size, GTX, LIMIT, False)
        if not (ask_id and abs(ask_at - ask) < move):
            if ask_id:
                hbt.cancel(0, ask_id, False)
                ask_id = 0
            if position - size >= -position_max:
                number += 1
                sent += 1
                ask_id, ask_at, quoted_ns = number, ask, now_ns
                hbt.submit_sell_order(0, number, ask * depth.tick_size, size, GTX, LIMIT, False)
        hbt.clear_inactive_orders(0)
    return sent


compiled_maker = njit(maker)


def timed(job: dict[str, Any], data: Any, work: Any) -> dict[str, Any]:
    """The work on a few rows first, so that all is compiled; then on all of them."""
    work(market(job, data[:2_000].copy()))
    hbt = market(job, data)
    begun = time.process_time()
    sent = work(hbt)
    seconds = time.process_time() - begun
    return {"seconds": seconds, "orders": int(sent), "fills": int(hbt.state_values(0).num_trades)}


def schedule(job: dict[str, Any], data: Any) -> dict[str, Any]:
    """Each order sent and withdrawn at its times; what was filled of it by the end."""
    hbt = market(job, data)
    outcomes = []
    with open(job["orders"]) as file:
        orders = json.load(file)
    hbt.wait_next_feed(False, HOUR)  # there is no time before the first row
    for order in orders:
        hbt.elapse(order["sent_ns"] - hbt.current_timestamp)
        send = hbt.submit_buy_order if order["side"] == "buy" else hbt.submit_sell_order
        send(0, order["number"], order["ticks"] * job["tick"], order["lots"] * job["lot"], GTC, LIMIT, False)
        hbt.elapse(order["withdrawn_ns"] - hbt.current_timestamp)
        hbt.cancel(0, order["number"], False)
        hbt.elapse(4 * job["latency_ns"])
        it = hbt.orders(0).get(order["number"])
        outcomes.append({"number": order["number"], "lots": round((it.qty - it.leaves_qty) / job["lot"]), "status": int(it.status),
                         "at_ns": int(it.exch_timestamp)})  # fmt: skip
        hbt.clear_inactive_orders(0)
    return {"outcomes": outcomes}


def main() -> None:
    job = json.loads(sys.argv[1])
    data = np.load(job["data"])
    if not isinstance(data, np.ndarray):
        data = data["data"]
    config = job.get("config", {})
    values = (config.get("size", 0.01), config.get("move", 5), config.get("every_ns", 500_000_000), config.get("position_max", 0.05))
    works = {
        "nothing": lambda: timed(job, data, nothing),
        "maker": lambda: timed(job, data, lambda hbt: maker(hbt, *values)),
        "compiled maker": lambda: timed(job, data, lambda hbt: compiled_maker(hbt, *values)),
        "orders": lambda: schedule(job, data),
    }
    print(json.dumps({"version": f"hftbacktest {version('hftbacktest')}", "rows": len(data), **works[job["work"]]()}))


if __name__ == "__main__":
    main()
