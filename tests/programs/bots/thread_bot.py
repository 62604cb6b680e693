"""Prices in a thread of its own: nobody can say when that runs, so no run of it could be repeated."""

import asyncio
import threading


def price_forever():
    while True:
        pass


async def main():
    threading.Thread(target=price_forever, daemon=True).start()
    await asyncio.sleep(1)


if __name__ == "__main__":
    asyncio.run(main())
