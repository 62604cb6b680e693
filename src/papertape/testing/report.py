"""How pytest shows what papertape has to say: the message alone, since no line of papertape's own explains anything to a user."""

from __future__ import annotations

from typing import Any

import pytest
from _pytest._code.code import ReprExceptionInfo, ReprFileLocation, ReprTracebackNative

from papertape.model.errors import ConfigError, TapeError
from papertape.testing.failure import RunFailed
from papertape.testing.repeat import NotTheSame


def without_traceback(item: pytest.Item, excinfo: pytest.ExceptionInfo[BaseException]) -> Any:
    """The failure as pytest may show it, or None where the traceback is the user's own and worth reading."""
    error = excinfo.value
    if not isinstance(error, (RunFailed, NotTheSame, ConfigError, TapeError)):
        return None
    return message_only(item, "\n".join([str(error), *getattr(error, "__notes__", [])]))


def message_only(item: pytest.Item, text: str) -> ReprExceptionInfo:
    """A failure that is nothing but a text; its first line goes into pytest's summary."""
    path, line, _ = item.reportinfo()
    first = text.strip().splitlines()[0] if text.strip() else ""
    shown = "".join(f"E   {each}\n" if each else "\n" for each in text.splitlines())
    return ReprExceptionInfo(ReprTracebackNative([shown]), ReprFileLocation(str(path), (line or 0) + 1, first))
