"""Talks to Coinbase with no library of anybody's for it: websockets for the streams, aiohttp for REST, and its own signatures."""

import asyncio
import json
import os
import secrets
import time

import aiohttp
import jwt
import websockets

HOST, API = "api.coinbase.com", "/api/v3/brokerage"
KEY, SECRET = os.environ["COINBASE_API_KEY"], os.environ["COINBASE_API_SECRET"].replace("\\n", "\n")


def token(uri=None):
    now = int(time.time())
    claims = {"sub": KEY, "iss": "cdp", "nbf": now, "exp": now + 120} | ({"uri": uri} if uri else {})
    return jwt.encode(claims, SECRET, "ES256", {"kid": KEY, "nonce": secrets.token_hex()})


async def ask(session, method, path, body=None):
    headers = {"Authorization": f"Bearer {token(f'{method} {HOST}{API}{path}')}"}
    async with session.request(method, f"https://{HOST}{API}{path}", json=body, headers=headers) as response:
        response.raise_for_status()
        return await response.json()


async def told(stream, what):
    async for text in stream:
        for event in json.loads(text).get("events", []):
            for row in event.get(what, []):
                yield row


async def wait_for(stream, order_id, status):
    return await anext(row async for row in told(stream, "orders") if (row["order_id"], row["status"]) == (order_id, status))


async def main():
    async with aiohttp.ClientSession() as session, websockets.connect("wss://advanced-trade-ws-user.coinbase.com") as user:
        for channel in ("heartbeats", "user"):
            await user.send(json.dumps({"type": "subscribe", "channel": channel, "jwt": token()}))
        async with websockets.connect("wss://advanced-trade-ws.coinbase.com") as market:
            await market.send(json.dumps({"type": "subscribe", "channel": "ticker", "product_ids": ["BTC-USD"]}))
            ticker = await anext(told(market, "tickers"))
        limit = {"base_size": "0.01", "limit_price": str(int(float(ticker["best_bid"])) - 500), "post_only": True}
        wish = {"client_order_id": secrets.token_hex(16), "product_id": "BTC-USD", "side": "BUY"}
        made = await ask(session, "POST", "/orders", wish | {"order_configuration": {"limit_limit_gtc": limit}})
        print("open at", (await wait_for(user, order_id := made["success_response"]["order_id"], "OPEN"))["limit_price"])
        await ask(session, "POST", "/orders/batch_cancel", {"order_ids": [order_id]})
        print("now", (await wait_for(user, order_id, "CANCELLED"))["status"])
        accounts = (await ask(session, "GET", "/accounts"))["accounts"]
        print({account["currency"]: account["available_balance"]["value"] for account in accounts})


if __name__ == "__main__":
    asyncio.run(main())
