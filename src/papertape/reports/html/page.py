"""The document around a report: one file that opens offline, with plotly's own bundle written into it."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping, Sequence
from html import escape
from importlib import resources
from typing import Any, Final

import msgspec

from papertape.model.errors import ConfigError
from papertape.scenario.bundle.secrets import Secrets
from papertape.version import VERSION

_LACKING: Final = "a page with charts needs plotly, which is not installed; pip install 'papertape[report]'"

_POLICY: Final = (
    "default-src 'none'; script-src 'unsafe-inline'; style-src 'unsafe-inline'; img-src data: blob:; font-src data:; "
    "worker-src blob:; base-uri 'none'; form-action 'none'"
)
"""Nothing is fetched from anywhere, and nothing is sent."""


def require_plotly() -> None:
    """Raises `ConfigError` where charts cannot be drawn; asked before anything is run."""
    from importlib.util import find_spec

    if find_spec("plotly") is None:
        raise ConfigError(_LACKING)


def element(name: str, text: object = "", **attributes: object) -> str:
    """One element with text in it, escaped.

    >>> element("td", "a < b", class_="cell")
    '<td class="cell">a &lt; b</td>'
    """
    given = "".join(f' {key.rstrip("_").replace("_", "-")}="{escape(str(value))}"' for key, value in attributes.items())
    return f"<{name}{given}>{escape(str(text))}</{name}>"


def embedded(figure: object) -> str:
    """A value as JSON that may stand within a script element, whatever text is in it.

    >>> embedded({"title": "</script>"})
    '{"title":"\\\\u003c/script>"}'
    """
    text = msgspec.json.encode(figure).decode()
    return text.replace("<", "\\u003c").replace("\u2028", "\\u2028").replace("\u2029", "\\u2029")


def document(title: str, body: Sequence[str], figures: Mapping[str, Any], secrets: Secrets | None = None) -> str:
    """The whole file; `figures` by the id that their charts name. Secrets are taken out of it, those that `secrets` knows too."""
    secrets = secrets or Secrets(os.environ)
    data = "\n".join(f'<script type="application/json" id="{escape(name)}">{embedded(each)}</script>' for name, each in figures.items())
    shown, _ = secrets.of_text("\n".join(body))
    data, _ = secrets.of_text(data)
    name, _ = secrets.of_text(title)
    scripts = f"<script>{_plotly()}</script>\n{data}\n" if figures else ""
    whole = "This page is whole: it needs no network. Drag in a chart to zoom, double-click for all of it."
    head = (
        f'<meta charset="utf-8">\n<meta http-equiv="Content-Security-Policy" content="{_POLICY}">\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n<link rel="icon" href="data:,">\n'
        f"<title>{escape(name)}</title>\n<style>\n{_own('page.css')}</style>"
    )
    return (
        f'<!doctype html>\n<html lang="en">\n<head>\n{head}\n</head>\n<body>\n{shown}\n'
        f"<footer>papertape {escape(VERSION)}. {whole}</footer>\n{scripts}<script>\n{_own('page.js')}</script>\n</body>\n</html>\n"
    )


def _own(name: str) -> str:
    return resources.files(__package__).joinpath(name).read_text(encoding="utf-8")


def _plotly() -> str:
    try:
        from plotly.offline import get_plotlyjs
    except ImportError:
        raise ConfigError(_LACKING) from None
    source: str = get_plotlyjs()
    return re.sub(r"</(script)", r"<\\/\1", source, flags=re.IGNORECASE)
