"""papertape.toml: what a bot trades, where, and whether any of it is real."""

from papertape.trading.config.layers import FILE, Layered, layered
from papertape.trading.config.make import Config, Limits, Mode, VenueConfig, load_config, make_config

__all__ = ["FILE", "Config", "Layered", "Limits", "Mode", "VenueConfig", "layered", "load_config", "make_config"]
