"""Pure machines that keep a client honest through every fault."""
