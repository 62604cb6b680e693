"""Fill models: when a resting order fills."""
