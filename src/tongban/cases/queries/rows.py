"""Rows become Structs here and sealed documents are opened (行转对象)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, TypeVar

import msgspec

from tongban.cases.model import (
    Case,
    CaseFile,
    Clock,
    Draft,
    DraftFile,
    HistoryLine,
    Mirror,
    Offer,
    Receipt,
    Request,
    Submission,
    View,
)
from tongban.kernel.db import Tx
from tongban.kernel.gm import Personal
from tongban.kernel.node import Node
from tongban.kernel.person_keys import Kept, Purpose, kept_under

T = TypeVar("T")
Row = Mapping[str, Any]
_OWN = ("draft.file", "case_mirror.form", "case_mirror.view", "case_claim.view")
"""What goes when the account is closed; the rest of a case stays as long as the archive duty says."""
_LINE = "case_id::text || ':' || n::text"

kept_under(
    Kept("draft", "file", purpose="'own'"), Kept("case_mirror", "form", purpose="'own'"), Kept("case_mirror", "view", purpose="'own'"),
    Kept("case_claim", "view", place="case_id::text", purpose="'own'"), Kept("case_record", "file"),
    Kept("case_history", "shown", place=_LINE), Kept("case_history", "opinion", place=_LINE),
    Kept("case_standing", "content", place="request::text"), Kept("case_offer", "file", place="case_id::text"),
)  # fmt: skip


async def seal(tx: Tx, node: Node, subject: str, column: str, row_id: str, value: object) -> bytes:
    """A Struct as one JSON document sealed under the person's key (privacy.md 2)."""
    return await node.person_keys.seal(tx, subject, _purpose(column), column, row_id, msgspec.json.encode(value))


async def opened(tx: Tx, node: Node, column: str, row_id: str, blob: bytes, kind: type[T]) -> T:
    """A sealed JSON document as a Struct."""
    return msgspec.json.decode(await node.person_keys.open(tx, column, row_id, blob), type=kind)


async def seal_text(tx: Tx, node: Node, subject: str, column: str, row_id: str, text: str) -> bytes | None:
    """Words of the history, sealed; None when there are none."""
    return await node.person_keys.seal(tx, subject, _purpose(column), column, row_id, text.encode()) if text else None


async def _text(tx: Tx, node: Node, column: str, row_id: str, blob: bytes | None) -> Personal | None:
    return Personal((await node.person_keys.open(tx, column, row_id, blob)).decode()) if blob else None


def _purpose(column: str) -> Purpose:
    return "own" if column in _OWN else "file"


async def draft_of(tx: Tx, node: Node, row: Row) -> Draft:
    return Draft(
        subject=row["subject"], id=row["id"], actor_subject=row["actor_subject"], task_code=row["task_code"],
        item_version=row["item_version"], item_digest=row["item_digest"], state=row["state"], step=row["step"],
        file=await opened(tx, node, "draft.file", row["id"], row["file"], DraftFile), made_at=row["made_at"],
        touched_at=row["touched_at"],
    )  # fmt: skip


async def case_of(tx: Tx, node: Node, row: Row) -> Case:
    fields = {name: row[name] for name in Case.__struct_fields__ if name != "file"}
    return Case(**fields, file=await opened(tx, node, "case_record.file", row["id"], row["file"], CaseFile))


def clock_of(row: Row) -> Clock:
    return Clock(**{name: row[name] for name in Clock.__struct_fields__})


async def line_of(tx: Tx, node: Node, row: Row) -> HistoryLine:
    place = f"{row['case_id']}:{row['n']}"
    return HistoryLine(
        n=row["n"], term=row["term"], rev=row["rev"], transition=row["transition"], state_before=row["state_before"],
        state_after=row["state_after"], at=row["at"], by_kind=row["by_kind"], by_ref=row["by_ref"], unit=row["unit"],
        title=row["title"], leaf=row["leaf"],
        shown=await _text(tx, node, "case_history.shown", place, row["shown"]),
        opinion=await _text(tx, node, "case_history.opinion", place, row["opinion"]),
    )  # fmt: skip


async def mirror_of(tx: Tx, node: Node, row: Row) -> Mirror:
    fields = {name: row[name] for name in Mirror.__struct_fields__ if name not in {"view", "submission", "receipt"}}
    return Mirror(
        **fields,
        view=await opened(tx, node, "case_mirror.view", row["id"], row["view"], View) if row["rev"] else None,
        submission=await opened(tx, node, "case_mirror.form", row["id"], row["form"], Submission),
        receipt=msgspec.convert(row["receipt"], Receipt),
    )


def offer_of(row: Row) -> Offer:
    return Offer(**{name: row[name] for name in Offer.__struct_fields__})


def request_of(row: Row) -> Request:
    return Request(**{name: row[name] for name in Request.__struct_fields__})
