"""A paper account on the disk: money, orders and fills that outlive the process.

One SQLite file. What a venue has done is written in one transaction, and is on the disk before anybody is told of it, so that after a kill
or a power cut the account knows at least what its bot knows. Nothing here is real, and the file says so itself: one that was not made for
paper is refused, and no other part of papertape opens this one.
"""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Mapping, Sequence
from contextlib import closing
from decimal import Decimal
from pathlib import Path
from types import TracebackType
from typing import Final, Self

import msgspec

from papertape.model.errors import ConfigError
from papertape.model.order import Fill, Order
from papertape.model.units import plain

FORMAT: Final = "papertape paper account, 1"

_TABLES: Final = """
CREATE TABLE about (key TEXT PRIMARY KEY, value TEXT NOT NULL) STRICT;
CREATE TABLE money (currency TEXT PRIMARY KEY, opening TEXT NOT NULL, total TEXT NOT NULL) STRICT;
CREATE TABLE orders (number INTEGER PRIMARY KEY, id TEXT NOT NULL UNIQUE, body BLOB NOT NULL) STRICT;
CREATE TABLE fills (number INTEGER PRIMARY KEY, body BLOB NOT NULL) STRICT;
"""

_ENCODE: Final = msgspec.json.Encoder().encode


class Kept(msgspec.Struct, frozen=True, kw_only=True):
    """What an account holds and has done.

    Attributes:
        opening: what it began with, by currency.
        money: what it holds in all, by currency, whatever open orders hold of it.
        orders, fills: as they stand, oldest first.
    """

    opening: dict[str, Decimal]
    money: dict[str, Decimal]
    orders: tuple[Order, ...]
    fills: tuple[Fill, ...]


class PaperAccount:
    """An account file, open for one process.

    Args:
        path: made where it is not there, with its folder.
        opening: what a new account holds; of no account for one that exists.

    Attributes:
        kept: what it held and had done when it was opened.

    Raises `ConfigError` where the file is damaged, is something else, belongs to another venue, or is open in another process.
    """

    def __init__(self, path: Path, *, venue: str, opening: Mapping[str, Decimal]) -> None:
        self.path = path
        self.kept = Kept(opening={}, money={}, orders=(), fills=())
        self._numbers: dict[str, int] = {}
        self._fills = 0
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            if not path.exists():
                _make(path, venue, opening)
            elif not path.stat().st_size:
                raise _unusable(path, ValueError("it is empty"))
            self._file = sqlite3.connect(path, isolation_level=None, timeout=0)
        except (OSError, sqlite3.Error) as error:
            raise ConfigError(f"{path}: the paper account cannot be opened: {error}") from None
        try:
            self._file.execute("PRAGMA locking_mode = EXCLUSIVE")
            self._file.execute("PRAGMA synchronous = FULL")
            self._file.execute("BEGIN EXCLUSIVE")
            self._file.execute("COMMIT")
            self._check(venue)
            self.kept = self._read()
        except sqlite3.Error as error:
            self.close()
            raise _unusable(path, error) from None
        except BaseException:
            self.close()
            raise

    def write(self, money: Mapping[str, Decimal], orders: Sequence[Order], fills: Sequence[Fill]) -> None:
        """Put down what has changed: all of the money, orders as they stand now, and fills that are new. On the disk when it returns.

        Raises `ConfigError` where it cannot be written; the file then is as it was.
        """
        try:
            self._file.execute("BEGIN")
            self._file.executemany(
                "INSERT INTO money VALUES (?, '0', ?) ON CONFLICT (currency) DO UPDATE SET total = excluded.total",
                [(currency, plain(total)) for currency, total in money.items()],
            )
            for order in orders:
                number = self._numbers.setdefault(order.id, len(self._numbers) + 1)
                self._file.execute("INSERT OR REPLACE INTO orders VALUES (?, ?, ?)", (number, order.id, _ENCODE(order)))
            bodies = [(number, _ENCODE(fill)) for number, fill in enumerate(fills, start=self._fills + 1)]
            self._file.executemany("INSERT INTO fills VALUES (?, ?)", bodies)
            self._file.execute("COMMIT")
        except sqlite3.Error as error:
            if self._file.in_transaction:
                self._file.execute("ROLLBACK")
            raise ConfigError(f"{self.path}: the paper account cannot be written: {error}; nothing more is traded on it") from None
        self._fills += len(fills)

    def close(self) -> None:
        """Let go of the file; doing so twice changes nothing."""
        self._file.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None) -> None:
        self.close()

    def _check(self, venue: str) -> None:
        about = dict(self._file.execute("SELECT key, value FROM about"))
        if about.get("format") != FORMAT or about.get("mode") != "paper":
            raise ConfigError(f"{self.path}: this is no paper account of this version of papertape; name another file")
        if about.get("venue") != venue:
            raise ConfigError(f"{self.path}: this paper account is one at {about.get('venue')}, not at {venue}; name another file")

    def _read(self) -> Kept:
        with closing(self._file.execute("SELECT currency, opening, total FROM money ORDER BY rowid")) as rows:
            money = list(rows)
        try:
            kept = Kept(
                opening={currency: Decimal(opening) for currency, opening, _ in money},
                money={currency: Decimal(total) for currency, _, total in money},
                orders=tuple(msgspec.json.decode(body, type=Order) for (body,) in self._bodies("orders")),
                fills=tuple(msgspec.json.decode(body, type=Fill) for (body,) in self._bodies("fills")),
            )
        except (msgspec.DecodeError, ArithmeticError, ValueError) as error:
            raise _unusable(self.path, error) from None
        self._numbers = {order.id: number for number, order in enumerate(kept.orders, start=1)}
        self._fills = len(kept.fills)
        return kept

    def _bodies(self, table: str) -> list[tuple[bytes]]:
        return list(self._file.execute(f"SELECT body FROM {table} ORDER BY number"))  # noqa: S608  # one of two names of ours


def _make(path: Path, venue: str, opening: Mapping[str, Decimal]) -> None:
    """A new account, whole before it has its name: one that is empty was made so by somebody else."""
    part = path.with_name(f"{path.name}.part-{os.getpid()}")
    part.unlink(missing_ok=True)
    with closing(sqlite3.connect(part, isolation_level=None)) as file:
        os.chmod(part, 0o600)
        file.execute("PRAGMA synchronous = FULL")
        file.execute("BEGIN EXCLUSIVE")
        for statement in _TABLES.strip().split("\n"):
            file.execute(statement)
        file.executemany("INSERT INTO about VALUES (?, ?)", [("format", FORMAT), ("mode", "paper"), ("venue", venue)])
        rows = [(currency, plain(held), plain(held)) for currency, held in opening.items()]
        file.executemany("INSERT INTO money VALUES (?, ?, ?)", rows)
        file.execute("COMMIT")
    try:
        os.link(part, path)  # unlike a rename, it takes the place of none that another process has made meanwhile
    except FileExistsError:
        pass
    except OSError:  # a file system without links
        part.replace(path)
    finally:
        part.unlink(missing_ok=True)


def reset(path: Path, *others: Path) -> bool:
    """Put an account aside, so that the next begins anew; whether there was one. It stays beside its place, under the next free number.

    Args:
        others: what tells of its orders goes with it; a new account gives the same names to others.
    """
    if path.exists():
        _refuse_if_used(path)
    found = [each for each in (*others, path) if each.exists()]  # the account goes last
    number = 1
    while any(_aside(each, number).exists() for each in (*others, path)):
        number += 1
    for each in found:
        each.rename(_aside(each, number))
    return path in found


def _aside(path: Path, number: int) -> Path:
    """Its place beside.

    >>> _aside(Path("account.sqlite"), 2).name
    'account.2.sqlite'
    """
    return path.with_name(f"{path.stem}.{number}{path.suffix}")


def _refuse_if_used(path: Path) -> None:
    try:
        with closing(sqlite3.connect(path, isolation_level=None, timeout=0)) as file:
            file.execute("PRAGMA locking_mode = EXCLUSIVE")
            file.execute("BEGIN EXCLUSIVE")
            file.execute("COMMIT")
    except sqlite3.OperationalError:
        raise _in_use(path) from None
    except sqlite3.DatabaseError:
        pass  # damaged, or something else: all the more reason to put it aside, and to keep it


def _unusable(path: Path, error: Exception) -> ConfigError:
    if isinstance(error, sqlite3.OperationalError) and "locked" in str(error):
        return _in_use(path)
    return ConfigError(
        f"{path}: the paper account is damaged or is no account ({error}); restore it from a copy, or begin anew with "
        "`papertape trade --reset`, which keeps this file beside its place"
    )


def _in_use(path: Path) -> ConfigError:
    return ConfigError(f"{path}: another process trades on this paper account; stop it, or name another file")
