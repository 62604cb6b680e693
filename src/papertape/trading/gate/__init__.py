"""The gate to real money: nothing passes that was not allowed beforehand, and everything that was decided is on the disk."""
