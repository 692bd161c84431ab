"""Judgements of the space 规则: greetings, which service belongs to which place, icons of themes. Pure functions."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Mapping
from datetime import date
from typing import Final

from tongban.space.model import Scanned, Todo

LEVELS = {0: "还没登录", 1: "一级，手机号", 2: "二级，姓名和证号", 3: "三级，刷过脸", 4: "四级，当面或证书"}

# icon and tone by words in the theme's official name (主题分类); the first that fits
THEME_LOOKS = (
    ("生育", "baby", "r"), ("收养", "family", "r"), ("户籍", "id", "t"), ("身份", "id", "t"), ("社会保障", "shield", ""),
    ("社会救助", "gift", "g"), ("医疗", "heart", "r"), ("住房", "house", "g"), ("公积金", "bank", "w"), ("婚姻", "family", "r"),
    ("出境", "globe", "p"), ("交通", "car", "p"), ("驾驶", "car", "p"), ("车辆", "car", "p"), ("就业", "case", ""),
    ("教育", "list", "p"), ("退休", "sun", "w"), ("养老", "sun", "w"), ("纳税", "coin", "w"), ("税", "coin", "w"),
    ("设立", "shop", ""), ("变更", "swap", "t"), ("注销", "stop", "r"), ("年检", "check", "g"), ("投资", "chart", "p"),
    ("资质", "gate", "t"), ("证件", "id", "t"), ("死亡", "heart", "p"), ("殡葬", "heart", "p"), ("民族", "globe", "t"),
    ("不动产", "house", "g"), ("公安", "shield", ""), ("消费", "shop", "w"), ("法律", "book", "t"), ("优待", "gift", "g"),
)  # fmt: skip


def theme_look(name: str) -> tuple[str, str]:
    """Icon and tone of a theme by its official name (主题图标).

    >>> theme_look("设立变更")
    ('shop', '')
    """
    return next(((icon, tone) for word, icon, tone in THEME_LOOKS if word in name), ("grid", ""))


def short_theme(name: str) -> str:
    """A theme's name without what stands in brackets, for a small tile (主题简称).

    >>> short_theme("社会保障（社会保险、社会救助）")
    '社会保障'
    """
    return name.split("（", 1)[0]


def greeting(name: str, *, elder: bool) -> str:
    """What the entrance says first (问候). Only the given name in the standard mode; the whole name, politely, for elders.

    >>> greeting("陈晓雨", elder=False), greeting("", elder=True)
    ('晓雨，今天要办什么事？', '您好，想办什么事？')
    """
    if "*" in name:  # a visited node knows a person only by a masked name
        name = ""
    if elder:
        return f"{name}，您好" if name else "您好，想办什么事？"
    given = name[1:] if len(name) == 3 else name
    return f"{given}，今天要办什么事？" if given else "今天要办什么事？"


def area(code: str) -> str:
    """The leading digits all codes of a place share (地区前缀).

    >>> area("500000"), area("510100"), area("510104")
    ('50', '5101', '510104')
    """
    return code[:2] if code.endswith("0000") else code[:4] if code.endswith("00") else code


def given_in(service_division: str, place: str) -> bool:
    """Whether somebody at `place` meets a service of that division: its own, one above it or one below it."""
    return service_division.startswith(area(place)) or place.startswith(area(service_division))


def in_order(todos: tuple[Todo, ...]) -> tuple[Todo, ...]:
    """The nearest deadline first; what has none comes after, as it came (最急的在前)."""
    return tuple(sorted(todos, key=lambda one: one.due or date.max))


_ADDRESS: Final = re.compile(r"(https?)://([a-z0-9](?:[a-z0-9.-]{0,251}[a-z0-9])?)(?::([0-9]{1,5}))?(/[!-\[\]-~]*)?", re.IGNORECASE | re.ASCII)
_PORTS: Final = {"http": 80, "https": 443}
_CARD: Final = "GZ1:"
_LONGEST_SHOWN: Final = 600
_NEVER_SHOWN: Final = frozenset({"Cc", "Cf", "Co", "Cs", "Zl", "Zp"})


def origin(address: str) -> tuple[str, str, int] | None:
    """Scheme, host and port of an address, or None for one that is not plainly http(s) on an ASCII host (地址的来源).

    Nobody's name or password before the host, no backslash, no other script than ASCII: whatever a browser might read otherwise is none.

    >>> origin("https://500000.localhost/scan/x"), origin("https://500000.localhost@evil.example/"), origin("javascript:alert(1)")
    (('https', '500000.localhost', 443), None, None)
    """
    found = _ADDRESS.fullmatch(address)
    if found is None:
        return None
    scheme = found[1].lower()
    return scheme, found[2].lower(), int(found[3]) if found[3] else _PORTS[scheme]


def scanned(text: str, homes: Mapping[str, str]) -> Scanned:
    """What a scanned text is (扫到的是什么, T-59). `homes`: the base addresses of the directory's nodes with their names.

    Only an address whose origin is one of these leads anywhere; everything else is text, shown without what hides or turns characters.
    """
    text = text.strip()
    if text.startswith(_CARD):
        return Scanned("card", text)
    asked = origin(text)
    for base, name in homes.items():
        if asked is not None and asked == origin(base):
            path = text.split("/", 3)[3] if text.count("/") > 2 else ""
            return Scanned("login" if path.startswith("scan/") else "page", text, text, name)
    shown = "".join("\ufffd" if unicodedata.category(one) in _NEVER_SHOWN else one for one in text[:_LONGEST_SHOWN])
    return Scanned("text", shown + ("…" if len(text) > _LONGEST_SHOWN else ""))
