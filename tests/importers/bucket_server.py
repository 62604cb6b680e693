"""A store that speaks as much of S3 as reading takes, on loopback: signed requests, listings in pages, ranges, errors as S3 words them."""

from __future__ import annotations

import hashlib
import hmac
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from email.utils import formatdate
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qsl, quote, unquote, urlsplit
from xml.sax.saxutils import escape

KEY, SECRET = "AKIATESTONLY12345678", "not-a-secret-at-all/0123456789+abcdefghi"
PAGE = 3
"""Objects in one page of a listing: few, so that whoever lists has to ask again."""


class Store:
    """What is in it, and what was asked of it.

    Attributes:
        buckets: content by bucket and key.
        public: buckets that anybody may read; of the others only whoever signs with `SECRET`, and of `closed` nobody.
        asked: (method, path, range) of each request.
        sent: bytes of objects that were handed out.
    """

    def __init__(self) -> None:
        self.buckets: dict[str, dict[str, bytes]] = {}
        self.public: list[str] = []
        self.closed: list[str] = []
        self.asked: list[tuple[str, str, str]] = []
        self.sent = 0
        self.endpoint = ""


@contextmanager
def serving() -> Iterator[Store]:
    """A store on a free port, as long as it lasts."""
    store = Store()

    class Handler(_Handler):
        of = store

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    store.endpoint = f"http://127.0.0.1:{server.server_address[1]}"
    thread = threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True)
    thread.start()
    try:
        yield store
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


class _Handler(BaseHTTPRequestHandler):
    of: Store
    protocol_version = "HTTP/1.1"

    def log_message(self, format: str, *args: Any) -> None:
        pass

    def do_HEAD(self) -> None:
        self._answer()

    def do_GET(self) -> None:
        self._answer()

    def _answer(self) -> None:
        self.of.asked.append((self.command, self.path, self.headers.get("Range", "")))
        url = urlsplit(self.path)
        bucket, _, key = unquote(url.path).lstrip("/").partition("/")
        if bucket not in self.of.buckets:
            return self._refuse(404, "NoSuchBucket", "The specified bucket does not exist")
        signed = self.headers.get("Authorization", "")
        if bucket in self.of.closed:
            return self._refuse(403, "AccessDenied", "Access Denied")
        if signed and f"Credential={KEY}/" not in signed:
            return self._refuse(403, "InvalidAccessKeyId", "The AWS Access Key Id you provided does not exist in our records.")
        if signed and not self._is_signed(signed, url):
            return self._refuse(403, "SignatureDoesNotMatch", "The request signature we calculated does not match")
        if not signed and bucket not in self.of.public:
            return self._refuse(403, "AccessDenied", "Access Denied")
        if key:
            return self._object(self.of.buckets[bucket].get(key))
        if self.command == "HEAD":
            return self._send(200, b"", {"x-amz-bucket-region": "us-east-1"})
        return self._listing(self.of.buckets[bucket], dict(parse_qsl(url.query, keep_blank_values=True)))

    def _object(self, content: bytes | None) -> None:
        if content is None:
            return self._refuse(404, "NoSuchKey", "The specified key does not exist.")
        told = {
            "ETag": f'"{hashlib.md5(content, usedforsecurity=False).hexdigest()}"',
            "Last-Modified": formatdate(1_767_571_200, usegmt=True),
        }
        wanted = self.headers.get("Range", "")
        if not wanted:
            return self._send(200, content, told)
        first, _, last = wanted.removeprefix("bytes=").partition("-")
        part = content[int(first) : int(last) + 1 if last else None]
        told["Content-Range"] = f"bytes {first}-{int(first) + len(part) - 1}/{len(content)}"
        self.of.sent += len(part)
        return self._send(206, part, told)

    def _listing(self, objects: dict[str, bytes], asked: dict[str, str]) -> None:
        prefix, apart, after = asked.get("prefix", ""), asked.get("delimiter", ""), asked.get("continuation-token", "")
        keys: list[str] = []
        for key in sorted(objects):
            rest = key.removeprefix(prefix)
            if key.startswith(prefix) and rest:
                keys.append(prefix + rest.split(apart)[0] + apart if apart and apart in rest else key)
        keys = [key for key in dict.fromkeys(keys) if key > after]
        page, rest_of = keys[: min(PAGE, int(asked.get("max-keys", PAGE)))], len(keys) > PAGE
        at = "<LastModified>2026-01-05T00:00:00.000Z</LastModified>"
        rows = [
            f"<CommonPrefixes><Prefix>{escape(key)}</Prefix></CommonPrefixes>"
            if key not in objects
            else f"<Contents><Key>{escape(key)}</Key>{at}<Size>{len(objects[key])}</Size></Contents>"
            for key in page
        ]
        token = f"<NextContinuationToken>{escape(page[-1])}</NextContinuationToken>" if rest_of else ""
        head = f"<Prefix>{escape(prefix)}</Prefix><KeyCount>{len(page)}</KeyCount><IsTruncated>{str(rest_of).lower()}</IsTruncated>{token}"
        self._send(200, f'<?xml version="1.0"?><ListBucketResult>{head}{"".join(rows)}</ListBucketResult>'.encode())

    def _refuse(self, status: int, code: str, words: str) -> None:
        self._send(status, f'<?xml version="1.0"?><Error><Code>{code}</Code><Message>{words}</Message></Error>'.encode())

    def _send(self, status: int, body: bytes, headers: dict[str, str] | None = None) -> None:
        self.send_response(status)
        for name, value in (headers or {}).items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)

    def _is_signed(self, signed: str, url: Any) -> bool:
        """Whether the request is signed (version 4) with our secret."""
        facts = dict(part.strip().partition("=")[::2] for part in signed.partition(" ")[2].split(","))
        _, day, region, service, end = facts["Credential"].split("/")
        names = facts["SignedHeaders"].split(";")
        query = "&".join(f"{quote(k, '-_.~')}={quote(v, '-_.~')}" for k, v in sorted(parse_qsl(url.query, keep_blank_values=True)))
        heads = "".join(f"{name}:{' '.join(self.headers.get(name, '').split())}\n" for name in names)
        request = "\n".join([self.command, url.path, query, heads, facts["SignedHeaders"], self.headers["x-amz-content-sha256"]])
        digest = hashlib.sha256(request.encode()).hexdigest()
        text = "\n".join(["AWS4-HMAC-SHA256", self.headers["x-amz-date"], f"{day}/{region}/{service}/{end}", digest])
        key = f"AWS4{SECRET}".encode()
        for part in (day, region, service, end):
            key = hmac.digest(key, part.encode(), "sha256")
        return hmac.compare_digest(hmac.digest(key, text.encode(), "sha256").hex(), facts["Signature"])
