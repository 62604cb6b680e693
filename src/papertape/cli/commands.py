"""What the command line can do. A command's module is imported only when it is the one that was asked for."""

from __future__ import annotations

from typing import Final, NamedTuple


class Command(NamedTuple):
    """One command: its words, where its function lives, and a line for the help page."""

    name: str
    target: str
    summary: str


COMMANDS: Final = (
    Command("run", "papertape.cli.run:run", "run scenarios, or a bot or any asyncio program against the builtin market"),
    Command("sweep merge", "papertape.cli.sweep:merge", "the parts of a sweep as one"),
    Command("sweep", "papertape.cli.sweep:sweep", "thousands of seeds with faults drawn at random; failures become small files"),
    Command("shrink", "papertape.cli.sweep:shrink", "make a failing scenario as small as it gets"),
    Command("bundle", "papertape.cli.bundle:bundle", "one file with all that a run needs, without secrets; `run` takes it"),
    Command("canaries", "papertape.cli.canaries:canaries", "bots with one known bug each, which your scenario ought to catch"),
    Command("trade", "papertape.cli.trade:trade", "your bot in the mode that papertape.toml says: replay, paper or live"),
    Command("init", "papertape.cli.doctor:init", "a first papertape.toml"),
    Command("doctor", "papertape.cli.doctor:doctor", "which settings are in force, where they come from, what is missing"),
    Command("keys add", "papertape.cli.keys:add", "put a venue's keys away, encrypted"),
    Command("keys list", "papertape.cli.keys:list_keys", "which venues there are keys for"),
    Command("keys remove", "papertape.cli.keys:remove", "take a venue's keys away"),
    Command("keys check", "papertape.cli.keys:check", "ask the venue what its keys may do"),
    Command("arm", "papertape.cli.arm:arm", "let the bot trade live for a while, after it has passed its scenarios"),
    Command("disarm", "papertape.cli.arm:disarm", "take that back"),
    Command("halt", "papertape.cli.arm:halt", "stop live trading at once, also after a restart"),
    Command("serve", "papertape.cli.serve:serve", "a venue on loopback, for clients in any language, with faults at your word"),
    Command("monitor", "papertape.cli.monitor:monitor", "a window at a bot that trades, at a served venue, or into a journal"),
    Command("report", "papertape.cli.pages:report", "a page with charts of what happened, from a journal"),
    Command("diff", "papertape.cli.diff:diff", "where two journals part"),
    Command("list", "papertape.cli.list:list_names", "what can be named: faults, invariants, models, venues, …"),
    Command("explain", "papertape.cli.list:explain", "what one of these does, and its settings"),
    Command("import", "papertape.cli.import_:import_capture", "make a tape from a venue's recorded frames, or another system's files"),
    Command("record", "papertape.cli.record:record", "a venue's public streams into tapes, outages included"),
    Command("tape info", "papertape.cli.tape:info", "what a tape holds"),
    Command("tape check", "papertape.cli.tape:check", "find every fault of tapes"),
    Command("tape cut", "papertape.cli.tape:cut", "a part of a tape"),
    Command("tape merge", "papertape.cli.tape:merge", "one tape from several"),
    Command("tape export", "papertape.cli.export:export", "a tape in the format of another system"),
    Command("tape repair", "papertape.cli.tape:repair", "tapes from what a recorder left behind that was killed"),
    Command("tape synth", "papertape.cli.tape:synth", "make a market from a seed"),
    Command("tape index", "papertape.cli.tape_index:index", "what makes later runs over a tape fast, made now; runs make it by themselves"),
    Command("tape latency", "papertape.cli.tape_latency:latency", "latency laws for a scenario, fitted to a recording"),
)


def help_page() -> str:
    """The page behind `papertape --help`; written by hand, since the parser's own takes longer to load than to read."""
    width = max(len(command.name) for command in COMMANDS)
    rows = [f"  {command.name.ljust(width)}  {command.summary}" for command in COMMANDS]
    return "\n".join(
        [
            "papertape: break the exchange on purpose, and get the same run every time.",
            "",
            "usage: papertape COMMAND [ARGUMENTS]        papertape COMMAND --help for one of them",
            "",
            *rows,
            "",
            "  papertape run bot.py --venue coinbase --fault lost_reply     your bot, the builtin market, one lost reply",
            "  papertape run script.py -- --size 0.01                       any asyncio program, as it is, with its own arguments",
            "  papertape run scenarios/                                     every scenario in a folder",
            "",
            "Exit codes: 0 all passed · 1 something failed, was suspect or proved nothing · 2 usage or configuration · 3 two runs differed",
            "            4 data missing or damaged · 5 an error of papertape's own · 130 interrupted; of several, the highest",
        ]
    )
