"""Files in a bucket that speaks S3, read through pyarrow: listed, and opened, before virtual time begins.

Keys come from where other programs have them too, never from a scenario, and are in no message: the `AWS_…` variables, a profile, or the
role of the machine where `AWS_EC2_METADATA_DISABLED=false` says that it has one (asking for one that is not there takes seconds).
"""

from __future__ import annotations

import errno
import io
import os
import re
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path, PurePosixPath
from typing import IO, Any, Final, Literal
from urllib.parse import urlsplit

import msgspec

from papertape.model.errors import ConfigError, PapertapeError, TapeError
from papertape.tape.files import BUCKETS

_BUFFER_BYTES: Final = 4 << 20  # asked for at a time; each question takes some 50 ms
_WILD: Final = re.compile(r"[*?\[]")
_CHAINED: Final = (
    "AWS_PROFILE", "AWS_DEFAULT_PROFILE", "AWS_SHARED_CREDENTIALS_FILE", "AWS_WEB_IDENTITY_TOKEN_FILE",
    "AWS_CONTAINER_CREDENTIALS_RELATIVE_URI", "AWS_CONTAINER_CREDENTIALS_FULL_URI",
)  # fmt: skip
"""Variables that say that the library will find keys by itself."""

_TRUE: Final = ("1", "true", "yes", "on")
_STRANGERS: Final = ("invalidaccesskeyid", "signaturedoesnotmatch", "invalidtoken", "expiredtoken", "unrecognizedclient")
_SECRET: Final = ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN")


class Settings(msgspec.Struct, frozen=True):
    """How a bucket is reached.

    Attributes:
        endpoint: an URL; empty for AWS itself.
        region: empty if nobody says.
        keys: (id, secret, token), each empty where there is none; None where the library looks for them.
    """

    endpoint: str
    region: str
    is_anonymous: bool
    keys: tuple[str, str, str] | None


def settings(endpoint: str | None, region: str | None, anonymous: bool | None, environment: Mapping[str, str]) -> Settings:
    """What a scenario says, and else the environment. Raises `ConfigError` where there are no keys and none are to be done without.

    >>> settings(None, None, True, {"AWS_REGION": "eu-west-1", "AWS_ENDPOINT_URL": "http://127.0.0.1:9000"})
    Settings(endpoint='http://127.0.0.1:9000', region='eu-west-1', is_anonymous=True, keys=None)
    """

    def first(*names: str) -> str:
        return next((environment[name] for name in names if environment.get(name)), "")

    if anonymous is None:
        anonymous = first("AWS_NO_SIGN_REQUEST", "AWS_SKIP_SIGNATURE").lower() in _TRUE
    at = endpoint or first("AWS_ENDPOINT_URL_S3", "AWS_ENDPOINT_URL")
    check_endpoint(at, "the variable AWS_ENDPOINT_URL")
    where = region or first("AWS_REGION", "AWS_DEFAULT_REGION")
    found = tuple(environment.get(name, "") for name in _SECRET)
    if not anonymous and bool(found[0]) != bool(found[1]):
        there, missing = _SECRET[:2] if found[0] else _SECRET[1::-1]
        raise ConfigError(f"the variable {there} is set and {missing} is not; a bucket wants both, or anonymous = true")
    if anonymous or not found[0]:
        if not anonymous and not _may_find_keys(environment):
            raise ConfigError(
                "there are no credentials for the bucket: set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or AWS_PROFILE; say "
                "anonymous = true if anybody may read it; on a machine whose role may, set AWS_EC2_METADATA_DISABLED=false"
            )
        return Settings(at, where, anonymous, None)
    return Settings(at, where, False, (found[0], found[1], found[2]))


def check_endpoint(text: str, called: str) -> None:
    """Raise `ConfigError` unless this is nothing, or an address without credentials, which are not shown."""
    url = urlsplit(text)
    if url.username or url.password:
        raise ConfigError(
            f"{called} holds credentials, which belong into AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY; expected an address alone"
        )
    if text and (url.scheme not in ("http", "https") or not url.hostname):
        raise ConfigError(f'{called} holds "{text}"; expected an address such as "https://s3.example.com" or "http://127.0.0.1:9000"')


def _may_find_keys(environment: Mapping[str, str]) -> bool:
    if any(environment.get(name) for name in _CHAINED) or environment.get("AWS_EC2_METADATA_DISABLED", "").lower() == "false":
        return True
    return any((Path(environment.get("HOME") or "~").expanduser() / ".aws" / name).is_file() for name in ("credentials", "config"))


class Bucket:
    """One bucket, reached as `told` says.

    Args:
        environment: where keys may be; what is secret in it is in no message.
    """

    def __init__(self, name: str, told: Settings, environment: Mapping[str, str] = os.environ) -> None:
        self.name = name
        self._told = told
        self._secrets = [environment[key] for key in _SECRET if environment.get(key)]
        self._ca = environment.get("AWS_CA_BUNDLE") or None
        self._store: Any = None

    @property
    def store(self) -> Any:
        """The `pyarrow.fs.S3FileSystem`, made when it is asked for first."""
        if self._store is None:
            try:
                from pyarrow.fs import AwsStandardS3RetryStrategy, S3FileSystem, resolve_s3_region
            except ImportError:
                raise ConfigError(
                    f"{BUCKETS}{self.name}: this pyarrow was built without S3; `pip install pyarrow` brings one with it"
                ) from None

            told = self._told
            url = urlsplit(told.endpoint) if told.endpoint else None
            more: dict[str, Any] = {} if url is None else {"endpoint_override": url.netloc + url.path.rstrip("/"), "scheme": url.scheme}
            region = told.region or ("us-east-1" if url is not None else "")
            try:
                if not region:
                    region = resolve_s3_region(self.name)
                more |= {"region": region}
                more |= {"anonymous": True} if told.is_anonymous else {}
                if told.keys is not None:
                    more |= {"access_key": told.keys[0], "secret_key": told.keys[1], "session_token": told.keys[2] or None}
                more |= {"tls_ca_file_path": self._ca} if self._ca is not None else {}
                retries = AwsStandardS3RetryStrategy(max_attempts=3)
                self._store = S3FileSystem(connect_timeout=5, request_timeout=30, retry_strategy=retries, **more)
            except OSError as error:
                raise self.problem(error, f"{BUCKETS}{self.name}") from None
        return self._store

    def find(self, pattern: str, *, takes_folders: bool = False) -> list[Remote]:
        """The objects that a path within the bucket names, sorted; with wildcards all that fit.

        With `takes_folders` a folder's name stands for all below it.

        Raises `TapeError` where the bucket is not there or does not let itself be read.
        """
        parts = [part for part in pattern.split("/") if part]
        try:
            found = list(self._walk([], parts, takes_folders))
            if not found:
                self._must_exist()
        except OSError as error:
            raise self.problem(error, f"{BUCKETS}{self.name}/{pattern}") from None
        return sorted(found, key=lambda each: each.key)

    def _must_exist(self) -> None:
        """Raise unless there is such a bucket; one that may be read but not looked at counts as there."""
        from pyarrow import fs

        if self.store.get_file_info(self.name).type == fs.FileType.NotFound:
            raise TapeError(f"{BUCKETS}{self.name}: there is no such bucket at {self._host}; mend its name, or the endpoint.")

    def _walk(self, done: Sequence[str], parts: Sequence[str], takes_folders: bool) -> Iterator[Remote]:
        from pyarrow import fs

        fixed = next((at for at, part in enumerate(parts) if _WILD.search(part)), len(parts))
        base = "/".join([self.name, *done, *parts[:fixed]])
        if fixed == len(parts):
            info = self.store.get_file_info(base)
            if info.type == fs.FileType.File:
                yield Remote(self, info.path.partition("/")[2], info.size, info.mtime_ns or 0)
            elif info.type == fs.FileType.Directory and not takes_folders:
                raise TapeError(f"{BUCKETS}{base}: is a folder; expected files, such as {BUCKETS}{base}/*")
            elif info.type == fs.FileType.Directory:
                yield from self._below(base, lambda name: True)
            return
        wild = "/".join(parts[fixed:])
        if "**" in wild or fixed == len(parts) - 1:
            yield from self._below(base, re.compile(_regex(wild)).fullmatch, is_deep="**" in wild)
            return
        for info in self.store.get_file_info(fs.FileSelector(base, allow_not_found=True)):
            if info.type == fs.FileType.Directory and re.fullmatch(_regex(parts[fixed]), info.base_name):
                yield from self._walk([*done, *parts[:fixed], info.base_name], parts[fixed + 1 :], takes_folders)

    def _below(self, base: str, fits: Any, *, is_deep: bool = True) -> Iterator[Remote]:
        from pyarrow import fs

        for info in self.store.get_file_info(fs.FileSelector(base, recursive=is_deep, allow_not_found=True)):
            if info.type == fs.FileType.File and fits(info.path[len(base) :].lstrip("/")):
                yield Remote(self, info.path.partition("/")[2], info.size, info.mtime_ns or 0)

    @property
    def _host(self) -> str:
        return self._told.endpoint or "AWS"

    def problem(self, error: Exception, what: str) -> PapertapeError:
        """One sentence of what the store, or the way to it, said; without what is secret."""
        said = " ".join(str(error).split())
        lower = (said.partition("AWS Error")[2] or said).lower().replace("_", "")  # names may say anything
        if any(word in lower for word in ("networkconnection", "curlcode", "timeout", "could not resolve", "couldn't connect")):
            return TapeError(f"{what}: {self._host} does not answer; is the endpoint right (`endpoint`, AWS_ENDPOINT_URL), and is it up?")
        if "nosuchbucket" in lower or "bucket does not exist" in lower or re.search("bucket '.*' not found", lower):
            return TapeError(f"{what}: there is no such bucket at {self._host}; mend its name, or the endpoint.")
        if any(
            word in lower for word in ("invalidaccesskeyid", "signaturedoesnotmatch", "invalidtoken", "expiredtoken", "unrecognizedclient")
        ):
            return TapeError(
                f"{what}: {self._host} does not know the credentials; look at AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY, AWS_SESSION_TOKEN."
            )
        if any(word in lower for word in ("accessdenied", "forbidden", "403", "401")):
            who = "anybody without credentials" if self._told.is_anonymous else "whom the credentials belong to"
            return TapeError(f"{what}: {self._host} does not let {who} read it; ask for access to it, or use other credentials.")
        if any(word in lower for word in ("permanentredirect", "authorizationheadermalformed", "301", "illegallocationconstraint")):
            return TapeError(f"{what}: the bucket is in another region than {self._told.region or 'us-east-1'}; say it by `region`.")
        if "nosuchkey" in lower or "404" in lower or "path does not exist" in lower:
            return TapeError(f"{what}: there is no such object; was it deleted meanwhile?")
        for secret in self._secrets:
            said = said.replace(secret, "…")
        return TapeError(f"{what}: does not read: {said[:300]}")


class Remote:
    """An object in a bucket: a `Place`.

    Attributes:
        key: its path within the bucket.
        size: bytes.
        changed_ns: when it was written last, nanoseconds since 1970-01-01 UTC.
    """

    def __init__(self, bucket: Bucket, key: str, size: int, changed_ns: int) -> None:
        self.key = key
        self.size = size
        self.changed_ns = changed_ns
        self._bucket = bucket
        self._path = PurePosixPath(key)

    @property
    def name(self) -> str:
        return self._path.name

    @property
    def suffix(self) -> str:
        return self._path.suffix

    @property
    def suffixes(self) -> Sequence[str]:
        return self._path.suffixes

    @property
    def parent(self) -> PurePosixPath:
        return self._path.parent

    def __str__(self) -> str:
        return f"{BUCKETS}{self._bucket.name}/{self.key}"

    def as_posix(self) -> str:
        return str(self)

    def version(self) -> str:
        """Its ETag: another where the content is another; empty where the store has none."""
        try:
            with self._bucket.store.open_input_file(f"{self._bucket.name}/{self.key}") as file:
                told = file.metadata() or {}
        except OSError as error:
            raise self._bucket.problem(error, str(self)) from None
        return next((value.decode("utf-8", "replace") for key, value in told.items() if key.lower() == "etag"), "")

    def open(self, mode: Literal["rb"], /) -> IO[bytes]:
        return _Ahead(_Object(self._bucket, self), _BUFFER_BYTES)


class _Ahead(io.BufferedReader):
    """Fills its whole buffer also for who asks for what is at hand, as a reader of text does, 8 kB at a time."""

    def read1(self, size: int = -1, /) -> bytes:
        self.peek(1)
        return super().read1(size)


class _Object(io.RawIOBase):
    """An object's bytes; whatever the store says against it is told in our words."""

    def __init__(self, bucket: Bucket, remote: Remote) -> None:
        self._bucket = bucket
        self._remote = remote
        try:
            self._file = bucket.store.open_input_file(f"{bucket.name}/{remote.key}")
        except OSError as error:
            raise bucket.problem(error, str(remote)) from None

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def close(self) -> None:
        if not self.closed:
            self._file.close()
        super().close()

    def tell(self) -> int:
        at: int = self._file.tell()
        return at

    def seek(self, offset: int, whence: int = io.SEEK_SET, /) -> int:
        at: int = offset + {io.SEEK_SET: 0, io.SEEK_CUR: self._file.tell(), io.SEEK_END: self._remote.size}[whence]
        if at < 0:
            raise OSError(errno.EINVAL, os.strerror(errno.EINVAL))  # as any file says it; pyarrow's own error is none of those
        self._file.seek(at)
        return at

    def readall(self) -> bytes:
        return self._read(-1)

    def _read(self, size: int) -> bytes:
        try:
            data: bytes = self._file.read(None if size < 0 else size)
        except OSError as error:
            raise self._bucket.problem(error, str(self._remote)) from None
        return data

    def readinto(self, buffer: Any) -> int:
        data = self._read(len(buffer))
        buffer[: len(data)] = data
        return len(data)


_TOKENS: Final = re.compile(r"\*\*/|\*\*|\*|\?|\[[!^]?[^\]]+\]|.")
_MEANS: Final = {"**/": "(?:[^/]+/)*", "**": ".*", "*": "[^/]*", "?": "[^/]"}


def _regex(pattern: str) -> str:
    """A pattern of file names as a regular expression: `*` stays within a folder, `**` does not.

    >>> _regex("2026-*/**/[!a]?.csv")
    '2026\\\\-[^/]*/(?:[^/]+/)*[^a][^/]\\\\.csv'
    """
    parts = []
    for token in _TOKENS.findall(pattern):
        if len(token) > 1 and token[0] == "[":
            inner = token[1:-1].replace("\\", "\\\\")
            parts.append(f"[^{inner[1:]}]" if inner[0] in "!^" else f"[{inner}]")
        else:
            parts.append(_MEANS.get(token) or re.escape(token))
    return "".join(parts)
