"""Paper trading: the real market, and an account that is ours alone."""
