"""Make a scenario from plain values in the shape of the file, and say what is wrong with them before anything starts.

Everything that can be known without running is checked here: keys, names, durations, tapes that are not there. One mistake, one
`ConfigError` that names file, table and key; a missing tape is a `TapeError`, since nobody has to edit anything if it is fetched.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from decimal import Decimal
from pathlib import Path
from typing import Any, Final

import msgspec

from papertape.faults.base import Fault, checked
from papertape.model.errors import ConfigError
from papertape.model.notes import Mark
from papertape.model.request import Lane
from papertape.model.units import exact
from papertape.scenario import shelves
from papertape.scenario.feed import read_feeds
from papertape.scenario.table import Table, shown
from papertape.session.spec import (
    Depth,
    Expect,
    ExpectVenue,
    Heal,
    HostPolicy,
    LatencySpec,
    ModelSpec,
    Quantity,
    Scenario,
    VenueSpec,
)
from papertape.venues import canonical

SUFFIX: Final = ".scenario.toml"

AMOUNT_MAX: Final = Decimal(10) ** 24
"""The most that an account may hold; more than all the money there is in any currency."""

_KEYS: Final = ("title", "seed", "depth", "bot", "bot_config", "program", "program_args", "venue", "fault", "heal", "expect", "hosts")


def make_scenario(
    raw: Mapping[str, Any],
    *,
    source: str,
    folder: Path,
    path: Path | None = None,
    repro: str = "",
    more_faults: Sequence[Fault] = (),
) -> Scenario:
    """A checked scenario from plain values in the shape of the file; `source` names them in messages."""
    top = Table(raw, source)
    top.allow(*_KEYS)
    bot, program = _bot(top), top.text("program")
    if (bot is None) == (program is None):
        both = "stands beside `bot`; a run has one of the two" if bot is not None else "is missing; name what is to run"
        raise top.problem("bot" if bot is None else "program", f'{both}: bot = "module:Name" or program = "script.py"')
    if program is not None and not (folder / program).is_file():
        raise top.problem("program", f'holds "{program}"; there is no file {(folder / program).as_posix()}')
    depth = top.choice("depth", Depth, Depth.INTERFACE if program is None else Depth.WIRE)
    if program is not None and depth is not Depth.WIRE:
        raise top.problem("depth", f'holds "{depth}"; a program runs at depth "wire" only')
    venues = _venues(top, folder)
    faults = [_fault(top, each, index, venues) for index, each in enumerate(_list_of(top, "fault"), start=1)]
    for fault in more_faults:
        if fault.venue is not None and fault.venue not in venues:
            raise ConfigError(f'{source}: fault "{fault.kind}": venue "{fault.venue}" is none of this run, which has {", ".join(venues)}')
    if depth is Depth.INTERFACE:
        _need_no_wire(source, [*faults, *more_faults])
    config = top.table("bot_config")
    _go_with(top, "bot_config", "a bot; a program takes `program_args`", program is None)
    _go_with(top, "program_args", "a program; a bot takes `bot_config`", program is not None)
    expect = _expect(top)
    if program is not None:
        _judge_by_truth(top, expect)
        _need_no_bot(source, [*faults, *more_faults])
    title = top.text("title") or (path.name.removesuffix(SUFFIX) if path is not None else str(getattr(bot, "__name__", bot or program)))
    return Scenario(
        title=title, seed=top.whole("seed", 0), depth=depth, bot=bot, bot_config=dict(config.raw) if config else {}, program=program,
        program_args=_words(top, "program_args"), venues=venues, faults=(*faults, *more_faults), heal=_heal(top), expect=expect,
        hosts=_hosts(top), path=path, folder=folder, repro=repro,
    )  # fmt: skip


def _bot(top: Table) -> Any:
    bot = top.raw.get("bot")
    if callable(bot):
        return bot
    text = top.text("bot")
    if text is not None and ":" not in text:
        raise top.problem("bot", f'holds "{text}"; expected "module:Name", such as "papertape.bots:MarketMaker", or "bot.py:main"')
    return text


def _go_with(top: Table, key: str, whom: str, is_so: bool) -> None:
    if key in top.raw and not is_so:
        raise top.problem(key, f"goes with {whom}")


def _words(top: Table, key: str) -> tuple[str, ...]:
    value = top.raw.get(key, ())
    if not isinstance(value, list | tuple) or not all(isinstance(word, str) for word in value):
        raise top.problem(key, f'holds {shown(value)}; expected a list of texts, such as ["--size", "0.01"]')
    return tuple(value)


def _need_no_wire(source: str, faults: Sequence[Fault]) -> None:
    for fault in faults:
        if getattr(fault, "needs_wire", False):
            raise ConfigError(
                f'{source}: fault "{fault.kind}": acts on bytes, and depth "interface" has none; use depth = "wire" (--depth wire), or a '
                "fault that acts at the Door; `papertape list faults` shows which"
            )


def _need_no_bot(source: str, faults: Sequence[Fault]) -> None:
    for fault in faults:
        if fault.needs_bot:
            raise ConfigError(
                f'{source}: fault "{fault.kind}": happens to a bot on papertape\'s interface; a program is nothing that could be started '
                "anew. Give a `bot` instead, or another fault; `papertape list faults` shows all"
            )


def _judge_by_truth(top: Table, expect: Expect) -> None:
    """A program keeps its own books: what is told by our shell alone cannot be expected of it."""
    within = top.table("expect")
    for key, value in (("recovers_within", expect.recovers_within), ("must_happen", expect.must_happen)):
        if within is not None and value:
            raise within.problem(
                key, "goes with a bot on papertape's interface; a program is judged on the venue's truth, as in [expect.venue]"
            )


def _venues(top: Table, folder: Path) -> dict[str, VenueSpec]:
    section = top.table("venue")
    if section is None or not section.raw:
        raise top.problem("venue", "is missing; expected a table such as [venue.coinbase]; `papertape list venues` shows all")
    venues = {}
    for written, value in section.raw.items():
        name = canonical(written)
        section.known(name, name, shelves.venues(), "venue", "papertape list venues")
        if name in venues:
            raise section.problem(
                written, f'is another name of the venue "{name}", which is there already; expected one table for each venue'
            )
        if isinstance(value, VenueSpec):
            venues[name] = value
            continue
        table = Table(top.within("venue", section.raw).within(written, value).raw, top.source, f"[venue.{written}]")
        table.allow("feed", "account", "model")
        venues[name] = VenueSpec(feed=read_feeds(table, folder, name), account=read_account(table), model=read_model(table))
    return venues


def read_account(venue: Table) -> dict[str, Decimal]:
    """What a venue's table says that we hold there."""
    account = venue.table("account")
    if account is None or not account.raw:
        raise venue.problem("account", 'is missing; expected what we own there, such as account = { USD = "100000", BTC = "1" }')
    amounts = {currency: account.number(currency) for currency in account.raw}
    for currency, amount in amounts.items():
        if amount < 0:
            raise account.problem(currency, f"holds {amount}; expected 0 or more")
        if amount > AMOUNT_MAX:
            raise account.problem(currency, f"holds {amount}; expected at most {AMOUNT_MAX:.0e}, beyond which no book is kept")
    return amounts


def read_model(venue: Table) -> ModelSpec:
    """The models of a venue's table."""
    model = venue.table("model")
    if model is None:
        return ModelSpec()
    model.allow("fills", "fees", "latency")
    laws = model.table("latency")
    latency = LatencySpec()
    if laws is not None:
        laws.allow("market", "order", "answer")
        latency = LatencySpec(**{way: _model_member(laws, way, "latency") for way in laws.raw})
    fills, fees = _model_member(model, "fills", "fills"), _model_member(model, "fees", "fees")
    return ModelSpec(fills=fills, fees=fees, latency=latency)


def _model_member(table: Table, key: str, shelf: str) -> Any:
    value = table.raw.get(key)
    if value is None or not isinstance(value, Mapping | str):
        if value is None or type(value) in shelves.models(shelf).values():
            return value
        raise table.problem(
            key, f'holds {shown(value)}; expected a table with `kind`, such as {{ kind = "{next(iter(shelves.models(shelf)))}" }}'
        )
    inner = table.within(key, {"kind": value} if isinstance(value, str) else value)
    return inner.member(shelves.models(shelf), shelves.MODEL_NOUNS[shelf], "papertape list models")


def _list_of(top: Table, key: str) -> Sequence[Any]:
    value = top.raw.get(key, ())
    if not isinstance(value, list | tuple):
        raise top.problem(key, f"holds {shown(value)}; expected tables under [[{key}]]")
    return value


def _fault(top: Table, value: Any, index: int, venues: Mapping[str, VenueSpec]) -> Fault:
    where = f"[[fault]] {index}"
    return make_fault(value, top.source, where, venues)


def make_fault(value: Any, source: str, where: str, venues: Mapping[str, object] | None = None) -> Fault:
    """A checked fault from a table, or from a fault made in code."""
    if isinstance(value, str):
        value = {"kind": value}
    if isinstance(value, Fault):
        fault = value
        table = Table({}, source, where)
    else:
        if not isinstance(value, Mapping):
            raise ConfigError(f'{source}: {where}: holds {shown(value)}; expected a table with `kind`, such as kind = "lost_reply"')
        table = Table(value, source, where)
        fault = table.member(shelves.faults(), "fault", "papertape list faults")
    if fault.venue is not None:
        fault = msgspec.structs.replace(fault, venue=canonical(fault.venue))
    if venues is not None and fault.venue is not None:
        table.known("venue", fault.venue, venues, "venue of this scenario", "papertape list venues")
    return checked(fault, f"{source}: {where}")


def _heal(top: Table) -> Heal | None:
    heal = top.table("heal")
    if heal is None:
        return None
    heal.allow("at", "only")
    at = heal.duration("at")
    if at is None:
        raise heal.problem("at", 'is missing; expected when, such as at = "8m"')
    only = heal.names("only", [str(lane) for lane in Lane], "lane", "papertape list lanes") or ()
    return Heal(at=at, only=tuple(Lane(name) for name in only))


def _expect(top: Table) -> Expect:
    expect = top.table("expect")
    if expect is None:
        return Expect()
    expect.allow("invariants", "recovers_within", "must_happen", "must_hit", "venue")
    invariants = expect.names("invariants", shelves.invariants(), "invariant", "papertape list invariants")
    marks = expect.names("must_happen", [str(mark) for mark in Mark], "mark", "papertape list marks") or ()
    return Expect(
        invariants=invariants or (),
        recovers_within=expect.duration("recovers_within"),
        must_happen=marks,
        must_hit=expect.claim("must_hit", True),
        venue=_expect_venue(expect),
    )


def _expect_venue(expect: Table) -> ExpectVenue:
    venue = expect.table("venue")
    if venue is None:
        return ExpectVenue()
    venue.allow("max_position", "max_open_orders", "max_order_notional")
    orders_max = venue.whole("max_open_orders", -1)
    if "max_open_orders" in venue.raw and orders_max < 0:
        raise venue.problem("max_open_orders", f"holds {orders_max}; expected a number of orders, 0 or more")
    return ExpectVenue(
        max_position=read_quantity(venue, "max_position", "0.05 BTC"),
        max_open_orders=None if orders_max < 0 else orders_max,
        max_order_notional=read_quantity(venue, "max_order_notional", "500 USD"),
    )


def read_quantity(table: Table, key: str, example: str) -> Quantity | None:
    """An amount with its currency; None if the key is not there."""
    text = table.text(key)
    if text is None:
        return None
    number, _, currency = text.partition(" ")
    try:
        amount = exact(number)
    except ValueError:
        amount = Decimal(-1)
    if amount < 0 or not currency.strip():
        raise table.problem(key, f'holds "{text}"; expected an amount and a currency, such as "{example}"')
    return Quantity(amount, currency.strip())


def _hosts(top: Table) -> dict[str, HostPolicy]:
    hosts = top.table("hosts")
    if hosts is None:
        return {}
    return {name: hosts.choice(name, HostPolicy, HostPolicy.REFUSE) for name in hosts.raw}
