"""Nouns of 归档: what a case hands to the archive, the package made of it, and its hand-over."""

from __future__ import annotations

from datetime import date, datetime
from typing import Literal

import msgspec

ArchiveState = Literal["waiting", "packed", "proposed", "approved", "handed_over", "cleared"]
BatchState = Literal["proposed", "approved", "received", "dropped"]
MANIFEST_TYPE = "tongban-archive-1"
RECEIPT_TYPE = "tongban-hand-over-receipt-1"
STATES: dict[str, str] = {
    "waiting": "等存证回执", "packed": "已归档", "proposed": "等批准移交", "approved": "移交中", "handed_over": "已移交", "cleared": "已移交，本地已删",
}  # fmt: skip


class Piece(msgspec.Struct, frozen=True):
    """One text of a case for its package (案卷文本). `role`: metadata, application, history or note."""

    role: str
    title: str
    name: str
    media_type: str
    content: bytes


class Enclosed(msgspec.Struct, frozen=True):
    """One file of a case for its package (案卷文件). `role`: material or document; `code` says which of the case's."""

    role: Literal["material", "document"]
    code: str
    title: str
    material: str


class Step(msgspec.Struct, frozen=True):
    """One line of a case's history, as the manifest names it (经过). `leaf` is "" where the step has none here."""

    n: int
    title: str
    act: str
    at: int
    leaf: str


class Dossier(msgspec.Struct, frozen=True, kw_only=True):
    """Everything the package of an ended case is made of (案卷). Given by the room that owns the case."""

    subject: str
    case: str
    number: str
    item_name: str
    org_code: str
    organisation: str
    division: str
    ended_on: date
    term: str = ""
    pieces: tuple[Piece, ...]
    enclosed: tuple[Enclosed, ...]
    steps: tuple[Step, ...]


class Archive(msgspec.Struct, frozen=True):
    """An archive package (归档包). `digest` names its manifest; `term` is years or `permanent`."""

    subject: str
    id: str
    case_id: str
    number: str
    item_name: str
    org_code: str
    division: str
    term: str
    ended_on: date
    state: ArchiveState
    digest: str
    leaf: str
    byte_count: int
    file_count: int
    made_at: datetime
    batch: str | None
    handed_over_at: datetime | None
    cleared_at: datetime | None

    @property
    def state_words(self) -> str:
        """The state in words."""
        return STATES[self.state]

    @property
    def term_words(self) -> str:
        """How long it is to be kept, in words."""
        return "永久" if self.term == "permanent" else f"{self.term} 年"


class Batch(msgspec.Struct, frozen=True):
    """Packages handed over together (移交批次). The key that signs the receiver's receipt is pinned when it is approved."""

    id: str
    receiver: str
    receiver_key: bytes
    division: str
    org_code: str
    proposal: str
    proposed_by: str
    approved_by: str
    state: BatchState
    made_at: datetime
    received_at: datetime | None
    leaf: str | None
