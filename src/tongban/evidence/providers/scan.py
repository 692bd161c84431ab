"""Scanners (病毒扫描): clamd over its own protocol, and a twin for demo and tests that can be clean, slow or away.

Which one: the setting `scanner`, `clamd://host:port` or `clamd:///run/clamd.sock`; `demo`, `demo:slow`, `demo:away`. Without
the setting a demo node has the twin and another node none: its files say so (`scan` = none).
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterable
from typing import Literal
from urllib.parse import urlsplit

from tongban.evidence.providers import ScannerAway

MARK = b"$EICAR-STANDARD-ANTIVIRUS-TEST-FILE!"
"""What every scanner calls infected by agreement (EICAR test file), and the twin too."""
_PIECE = 64 * 1024


class ClamdScanner:
    """clamd's INSTREAM (clamd 扫描): pieces with their length in front, an empty one at the end, one line back."""

    def __init__(self, url: str) -> None:
        parts = urlsplit(url)
        self._host, self._port, self._path = parts.hostname or "", parts.port or 3310, parts.path

    async def scan(self, content: AsyncIterable[bytes]) -> Literal["clean", "infected"]:
        """Ask clamd. Raises ScannerAway for a closed door, a limit of the scanner's, or words it does not use."""
        try:
            reader, writer = await self._open()
        except OSError as error:
            raise ScannerAway from error
        try:
            writer.write(b"zINSTREAM\0")
            async for part in content:
                for start in range(0, len(part), _PIECE):
                    piece = part[start : start + _PIECE]
                    writer.write(len(piece).to_bytes(4, "big") + piece)
                    await writer.drain()
            writer.write(bytes(4))
            await writer.drain()
            said = (await reader.readuntil(b"\0")).rstrip(b"\0").strip()
        except (OSError, asyncio.IncompleteReadError, asyncio.LimitOverrunError) as error:
            raise ScannerAway from error
        finally:
            writer.close()
        if said.endswith(b" OK"):
            return "clean"
        if said.endswith(b" FOUND"):
            return "infected"
        raise ScannerAway

    async def _open(self) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        if self._host:
            return await asyncio.open_connection(self._host, self._port)
        return await asyncio.open_unix_connection(self._path)


class DemoScanner:
    """The twin (演示扫描): looks for the mark all scanners agree on; `slow` never answers in time, `away` not at all."""

    def __init__(self, mood: str = "") -> None:
        self.mood = mood

    async def scan(self, content: AsyncIterable[bytes]) -> Literal["clean", "infected"]:
        """As a scanner would. Raises ScannerAway when away."""
        if self.mood == "away":
            raise ScannerAway
        if self.mood == "slow":
            await asyncio.Event().wait()
        found, before = False, b""
        async for piece in content:  # to the end, as every scanner: only then is it known to have been whole
            found = found or MARK in before + piece
            before = (before + piece)[-len(MARK) :]
        return "infected" if found else "clean"


def scanner_for(setting: str, *, demo: bool) -> ClamdScanner | DemoScanner | None:
    """The scanner a setting names (选扫描服务); None: this node has none. ValueError for another word."""
    if setting.startswith("clamd://"):
        return ClamdScanner(setting)
    if setting.startswith("demo") and demo:
        return DemoScanner(setting.partition(":")[2])
    if setting:
        raise ValueError("scanner is clamd://host:port, or demo on a demo node")
    return DemoScanner() if demo else None
