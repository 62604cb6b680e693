"""A program's life: how it begins, how it may end, and what it leaves behind."""

from __future__ import annotations

import asyncio
import logging
import os
import sys
import time
from pathlib import Path
from types import SimpleNamespace

import pytest

from papertape.model.errors import ConfigError
from papertape.model.units import SECOND
from papertape.runtime.guest import HostLoop
from papertape.runtime.network import Network
from papertape.runtime.world import virtual_world
from papertape.scenario.fault_text import parse_fault
from papertape.scenario.quick import bot_scenario
from papertape.session.program import Program
from papertape.session.result import Status
from programs.world import NO_TRADING, run_program

WELL = "import asyncio\nasyncio.run(ask())\n"


def failure(result: object) -> str:
    return "\n".join(result.failures)  # type: ignore[attr-defined]  # a RunResult


def test_a_program_runs_as_main_with_its_own_arguments(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """`__name__`, `__file__`, `sys.argv`, a neighbour's import and argparse are as when Python runs it."""
    (tmp_path / "helpers.py").write_text("GREETING = 'hello from beside'\n")
    text = """
    import argparse, asyncio, sys
    import helpers
    if __name__ == "__main__":
        parser = argparse.ArgumentParser()
        parser.add_argument("--size")
        print(helpers.GREETING, parser.parse_args().size, __file__.rpartition("/")[2], sys.modules["__main__"].__file__ == __file__)
        print(asyncio.run(ask()))
    """
    result = run_program(tmp_path, text)
    assert result.status is not Status.FAILED, result.failures
    assert capsys.readouterr().out.splitlines() == ["hello from beside 0.01 bot.py True", "200"]


def test_a_program_finds_throwaway_keys_in_its_environment(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Not the owner's: those are covered while it runs, and back afterwards."""
    monkeypatch.setenv("COINBASE_API_KEY", "the owner's own")
    run_program(tmp_path, WELL + "import os\nprint(os.environ['COINBASE_API_KEY'])\nprint(os.environ['COINBASE_API_SECRET'][:10])")
    key, secret = capsys.readouterr().out.splitlines()
    assert key.startswith("organizations/")
    assert secret == "-----BEGIN"
    assert os.environ["COINBASE_API_KEY"] == "the owner's own"


def test_an_exception_is_told_with_the_programs_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """In the verdict, and as the traceback that Python would have printed, without a line of ours."""
    result = run_program(tmp_path, WELL + "def broken():\n    return 1 / 0\nbroken()\n")
    assert result.status is Status.FAILED
    assert "the program raised ZeroDivisionError: division by zero (bot.py:" in failure(result)
    assert "in broken: return 1 / 0" in failure(result)
    printed = capsys.readouterr().err
    assert "ZeroDivisionError" in printed
    assert "papertape" not in printed


@pytest.mark.parametrize(("ending", "told"), [
    ("sys.exit(0)", ""), ("sys.exit()", ""), ("sys.exit(3)", "exited with 3"), ("sys.exit('no money')", "exited with 'no money'"),
    ("os._exit(4)", "exited with 4"),
])  # fmt: skip
def test_the_exit_code_counts(tmp_path: Path, ending: str, told: str) -> None:
    """Zero is well; anything else, also by the sudden exit, is a failure, and papertape lives to tell."""
    result = run_program(tmp_path, WELL + f"import os, sys\n{ending}\n")
    assert told in failure(result)
    assert (result.status is Status.FAILED) == bool(told)


def test_a_program_that_goes_on_for_ever_hears_ctrl_c_at_the_feeds_end(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """It may clean up over the network, and that is no failure."""
    text = """
    import asyncio, time
    async def main():
        try:
            while True:
                await asyncio.sleep(1)
        finally:
            print("cleaning up:", await ask())
    try:
        asyncio.run(main())
    except KeyboardInterrupt:
        print("bye at", round(time.monotonic()))
    """
    result = run_program(tmp_path, text)
    assert result.status is not Status.FAILED, result.failures
    assert capsys.readouterr().out.splitlines() == ["cleaning up: 200", "bye at 30"]


def test_an_uncaught_ctrl_c_is_no_failure(tmp_path: Path) -> None:
    """Most programs leave it to Python."""
    result = run_program(tmp_path, WELL + "async def main():\n    while True:\n        await asyncio.sleep(1)\nasyncio.run(main())\n")
    assert result.status is not Status.FAILED, result.failures


def test_a_program_that_will_not_end_is_told_where_it_waits(tmp_path: Path) -> None:
    """A minute after Ctrl-C it is over."""
    text = """
    import asyncio
    async def main():
        while True:
            try:
                await asyncio.sleep(1)
            except asyncio.CancelledError:
                pass
    asyncio.run(main())
    """
    result = run_program(tmp_path, text)
    assert result.status is Status.FAILED
    assert "did not end within 1m of the SIGINT (Ctrl-C)" in failure(result)
    assert "bot.py:11 in main" in failure(result)


def test_a_deadlock_is_told_with_the_waiting_line_once_the_market_has_closed(tmp_path: Path) -> None:
    """Waiting for ever is what a program does that nobody calls: Ctrl-C ends it; what does not hear that is named."""
    text = """
    import asyncio, signal
    async def main():
        asyncio.get_running_loop().add_signal_handler(signal.SIGINT, print, "ignored")
        await asyncio.Event().wait()
    asyncio.run(main())
    """
    result = run_program(tmp_path, text)
    assert result.status is Status.FAILED
    assert "bot.py:10 in main" in failure(result)


@pytest.mark.parametrize("ending", ["its loop is closed", "its loop is left open"])
def test_a_server_hears_the_end_of_a_program_that_goes_without_closing(ending: str) -> None:
    """As from an operating system that clears away: FIN, at once where the program closes its loop, else as it ends; and only one."""
    heard: list[str] = []

    class Server(asyncio.Protocol):
        def data_received(self, data: bytes) -> None:
            heard.append(data.decode())

        def eof_received(self) -> bool:
            heard.append("end")
            return True  # it leaves its own half open, and would hear another

    async def main() -> asyncio.BaseTransport:
        transport, _ = await asyncio.get_running_loop().create_connection(asyncio.Protocol, "db.example.com", 80)
        transport.write(b"hello")
        return transport

    def program() -> None:
        left = asyncio.run(main()) if ending == "its loop is closed" else asyncio.new_event_loop().run_until_complete(main())
        time.sleep(1)  # noqa: TID251 - as programs do
        heard.append(f"closing: {left.is_closing()}")

    host = HostLoop()
    with virtual_world(host):
        host.network = network = Network(host)
        host.run_until_complete(host.create_server(Server, "db.example.com", 80))
        life = Program(SimpleNamespace(run=program), [], host, network, 10 * SECOND)  # type: ignore[arg-type]  # stands in for a script
        life.run()
        host.run_until_complete(life.rest())
        host.run_until_complete(asyncio.sleep(1))
    assert life.failures == []
    assert heard == ["hello", *(["end", "closing: False"] if ending == "its loop is closed" else ["closing: False", "end"])]


def test_errors_in_the_background_are_failures(tmp_path: Path) -> None:
    """Both those that asyncio tells of and those of tasks that somebody still holds."""
    text = """
    import asyncio
    held = []
    async def fails(what):
        raise ValueError(what)
    async def main():
        asyncio.get_running_loop().call_soon(int, "told")
        held.append(asyncio.create_task(fails("held")))
        await asyncio.sleep(1)
    asyncio.run(main())
    """
    result = run_program(tmp_path, text)
    assert "unhandled in the background" in failure(result)
    assert "a task of the program ended unseen with ValueError: held (bot.py:" in failure(result)


def test_exit_handlers_run_within_the_run(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Last registered first, in virtual time, against the venue."""
    text = (
        WELL
        + "import atexit, time\natexit.register(print, 'first')\natexit.register(lambda: (time.sleep(5), print(time.monotonic() > 5)))\n"
    )
    run_program(tmp_path, text)
    assert capsys.readouterr().out.splitlines() == ["True", "first"]


def test_the_process_is_left_as_it_was_found(tmp_path: Path) -> None:
    """Arguments, path, modules, environment, folder, log handlers and loop policy are the process's own."""
    text = (
        WELL
        + """
import logging, os, sys, warnings
logging.basicConfig(level=logging.DEBUG)
logging.disable(logging.CRITICAL)
os.environ["LEFT_BEHIND"] = "1"
os.chdir("/")
sys.argv.append("more")
sys.path.append("/nowhere")
sys.excepthook = print
asyncio.set_event_loop(asyncio.new_event_loop())
"""
    )
    before = (
        list(sys.argv),
        sys.modules["__main__"],
        dict(os.environ),
        Path.cwd(),
        logging.root.handlers[:],
        logging.root.level,
        sys.excepthook,
    )
    run_program(tmp_path, text)
    assert before == (
        list(sys.argv), sys.modules["__main__"], dict(os.environ), Path.cwd(), logging.root.handlers[:], logging.root.level, sys.excepthook,
    )  # fmt: skip
    assert "/nowhere" not in sys.path
    assert logging.root.manager.disable == logging.NOTSET
    asyncio.new_event_loop().close()


def test_two_runs_in_one_process_are_one_run(tmp_path: Path) -> None:
    """Also of a program that draws, imports a neighbour and keeps state in it."""
    (tmp_path / "counter.py").write_text("count = 0\n")
    text = """
    import asyncio, random, secrets, tempfile, uuid
    import counter
    async def main():
        counter.count += 1
        for _ in range(counter.count):
            await asyncio.sleep(random.random())
            await ask(f"/api/v3/brokerage/market/products/BTC-USD?n={uuid.uuid4()}{secrets.token_hex(4)}{tempfile.mktemp()[-8:]}")
    asyncio.run(main())
    """
    first, second = run_program(tmp_path, text), run_program(tmp_path, text)
    assert first.wire_digest == second.wire_digest
    assert first.digest == second.digest


def test_older_ways_to_get_a_loop_work(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """`get_event_loop` at top level, `run_until_complete` again and again."""
    text = """
    import asyncio, warnings
    warnings.simplefilter("ignore")
    loop = asyncio.get_event_loop()
    print(loop.run_until_complete(ask()))
    print(loop.run_until_complete(ask()))
    loop.close()
    """
    result = run_program(tmp_path, text)
    assert capsys.readouterr().out.splitlines() == ["200", "200"], result.failures


def test_the_policy_that_a_program_sets_is_the_one_it_gets(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """And the process has its own again afterwards."""
    text = """
    import asyncio
    mine = asyncio.DefaultEventLoopPolicy()
    asyncio.set_event_loop_policy(mine)
    print(asyncio.get_event_loop_policy() is mine, asyncio.run(ask()))
    """
    before = asyncio.get_event_loop_policy()
    result = run_program(tmp_path, text, tables=NO_TRADING)
    assert result.status is Status.PASSED, result.failures
    assert capsys.readouterr().out == "True 200\n"
    assert asyncio.get_event_loop_policy() is before


def test_other_hosts_follow_the_scenario(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Refused unless [hosts] says otherwise."""
    text = """
    import asyncio
    async def main():
        for host in ("api.telegram.org", "api.elsewhere.example"):
            try:
                print(host, await ask("/", host))
            except OSError as error:
                print(host, type(error).__name__)
        await ask()
    asyncio.run(main())
    """
    run_program(tmp_path, text, tables='[hosts]\n"api.telegram.org" = "accept"\n')
    assert capsys.readouterr().out.splitlines() == ["api.telegram.org 200", "api.elsewhere.example ClientConnectorError"]


@pytest.mark.parametrize(("text", "told"), [
    ("import threading\nthreading.Thread(target=print).start()\n", "a thread"),
    ("import socket\nsocket.create_connection(('api.coinbase.com', 443))\n", "socket"),
    ("import subprocess\nsubprocess.run(['true'])\n", "another process"),
])  # fmt: skip
def test_leaving_the_simulation_is_an_error_that_names_the_line(tmp_path: Path, text: str, told: str) -> None:
    """Also where the program swallows the exception."""
    result = run_program(tmp_path, WELL + "try:\n    " + text.replace("\n", "\n    ") + "\nexcept Exception:\n    pass\n")
    assert result.status is Status.ERROR
    assert told in failure(result)
    assert "bot.py:" in failure(result)


@pytest.mark.parametrize(("top", "tables", "told"), [
    ('depth = "interface"', "", 'key `depth`: holds "interface"; a program runs at depth "wire" only'),
    ("bot_config = { a = 1 }", "", "key `bot_config`: goes with a bot; a program takes `program_args`"),
    ("", '[expect]\nrecovers_within = "5s"\n', "key `recovers_within`: goes with a bot on papertape's interface"),
    ("", '[expect]\nmust_happen = ["reconnected"]\n', "key `must_happen`: goes with a bot"),
])  # fmt: skip
def test_what_a_program_cannot_have_is_said_before_it_starts(tmp_path: Path, top: str, tables: str, told: str) -> None:
    """One message, with the key."""
    with pytest.raises(ConfigError) as error:
        run_program(tmp_path, WELL, top=top, tables=tables)
    assert told in str(error.value)


def test_a_program_that_is_no_python_is_a_configuration_error(tmp_path: Path) -> None:
    """With the line."""
    with pytest.raises(ConfigError, match=r"bot\.py: is no valid Python \(line"):
        run_program(tmp_path, "def broken(:\n")


def test_a_program_that_interrupts_itself_has_failed(tmp_path: Path) -> None:
    """Nobody pressed Ctrl-C; in life it would end in a traceback."""
    result = run_program(tmp_path, WELL + "import os, signal\nos.kill(os.getpid(), signal.SIGINT)\n")
    assert result.status is Status.FAILED
    assert "a KeyboardInterrupt of its own (bot.py:" in failure(result)


def test_leaving_from_within_a_task_is_leaving(tmp_path: Path) -> None:
    """With zero it is well, and told once otherwise."""
    text = "import asyncio, sys\nasync def main():\n    await ask()\n    sys.exit({code})\nasyncio.run(main())\n"
    assert run_program(tmp_path, text.format(code=0)).status is not Status.FAILED
    told = [each for each in run_program(tmp_path, text.format(code=4)).failures if "4" in each]
    assert len(told) == 1


def test_an_exception_in_an_executor_that_nobody_awaits_is_a_failure(tmp_path: Path) -> None:
    """asyncio tells of it as the future goes, which must be before the verdict."""
    text = """
    import asyncio
    async def main():
        asyncio.get_running_loop().run_in_executor(None, lambda: 1 / 0)
        await ask()
    asyncio.run(main())
    """
    assert "ZeroDivisionError" in failure(run_program(tmp_path, text))


@pytest.mark.parametrize("call", ["signal.alarm(1)", "signal.setitimer(signal.ITIMER_REAL, 0)"])
def test_the_process_timer_is_refused(tmp_path: Path, call: str) -> None:
    """It is real time, and papertape's own watchdog."""
    result = run_program(tmp_path, WELL + f"import signal\n{call}\n")
    assert result.status is Status.ERROR
    assert call.split("(")[0] in failure(result)


def test_a_fault_for_a_venue_that_is_not_there_is_a_configuration_error(tmp_path: Path) -> None:
    """Also if it comes from the command line."""
    path = tmp_path / "bot.py"
    path.write_text(WELL)
    with pytest.raises(ConfigError, match='venue "binance" is none of this run, which has coinbase'):
        bot_scenario(path, faults=[parse_fault("lost_reply,venue=binance")])
