"""One world, from start to end."""
