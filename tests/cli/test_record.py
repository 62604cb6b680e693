"""`papertape record` and `papertape tape repair`: whatever is wrong is a sentence, and is said before anything is recorded."""

from __future__ import annotations

from pathlib import Path

import pytest

from papertape.cli.main import main
from papertape.model.event import Side, Trade
from papertape.recorder.spool import Spool, SpoolHead
from papertape.tape import open_tape
from papertape.venues.coinbase.rules import RULES

BTC = RULES.instruments[0]
HEAD = SpoolHead(venue="coinbase", instruments=(BTC,), connections=("rest", "market"), source="a test")


def said(capsys: pytest.CaptureFixture[str], *words: str) -> tuple[int, str]:
    """(exit code, stderr) of a command that prints nothing else."""
    code = main(["record", *words])
    out, err = capsys.readouterr()
    assert out == ""
    assert "Traceback" not in err
    return code, err


def left(folder: Path, name: str = "a.spool") -> Path:
    """What a recorder left behind that heard one trade."""
    spool = Spool(folder / name, HEAD)
    spool.write(1, 0, Trade(venue_ns=5, local_ns=7, symbol="BTC/USD", price_ticks=1, qty_lots=1, taker=Side.BUY))
    spool.flush()
    spool.close()
    return folder / name


MISTAKES = {
    "a venue that there is none of": (["coinbse", "BTC/USD"], 'no exchange is called "coinbse"; did you mean "coinbase"?'),
    "a venue without public streams": (["simulated", "BTC/USD"], '"simulated" has no public streams that can be recorded'),
    "no symbol": (["coinbase"], "say what to record, such as `papertape record coinbase BTC/USD`"),
    "a venue's own name of an instrument": (
        ["coinbase", "BTC-USD"],
        '"BTC-USD" is no instrument as ccxt writes it; did you mean "BTC/USD"?',
    ),
    "a word": (["coinbase", "bitcoin"], '"bitcoin" is no instrument as ccxt writes it, such as BTC/USD'),
    "a rotation": (["coinbase", "BTC/USD", "--rotate", "often"], '--rotate "often" is neither a time nor a size'),
    "too short a rotation": (["coinbase", "BTC/USD", "--rotate", "1ms"], "a tape may be full after 1s at the earliest"),
    "a channel": (["coinbase", "BTC/USD", "--channel", "books"], '--channel "books": expected one of book, trades, ticker, candles'),
    "a length": (["coinbase", "BTC/USD", "--lasts", "soon"], '--lasts "soon" is no duration'),
    "no length": (["coinbase", "BTC/USD", "--lasts", "0s"], '--lasts "0s": expected more than nothing'),
    "a probe": (["coinbase", "BTC/USD", "--probe", "10ms"], '--probe "10ms": expected 1s or more, or 0s for never'),
    "a URL": (["coinbase", "BTC/USD", "--rest", "ws://localhost"], '--rest "ws://localhost": expected a URL such as http://127.0.0.1:8080'),
    "a port": (["coinbase", "BTC/USD", "--stream", "ws://localhost:port"], '--stream "ws://localhost:port": expected a URL such as ws://'),
}


@pytest.mark.parametrize(("words", "sentence"), MISTAKES.values(), ids=MISTAKES)
def test_a_mistake_is_a_sentence(words: list[str], sentence: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """It says what was wrong and what was expected, and exits 2; nothing is asked of any venue."""
    code, err = said(capsys, *words, "--out", str(tmp_path))
    assert (code, err.count("\n")) == (2, 1)
    assert sentence in err
    assert list(tmp_path.iterdir()) == []


def test_a_password_in_a_url_is_refused_and_not_repeated(capsys: pytest.CaptureFixture[str]) -> None:
    """So that it gets onto no tape, and into no log."""
    for url in ("http://me:hunter22@localhost:1", "http://localhost:1/?token=hunter22"):
        code, err = said(capsys, "coinbase", "BTC/USD", "--rest", url)
        assert code == 2
        assert "name, password or query" in err
        assert "hunter22" not in err


def test_a_folder_that_cannot_be_is_a_sentence(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Found out before anything is recorded."""
    (tmp_path / "file").touch()
    code, err = said(capsys, "coinbase", "BTC/USD", "--out", str(tmp_path / "file" / "tapes"))
    assert code == 4
    assert "cannot write there: Not a directory. Choose another folder." in err


def test_a_folder_is_repaired_spool_by_spool(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Each is said; one that is no spool keeps no other from being repaired, and makes it exit 4."""
    left(tmp_path)
    (tmp_path / "b.spool").write_text("dear diary\n")
    spool = left(tmp_path, "c.spool")
    spool.write_bytes(spool.read_bytes() + b"torn")
    assert main(["tape", "repair", str(tmp_path)]) == 4
    out, err = capsys.readouterr()
    assert out.splitlines() == [
        f"{tmp_path / 'a.parquet'}: 1 messages in 1 rows, from a.spool",
        f"{tmp_path / 'c.parquet'}: 1 messages in 1 rows, from c.spool; 4 bytes at its end were not whole and are lost",
    ]
    assert "b.spool: no spool" in err
    assert open_tape(tmp_path / "c.parquet").rows == 1
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a.parquet", "b.spool", "c.parquet"]


def test_where_nothing_was_left_nothing_is_repaired(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """And that is said."""
    assert main(["tape", "repair", str(tmp_path)]) == 0
    assert capsys.readouterr().out == f"{tmp_path}: nothing to repair\n"
    assert main(["tape", "repair"]) == 2
    assert "name at least one spool, or a folder" in capsys.readouterr().err
    assert main(["tape", "repair", str(tmp_path / "a.spool")]) == 4
    assert "there is no such file; expected a spool" in capsys.readouterr().err


@pytest.mark.parametrize("name", ["recorded_drop", "recorded_gap", "recorded_limit"])
def test_what_a_tape_brings_with_it_is_explained(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    """Results call these by name, so `papertape explain` knows them."""
    assert main(["explain", name]) == 0
    assert "recorder" in capsys.readouterr().out
