"""校核纠错: whoever used a value tells its owner that it is wrong; two persons there check it, and the answer comes back.

The value itself goes sealed, by letter to that owner only; a register that cannot be corrected here says where to go.
"""

from __future__ import annotations

from typing import Any, Literal

import msgspec

from tongban import consent, notifications, transparency
from tongban.exchange.actions.post import division, due, hears, tell
from tongban.exchange.errors import CorrectionGone
from tongban.exchange.model import Correction
from tongban.exchange.providers import REGISTERS, Correctable
from tongban.exchange.queries import correction, listed
from tongban.exchange.queries.desk import CLAIMED, GROUNDS, correction_of
from tongban.exchange.rules import terms
from tongban.kernel.actor import Actor
from tongban.kernel.db import Tx
from tongban.kernel.errors import Refusal, Refusals
from tongban.kernel.gm import jcs
from tongban.kernel.ids import is_uuid, uuid7
from tongban.kernel.node import Node

ASKED, ANSWERED = "correction.asked", "correction.answered"
LONGEST = 200


class CorrectionAsked(msgspec.Struct, frozen=True):
    """The body of `correction.asked` (纠错来函)."""

    v: int
    id: str
    subject: str
    resource: str
    field: str
    line: str
    claimed: str
    grounds: str


class CorrectionAnswered(msgspec.Struct, frozen=True):
    """The body of `correction.answered` (纠错答复)."""

    v: int
    id: str
    state: Literal["corrected", "kept"]
    answer: str


async def ask_correction(
    tx: Tx, node: Node, actor: Actor, *, resource: str, field: str, line: str, claimed: str, grounds: str
) -> Correction | Refusals:
    """Tell the owner that a value this node used is wrong (申请纠错).

    Only for a value that came here: `line` is the ledger line of that use, and whose value it is stands there. So nobody
    can ask about a person whose data the node never had.
    """
    actor.require_may("exchange.propose", division=division(node))
    held = await listed(tx, resource)
    if held is None or held.resource.owner == node.id:
        return (Refusal("exchange.no_such_resource", "请选别的单位提供的一项数据", "resource"),)
    words = {one.name: one.words for one in held.resource.fields}
    wrong = []
    if field not in words:
        wrong.append(Refusal("exchange.fields", "请选哪一项写错了", "field"))
    if not 0 < len(claimed.strip()) <= LONGEST:
        wrong.append(Refusal("exchange.claimed", "写上应当是什么", "claimed"))
    if not 0 < len(grounds.strip()) <= LONGEST:
        wrong.append(Refusal("exchange.grounds", "写上凭什么知道，比如看过哪份证件", "grounds"))
    used = await consent.used(tx, line, "caller") if is_uuid(line) else None
    if used is None or used[1].source != held.resource.owner or words.get(field) not in used[1].fields:
        wrong.append(Refusal("exchange.line", "没有这次取用，或者那次没有取过这一项。取用编号在取用审计里", "line"))
    if wrong or used is None:
        return tuple(wrong)
    subject, made = used[0], uuid7()
    body = CorrectionAsked(1, made, subject, resource, field, line, claimed, grounds)
    found = await _insert(tx, node, "asker", held.resource.owner, body, asked_by=actor.staff_id)
    await tell(tx, node, held.resource.owner, ASKED, f"correction:{made}", body)
    return found


@hears(ASKED)
async def correction_came(tx: Tx, node: Node, origin: str, body: dict[str, Any]) -> None:
    """A user of our data says that a value is wrong (收到纠错): only one who was given that value may (T-32)."""
    said = msgspec.convert(body, CorrectionAsked)
    held = await listed(tx, said.resource)
    if held is None or held.resource.owner != node.id:
        raise ValueError("not a resource of ours")
    given = await consent.used(tx, said.line, "owner") if is_uuid(said.line) else None
    words = {one.name: one.words for one in held.resource.fields}.get(said.field)
    if given is None or given[0] != said.subject or given[1].receiver != origin or words not in given[1].fields:
        raise ValueError("that node was not given this value")
    await _insert(tx, node, "owner", origin, said)


async def check_correction(tx: Tx, node: Node, actor: Actor, correction_id: str, *, corrects: bool, answer: str) -> Correction | Refusals:
    """The first person of the owner says what was found (核查)."""
    actor.require_may("exchange.propose", division=division(node))
    found = await _at(tx, node, correction_id, "sent", "checked")
    if not answer.strip():
        return (Refusal("exchange.reason", "写清核查的结果，不要写本人的信息", "answer"),)
    register = REGISTERS.get(found.resource)
    if corrects and not isinstance(register, Correctable):
        return (Refusal("exchange.not_correctable", "这项数据在登记机关更正，请答复到哪里办", "verdict"),)
    row = await tx.fetchrow(
        """UPDATE data_correction SET state = 'checked', verdict = $3, answer = $4, checked_by = $5, changed_at = $6
           WHERE subject = $1 AND id = $2 AND side = 'owner' RETURNING *""",
        found.subject, found.id, "corrected" if corrects else "kept", answer, actor.staff_id, node.clock.now(),
    )  # fmt: skip
    return correction_of(node, row)


async def confirm_correction(tx: Tx, node: Node, actor: Actor, correction_id: str, *, agrees: bool) -> Correction | Refusals:
    """The second person lets it count (确认): the register is corrected, the asker told, and the person too."""
    actor.require_may("exchange.approve", division=division(node))
    found = await _at(tx, node, correction_id, "checked")
    if found.checked_by == actor.staff_id:
        return (Refusal("exchange.four_eyes", "核查的人不能自己确认，请另一位同事来办"),)
    if not agrees:
        return await _state(tx, node, found, "sent")
    if found.verdict == "corrected":
        register = REGISTERS[found.resource]
        assert isinstance(register, Correctable)
        await register.correct(tx, node, found.subject, found.field, found.claimed.reveal())
    state: Literal["corrected", "kept"] = "corrected" if found.verdict == "corrected" else "kept"
    done = await _state(tx, node, found, state)
    await tell(tx, node, found.peer, ANSWERED, f"correction:{found.id}", CorrectionAnswered(1, found.id, state, found.answer))
    return done


@hears(ANSWERED)
async def correction_answered(tx: Tx, node: Node, origin: str, body: dict[str, Any]) -> None:
    """The owner's answer to our request (收到纠错答复)."""
    said = msgspec.convert(body, CorrectionAnswered)
    found = await correction(tx, node, said.id, side="asker", lock=True)
    if found is None or found.peer != origin:
        raise ValueError("an answer to a request that was not sent to that node")
    await tx.execute(
        "UPDATE data_correction SET answer = $3 WHERE subject = $1 AND id = $2 AND side = 'asker'", found.subject, found.id, said.answer
    )
    await _state(tx, node, found, said.state)
    held = await listed(tx, found.resource)
    name = held.resource.owner_name if held else "登记部门"
    text = f"{name}核查后更正了你的一项登记信息，以后办事用更正后的" if said.state == "corrected" else f"{name}核查后认为登记没有错：{said.answer}"
    await notifications.notify(
        tx, node, subject=found.subject, kind="exchange.correction", title="登记信息核查有了结果", text=text, link="/me/data-use",
        about=f"correction:{found.id}",
    )  # fmt: skip


async def _at(tx: Tx, node: Node, correction_id: str, *states: str) -> Correction:
    found = await correction(tx, node, correction_id, side="owner", lock=True)
    if found is None or found.state not in states:
        raise CorrectionGone
    return found


async def _state(tx: Tx, node: Node, found: Correction, state: str) -> Correction:
    fact = jcs({"correction": found.id, "side": found.side, "state": state, "resource": found.resource, "v": 1})
    leaf = await transparency.append(tx, "data.correction", fact)
    row = await tx.fetchrow(
        "UPDATE data_correction SET state = $4, changed_at = $5, leaf = $6 WHERE subject = $1 AND id = $2 AND side = $3 RETURNING *",
        found.subject, found.id, found.side, state, node.clock.now(), str(leaf.id),
    )  # fmt: skip
    return correction_of(node, row)


async def _insert(tx: Tx, node: Node, side: str, peer: str, said: CorrectionAsked, *, asked_by: str = "") -> Correction:
    key = f"{said.id}.{side}"
    row = await tx.fetchrow(
        """INSERT INTO data_correction (subject, id, side, peer, resource, field, line, claimed, grounds, state, due_on, asked_by,
           sent_at, changed_at) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, 'sent', $10, $11, $12, $12) RETURNING *""",
        said.subject, said.id, side, peer, said.resource, said.field, said.line,
        node.cipher.seal("sensitive", CLAIMED, key, said.claimed[:LONGEST]), node.cipher.seal("case", GROUNDS, key, said.grounds[:LONGEST]),
        due(node, terms().correction_answer.days), asked_by, node.clock.now(),
    )  # fmt: skip
    return correction_of(node, row)
