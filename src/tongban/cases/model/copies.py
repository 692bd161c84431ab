"""Nouns of looking at a licence that stands for a material (证照副本): what it is linked to, what came of asking."""

from __future__ import annotations

from typing import Literal

import msgspec

from tongban.cases.model.application import FoundCard
from tongban.cases.model.record import Case


class Linked(msgspec.Struct, frozen=True):
    """A licence linked to a case (本件用的证照): the material it stands for, and how it was when the case was handed in."""

    case: Case
    material: str
    title: str
    card: FoundCard


class LicenceTold(msgspec.Struct, frozen=True):
    """What came of asking for a copy (证照副本的答复): how the licence is now, in words, and the ticket for the copy or why there is none.

    `unknown` is one that could not be checked. The ticket is good once, for some minutes, for who asked, in this case, for this material.
    """

    standing: Literal["valid", "ended", "unknown"]
    words: str
    ticket: str = ""
    why: str = ""


class CopyAsked(msgspec.Struct, frozen=True):
    """How a licence was when the case was handed in, and how it is now (提交时和现在)."""

    found: Linked
    told: LicenceTold
