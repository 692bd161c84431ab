"""A process of its own that answers one question and stops before the ledger is written, to be killed there (used by test_kill)."""

from __future__ import annotations

import asyncio
import sys

import msgspec

from tongban import consent
from tongban.exchange.actions import serve
from tongban.exchange.model import Asked, Given
from tongban.kernel.node import Node
from tongban.kernel.settings import Settings


def say(word: str) -> None:
    sys.stdout.write(word + "\n")
    sys.stdout.flush()


async def main() -> None:
    settings = msgspec.json.decode(sys.argv[1], type=Settings, dec_hook=lambda kind, value: kind(value))
    question = msgspec.json.decode(sys.argv[2], type=Asked)
    written = consent.record_access

    async def held(*args: object, **more: object) -> object:
        if sys.argv[3] == "before":
            say("before")
            await asyncio.Event().wait()
        line = await written(*args, **more)  # type: ignore[arg-type]
        say("written")
        await asyncio.Event().wait()
        return line

    consent.record_access = held  # type: ignore[assignment]
    async with Node.open(settings) as node:
        got = await serve(node, "500000", question)
        say("answered" if isinstance(got, Given) else "refused")


asyncio.run(main())
