"""Voice print 声纹: does the provider say that the same person speaks? Optional, off until the person agrees separately.

The template stays at the provider; kept here is its reference (identity.md 3). Reaches level 2 and is never the only way
onto a new device.
"""

from __future__ import annotations

import asyncio
import secrets
from typing import Literal, Protocol

import msgspec


class VoiceResult(msgspec.Struct, frozen=True):
    """What the provider says: `same`, `other`, or `away` when it cannot say. `reference` after taking a template."""

    verdict: Literal["same", "other", "away"]
    reference: str = ""


class Voice(Protocol):
    """A voice-print provider 声纹渠道. It learns a reference and a recording, no name, no number."""

    name: str

    async def enrol(self, recording: bytes) -> VoiceResult:
        """Keep a template of this voice; its reference."""
        ...

    async def check(self, reference: str, recording: bytes) -> VoiceResult:
        """Compare a recording with a template."""
        ...

    async def forget(self, reference: str) -> None:
        """Delete a template."""
        ...


class DemoVoice:
    """The demo's twin 演示声纹: hears nothing; `works` agrees, `fails` does not, `slow` never answers."""

    name = "演示声纹"

    def __init__(self, way: str = "works") -> None:
        self.way = way

    async def enrol(self, recording: bytes) -> VoiceResult:  # noqa: ARG002  the twin hears nothing
        return await self._say(secrets.token_urlsafe(12))

    async def check(self, reference: str, recording: bytes) -> VoiceResult:  # noqa: ARG002  the twin hears nothing
        return await self._say("")

    async def forget(self, reference: str) -> None:  # noqa: ARG002  nothing is kept
        return

    async def _say(self, reference: str) -> VoiceResult:
        if self.way == "slow":
            await asyncio.Event().wait()
        return VoiceResult("other" if self.way == "fails" else "same", reference)


async def enrol(provider: Voice, recording: bytes, *, seconds: float) -> VoiceResult:
    """Take a template with a deadline; `away` when no answer comes in time."""
    try:
        async with asyncio.timeout(seconds):
            return await provider.enrol(recording)
    except TimeoutError:
        return VoiceResult("away")


async def check(provider: Voice, reference: str, recording: bytes, *, seconds: float) -> VoiceResult:
    """Compare with a deadline; `away` when no answer comes in time."""
    try:
        async with asyncio.timeout(seconds):
            return await provider.check(reference, recording)
    except TimeoutError:
        return VoiceResult("away")
