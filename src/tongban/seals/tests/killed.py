"""A process that dies in the middle of sealing 盖到一半断电的进程: run by test_killed with where to die."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
from typing import Any

import msgspec

from tongban.identity.tests.make_staff import officer
from tongban.kernel.gm import FieldCipher
from tongban.kernel.node import Node
from tongban.kernel.settings import Settings
from tongban.seals import actions
from tongban.seals.actions import make, use
from tongban.seals.tests.make_office import FIRST, SECOND


class Order(msgspec.Struct):
    """Where to die, and doing what."""

    point: str
    id: str
    digest: str


def die(*_: Any) -> None:
    os.kill(os.getpid(), signal.SIGKILL)


def _after(holder: Any, name: str) -> None:
    """Die as soon as this has been done."""
    done = getattr(holder, name)

    async def slow(*args: Any, **more: Any) -> Any:
        await done(*args, **more)
        die()

    def quick(*args: Any, **more: Any) -> Any:
        done(*args, **more)
        die()

    setattr(holder, name, slow if asyncio.iscoroutinefunction(done) else quick)


async def run(settings: Settings, order: Order) -> None:
    """Do it, and die where told."""
    places = {
        "signed": (use.signing, "sign_package"), "leaf": (use.transparency, "append"), "key": (make.ses, "make"),
    }  # fmt: skip
    if order.point in places:
        _after(*places[order.point])
    if order.point == "row":
        FieldCipher.seal_bytes = die  # type: ignore[method-assign, assignment]
    async with Node.open(settings) as node:
        async with node.db.transaction() as tx:
            if order.point in {"key", "made"}:
                await actions.make_applied(tx, node, await officer(tx, node, FIRST), order.id)
            else:
                await actions.decide_use(tx, node, await officer(tx, node, SECOND), order.id, order.digest, agree=True)
        die()


if __name__ == "__main__":
    settings, orders = msgspec.json.decode(sys.stdin.buffer.read(), type=tuple[Settings, list[Order]], dec_hook=lambda kind, value: kind(value))
    ends = []
    for one in orders:
        child = os.fork()
        if child == 0:
            asyncio.run(run(settings, one))
            os._exit(0)
        ends.append(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]))
    sys.stdout.write(" ".join(map(str, ends)))
