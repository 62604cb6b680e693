"""Asks with `requests`, which opens real sockets and waits on them."""

import asyncio

import requests


async def main():
    answer = requests.get("https://api.coinbase.com/api/v3/brokerage/market/products", timeout=10)
    print(answer.status_code)


if __name__ == "__main__":
    asyncio.run(main())
