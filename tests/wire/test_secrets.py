"""Keys, their PEM, every token made with them and a passphrase: nothing that papertape writes, prints, logs, raises or reprs shows one."""

from __future__ import annotations

import contextlib
import io
import logging
import pickle
import traceback
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from papertape import reports
from papertape.exchanges.coinbase import CoinbaseExchange, cloud_key
from papertape.exchanges.keys import KeyManager, Keys, Secret
from papertape.faults import Disconnect, RateLimit
from papertape.links.coinbase import link, rest
from papertape.links.permits import Permits
from papertape.model.errors import BaseError, ConfigError
from papertape.model.request import Lane
from papertape.scenario.make import make_scenario
from papertape.session import run as session_run
from papertape.session import wire
from papertape.session.result import RunResult
from papertape.session.world import VenueWorld
from papertape.venues.coinbase.auth import Credentials, throwaway_credentials
from recorder.studio import recorded

MARKED = throwaway_credentials("marked")
PASSPHRASE = "marked passphrase"
SCENARIO: dict[str, Any] = {
    "title": "Everything that can go wrong with a request, and with a token",
    "seed": 3,
    "depth": "wire",
    "venue": {"coinbase": {"feed": {"tape": "builtin:btc-usd", "end": "80s"}, "account": {"USD": "100000", "BTC": "1"}}},
    "fault": [
        {"kind": "lost_reply", "on": "order.create", "nth": 1},
        {"kind": "clock_skew", "at": "10s", "lasts": "15s", "by": "5m"},
        {"kind": "rate_limit", "on": "order.create", "nth": 4, "retry_after": "3s"},
        {"kind": "reject", "on": "order.create", "nth": 6, "reason": "unavailable"},
        {"kind": "late_reply", "on": "order.create", "nth": 8, "delay": "15s"},
        {"kind": "disconnect", "at": "30s", "connection": "user", "lasts": "2s"},
        {"kind": "disconnect", "at": "40s", "connection": "rest", "lasts": "2s"},
        {"kind": "corrupt", "at": "50s", "lasts": "10s"},
        {"kind": "black_hole", "at": "55s", "lasts": "8s"},
    ],
}


class Caught:
    """Every token that was made, and everything that anybody could have read."""

    def __init__(self) -> None:
        self.tokens: list[str] = []
        self.texts: dict[str, str] = {}

    def secrets(self) -> list[str]:
        body = [line for line in MARKED.secret.splitlines() if line and not line.startswith("-----")]
        return [MARKED.name, MARKED.secret, *body, PASSPHRASE, *dict.fromkeys(self.tokens), *(t.rpartition(".")[2] for t in self.tokens)]

    def leaks(self) -> list[str]:
        secrets = self.secrets()
        return [
            f"{where}: …{text[max(0, text.find(s) - 60) : text.find(s)]}"
            for where, text in self.texts.items()
            for s in secrets
            if s in text
        ]


@pytest.fixture
def caught(monkeypatch: pytest.MonkeyPatch) -> Iterator[Caught]:
    """The marked key everywhere, and all loggers at their most talkative."""
    found = Caught()
    sign, create = link.sign, rest.CoinbaseClient.create_auth_token

    def noting(*args: Any, **named: Any) -> str:
        found.tokens.append(sign(*args, **named))
        return found.tokens[-1]

    def creating(self: Any, *args: Any, **named: Any) -> str:
        found.tokens.append(create(self, *args, **named))
        return found.tokens[-1]

    monkeypatch.setattr(link, "sign", noting)
    monkeypatch.setattr(rest.CoinbaseClient, "create_auth_token", creating)
    monkeypatch.setattr("papertape.venues.coinbase.auth.throwaway_credentials", lambda seed: MARKED)
    log = io.StringIO()
    handler = logging.StreamHandler(log)
    names = ("", "ccxt", "websockets", "websockets.client", "aiohttp", "asyncio", "papertape", "papertape.links.coinbase")
    loggers = [logging.getLogger(name) for name in names]
    levels = [each.level for each in loggers]
    loggers[0].addHandler(handler)
    for each in loggers:
        each.setLevel(logging.DEBUG)
    yield found
    loggers[0].removeHandler(handler)
    for each, level in zip(loggers, levels, strict=True):
        each.setLevel(level)


def run(folder: Path, found: Caught, bot: Any) -> RunResult:
    raw = SCENARIO | {"bot": bot}
    out, kept = io.StringIO(), list[Any]()
    log, root = io.StringIO(), logging.getLogger()
    handler = logging.StreamHandler(log)
    root.addHandler(handler)
    served = wire.live_link

    def keeping(*args: Any) -> Any:
        kept.append(served(*args))
        return kept[-1]

    def inspect(worlds: list[VenueWorld]) -> None:
        kept.extend(worlds)

    with pytest.MonkeyPatch.context() as patch, contextlib.redirect_stdout(out), contextlib.redirect_stderr(out):
        patch.setattr(session_run, "live_link", keeping, raising=False)
        patch.setattr(wire, "live_link", keeping)
        result = session_run.run_scenario(
            make_scenario(raw, source="here", folder=folder), journal_path=folder / "journal.jsonl", inspect=inspect
        )
    root.removeHandler(handler)
    for report in reports.REPORTS:
        found.texts[f"report {report}"] = reports.render(report, [result])
    for path in folder.rglob("*"):
        if path.is_file():
            found.texts[path.name] = path.read_bytes().decode(errors="replace")
    found.texts["printed"] = out.getvalue()
    found.texts["logged"] = log.getvalue()
    found.texts["repr of the result"] = repr(result)
    for each in kept:
        found.texts[f"repr of {type(each).__name__} {len(found.texts)}"] = repr(each)
    return result


def test_no_secret_of_a_faulted_session_is_seen_anywhere(tmp_path: Path, caught: Caught) -> None:
    """Journal, reports, output, every log at DEBUG, what the bot caught with its traceback, and the reprs of all that holds a key."""
    told: list[str] = []

    async def bot(exchange: Any) -> None:
        import asyncio

        seen: list[Any] = [exchange, exchange._line, exchange._line._link, exchange._line._link._rest, exchange.health]
        async with await exchange.subscribe_order_book("BTC/USD", lambda book: None):
            for n in range(20):
                try:
                    await exchange.place_order("BTC/USD", "limit", "buy", "0.01", str(50_000 + n), post_only=True)
                except BaseError as error:
                    told.append("".join(traceback.format_exception(error)))
                    seen.append(error)
                await asyncio.sleep(3)
        seen += [exchange._line._link._rest._client, exchange._line._link._credentials]
        told.extend(repr(each) for each in seen)
        told.extend(repr(each) for each in seen)

    result = run(tmp_path, caught, bot)
    caught.texts["told to the bot"] = "\n".join(told)
    assert sum(fault.fired > 0 for fault in result.faults) >= 7, result.faults
    assert len(caught.tokens) > 30
    assert len(told) > 12
    assert caught.texts["journal.jsonl"]
    assert caught.leaks() == []


def test_a_bot_that_fails_tells_no_secret_either(tmp_path: Path, caught: Caught) -> None:
    """Its traceback goes into the report; the frames above it hold the key."""

    async def bot(exchange: Any) -> None:
        await exchange.fetch_balance()
        raise RuntimeError(f"lost at {exchange!r} {exchange._line._link._credentials!r}")

    result = run(tmp_path, caught, bot)
    assert any("lost at" in text for text in result.failures)
    assert caught.leaks() == []


def test_keys_that_cannot_be_used_are_refused_without_being_quoted(caught: Caught) -> None:
    """Whatever is wrong with them, and with a passphrase beside them."""
    damaged = MARKED.secret[40:]
    for secret in (damaged, MARKED.secret[: len(MARKED.secret) // 2], PASSPHRASE):
        keys = Keys(api_key=Secret(MARKED.name), secret=Secret(secret), passphrase=Secret(PASSPHRASE))
        for use in (cloud_key, lambda keys: CoinbaseExchange.link_to_venue(keys, None, Permits())):
            with pytest.raises(ConfigError) as refused:
                use(keys)
            caught.texts[f"{len(caught.texts)}"] = "".join(traceback.format_exception(refused.value)) + repr(refused.value) + repr(keys)
    manager = KeyManager(environment={"COINBASE_API_KEY": MARKED.name, "COINBASE_API_PASSPHRASE": PASSPHRASE})
    with pytest.raises(ConfigError) as refused:
        manager.keys("coinbase")
    caught.texts["missing"] = str(refused.value) + repr(manager)
    caught.texts["credentials"] = repr(Credentials(MARKED.name, MARKED.secret))
    with pytest.raises(TypeError, match="not to be pickled"):
        pickle.dumps(Credentials(MARKED.name, MARKED.secret))
    assert caught.leaks() == []


def test_no_tape_holds_a_secret_of_who_recorded_it(tmp_path: Path, caught: Caught) -> None:
    """Recorded with a key, over a line that breaks: rows and header as they are read, all that was written beside, and every log."""
    import pyarrow.parquet as pq

    faults = (Disconnect(at="8s", lasts="2s", connection=Lane.MARKET), RateLimit(at="14s", lasts="2s", retry_after="2s"))
    log = io.StringIO()
    handler = logging.StreamHandler(log)
    logging.getLogger().addHandler(handler)
    (path,) = recorded(tmp_path, *faults, credentials=MARKED)
    logging.getLogger().removeHandler(handler)
    tape = pq.read_table(path)
    caught.texts = {each.name: each.read_bytes().decode(errors="replace") for each in tmp_path.rglob("*") if each.is_file()}
    caught.texts |= {"rows": str(tape.to_pylist()), "header": str(pq.read_schema(path).metadata), "logged": log.getvalue()}
    assert caught.tokens
    assert len(tape) > 100
    assert caught.leaks() == []


def test_this_would_find_a_leak(tmp_path: Path, caught: Caught, monkeypatch: pytest.MonkeyPatch) -> None:
    """With a talkative logger, as the libraries have by default, and with a repr that shows, tokens and names are found."""
    monkeypatch.setattr(rest, "LOG", logging.getLogger("ccxt"))
    monkeypatch.setattr(Credentials, "__repr__", lambda self: self.name)

    async def bot(exchange: Any) -> None:
        await exchange.fetch_balance()
        raise RuntimeError(repr(exchange._line._link._credentials))

    run(tmp_path, caught, bot)
    where = " ".join(caught.leaks())
    assert "logged: " in where
    assert "report table: " in where
