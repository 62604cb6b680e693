"""Time and chance: clocks, the virtual loop, the in-memory network, named randomness."""
