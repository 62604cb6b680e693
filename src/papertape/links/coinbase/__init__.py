"""The way to the real Coinbase: REST through ccxt, streams through websockets."""
