"""From what a code says and what its home answered to the word on the verifier's screen (核对结论). Pure."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date, datetime, timedelta
from typing import Final

import msgspec

from tongban.credentials.model import (
    STATE_WORD,
    CredentialType,
    Line,
    Purpose,
    Shown,
    State,
    TypeField,
    Unreadable,
    Verdict,
)
from tongban.credentials.rules import showing
from tongban.credentials.rules.layout import day_words
from tongban.credentials.rules.record import LIST_HOURS

_SAY_AGAIN: Final = "“请您点一下换新码，我再扫一次。”码过了 60 秒或者用过一次就作废，截图不行。"
_SAY_OTHER: Final = "可以请对方出示实体证件，或者过几分钟再试。"


_CHINA_AHEAD: Final = timedelta(hours=8)  # times here are UTC
_FRESH: Final = timedelta(minutes=1)
_STALE: Final = timedelta(hours=LIST_HOURS)


class Facts(msgspec.Struct, frozen=True):
    """What is known beside the code itself (核对时知道的): `answer` is the home's word, None when it could not be asked."""

    now: datetime
    answer: str | None
    state: State
    state_at: datetime
    valid_until: date | None
    issuer_name: str
    home_name: str
    purposes: Mapping[str, str] = {}
    asked: bool = True


def unreadable(why: Unreadable, now: datetime, *, registered: bool) -> Verdict:
    """The verdict on a code whose signature or time does not hold (读不出)."""
    words = {
        "malformed": (
            "false",
            "不是有效的码",
            "码不完整，或者被改过",
            "“这个码读不出来，请您打开亮证页面，再出示一次。”",
        ),
        "not_ours": ("false", "不是亮证的码", "扫到的是别的码，没有打开它", "“请您在手机里点‘亮证’，出示那一页的码。”"),
        "bad_signature": (
            "false",
            "不是真的",
            "签名对不上，码被改过或者是假的",
            "“这个码核对不上，请出示实体证件。”别扣对方证件。",
        ),
        "unknown_key": (
            "false",
            "不是真的",
            "签名的单位不在节点目录里",
            "“这个码核对不上，请出示实体证件。”别扣对方证件。",
        ),
        "too_old": ("used", "码过期了", "出示码只管 60 秒", _SAY_AGAIN),
        "not_yet": ("unknown", "时间对不上", "这台设备的钟慢了，请先校准时间", "请先把电脑时间调成自动，再扫一次。"),
    }[why.reason]
    kind, headline, reason, say = words
    return Verdict(kind, why.reason, headline, reason, say=say, checked_at=now, registered=registered)  # type: ignore[arg-type]


def replayed(now: datetime, *, stopped: bool = False, registered: bool = False) -> Verdict:
    """The verdict on a code already taken once, or stopped by its holder (用过了)."""
    if stopped:
        return Verdict(
            "used",
            "stopped",
            "对方停止了出示",
            "这个码已经不能用",
            say=_SAY_AGAIN,
            checked_at=now,
            registered=registered,
        )
    return Verdict(
        "used", "used", "码用过了", "一个码只能核对一次", say=_SAY_AGAIN, checked_at=now, registered=registered
    )


def verdict(shown: Shown, kind: CredentialType | None, purpose: Purpose | None, facts: Facts) -> Verdict:
    """The verdict on a code whose signature and time hold (核对结论).

    Fields: what the holder chose and the purpose allows; none for a browser that is not registered (`purpose` None).
    """
    name = kind.name if kind else "证照"
    today = (facts.now + _CHINA_AHEAD).date()
    online = facts.answer == "ok"
    state = showing.state_now(facts.state, facts.valid_until, today)
    # a verifier that could not ask the home still counts its own calendar days
    given, fields = _fields(shown, kind, purpose)
    checked = Line("状态核对", _checked(facts, online=online), small=True)
    how = (Line("怎么出示的", "离线出示，手机没有联网", small=True),) if shown.offline else ()
    issued = Line("谁发的", f"{shown.org_name}，签名是真的", small=True)
    if state == "valid" and facts.now - facts.state_at <= _STALE:
        until_words = "长期" if facts.valid_until is None else day_words(facts.valid_until)
        reason, say = _advice(kind, purpose, fields, name) if _meant(shown, purpose) else _not_meant(shown, facts, name)
        lines = (*given, *how, issued, Line("有效期至", until_words, small=True), checked)
        return Verdict(
            "valid", "valid", "有效", reason, type_name=name, type_code=shown.type_code, issuer=shown.org_name, lines=lines,
            fields=fields, say=say, offline=shown.offline, online=online, checked_at=facts.now, state_at=facts.state_at, registered=purpose is not None,
        )  # fmt: skip
    base = Verdict(
        "unknown", "stale", "", "", type_name=name, type_code=shown.type_code, issuer=shown.org_name, offline=shown.offline, online=online,
        checked_at=facts.now, state_at=facts.state_at, registered=purpose is not None,
    )  # fmt: skip
    if state == "expired":
        until = facts.valid_until or today
        return msgspec.structs.replace(
            base, kind="expired", code="expired", headline="过期了",
            reason=f"{until.month} 月 {until.day} 日到期，已过 {max(1, (today - until).days)} 天",
            lines=(Line("证照", name), Line("到期日", day_words(until), small=True), *how, issued, checked),
            say="“您这张电子证照到期了。带实体证件也能办，或者先在手机里换新。”",
        )  # fmt: skip
    if state != "valid":
        return msgspec.structs.replace(
            base, kind="revoked", code=state, headline=STATE_WORD[state], reason="发证单位说不能用",
            lines=(Line("证照", name), Line("谁定的", shown.org_name, small=True), Line("为什么", "原因不对外显示", small=True), *how, checked),
            say="“这张电子证照不能用了。请拿实体证件来，或打 12345 问。”别扣对方证件。",
        )  # fmt: skip
    return msgspec.structs.replace(
        base, headline="现在不能确认", reason=f"状态从 {_when(facts.state_at)} 起查不到，不是证件有问题",
        lines=(
            Line("证照", name), Line("签名", f"是真的，{shown.org_name}", small=True),
            Line("最后知道的", f"有效，{_when(facts.state_at)}", small=True), Line("现在的状态", f"不知道，已中断 {_age(facts)}", small=True),
        ),
        say=f"“{facts.issuer_name}那边暂时查不到，不是您的问题。”{_SAY_OTHER}",
    )  # fmt: skip


def _given(shown: Shown, kind: CredentialType | None, purpose: Purpose | None) -> list[tuple[TypeField, str]]:
    """What the holder chose and the purpose allows, in the purpose's order (能看的内容)."""
    if kind is None or purpose is None or not _meant(shown, purpose):
        return []
    allowed = purpose.fields.get(kind.name, ())
    return [
        (field, shown.attributes[field.label])
        for key in allowed
        if (field := kind.field(key)) is not None and field.label in shown.attributes
    ]


def _fields(shown: Shown, kind: CredentialType | None, purpose: Purpose | None) -> tuple[tuple[Line, ...], dict[str, str]]:
    found = _given(shown, kind, purpose)
    lines = tuple(Line(field.name, _words(field.kind, value)) for field, value in found) or (Line("证照", kind.name if kind else "证照"),)
    return lines, {field.key: value for field, value in found}


def _meant(shown: Shown, purpose: Purpose | None) -> bool:
    """Whether the holder meant this verifier's purpose: a code for a bank tells a hotel nothing (T-53)."""
    return purpose is None or shown.purpose in {"any", purpose.id}


def _not_meant(shown: Shown, facts: Facts, name: str) -> tuple[str, str]:
    meant = facts.purposes.get(shown.purpose, "别的用途")
    return f"{name}，对方选的是给{meant}看", f"“您选的是给{meant}看，请换一个再出示一次。”对方可以不同意。"


def _words(kind: str, value: str) -> str:
    """A date as people write it; anything else as it is."""
    if kind != "date":
        return value
    try:
        return day_words(date.fromisoformat(value))
    except ValueError:
        return value


def narrowed(purpose: Purpose, ask: tuple[str, ...]) -> Purpose:
    """The purpose with only the fields that are asked for (只问这几项)."""
    return msgspec.structs.replace(
        purpose,
        fields={name: tuple(key for key in keys if key in ask) for name, keys in purpose.fields.items()},
        required={name: tuple(key for key in keys if key in ask) for name, keys in purpose.required.items()},
    )


def names_shown(shown: Shown, kind: CredentialType | None, purpose: Purpose | None) -> tuple[str, ...]:
    """The Chinese names of the fields this verifier gets to see (看到哪几项)."""
    return tuple(field.name for field, _ in _given(shown, kind, purpose))


def _advice(kind: CredentialType | None, purpose: Purpose | None, fields: dict[str, str], name: str) -> tuple[str, str]:
    if purpose is None:
        return f"{name}，本机没登记，不显示内容", "这台电脑还没登记成查验方，只能看到有效不有效。要看内容，请先登记。"
    if kind is None or kind.name not in purpose.fields:
        return f"{name}，和本用途无关", "这张证不在本用途能看的范围里，内容没有显示。"
    missing = [
        field.name
        for key in purpose.required.get(kind.name, ())
        if key not in fields and (field := kind.field(key)) is not None
    ]
    if missing:
        words = "、".join(missing)
        return f"{name}，还差{words}", f"“请您换一个出示范围，这次办事还要看{words}。”对方可以不同意。"
    count = len(fields)
    return f"{name}，可以办", f"看一眼本人，对上就能办。对方只给了这 {count} 项，别的不用问。"


def _checked(facts: Facts, *, online: bool) -> str:
    day_seconds = (int(facts.now.timestamp()) + 8 * 3600) % 86400  # China time, cheaper than a time zone
    clock = f"{day_seconds // 3600:02d}:{day_seconds // 60 % 60:02d}:{day_seconds % 60:02d}"
    age = facts.now - facts.state_at
    fresh = "，状态是刚取的" if age < _FRESH else f"，状态清单是 {_when(facts.state_at)} 的，{_age(facts)}前"
    if not facts.asked:
        return f"{clock} 批量核对{fresh}"
    return f"{clock} 联网核对{fresh}" if online else f"{clock}，{facts.home_name}连不上{fresh}"


def _when(at: datetime) -> str:
    local = at + _CHINA_AHEAD
    return f"{local.month} 月 {local.day} 日 {local.hour:02d}:{local.minute:02d}"


def _age(facts: Facts) -> str:
    minutes = max(0, int((facts.now - facts.state_at).total_seconds() // 60))
    if minutes < 60:
        return f"{minutes} 分钟"
    if minutes < 60 * 48:
        return f"{minutes // 60} 小时"
    return f"{minutes // 1440} 天"
