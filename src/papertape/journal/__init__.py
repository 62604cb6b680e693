"""What happened in a run, and its digest."""

from papertape.journal.journal import DIGEST_VERSION, Journal

__all__ = ["DIGEST_VERSION", "Journal"]
