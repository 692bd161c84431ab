"""Judgements of 数据共享: what a grant covers, what may be told, when two ledgers agree. Pure."""

from __future__ import annotations

import difflib
import re
import tomllib
import unicodedata
from collections.abc import Iterable, Mapping
from datetime import UTC, date, datetime, timedelta
from functools import cache
from importlib import resources as packaged

import msgspec

from tongban.consent import Line
from tongban.exchange.model import CLASS_WORDS, Before, Gathered, Grant, Message, Resource, ShownConsent, Use
from tongban.kernel.errors import Refusal, Refusals

# 企业名称登记管理规定 art. 11: no harm to the State, no party, army or office names. [K] the list is an example, data of the office.
FORBIDDEN_WORDS = ("国家", "中央", "国务院", "党", "军队", "政府")
_PUNCTUATION = re.compile(r"[\s（）()【】\[\]·,，.。\-_/]+")


_ID = re.compile(r"[a-z0-9]{2,16}\.[a-z][a-z0-9_]{1,40}")
_NAME = re.compile(r"[a-z][a-z0-9_]{0,40}")


class Days(msgspec.Struct, frozen=True):
    """Working days somebody has, with the source of that number (时限)."""

    days: int
    source: str
    verified: bool


class Warnings(msgspec.Struct, frozen=True):
    """How many days before its end a grant is told to be ending (到期提醒)."""

    days: tuple[int, ...]
    source: str
    verified: bool


class Breadth(msgspec.Struct, frozen=True):
    """How many persons an hour one node may learn of before somebody looks (T-29)."""

    subjects_per_hour: int
    source: str
    verified: bool


class InFlight(msgspec.Struct, frozen=True):
    """How many calls of one resource may be under way at once (在办上限)."""

    per_resource: int
    source: str
    verified: bool


class RegisterBreaker(msgspec.Struct, frozen=True):
    """How long a register is waited for, and after how many failures it is left alone for a while (登记库熔断)."""

    failures: int
    open_seconds: float
    seconds: float
    source: str
    verified: bool


class Ground(msgspec.Struct, frozen=True):
    """A ground on which a demand may be refused (不予共享的理由)."""

    code: str
    words: str


class Terms(msgspec.Struct, frozen=True):
    """terms.toml: the numbers of data sharing, each with its source."""

    demand_answer: Days
    dispute_answer: Days
    correction_answer: Days
    complaint_answer: Days
    expiry_warnings: Warnings
    breadth: Breadth
    in_flight: InFlight
    register_breaker: RegisterBreaker
    refusal: tuple[Ground, ...]

    def ground(self, code: str) -> str:
        """The words of a ground of refusal, or "" for an unknown code."""
        return next((one.words for one in self.refusal if one.code == code), "")


@cache
def terms() -> Terms:
    """The numbers of terms.toml (时限和理由)."""
    raw = tomllib.loads(packaged.files("tongban.exchange").joinpath("terms.toml").read_text("utf-8"))
    return msgspec.convert(raw, Terms)


def day_end(day: date) -> datetime:
    """The end of that day in China (当天结束)."""
    return datetime(day.year, day.month, day.day, 16, tzinfo=UTC)


def faults(found: Resource, owner: str) -> Refusals:
    """What is missing in a definition before it may be published (目录登记的核对), beside each field of the form."""
    wrong: list[Refusal] = []
    if not _ID.fullmatch(found.id) or not found.id.startswith(owner + "."):
        wrong.append(Refusal("exchange.resource_id", "编号写成小写字母、数字和下划线，比如 marriage", "id"))
    if not found.name.strip():
        wrong.append(Refusal("exchange.resource_name", "写上资源名称", "name"))
    if found.sharing not in CLASS_WORDS:
        wrong.append(Refusal("exchange.resource_class", "请选共享方式", "sharing"))
    elif found.sharing != "unconditional" and not found.sharing_reason.strip():
        words = "不予共享要写明依据的法律、行政法规或党中央、国务院文件" if found.sharing == "refused" else "有条件共享要写明条件"
        wrong.append(Refusal("exchange.resource_reason", words, "sharing_reason"))
    if not found.basis.strip():
        wrong.append(Refusal("exchange.resource_basis", "写上凭哪条规定提供", "basis"))
    if not found.update_cycle.strip():
        wrong.append(Refusal("exchange.resource_cycle", "写上多久更新一次", "update_cycle"))
    names = [one.name for one in found.fields]
    if not names or len(set(names)) != len(names) or not all(_NAME.fullmatch(one.name) and one.words.strip() for one in found.fields):
        wrong.append(Refusal("exchange.resource_fields", "每行一项：英文名、空格、中文名，不能重复，比如 name 姓名", "fields"))
    if found.per_day is not None and found.per_day < 1:
        wrong.append(Refusal("exchange.resource_per_day", "每天的总次数至少是 1，不限就不填", "per_day"))
    return tuple(wrong)


Rows = Mapping[str, tuple[str, str, str]]
"""One end's rows: call -> (digest of the question, digest of the answer, outcome)."""


def told(rows: Iterable[Message]) -> dict[str, tuple[str, str, str]]:
    """Rows of a message log as they are compared."""
    return {one.id: (one.request, one.answer, one.outcome) for one in rows}


def compared(at_caller: Rows, at_owner: Rows) -> tuple[tuple[str, str], ...]:
    """Where the two message logs of one way differ (对账): (call, `differs` | `missing_owner` | `missing_caller`).

    The caller writes its row before it asks, so a call the owner knows and the caller does not is never innocent; a call
    that only the caller knows is, unless it has an answer. An answer that was given and lost on the way is no difference.
    """
    found: list[tuple[str, str]] = [(name, "missing_caller") for name in at_owner if name not in at_caller]
    for name, (question, answer, outcome) in at_caller.items():
        other = at_owner.get(name)
        if other is None:
            if outcome == "given":
                found.append((name, "missing_owner"))
        elif question != other[0] or (outcome == "given" and (other[2] != "given" or answer != other[1])):
            found.append((name, "differs"))
    return tuple(found)


def lost(at_caller: Rows, at_owner: Rows) -> int:
    """Answers the owner gave that never arrived (没收到的答复): told, not an alarm."""
    return sum(1 for name, one in at_owner.items() if one[2] == "given" and name in at_caller and at_caller[name][2] != "given")


def granted(grant: Grant, wanted: Iterable[str]) -> tuple[str, ...]:
    """The wanted fields that the grant gives, in the order asked (剪去没有授权的字段)."""
    allowed = set(grant.fields)
    return tuple(name for name in wanted if name in allowed)


def asks_beyond(resource: Resource, asked: Iterable[str], allowed: Iterable[str]) -> bool:
    """Whether a condition names a field that is not granted (拿没授权的项目当条件): who may choose rows by it learns it."""
    return bool({one.name for one in resource.fields}.intersection(asked).difference(allowed))


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


def told_down_to(parts: Iterable[Gathered]) -> Before | None:
    """Down to which line every node has told everything (都说全了的那一段), None when nobody has older ones.

    Both ends of an access carry the same time and number, so above this line none of them is missing an end.
    """
    return max((min((line.at, line.id) for line in part.lines) for part in parts if part.more and part.lines), default=None)


def within(part: Gathered, *, before: Before | None, down_to: Before | None) -> Gathered:
    """A node's lines of this span only (截取一段), whatever it has told."""
    kept = (
        line for line in part.lines
        if (before is None or (line.at, line.id) < before) and (down_to is None or (line.at, line.id) >= down_to)
    )  # fmt: skip
    return msgspec.structs.replace(part, lines=tuple(kept))


UNDER_WAY = timedelta(minutes=2)
"""An access younger than this may still be on its way to its second end (还在路上)."""


def merged(parts: Iterable[Gathered], *, now: datetime | None = None) -> tuple[Use, ...]:
    """The lines of all nodes as uses, each told once, newest first (合并台账).

    Both ends of an access carry one id; equal digests agree. A line whose other end was reached and has none does not: `parts`
    are of one span of time, and whole in it. With `now`, a line that was written just now is not judged yet.
    """
    gathered = tuple(parts)
    reached = {part.node for part in gathered if part.reached}
    by_id: dict[str, list[Line]] = {}
    for part in gathered:
        for line in part.lines:
            by_id.setdefault(line.id, []).append(line)
    uses = [Use(line=_best(lines), agrees=_agree(lines, reached, now)) for lines in by_id.values()]
    return tuple(sorted(uses, key=lambda use: (use.line.at, use.line.id), reverse=True))


def _best(lines: list[Line]) -> Line:
    # the owner's line is the truth (privacy.md 6)
    return min(lines, key=lambda line: {"owner": 0, "local": 1, "caller": 2}.get(line.side, 3))


def _agree(lines: list[Line], reached: set[str], now: datetime | None) -> bool | None:
    if len({line.digest for line in lines}) > 1:
        return False
    first = lines[0]
    if first.side == "local" or first.source == first.receiver:
        return True
    ends = {"owner": first.source, "caller": first.receiver}
    missing = [node for side, node in ends.items() if side not in {line.side for line in lines}]
    if not missing:
        return True
    if now is not None and now - first.at < UNDER_WAY:
        return None
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
