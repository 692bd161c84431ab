"""HTTP client 出站: one aiohttp session, redirects never followed, `.localhost` is this machine (RFC 6761)."""

from __future__ import annotations

import socket
from typing import Any

import aiohttp
from aiohttp.abc import AbstractResolver, ResolveResult

LOOPBACK = "127.0.0.1"


class _Resolver(AbstractResolver):
    """The system's resolver, but names under .localhost are loopback: the C library does not know them."""

    def __init__(self) -> None:
        self._system = aiohttp.ThreadedResolver()

    async def resolve(self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_INET) -> list[ResolveResult]:
        if host == "localhost" or host.endswith(".localhost"):
            return [
                ResolveResult(hostname=host, host=LOOPBACK, port=port, family=socket.AF_INET, proto=0, flags=socket.AI_NUMERICHOST)
            ]
        return await self._system.resolve(host, port, family)

    async def close(self) -> None:
        await self._system.close()


class HttpClient:
    """The way out of a node (出站请求). Made once; `session` is aiohttp's, for streaming and long polls."""

    def __init__(self) -> None:
        self._session: aiohttp.ClientSession | None = None

    @property
    def session(self) -> aiohttp.ClientSession:
        """Aiohttp's session; opened at first use inside the running loop."""
        if self._session is None or self._session.closed:
            connector = aiohttp.TCPConnector(resolver=_Resolver(), limit=400, limit_per_host=200, ttl_dns_cache=30)
            self._session = aiohttp.ClientSession(
                connector=connector,
                timeout=aiohttp.ClientTimeout(total=30, connect=3),
                auto_decompress=True,
                cookie_jar=aiohttp.DummyCookieJar(),
            )
        return self._session

    async def request(
        self, method: str, url: str, *, headers: dict[str, str] | None = None, body: bytes | None = None, seconds: float = 10
    ) -> tuple[int, dict[str, str], bytes]:
        """One request, one answer: (status, headers with lower-case names, body). No redirect is followed.

        Raises aiohttp.ClientError or TimeoutError when there is no answer.
        """
        options: dict[str, Any] = {"timeout": aiohttp.ClientTimeout(total=seconds, connect=min(3.0, seconds))}
        async with self.session.request(method, url, headers=headers, data=body, allow_redirects=False, **options) as answer:
            content = await answer.read()
            return answer.status, {name.lower(): value for name, value in answer.headers.items()}, content

    async def close(self) -> None:
        if self._session is not None:
            await self._session.close()
