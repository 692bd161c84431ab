"""Questions for bench verify-http from a process of its own: codes on standard input, one a request over so many open connections.

Prints the seconds it took and how many answers said `valid`.
"""

from __future__ import annotations

import asyncio
import sys
import time

import uvloop


async def _one(port: int, key: str, waiting: list[str]) -> int:
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    good = 0
    while waiting:
        body = b'{"code":"%s"}' % waiting.pop().encode()
        head = f"POST /api/verify HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\nContent-Type: application/json\r\nAuthorization: Bearer {key}\r\nContent-Length: {len(body)}\r\n\r\n"
        writer.write(head.encode() + body)
        answer = (await reader.readuntil(b"\r\n\r\n")).lower()
        start = answer.index(b"content-length:") + 15
        said = await reader.readexactly(int(answer[start : answer.index(b"\r\n", start)]))
        good += b'"verdict":"valid"' in said
    writer.close()
    return good


async def main(port: int, key: str, connections: int) -> None:
    waiting = sys.stdin.read().split("\n")
    begin = time.perf_counter()
    good = await asyncio.gather(*(_one(port, key, waiting) for _ in range(connections)))
    print(time.perf_counter() - begin, sum(good))


uvloop.run(main(int(sys.argv[1]), sys.argv[2], int(sys.argv[3])))
