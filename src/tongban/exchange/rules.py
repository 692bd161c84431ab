"""Judgements of 数据共享: what a grant covers, what may be told, when two ledgers agree. Pure."""

from __future__ import annotations

import difflib
import re
import unicodedata
from collections.abc import Iterable, Mapping
from datetime import datetime

from tongban.consent import Line
from tongban.exchange.model import Gathered, Grant, Resource, ShownConsent, Use

# 企业名称登记管理规定 art. 11: no harm to the State, no party, army or office names. [K] the list is an example, data of the office.
FORBIDDEN_WORDS = ("国家", "中央", "国务院", "党", "军队", "政府")
_PUNCTUATION = re.compile(r"[\s（）()【】\[\]·,，.。\-_/]+")


def granted(grant: Grant, wanted: Iterable[str]) -> tuple[str, ...]:
    """The wanted fields that the grant gives, in the order asked (剪去没有授权的字段)."""
    allowed = set(grant.fields)
    return tuple(name for name in wanted if name in allowed)


def known(resource: Resource, wanted: Iterable[str]) -> tuple[str, ...]:
    """The wanted fields that the resource has, in the order asked."""
    names = {one.name for one in resource.fields}
    return tuple(name for name in wanted if name in names)


def consent_covers(resource: Resource, shown: ShownConsent | None, fields: tuple[str, ...], at: datetime) -> bool:
    """Whether the caller's consent covers these fields now, or none is asked (同意够不够).

    The words of the fields are compared, because they are what the person read.
    """
    if not resource.consent:
        return True
    return (
        shown is not None
        and shown.until > int(at.timestamp() * 1000)
        and set(resource.words(fields)) <= set(shown.fields)
    )


def only(values: Mapping[str, str], names: Iterable[str]) -> dict[str, str]:
    """The named values and nothing else, whatever the register answered."""
    return {name: values[name] for name in names if name in values}


def plain_name(name: str) -> str:
    """A company name without blanks, brackets and width forms, for comparing (名称的比对形式)."""
    return _PUNCTUATION.sub("", unicodedata.normalize("NFKC", name)).upper()


def name_verdict(name: str, registered: Iterable[str]) -> dict[str, str]:
    """Whether a company name can be used, why, and which are close (名称核对).

    Source: 企业名称登记管理规定 art. 11, 17 [K]. Only a first look: the registering office decides.

    >>> name_verdict("成都云岭（演示）科技有限公司", ["成都云岭演示科技有限公司"])["available"]
    'no'
    """
    wanted = plain_name(name)
    rows = list(registered)
    found = next((word for word in FORBIDDEN_WORDS if word in wanted), None)
    if len(wanted) < 6:
        return {"available": "no", "reason": "名称太短，要有地名、字号、行业和“有限公司”这样的形式", "similar": ""}
    if found is not None:
        return {"available": "no", "reason": f"名称里不能有“{found}”，换一个字号", "similar": ""}
    if any(plain_name(row) == wanted for row in rows):
        return {"available": "no", "reason": "这个名称已经有人登记，换一个字号", "similar": ""}
    close = [row for row in rows if difflib.SequenceMatcher(None, plain_name(row), wanted).ratio() >= 0.8]
    reason = "可以用，有相近的名称，登记机关会再看" if close else "可以用"
    return {"available": "yes", "reason": reason, "similar": "、".join(close[:3])}


def merged(parts: Iterable[Gathered]) -> tuple[Use, ...]:
    """The lines of all nodes as uses, each told once, newest first (合并台账).

    Both ends of an access carry one id; equal digests agree. A line whose other end was reached and has none does not.
    """
    gathered = tuple(parts)
    reached = {part.node for part in gathered if part.reached}
    by_id: dict[str, list[Line]] = {}
    for part in gathered:
        for line in part.lines:
            by_id.setdefault(line.id, []).append(line)
    uses = [Use(line=_best(lines), agrees=_agree(lines, reached)) for lines in by_id.values()]
    return tuple(sorted(uses, key=lambda use: (use.line.at, use.line.id), reverse=True))


def _best(lines: list[Line]) -> Line:
    # the owner's line is the truth (privacy.md 6)
    return min(lines, key=lambda line: {"owner": 0, "local": 1, "caller": 2}.get(line.side, 3))


def _agree(lines: list[Line], reached: set[str]) -> bool | None:
    if len({line.digest for line in lines}) > 1:
        return False
    first = lines[0]
    if first.side == "local" or first.source == first.receiver:
        return True
    ends = {"owner": first.source, "caller": first.receiver}
    missing = [node for side, node in ends.items() if side not in {line.side for line in lines}]
    if not missing:
        return True
    return False if all(node in reached for node in missing) else None


def grouped(uses: Iterable[Use]) -> tuple[tuple[Use, ...], ...]:
    """Uses that say the same on the same day, told as one (同样的合成一条): 100 automatic checks are one line that opens.

    A use whose ends do not agree always stands alone.
    """
    groups: dict[object, list[Use]] = {}
    for use in uses:
        line = use.line
        same = (line.who, line.kind, line.fields, line.purpose, line.about, line.source, line.at.date())
        key: object = line.id if use.agrees is False else same
        groups.setdefault(key, []).append(use)
    return tuple(tuple(group) for group in groups.values())
