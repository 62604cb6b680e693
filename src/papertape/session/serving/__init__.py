"""A venue on real sockets, in step with the machine's clock, for clients in any language."""
