"""What was pressed before a higher level was asked 核验前按下的一步: kept here, done once afterwards (identity.md 4: POSTed answers are kept first).

The address the step-up leads back to holds a random number and nothing else. It does something for the very session that
pressed, once, within minutes and at the level; for anybody else, and for a preview of the link, it is the plain page.
"""

from __future__ import annotations

import uuid
from collections.abc import Mapping
from datetime import timedelta
from urllib.parse import quote

import msgspec

from tongban.kernel.actor import Actor
from tongban.kernel.db import Tx
from tongban.kernel.ids import is_uuid
from tongban.kernel.node import Node

LIFE = timedelta(minutes=15)
FIELD = "go"
_GROUP, _COLUMN = "identity", "step_intent.fields"


async def step_up_for(tx: Tx, node: Node, actor: Actor, path: str, fields: Mapping[str, str], *, level: int) -> str:
    """Keep what was pressed and say where the person goes to raise the level 先记下，再去核验: an address of this node."""
    made = str(uuid.uuid4())
    await tx.execute(
        "INSERT INTO step_intent (subject, id, sid, path, level, fields, until) VALUES ($1, $2, $3, $4, $5, $6, $7)",
        actor.subject, made, actor.sid, path, level, node.cipher.seal(_GROUP, _COLUMN, made, msgspec.json.encode(dict(fields)).decode()),
        node.clock.now() + LIFE,
    )  # fmt: skip
    return f"/step-up?level={level}&next=" + quote(f"{path}?{FIELD}={made}", safe="")


async def pressed_before(tx: Tx, node: Node, actor: Actor, path: str, word: str) -> dict[str, str] | None:
    """What this session pressed on this page before its level was raised, once 接着办; None for everybody else and below the level."""
    if not is_uuid(word) or actor.kind != "citizen":
        return None
    sealed: bytes | None = await tx.fetchval(
        "DELETE FROM step_intent WHERE subject = $1 AND id = $2 AND sid = $3 AND path = $4 AND until > $5 AND level <= $6 RETURNING fields",
        actor.subject, word, actor.sid, path, node.clock.now(), actor.acr,
    )  # fmt: skip
    if sealed is None:
        return None
    return msgspec.json.decode(node.cipher.open(_GROUP, _COLUMN, word, sealed).reveal(), type=dict[str, str])
