"""An ended case goes to the archive (归档, R-407): its dossier for the evidence room, and what is forgotten when it was handed over."""

from __future__ import annotations

from typing import Any
from weakref import WeakKeyDictionary

import msgspec

from tongban import catalogue, evidence
from tongban.cases.model import Case, Source
from tongban.cases.queries import records
from tongban.cases.rules.process import PROCESS
from tongban.kernel.clock import CHINA
from tongban.kernel.db import Tx
from tongban.kernel.errors import Failure
from tongban.kernel.log import log_failure
from tongban.kernel.node import Node

BATCH = 200
ENDED = [name for name, state in PROCESS.states.items() if state.final and name not in {"transferred", "discarded"}]
"""Final states with a file here: a case handed to another body is archived there."""
_failed: WeakKeyDictionary[Node, dict[str, None]] = WeakKeyDictionary()
"""Cases that could not be packed, the longest ago first: they come after the others, so that they keep none of them waiting."""
_TABLES = ("case_history", "case_clock", "case_material", "case_document", "case_standing", "case_offer")


async def dossier(tx: Tx, node: Node, case_id: str) -> evidence.Dossier | None:
    """Everything of an ended case (案卷): application, history, files, documents, the leaf of each step. None while it runs."""
    case = await records.locked(tx, node, case_id)
    if case is None or case.state not in ENDED:
        return None
    item = await catalogue.item(tx, case.task_code, int(case.item_version))
    history = await records.history(tx, node, case.subject, case.id)
    files, documents = await _files(tx, case, item), await _documents(tx, case)
    about = {
        "id": case.id, "number": case.number, "item": case.item_name, "item_code": case.task_code, "item_version": case.item_version,
        "item_digest": case.item_digest, "organisation": case.org_code, "division": case.division, "state": case.state,
        "state_words": PROCESS.states[case.state].zh, "decided": case.decided, "credential": case.credential,
        "submitted_at": _moment(case.submitted_at), "received_on": case.received_on.isoformat(), "ended_at": _moment(case.changed_at),
        "materials": {code: sum(1 for one in files if one.code == code) for code in dict.fromkeys(one.code for one in files)},
        "documents": len(documents), "steps": len(history),
    }  # fmt: skip
    sent = case.file.submission
    applied = {
        "applicant": {"name": sent.evidence.name, "number": sent.evidence.number, "level": sent.evidence.acr},
        "agent": {"name": sent.agent_name, "basis": sent.agent_basis} if sent.agent_name else None,
        "answers": _said(item, sent.answers, sent.sources), "case": msgspec.to_builtins(msgspec.structs.replace(case.file, submission=_bare(case))),
    }  # fmt: skip
    steps = [
        {
            "n": one.n, "at": _moment(one.at), "act": one.transition, "title": one.title, "before": one.state_before, "after": one.state_after,
            "by": one.by_kind, "who": one.by_ref, "unit": one.unit, "told": one.shown.reveal() if one.shown else "",
            "opinion": one.opinion.reveal() if one.opinion else "", "leaf": one.leaf,
        }
        for one in history
    ]  # fmt: skip
    return evidence.Dossier(
        subject=case.subject, case=case.id, number=case.number, item_name=case.item_name, org_code=case.org_code,
        organisation=item.organisation.name if item else node.settings.name, division=case.division,
        ended_on=case.changed_at.astimezone(CHINA).date(), term=evidence.term_of(case.task_code),
        pieces=(
            _piece("metadata", "办件信息", "metadata.json", about), _piece("application", "申请内容", "application.json", applied),
            _piece("history", "办理经过", "history.json", steps),
        ),
        enclosed=(*files, *documents),
        steps=tuple(
            evidence.Step(n=one.n, title=one.title, act=one.transition, at=int(one.at.timestamp() * 1000), leaf=one.leaf) for one in history
        ),
    )  # fmt: skip


async def case_of(tx: Tx, number: str) -> str | None:
    """The case of a number at this node."""
    found: str | None = await tx.fetchval("SELECT id FROM case_record WHERE number = $1", number)
    return found


async def packed(tx: Tx, node: Node, package: evidence.Archive) -> None:  # noqa: ARG001  the shape evidence calls
    """Note on the case that its package was made, so that the clock does not look at it again."""
    await tx.execute("UPDATE case_record SET packed_at = $3 WHERE subject = $1 AND id = $2", package.subject, package.case_id, package.made_at)


async def unpacked(tx: Tx, node: Node, case: Case) -> None:
    """An ended case goes on (重新办理的件): the package made at its end is withdrawn, and the clock packs it anew when it ends again."""
    await evidence.withdraw(tx, node, case.id)
    await tx.execute("UPDATE case_record SET packed_at = NULL WHERE subject = $1 AND id = $2", case.subject, case.id)


async def forget(tx: Tx, node: Node, subject: str, case_id: str) -> None:  # noqa: ARG001  the shape evidence calls
    """Delete the rows of a case whose package has been handed over (移交后删除); the archive's row remains as the link.

    Called inside a transaction that has said `tongban.retention`; without that the history refuses.
    """
    rows = await tx.fetch(
        "SELECT material FROM case_material WHERE subject = $1 AND case_id = $2 UNION"
        " SELECT material FROM case_document WHERE subject = $1 AND case_id = $2",
        subject,
        case_id,
    )
    await evidence.forget_files(tx, subject, case_id, [row["material"] for row in rows])
    for table in _TABLES:
        await tx.execute(f"DELETE FROM {table} WHERE subject = $1 AND case_id = $2", subject, case_id)
    await tx.execute("DELETE FROM case_record WHERE subject = $1 AND id = $2", subject, case_id)
    await tx.execute("DELETE FROM case_mirror WHERE subject = $1 AND id = $2", subject, case_id)


async def archive_ended(node: Node) -> None:
    """Pack every case that was closed, or ended long enough ago (到期归档). One that cannot be packed yet is tried after the others."""
    failed = _failed.setdefault(node, {})
    async with node.db.reading() as tx:
        rows = await tx.fetch(
            "SELECT id FROM case_record WHERE packed_at IS NULL AND state = ANY($1::text[]) AND (state = 'closed' OR changed_at < $2)"
            " ORDER BY array_position($4::uuid[], id) NULLS FIRST, changed_at LIMIT $3",
            ENDED,
            evidence.due(node.clock.now()),
            BATCH,
            list(failed),
        )
    for row in rows:
        failed.pop(row["id"], None)
        try:
            await pack(node, row["id"])
        except Exception as error:  # noqa: BLE001  whatever is wrong with one case, the others are packed
            failed[row["id"]] = None
            log_failure("cases.archive_waits", error, case_id=row["id"], code=error.failure_code if isinstance(error, Failure) else "")


async def pack(node: Node, case_id: str) -> evidence.Archive | None:
    """Pack one ended case now (归档一件); None while it runs. Raises what stands against it."""
    async with node.db.transaction() as tx:
        found = await dossier(tx, node, case_id)
        return None if found is None else await evidence.archive(tx, node, found)


async def _files(tx: Tx, case: Case, item: catalogue.Item | None) -> tuple[evidence.Enclosed, ...]:
    titles = {one.name: one.title for one in item.materials} if item else {}
    rows = await tx.fetch(
        "SELECT code, material FROM case_material WHERE subject = $1 AND case_id = $2 ORDER BY code, round, material", case.subject, case.id
    )
    return tuple(evidence.Enclosed("material", row["code"], titles.get(row["code"], row["code"]), row["material"]) for row in rows)


async def _documents(tx: Tx, case: Case) -> tuple[evidence.Enclosed, ...]:
    rows = await tx.fetch(
        "SELECT kind, title, material FROM case_document WHERE subject = $1 AND case_id = $2 ORDER BY made_at, id", case.subject, case.id
    )
    return tuple(evidence.Enclosed("document", row["kind"], row["title"], row["material"]) for row in rows)


def _said(item: catalogue.Item | None, answers: dict[str, Any], sources: dict[str, Source]) -> list[dict[str, Any]]:
    """Each answer with its question in words and where it came from: readable without this program (可用性)."""
    labels = {one.name: one.label for one in item.form.fields} if item else {}
    return [
        {"field": name, "question": labels.get(name, name), "answer": value, "source": msgspec.to_builtins(sources.get(name, Source()))}
        for name, value in answers.items()
    ]


def _bare(case: Case) -> Any:
    """The submission without what stands elsewhere in the package, and without the keys of files."""
    return msgspec.structs.replace(case.file.submission, answers={}, sources={}, materials={}, licences=None)


def _piece(role: str, title: str, name: str, value: object) -> evidence.Piece:
    return evidence.Piece(role, title, name, "application/json", msgspec.json.format(msgspec.json.encode(value), indent=1))


def _moment(at: Any) -> str:
    return str(at.astimezone(CHINA).isoformat(timespec="seconds"))
