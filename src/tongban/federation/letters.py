"""The post's own letters and services 互联自身的信与应答."""

from __future__ import annotations

from typing import Any

from tongban.federation.actions.alarm import raise_alarm
from tongban.federation.actions.come_home import CONFLICT
from tongban.federation.actions.office import BEHIND_BELL, Hint, office
from tongban.federation.model import Letter
from tongban.kernel.db import Tx, ring
from tongban.kernel.gm import jcs
from tongban.kernel.node import Node


async def directory_changed(tx: Tx, node: Node, letter: Letter) -> None:
    """The hub issued a directory: fetch it (目录有新版本). Only a hint, the directory proves itself."""
    version = letter.body.get("version")
    memory = office(node)
    if letter.origin != node.settings.hub or not isinstance(version, int):
        return
    if memory.directory is None or memory.directory.version < version:
        memory.hint = Hint(version, letter.origin)
        await ring(tx, BEHIND_BELL)


async def probe(node: Node, caller: str, body: dict[str, Any]) -> dict[str, Any]:
    """Say who we are to whoever asks with a good signature (探测): the last step of enrolment, and health."""
    found = await office(node).need(node)
    return {"v": 1, "node": node.id, "nonce": body.get("nonce", ""), "directory": found.version, "asked_by": caller}


async def conflict(tx: Tx, _node: Node, letter: Letter) -> None:
    """A letter we acted on came back to its restored origin and contradicts what was decided there since (对不上): both pages say so."""
    told = jcs({name: str(letter.body.get(name, ""))[:80] for name in ("letter", "kind", "about")})
    await raise_alarm(
        tx, "conflict", letter.origin, str(letter.body.get("letter", ""))[:64], "对方恢复数据后，有一件事和这里已经办的对不上，请与对方核对", told
    )


LETTERS = {("federation.directory_changed", 1): directory_changed, (CONFLICT, 1): conflict}
CALLS = {"federation.probe": probe}
REINSTATE = {("federation.directory_changed", 1): None, (CONFLICT, 1): None}
REPLACES = ("federation.directory_changed",)
