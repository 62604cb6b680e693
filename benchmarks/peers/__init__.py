"""papertape beside hftbacktest and nautilus_trader: the same tape, the same bots and orders, in one run. `python -m benchmarks.peers`."""
