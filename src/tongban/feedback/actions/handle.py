"""What a unit does about a bad review 差评处置: check, fix, answer. In order, on two clocks, every step kept."""

from __future__ import annotations

from tongban import federation, transparency
from tongban.feedback.actions.give import hear_reply
from tongban.feedback.errors import ReviewGone
from tongban.feedback.model import Handling, HandlingState, Replied
from tongban.feedback.queries import handling
from tongban.kernel.actor import Actor
from tongban.kernel.db import Tx
from tongban.kernel.errors import Refusal, Refusals
from tongban.kernel.gm import jcs
from tongban.kernel.node import Node

SHORTEST = 6


async def check_review(tx: Tx, node: Node, actor: Actor, review_id: str, *, cause: str) -> Handling | Refusals:
    """What went wrong (核实). Raises ReviewGone."""
    return await _step(tx, node, actor, review_id, "open", "checked", "cause", cause, "写清哪里出了问题，至少 6 个字")


async def fix_review(tx: Tx, node: Node, actor: Actor, review_id: str, *, fix: str) -> Handling | Refusals:
    """What was mended (整改). Raises ReviewGone."""
    return await _step(tx, node, actor, review_id, "checked", "fixed", "fix", fix, "写清怎么改的，至少 6 个字")


async def answer_review(tx: Tx, node: Node, actor: Actor, review_id: str, *, reply: str) -> Handling | Refusals:
    """The answer to the person (回复): a letter to the node it came from, which alone knows whom to give it to."""
    done = await _step(tx, node, actor, review_id, "fixed", "answered", "reply", reply, "写清回给对方的话，至少 6 个字")
    if not isinstance(done, Handling):
        return done
    origin = str(await tx.fetchval("SELECT from_node FROM review WHERE org = $1 AND id = $2", done.review.org, review_id))
    if origin == node.id:
        await hear_reply(tx, node, node.id, review_id, reply.strip())
    else:
        body = Replied(v=1, review=review_id, reply=reply.strip())
        await federation.send(tx, node, to=origin, kind="review.answered", about=f"review:{review_id}", body=body)
    return done


async def _step(
    tx: Tx,
    node: Node,
    actor: Actor,
    review_id: str,
    before: HandlingState,
    after: HandlingState,
    column: str,
    text: str,
    sentence: str,
) -> Handling | Refusals:
    found = await handling(tx, node, review_id, lock=True)
    if found is None:
        raise ReviewGone
    actor.require_may("feedback.handle", division=found.review.division, org=found.review.org)
    if found.state != before:
        return (Refusal("feedback.state", "这一步已经做过，或者还没轮到，刷新看看现在到哪一步"),)
    if len(text.strip()) < SHORTEST:
        return (Refusal("feedback.short", sentence, column),)
    await tx.execute(
        f"""UPDATE review_handling SET state = $3, {column} = $4, handled_by = $5, updated_at = $6
            WHERE org = $1 AND review_id = $2""",
        found.review.org,
        review_id,
        after,
        text.strip(),
        actor.staff_id,
        node.clock.now(),
    )
    leaf = await transparency.append(tx, "feedback.handled", jcs({"review": review_id, "step": after, "v": 1}))
    await tx.execute(
        """INSERT INTO review_handling_history (org, review_id, seq, at, name, by, text, leaf)
           SELECT $1, $2, coalesce(max(seq), 0) + 1, $3, $4, $5, $6, $7 FROM review_handling_history
           WHERE org = $1 AND review_id = $2""",
        found.review.org,
        review_id,
        node.clock.now(),
        after,
        actor.staff_id,
        text.strip(),
        str(leaf.id),
    )
    changed = await handling(tx, node, review_id)
    if changed is None:
        raise ReviewGone
    return changed
