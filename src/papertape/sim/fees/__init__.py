"""Fee models."""
