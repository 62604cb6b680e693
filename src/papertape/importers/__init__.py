"""Foreign data in."""
