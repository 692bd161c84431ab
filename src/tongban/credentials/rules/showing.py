"""What a card shows (出示哪些): fields, derived fields, masks. Pure.

>>> derived("over18:birth", {"birth": "2008-11-19"}, date(2026, 11, 18))
'否'
>>> derived("last4:number", {"number": "11010519491231002X"}, date(2026, 11, 18))
'002X'
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import date
from typing import Final

from tongban.credentials.errors import TypeRefused
from tongban.credentials.model import STATE_WORD, CredentialType, Disclosure, State

_ID_NUMBER: Final = re.compile(r"\d{17}[\dX]")
SOON_DAYS: Final = 30
LONGEST_SHOWN: Final = 40
"""Characters of one field in a code: a screen's QR holds no business scope of a page; the document has it all."""


def fill(kind: CredentialType, given: Mapping[str, str]) -> dict[str, str]:
    """The fields of a type from what a case decided, by key or by Chinese name; others are left out (取值).

    Raises TypeRefused naming what is required and missing.
    """
    found: dict[str, str] = {}
    for field in kind.fields:
        if field.derive:
            continue
        value = given.get(field.key) or given.get(field.name) or ""
        if value.strip():
            found[field.key] = value.strip()
        elif field.required:
            raise TypeRefused(f"{kind.name}缺“{field.name}”")
    return found


def birth_of(values: Mapping[str, str]) -> str:
    """The birth day on the card, or out of its 公民身份号码, as YYYY-MM-DD; empty when neither is there."""
    if values.get("birth"):
        return values["birth"]
    number = values.get("number", "")
    return f"{number[6:10]}-{number[10:12]}-{number[12:14]}" if _ID_NUMBER.fullmatch(number) else ""


def derived(how: str, values: Mapping[str, str], today: date) -> str:
    """A field made from another one (派生字段): `last4:<key>`, `over18:<key>`, `masked:<key>`; empty if it cannot be."""
    verb, _, source = how.partition(":")
    if verb == "over18":
        text = values.get(source, "") or birth_of(values)
        if not text:
            return ""
        born = date.fromisoformat(text)
        return "是" if (today.year - 18, today.month, today.day) >= (born.year, born.month, born.day) else "否"
    value = values.get(source, "")
    if verb == "last4":
        return value[-4:]
    if verb == "masked":
        return mask(value)
    return ""


def mask(value: str) -> str:
    """A name or number with its middle hidden (脱敏): 陈*雨, 1101**********002X; of a day the year: 1992-**-**."""
    if len(value) == 10 and value[4] == value[7] == "-" and value.replace("-", "").isdigit():
        return value[:4] + "-**-**"
    if len(value) > 8:
        return value[:4] + "*" * (len(value) - 8) + value[-4:]
    if len(value) > 2:
        return value[0] + "*" * (len(value) - 2) + value[-1]
    return value[:1] + "*" * (len(value) - 1)


def attributes(kind: CredentialType, chosen: Disclosure, values: Mapping[str, str], today: date) -> dict[int, str]:
    """The attributes of one presentation by field number (出示内容): only the chosen ones that have a value."""
    found = {}
    for key in chosen.fields:
        field = kind.field(key)
        if field is None:
            continue
        value = derived(field.derive, values, today) if field.derive else values.get(key, "")
        if value:
            found[field.label] = value if len(value) <= LONGEST_SHOWN else value[: LONGEST_SHOWN - 1] + "…"
    return found


def state_now(state: State, valid_until: date | None, today: date) -> State:
    """The state with the calendar taken in (现在的状态): a valid one past its last day is expired."""
    return "expired" if state == "valid" and valid_until is not None and today > valid_until else state


def state_word(state: State, valid_until: date | None, today: date) -> str:
    """The state in the word people know: 有效, 快到期, 过期了 …"""
    now = state_now(state, valid_until, today)
    if now == "valid" and valid_until is not None and (valid_until - today).days <= SOON_DAYS:
        return "快到期"
    return STATE_WORD[now]
