"""What nautilus_trader itself reads in a catalog: run in its environment, `python read_nautilus.py CATALOG`, one JSON object on stdout."""

from __future__ import annotations

import json
import sys

from nautilus_trader.model.book import OrderBook
from nautilus_trader.model.enums import BookType
from nautilus_trader.persistence.catalog import ParquetDataCatalog

LAST = 128  # the flag of a message's last delta


def main() -> None:
    catalog = ParquetDataCatalog(sys.argv[1])
    (instrument,) = catalog.instruments()
    book = OrderBook(instrument.id, BookType.L2_MBP)
    bests = []
    for delta in catalog.order_book_deltas():
        book.apply_delta(delta)
        if delta.flags & LAST:
            best = (book.best_bid_price(), book.best_bid_size(), book.best_ask_price(), book.best_ask_size())
            bests.append([delta.ts_init, *map(str, best)])
    trades = [
        [each.ts_init, str(each.price), str(each.size), each.aggressor_side.name, str(each.trade_id)] for each in catalog.trade_ticks()
    ]
    quotes = [[each.ts_init, str(each.bid_price), str(each.ask_price)] for each in catalog.quote_ticks()]
    steps = [str(instrument.price_increment), str(instrument.size_increment)]
    print(json.dumps({"id": str(instrument.id), "steps": steps, "bests": bests, "trades": trades, "quotes": quotes}))


if __name__ == "__main__":
    main()
