"""Nouns of 办件: a draft, a case at its owner, its clocks and history, the mirror, and what letters say of it."""

from __future__ import annotations

from tongban.cases.model.application import (
    Answers,
    Draft,
    DraftFile,
    Evidence,
    FoundCard,
    Receipt,
    Source,
    SourceKind,
    Submission,
    Unfinished,
    usable,
)
from tongban.cases.model.asked import Correction, Decision, Defect, Reason, Remedy
from tongban.cases.model.copies import CopyAsked, LicenceTold, Linked
from tongban.cases.model.mirrored import DocumentRef, HomeCase, HomeCases, Mirror, Past, Request, Summary, Told, View
from tongban.cases.model.record import (
    Case,
    CaseFile,
    Clock,
    ClockKind,
    DayUnit,
    HistoryLine,
    Offer,
    OfferedFile,
    QueueRow,
)

__all__ = [
    "Answers",
    "Case",
    "CaseFile",
    "Clock",
    "ClockKind",
    "CopyAsked",
    "Correction",
    "DayUnit",
    "Decision",
    "Defect",
    "DocumentRef",
    "Draft",
    "DraftFile",
    "Evidence",
    "FoundCard",
    "HistoryLine",
    "HomeCase",
    "HomeCases",
    "LicenceTold",
    "Linked",
    "Mirror",
    "Offer",
    "OfferedFile",
    "Past",
    "QueueRow",
    "Reason",
    "Receipt",
    "Remedy",
    "Request",
    "Source",
    "SourceKind",
    "Submission",
    "Summary",
    "Told",
    "Unfinished",
    "View",
    "usable",
]
