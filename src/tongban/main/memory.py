"""Memory 内存: what a node has freed goes back to the system, so that an operator does not take a high tide for a leak.

The C library keeps an arena for every thread that ever asked, up to eight for each processor, and in each what that thread needed
once at most: a font that was read, an index that was opened. A node has some twenty threads, so 15 MB became 130 MB that nobody
used. Two arenas do: one for the loop, one for all others, who mostly wait for the interpreter anyway. Measured: docs/operate.
"""

from __future__ import annotations

import asyncio
import ctypes
import gc
import os
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from tongban.kernel.node import Node

ARENAS: Final = 2
_M_ARENA_MAX: Final = -8
"""`mallopt`'s number for it (malloc.h of glibc)."""


def few_arenas() -> bool:
    """At most ARENAS from now on (少分区); whether the C library does that. MALLOC_ARENA_MAX in the environment wins."""
    if "MALLOC_ARENA_MAX" in os.environ:
        return False
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None)  # glibc has it, others do without
    return mallopt is not None and bool(mallopt(_M_ARENA_MAX, ARENAS))


def give_back() -> bool:
    """Return what is free to the system now (归还内存); whether the C library can."""
    trim = getattr(ctypes.CDLL(None), "malloc_trim", None)
    return trim is not None and bool(trim(0))


async def tidy(_node: Node) -> None:
    """By the clock: what making documents leaves behind goes, and its memory back to the system (收拾内存).

    Signing and reading PDF leaves rings of objects, 20 to 60 MB of them until the interpreter looks for such by itself, which a node
    that has become quiet does not do. Looking takes a fiftieth of a second.
    """
    await asyncio.to_thread(gc.collect)
    await asyncio.to_thread(give_back)
