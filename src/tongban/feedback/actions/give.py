"""The person's side 评价: one token a finished service, used once, and a letter without an author."""

from __future__ import annotations

import hmac
import uuid

from tongban import cases, federation, notifications, transparency
from tongban.feedback.actions.take import apply_review
from tongban.feedback.errors import NothingToReview, ReviewNotBelieved
from tongban.feedback.model import Reviewable, Told, Written
from tongban.feedback.queries import reviewable
from tongban.feedback.rules import refusals, terms
from tongban.kernel.actor import Actor
from tongban.kernel.db import Tx
from tongban.kernel.errors import Refusal, Refusals
from tongban.kernel.gm import b64, hmac_sm3, jcs, sm3
from tongban.kernel.log import log
from tongban.kernel.node import Node


def token_of(node: Node, subject: str, case_id: str, service_no: int) -> str:
    """The one-time token of a finished service (评价凭证): bound to person, case and service, made by this node only."""
    text = f"review\n{subject}\n{case_id}\n{service_no}".encode()
    return b64(hmac_sm3(node.keys.secret("review"), text))


async def open_review(tx: Tx, node: Node, actor: Actor, case_id: str) -> tuple[Reviewable, str]:
    """What the person may rate and the token for it (打开评价). Raises NothingToReview.

    Only the person of the case, only when it is over; opening twice gives the same token.
    """
    found = await reviewable(tx, node, actor.person, case_id)
    if found is None or not found.finished:
        raise NothingToReview
    token = token_of(node, actor.person, case_id, found.service_no)
    await tx.execute(
        """INSERT INTO review_given (subject, case_id, service_no, token_hash, issued_at) VALUES ($1, $2, $3, $4, $5)
           ON CONFLICT (subject, case_id, service_no) DO NOTHING""",
        actor.person,
        case_id,
        found.service_no,
        sm3(token.encode()),
        node.clock.now(),
    )
    return found, token


async def submit(tx: Tx, node: Node, actor: Actor, case_id: str, token: str, written: Written) -> Reviewable | Refusals:
    """Rate a finished service, once (提交评价): the use of the token, a leaf, and the letter to the owner, in one commit.

    The letter names no author and only the day. A second review of the same service is refused, whoever sends it.
    Raises NothingToReview. Source: 国办发〔2019〕51号 一事一评; T-91.
    """
    found = await reviewable(tx, node, actor.person, case_id)
    if found is None or not found.finished:
        raise NothingToReview
    wrong = refusals(written, terms())
    if wrong:
        return wrong
    expected = token_of(node, actor.person, case_id, found.service_no)
    if not hmac.compare_digest(token.encode(), expected.encode()):
        return (Refusal("feedback.token", "这一页放得太久了，请从办件详情重新打开“评一评”"),)
    # random, not UUIDv7: an id with its moment inside would help to join review and case
    review_id = str(uuid.uuid4())
    used = await tx.fetchval(
        """UPDATE review_given SET review_id = $5, level = $6, given_at = $7
           WHERE subject = $1 AND case_id = $2 AND service_no = $3 AND token_hash = $4 AND given_at IS NULL RETURNING 1""",
        actor.person,
        case_id,
        found.service_no,
        sm3(token.encode()),
        review_id,
        written.level,
        node.clock.now(),
    )
    if used is None:
        return (Refusal("feedback.twice", "这件事你评过了，一件事评一次"),)
    told = Told(
        v=1,
        review=review_id,
        case=case_id,
        service_no=found.service_no,
        level=written.level,
        indicators=written.indicators,
        text=written.text,
        call_me=written.call_me,
        day=node.clock.today(),
    )
    await transparency.append(tx, "feedback.given", jcs({"review": review_id, "level": written.level, "v": 1}))
    if found.owner == node.id:
        await apply_review(tx, node, node.id, told)
    else:
        await federation.send(tx, node, to=found.owner, kind="case.reviewed", about=f"review:{review_id}", body=told)
    await cases.rated(tx, node, actor.person, case_id)
    log("feedback.given", peer=found.owner)
    again = await reviewable(tx, node, actor.person, case_id)
    return again or found


async def hear_reply(tx: Tx, node: Node, origin: str, review_id: str, reply: str) -> bool:
    """The unit's answer reaches the person (差评答复), here where the author is known. Once; False when unknown.

    Only the node that handled the case may answer: raises ReviewNotBelieved for another, and the letter is parked (T-32).
    """
    row = await tx.fetchrow(
        "SELECT subject, case_id FROM review_given WHERE review_id = $1 AND replied_at IS NULL FOR UPDATE", review_id
    )
    if row is None:
        return False
    subject, case_id = row["subject"], row["case_id"]
    mirror = await cases.of_person(tx, node, subject, case_id)
    if mirror is None or mirror.owner_node != origin:
        raise ReviewNotBelieved
    await tx.execute(
        "UPDATE review_given SET reply = $3, replied_at = $4 WHERE subject = $1 AND review_id = $2",
        subject,
        review_id,
        node.cipher.seal("case", "review_given.reply", review_id, reply),
        node.clock.now(),
    )
    await notifications.notify(
        tx,
        node,
        subject=subject,
        kind="review.answered",
        title="你的评价有答复了",
        text=reply,
        link=f"/review/{case_id}",
        link_words="看答复",
        about=f"case:{case_id}",
        group=mirror.item_name,
        dedupe=review_id,
    )
    return True
