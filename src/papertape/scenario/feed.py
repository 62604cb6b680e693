"""The feeds of a venue's table: tapes, or somebody else's files that are read in place."""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import date, datetime
from pathlib import Path
from typing import Any, Final

from papertape.model.errors import ConfigError
from papertape.model.units import is_date, moment_ns
from papertape.scenario import shelves
from papertape.scenario.table import Table, shown
from papertape.session.spec import FeedSpec
from papertape.tape.files import BUCKETS, Files, Lack

_PART: Final = ("start", "end", "outages")
_FILES: Final = (
    "format", "path", "symbol", "instrument", "columns", "endpoint", "region", "anonymous", "missing", "broken",
)  # fmt: skip
_SCHEME: Final = re.compile(r"([A-Za-z][A-Za-z0-9+]+):/+")
_SECRETS: Final = ("key", "secret", "token", "password", "credentials")
"""What the name of a key has in it that somebody puts a secret under."""


def read_feeds(venue: Table, folder: Path, name: str) -> tuple[FeedSpec, ...]:
    """The feeds of the table of the venue called `name`."""
    value = venue.raw.get("feed")
    if value is None:
        raise venue.problem("feed", 'is missing; expected a tape, such as feed = { tape = "builtin:btc-usd", start = "0s", end = "10m" }')
    each = list(value) if isinstance(value, list | tuple) else [value]
    if not each:
        raise venue.problem("feed", "is empty; a venue needs a market to play")
    return tuple(_feed(venue, one, folder, name) for one in each)


def _feed(venue: Table, value: Any, folder: Path, name: str) -> FeedSpec:
    feed = venue.within("feed", {"tape": value} if isinstance(value, str) else value)
    is_tape = "tape" in feed.raw or not any(key in feed.raw for key in _FILES)
    _no_secrets(feed)
    if "tape" in feed.raw:
        for key in _FILES:
            if key in feed.raw:
                raise feed.problem(key, "goes with files that are read in place, and there is a `tape`; expected one of the two")
    feed.allow(*(("tape",) if is_tape else _FILES), *_PART)
    start, end = _moment(feed, "start"), _moment(feed, "end")
    is_early = start is not None and end is not None and is_date(start) == is_date(end) and moment_ns(end, 0) <= moment_ns(start, 0)
    if is_early:
        raise feed.problem("end", f'holds "{end}", which is not after start = "{start}"')
    outages = feed.claim("outages", default=True)
    if not is_tape:
        return FeedSpec(files=_files(feed, start, end, folder, name), start=start, end=end, outages=outages)
    tape = feed.text("tape")
    if tape is None:
        raise feed.problem("tape", 'is missing; expected a path or "builtin:NAME"')
    shelves.check_tape(feed, tape, folder)
    return FeedSpec(tape=tape, start=start, end=end, outages=outages)


def _files(feed: Table, start: str | None, end: str | None, folder: Path, name: str) -> Files:
    """Everything about them that can be known without looking for them."""
    from papertape.importers.inplace import KINDS
    from papertape.importers.span import Span
    from papertape.importers.template import check_template

    format = feed.text("format")
    if format is None:
        raise feed.problem("format", f"is missing; expected what the files are: {', '.join(KINDS)}")
    feed.known("format", format, KINDS, "format", "papertape import --help")
    paths, symbols = _texts(feed, "path"), _texts(feed, "symbol")
    if not paths:
        raise feed.problem("path", 'is missing; expected where the files are, such as path = "ticks/{date}.csv.gz"')
    for path in paths:
        scheme = _SCHEME.match(path)
        if path.startswith(BUCKETS):
            _check_address(feed, path)
        elif scheme is not None:
            near = f'; did you mean "{BUCKETS}{path[scheme.end() :]}"?' if scheme[1].lower() == "s3" else ""
            raise feed.problem("path", f"holds {shown(path)}; expected a path on this machine, or {BUCKETS}BUCKET/KEY{near}")
        try:
            check_template(path, symbols, Span(start, end))
        except ValueError as error:
            raise feed.problem("path", f"holds {shown(path)}; {error}") from None
    is_in_bucket = any(path.startswith(BUCKETS) for path in paths)
    for key in ("endpoint", "region", "anonymous"):
        if key in feed.raw and not is_in_bucket:
            raise feed.problem(key, f"goes with a path that begins with {BUCKETS}")
    return Files(
        venue=name,
        format=format,
        path=paths,
        symbol=symbols,
        instrument=_texts(feed, "instrument"),
        columns=_columns(feed, format, folder),
        endpoint=_endpoint(feed),
        region=feed.text("region"),
        anonymous=feed.claim("anonymous", default=False) if "anonymous" in feed.raw else None,
        missing=feed.choice("missing", Lack, Lack.REFUSE),
        broken=feed.choice("broken", Lack, Lack.REFUSE),
    )


def _texts(feed: Table, key: str) -> tuple[str, ...]:
    """One text, or a list of them."""
    value = feed.raw.get(key, ())
    each = [value] if isinstance(value, str) else value
    if not isinstance(each, list | tuple) or not all(isinstance(one, str) and one for one in each):
        raise feed.problem(key, f"holds {shown(value)}; expected text, or a list of texts")
    return tuple(each)


def _columns(feed: Table, format: str, folder: Path) -> str | dict[str, Any] | None:
    from papertape.importers.foreign import COLUMNS
    from papertape.importers.mapping import read_columns

    told = feed.raw.get("columns")
    if format != COLUMNS:
        if told is not None:
            raise feed.problem("columns", f"goes with format = {shown(COLUMNS)}, and the format is {shown(format)}")
        return None
    if told is None or not isinstance(told, str | Mapping):
        what = "is missing" if told is None else f"holds {shown(told)}"
        raise feed.problem("columns", f"{what}; expected a file or a table that says which column is what; docs/importing.md shows one")
    try:
        read_columns(folder / Path(told).expanduser() if isinstance(told, str) else told)
    except ConfigError as error:
        raise feed.problem("columns", str(error)) from None
    return told if isinstance(told, str) else dict(told)


def _check_address(feed: Table, path: str) -> None:
    name, slash, key = path.removeprefix(BUCKETS).partition("/")
    if "@" in name:
        raise feed.problem("path", "holds credentials, which belong into the AWS_… variables and in no file; expected s3://BUCKET/KEY")
    if not name or not slash or not key:
        raise feed.problem("path", f"holds {shown(path)}; expected s3://BUCKET/KEY, such as s3://ticks/{{date}}.csv.gz")


def _endpoint(feed: Table) -> str | None:
    from papertape.importers.bucket import check_endpoint

    text = feed.text("endpoint")
    if text is None:
        return None
    try:
        check_endpoint(text, "it")
    except ConfigError as error:
        raise feed.problem("endpoint", str(error).removeprefix("it ")) from None
    return text


def _no_secrets(feed: Table) -> None:
    """Raise for a key that is none of ours and sounds like a secret; what it holds is not shown."""
    for key in feed.raw:
        if str(key) not in _FILES and any(word in str(key).lower() for word in _SECRETS):
            raise feed.problem(
                key, "no credentials stand in a scenario; a bucket's are taken from AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY or AWS_PROFILE"
            )


def _moment(feed: Table, key: str) -> str | None:
    value = feed.raw.get(key)
    if isinstance(value, datetime | date):  # TOML has times of its own
        value = value.isoformat()
    if value is None:
        return None
    if not isinstance(value, str):
        raise feed.problem(key, f'holds {shown(value)}; expected a duration such as "2m" or an ISO 8601 time')
    try:
        moment_ns(value, 0)
    except ValueError as error:
        raise feed.problem(key, str(error)) from None
    return value
