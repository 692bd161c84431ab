"""Control 控制: a Unix socket through which a running demo is asked to stop, start or kill one of its nodes."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from pathlib import Path

Command = Callable[[str, str], Awaitable[str]]


class ControlError(Exception):
    """The demo does not answer; the message says how to start it."""


async def listen(path: Path, command: Command) -> asyncio.Server:
    """Answer lines `<verb> <node>` on the socket `path` with one line each."""

    async def one(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        line = (await reader.readline()).decode().strip()
        verb, _, node = line.partition(" ")
        writer.write(((await command(verb, node)) + "\n").encode())
        await writer.drain()
        writer.close()

    path.unlink(missing_ok=True)
    return await asyncio.start_unix_server(one, path=str(path))


async def ask(path: Path, verb: str, node: str) -> str:
    """Ask a running demo. Raises ControlError when none runs."""
    try:
        reader, writer = await asyncio.open_unix_connection(str(path))
    except OSError:
        raise ControlError("No demo is running here. Start it with `make demo`.") from None
    writer.write(f"{verb} {node}\n".encode())
    await writer.drain()
    answer = (await reader.readline()).decode().strip()
    writer.close()
    return answer
