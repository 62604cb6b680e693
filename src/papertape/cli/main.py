"""From words to a command and from what happened to an exit code. Errors that a person can mend are one message, never a traceback."""

from __future__ import annotations

import contextlib
import difflib
import errno
import os
import sys
import time
import traceback
from collections.abc import Callable, Sequence
from importlib import import_module
from typing import Any

from papertape.cli.commands import COMMANDS, Command, help_page

UNHEARD, USAGE, DATA, INTERNAL, INTERRUPTED = 1, 2, 4, 5, 130  # session.result.ExitCode, without the import


def main(argv: Sequence[str] | None = None) -> int:
    """Do what the command line says; returns the exit code."""
    words = list(sys.argv[1:] if argv is None else argv)
    for name in ("stdout", "stderr"):
        if getattr(sys, name) is None:  # closed, as `>&-` does; the exit code says what there is to say
            setattr(sys, name, open(os.devnull, "w", encoding="utf-8"))  # noqa: SIM115 - for as long as the process lives
    if not words or words[0] in ("--help", "-h", "help"):
        return guarded(lambda: print(help_page())) or (0 if words else USAGE)
    if words[0] == "--version":
        from papertape import __version__

        print(f"papertape {__version__}")
        return 0
    found = find_command(words)
    if isinstance(found, str):
        return complain(found, USAGE)
    command, rest = found
    if argv is None and command.name in ("run", "bundle"):
        pin_hash_seed()
        pin_time_zone()
    return guarded(lambda: dispatch(command, rest))


def find_command(words: Sequence[str]) -> tuple[Command, list[str]] | str:
    """The command that `words` begin with and its arguments, or a complaint."""
    for command in COMMANDS:
        name = command.name.split()
        if list(words[: len(name)]) == name:
            return command, list(words[len(name) :])
    within = [command.name for command in COMMANDS if command.name.split()[0] == words[0]]
    if within:
        asked = "" if len(words) == 1 or words[1] in ("--help", "-h") else f'there is no "{" ".join(words[:2])}"; '
        return f"{asked}{words[0]} is one of: {', '.join(within)}; `papertape {within[0]} --help` explains"
    near = difflib.get_close_matches(words[0], [command.name.split()[0] for command in COMMANDS], n=1)
    return f'there is no command "{words[0]}"' + (f'; did you mean "{near[0]}"?' if near else "") + " `papertape --help` shows all"


def dispatch(command: Command, words: Sequence[str]) -> int:
    """Parse the arguments of one command and call it."""
    import cyclopts

    words, beyond = _split(words) if command.name == "run" else (words, None)
    module, _, function = command.target.partition(":")
    plainly = cyclopts.Parameter(negative=())  # no --no-json, no --empty-fault
    called = getattr(import_module(module), function)
    app = cyclopts.App(
        name=f"papertape {command.name}",
        default_command=called,
        default_parameter=plainly,
        version_flags=[],
        suppress_keyboard_interrupt=False,
    )
    try:
        if beyond is None:
            code: Any = app(list(words), exit_on_error=False, print_error=False, result_action="return_value")
        else:
            _, bound, _ = app.parse_args(list(words), exit_on_error=False, print_error=False)
            code = called(*bound.args, **bound.kwargs, program_args=beyond)
    except cyclopts.CycloptsError as error:
        if command.name == "keys add":  # the words of the error are those that were typed, a secret perhaps
            said = "takes a venue, --file PATH and --in-keyring; no key is ever an argument, so what was typed is not repeated here."
            return complain(f"{command.name} {said} `papertape {command.name} --help` explains", USAGE)
        return complain(f"{str(error).strip()} `papertape {command.name} --help` explains", USAGE)
    return int(code or 0)


def _split(words: Sequence[str]) -> tuple[Sequence[str], list[str] | None]:
    """What stands before the first `--`, and what after it; None where there is none."""
    if "--" not in words:
        return words, None
    place = list(words).index("--")
    return words[:place], list(words[place + 1 :])


def guarded(work: Callable[[], int | None]) -> int:
    """The exit code of `work`, whatever it raises."""
    from papertape.model.errors import ConfigError, PapertapeError, TapeError

    try:
        code = work() or 0
        sys.stdout.flush()
    except ConfigError as error:
        return complain(str(error), USAGE)
    except TapeError as error:
        return complain(str(error), DATA)
    except PapertapeError as error:
        return complain(f"{type(error).__name__}: {error}", INTERNAL)
    except KeyboardInterrupt:
        return complain("interrupted", INTERRUPTED)
    except BrokenPipeError:  # the reader of our output has gone, as `| head` does
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return UNHEARD
    except OSError as error:
        if error.errno not in (errno.ENOSPC, errno.EIO, errno.EBADF) or error.filename is not None:
            return complain(bug(error), INTERNAL)
        return complain(f"the output cannot be written: {error.strerror}", USAGE)
    except Exception as error:
        return complain(bug(error), INTERNAL)
    return code


def bug(error: BaseException) -> str:
    """What to say about an error of ours: where it was, and how to see the rest."""
    if os.environ.get("PAPERTAPE_TRACEBACK"):
        return "".join(traceback.format_exception(error))
    at = traceback.extract_tb(error.__traceback__)[-1]
    where = f"{os.path.basename(at.filename)}:{at.lineno}"
    return f"an error of papertape's own, {type(error).__name__}: {error} ({where}); set PAPERTAPE_TRACEBACK=1 to see all of it"


def complain(message: str, code: int) -> int:
    """Say it on stderr; returns `code`."""
    with contextlib.suppress(OSError, ValueError):  # nobody is there to read it; the exit code says as much
        print(f"papertape: {message}", file=sys.stderr)
    return code


def pin_hash_seed() -> None:
    """Start again with PYTHONHASHSEED=0 unless it already is a number, so that a user's program that iterates sets repeats itself too."""
    if not os.environ.get("PYTHONHASHSEED", "").isdigit():
        os.environ["PYTHONHASHSEED"] = "0"
        os.execv(sys.executable, [sys.executable, *sys.orig_argv[1:]])  # noqa: S606 - ourselves again


def pin_time_zone() -> None:
    """Local time is UTC, so that a program that asks for it gets the same on every machine."""
    os.environ["TZ"] = "UTC"
    if hasattr(time, "tzset"):
        time.tzset()
