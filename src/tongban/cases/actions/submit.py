"""Submitting (提交): T01. One draft, one case: a double tap, two tabs, the back button all meet the same receipt (I-11)."""

from __future__ import annotations

import secrets
from collections.abc import Mapping

import msgspec

from tongban import catalogue, evidence, federation, identity, transparency
from tongban.cases.actions import drafts, gather, power, speak
from tongban.cases.errors import DraftGone, ItemNotOffered
from tongban.cases.model import Draft, Evidence, Mirror, Receipt, Submission
from tongban.cases.queries import mirrors, rows
from tongban.cases.rules import forms, moves
from tongban.cases.rules.process import PROCESS, By
from tongban.kernel.actor import Actor
from tongban.kernel.db import Tx
from tongban.kernel.errors import Refusal, Refusals
from tongban.kernel.gm import b64, digest, jcs
from tongban.kernel.log import log
from tongban.kernel.node import Node

LEAST_LEVEL = 2


async def submit(
    tx: Tx,
    node: Node,
    actor: Actor,
    draft_id: str,
    *,
    number: str,
    posted: Mapping[str, tuple[str, ...]],
    subject: str = "",
    window: str = "",
) -> Mirror | Refusals:
    """T01: the draft becomes a case, with a number, a signed receipt and the letter to its owner (提交).

    `number` comes from `numbers.reserve`; it is left unused when the draft was submitted already. `window`: unit of the
    counter that hands it in for `subject`. Raises DraftGone, ItemNotOffered, SignInNeeded, LevelNeeded.
    """
    owner = subject or actor.person
    draft = await mirrors.draft(tx, node, owner, draft_id, lock=True)
    if draft is None or draft.state == "discarded":
        raise DraftGone
    if draft.state == "submitted":
        known = await mirrors.of_person(tx, node, owner, draft_id)
        if known is None:
            raise DraftGone
        return known
    item = await catalogue.item(tx, draft.task_code, int(draft.item_version))
    if item is None:
        raise ItemNotOffered
    if not window:
        await power.needs(tx, node, actor, "submit", item)
    draft, _ = await drafts.save(tx, node, draft, item, forms.CHECK, posted)
    draft = await gather.looked_again(tx, node, actor, draft, item)  # a licence that ended since stands for nothing
    today = node.clock.today()
    wrong = forms.all_wrong(item, draft.file, today) or power.payee_wrong(actor, item, draft.file.answers)
    if wrong:
        return wrong
    await federation.require_fresh_trust(tx, node, item.level)
    if not window:
        # a person not yet matched with the register has no subject that other nodes know
        actor.require(max(item.level, LEAST_LEVEL))
        if not await identity.confirmed(tx, node, actor, level=item.level, about=f"draft:{draft.id}", what=item.name):
            return (Refusal("cases.guardian", "不满 18 岁，这一步要监护人点头。已经发消息给监护人，点头后再来提交，填的都在"),)
    by: By = "window" if window else "agent" if actor.for_subject else "applicant"
    grounds = moves.Grounds(today=today, form_valid=True, level_reached=True, key_unused=True)
    against = moves.may_happen(moves.Facts(state="draft"), "T01", by, grounds)
    if against:
        return against
    sent = await _submission(tx, node, actor, draft, item, number, window)
    mirror = await _record(tx, node, actor, sent, item, window)
    await tx.execute("UPDATE draft SET state = 'submitted' WHERE subject = $1 AND id = $2", owner, draft_id)
    await _thank(tx, node, mirror)
    await identity.record_act(tx, node, actor, "submit", what=item.name, about=f"case:{sent.case}")
    await speak.send(tx, node, item.owner_node, "case.submitted", sent.case, msgspec.to_builtins(sent))
    log("cases.moved", case_id=draft_id, kind="T01", state="submitted")
    # the owner may be this very node: then it has spoken by now
    return await mirrors.of_person(tx, node, owner, draft_id) or mirror


async def _submission(
    tx: Tx, node: Node, actor: Actor, draft: Draft, item: catalogue.Item, number: str, window: str
) -> Submission:
    today, file = node.clock.today(), draft.file
    answers = catalogue.kept(item.form, file.answers, today)
    wanted = {one.material.name for one in forms.uploads(item, msgspec.structs.replace(file, answers=answers), today)}
    materials = {}
    for code, ids in file.materials.items():
        if code in wanted and ids:
            materials[code] = tuple(
                [await evidence.travel(tx, node, draft.subject, one, used_in=f"case:{draft.id}", to=item.owner_node) for one in ids]
            )
    me = await identity.party(tx, node, draft.subject)
    agent = actor.name.reveal() if actor.for_subject and actor.name and not window else ""
    name = me.name.reveal() if me and me.name else _known(item, file.answers, "name", "姓名")
    id_number = me.number.reveal() if me and me.number else _known(item, file.answers, "number", "公民身份号码")
    home = me.home if me and me.home else actor.home or node.id
    return Submission(
        case=draft.id, number=number, subject=draft.subject, actor_subject=actor.subject, task_code=draft.task_code,
        item_version=draft.item_version, item_digest=draft.item_digest, division=item.division, answers=dict(answers),
        sources={field: one for field, one in file.sources.items() if field in answers}, materials=materials,
        evidence=Evidence(acr=4 if window else actor.acr, home=home, at=node.clock.ms(), name=name, number=id_number),
        applicant_node=node.id, submitted_at=node.clock.ms(), window_node=node.id if window else "", window_unit=window,
        agent_name=agent, agent_basis=actor.basis if agent else "", salt=b64(secrets.token_bytes(16)),
        licences=file.cards if file.asked_at else None,
    )  # fmt: skip


def _known(item: catalogue.Item, answers: Mapping[str, object], register: str, licence: str) -> str:
    """The applicant's name or number from the field that a register or licence fills (visited node: no person row)."""
    for field in item.form.fields:
        for one in field.prefill:
            if (one.source, one.field) in {("register", register), ("licence", licence), ("account", register)}:
                value = answers.get(field.name)
                if isinstance(value, str):
                    return value
    return ""


async def _record(tx: Tx, node: Node, actor: Actor, sent: Submission, item: catalogue.Item, window: str) -> Mirror:
    fingerprint = digest(jcs(msgspec.to_builtins(sent)))
    fact = {"act": "T01", "case": sent.case, "number": sent.number, "item": sent.task_code, "digest": fingerprint,
            "at": sent.submitted_at, "v": 1}  # fmt: skip
    leaf = await transparency.append(tx, f"case.{PROCESS.transition('T01').leaf}", jcs(fact))
    signer = node.keys.signer("s1")
    said = {
        "case": sent.case, "number": sent.number, "node": node.id, "task_code": sent.task_code,
        "item_version": sent.item_version, "item_digest": sent.item_digest, "digest": fingerprint,
        "submitted_at": sent.submitted_at, "leaf": leaf.id, "kid": signer.kid,
    }  # fmt: skip
    receipt = msgspec.convert({**said, "signature": b64(signer.sign(jcs(said)))}, Receipt)
    row = await tx.fetchrow(
        "INSERT INTO case_mirror (subject, id, number, task_code, item_version, item_digest, item_name, owner_node, owner_name,"
        " window_staff, state, public_state, submitted_at, view, form, receipt)"
        " VALUES ($1,$2,$3,$4,$5,$6,$7,$8,$9,$10,'submitted',$11,$12,$13,$14,$15) RETURNING *",
        sent.subject, sent.case, sent.number, sent.task_code, sent.item_version, sent.item_digest, item.name,
        item.owner_node, item.organisation.name, actor.staff_id if window else "", PROCESS.states["submitted"].public,
        node.clock.now(), b"", await rows.seal(tx, node, sent.subject, "case_mirror.form", sent.case, sent), msgspec.to_builtins(receipt),
    )  # fmt: skip
    for code, files in sent.materials.items():
        for carried in files:
            await tx.execute(
                "INSERT INTO case_material (subject, case_id, code, material, round) VALUES ($1,$2,$3,$4,0)"
                " ON CONFLICT DO NOTHING",
                sent.subject,
                sent.case,
                code,
                carried.id,
            )
    assert row is not None
    return await rows.mirror_of(tx, node, row)


async def record_again(tx: Tx, node: Node, actor: Actor, sent: Submission, item: catalogue.Item) -> Mirror:
    """The mirror of a submission whose row was lost with the database (补回镜像): a new receipt, and the person is told."""
    mirror = await _record(tx, node, actor, sent, item, sent.window_unit)
    await _thank(tx, node, mirror)
    return mirror


async def _thank(tx: Tx, node: Node, mirror: Mirror) -> None:
    await power.tell(
        tx, node, subject=mirror.subject, actor_subject=mirror.submission.actor_subject, item=mirror.task_code, kind="case.submitted", title="交上去了",
        text=f"{mirror.item_name}，正在送往{mirror.owner_name}。", link=f"/cases/{mirror.id}", about=f"case:{mirror.id}",
        group=mirror.item_name, dedupe="submitted",
    )  # fmt: skip
