"""What a living person says of their information for the time after death 身后安排 (个人信息保护法 49 [K]: unless arranged otherwise)."""

from __future__ import annotations

from tongban import transparency
from tongban.kernel.actor import Actor
from tongban.kernel.db import Tx
from tongban.kernel.errors import Refusal, Refusals
from tongban.kernel.gm import jcs
from tongban.kernel.ids import uuid7
from tongban.kernel.node import Node
from tongban.privacy.queries import desk as queries
from tongban.privacy.rules.relatives import Choice, relatives, shown_as

LEVEL = 3


async def choose(tx: Tx, node: Node, actor: Actor, code: str) -> Choice | Refusals:
    """Say it, oneself and at level 3; the same again changes nothing 选身后安排. Raises SelfOnly, LevelNeeded."""
    actor.require(1)
    actor.require_self("身后安排")
    if actor.for_subject:
        return (Refusal("privacy.after_self", "身后安排只能本人定", "choice"),)
    if actor.home not in ("", node.id):
        return (Refusal("privacy.after_home", "到账号所在地定", "choice"),)
    actor.require(LEVEL)
    wanted = next((one for one in relatives().choice if one.code == code), None)
    if wanted is None:
        return (Refusal("privacy.after_choice", "选一样", "choice"),)
    await tx.execute("SELECT pg_advisory_xact_lock(hashtext('privacy-after:' || $1))", actor.subject)
    if (await queries.choice(tx, actor.subject)).code == code:
        return wanted
    now, made = node.clock.now(), uuid7()
    await tx.execute("UPDATE after_me SET ended_at = $2 WHERE subject = $1 AND ended_at IS NULL", actor.subject, now)
    await tx.execute(
        "INSERT INTO after_me (subject, id, choice, level, text_digest, made_at) VALUES ($1, $2, $3, $4, $5, $6)",
        actor.subject, made, code, actor.acr, shown_as(wanted), now,
    )  # fmt: skip
    await transparency.append(tx, "privacy.after_said", jcs({"id": made, "level": actor.acr, "v": 1}))
    return wanted
