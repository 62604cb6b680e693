"""papertape.toml: one layer over the other, every mistake named where it was made."""

from __future__ import annotations

import re
from decimal import Decimal
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from papertape.model.errors import ConfigError
from papertape.trading.config import Config, Layered, Mode, load_config, make_config

WHOLE = """
mode = "paper"
exchange = "coinbase"
bot = "mybot.py:main"
bot_config = { size = "0.01" }
[venue.coinbase]
account = { USD = "10000" }
rest = "http://127.0.0.1:8000"
[limits]
order_notional = "500 USD"
position = "0.1 BTC"
daily_loss = "200 USD"
orders_per_minute = 30
"""


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


def load(text: str = WHOLE, *settings: str, **environment: str) -> Config:
    Path("papertape.toml").write_text(text)
    return load_config(settings=settings, environment=environment)


def test_paper_is_the_default_with_and_without_a_file() -> None:
    assert load_config(environment={}).mode is Mode.PAPER
    assert load("").mode is Mode.PAPER


def test_a_whole_file_is_read() -> None:
    config = load()
    assert config.limits is not None
    assert (config.limits.order_notional.amount, config.limits.position.currency, config.limits.orders_per_minute) == (500, "BTC", 30)
    assert config.venue.account == {"USD": Decimal(10_000)}
    assert config.state_of("x").as_posix() == ".papertape/paper/coinbase/x"


def test_the_environment_lies_over_the_file_and_the_command_line_over_both() -> None:
    config = load(
        WHOLE,
        "limits.orders_per_minute=5",
        PAPERTAPE_LIMITS__ORDERS_PER_MINUTE="7",
        PAPERTAPE_MODE="replay",
        PAPERTAPE_BOT_CONFIG__SIZE="0.5",
    )
    assert config.limits is not None
    assert (config.limits.orders_per_minute, config.mode, config.bot_config) == (5, Mode.REPLAY, {"size": 0.5})
    said = config.layers.said
    assert (said("limits.orders_per_minute"), said("mode"), said("exchange")) == (
        "--set limits.orders_per_minute", "$PAPERTAPE_MODE", "papertape.toml",
    )  # fmt: skip
    assert said("state") == "left out"


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ('moed = "paper"', "papertape.toml: key `moed`: there is no such key; did you mean `mode`?"),
        ('mode = "papper"', 'papertape.toml: key `mode`: holds "papper"; expected "replay", "paper" or "live"; did you mean "paper"?'),
        ('exchange = "coinbse"', 'key `exchange`: no exchange is called "coinbse"; did you mean "coinbase"?'),
        ('bot = "mybot"', 'key `bot`: holds "mybot"; expected "module:Name"'),
        ("[limits]\norder_notional = 500", "papertape.toml: [limits], key `order_notional`: holds 500; expected text"),
        ('[limits]\norder_notional = "500 USD"', "[limits], key `position`: is missing; limits are given all together"),
        ('[venue.coinbase]\nrset = "x"', "papertape.toml: [venue.coinbase], key `rset`: there is no such key; did you mean `rest`?"),
        ('[venue.coinbase]\nrest = "http://example.com"', "[venue.coinbase], key `rest`: is no address that may be used"),
        ('[venue.coinbase]\nrest = "https://me:secret@example.com"', "is no address that may be used"),
        ('[venue.coinbase]\naccount = { USD = "lots" }', "[venue.coinbase.account], key `USD`"),
        ('[venue.coinbase]\naccount = { usd = "7" }', "[venue.coinbase.account], key `usd`: currencies are written as the venue"),
        ('[venue.coinbas]\nrest = "https://x"', '[venue], key `coinbas`: no venue is called "coinbas"; did you mean "coinbase"?'),
        (
            '[venue.coinbase]\nrest = "https://x"\n[venue.coinbaseadvanced]\nrest = "https://y"',
            'key `coinbaseadvanced`: is another name of the venue "coinbase", and both say `rest`',
        ),
        ('[venue.coinbase]\nca = "ca.pem"', "there is no file ca.pem"),
        ("cancel_on_exit = 1", "key `cancel_on_exit`: holds 1; expected true or false"),
        ("mode = ", "papertape.toml: is no valid TOML"),
    ],
)
def test_a_mistake_in_the_file_is_named(text: str, complaint: str) -> None:
    with pytest.raises(ConfigError) as raised:
        load(text)
    assert complaint in str(raised.value)
    assert "secret" not in str(raised.value)


@pytest.mark.parametrize(
    ("variable", "complaint"),
    [
        ("PAPERTAPE_MOOD", '$PAPERTAPE_MOOD: there is no setting "mood"; did you mean "mode"?'),
        ("PAPERTAPE_LIMIT__POSITION", 'there is no setting "limit"; did you mean "limits"?'),
        ("PAPERTAPE_LIMITS", '$PAPERTAPE_LIMITS: "limits" is a table; say which of its settings'),
        ("PAPERTAPE_LIMITS_POSITION", "two underscores lead into a table; did you mean $PAPERTAPE_LIMITS__POSITION?"),
        ("PAPERTAPE_CONFIGG", '$PAPERTAPE_CONFIGG: there is no setting "configg"; did you mean $PAPERTAPE_CONFIG?'),
        ("PAPERTAPE_KEYS_FIEL", "did you mean $PAPERTAPE_KEYS_FILE?"),
        ("PAPERTAPE_MODE__X", '"mode" is one setting'),
        ("PAPERTAPE_LIMITS__POSITON", "set over it: limits.positon by $PAPERTAPE_LIMITS__POSITON"),
    ],
)
def test_a_mistake_in_the_environment_is_named_by_its_variable(variable: str, complaint: str) -> None:
    with pytest.raises(ConfigError) as raised:
        load(WHOLE, **{variable: "0.2 BTC"})
    assert complaint in str(raised.value)


def test_variables_that_are_no_settings_are_left_alone() -> None:
    """All that the repository reads, in its code, its tests and its Makefile: whoever sets one for a run may trade as well."""
    root = Path(__file__).parents[2]
    files = [*root.glob("src/**/*.py"), *root.glob("benchmarks/**/*.py"), *root.glob("tests/*.py"), root / "Makefile", *root.glob(".ci/*")]
    named = {name for file in files if file.is_file() for name in re.findall(r"PAPERTAPE_[A-Z]+(?:_[A-Z]+)*", file.read_text())}
    others = sorted(named - {"PAPERTAPE_MODE", "PAPERTAPE_LIMITS", "PAPERTAPE_CONFIG"})
    assert {"PAPERTAPE_TRACEBACK", "PAPERTAPE_INDEX", "PAPERTAPE_THOROUGH"} <= named
    assert load(WHOLE, **dict.fromkeys([*others, "OTHER"], "1")).mode is Mode.PAPER


def test_variables_mean_what_the_file_spells_otherwise_and_an_alias_adds_to_the_venues_own_table() -> None:
    config = load(
        WHOLE, PAPERTAPE_VENUE__COINBASE__ACCOUNT__USD="7", PAPERTAPE_VENUE__COINBASE__ACCOUNT__BTC="2",
        PAPERTAPE_VENUE__COINBASEADVANCED__STREAM="wss://x",
    )  # fmt: skip
    assert config.venue.account == {"USD": 7, "BTC": 2}
    assert (config.venue.rest, config.venue.stream) == ("http://127.0.0.1:8000", "wss://x")


def test_currencies_in_the_environment_are_capitals_and_no_other_table_s_keys_are() -> None:
    """In a variable's name nobody can tell the case, so its value goes by the same; what the file spells otherwise stays so."""
    whole = load("", PAPERTAPE_VENUE__COINBASE__ACCOUNT='{ usd = "7", kPEPE = "1" }')
    assert whole.venue.account == {"USD": 7, "kPEPE": 1}
    assert load("", PAPERTAPE_VENUE__COINBASE='{ account = { usd = "7" } }').venue.account == {"USD": 7}
    bot = load("", PAPERTAPE_BOT_CONFIG__ACCOUNT__MAIN="x", PAPERTAPE_BOT_CONFIG__ACCOUNT__TABLE="{ usd = 1 }").bot_config
    assert bot == {"account": {"main": "x", "table": {"usd": 1}}}


def test_another_file_may_be_named(tmp_path: Path) -> None:
    (tmp_path / "other.toml").write_text('mode = "replay"')
    (tmp_path / "third.toml").write_text('mode = "live"')
    assert load(WHOLE, PAPERTAPE_CONFIG="other.toml").mode is Mode.REPLAY
    assert load_config(Path("third.toml"), environment={"PAPERTAPE_CONFIG": "other.toml"}).mode is Mode.LIVE


def test_an_alias_of_a_venue_is_that_venue() -> None:
    config = load('exchange = "coinbaseadvanced"\n[venue.coinbaseadvanced]\naccount = { USD = "1" }')
    assert (config.exchange, config.venue.account) == ("coinbase", {"USD": Decimal(1)})


@given(
    st.dictionaries(
        st.text("abcdefghij_", min_size=1, max_size=8), st.integers() | st.text('abc "\\ü{[', max_size=5) | st.booleans(), max_size=4
    )
)
def test_whatever_the_file_holds_is_a_configuration_or_one_sentence(raw: dict[str, object]) -> None:
    layers = Layered(raw=dict(raw), origins={}, folder=Path(), source="x.toml")
    said = ""
    try:
        make_config(layers)
    except ConfigError as error:
        said = str(error)
    assert not said or said.startswith("x.toml: ")
