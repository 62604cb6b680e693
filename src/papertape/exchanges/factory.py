"""One call between a bot and an exchange, whatever mode it runs in."""

from __future__ import annotations

import difflib
import importlib
import importlib.util
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Final

from papertape.exchanges.base import BaseExchange
from papertape.model.errors import ConfigError
from papertape.venues import canonical

if TYPE_CHECKING:
    from importlib.metadata import EntryPoint

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
    _by_ccxt: ClassVar[dict[str, type[BaseExchange]]] = {}
    _generic: ClassVar[str] = "papertape.exchanges.ccxt"

    @classmethod
    def register_exchange(cls, name: str, kind: type[BaseExchange]) -> None:
        """Make an adapter known; done by its module at import. A name is taken once, and papertape's own are taken from the start."""
        own = cls._modules.get(name, kind.__module__)
        if kind.__module__ != own:  # a bot that is imported before it must not stand between the gate and the venue
            raise ConfigError(f'exchange "{name}" is already that of {own}; register {kind.__qualname__} differently')
        other = cls._kinds.get(name)
        if other is not None and other is not kind:
            raise ConfigError(
                f'exchange "{name}" is already {other.__module__}.{other.__qualname__}; register {kind.__qualname__} differently'
            )
        cls._kinds[name] = kind

    @classmethod
    def known(cls) -> list[str]:
        """Names with an adapter of their own, sorted: ours, registered ones, and those that installed packages offer; see `knows`."""
        return sorted({**cls._kinds, **cls._modules, **_offered()})

    @classmethod
    def knows(cls, name: str) -> bool:
        """Whether `kind` has an adapter for the name: one of its own, or the generic one, for each id of ccxt's. Imports none of them.

        >>> [ExchangeFactory.knows(name) for name in ("coinbase", "kraken", "krakn")]
        [True, True, False]
        """
        return (bool(cls._generic) and _is_ccxt_id(name)) or name in cls.known()

    @classmethod
    def kind(cls, name: str) -> type[BaseExchange]:
        """The adapter of a name: its own, else the generic one if it is an id of ccxt's; raises ConfigError naming the nearest.

        >>> ExchangeFactory.kind("kraken").__name__
        'CcxtExchange[kraken]'
        """
        name = canonical(name)
        if name not in cls._kinds and name in cls._modules:
            importlib.import_module(cls._modules[name])
        if name not in cls._kinds and name in _offered():
            cls.register_exchange(name, _load(name))
        if name not in cls._kinds and cls.knows(name):
            if name not in cls._by_ccxt:
                cls._by_ccxt[name] = importlib.import_module(cls._generic).CcxtExchange.of(name)
            return cls._by_ccxt[name]
        if name not in cls._kinds:
            known = ", ".join(cls.known())
            raise ConfigError(f'no exchange is called "{name}"{_nearest(name, cls.known())} Known: {known}, and any id of ccxt.')
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


def _is_ccxt_id(name: str) -> bool:
    """Whether ccxt has an exchange of that name; looks for its file, since importing ccxt takes seconds."""
    spec = importlib.util.find_spec("ccxt")
    if not name.isidentifier() or spec is None or not spec.submodule_search_locations:
        return False
    return any((Path(folder) / "async_support" / f"{name}.py").is_file() for folder in spec.submodule_search_locations)


def _offered() -> dict[str, EntryPoint]:
    """Adapters of installed packages, by name: their entry points in the group `papertape.exchanges`."""
    from importlib.metadata import entry_points  # it brings mail and archives along, and few look for a package's adapter

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
