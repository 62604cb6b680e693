"""What a variable of the environment chooses among a few words."""

from __future__ import annotations

import os
from enum import StrEnum
from typing import TypeVar

from papertape.model.errors import ConfigError

Word = TypeVar("Word", bound=StrEnum)


def chosen(variable: str, otherwise: Word) -> Word:
    """The word that is in a variable; `otherwise` if it is empty or not there.

    >>> class Wind(StrEnum):
    ...     CALM = "calm"
    ...     STORM = "storm"
    >>> chosen("WIND_OF_TODAY", Wind.CALM)
    <Wind.CALM: 'calm'>

    Raises:
        ConfigError: it holds another word.
    """
    words = type(otherwise)
    asked = os.environ.get(variable) or otherwise
    try:
        return words(asked)
    except ValueError:
        others = [f'"{word}"' for word in words if word is not otherwise]
        first = [f'"{otherwise}" (which it is without it)', *others[:-1]]
        raise ConfigError(f'${variable} holds "{asked}"; expected {", ".join(first)} or {others[-1]}') from None
