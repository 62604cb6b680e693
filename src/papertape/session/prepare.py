"""What a run needs before virtual time begins: its tapes, opened; the adapters, imported; the header of its journal."""

from __future__ import annotations

from decimal import Decimal
from typing import Any, NamedTuple

from papertape.faults.base import as_table
from papertape.model.units import Nanos, plain
from papertape.session.spec import Depth, Scenario
from papertape.session.wire import load_adapter
from papertape.session.world import Feed, KeptRows, open_feeds


class Prepared(NamedTuple):
    """What a run needs of the disk; nanoseconds since 1970-01-01 UTC and, for the end, run time."""

    feeds: dict[str, list[Feed]]
    header: dict[str, Any]
    epoch_ns: Nanos
    end_ns: Nanos


def prepared(scenario: Scenario, kept: KeptRows | None = None) -> Prepared:
    """Open the tapes and import what is imported late, both before virtual time begins; raises as `run_scenario` does."""
    feeds = {name: open_feeds(scenario, spec, f"{scenario.name}: [venue.{name}]", kept) for name, spec in scenario.venues.items()}
    every = [feed for each in feeds.values() for feed in each]
    epoch_ns = min(feed.start_ns for feed in every)
    if scenario.depth is Depth.WIRE:
        for name in scenario.venues:
            load_adapter(name)
    return Prepared(feeds, _header(scenario, feeds), epoch_ns, max(feed.end_ns for feed in every) - epoch_ns)


def _header(scenario: Scenario, feeds: dict[str, list[Feed]]) -> dict[str, Any]:
    """What the digest begins with: all that decides the run, and nothing about the machine."""
    venues = {
        name: {
            "feed": [_played(feed) for feed in feeds[name]],
            "account": texts(spec.account),
            "model": spec.model,
        }
        for name, spec in scenario.venues.items()
    }
    bot = scenario.bot if isinstance(scenario.bot, str) else getattr(scenario.bot, "__qualname__", "")
    program = {} if scenario.program is None else {"program": scenario.program, "program_args": scenario.program_args}
    return {
        "papertape": _version(),
        "title": scenario.title,
        "seed": scenario.seed,
        "depth": scenario.depth,
        "bot": bot,
        "bot_config": scenario.bot_config,
        "venues": venues,
        "faults": [as_table(fault) for fault in scenario.faults],
        "heal": scenario.heal,
        "hosts": scenario.hosts,
        **program,
    }


def _played(feed: Feed) -> dict[str, Any]:
    played = {"content": feed.tape.content_hash, "start": feed.start_ns, "end": feed.end_ns}
    return played if feed.outages else {**played, "outages": False}


def texts(amounts: dict[str, Decimal]) -> dict[str, str]:
    """Amounts in canonical form."""
    return {currency: plain(amount) for currency, amount in amounts.items()}


def _version() -> str:
    from papertape.version import VERSION

    return VERSION
