"""A process of its own that answers one question and stops before or after the ledger is written, to be killed there (used by test_kill)."""

from __future__ import annotations

import asyncio
import sys
from typing import Any

import msgspec

from tongban.exchange.actions import serve
from tongban.exchange.model import Asked, Given
from tongban.kernel.node import Node
from tongban.kernel.parts import Parts
from tongban.kernel.settings import Settings


def say(word: str) -> None:
    sys.stdout.write(word + "\n")
    sys.stdout.flush()


async def main() -> None:
    settings = msgspec.json.decode(sys.argv[1], type=Settings, dec_hook=lambda kind, value: kind(value))
    question = msgspec.json.decode(sys.argv[2], type=Asked)
    run = Parts.run

    async def held(*args: Any, **more: Any) -> Any:
        if sys.argv[3] == "before":
            say("before")
            await asyncio.Event().wait()
        row = await run(*args, **more)
        say("written")
        await asyncio.Event().wait()
        return row

    Parts.run = held  # type: ignore[method-assign]
    async with Node.open(settings) as node:
        got = await serve(node, "500000", question)
        say("answered" if isinstance(got, Given) else "refused")


asyncio.run(main())
