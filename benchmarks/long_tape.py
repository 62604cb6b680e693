"""Memory that does not grow with the tape: `python -m benchmarks.long_tape --events 100_000_000 --folder FOLDER`.

The benchmarks' market again and again, each time later, in one tape; written as a stream, then played by a bot that sends forty orders
over all of it, without an index and with it, each in a process of its own whose peak memory is told. At last two processes have most
of the index mapped at once, and what each has of it is told as the system counts it: shared pages count half (PSS; Linux only).

A hundred million events take 1 GB, their index 5.5. Exit 1 where a process took more than `--limit`.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import os
import resource
import subprocess
import sys
import time
from pathlib import Path
from typing import Any, Final

BASE: Final = 1_000_000
"""Events of the market that is repeated."""

ORDERS: Final = 40
"""As many on a long tape as on a short one: what is kept of each order is not the tape's."""

PAUSE_NS: Final = 1_000_000_000


def generate(path: Path, events: int) -> dict[str, Any]:
    """Write the tape: as many whole repetitions as it takes."""
    import msgspec
    import pyarrow.compute as pc
    import pyarrow.parquet as pq

    from benchmarks.market import bench_tape
    from papertape.tape import schema
    from papertape.tape.reader import open_tape

    base = open_tape(bench_tape(min(BASE, events)))
    each = sum(base.counts.values())
    times = -(-events // each)
    period_ns = base.last_ns - base.first_ns + PAUSE_NS
    file = pq.ParquetFile(base.path)
    with pq.ParquetWriter(path, file.schema_arrow, compression="zstd", use_dictionary=False, write_page_checksum=True) as writer:
        writer.write_table(file.read_row_group(0))
        for number in range(times):
            for group in range(1, file.metadata.num_row_groups):
                table = file.read_row_group(group)
                for name in ("venue_ns", "local_ns"):
                    place = table.schema.get_field_index(name)
                    table = table.set_column(place, table.schema.field(place), pc.add(table.column(name), number * period_ns))
                writer.write_table(table, row_group_size=schema.ROW_GROUP_ROWS)
        header = msgspec.structs.replace(
            base.header,
            content_hash=hashlib.sha256(f"{base.content_hash} {times} times".encode()).hexdigest(),
            source=f"benchmark, {times} times",
            rows=base.rows * times,
            counts={kind: count * times for kind, count in base.counts.items()},
            last_ns=base.last_ns + (times - 1) * period_ns,
        )
        writer.add_key_value_metadata(header.to_metadata())
    return {"events": each * times, "bytes": path.stat().st_size}


def play(path: Path, index: str) -> dict[str, Any]:
    """One run by the fast engine; `index` as $PAPERTAPE_INDEX has it."""
    os.environ.update(PAPERTAPE_ENGINE="fast", PAPERTAPE_INDEX=index)
    import papertape
    from benchmarks.bots import SYMBOL
    from papertape.bots import twap
    from papertape.model.units import SECOND
    from papertape.tape.reader import open_tape

    tape = open_tape(path)
    over = f"{(tape.last_ns - tape.first_ns) // SECOND}s"
    result = papertape.simulate(
        twap, bot_config={"symbol": SYMBOL, "amount": "0.4", "slices": ORDERS, "over": over}, title="a long tape", seed=1,
        venues={"coinbase": {"feed": {"tape": str(path)}, "account": {"USD": "1000000000", "BTC": "10"}}},
    )  # fmt: skip
    assert result.events > 0.97 * sum(tape.counts.values()), result.failures  # it ends with its last order
    return {"events": result.events, "orders": result.orders, "digest": result.digest[:16]}


def build(path: Path) -> dict[str, Any]:
    from papertape.tape.index.store import make
    from papertape.tape.reader import open_tape

    made = make(open_tape(path))
    assert made is not None
    return {"bytes": made.stat().st_size}


def hold(path: Path) -> dict[str, Any]:
    """Have all of the index in memory at once, as no run does, until the other one has too."""
    import pyarrow.compute as pc

    from papertape.tape.index.store import find
    from papertape.tape.reader import open_tape

    tape = open_tape(path)
    index = find(tape)
    assert index is not None
    held = []
    block = index.first(tape.last_ns + 1)
    while block is not None:
        held.append(
            (
                block,
                sum(block.reaches[::256]),
                [pc.sum(each).as_py() for lane in block.lanes(0) for each in (lane.prices, lane.lots, lane.stamps)],
            )
        )
        block = block.following()
    print("ready", flush=True)
    sys.stdin.readline()
    found = {"Rss": 0, "Pss": 0}
    is_its = False
    for line in Path("/proc/self/smaps").read_text().splitlines():
        words = line.split()
        if not words[0].endswith(":"):
            is_its = line.endswith(".index")
        elif is_its and words[0][:-1] in found:
            found[words[0][:-1]] += int(words[1])
    print(json.dumps(found), flush=True)
    sys.stdin.readline()
    return found


WORK: Final = {
    "generate": lambda path, events: generate(path, events),
    "unindexed": lambda path, events: play(path, "off"),
    "index": lambda path, events: build(path),
    "indexed": lambda path, events: play(path, "auto"),
    "hold": lambda path, events: hold(path),
}


def alone(work: str, path: Path, events: int) -> dict[str, Any]:
    """In a process of its own: what it says, its CPU seconds and its peak memory."""
    begun = time.perf_counter()
    words = [sys.executable, "-m", "benchmarks.long_tape", "--events", str(events), "--work", work, "--tape", str(path)]
    done = subprocess.run(words, capture_output=True, text=True, check=False)
    if done.returncode:
        raise SystemExit(f"{work}: ended with {done.returncode}:\n{done.stderr[-3_000:]}")
    said: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    told = ", ".join(f"{key} {value:,}" if isinstance(value, int) else f"{key} {value}" for key, value in said["said"].items())
    took = time.perf_counter() - begun
    print(f"{work:>10}: {said['peak_mb']:4.0f} MB at most, {said['cpu_s']:6.1f} s of CPU, {took:6.1f} s in all; {told}", flush=True)
    return said


def shared(path: Path) -> None:
    """Two processes with the whole index mapped."""
    words = [sys.executable, "-m", "benchmarks.long_tape", "--work", "hold", "--tape", str(path)]
    two = [subprocess.Popen(words, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) for _ in range(2)]
    pipes = [(one.stdin, one.stdout) for one in two if one.stdin is not None and one.stdout is not None]
    for _, said in pipes:
        said.readline()
    for number, (asked, said) in enumerate(pipes, 1):
        asked.write("now\n")
        asked.flush()
        found = json.loads(said.readline())
        print(f"  worker {number}: {found['Rss'] / 1024:,.0f} MB of the index in memory, {found['Pss'] / 1024:,.0f} MB of it its own share")
    for one in two:
        one.communicate("now\n")


def main() -> int:
    options = argparse.ArgumentParser(description=__doc__.split("\n")[0], prog="python -m benchmarks.long_tape")
    options.add_argument("--events", type=lambda text: int(text.replace("_", "")), default=100_000_000)
    options.add_argument("--folder", type=Path, help="where the tape goes, which is deleted afterwards")
    options.add_argument("--limit", type=float, default=300.0, help="MB that a process may take (default 300)")
    options.add_argument("--work", choices=sorted(WORK), help=argparse.SUPPRESS)
    options.add_argument("--tape", type=Path, help=argparse.SUPPRESS)
    given = options.parse_args()
    if given.work:
        said = WORK[given.work](given.tape, given.events)
        usage = resource.getrusage(resource.RUSAGE_SELF)
        print(json.dumps({"said": said, "peak_mb": usage.ru_maxrss / 1024, "cpu_s": usage.ru_utime + usage.ru_stime}))
        return 0
    if given.folder is None or not given.folder.is_dir():
        options.error(f"--folder {given.folder}: expected a folder that there is, with room for 70 bytes an event")
    path = given.folder / "long.parquet"
    index = path.with_name(path.name + ".index")
    try:
        found = {work: alone(work, path, given.events) for work in ("generate", "unindexed", "index", "indexed")}
        shared(path)
    finally:
        path.unlink(missing_ok=True)
        index.unlink(missing_ok=True)
    digests = {found[work]["said"]["digest"] for work in ("unindexed", "indexed")}
    fat = [work for work, said in found.items() if said["peak_mb"] > given.limit]
    print(
        "\n".join(f"TOO MUCH: {work} took {found[work]['peak_mb']:.0f} MB; {given.limit:g} are allowed" for work in fat)
        or "within the limit"
    )
    if len(digests) != 1:
        print(f"TWO JOURNALS: {', '.join(sorted(digests))}")
    return 1 if fat or len(digests) != 1 else 0


if __name__ == "__main__":
    sys.exit(main())
