"""Pages of runs, opened in a real browser that has no network: what must be seen there is."""

from __future__ import annotations

import json
import re
from pathlib import Path
from urllib.parse import unquote

import msgspec
import pytest

from papertape.cli.main import main
from papertape.journal.tail import TAIL
from papertape.model.errors import ConfigError
from papertape.reports.html import Told, page, swept
from papertape.reports.html.figure import figure
from papertape.reports.html.lives import lives_of
from papertape.reports.html.story import read_story
from papertape.scenario.keep import Kept
from papertape.scenario.seed_result import Cell, Hits, SeedResult
from papertape.session.chronicle import Asked, Bar, Chronicle, Filled, Placed, VenueChronicle
from papertape.session.result import RunResult, Status
from reports.browser import Opened, needs_browser, opened

ROOT = Path(__file__).parents[2]
NASTY = "</script><script>document.title='taken'</script> & <b>\"it's\"</b> ]]> \u2028"


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Pages and journals of three runs: one that is passed, one in which a bug was caught, and a folder of both."""
    folder = tmp_path_factory.mktemp("pages")
    faulted, failing = ROOT / "scenarios/everything_at_once.scenario.toml", folder / "caught.scenario.toml"
    bot = "class Bot:\n    def __init__(self, token): ...\n\n    async def start(self, exchange):\n" + (
        "        for _ in range(3):\n"
        "            try:\n"
        '                await exchange.place_order("BTC/USD", "market", "buy", "0.01")\n'
        "            except Exception:\n"
        "                pass\n"
        "        raise ValueError('the bot has had enough')\n"
    )
    (folder / "tired.py").write_text(bot, encoding="utf-8")
    failing.write_text(
        f"title = {json.dumps(NASTY)}\nseed = 1\n"
        'bot = "tired:Bot"\nbot_config = { token = "s3cr3t-t0k3n-value" }\n'
        '[venue.coinbase]\nfeed = { tape = "builtin:btc-usd", end = "20s" }\naccount = { USD = "100000" }\n'
        '[[fault]]\non = "order.create"\nkind = "lost_reply"\nnth = 2\n',
        encoding="utf-8",
    )
    assert main(["run", str(faulted), "--journal", str(folder / "faulted.jsonl"), "--report", str(folder / "faulted.html")]) == 0
    assert main(["run", str(failing), "--report", str(folder / "failing.html")]) == 1
    assert main(["run", str(faulted), str(failing), "--report", str(folder / "both.html")]) == 1
    return folder


@pytest.fixture(scope="module")
def faulted(folder: Path) -> Opened:
    return opened(folder / "faulted.html")


@pytest.fixture(scope="module")
def failing(folder: Path) -> Opened:
    return opened(folder / "failing.html")


@needs_browser
def test_a_page_opens_without_a_network_and_without_an_error(faulted: Opened) -> None:
    """All its scripts ran, nothing was asked for, and the console is empty."""
    assert faulted.console == []
    assert 'data-drawn="yes"' in faulted.dom
    assert faulted.count(r"(?:src|href)=\"(?:https?:)?//") == 0


@needs_browser
def test_the_chart_shows_orders_faults_lanes_and_both_sides(faulted: Opened) -> None:
    """Each kind of mark has its legend, faults have their stripes and bands, and axes say their units."""
    for word in (
        "bought", "sold", "asked for", "outcome unknown", "lane up", "lane down", "a fault at work", "a fault hits", "something seen",
        "new order: answered", "no answer: given up or cut", "requests under way", "orders of unknown outcome", "the venue's books",
        "the bot's belief", "after fees, at the last price",
        "price (USD)", "(BTC)", "(ms)", "(count)", "run time (min:s)", "rest lane", "user lane", "F1 lost_reply", "F4 stall",
    ):  # fmt: skip
        assert word in faulted.words, word
    assert faulted.count(r'class="trace scatter') >= 10
    assert faulted.count(r'class="trace bars"') >= 5
    assert faulted.count(r'class="point"') > 60
    assert faulted.count(r"<pattern\b") >= 4, "lanes are told apart without colour"
    assert faulted.count(r"stroke-dasharray: (?!none)") >= 4, "so are lines, and the edges of bands"


@needs_browser
def test_the_verdict_comes_first_and_the_reasons_with_it(failing: Opened) -> None:
    """Then the command that gives it again; the line of the bot that acted is there with its source."""
    assert failing.console == []
    words = failing.words
    places = [
        words.index(each) for each in ("✘ failed", "the bot raised ValueError: the bot has had enough", "this run again", "What happened")
    ]
    assert places == sorted(places)
    assert "tired.py:7" in words
    assert 'await exchange.place_order("BTC/USD", "market", "buy", "0.01")' in words


@needs_browser
def test_nothing_that_a_title_holds_does_anything(failing: Opened) -> None:
    """It is text, in the page, in its title and in its data."""
    assert failing.dom.count("taken") >= 2
    assert "<title>taken</title>" not in failing.dom
    assert NASTY.split("\u2028")[0].strip() in failing.words


def test_no_secret_of_the_settings_is_in_a_page(folder: Path) -> None:
    """What a key of `bot_config` says is a token is in none of the bytes."""
    text = (folder / "failing.html").read_text(encoding="utf-8")
    assert "tired.py" in text
    assert "s3cr3t-t0k3n-value" not in text


@needs_browser
def test_several_runs_are_one_page_with_what_failed_on_top(folder: Path) -> None:
    """A table names all of them; what did not pass is open, the other is folded and its chart not drawn yet."""
    page_of = opened(folder / "both.html")
    assert page_of.console == []
    assert page_of.words.index("caught") < page_of.words.index("everything_at_once")
    assert page_of.count(r'<details class="run" id="of-run-\d"[^>]* open') == 1
    assert page_of.count(r'class="chart[^"]*"[^>]*data-drawn="yes"') == 1


def test_a_journal_gives_the_same_page_later(folder: Path) -> None:
    """`papertape report` makes from the journal what `run --report` made at once."""
    out = folder / "again.html"
    assert main(["report", str(folder / "faulted.jsonl"), "--out", str(out)]) == 0
    assert out.read_text(encoding="utf-8") == (folder / "faulted.html").read_text(encoding="utf-8")


def test_a_journal_of_a_run_that_was_killed_still_tells_what_happened(folder: Path) -> None:
    """No verdict is claimed; orders, fills, lanes and faults are there, and half a last line does no harm."""
    lines = (folder / "faulted.jsonl").read_bytes().splitlines(keepends=True)
    cut = folder / "cut.jsonl"
    cut.write_bytes(b"".join(lines[:300]) + lines[300][:20])
    story = read_story(cut)
    assert (story.result, story.lines) == (None, 300)
    (venue,) = story.chronicle.venues
    assert len(venue.fills) >= 10
    assert [life.outcome for life in lives_of(story, venue)].count("filled") >= 8
    assert "no verdict" in page([Told(name="cut", result=None, story=story)])


@pytest.mark.parametrize(
    ("content", "complaint"),
    [
        (b"", "does not begin as a journal does"),
        (b"hello\n", "line 1 is no journal line"),
        (b'{"n":0,"t":0,"kind":"header"}\n{"n":1,"t":5,"kind":"health"}\n', 'line 2 is no line of kind "health"'),
        (b'{"n":0,"t":0,"kind":"header"}\n{"n":0,"t":0,"kind":"tail","result":{}}\n', "another version of papertape"),
        (b"\xff\xfe\x00\n", "line 1 is no journal line"),
    ],
)  # fmt: skip
def test_what_is_no_journal_is_told_in_a_sentence(tmp_path: Path, content: bytes, complaint: str) -> None:
    """Which file, which line, what was expected."""
    (tmp_path / "x.jsonl").write_bytes(content)
    with pytest.raises(ConfigError, match=re.escape(complaint)):
        read_story(tmp_path / "x.jsonl")
    with pytest.raises(ConfigError, match="there is no such file"):
        read_story(tmp_path / "y.jsonl")


def test_a_report_that_cannot_be_written_is_told_before_the_run(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A folder where a file was expected, or a folder that is not there."""
    scenario = str(ROOT / "scenarios/lost_reply.scenario.toml")
    for path in (tmp_path, tmp_path / "no/out.html"):
        assert main(["run", scenario, "--report", str(path)]) == 2
        told = capsys.readouterr()
        assert "--report" in told.err
        assert "passed" not in told.err


@needs_browser
def test_two_runs_are_shown_where_they_part(folder: Path, tmp_path: Path) -> None:
    """The first line that differs, side by side with what differs in it marked, and both charts with that instant."""
    lines = (folder / "faulted.jsonl").read_text(encoding="utf-8").splitlines(keepends=True)
    place = next(place for place, line in enumerate(lines) if '"status":"closed"' in line and '"kind":"told"' in line)
    lines[place] = lines[place].replace('"status":"closed"', '"status":"canceled"')
    (tmp_path / "other.jsonl").write_text("".join(lines), encoding="utf-8")
    out = tmp_path / "parted.html"
    assert main(["diff", str(folder / "faulted.jsonl"), str(tmp_path / "other.jsonl"), "--report", str(out)]) == 3
    page_of = opened(out)
    assert page_of.console == []
    assert f"They part at line {place + 1}" in page_of.words
    assert "differs in: status" in page_of.words
    assert page_of.count(r"<mark>losed</mark>") == page_of.count(r"<mark>anceled</mark>") == 1
    assert page_of.count(r">they part<") == 2
    assert page_of.count(r'class="chart[^"]*"[^>]*data-drawn="yes"') == 2


@needs_browser
def test_a_sweep_is_a_page_with_coverage_and_links(tmp_path: Path) -> None:
    """Failures by what broke, each with a link to the file it was shrunk to, from where the page lies; states never hit say so."""
    cells = (Cell("lost_reply", "open", "all lanes up", 3), Cell("lost_reply", "not at the venue", "a lane down", 1))
    ill = SeedResult(
        scenario="a", seed=5, status=Status.FAILED, failures=("no_duplicate_exposure: <two> orders",), broken=("no_duplicate_exposure",),
        faults=(Hits("lost_reply", 1),), cells=cells, repro="papertape run a --seed 5",
    )  # fmt: skip
    well = SeedResult(scenario="a", seed=6, status=Status.PASSED, faults=(Hits("gap", 0),))
    file = tmp_path / "found/a b-no_duplicate_exposure-5.scenario.toml"
    file.parent.mkdir()
    file.write_text("", encoding="utf-8")
    kept = Kept(path=file, broken="no_duplicate_exposure", failure=ill.failures[0], faults=(7, 1), tries=30)
    out = tmp_path / "sweep.html"
    out.write_text(swept.page([ill, well], kinds=("stall",), kept=[kept], beside=tmp_path), encoding="utf-8")
    page_of = opened(out)
    assert page_of.console == []
    assert page_of.words.index("no_duplicate_exposure: 1 seed") < page_of.words.index("Coverage")
    assert "no_duplicate_exposure: <two> orders" in page_of.words
    (href,) = re.findall(r'<a href="([^"]+)"', page_of.dom)
    assert (tmp_path / unquote(href)).samefile(file)
    assert "7 faults became 1" in page_of.words
    assert page_of.count(r'<td class="cell">\d+</td>') == 2
    assert page_of.count(r'class="cell none">never<') > 10
    assert "never hit anything: gap, stall" in page_of.words


def test_orders_of_somebody_else_wait_in_no_outbox_and_hide_no_price(tmp_path: Path) -> None:
    """They are drawn where they rest, if that is near; the axis is that of the market and of our own orders."""
    scenario, journal = ROOT / "scenarios/incidents/strangers_on_the_account.scenario.toml", tmp_path / "strangers.jsonl"
    assert main(["run", str(scenario), "--journal", str(journal)]) == 0
    story = read_story(journal)
    drawn = figure(story)
    (outbox,) = [trace for trace in drawn.data if trace.get("name") == "orders in the outbox"]
    (foreign,) = [trace for trace in drawn.data if trace.get("name") == "somebody else's, resting"]
    low, high = drawn.layout["yaxis"]["range"]
    assert outbox["y"][-1] == 0
    assert high - low < 60 < max(price for price in foreign["y"] if price is not None) - low


def test_a_run_that_ended_before_anything_happened_has_no_chart(tmp_path: Path) -> None:
    """Its reason is all there is to tell; so with a scenario that could not be read."""
    (tmp_path / "bad.scenario.toml").write_text('title = "bad"\nsed = 7\n', encoding="utf-8")
    wrong = (ROOT / "scenarios/lost_reply.scenario.toml").read_text(encoding="utf-8").replace("size =", "sise =")
    (tmp_path / "wrong.scenario.toml").write_text(wrong, encoding="utf-8")
    for name, why in (("bad", "sed"), ("wrong", "sise")):
        out = tmp_path / f"{name}.html"
        assert main(["run", str(tmp_path / f"{name}.scenario.toml"), "--report", str(out)]) == 2
        text = out.read_text(encoding="utf-8")
        assert why in text
        assert 'class="chart"' not in text


@needs_browser
def test_a_hundred_thousand_events_are_thinned_and_said_to_be(tmp_path: Path) -> None:
    """A journal of that many lines is drawn, odd orders all of them, and the page says what it left out."""
    story = read_story(_long_journal(tmp_path / "long.jsonl", orders=20_000))
    assert story.lines > 100_000
    drawn = figure(story)
    assert sum(len(trace["x"]) for trace in drawn.data) < 40_000
    (unknowns,) = [trace for trace in drawn.data if trace.get("name") == "outcome unknown"]
    assert len(unknowns["x"]) == 3 * 20
    path = tmp_path / "long.html"
    path.write_text(page([Told(name="long", result=story.result, story=story)]), encoding="utf-8")
    page_of = opened(path)
    assert page_of.console == []
    assert "of 20,000 orders are drawn" in page_of.words
    assert page_of.count(r'class="point"') > 500


def _long_journal(path: Path, orders: int) -> Path:
    """A journal as a run of two hours leaves one, with `orders` orders, of each thousandth of which nobody heard for a while."""
    second, encode = 1_000_000_000, msgspec.json.encode
    placed, fills, asked = [], [], []
    with path.open("wb") as file:
        file.write(encode({"n": 0, "t": 0, "kind": "header", "title": "long", "venues": {"coinbase": {}}, "faults": []}) + b"\n")
        for number in range(orders):
            at, key, price = number * second // 3, f"pt-{number}", str(64_000 + number % 97)
            is_lost = number % 1000 == 0
            words = {"symbol": "BTC/USD", "type": "limit", "side": ("buy", "sell")[number % 2], "amount": "0.01", "price": price}
            entries = [
                {"kind": "command", "request": number, "op": "order.create", "client_order_id": key, "order": words},
                {"kind": "order", "id": f"o-{number}", "client_order_id": key, "status": "open", "filled": "0"},
                {"kind": "answered", "request": number, "op": "order.create", "refusal": None},
                {"kind": "told", "lane": "user", "number": 1, "sequence": number, "what": "order", "client_order_id": key},
                {"kind": "order", "id": f"o-{number}", "client_order_id": key, "status": "closed", "filled": "0.01"},
            ]
            for entry in entries:
                file.write(encode({"n": number, "t": at + is_lost * second * (entry["kind"] == "told"), **entry}) + b"\n")
            ended = {"ended_ns": at + second // 2, "ended": "cut"} if is_lost else {"ended_ns": at + 30_000_000, "ended": "heard"}
            asked.append(Asked(number=number, op="order.create", client_order_id=key, sent_ns=at, reached_ns=at + 1, **ended))
            placed.append(
                Placed(
                    id=f"o-{number}", client_order_id=key, symbol="BTC/USD", type="limit", side=words["side"], amount="0.01",
                    status="closed", filled="0.01", created_ns=at, limits=((at, float(price)),), ended_ns=at + second,
                )
            )  # fmt: skip
            fills.append(
                Filled(
                    trade_id=f"t-{number}", order_id=f"o-{number}", client_order_id=key, symbol="BTC/USD", side=words["side"],
                    at_ns=at + second, price=price, amount="0.01", fee="0.1", liquidity="maker",
                )
            )  # fmt: skip
        bars = [Bar(at * second, 64_000.0, 64_100.0, 64_050.0) for at in range(0, orders // 3, 6)]
        venue = VenueChronicle(
            venue="coinbase", prices={"BTC/USD": bars}, asked=tuple(asked), wishes=(), orders=tuple(placed), fills=tuple(fills),
            opening={}, has_books=False,
        )  # fmt: skip
        chronicle = Chronicle(end_ns=orders * second // 3, invariants=(), must_happen=(), venues=(venue,))
        result = RunResult(scenario="long", seed=0, status=Status.PASSED, events=orders * 5).to_dict()
        file.write(encode({"n": 0, "t": 0, "kind": TAIL, "result": result, "chronicle": chronicle}) + b"\n")
    return path
