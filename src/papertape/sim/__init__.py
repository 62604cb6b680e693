"""The simulated venue and the Door before it."""
