"""Nouns of what is said to an applicant (告知): defects, the one asking, reasons, remedies."""

from __future__ import annotations

from datetime import date
from typing import Literal

import msgspec

Decision = Literal["", "granted", "refused"]


class Defect(msgspec.Struct, frozen=True):
    """One thing to put right (补正的一项): a field or a material of the item, and why, in words the applicant reads."""

    what: Literal["field", "material"]
    code: str
    title: str
    why: str


class Correction(msgspec.Struct, frozen=True):
    """The one asking of a case (一次性告知)."""

    asking: int
    asked_on: date
    last_day: date
    defects: tuple[Defect, ...]
    opened_on: date | None = None


class Reason(msgspec.Struct, frozen=True):
    """One ground of a negative decision (理由): the fact and the law."""

    fact: str
    basis: str


class Remedy(msgspec.Struct, frozen=True):
    """How to object (救济途径): 行政复议 or 行政诉讼, to whom, within how long."""

    kind: str
    body: str
    within: str
