"""The proof: thousands of seeds of the sample bots without a violation, and why that means something.

    python -m benchmarks.proof --seeds 10_000 --folder proof

Every bot runs every seed of the swarm over one tape, all invariants judged. Then the table: it counts only if every kind of fault that can
be drawn hit something often enough, every mark was seen, every invariant was judged, and every canary, a market maker with one known bug,
was caught in the same distribution. The tape is a real capture where $PAPERTAPE_REALDATA has one, else the builtin market.

What is done is kept in the folder, in blocks: stopped and started again it goes on where it was. `--shard 1/4` does every fourth block, so
that several machines can share the work; put their `blocks` into one folder and start again for the table. A folder belongs to one state of
the code, and to one depth: what another one found proves nothing of this.

With `--depth wire` the same is asked of the live Coinbase adapter, over ccxt, websockets and the real URLs, under the faults of the network
as well: a thousand seeds of the market maker, of four virtual minutes each. A seed takes a second and a half.
"""

from __future__ import annotations

import argparse
import hashlib
import os
import platform
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Final

import msgspec

import papertape
from papertape.bots.canaries import CANARIES
from papertape.cli.progress import Tally
from papertape.importers.run import import_capture
from papertape.model.notes import Mark
from papertape.scenario.catching import Hunt, hunt
from papertape.scenario.crew import Crew
from papertape.scenario.seed_result import SeedResult, lines
from papertape.scenario.summary import MARKS_ONCE_ALL, Summary, summarize
from papertape.scenario.swarm import kinds_drawn
from papertape.scenario.sweep import Shard, parse_shard, read_lines
from papertape.scenario.worker import Base, Job
from papertape.session.result import Status
from papertape.session.spec import Depth
from papertape.version import VERSION

BOTS: Final = {
    "market_maker": 'bot = "papertape.bots:MarketMaker"',
    "twap": 'bot = "papertape.bots:twap"\nbot_config = { slices = 20, over = "9m" }',
    "momentum_taker": 'bot = "papertape.bots:MomentumTaker"\nbot_config = { trigger_bps = "0.3", rest = "3s" }',
}
"""What each scenario says of its bot."""

LENGTHS: Final = {Depth.INTERFACE: "10m", Depth.WIRE: "4m"}
"""Of tape, for one seed."""

BOTS_AT: Final = {Depth.INTERFACE: tuple(BOTS), Depth.WIRE: ("market_maker", "momentum_taker")}
"""Which of them are run at which depth."""

SEEDS: Final = {Depth.INTERFACE: 10_000, Depth.WIRE: 1_000}
"""Of each bot, unless told otherwise."""

FEWER: Final = {"momentum_taker": 10}
"""Who runs only one in so many of the seeds: the other two hear no trades, and what goes wrong with those must be seen as well."""

CAPTURE: Final = "coinbase-exchange/btcusd_20180417.gz"

HITS_MIN: Final = 100
"""Faults of each kind that must have hit something."""

CANARY_SEEDS: Final = 300

UNSEEN: Final = {str(Mark.ORDER_STALE_IN_OUTBOX): "no, and not asked for: the market would have to move by 0.5 % while an order waits"}
"""Marks that are the tape's doing; see `MARKS_ONCE_ALL`. The real tape moves by 0.04 % in half a minute at most."""

BLOCK: Final = 250
"""Seeds in one file: what is lost if the proof is stopped."""

SCENARIO: Final = """title = "The proof: {name}"
depth = "{depth}"
{bot}

[venue.coinbase]
feed = {{ tape = "{tape}", start = "0s", end = "{end}" }}
account = {{ USD = "100000", BTC = "1" }}

[expect]
{expect}"""


def main(words: Sequence[str] | None = None) -> int:
    """Do what is missing, then write the table; exit code 1 unless it is whole and proves something."""
    args = _parser().parse_args(words)
    folder: Path = args.folder
    (folder / "blocks").mkdir(parents=True, exist_ok=True)
    depth = Depth(args.depth)
    seeds = SEEDS[depth] if args.seeds is None else args.seeds
    code = _code() + (f" {depth.value}" if depth is not Depth.INTERFACE else "")
    made_by = folder / "code"
    if made_by.is_file() and made_by.read_text(encoding="utf-8") != code:
        print(
            f"proof: {folder} holds seeds that other code has run, or at another depth; name another --folder, or remove it",
            file=sys.stderr,
        )
        return 2
    made_by.write_text(code, encoding="utf-8")
    tape, about = _tape(folder)
    about = f"code {code[:12]}; {about}"
    expect = f'recovers_within = "{args.recovers_within}"\n' if args.recovers_within else ""
    bases = {}
    for name in BOTS_AT[depth]:
        path = folder / f"{name}.toml"
        told = SCENARIO.format(name=name, bot=BOTS[name], tape=tape, expect=expect, depth=depth.value, end=LENGTHS[depth])
        path.write_text(told, encoding="utf-8")
        bases[name] = Base(path.as_posix())
    with Crew(args.workers) as crew:
        _sweep(bases, seeds, args.shard, folder, crew)
        hunts = _canaries(bases["market_maker"], args.canary_seeds, folder, crew) if args.shard.number == 1 else []
    results = [result for path in sorted((folder / "blocks").glob("*.jsonl")) for result in read_lines(path)]
    text, is_proof = table(
        results, hunts, seeds=seeds, canary_seeds=args.canary_seeds, about=about, recovers=args.recovers_within, depth=depth
    )
    args.table.write_text(text, encoding="utf-8")
    sys.stdout.write(text)
    return 0 if is_proof else 1


def table(
    results: Sequence[SeedResult], hunts: Sequence[Hunt], *, seeds: int, canary_seeds: int, about: str, recovers: str, depth: Depth
) -> tuple[str, bool]:
    """The table as Markdown, and whether it proves anything."""
    kinds = kinds_drawn(is_wire=depth is Depth.WIRE)
    whole = summarize(results, kinds)
    wanted = sum(_seeds_of(name, seeds) for name in BOTS_AT[depth])
    lacking = [] if len(results) == wanted else [f"{len(results):,} of {wanted:,} runs are done"]
    lacking += whole.shortfalls(at_least=HITS_MIN, must_happen=MARKS_ONCE_ALL)
    lacking += [f"{name} was judged in no seed" for name in whole.never_judged()]
    lacking += [f"{each} was not caught" for each in CANARIES if not any(h.canary == each and h.first is not None for h in hunts)]
    broken = [result for result in results if result.is_failure]
    judged = f"all invariants, and well again within {recovers} of every fault" if recovers else "all invariants"
    parts = [
        "# Proof",
        f"papertape {VERSION}, Python {platform.python_version()}; {about}, {LENGTHS[depth]} of it a seed; depth {depth.value}; {judged}.",
        _verdict(broken, lacking),
        _bots(results, depth),
        _faults(whole),
        _marks(whole),
        _invariants(whole),
        _caught(hunts, canary_seeds),
    ]
    if whole.hollow:
        parts.append(
            _rows(("why seeds proved nothing", "seeds", "the first"), [(r.words, r.seeds, r.first) for r in whole.hollow.values()])
        )
    if broken:
        parts.append(_rows(("what broke", "seed", "bot", "the first sentence"), [_broken(each) for each in broken[:20]]))
    return "\n\n".join(parts) + "\n", not broken and not lacking


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.proof", description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--depth", choices=[depth.value for depth in Depth], default=Depth.INTERFACE.value)
    parser.add_argument("--seeds", type=int, help="of each bot, 10,000 or at wire depth 1,000; of the momentum taker a tenth")
    parser.add_argument("--canary-seeds", type=int, default=CANARY_SEEDS, help="with how many each canary is tried at most")
    parser.add_argument("--folder", type=Path, default=Path("proof"), help="where what is done is kept")
    parser.add_argument("--table", type=Path, default=Path("proof.md"), help="the table")
    parser.add_argument("--workers", type=int, default=os.cpu_count() or 1)
    parser.add_argument("--shard", type=parse_shard, default=Shard(), help="i/n: every n-th block")
    parser.add_argument("--recovers-within", default="60s", help='from the end of the faults; "" for no such demand')
    return parser


def _seeds_of(name: str, seeds: int) -> int:
    return max(seeds // FEWER.get(name, 1), 1)


def _code() -> str:
    """A hash over the package's own code."""
    root = Path(papertape.__file__).parent
    found = hashlib.sha256()
    for path in sorted(root.rglob("*.py")):
        found.update(path.relative_to(root).as_posix().encode() + b"\0" + path.read_bytes() + b"\0")
    return found.hexdigest()


def _tape(folder: Path) -> tuple[str, str]:
    """What scenarios call the tape, and what people do."""
    realdata = os.environ.get("PAPERTAPE_REALDATA")
    capture = Path(realdata or "") / CAPTURE
    if not realdata or not capture.is_file():
        return "builtin:btc-usd", "the builtin market btc-usd"
    path = folder / "real.parquet"
    if not path.is_file():
        import_capture("coinbase-exchange", [capture], path)
    return path.name, f"a real tape, imported from {CAPTURE}"


def _sweep(bases: dict[str, Base], seeds: int, shard: Shard, folder: Path, crew: Crew) -> None:
    """Run every block that is not there yet."""
    ends = {name: _seeds_of(name, seeds) for name in bases}
    blocks = [(name, start) for start in range(0, seeds, BLOCK) for name in bases if start < ends[name]][shard.number - 1 :: shard.count]
    tally, done, failed = Tally("seeds"), 0, 0
    total = sum(min(BLOCK, ends[name] - start) for name, start in blocks)
    for name, start in blocks:
        wanted = range(start, min(start + BLOCK, ends[name]))
        path = folder / "blocks" / f"{name}-{start:07}.jsonl"
        if path.is_file() and len(read_lines(path)) == len(wanted):
            done += len(wanted)
            continue
        found: dict[int, SeedResult] = {}

        def take(index: int, result: SeedResult, found: dict[int, SeedResult] = found, before: int = done) -> None:
            nonlocal failed
            found[index] = result
            failed += result.is_failure
            tally.show(before + len(found), total, result.is_failure)

        crew.do([Job(bases[name], seed) for seed in wanted], take)
        part = path.with_suffix(".part")
        part.write_text(lines([found[index] for index in sorted(found)]), encoding="utf-8")
        part.rename(path)
        done += len(wanted)
    tally.end()


def _canaries(base: Base, seeds: int, folder: Path, crew: Crew) -> list[Hunt]:
    """What became of each canary; done once."""
    path = folder / f"canaries-{seeds}.json"
    if path.is_file():
        kept = msgspec.json.decode(path.read_bytes(), type=list[Hunt])
        if [each.canary for each in kept] == list(CANARIES):
            return kept
    tally = Tally("runs")
    hunts, _ = hunt(
        base, list(CANARIES), range(seeds), crew, told=lambda done, found: tally.say(f"{done:,} runs, {found} of {len(CANARIES)} caught")
    )
    tally.end()
    path.write_bytes(msgspec.json.encode(hunts))
    return hunts


def _verdict(broken: Sequence[SeedResult], lacking: Sequence[str]) -> str:
    said = [f"**{len(broken):,} violations.**" if broken else "**No violation.**"]
    said += [f"- It proves nothing yet: {each}" for each in lacking]
    return "\n".join(said) if lacking else said[0]


def _bots(results: Sequence[SeedResult], depth: Depth) -> str:
    rows: list[tuple[object, ...]] = []
    for name in BOTS_AT[depth]:
        own = [result for result in results if Path(result.scenario).stem == name]
        counts = [sum(result.status is status for result in own) for status in Status]
        rows.append((name, len(own), *counts, *(sum(getattr(result, what) for result in own) for what in ("events", "orders", "fills"))))
    return _rows(("bot", "seeds", *map(str, Status), "events", "orders", "fills"), rows)


def _faults(whole: Summary) -> str:
    rows = [
        (kind, count.seeds_hit, count.drawn, count.hit, count.hits, "yes" if count.hit >= HITS_MIN else "**no**")
        for kind, count in whole.faults.items()
    ]
    return _rows(("fault", "seeds hit", "drawn", "hit something", "hits", f"at least {HITS_MIN}"), rows)


def _marks(whole: Summary) -> str:
    return _rows(
        ("must happen", "seeds", "times", "seen"),
        [(mark, seeds, times, "yes" if seeds else UNSEEN.get(mark, "**no**")) for mark, (seeds, times) in whole.marks.items()],
    )


def _invariants(whole: Summary) -> str:
    rows = [(name, whole.judged_seeds - seeds, whole.broken.get(name, 0)) for name, seeds in whole.not_judged.items()]
    rows += [(kind, whole.judged_seeds, count) for kind, count in whole.broken.items() if kind not in whole.not_judged]
    return _rows(("invariant", "judged in seeds", "broken in"), rows)


def _caught(hunts: Sequence[Hunt], seeds: int) -> str:
    rows = [
        (
            each.canary,
            "**got away**" if each.first is None else f"seed {each.first.seed}",
            "" if each.first is None else ", ".join(kind for kind in each.first.broken if kind in each.caught_by),
            each.tried,
        )
        for each in hunts
    ]
    return _rows((f"canary, tried with {seeds} seeds", "caught by", "which names", "seeds it took"), rows)


def _broken(result: SeedResult) -> tuple[object, ...]:
    return ", ".join(result.broken), result.seed, Path(result.scenario).stem, result.failures[0] if result.failures else ""


def _rows(names: Sequence[str], rows: Sequence[Sequence[object]]) -> str:
    def cell(value: object) -> str:
        return f"{value:,}" if isinstance(value, int) else str(value).replace("|", "\\|")

    head = [f"| {' | '.join(names)} |", "|" + "---|" * len(names)]
    return "\n".join(head + [f"| {' | '.join(map(cell, row))} |" for row in rows])


if __name__ == "__main__":
    sys.exit(main())
