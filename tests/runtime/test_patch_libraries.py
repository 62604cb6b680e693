"""What is known of single libraries: signatures, process pools, libraries that freeze time, and whose line a refusal names."""

# ruff: noqa: TID251, DTZ005, DTZ011 - what is banned elsewhere is what is tested here.

import asyncio
import datetime
import multiprocessing
import sqlite3
import subprocess
import sys
import time
import uuid
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor, ThreadPoolExecutor
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, x25519

from papertape.model.errors import EscapedSimulation
from papertape.runtime.loop import VirtualLoop
from papertape.runtime.patch import patched
from papertape.runtime.patch.active import Interception, active
from papertape.runtime.world import run_virtual

EPOCH_NS = 1_700_000_000_000_000_000
KEY = ec.derive_private_key(7, ec.SECP256R1())
MADE_BEFORE = ec.ECDSA(hashes.SHA256())


def inside(function: Any, *, seed: int = 0, is_deep: bool = False) -> Any:
    loop = VirtualLoop(epoch_ns=EPOCH_NS)
    try:
        with patched(loop, seed, is_deep=is_deep):
            return function()
    finally:
        loop.close()


def sign_jwt() -> Any:
    import jwt

    return jwt.encode({"sub": "me"}, KEY, algorithm="ES256")


@pytest.mark.parametrize("sign", [lambda: KEY.sign(b"order", ec.ECDSA(hashes.SHA256())), lambda: KEY.sign(b"order", MADE_BEFORE), sign_jwt])
def test_an_ecdsa_signature_is_the_same_each_time(sign: Any) -> None:
    """OpenSSL's own randomness has no part in it, whatever the seed; outside of a run it has."""
    assert inside(sign) == inside(sign) == inside(sign, seed=5)
    assert sign() != sign()
    KEY.public_key().verify(inside(lambda: KEY.sign(b"order", MADE_BEFORE)), b"order", MADE_BEFORE)


def raw(key: Any) -> bytes:
    return bytes(key.private_bytes(serialization.Encoding.DER, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()))


@pytest.mark.parametrize(
    "make",
    [
        lambda: ec.generate_private_key(ec.SECP256K1()),
        lambda: ed25519.Ed25519PrivateKey.generate(),
        lambda: x25519.X25519PrivateKey.generate(),
    ],
)
def test_a_new_key_comes_from_the_seed(make: Any) -> None:
    """The same seed makes the same key, another seed another; a real one is made by OpenSSL."""
    assert inside(lambda: raw(make()), seed=1) == inside(lambda: raw(make()), seed=1) != inside(lambda: raw(make()), seed=2)
    assert raw(make()) != raw(make())


def test_a_refusal_names_the_users_line_and_the_library() -> None:
    """Of a chain of libraries the message has the user's line, and the one that it called."""
    import requests

    def attempt() -> str:
        with pytest.raises(EscapedSimulation) as caught:
            requests.get("http://example.com/", timeout=1)
        return str(caught.value)

    line = attempt.__code__.co_firstlineno + 2
    message = inside(attempt)
    assert message.startswith(f"{__file__}:{line} in {attempt.__qualname__} (through requests/api.py:"), message
    assert "inside a simulation; use asyncio" in message


def start_process() -> Any:
    multiprocessing.get_context("spawn").Process(target=print).start()


def start_pool() -> Any:
    ProcessPoolExecutor()


def start_by_asyncio() -> Any:
    loop: Any = active().loop  # type: ignore[union-attr]  # within a run
    loop.run_until_complete(asyncio.create_subprocess_exec("true"))


@pytest.mark.parametrize("attempt", [start_process, start_pool, start_by_asyncio])
def test_a_process_is_refused(attempt: Any) -> None:
    """However it is started; the message says what works instead."""
    with pytest.raises(EscapedSimulation, match=r"process.* inside a simulation; ") as caught:
        inside(attempt)
    assert f"{__file__}:" in str(caught.value)


def test_sqlite_works_in_an_executor(tmp_path: Path) -> None:
    """Work handed to threads is done on this one, so a connection may be made here and used there."""

    async def main(loop: VirtualLoop) -> Any:
        connection = sqlite3.connect(tmp_path / "bot.db")
        try:
            await asyncio.to_thread(connection.execute, "create table fills (at real)")
            with ThreadPoolExecutor(2) as pool:
                await loop.run_in_executor(pool, connection.execute, "insert into fills values (?)", (time.time(),))
            return connection.execute("select at from fills").fetchall()
        finally:
            connection.close()

    async def counted(loop: VirtualLoop) -> Any:
        rows = await main(loop)
        run = active()
        assert run is not None
        return rows, run.counts["executor"]

    assert run_virtual(counted, epoch_ns=EPOCH_NS) == ([(1_700_000_000.0,)], 2)


class FakeDatetime(datetime.datetime):
    """What a library that freezes time puts in the place of the real one."""

    @classmethod
    def now(cls, tz: Any = None) -> Any:
        return cls(1999, 1, 1, tzinfo=tz)


def fake_time() -> float:
    return 915148800.0


user = SimpleNamespace()


@pytest.fixture
def frozen(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Time stands still in 1999, in every module, as far as Python can see."""
    real_time, real_datetime = time.time, datetime.datetime
    for module in list(sys.modules.values()):
        for name, value in list(getattr(module, "__dict__", {}).items()):
            if value is real_time and not getattr(module, "__name__", "").startswith("papertape.runtime.patch"):
                monkeypatch.setattr(module, name, fake_time)
            if value is real_datetime and not getattr(module, "__name__", "").startswith("papertape.runtime.patch"):
                monkeypatch.setattr(module, name, FakeDatetime)
    return


def test_a_run_shows_its_own_time_where_time_was_frozen(frozen: None) -> None:
    """Its clock goes before the frozen one, which is back afterwards."""

    def read() -> Any:
        return time.time(), datetime.datetime.now(datetime.UTC).year, uuid.uuid1().time > 0

    assert inside(read) == (1_700_000_000.0, 2023, True)
    assert (time.time(), datetime.datetime.now().year) == (915148800.0, 1999)
    assert datetime.datetime is FakeDatetime


def test_after_frozen_time_a_run_is_as_ever() -> None:
    """What stood in the machine's place for one run is forgotten for the next."""
    assert inside(lambda: (time.time(), datetime.datetime.now(datetime.UTC).year)) == (1_700_000_000.0, 2023)
    assert time.time() > 1_750_000_000


def test_the_report_says_what_was_intercepted() -> None:
    """By name, with how often and the line that asked first; the same for the same program."""

    def use() -> tuple[Interception, ...]:
        import random

        for _ in range(3):
            time.time()
        time.sleep(1)
        uuid.uuid4()
        datetime.datetime.now()
        random.random()
        with ThreadPoolExecutor() as pool:
            pool.submit(int).result()
        run = active()
        assert run is not None
        return run.intercepted

    report = inside(use)
    assert {each.what: each.count for each in report} == {
        "datetime.now": 1,
        "executor": 1,
        "os.urandom": 1,
        "random": 1,
        "time.sleep": 1,
        "time.time": 3,
    }
    assert [each.what for each in report] == sorted(each.what for each in report)
    assert {each.what: each.first for each in report}["time.time"] == f"{__file__}:{use.__code__.co_firstlineno + 4} in {use.__qualname__}"
    assert inside(use) == report


def test_other_clocks_are_the_runs_too() -> None:
    """Those that libraries derive from the first ones."""
    import email.utils
    import logging
    import os
    from http.cookies import SimpleCookie

    def read() -> Any:
        cookie: Any = SimpleCookie()
        cookie["a"] = "b"
        cookie["a"]["expires"] = 0
        record = logging.LogRecord("x", 10, __file__, 1, "text", None, None)
        return (
            email.utils.formatdate(),
            email.utils.localtime().year,
            logging.Formatter("%(asctime)s", "%Y").format(record),
            "14 Nov 2023" in cookie.output() or "14-Nov-2023" in cookie.output(),
            os.times().elapsed,
            datetime.date.today().year,
        )

    assert inside(read) == ("Tue, 14 Nov 2023 22:13:20 -0000", 2023, "2023", True, 0.0, 2023)


def test_numpy_draws_from_the_seed_and_keeps_its_own_state() -> None:
    """The functions of numpy.random are each run's own."""
    numpy = pytest.importorskip("numpy")

    def draw() -> list[float]:
        numpy.random.seed(numpy.random.randint(1000))
        return [numpy.random.rand(), numpy.random.default_rng().random()]

    numpy.random.seed(3)
    expected = numpy.random.RandomState(3).rand()
    assert inside(draw, seed=1) == inside(draw, seed=1) != inside(draw, seed=2)
    assert numpy.random.rand() == expected


def test_two_ids_of_one_instant_differ() -> None:
    """uuid1 counts on where time stands still, as it does on a real clock that is too coarse; each run begins anew."""
    assert inside(lambda: len({uuid.uuid1(1, 2) for _ in range(9)})) == 9
    assert inside(lambda: uuid.uuid1(1, 2)) == inside(lambda: uuid.uuid1(1, 2))


LOADED_LATE = """
import datetime, time
real_time, real = time.time, datetime.datetime
class Fake(datetime.datetime):
    @classmethod
    def now(cls, tz=None): return cls(1999, 1, 1)
time.time, datetime.datetime = lambda: 0.0, Fake
from papertape.runtime.loop import VirtualLoop
from papertape.runtime.patch import patched
def read():
    with patched(VirtualLoop(epoch_ns=10**18), 0):
        return time.time(), datetime.datetime.now(datetime.timezone.utc).year
print(read(), time.time())
time.time, datetime.datetime = real_time, real
print(read(), time.time() > 1.7e9, datetime.datetime.now().year > 2024)
"""


def test_papertape_may_be_loaded_while_time_is_frozen() -> None:
    """What it then takes for the machine's clock is not, and runs show their own time all the same, also once time moves again."""
    done = subprocess.run([sys.executable, "-c", LOADED_LATE], capture_output=True, text=True, check=False, timeout=60)
    assert done.stdout.splitlines() == ["(1000000000.0, 2001) 0.0", "(1000000000.0, 2001) True True"], done.stderr
