"""What the owner says to the mirrors (告知镜像): the whole public state in one letter, after every transition (I-6, I-15)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import msgspec

from tongban import catalogue, evidence, federation
from tongban.cases.model import Case, DocumentRef, Told, View
from tongban.cases.queries import records
from tongban.cases.rules import clocks as ticking
from tongban.kernel.db import Tx
from tongban.kernel.node import Node

if TYPE_CHECKING:
    from tongban.cases.actions.step import Words


async def tell(tx: Tx, node: Node, case: Case, *, notice: Words | None) -> None:
    """Send `case.state` to each mirror (发办件状态); the mirror at this node is moved in the same transaction."""
    for to in dict.fromkeys(one for one in (case.applicant_node, case.window_node) if one):
        view = await view_of(tx, node, case, to, notice)
        await send(tx, node, to, "case.state", case.id, msgspec.to_builtins(view))


async def send(tx: Tx, node: Node, to: str, kind: str, case_id: str, body: dict[str, Any], *, cause: str = "") -> None:
    """A letter about a case (发信), or the same verb here when the reader is this node itself.

    A fact for our own mirror needs no post: it is another row of the same database and moves in the same transaction.
    `cause`: id of the letter that this one reacts to, so that doing it again makes the same letter.
    """
    if to != node.id:
        letter_id = federation.derived_id(kind, to, cause) if cause else None
        await federation.send(tx, node, to=to, kind=kind, about=f"case:{case_id}", body=body, id=letter_id)
        return
    from tongban.cases.letters import LETTERS

    own = federation.Letter(
        id=cause or case_id, origin=node.id, to=node.id, epoch=0, seq=0, kind=kind, kind_version=1,
        about=f"case:{case_id}", at=node.clock.ms(), counts_at=node.clock.ms(), body=body,
    )  # fmt: skip
    await LETTERS[(kind, 1)](tx, node, own)


async def view_of(tx: Tx, node: Node, case: Case, to: str, notice: Words | None = None) -> View:
    """The body of `case.state` for the node `to` (办件公开状态): nothing internal, no staff names (cases.md 7)."""
    clocks = await records.clocks(tx, case.subject, case.id)
    clock = ticking.running(clocks)
    item = await catalogue.item(tx, case.task_code, int(case.item_version))
    history = await records.history(tx, node, case.subject, case.id)
    told = tuple(
        Told(
            at=int(line.at.timestamp() * 1000),
            title=line.title,
            text=line.shown.reveal() if line.shown else "",
            state=line.state_after,
            unit=line.unit,
            leaf=line.leaf,
        )
        for line in history
        if line.transition != "opinion"
    )
    answered = await tx.fetch(
        "SELECT request, answer FROM case_standing WHERE subject = $1 AND case_id = $2 AND answer IN ('done', 'kept')",
        case.subject,
        case.id,
    )
    return View(
        case=case.id, number=case.number, subject=case.subject, term=case.term, rev=case.rev, state=case.state,
        public_state=case.public_state, task_code=case.task_code, item_version=case.item_version,
        item_digest=case.item_digest, item_name=case.item_name, owner_node=node.id,
        owner_name=item.organisation.name if item else node.settings.name, asked=case.asked, decided=case.decided,
        due_kind=case.due_kind, due_on=case.due_on, provisional=bool(clock and clock.provisional),
        paused=bool(clock and clock.paused_on), statutory_on=clock.statutory_due_on if clock else None,
        received_on=case.received_on, told=told, notice_title=notice.title if notice else "",
        notice_text=notice.shown if notice else "", correction=case.file.correction,
        documents=await documents(tx, node, case, to), credential=case.credential, reasons=case.file.reasons,
        remedies=case.file.remedies, answered=tuple(row["request"] for row in answered), new_owner=case.new_owner,
        owner_phone=item.contact.consult if item else "",
    )  # fmt: skip


async def documents(tx: Tx, node: Node, case: Case, to: str) -> tuple[DocumentRef, ...]:
    """The sealed documents of a case with their keys, for the node that may show them (文书清单)."""
    found = await tx.fetch(
        "SELECT * FROM case_document WHERE subject = $1 AND case_id = $2 ORDER BY made_at, id", case.subject, case.id
    )
    made = []
    for row in found:
        carried = await evidence.travel(tx, node, case.subject, row["material"], used_in=f"case:{case.id}", to=to)
        at = int(row["made_at"].timestamp() * 1000)
        made.append(DocumentRef(id=row["id"], kind=row["kind"], title=row["title"], made_at=at, material=carried))
    return tuple(made)


