"""An echo service, and clients of it that reconnect: what both ends wrote and read on each connection."""

from __future__ import annotations

import asyncio
from collections import defaultdict
from collections.abc import Callable
from typing import Any

from websockets.asyncio.client import ClientConnection, connect
from websockets.asyncio.server import ServerConnection
from websockets.exceptions import ConnectionClosed, WebSocketException

from papertape.session.servers import ServedWorld

STREAM = "tls://echo.example.com:7000"
SOCKET = "wss://echo.example.com/v1"
HOST, PORT = "echo.example.com", 7000

ROUNDS = 12
PATIENCE_S = 4


class Ledger:
    """What went over each connection, by the client's port: what its two ends wrote and read, in order."""

    def __init__(self) -> None:
        self.client_wrote: dict[int, list[Any]] = defaultdict(list)
        self.client_read: dict[int, list[Any]] = defaultdict(list)
        self.server_wrote: dict[int, list[Any]] = defaultdict(list)
        self.server_read: dict[int, list[Any]] = defaultdict(list)

    def breaches(self, join: Callable[[list[Any]], Any]) -> list[str]:
        """Where something arrived that was not sent so: what is read must be how what was written begins."""
        found = []
        for what, wrote, read in (("up", self.client_wrote, self.server_read), ("down", self.server_wrote, self.client_read)):
            for port, pieces in read.items():
                sent, came = join(wrote[port]), join(pieces)
                if sent[: len(came)] != came:
                    found.append(f"{what} on {port}: sent {sent!r}, came {came!r}")
        return found


def line(number: int) -> bytes:
    return b"%d:%s\n" % (number, b"abcdefghij" * (number % 4))


class Streams:
    """Over bare streams. `is_patient` clients give up on an answer after a while; others wait for ever, as careless ones do."""

    def __init__(self, *, is_patient: bool) -> None:
        self.ledger = Ledger()
        self.is_patient = is_patient

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        port = writer.get_extra_info("peername")[1]
        while data := await reader.read(64):
            self.ledger.server_read[port].append(data)
            self.ledger.server_wrote[port].append(data)
            writer.write(data)
            await writer.drain()

    async def main(self, world: ServedWorld) -> int:
        """Have each line echoed, one a second, however often it takes; returns how many connections that took."""
        number = 0
        while number < ROUNDS:
            try:
                async with asyncio.timeout(PATIENCE_S):
                    reader, writer = await asyncio.open_connection(HOST, PORT, ssl=True)
            except OSError:
                await world.sleep(0.5)
                continue
            try:
                number = await self.talk(world, reader, writer, number)
            except (OSError, EOFError):
                await world.sleep(0.5)
            finally:
                writer.close()
        if self.is_patient:
            await world.healed()
        return world.connections(STREAM).opened

    async def talk(self, world: ServedWorld, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, number: int) -> int:
        port = writer.get_extra_info("sockname")[1]
        while number < ROUNDS:
            self.ledger.client_wrote[port].append(line(number))
            writer.write(line(number))
            left = len(line(number))
            while left:
                data = await self.read(reader, left)
                if not data:
                    raise EOFError
                self.ledger.client_read[port].append(data)
                left -= len(data)
            number += 1
            await world.sleep(1)
        return number

    async def read(self, reader: asyncio.StreamReader, count: int) -> bytes:
        if not self.is_patient:
            return await reader.read(count)  # a hang waits here
        async with asyncio.timeout(PATIENCE_S):
            return await reader.read(count)


class Sockets:
    """Over websockets, which notices a dead line by its own pings."""

    def __init__(self) -> None:
        self.ledger = Ledger()

    async def serve(self, connection: ServerConnection) -> None:
        port = connection.remote_address[1]
        async for message in connection:
            self.ledger.server_read[port].append(message)
            self.ledger.server_wrote[port].append(message)
            await connection.send(message)

    async def main(self, world: ServedWorld) -> int:
        number = 0
        while number < ROUNDS:
            try:
                async with connect(SOCKET, open_timeout=PATIENCE_S, ping_interval=2, ping_timeout=2, close_timeout=1) as connection:
                    number = await self.talk(world, connection, number)
            except (OSError, EOFError, WebSocketException):
                await world.sleep(0.5)
        await world.healed()
        return world.connections(SOCKET).opened

    async def talk(self, world: ServedWorld, connection: ClientConnection, number: int) -> int:
        port = connection.local_address[1]
        try:
            while number < ROUNDS:
                self.ledger.client_wrote[port].append(f"message {number}")
                await connection.send(f"message {number}")
                self.ledger.client_read[port].append(await connection.recv())
                number += 1
                await world.sleep(1)
        except ConnectionClosed:
            await world.sleep(0.5)
        return number
