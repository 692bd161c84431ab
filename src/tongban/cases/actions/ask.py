"""What a person asks from here (我的请求): a correction of the named items, a withdrawal; the owner answers (cases.md 5).

Keys: a correction is (case, asking), a withdrawal one open request a case. Asking twice sends nothing twice.
"""

from __future__ import annotations

from collections.abc import Mapping

import msgspec

from tongban import catalogue, evidence, identity
from tongban.cases.actions import power, speak
from tongban.cases.actions.requests import Corrected, Withdrawal
from tongban.cases.errors import CaseUnknown
from tongban.cases.model import Answers, Correction, Mirror, Source
from tongban.cases.queries import mirrors
from tongban.cases.rules.process import PROCESS
from tongban.kernel.actor import Actor
from tongban.kernel.db import Tx
from tongban.kernel.errors import Refusal, Refusals
from tongban.kernel.ids import uuid7
from tongban.kernel.node import Node


async def correct(
    tx: Tx,
    node: Node,
    actor: Actor,
    case_id: str,
    *,
    posted: Mapping[str, tuple[str, ...]],
    files: Mapping[str, evidence.Sent | None],
    reused: Mapping[str, str],
) -> Mirror | Refusals:
    """Send what was asked for, and nothing else (补正): only the named fields and materials are looked at.

    Raises CaseUnknown, SignInNeeded. A second press after it was sent changes nothing.
    """
    mirror, asked, item = await _asked(tx, node, actor, case_id)
    if asked is None or item is None:
        return (Refusal("cases.correct.not_asked", "这件现在不用补材料"),)
    if await _sent(tx, mirror, "correct", asked.asking):
        return mirror
    if mirror.state != "to_correct":
        return (Refusal("cases.correct.not_asked", "这件现在不用补材料"),)
    answers, wrong = _answers(item, mirror, asked, posted)
    materials, refused = await _files(tx, node, actor, mirror, item, asked, files, reused)
    if wrong or refused:
        return (*wrong, *refused)
    request = await _note(tx, node, mirror, "correct", asked.asking)
    carried = {
        code: tuple(
            [await evidence.travel(tx, node, mirror.subject, one, used_in=f"case:{case_id}", to=mirror.owner_node) for one in ids]
        )
        for code, ids in materials.items()
    }
    body = Corrected(
        case=case_id, request=request, asking=asked.asking, seen=(mirror.term, mirror.rev), answers=answers,
        sources={name: Source() for name in answers}, materials=carried,
    )  # fmt: skip
    await identity.record_act(tx, node, actor, "correct", what=mirror.item_name, about=f"case:{case_id}")
    await speak.send(tx, node, mirror.owner_node, "case.corrected", case_id, msgspec.to_builtins(body))
    return await mirrors.of_person(tx, node, actor.person, case_id) or mirror


async def withdraw(tx: Tx, node: Node, actor: Actor, case_id: str) -> Mirror | Refusals:
    """Ask the owner to withdraw (申请撤回). Here it only says 撤回申请已提交; the owner's order decides (I-3, I-15)."""
    mirror = await _locked(tx, node, actor, case_id)
    if await _sent(tx, mirror, "withdraw", 0):
        return mirror
    if mirror.state not in WITHDRAWABLE:
        return (Refusal("cases.withdraw.late", "这件已经有结果，不能撤回了"),)
    request = await _note(tx, node, mirror, "withdraw", 0)
    body = Withdrawal(case=case_id, request=request, seen=(mirror.term, mirror.rev))
    await identity.record_act(tx, node, actor, "withdraw", what=mirror.item_name, about=f"case:{case_id}")
    await speak.send(tx, node, mirror.owner_node, "case.withdraw_requested", case_id, msgspec.to_builtins(body))
    return await mirrors.of_person(tx, node, actor.person, case_id) or mirror


WITHDRAWABLE = frozenset({"submitted", "transferring", *PROCESS.transition("T20").from_})
"""States in which asking makes sense: T20's own, and those in which the request waits."""


async def _asked(
    tx: Tx, node: Node, actor: Actor, case_id: str
) -> tuple[Mirror, Correction | None, catalogue.Item | None]:
    mirror = await _locked(tx, node, actor, case_id)
    item = await catalogue.item(tx, mirror.task_code, int(mirror.item_version))
    return mirror, mirror.view.correction if mirror.view else None, item


async def _locked(tx: Tx, node: Node, actor: Actor, case_id: str) -> Mirror:
    actor.require(1)
    mirror = await mirrors.for_actor(tx, node, actor, case_id)
    if mirror is None:
        raise CaseUnknown
    if actor.for_subject:
        item = await catalogue.item(tx, mirror.task_code, int(mirror.item_version))
        if item is None:
            raise CaseUnknown
        await power.needs(tx, node, actor, "submit", item)
    # two tabs meet here; what stood before the lock may be old
    await tx.execute("SELECT 1 FROM case_mirror WHERE subject = $1 AND id = $2 FOR UPDATE", actor.person, case_id)
    return await mirrors.of_person(tx, node, actor.person, case_id) or mirror


async def _sent(tx: Tx, mirror: Mirror, kind: str, asking: int) -> bool:
    return bool(
        await tx.fetchval(
            "SELECT true FROM case_request WHERE subject = $1 AND case_id = $2 AND kind = $3 AND asking = $4"
            " AND answer IN ('', 'done') LIMIT 1",
            mirror.subject,
            mirror.id,
            kind,
            asking,
        )
    )


async def _note(tx: Tx, node: Node, mirror: Mirror, kind: str, asking: int) -> str:
    made = uuid7()
    await tx.execute(
        "INSERT INTO case_request (subject, case_id, id, kind, asking, sent_at) VALUES ($1, $2, $3, $4, $5, $6)",
        mirror.subject,
        mirror.id,
        made,
        kind,
        asking,
        node.clock.now(),
    )
    return made


def _answers(
    item: catalogue.Item, mirror: Mirror, asked: Correction, posted: Mapping[str, tuple[str, ...]]
) -> tuple[Answers, Refusals]:
    named = {one.code for one in asked.defects if one.what == "field"}
    mine = {name: values for name, values in posted.items() if name.split(".", 1)[0] in named}
    said = {name: value for name, value in catalogue.parse_answers(item.form, mine).items() if name in named}
    whole = {**mirror.submission.answers, **said}
    wrong = tuple(
        one
        for one in catalogue.check(item.form, whole, None, None)
        if one.field is not None and one.field.split(".", 1)[0] in named
    )
    missing = tuple(
        Refusal("cases.correct.missing", f"请填{one.title}", one.code)
        for one in asked.defects
        if one.what == "field" and said.get(one.code) in (None, "", [])
    )
    return said, missing or wrong


async def _files(
    tx: Tx,
    node: Node,
    actor: Actor,
    mirror: Mirror,
    item: catalogue.Item,
    asked: Correction,
    files: Mapping[str, evidence.Sent | None],
    reused: Mapping[str, str],
) -> tuple[dict[str, tuple[str, ...]], Refusals]:
    kept: dict[str, tuple[str, ...]] = {}
    wrong: list[Refusal] = []
    for defect in (one for one in asked.defects if one.what == "material"):
        field = f"material-{defect.code}"
        old = reused.get(defect.code)
        if old and files.get(defect.code) is None:
            found = await evidence.material(tx, node, mirror.subject, old)
            if found is not None:
                kept[defect.code] = (found.id,)
                continue
        material = next((one for one in item.materials if one.name == defect.code), None)
        stored = await evidence.store(
            tx, node, actor, files.get(defect.code), kind=defect.code, subject=mirror.subject, field=field,
            accepts=material.accepts if material else tuple(evidence.KINDS),
            max_bytes=material.max_bytes if material else evidence.LARGEST,
        )  # fmt: skip
        if isinstance(stored, evidence.Material):
            kept[defect.code] = (stored.id,)
        else:
            wrong += stored
    return kept, tuple(wrong)
