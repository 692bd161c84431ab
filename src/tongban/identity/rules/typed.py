"""What people type 填的内容: phone or document number, names, masks, and paths that may be returned to. Pure."""

from __future__ import annotations

import re
import unicodedata
from typing import Literal
from urllib.parse import parse_qs, urlsplit

from tongban.identity.errors import refusal
from tongban.kernel.errors import Refusal
from tongban.kernel.ids import BadIdentifier, IdNumber

_PHONE = re.compile(r"1[3-9]\d{9}")
_NUMBER = re.compile(r"\d{17}[\dX]")
_OWN_PATH = re.compile(r"/(?![/\\])[!-\[\]-~]*")
_NOT_BACK_TO = ("/login", "/logout", "/step-up", "/oidc/callback", "/discover", "/staff/login", "/staff/logout", "/session", "/unlock")


def normal(text: str) -> str:
    """Half-width, upper case, no blanks or dashes: what a number looks like when compared.

    >>> normal("９９0101 1991-0612 002x")
    '99010119910612002X'
    """
    return re.sub(r"[\s\-]", "", unicodedata.normalize("NFKC", text)).upper()


def normal_name(text: str) -> str:
    """A name as compared: NFKC, no blanks, one kind of middle dot.

    >>> normal_name(" 阿依努尔 • 买买提 ")
    '阿依努尔·买买提'
    """
    return re.sub(r"[•・‧∙⋅．.]", "·", re.sub(r"\s", "", unicodedata.normalize("NFKC", text)))


def kind_of(text: str) -> Literal["phone", "number"] | None:
    """Whether a typed text is a mobile number, a document number, or neither."""
    value = normal(text)
    if _PHONE.fullmatch(value):
        return "phone"
    return "number" if _NUMBER.fullmatch(value) else None


def check_number(text: str, field: str = "number") -> Refusal | None:
    """None when the 18 digits and their check digit hold (GB 11643-1999, ISO 7064 MOD 11-2), else the refusal.

    >>> check_number("11010519491231002X") is None
    True
    """
    try:
        IdNumber.parse(text)
    except BadIdentifier as error:
        if error.code == "ids.id_number_check":
            return refusal("identity.number_check", field)
        return Refusal("identity.number_form", error.sentence, field)
    return None


def masked_name(name: str) -> str:
    """刘* for 刘梅, 欧阳** for longer ones: the first character and a star for each other."""
    return name[:1] + "*" * max(1, len(name) - 1)


def masked_phone(phone: str) -> str:
    """138 **** 8000."""
    return f"{phone[:3]} **** {phone[-4:]}" if len(phone) == 11 else "***"


def own_path(text: str, fallback: str = "/") -> str:
    r"""`text` if it is a path of this very host and not a sign-in page, else `fallback` (T-08, T-23).

    >>> own_path("//evil.example/"), own_path("/cases/1?a=b"), own_path("/\\evil")
    ('/', '/cases/1?a=b', '/')
    """
    if len(text) > 1500 or not _OWN_PATH.fullmatch(text):
        return fallback
    path = urlsplit(text).path
    if any(path == one or path.startswith(one + "/") for one in _NOT_BACK_TO):
        return fallback
    return text


def came_from(path: str) -> str:
    """The node id of `?from=` in a path of ours, or an empty string (identity.md 6.2)."""
    found = parse_qs(urlsplit(path).query).get("from", [""])[0]
    return found if re.fullmatch(r"[a-z0-9]{2,16}", found) else ""


def browser_words(agent: str) -> str:
    """A browser in words a person recognises, from its User-Agent: 手机上的 Chrome."""
    where = "手机" if is_phone(agent) else "电脑"
    for mark, name in (("MicroMessenger", "微信"), ("Edg", "Edge"), ("Firefox", "Firefox"), ("Chrome", "Chrome"), ("Safari", "Safari")):
        if mark in agent:
            return f"{where}上的 {name}"
    return f"{where}上的浏览器"


def is_phone(agent: str) -> bool:
    """Whether a User-Agent calls itself a phone."""
    return any(mark in agent for mark in ("Mobile", "Android", "iPhone"))
