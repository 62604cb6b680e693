"""What was vouched for must still be so: every reason for which live trading is refused, and that all of them are told at once."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path

import msgspec
import pytest

from papertape.model.units import SECOND
from papertape.trading.config import Config, load_config
from papertape.trading.gate.arming import (
    FORMAT,
    Armed,
    Vouched,
    armed_path,
    code_hash,
    config_hash,
    content_hash,
    endpoints_of,
    missing_for_live,
    write_armed,
)

NOW = 1_800_000_000 * SECOND
FILE = """
exchange = "coinbase"
bot = "mybot.py:main"
[venue.coinbase]
rest = "https://127.0.0.1:8443"
stream = "wss://127.0.0.1:8443"
[limits]
order_notional = "500 USD"
position = "0.1 BTC"
daily_loss = "200 USD"
orders_per_minute = 30
"""


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "papertape.toml").write_text(FILE)
    (tmp_path / "mybot.py").write_text("async def main(exchange): ...\n")
    (tmp_path / "helper.py").write_text("SIZE = 1\n")
    (tmp_path / "ok.scenario.toml").write_text('bot = "mybot.py:main"\n')
    return tmp_path


def log() -> list[dict[str, object]]:
    """What the gate's log holds of it."""
    path = armed_path(config())
    return [{"kind": "armed", "at": NOW, "file": content_hash(path) if path.is_file() else ""}]


def config() -> Config:
    return load_config(settings=["mode=live"], environment={})


def arm(**changes: object) -> None:
    now = config()
    armed = Armed(
        format=FORMAT, exchange="coinbase", account="mine", endpoints=endpoints_of(now), code=code_hash(now), config=config_hash(now),
        limits=now.limits,
        scenarios=(Vouched(path="ok.scenario.toml", content=content_hash(Path("ok.scenario.toml")), digest="d"),),
        armed_ns=NOW, until_ns=NOW + 3_600 * SECOND,
    )  # fmt: skip
    write_armed(armed_path(now), msgspec.structs.replace(armed, **changes))


def missing(now_ns: int = NOW, halted: str = "", records: list[dict[str, object]] | None = None, **environment: str) -> list[str]:
    return missing_for_live(config(), now_ns=now_ns, environment=environment, halted=halted, records=log() if records is None else records)


def test_nothing_is_missing_right_after_arming() -> None:
    arm()
    assert missing() == []


def test_it_was_never_armed() -> None:
    (why,) = missing()
    assert why.startswith("it was never armed (.papertape/live/coinbase/armed.json is not there)")


@pytest.mark.parametrize("now_ns", [NOW - 1, NOW + 3_600 * SECOND, NOW + 10**18])
def test_it_is_not_the_time_that_it_was_armed_for(now_ns: int) -> None:
    arm()
    (why,) = missing(now_ns)
    assert why.startswith("it was armed from 2027-01-15T08:00:00.000Z to 2027-01-15T09:00:00.000Z, and it is ")


def edit(name: str, before: str, after: str) -> Callable[[], object]:
    return lambda: Path(name).write_text(Path(name).read_text().replace(before, after))


@pytest.mark.parametrize(
    ("change", "why"),
    [
        (edit("mybot.py", "...", "pass"), "the bot's code, or papertape's, has changed"),
        (edit("helper.py", "1", "2"), "the bot's code, or papertape's, has changed"),
        (lambda: (Path("b").mkdir(), Path("helper.py").rename("b/helper.py")), "the bot's code, or papertape's, has changed"),
        (lambda: Path("new.py").write_text(""), "the bot's code, or papertape's, has changed"),
        (edit("papertape.toml", '"500 USD"', '"501 USD"'), "the configuration has changed"),
        (edit("papertape.toml", "[venue", "[bot_config]\nsize = 2\n[venue"), "the configuration has changed"),
        (edit("ok.scenario.toml", "main", "main2"), "ok.scenario.toml has changed, or is gone, since it passed"),
        (lambda: Path("ok.scenario.toml").unlink(), "ok.scenario.toml has changed, or is gone, since it passed"),
        (lambda: armed_path(config()).write_text("{"), "armed.json: is not what `papertape arm` writes"),
        (lambda: armed_path(config()).write_bytes(b"\xff\x00"), "armed.json: is not what `papertape arm` writes"),
        (lambda: armed_path(config()).unlink(), "it was never armed"),
    ],
)
def test_what_has_changed_since_is_named(change: Callable[[], object], why: str) -> None:
    arm()
    change()
    found = missing()
    assert len(found) == 1
    assert why in found[0]


def test_a_changed_endpoint_is_named_beside_the_changed_configuration() -> None:
    arm()
    edit("papertape.toml", "8443", "9443")()
    endpoints, configuration = missing()
    assert "endpoints have changed: armed for rest https://127.0.0.1:8443" in endpoints
    assert "the configuration has changed" in configuration


def test_a_setting_over_the_file_is_a_change_too() -> None:
    arm()
    changed = load_config(settings=["mode=live", "limits.orders_per_minute=31"], environment={})
    assert missing_for_live(changed, now_ns=NOW, environment={}, halted="", records=log()) == [
        "the configuration has changed since it was armed"
    ]


def test_only_the_mode_may_differ() -> None:
    arm()
    edit("papertape.toml", "exchange", 'mode = "paper"\nexchange')()
    assert missing() == []


def test_it_was_armed_without_scenarios_or_for_something_else() -> None:
    arm(scenarios=())
    assert missing() == ["it was armed without a scenario that has passed"]
    arm(exchange="kraken")
    assert "is for kraken" in missing()[0]


def test_a_log_that_knows_nothing_of_it_was_lost() -> None:
    arm()
    (why,) = missing_for_live(config(), now_ns=NOW, environment={}, halted="", records=[{"kind": "armed", "at": NOW - 1}])
    assert why.startswith("the gate's log knows nothing of this arming")


def test_a_file_that_was_edited_is_not_what_was_armed() -> None:
    """Such as a later end, or limits that nobody typed the sentence for."""
    arm()
    before = log()
    edit(str(armed_path(config())), str(NOW + 3_600 * SECOND), str(NOW + 36_000 * SECOND))()
    (why,) = missing(records=before)
    assert why == "armed.json is not as it was written at 2027-01-15T08:00:00.000Z: it was changed by hand; arm anew"


def test_a_file_that_was_put_back_is_not_what_was_armed() -> None:
    """That of an earlier arming, or one that was disarmed."""
    arm()
    later = [*log(), {"kind": "armed", "at": NOW + SECOND, "file": "another"}]
    assert "is that of an earlier arming, and it was armed anew at 2027-01-15T08:00:01.000Z" in missing(NOW + SECOND, records=later)[0]
    disarmed = [*log(), {"kind": "disarmed", "at": NOW + SECOND}]
    assert "it was disarmed at 2027-01-15T08:00:01.000Z" in missing(NOW + SECOND, records=disarmed)[0]


def test_a_clock_that_has_gone_back_is_told() -> None:
    arm()
    records = [*log(), {"kind": "stopped", "at": NOW + 600 * SECOND}]
    assert missing(NOW + 540 * SECOND, records=records) == []
    (why,) = missing(NOW + 539 * SECOND, records=records)
    assert why.startswith("this machine's clock has gone back: the gate's log was written to at 2027-01-15T08:10:00.000Z")


def test_a_log_of_intents_that_was_lost_is_told() -> None:
    """Without it a start knows of no order that is open, and withdraws none on a halt."""
    arm()
    passed = {"kind": "passed", "at": NOW, "request": {"op": "order.create", "client_order_id": "a-1"}}
    records = [*log(), passed]
    (why,) = missing(records=records)
    assert why.startswith(".papertape/live/coinbase/intents.jsonl knows nothing of 1 orders that the gate let through, such as a-1")
    intents = Path(".papertape/live/coinbase/intents.jsonl")
    intents.write_bytes(b'{"record":"sending","client_order_id":"a-1","attempt":1,"at_ns":0}\n')
    assert missing(records=records) == []
    intents.write_bytes(b"")
    assert len(missing(records=records)) == 1
    assert missing(records=[passed, *log()]) == [], "arming anew settles it"


def test_another_version_of_what_sends_is_other_code(monkeypatch: pytest.MonkeyPatch) -> None:
    arm()
    monkeypatch.setattr("papertape.trading.gate.arming.version", lambda library: "0.0.1")
    assert missing() == ["the bot's code, or papertape's, has changed since it was armed"]


def test_another_authority_behind_the_same_name_is_another_configuration() -> None:
    Path("ca.pem").write_text("one")
    edit("papertape.toml", "[limits]", 'ca = "ca.pem"\n[limits]')()
    arm()
    assert missing() == []
    Path("ca.pem").write_text("two")
    assert missing() == ["the configuration has changed since it was armed"]


def test_ci_trades_nowhere_but_on_loopback() -> None:
    arm()
    assert missing(CI="true") == []
    edit("papertape.toml", 'rest = "https://127.0.0.1:8443"', "")()
    arm()
    (why,) = missing(CI="true")
    assert why.startswith("this is a CI job")
    assert missing() == []


def test_without_limits_and_halted_and_not_armed_all_three_are_told() -> None:
    edit("papertape.toml", FILE[FILE.index("[limits]") :], "")()
    found = missing(halted="by hand")
    assert [each.split(":")[0] for each in found[:2]] == ["[limits] is missing", "trading is halted"]
    assert "it was never armed" in found[2]


def test_the_code_of_a_module_is_that_of_its_package(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (folder / "pack").mkdir()
    (folder / "pack" / "__init__.py").write_text("")
    (folder / "pack" / "bot.py").write_text("async def main(exchange): ...\n")
    monkeypatch.syspath_prepend(str(folder))
    edit("papertape.toml", "mybot.py:main", "pack.bot:main")()
    __import__("pack.bot")
    arm()
    assert missing() == []
    (folder / "pack" / "other.py").write_text("")
    assert "code" in missing()[0]
    for name in ("pack", "pack.bot"):
        sys.modules.pop(name)


def test_only_its_owner_may_read_what_was_armed() -> None:
    arm()
    assert armed_path(config()).stat().st_mode & 0o777 == 0o600
