"""`papertape serve`: a venue on loopback, for clients in any language."""

from __future__ import annotations

import asyncio
import difflib
import sys
from collections.abc import Sequence
from decimal import Decimal
from fractions import Fraction
from functools import partial
from pathlib import Path
from typing import Any, Final, Literal

import msgspec

from papertape.faults.base import Fault
from papertape.model.errors import ConfigError
from papertape.model.units import exact, parse_duration
from papertape.scenario.fault_text import parse_fault
from papertape.scenario.load import read_toml
from papertape.scenario.make import AMOUNT_MAX, make_fault
from papertape.scenario.quick import DEFAULT_VENUE_TABLE
from papertape.session.result import ExitCode
from papertape.session.serving.spec import LOOPBACK, ServeSpec, parse_speed
from papertape.session.spec import FeedSpec, LatencySpec, ModelSpec
from papertape.session.wire import SERVED
from papertape.sim.latency import ConstantLatency
from papertape.venues import VENUES

PORT_MAX: Final = 65_535


def serve(
    venue: str,
    /,
    *,
    tape: list[str] | None = None,
    faults: Path | None = None,
    fault: list[str] | None = None,
    account: str | None = None,
    latency: str | None = None,
    speed: str = "1",
    dates: Literal["tape", "now"] = "tape",
    loop: bool = False,
    wait: bool = False,
    port: int = 0,
    tls: bool = False,
    tls_port: int = 0,
    host: str = LOOPBACK,
    plain_ids: bool = False,
    with_parent: bool = False,
    seed: int = 0,
    journal: Path | None = None,
) -> int:
    """Serve a venue on loopback until SIGINT or SIGTERM: REST and streams, for clients in any language.

    Once clients may come, one line of JSON goes to stdout: ready, http, ws, https, wss, ca, api_key, api_secret, control, token, pid.
    What a person should know goes to stderr. docs/serve.md shows clients in Python, Node and curl.

    Parameters
    ----------
    venue
        Whose protocol: coinbase.
    tape
        A tape, or builtin:NAME; builtin:btc-usd if left out. May be given several times: one market with all their instruments.
    faults
        A file of [[fault]] tables; of a scenario, these alone are taken. Times in it count from the market's start.
    fault
        One more fault: KIND[,key=value...], such as lost_reply,nth=3 or disconnect,at=90s,lasts=5s. May be given several times.
    account
        What the account holds as the market begins; USD=100000,BTC=1 if left out.
    latency
        How long a request takes to the venue, and its answer back, in the venue's time; 15ms each if left out.
    speed
        Tape seconds for each second, such as 10 or 0.5.
    dates
        Which date the venue's clock shows as the market begins: the tape's own, or now.
    loop
        Play the tape again when it is over; otherwise the market then stands still, and is still served.
    wait
        The market begins as the first client asks for anything, not at once.
    port
        Where to listen; 0 picks a free one.
    tls
        Listen for TLS too, with a certificate whose authority lives as long as the server; the file `ca` is its own.
    tls_port
        Where to listen for TLS; 0 picks a free one.
    host
        Another address than loopback. Whoever reaches it can trade there.
    plain_ids
        Client order ids that begin with pt- mean nothing; otherwise they force an outcome, such as pt-lose-reply-1.
    with_parent
        End when the process that started this one has ended, however it did: for test suites, which may be killed.
    seed
        Of the key, and of all that is drawn; the same seed gives the same key.
    journal
        Write what happens, line by line, to this file.
    """
    if venue not in SERVED:
        raise ConfigError(f"serve {venue}: {_no_server(venue)} There is one for: {', '.join(SERVED)}.")
    spec = ServeSpec(
        venue=venue,
        feeds=tuple(FeedSpec(tape=each) for each in tape or [DEFAULT_VENUE_TABLE["feed"]["tape"]]),
        account=_account(account),
        model=_model(latency),
        faults=(*_faults_in(faults, venue), *(_for(venue, parse_fault(text)) for text in fault or [])),
        seed=seed,
        host=host,
        port=_port(port, "--port"),
        tls=tls,
        tls_port=_port(tls_port, "--tls-port"),
        speed=_speed(speed),
        dates=dates,
        loop=loop,
        waits=wait,
        has_magic=not plain_ids,
        ends_with_parent=with_parent,
        journal=journal,
    )
    if tls_port and not tls:
        raise ConfigError(f"--tls-port {tls_port}: goes with --tls")
    from papertape.session.serving.market import check_faults
    from papertape.session.serving.run import is_loopback
    from papertape.session.serving.run import serve as run

    check_faults(spec.faults, "--fault" if faults is None else faults.as_posix())
    if not is_loopback(host):
        _tell(
            f"WARNING: --host {host} is not loopback: whoever reaches this machine there can read this venue and, with its throwaway key, "
            "trade at it. Nothing real is behind it, but do not leave it open"
        )
    asyncio.run(run(spec, make_fault=partial(_made, venue), on_ready=_say_ready, tell=_tell, is_last=True))
    return ExitCode.PASSED


def _say_ready(ready: msgspec.Struct) -> None:
    print(msgspec.json.encode(ready).decode(), flush=True)


def _tell(words: str) -> None:
    print(f"papertape: {words}", file=sys.stderr, flush=True)


def _no_server(venue: str) -> str:
    if venue in VENUES:
        return "that venue has no server yet, it runs at depth interface alone."
    near = difflib.get_close_matches(venue, SERVED, n=1)
    return f'no venue is called that; did you mean "{near[0]}"?' if near else "no venue is called that."


def _account(text: str | None) -> dict[str, Decimal]:
    if text is None:
        return {currency: Decimal(amount) for currency, amount in DEFAULT_VENUE_TABLE["account"].items()}
    found: dict[str, Decimal] = {}
    for part in text.split(","):
        currency, equals, amount = (word.strip() for word in part.partition("="))
        if not equals or not currency:
            raise ConfigError(f'--account {text}: "{part}" is no holding; expected CURRENCY=AMOUNT, such as USD=100000,BTC=1')
        try:
            found[currency] = exact(amount)
        except ValueError:
            raise ConfigError(f'--account {text}: "{amount}" is no number; expected one such as {currency}=100000') from None
        if not 0 <= found[currency] <= AMOUNT_MAX:
            raise ConfigError(f"--account {text}: {currency} holds {amount}; expected 0 to {AMOUNT_MAX:.0e}")
    return found


def _model(latency: str | None) -> ModelSpec:
    if latency is None:
        return ModelSpec()
    try:
        parse_duration(latency)
    except ValueError as error:
        raise ConfigError(f"--latency {latency}: {error}") from None
    law = ConstantLatency(value=latency)
    return ModelSpec(latency=LatencySpec(order=law, answer=law))


def _speed(text: str) -> Fraction:
    try:
        return parse_speed(text)
    except ConfigError as error:
        raise ConfigError(f"--speed {text}: {error}") from None


def _port(port: int, option: str) -> int:
    if not 0 <= port <= PORT_MAX:
        raise ConfigError(f"{option} {port}: is no port; expected 1 to {PORT_MAX}, or 0 to have a free one picked")
    return port


def _faults_in(path: Path | None, venue: str) -> Sequence[Fault]:
    """The [[fault]] tables of a file."""
    if path is None:
        return ()
    source = path.as_posix()
    tables = read_toml(path).get("fault")
    if not isinstance(tables, list) or not tables:
        raise ConfigError(f'{source}: holds no [[fault]]; expected one or more, such as [[fault]] with kind = "lost_reply"')
    return [make_fault(table, source, f"[[fault]] {place}", {venue: None}) for place, table in enumerate(tables, start=1)]


def _for(venue: str, fault: Fault) -> Fault:
    return make_fault(fault, "--fault", fault.kind, {venue: None})


def _made(venue: str, table: Any, source: str) -> Fault:
    return make_fault(table, source, "the fault", {venue: None})
