"""Which city an address belongs to 地址所在城市: told to the phone before it lets a computer in (identity.md 3, scan).

A hint for the person, never a control: the provider may not know. It learns an address block, nothing else.
"""

from __future__ import annotations

import asyncio
from typing import ClassVar, Protocol

UNKNOWN = ""


class City(Protocol):
    """A table or service that knows address blocks 地址库."""

    async def of(self, address: str) -> str:
        """The city of an address in words, empty when it is not known."""
        ...


class DemoCity:
    """The demo's twin 演示地址库: the own machine is where the node is; documentation blocks (RFC 5737) are elsewhere."""

    BLOCKS: ClassVar[dict[str, str]] = {"203.0.113.": "北京市（演示）", "198.51.100.": "广州市（演示）", "192.0.2.": "成都市（演示）"}

    def __init__(self, here: str, way: str = "works") -> None:
        self.here = here
        self.way = way

    async def of(self, address: str) -> str:
        if self.way == "slow":
            await asyncio.Event().wait()
        if self.way == "fails":
            return UNKNOWN
        return next((city for block, city in self.BLOCKS.items() if address.startswith(block)), self.here)


class NoCity:
    """No table of addresses 没有地址库: no city is known, and signing in by scan goes on."""

    async def of(self, address: str) -> str:  # noqa: ARG002  nothing is looked up
        return UNKNOWN


async def ask(provider: City, address: str, *, seconds: float) -> str:
    """Ask with a deadline; empty when no answer comes in time."""
    try:
        async with asyncio.timeout(seconds):
            return await provider.of(address)
    except TimeoutError:
        return UNKNOWN
