"""Each venue's rules as data."""

from __future__ import annotations

from decimal import Decimal

import pytest

from papertape.model.units import MINUTE, SECOND
from papertape.model.venue import Numbering, Reconcile
from papertape.venues import VENUES


@pytest.mark.parametrize("name", VENUES)
def test_rules_are_sane(name: str) -> None:
    """A venue's table is filed under its name, and its steps and quotas can be used."""
    rules = VENUES[name]
    assert rules.name == name
    assert rules.maker_bps <= rules.taker_bps
    assert all(span % MINUTE == 0 for span in rules.candle_spans_ns)
    assert list(rules.candle_spans_ns) == sorted(rules.candle_spans_ns)
    assert min(rules.private_quota.count, rules.public_quota.count, rules.heartbeat_ns, rules.retry_after_ns) > 0
    assert len({it.symbol for it in rules.instruments}) == len(rules.instruments) > 0
    for it in rules.instruments:
        assert it.tick > 0
        assert it.amount_min % it.lot == 0
        assert it.venue_symbol.replace("-", "") == it.base + it.quote


def test_coinbase_answers_a_repeated_id_with_the_old_order() -> None:
    rules = VENUES["coinbase"]
    assert rules.reconcile is Reconcile.IDENTICAL_REPOST
    assert (rules.private_quota.count, rules.private_quota.per_ns) == (30, SECOND)
    assert rules.instruments[0].to_ticks(Decimal("64000.01")) == 6_400_001


def test_binance_is_asked_by_client_id() -> None:
    """An id is free again there once its order is done, so a resent id is no safe retry."""
    rules = VENUES["binance"]
    assert rules.reconcile is Reconcile.LOOKUP
    assert rules.reuses_client_ids


def test_coinbase_counts_connections_and_binance_markets() -> None:
    assert (VENUES["coinbase"].numbering, VENUES["binance"].numbering) == (Numbering.CONNECTION, Numbering.INSTRUMENT)
