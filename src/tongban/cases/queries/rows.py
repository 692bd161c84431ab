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
from tongban.kernel.node import Node

T = TypeVar("T")
Row = Mapping[str, Any]
GROUP = "case"


def seal(node: Node, column: str, row_id: str, value: object) -> bytes:
    """A Struct as one sealed JSON document (privacy.md 2)."""
    return node.cipher.seal_bytes(GROUP, column, row_id, msgspec.json.encode(value))


def opened(node: Node, column: str, row_id: str, blob: bytes, kind: type[T]) -> T:
    """A sealed JSON document as a Struct."""
    return msgspec.json.decode(node.cipher.open_bytes(GROUP, column, row_id, blob), type=kind)


def draft_of(node: Node, row: Row) -> Draft:
    return Draft(
        subject=row["subject"], id=row["id"], actor_subject=row["actor_subject"], task_code=row["task_code"],
        item_version=row["item_version"], item_digest=row["item_digest"], state=row["state"], step=row["step"],
        file=opened(node, "draft.file", row["id"], row["file"], DraftFile), made_at=row["made_at"],
        touched_at=row["touched_at"],
    )  # fmt: skip


def case_of(node: Node, row: Row) -> Case:
    fields = {name: row[name] for name in Case.__struct_fields__ if name != "file"}
    return Case(**fields, file=opened(node, "case_record.file", row["id"], row["file"], CaseFile))


def clock_of(row: Row) -> Clock:
    return Clock(**{name: row[name] for name in Clock.__struct_fields__})


def line_of(node: Node, row: Row) -> HistoryLine:
    place = f"{row['case_id']}:{row['n']}"
    shown, opinion = row["shown"], row["opinion"]
    return HistoryLine(
        n=row["n"], term=row["term"], rev=row["rev"], transition=row["transition"], state_before=row["state_before"],
        state_after=row["state_after"], at=row["at"], by_kind=row["by_kind"], by_ref=row["by_ref"], unit=row["unit"],
        title=row["title"], leaf=row["leaf"],
        shown=node.cipher.open(GROUP, "case_history.shown", place, shown) if shown else None,
        opinion=node.cipher.open(GROUP, "case_history.opinion", place, opinion) if opinion else None,
    )  # fmt: skip


def mirror_of(node: Node, row: Row) -> Mirror:
    fields = {name: row[name] for name in Mirror.__struct_fields__ if name not in {"view", "submission", "receipt"}}
    return Mirror(
        **fields,
        view=opened(node, "case_mirror.view", row["id"], row["view"], View) if row["rev"] else None,
        submission=opened(node, "case_mirror.form", row["id"], row["form"], Submission),
        receipt=msgspec.convert(row["receipt"], Receipt),
    )


def offer_of(row: Row) -> Offer:
    return Offer(**{name: row[name] for name in Offer.__struct_fields__})


def request_of(row: Row) -> Request:
    return Request(**{name: row[name] for name in Request.__struct_fields__})
