"""Coinbase Advanced Trade, served: REST and streams of a venue behind a port."""
