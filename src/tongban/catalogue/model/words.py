"""Words and shapes every noun of the catalogue uses 基础词: answers, kinds, channels."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal, TypeAlias

Answer: TypeAlias = str | bool | Sequence[str | dict[str, str]]
"""What one field holds: text, a tick, several choices, or the rows of a table."""
Answers: TypeAlias = dict[str, Answer]
"""The answers of one form, by field name (the only loose mapping, because the form itself is data)."""

Audience: TypeAlias = Literal["person", "organisation"]
Channel: TypeAlias = Literal["h5", "webview", "pc", "kiosk", "counter", "third_party"]
Mode: TypeAlias = Literal["online", "hand_over", "joint"]
"""跨省通办: 全程网办, 异地代收代办, 多地联办."""
FieldKind: TypeAlias = Literal[
    "text", "textarea", "id_number", "credit_code", "mobile", "date", "money", "number", "select", "multiselect",
    "bool", "address", "region", "table", "bank_account", "declaration", "consent", "signature",
]
PrefillSource: TypeAlias = Literal["account", "register", "licence", "earlier_case", "earlier_result", "computed"]
Severity: TypeAlias = Literal["error", "warning", "note"]

NEVER_PREFILLED: frozenset[str] = frozenset({"declaration", "consent", "signature", "bank_account"})
"""Kinds a machine must never answer for a person (ux.md 1.4)."""
