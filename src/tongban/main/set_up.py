"""Set-up 开门前: what each room must find in place before the first request; run at every start, does nothing twice."""

from __future__ import annotations

import importlib

from tongban.kernel.node import Node
from tongban.main.rooms import ROOMS


async def set_up(node: Node) -> None:
    """Call `set_up(node)` of every room that offers it, from the ground up (开门前的准备). Needs no other node."""
    for room in ROOMS:
        prepare = getattr(importlib.import_module(f"tongban.{room}"), "set_up", None)
        if prepare is not None:
            await prepare(node)
