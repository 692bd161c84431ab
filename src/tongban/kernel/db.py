"""Database 数据库: one pool, one place where transactions open."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any

import asyncpg
import msgspec

from tongban.kernel.log import log, log_failure

if TYPE_CHECKING:
    from asyncpg.pool import PoolConnectionProxy

    Tx = asyncpg.Connection[Any] | PoolConnectionProxy[Any]
    _Connection = asyncpg.Connection[Any]
else:
    Tx = _Connection = asyncpg.Connection

BELL_CHANNEL = "tongban_bell"
CONNECTION_SECONDS = 30.0
"""How long anybody waits for a connection of the pool; a turn that needs a second one while it holds the last gives up, and all go on."""
CLOSING_SECONDS = 10.0
"""How long closing waits for connections that somebody still has; then they are cut, and the server undoes what they had begun."""
LISTENING_SECONDS = 60.0
"""How long the connection that listens may be silent before it is asked whether it is there."""
_json = msgspec.json.Encoder()


async def _prepare(connection: asyncpg.Connection[Any]) -> None:
    await connection.set_type_codec(
        "jsonb", encoder=lambda value: _json.encode(value).decode(), decoder=msgspec.json.decode, schema="pg_catalog"
    )
    await connection.set_type_codec("uuid", encoder=str, decoder=str, schema="pg_catalog", format="text")


class _Plain(_Connection):
    """A pooled connection that is given back without a statement: nothing of ours outlives its transaction.

    No verb sets a session variable, takes a session lock or listens on the pool; an open transaction is still rolled back.
    """

    def get_reset_query(self) -> str:
        return ""


class Database:
    """The node's PostgreSQL (节点数据库). Verbs get a `Tx` and never commit; doors open the transaction here.

    jsonb columns take and give Python values, uuid columns take and give str, timestamptz is aware UTC.
    """

    def __init__(self, pool: asyncpg.Pool[Any], url: str) -> None:
        self._pool = pool
        self.url = url

    @classmethod
    async def open(cls, url: str, *, size: int = 10) -> Database:
        """Connect; raises OSError or asyncpg's errors when the server cannot be reached."""
        pool = await asyncpg.create_pool(
            url, min_size=1, max_size=size, init=_prepare, command_timeout=30, max_inactive_connection_lifetime=120, connection_class=_Plain,
            # the house has some hundred statements: with fewer kept, the clocks would push out those of sign-ins again and again
            statement_cache_size=600, max_cached_statement_lifetime=3600,
        )  # fmt: skip
        return cls(pool, url)

    async def close(self) -> None:
        """Close all connections (关闭). One that is not given back in time is cut: a node that ends waits for nobody for ever."""
        try:
            async with asyncio.timeout(CLOSING_SECONDS):
                await self._pool.close()
        except TimeoutError:
            self._pool.terminate()
            log("kernel.pool_cut", level=logging.WARNING)

    @asynccontextmanager
    async def transaction(self) -> AsyncIterator[Tx]:
        """One business transaction (事务): commits at the end, rolls back on any exception."""
        async with self._connection() as connection, connection.transaction():
            yield connection

    @asynccontextmanager
    async def reading(self) -> AsyncIterator[Tx]:
        """A connection for looking without touching (只读): each statement sees what is committed."""
        async with self._connection() as connection:
            yield connection

    @asynccontextmanager
    async def alone(self) -> AsyncIterator[Tx]:
        """A connection on which each statement is a transaction of its own (一句一事务): for verbs that need just one."""
        async with self._connection() as connection:
            yield connection

    @asynccontextmanager
    async def _connection(self) -> AsyncIterator[Tx]:
        """One of the pool; TimeoutError when none became free in time: nobody waits for ever for whoever waits for him."""
        async with asyncio.timeout(CONNECTION_SECONDS):
            connection = await self._pool.acquire()
        try:
            yield connection
        finally:
            await self._pool.release(connection)

    async def listen(self, channel: str, heard: Callable[[str], None], stop: asyncio.Event) -> None:
        """Call `heard` with each NOTIFY payload on `channel` until `stop` is set; reconnects by itself.

        Only a wake-up: whoever listens also looks by the clock (architecture.md 14).
        """
        while not stop.is_set():
            try:
                connection = await asyncpg.connect(self.url)
                try:
                    gone = asyncio.Event()
                    connection.add_termination_listener(lambda _c, gone=gone: gone.set())
                    await connection.add_listener(channel, lambda _c, _p, _ch, payload: heard(str(payload)))
                    heard("*")
                    while not stop.is_set() and not gone.is_set():
                        await _first(stop.wait(), gone.wait(), asyncio.sleep(LISTENING_SECONDS))
                        if not stop.is_set() and not gone.is_set():
                            await connection.execute("SELECT 1", timeout=10)  # a line that was cut without a word looks like a quiet one
                finally:
                    await connection.close(timeout=2)
            except Exception as error:  # noqa: BLE001  whatever ended it, somebody must listen; it is logged
                log_failure("kernel.listen_lost", error)
                await _first(stop.wait(), asyncio.sleep(1))
        log("kernel.listen_ended")


async def _first(*waits: Awaitable[object]) -> None:
    tasks = [asyncio.ensure_future(one) for one in waits]
    try:
        await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
    finally:
        for task in tasks:
            task.cancel()


async def ring(tx: Tx, bell: str) -> None:
    """Wake whoever waits for `bell` in any process of this node, at commit (敲钟)."""
    await tx.execute(f"SELECT {ringing('$1')}", bell)


def ringing(bell: str) -> str:
    """The SQL expression that rings, for a statement that is on its way anyway; `bell` is SQL: a parameter or a literal."""
    return f"pg_notify('{BELL_CHANNEL}', {bell})"
