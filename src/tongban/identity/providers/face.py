"""Face check 人脸核验: is the living person before the camera the one of the register's photo?

The picture goes to the provider in memory and is never stored; kept are result, score band, provider and time
(identity.md 3). Never the only way: the page always offers the hall.
"""

from __future__ import annotations

import asyncio
from typing import Literal, Protocol

import msgspec


class FaceResult(msgspec.Struct, frozen=True):
    """What the provider says: `same` with a band of the score, `other`, or `away` when it cannot say."""

    verdict: Literal["same", "other", "away"]
    band: str = ""
    provider: str = ""


class Face(Protocol):
    """A face check 人脸核验渠道."""

    async def check(self, subject: str, picture: bytes) -> FaceResult:
        """Compare a live picture with the register's photo of `subject`."""
        ...


class DemoFace:
    """The demo's face check 演示人脸核验: looks at no picture; `works` agrees, `fails` does not, `slow` takes too long."""

    def __init__(self, way: str = "works") -> None:
        self.way = way

    async def check(self, subject: str, picture: bytes) -> FaceResult:  # noqa: ARG002  the twin looks at nothing
        if self.way == "fails":
            return FaceResult("other", "低", "演示")
        if self.way == "slow":
            await asyncio.Event().wait()  # never answers: the caller's patience is what is being shown
        return FaceResult("same", "高", "演示")


async def check(provider: Face, subject: str, picture: bytes, *, seconds: float = 4.0) -> FaceResult:
    """Ask the provider with a deadline; `away` when it does not answer in time."""
    try:
        async with asyncio.timeout(seconds):
            return await provider.check(subject, picture)
    except TimeoutError:
        return FaceResult("away")
