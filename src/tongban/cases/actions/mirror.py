"""The mirror's verbs (镜像): taking what the owner says, and nothing else. A mirror never computes a state (I-15)."""

from __future__ import annotations

from typing import Any

import msgspec

from tongban import federation
from tongban.cases.actions import power, speak
from tongban.cases.errors import LetterNotOurs
from tongban.cases.model import Mirror, Submission, View
from tongban.cases.queries import rows
from tongban.cases.rules.process import PROCESS
from tongban.kernel.db import Tx
from tongban.kernel.log import log
from tongban.kernel.node import Node


async def hear(tx: Tx, node: Node, origin: str, view: View) -> bool:
    """Take the owner's word on a case (收到办件状态); False when it is older or not for us to believe.

    Believed: the owner we know, or the node that this owner named as the next one. A stranger's word is kept aside
    until the owner names it, because letters of two origins have no order among themselves (federation.md 5.4).
    """
    row = await tx.fetchrow("SELECT * FROM case_mirror WHERE subject = $1 AND id = $2 FOR UPDATE", view.subject, view.case)
    if row is None or not row["form"]:  # never ours, closed with its account, or emptied at its end
        log("cases.mirror_unknown", case_id=view.case, origin=origin)
        return False
    if view.owner_node != origin:
        raise LetterNotOurs("case.state speaks for another node")
    mirror = await rows.mirror_of(tx, node, row)
    if (view.term, view.rev) <= (mirror.term, mirror.rev):
        return False
    if origin not in {mirror.owner_node, mirror.new_owner}:
        await _keep_aside(tx, node, origin, view)
        return False
    await _write(tx, node, mirror, view)
    await _answered(tx, node, view)
    if view.notice_title:
        await power.tell(
            tx, node, subject=view.subject, actor_subject=mirror.submission.actor_subject, item=mirror.task_code, kind=f"case.{view.state}", title=view.notice_title,
            text=view.notice_text or PROCESS.states[view.state].wording, link=f"/cases/{view.case}", about=f"case:{view.case}",
            group=view.item_name, dedupe=f"{view.term}.{view.rev}",
        )  # fmt: skip
    if view.new_owner:
        await _claims(tx, node, view)
    return True


async def withdraw_refused(tx: Tx, node: Node, origin: str, body: dict[str, Any]) -> None:
    """The owner cannot withdraw any more (撤回未成): the request is answered, with the decision that came first."""
    case_id, request = str(body.get("case", "")), str(body.get("request", ""))
    row = await tx.fetchrow(
        "UPDATE case_request r SET answer = 'refused', answered_at = $3 FROM case_mirror m"
        " WHERE r.case_id = $1 AND r.id = $2 AND r.answer = '' AND m.subject = r.subject AND m.id = r.case_id"
        " AND $4 IN (m.owner_node, m.new_owner) RETURNING r.subject, m.item_name, m.task_code, m.id AS mirror, m.form",
        case_id,
        request,
        node.clock.now(),
        origin,
    )
    if row is None:
        return
    submitted = await rows.opened(tx, node, "case_mirror.form", str(row["mirror"]), row["form"], Submission)
    await power.tell(
        tx, node, subject=row["subject"], actor_subject=submitted.actor_subject, item=row["task_code"], kind="case.withdraw_refused", title="没有撤回",
        text=f"撤回申请到的时候，{body.get('why') or '决定已经作出'}。", link=f"/cases/{case_id}", about=f"case:{case_id}",
        group=row["item_name"], dedupe=request,
    )  # fmt: skip


async def opened(tx: Tx, node: Node, mirror: Mirror, what: str) -> bool:
    """The person opened a notice or the result here (已阅): told to the owner once. False when it was told before.

    `what`: `correction:<asking>`, `document:<id>` or `result`. Starts the correction clock and counts for delivery (D-7).
    """
    first = await tx.fetchval(
        "INSERT INTO case_opened (subject, case_id, what, at) VALUES ($1, $2, $3, $4) ON CONFLICT DO NOTHING RETURNING true",
        mirror.subject,
        mirror.id,
        what,
        node.clock.now(),
    )
    if not first:
        return False
    body = {"case": mirror.id, "what": what, "seen": [mirror.term, mirror.rev], "at": node.clock.ms()}
    await speak.send(tx, node, mirror.owner_node, "case.opened", mirror.id, body)
    return True


async def rated(tx: Tx, node: Node, subject: str, case_id: str) -> None:
    """The person has rated this case here (评过了): kept at this node, told to nobody. Called by `feedback`."""
    await tx.execute(
        "INSERT INTO case_opened (subject, case_id, what, at) VALUES ($1, $2, 'rated', $3) ON CONFLICT DO NOTHING",
        subject, case_id, node.clock.now(),
    )  # fmt: skip


async def rebuild(node: Node, mirror: Mirror) -> bool:
    """Ask the owner for the state (重建镜像): call `cases.state.get`. False when it is silent; the mirror stays as it is."""
    if mirror.owner_node == node.id:
        return False
    try:
        answer = await federation.call(node, mirror.owner_node, "cases.state.get", {"case": mirror.id})
        view = msgspec.convert(answer, View)
    except (federation.CallFailed, federation.CallRefused, msgspec.ValidationError):
        return False
    async with node.db.transaction() as tx:
        return await hear(tx, node, mirror.owner_node, view)


async def _write(tx: Tx, node: Node, mirror: Mirror, view: View) -> None:
    final = PROCESS.states[view.state].final and view.state != "transferred"
    await tx.execute(
        "UPDATE case_mirror SET term=$3, rev=$4, state=$5, public_state=$6, due_kind=$7, due_on=$8, owner_node=$9,"
        " owner_name=$10, new_owner=$11, heard_at=$12, view=$13,"
        " final_at = CASE WHEN $14 THEN coalesce(final_at, $12) END WHERE subject=$1 AND id=$2",
        view.subject,
        view.case,
        view.term,
        view.rev,
        view.state,
        view.public_state,
        view.due_kind,
        view.due_on,
        view.owner_node,
        view.owner_name,
        view.new_owner,
        node.clock.now(),
        await rows.seal(tx, node, view.subject, "case_mirror.view", mirror.id, view),
        final,
    )


async def _answered(tx: Tx, node: Node, view: View) -> None:
    if view.answered:
        await tx.execute(
            "UPDATE case_request SET answer = 'done', answered_at = $3 WHERE subject = $1 AND case_id = $2"
            " AND id = ANY($4::uuid[]) AND answer = ''",
            view.subject,
            view.case,
            node.clock.now(),
            list(view.answered),
        )


async def _keep_aside(tx: Tx, node: Node, origin: str, view: View) -> None:
    await tx.execute(
        "INSERT INTO case_claim (subject, case_id, origin, view, came_at) VALUES ($1, $2, $3, $4, $5)"
        " ON CONFLICT (subject, case_id, origin) DO UPDATE SET view = EXCLUDED.view, came_at = EXCLUDED.came_at",
        view.subject,
        view.case,
        origin,
        await rows.seal(tx, node, view.subject, "case_claim.view", view.case, view),
        node.clock.now(),
    )
    log("cases.claim_kept", case_id=view.case, origin=origin)


async def _claims(tx: Tx, node: Node, view: View) -> None:
    blob = await tx.fetchval(
        "DELETE FROM case_claim WHERE subject = $1 AND case_id = $2 AND origin = $3 RETURNING view",
        view.subject,
        view.case,
        view.new_owner,
    )
    if blob is not None:
        await hear(tx, node, view.new_owner, await rows.opened(tx, node, "case_claim.view", view.case, blob, View))
