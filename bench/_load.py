"""A small load generator: fixed requests over keep-alive connections on loopback, bounded in time, stopping by itself."""

from __future__ import annotations

import asyncio
import os
import time
from pathlib import Path


def cpu_seconds(pid: int) -> float:
    """User and system seconds of a process so far."""
    fields = Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def tree_seconds(pid: int) -> float:
    """The same of a process and the children it has now."""
    born = " ".join(one.read_text() for one in Path(f"/proc/{pid}/task").glob("*/children")).split()
    return cpu_seconds(pid) + sum(cpu_seconds(int(one)) for one in born)


def resident_mb(pid: int) -> float:
    """Resident memory of a process in MB (10^6 bytes)."""
    for line in Path(f"/proc/{pid}/status").read_text().splitlines():
        if line.startswith("VmRSS:"):
            return int(line.split()[1]) * 1024 / 1e6
    return 0.0


async def _one(port: int, request: bytes, end: float, count: list[int]) -> None:
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    try:
        while time.perf_counter() < end:
            writer.write(request)
            head = await reader.readuntil(b"\r\n\r\n")
            lower = head.lower()
            if not head.startswith(b"HTTP/1.1 200"):
                raise RuntimeError(head.split(b"\r\n", 1)[0].decode())
            start = lower.index(b"content-length:") + 15
            await reader.readexactly(int(lower[start : lower.index(b"\r\n", start)]))
            count[0] += 1
    finally:
        writer.close()


async def load(url_host: str, port: int, path: str, *, seconds: float = 3.0, connections: int = 32) -> tuple[int, float]:
    """(answers, seconds) for GET `path` over `connections` connections."""
    request = (
        f"GET {path} HTTP/1.1\r\nHost: {url_host}:{port}\r\nAccept: text/html\r\nAccept-Encoding: gzip\r\nAccept-Language: zh-CN\r\n\r\n"
    ).encode()
    count = [0]
    started = time.perf_counter()
    await asyncio.gather(*(_one(port, request, started + seconds, count) for _ in range(connections)))
    return count[0], time.perf_counter() - started
