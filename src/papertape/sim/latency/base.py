"""What a latency law decides: how long one thing is on its way."""

from __future__ import annotations

import msgspec

from papertape.model.units import Nanos, parse_duration


class LatencyLaw(msgspec.Struct, frozen=True, dict=True, tag_field="kind"):
    """A law from a random number to a delay.

    Laws draw nothing themselves: whoever uses one gives it 64 random bits, keyed by what is delayed, so that no delay depends on how
    many came before it. The same bits give the same nanoseconds on any machine: integers and exact decimals only.
    """

    def ns(self, draw: int) -> Nanos:
        """The delay for `draw`, a random integer from 0 to 2**64 - 1; greater draws never give shorter delays."""
        raise NotImplementedError


def duration(law: str, key: str, text: str) -> Nanos:
    """Nanoseconds of a law's setting, or `ValueError` that names it."""
    try:
        return parse_duration(text)
    except ValueError as error:
        raise ValueError(f"{law} latency, key `{key}`: {error}") from None
