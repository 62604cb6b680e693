"""One call between a bot and an exchange, whatever mode it runs in."""

from __future__ import annotations

import difflib
import importlib
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from importlib.metadata import EntryPoint, entry_points
from typing import Any, ClassVar, Final

from papertape.exchanges.base import BaseExchange
from papertape.model.errors import ConfigError
from papertape.venues import canonical

OFFERS: Final = "papertape.exchanges"
"""The group of entry points by which an installed package adds an exchange."""

_MODES: Final = "papertape.trading.modes"

_RUNNING: ContextVar[Mapping[str, BaseExchange] | None] = ContextVar("papertape_running_exchanges", default=None)


class ExchangeFactory:
    """Knows every kind of exchange by name; inside a session it hands out the session's own.

    >>> ExchangeFactory.get_exchange("coinbse")
    Traceback (most recent call last):
    papertape.model.errors.ConfigError: no exchange is called "coinbse"; did you mean "coinbase"? Known: ...
    """

    _kinds: ClassVar[dict[str, type[BaseExchange]]] = {}
    _modules: ClassVar[dict[str, str]] = {"coinbase": "papertape.exchanges.coinbase", "simulated": "papertape.exchanges.simulated"}

    @classmethod
    def register_exchange(cls, name: str, kind: type[BaseExchange]) -> None:
        """Make an adapter known; done by its module at import. A name is taken once."""
        other = cls._kinds.get(name)
        if other is not None and other is not kind:
            raise ConfigError(
                f'exchange "{name}" is already {other.__module__}.{other.__qualname__}; register {kind.__qualname__} differently'
            )
        cls._kinds[name] = kind

    @classmethod
    def known(cls) -> list[str]:
        """Names that `get_exchange` knows, sorted: ours, registered ones, and those that installed packages offer."""
        return sorted({**cls._kinds, **cls._modules, **_offered()})

    @classmethod
    def kind(cls, name: str) -> type[BaseExchange]:
        """The adapter of a name; raises ConfigError naming the nearest."""
        name = canonical(name)
        if name not in cls._kinds and name in cls._modules:
            importlib.import_module(cls._modules[name])
        if name not in cls._kinds and name in _offered():
            cls.register_exchange(name, _load(name))
        if name not in cls._kinds:
            raise ConfigError(f'no exchange is called "{name}"{_nearest(name, cls.known())} Known: {", ".join(cls.known())}.')
        return cls._kinds[name]

    @classmethod
    def get_exchange(cls, name: str, **options: Any) -> BaseExchange:
        """The exchange of that name.

        Inside a running session it is the session's, and `options` are of no account. Elsewhere papertape.toml says which mode it is in;
        another file and settings over it may be given as `config` and `settings`, see `trading.config`.
        """
        running, name = _RUNNING.get(), canonical(name)
        if running is not None:
            if name not in running:
                raise ConfigError(
                    f'this session has no venue "{name}"{_nearest(name, list(running))} It has: {", ".join(running)}. '
                    f"Add [venue.{name}] to the scenario."
                )
            return running[name]
        cls.kind(name)
        modes = importlib.import_module(_MODES)  # far above this, and not to be imported by whoever only simulates
        exchange: BaseExchange = modes.alone(name, modes.load_config(options.get("config"), settings=options.get("settings", ())))
        return exchange

    @staticmethod
    @contextmanager
    def running(exchanges: Mapping[str, BaseExchange]) -> Iterator[None]:
        """While this lasts, `get_exchange` hands out these, by venue."""
        token = _RUNNING.set(exchanges)
        try:
            yield
        finally:
            _RUNNING.reset(token)


def _offered() -> dict[str, EntryPoint]:
    """Adapters of installed packages, by name: their entry points in the group `papertape.exchanges`."""
    return {each.name: each for each in entry_points(group=OFFERS)}


def _load(name: str) -> type[BaseExchange]:
    entry = _offered()[name]
    try:
        kind: Any = entry.load()
    except Exception as error:  # whatever somebody else's package raises
        raise ConfigError(f'exchange "{name}": its entry point {entry.value} does not load: {type(error).__name__}: {error}') from error
    if not (isinstance(kind, type) and issubclass(kind, BaseExchange)):
        raise ConfigError(f'exchange "{name}": its entry point {entry.value} is no BaseExchange')
    return kind


def _nearest(name: str, names: list[str]) -> str:
    near = difflib.get_close_matches(name, names, n=1)
    return f'; did you mean "{near[0]}"?' if near else "."
