"""The Bot protocol and sample bots."""
