"""HTTP/1.1 from one process to one server: JSON out, bounded bytes back, nothing behind the back.

The clients at hand retry, follow redirects and read bodies of any size by themselves, and cost a
millisecond of Python a request. Here a request goes out once, to the host that was named, within
a time and a size, and all else is decided by whoever asked.
"""

from __future__ import annotations

import asyncio
import base64
import contextlib
import ipaddress
import ssl
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Self
from urllib.parse import unquote, urlsplit
from urllib.request import getproxies_environment, proxy_bypass

from variegate.errors import UsageError

__all__ = ["Address", "Broken", "Connections", "Reply"]

MOST_HEADER = 64 * 2**10


class Broken(Exception):
    """A request that brought no whole reply: refused, reset, too late, cut off, too large."""


class _Stale(Exception):
    """A connection that the server had closed while nobody used it."""


@dataclass(frozen=True, kw_only=True)
class Reply:
    """What came back; names of headers in lower case."""

    status: int
    headers: Mapping[str, str]
    body: bytes


@dataclass(frozen=True, kw_only=True)
class Address:
    """Where a server is: the parts of its base URL.

    Example:
        >>> Address.parse("http://127.0.0.1:8000/v1/").path
        '/v1'
    """

    secure: bool
    host: str
    port: int
    path: str
    query: str = field(repr=False)  # some servers want a key there

    @classmethod
    def parse(cls, url: str) -> Self:
        """Take a base URL apart.

        Raises:
            UsageError: no http or https URL with a host, or one that holds a login.
        """
        try:
            parts = urlsplit(url)
            port = parts.port
        except ValueError:
            parts, port = urlsplit(""), None
        if "@" in parts.netloc:
            raise UsageError(
                "Expected a base URL without a login in it.",
                hint="Keys come from the environment: name the variable in key_env.",
            )
        sound = url.isascii() and url.isprintable() and " " not in url
        if parts.scheme not in ("http", "https") or not parts.hostname or not sound:
            raise UsageError(
                "Expected a base URL like 'https://host/v1', "
                f"got one of the scheme {parts.scheme or 'none'!r}.",
                hint="Name scheme and host; /chat/completions is added to its path.",
            )
        secure = parts.scheme == "https"
        return cls(
            secure=secure,
            host=parts.hostname,
            port=port or (443 if secure else 80),
            path=parts.path.rstrip("/"),
            query=parts.query,
        )

    @property
    def authority(self) -> str:
        """Host and, where it is not the usual one, port."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return host if self.port == (443 if self.secure else 80) else f"{host}:{self.port}"

    @property
    def local(self) -> bool:
        """Whether it is this machine."""
        if self.host == "localhost":
            return True
        try:
            return ipaddress.ip_address(self.host).is_loopback
        except ValueError:
            return False

    def target(self, path: str) -> str:
        """Path and query of a request."""
        return self.path + path + (f"?{self.query}" if self.query else "")


Pipe = tuple[asyncio.StreamReader, asyncio.StreamWriter]


class Connections:
    """Connections to one server, kept open between requests; used as an async context manager.

    Args:
        address: the server.
        headers: sent with every request, the key among them.
        timeout: seconds of a request in all, from connecting to the last byte.
        most_bytes: of a body.
    """

    def __init__(
        self, address: Address, *, headers: Mapping[str, str], timeout: float, most_bytes: int
    ) -> None:
        self._address, self._timeout, self._most = address, timeout, most_bytes
        self._proxy = _proxy_of(address)
        self._tls = ssl.create_default_context() if address.secure else None
        lines = {
            "Host": address.authority,
            "Accept": "application/json",
            "User-Agent": "variegate",
            **headers,
        }
        self._headers = "".join(f"{name}: {value}\r\n" for name, value in lines.items()).encode()
        self._idle: list[Pipe] = []

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        for _reader, writer in self._idle:
            writer.close()
        self._idle.clear()

    async def send(self, method: str, path: str, body: bytes = b"") -> Reply:
        """Make one request, once.

        Raises:
            Broken: no whole reply came; the words say how far it got, and nothing of its content.
        """
        message = self._head(method, path, len(body)) + body
        try:
            async with asyncio.timeout(self._timeout):
                while self._idle:
                    # A server may close an idle connection just as it is used again: where not
                    # one byte came back, the next is tried.
                    pipe = self._idle.pop()
                    if _unasked(pipe) or pipe[1].is_closing():
                        pipe[1].close()
                        continue
                    with contextlib.suppress(_Stale):
                        return await self._exchange(pipe, message, stale=_Stale)
                return await self._exchange(await self._open(), message, stale=EOFError)
        except TimeoutError:
            raise Broken(f"no whole reply within {self._timeout:g} s") from None
        except ssl.SSLError as error:
            raise Broken(f"the TLS handshake failed: {error.reason}") from None
        except (OSError, EOFError) as error:
            what = getattr(error, "strerror", None) or "the connection was closed"
            raise Broken(f"{what[:1].lower()}{what[1:]} before the reply was whole") from None
        except (ValueError, asyncio.LimitOverrunError):
            raise Broken("the reply was no HTTP") from None

    async def _exchange(self, pipe: Pipe, message: bytes, *, stale: type[Exception]) -> Reply:
        """One request and its reply on one connection, which is kept if it can be used again."""
        reader, writer = pipe
        keep = False
        try:
            writer.write(message)
            try:
                head = await reader.readuntil(b"\r\n\r\n")
            except (asyncio.IncompleteReadError, ConnectionError) as error:
                if getattr(error, "partial", b""):
                    raise
                raise stale from None
            reply, keep = await self._read(head, reader)
            keep = keep and not _unasked(pipe)
            return reply
        finally:
            if keep:
                self._idle.append(pipe)
            else:
                writer.close()

    def _head(self, method: str, path: str, length: int) -> bytes:
        target = self._address.target(path)
        login = b""
        if self._proxy and not self._address.secure:
            target = f"http://{self._address.authority}{target}"
            login = self._proxy.login
        kind = b"Content-Type: application/json\r\n" if length else b""
        start = f"{method} {target} HTTP/1.1\r\n".encode()
        return start + self._headers + login + kind + b"Content-Length: %d\r\n\r\n" % length

    async def _open(self) -> Pipe:
        address, proxy = self._address, self._proxy
        if proxy is None:
            return await asyncio.open_connection(
                address.host, address.port, ssl=self._tls, limit=MOST_HEADER
            )
        reader, writer = await asyncio.open_connection(proxy.host, proxy.port, limit=MOST_HEADER)
        if self._tls is not None:
            where = f"{address.host}:{address.port}"
            ask = f"CONNECT {where} HTTP/1.1\r\nHost: {where}\r\n".encode()
            writer.write(ask + proxy.login + b"\r\n")
            status, _ = _parse_head(await reader.readuntil(b"\r\n\r\n"))
            if status != 200:
                writer.close()
                raise ConnectionError(status, f"the proxy answered {status}")
            await writer.start_tls(self._tls, server_hostname=address.host)
        return reader, writer

    async def _read(self, head: bytes, reader: asyncio.StreamReader) -> tuple[Reply, bool]:
        status, headers = _parse_head(head)
        while status < 200:  # remarks, such as 103
            status, headers = _parse_head(await reader.readuntil(b"\r\n\r\n"))
        keep = "close" not in headers.get("connection", "").lower()
        if status in (204, 304):
            body = b""
        elif "chunked" in headers.get("transfer-encoding", "").lower():
            body = await self._chunks(reader)
        elif "content-length" in headers:
            body = await reader.readexactly(self._fitting(int(headers["content-length"])))
        else:
            body, keep = await self._until_closed(reader), False
        return Reply(status=status, headers=headers, body=body), keep

    async def _chunks(self, reader: asyncio.StreamReader) -> bytes:
        parts: list[bytes] = []
        total = 0
        while size := int((await reader.readuntil(b"\r\n")).partition(b";")[0], 16):
            total = self._fitting(total + size)
            parts.append(await reader.readexactly(size))
            if await reader.readexactly(2) != b"\r\n":
                raise ValueError
        while await reader.readuntil(b"\r\n") != b"\r\n":
            pass  # trailers
        return b"".join(parts)

    async def _until_closed(self, reader: asyncio.StreamReader) -> bytes:
        parts: list[bytes] = []
        total = 0
        while part := await reader.read(2**16):
            total = self._fitting(total + len(part))
            parts.append(part)
        return b"".join(parts)

    def _fitting(self, size: int) -> int:
        if size < 0:
            raise ValueError
        if size > self._most:
            raise Broken(f"the reply is larger than {self._most} bytes")
        return size


def _unasked(pipe: Pipe) -> bool:
    """Whether bytes lie there that would be taken for the answer to the next request."""
    return bool(getattr(pipe[0], "_buffer", b"")) or pipe[0].at_eof()


def _parse_head(head: bytes) -> tuple[int, dict[str, str]]:
    """Status and headers; of two headers with one name the last counts."""
    first, *lines = head.decode("latin-1").split("\r\n")
    version, status = first.split(" ", 2)[:2]
    if not version.startswith("HTTP/1."):
        raise ValueError
    headers = (line.partition(":") for line in lines if line)
    return int(status), {name.strip().lower(): value.strip() for name, _, value in headers}


@dataclass(frozen=True, kw_only=True)
class _Proxy:
    host: str
    port: int
    login: bytes = field(repr=False)


def _proxy_of(address: Address) -> _Proxy | None:
    """The proxy that the environment names for this server; none for this machine itself."""
    proxies = getproxies_environment()
    url = proxies.get("https" if address.secure else "http")
    if not url or address.local or proxy_bypass(address.host):
        return None
    parts = urlsplit(url if "://" in url else f"http://{url}")
    if parts.scheme != "http" or not parts.hostname:
        raise UsageError("Expected an http proxy in HTTPS_PROXY or HTTP_PROXY, got another kind.")
    login = b""
    if parts.username is not None:
        pair = f"{unquote(parts.username)}:{unquote(parts.password or '')}".encode()
        login = b"Proxy-Authorization: Basic " + base64.b64encode(pair) + b"\r\n"
    return _Proxy(host=parts.hostname, port=parts.port or 80, login=login)
