"""Documents of a case (文书): drawn, sealed with the department's seal, kept, named in the next `case.state`."""

from __future__ import annotations

from tongban import catalogue, evidence, seals
from tongban.cases.model import Case, Remedy
from tongban.cases.rules import paper
from tongban.kernel.actor import Actor
from tongban.kernel.db import Tx
from tongban.kernel.ids import uuid7
from tongban.kernel.node import Node


async def issue(tx: Tx, node: Node, actor: Actor, case: Case, written: paper.Paper) -> str:
    """Draw, seal and keep a document of the case; answers its id (出具文书). Raises seals.NoSeal, seals.MissingGlyph.

    Done before the transition that needs it, in the same transaction, so that its letter names the document.
    """
    item = await catalogue.item(tx, case.task_code, int(case.item_version))
    organisation = item.organisation.name if item else node.settings.name
    made = uuid7()
    document = paper.draw(
        written, case, document_id=made, organisation=organisation, at=node.clock.now(), day=node.clock.today()
    )
    ofd = await seals.compose(document)
    seal = await seals.ensure_seal(tx, node, case.org_code, organisation)
    sealed = await seals.seal_document(
        tx, node, seal, ofd, written.title, about=f"case:{case.id}", officer=actor.staff_id or "clock"
    )
    kept = await evidence.keep_document(
        tx, node, case.subject, name=f"{written.title}.ofd", media_type="application/ofd", content=sealed
    )
    await tx.execute(
        "INSERT INTO case_document (subject, case_id, id, kind, title, material, made_at) VALUES ($1,$2,$3,$4,$5,$6,$7)",
        case.subject,
        case.id,
        made,
        written.kind,
        written.title,
        kept.id,
        node.clock.now(),
    )
    return made


async def has(tx: Tx, case: Case, kind: str) -> bool:
    """Whether a document of that kind was made for the case (有无文书)."""
    return bool(
        await tx.fetchval(
            "SELECT true FROM case_document WHERE subject = $1 AND case_id = $2 AND kind = $3", case.subject, case.id, kind
        )
    )


def remedies_of(item: catalogue.Item | None, fallback: str) -> tuple[Remedy, ...]:
    """The remedies the item names, with the law's terms where it names none (救济途径) [GK]."""
    words = {"review": ("行政复议", "60 日内"), "lawsuit": ("行政诉讼", "6 个月内")}
    if item is not None and item.remedies:
        return tuple(
            Remedy(kind=words[one.kind][0], body=one.body, within=one.within or words[one.kind][1]) for one in item.remedies
        )
    return (
        Remedy(kind="行政复议", body=f"{fallback}的本级人民政府", within="60 日内"),
        Remedy(kind="行政诉讼", body="有管辖权的人民法院", within="6 个月内"),
    )
