"""Finding the user's bot, and telling a person who misnamed it."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from papertape.model.errors import ConfigError
from papertape.session.botfile import load_bot


@pytest.fixture(autouse=True)
def restored() -> Iterator[None]:
    """Modules and path as they were."""
    modules, path = dict(sys.modules), list(sys.path)
    yield
    sys.path[:] = path
    for name in [name for name in sys.modules if name not in modules]:
        del sys.modules[name]


def test_finds_a_bot_in_the_scenarios_folder(tmp_path: Path) -> None:
    """By module or by file; packages and neighbours included."""
    (tmp_path / "mybot.py").write_text("import myneighbour\nclass Bot: size = myneighbour.SIZE\n")
    (tmp_path / "myneighbour.py").write_text("SIZE = 3\n")
    (tmp_path / "mypackage").mkdir()
    (tmp_path / "mypackage" / "__init__.py").write_text("")
    (tmp_path / "mypackage" / "maker.py").write_text("from .sizes import SIZE\nclass Bot: size = SIZE\n")
    (tmp_path / "mypackage" / "sizes.py").write_text("SIZE = 4\n")
    assert load_bot("mybot:Bot", tmp_path).size == 3
    assert load_bot("mybot.py:Bot", tmp_path).size == 3
    assert load_bot("mypackage.maker:Bot", tmp_path).size == 4


def test_every_run_gets_fresh_modules(tmp_path: Path) -> None:
    """What a bot left in its own or a neighbour's globals is not there the next time."""
    (tmp_path / "mycounter.py").write_text("seen = []\n")
    (tmp_path / "mycounting.py").write_text("import mycounter\ndef main():\n    mycounter.seen.append(1)\n    return len(mycounter.seen)\n")
    assert [load_bot("mycounting:main", tmp_path)() for _ in range(3)] == [1, 1, 1]
    assert [load_bot("mycounting.py:main", tmp_path)() for _ in range(3)] == [1, 1, 1]


def test_a_neighbour_may_be_imported_late(tmp_path: Path) -> None:
    """Inside a function, when the run is under way."""
    (tmp_path / "mylate.py").write_text("SIZE = 5\n")
    (tmp_path / "myslow.py").write_text("def main():\n    import mylate\n    return mylate.SIZE\n")
    assert load_bot("myslow.py:main", tmp_path)() == 5


def test_a_bot_that_is_called_like_a_library_hides_nothing(tmp_path: Path) -> None:
    """json.py is a bot here, and json stays json everywhere else."""
    import json

    (tmp_path / "json.py").write_text("class Bot: pass\n")
    assert load_bot("json.py:Bot", tmp_path).__name__ == "Bot"
    assert load_bot("json:Bot", tmp_path).__name__ == "Bot"
    assert sys.modules["json"] is json


@pytest.mark.parametrize(
    ("spec", "message"),
    [
        ("bot", 'key `bot`: "bot" names no bot; expected "module:Name"'),
        ("nowhere:Bot", 'key `bot`: "nowhere:Bot": no module is called "nowhere"; looked in '),
        ("nowhere.py:Bot", 'key `bot`: "nowhere.py:Bot": there is no file '),
        ("mybroken.py:Bot", "mybroken.py:2: ZeroDivisionError: "),
        ("mybroken:Bot", "mybroken.py:2: ZeroDivisionError: "),
        ("mygood:Bto", 'key `bot`: mygood has no "Bto"; did you mean "mygood:Bot"?'),
        ("papertape.bots:MarketMakr", 'papertape.bots has no "MarketMakr"; did you mean "papertape.bots:MarketMaker"?'),
    ],
)
def test_says_what_is_wrong_with_the_name(tmp_path: Path, spec: str, message: str) -> None:
    """Where it looked, what is there instead, or the line that broke."""
    (tmp_path / "mybroken.py").write_text("x = 0\ny = 1 / x\n")
    (tmp_path / "mygood.py").write_text("class Bot: pass\n")
    with pytest.raises(ConfigError) as caught:
        load_bot(spec, tmp_path)
    assert message in str(caught.value)
