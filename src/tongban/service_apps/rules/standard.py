"""The access standard 接入规范: gate.toml says what, these functions say whether. Facts are arguments."""

from __future__ import annotations

import re
import tomllib
from collections import Counter
from collections.abc import Callable, Iterator
from functools import cache
from importlib import resources as packaged
from urllib.parse import urlsplit

import msgspec

from tongban.service_apps.model import CHANNEL_WORDS, Draft, Finding, Rule
from tongban.service_apps.rules.html import Page
from tongban.service_apps.rules.tokens import contrast, pixels, read_tokens

PHONE = re.compile(r"(0\d{2,3}-\d{7,8}|12345|1[0-9]{2}\d{2}|400-?\d{3}-?\d{4})")
INK = ("--ink", "--ink-2", "--ink-3", "--brand", "--ok", "--warn", "--bad")
PAPER = ("--bg", "--surface")
BANNED_WORDS = ("温馨提示", "尊敬的用户", "敬请谅解", "网络开小差", "予以受理", "本平台")
WANTED_HEADERS = {
    "content-security-policy": "default-src 'self'",
    "x-content-type-options": "nosniff",
    "referrer-policy": "same-origin",
    "permissions-policy": "",
    "cross-origin-opener-policy": "same-origin",
    "cross-origin-resource-policy": "same-origin",
}


class Trouble(msgspec.Struct, frozen=True):
    """One place where a rule does not hold: what was found, where, and its own fix when there is one."""

    text: str
    place: str = ""
    fix: str = ""
    severity: str = ""


class ItemFacts(msgspec.Struct, frozen=True):
    """What the gate knows of one carried item: its definition's findings, owner, channels, who else carries it."""

    task_code: str
    version: int
    name: str
    present: bool
    ours: bool
    channels: tuple[str, ...] = ()
    findings: tuple[Trouble, ...] = ()
    other_app: str = ""
    unknown_prefills: tuple[str, ...] = ()


class Fetched(msgspec.Struct, frozen=True):
    """One page as the node served it: path, mode, status, headers, the page as read, bytes of all it loads."""

    path: str
    mode: str
    status: int
    headers: dict[str, str]
    page: Page
    bytes_sent: int
    stylesheet: str

    @property
    def place(self) -> str:
        """How a report names it."""
        return f"{self.path}{'，长辈版' if self.mode == 'elder' else ''}"


class Facts(msgspec.Struct, frozen=True):
    """Everything one run of the gate looked at (检查的事实)."""

    draft: Draft
    items: tuple[ItemFacts, ...]
    pages: tuple[Fetched, ...]


@cache
def rules() -> tuple[Rule, ...]:
    """The access standard (接入规范), from gate.toml, in its order."""
    raw = tomllib.loads(packaged.files("tongban.service_apps").joinpath("gate.toml").read_text("utf-8"))
    return msgspec.convert(raw["rule"], tuple[Rule, ...])


def judge(facts: Facts) -> tuple[Finding, ...]:
    """What every rule found (检查结果): one passed line, or one line for each trouble with its fix."""
    found: list[Finding] = []
    for rule in rules():
        troubles = list(CHECKS[rule.check](facts, rule.limit))
        if not troubles:
            found.append(Finding(rule=rule.id, title=rule.title, severity=rule.severity, passed=True, text="没有问题"))
        found += [
            Finding(
                rule=rule.id,
                title=rule.title,
                severity="warning" if one.severity in {"warning", "note"} else rule.severity,
                passed=False,
                text=one.text,
                fix=one.fix or rule.fix,
                place=one.place,
            )
            for one in troubles
        ]
    return tuple(found)


Check = Callable[[Facts, str], Iterator[Trouble]]


def _definition(facts: Facts, _limit: str) -> Iterator[Trouble]:
    for item in facts.items:
        yield from item.findings


def _items_present(facts: Facts, _limit: str) -> Iterator[Trouble]:
    if not facts.items:
        yield Trouble("一个事项也没有", "事项", "至少选一个事项")
    for item in facts.items:
        if not item.present:
            yield Trouble(f"目录里没有 {item.task_code} 第 {item.version} 版", "事项")
        elif not item.ours:
            yield Trouble(f"“{item.name}”不归本节点管", "事项", "请在它自己的节点登记")


def _carried_once(facts: Facts, _limit: str) -> Iterator[Trouble]:
    for item in facts.items:
        if item.other_app:
            yield Trouble(f"“{item.name}”已经由“{item.other_app}”承载", "事项")


def _channels_offered(facts: Facts, _limit: str) -> Iterator[Trouble]:
    if not facts.draft.channels:
        yield Trouble("一个渠道也没选", "渠道", "至少选一个渠道")
    for item in facts.items:
        extra = [one for one in facts.draft.channels if one not in item.channels]
        if item.present and extra:
            yield Trouble(f"“{item.name}”没有开放：{'、'.join(CHANNEL_WORDS[one] for one in extra)}", "渠道")


def _prefill_known(facts: Facts, _limit: str) -> Iterator[Trouble]:
    for item in facts.items:
        for name in item.unknown_prefills:
            yield Trouble(f"没有登记部门提供 {name}", item.name)


def _contact(facts: Facts, _limit: str) -> Iterator[Trouble]:
    if not facts.draft.contact_unit.strip():
        yield Trouble("没写联系单位", "联系单位")
    if not PHONE.fullmatch(facts.draft.contact_phone.strip()):
        yield Trouble("没有带区号的电话", "联系电话")


def _service_level(facts: Facts, _limit: str) -> Iterator[Trouble]:
    level = facts.draft.service_level
    if level is None:
        yield Trouble("没写服务承诺", "服务承诺")
    elif not level.support_hours.strip() or level.available_per_mille <= 0 or level.answer_ms <= 0:
        yield Trouble("服务承诺没写全", "服务承诺")


def _service_level_sane(facts: Facts, limit: str) -> Iterator[Trouble]:
    level = facts.draft.service_level
    if level is not None and level.available_per_mille < int(limit):
        yield Trouble(f"可用率只承诺 {level.available_per_mille / 10:g} %", "服务承诺")
    if level is not None and level.answer_ms > 3000:
        yield Trouble(f"打开时间承诺 {level.answer_ms} 毫秒", "服务承诺")


def _answers(facts: Facts, _limit: str) -> Iterator[Trouble]:
    if not facts.pages:
        yield Trouble("没有页面可查", "页面", "先选好事项，或者写上页面地址")
    for one in facts.pages:
        if one.status != 200:
            yield Trouble(f"没有打开，答 {one.status}" if one.status else "连不上", one.place)


def _language(facts: Facts, _limit: str) -> Iterator[Trouble]:
    for one in _read(facts):
        if not one.page.language.lower().startswith("zh"):
            yield Trouble(f"lang 是“{one.page.language or '空'}”", one.place)


def _title(facts: Facts, _limit: str) -> Iterator[Trouble]:
    for one in _read(facts):
        if len(one.page.title.strip()) < 2:
            yield Trouble("没有标题", one.place)


def _one_heading(facts: Facts, _limit: str) -> Iterator[Trouble]:
    for one in _read(facts):
        count = sum(1 for heading in one.page.headings if heading.tag == "h1")
        if count != 1:
            yield Trouble(f"有 {count} 个 h1", one.place)


def _heading_order(facts: Facts, _limit: str) -> Iterator[Trouble]:
    for one in _read(facts):
        level = 0
        for heading in one.page.headings:
            now = int(heading.tag[1])
            if now > level + 1 and level:
                yield Trouble(f"h{level} 后面直接是 h{now}：{heading.words[:20]}", one.place)
            if not heading.words:
                yield Trouble(f"空的 {heading.tag}", one.place, "标题里要有字")
            level = now


def _labels(facts: Facts, _limit: str) -> Iterator[Trouble]:
    for one in _read(facts):
        targets = {label["for"] for label in one.page.labels if label.words}
        for control in one.page.controls:
            labelled = control["aria-label"].strip() or control["aria-labelledby"].strip() or control["title"].strip()
            if not labelled and not control.in_label and control["id"] not in targets:
                yield Trouble(f"没有名字：{control.shown}", one.place)


def _names(facts: Facts, _limit: str) -> Iterator[Trouble]:
    for one in _read(facts):
        for element in one.page.named:
            if not (element.words or element["aria-label"].strip() or element["aria-labelledby"].strip()):
                yield Trouble(f"读不出来：{element.shown}", one.place)


def _pictures(facts: Facts, _limit: str) -> Iterator[Trouble]:
    for one in _read(facts):
        for picture in one.page.pictures:
            if "alt" not in picture:
                yield Trouble(f"没有说明：{picture.shown}", one.place)


def _landmarks(facts: Facts, _limit: str) -> Iterator[Trouble]:
    for one in _read(facts):
        if one.page.mains != 1:
            yield Trouble(f"有 {one.page.mains} 个 main", one.place)
        if not one.page.skip_links:
            yield Trouble("没有“跳到正文”", one.place)


def _unique_ids(facts: Facts, _limit: str) -> Iterator[Trouble]:
    for one in _read(facts):
        for name, count in Counter(one.page.ids).items():
            if count > 1:
                yield Trouble(f"id“{name}”用了 {count} 次", one.place)


def _zoom(facts: Facts, _limit: str) -> Iterator[Trouble]:
    for one in _read(facts):
        if "user-scalable=no" in one.page.viewport or "maximum-scale=1" in one.page.viewport or not one.page.viewport:
            yield Trouble("不让放大，或者没写 viewport", one.place)


def _contrast(facts: Facts, limit: str) -> Iterator[Trouble]:
    for one in _read(facts):
        tokens = read_tokens(one.stylesheet, one.mode)
        if any(name not in tokens for name in (*INK, *PAPER)):
            yield Trouble("样式里看不到规定的颜色变量", one.place)
            continue
        for ink in INK:
            for paper in PAPER:
                found = contrast(tokens[ink], tokens[paper])
                if found is not None and found < float(limit):
                    yield Trouble(f"{ink} 在 {paper} 上只有 {found:.1f} 比 1", one.place)


def _targets(facts: Facts, limit: str) -> Iterator[Trouble]:
    yield from _smallest(facts, limit, ("--hit", "--tap"), "按的地方")


def _letters(facts: Facts, limit: str) -> Iterator[Trouble]:
    yield from _smallest(facts, limit, ("--fs-xs", "--fs-sm", "--fs-md", "--fs-body"), "字号")


def _smallest(facts: Facts, limit: str, names: tuple[str, ...], what: str) -> Iterator[Trouble]:
    normal, elder = (float(part) for part in limit.split(","))
    for one in _read(facts):
        tokens = read_tokens(one.stylesheet, one.mode)
        wanted = elder if one.mode == "elder" else normal
        for name in names:
            size = pixels(tokens.get(name, ""))
            if size is None:
                yield Trouble(f"样式里看不到 {name}", one.place)
            elif size < wanted:
                yield Trouble(f"{what} {name} 只有 {size:g}，要 {wanted:g}", one.place)


def _elder(facts: Facts, _limit: str) -> Iterator[Trouble]:
    for one in _read(facts):
        if (one.page.mode == "elder") != (one.mode == "elder"):
            yield Trouble("选了长辈版，页面没有变" if one.mode == "elder" else "标准版成了长辈版", one.place)
    normal = {one.path for one in facts.pages if one.mode == "" and one.status == 200}
    elder = {one.path for one in facts.pages if one.mode == "elder" and one.status == 200}
    for path in sorted(normal - elder):
        yield Trouble("没有长辈版", path)


def _headers(facts: Facts, _limit: str) -> Iterator[Trouble]:
    for one in _read(facts):
        for name, wanted in WANTED_HEADERS.items():
            value = one.headers.get(name)
            if value is None:
                yield Trouble(f"没有 {name}", one.place)
            elif wanted not in value:
                yield Trouble(f"{name} 里没有 {wanted}", one.place)
        policy = one.headers.get("content-security-policy", "")
        if "'unsafe-inline'" in policy or "'unsafe-eval'" in policy:
            yield Trouble("content-security-policy 放过了内嵌脚本", one.place)
        if "frame-ancestors" not in policy:
            yield Trouble("content-security-policy 没有 frame-ancestors", one.place)


def _inline(facts: Facts, _limit: str) -> Iterator[Trouble]:
    for one in _read(facts):
        for found in one.page.inline:
            yield Trouble(f"内嵌：{found}", one.place)


def _own_origin(facts: Facts, _limit: str) -> Iterator[Trouble]:
    for one in _read(facts):
        for relation, address in one.page.addresses:
            if urlsplit(address).netloc or (urlsplit(address).scheme and not address.startswith("data:")):
                yield Trouble(f"从外面取：{relation} {address[:60]}", one.place)


def _weight(facts: Facts, limit: str) -> Iterator[Trouble]:
    for one in _read(facts):
        if one.bytes_sent > int(limit):
            yield Trouble(f"{one.bytes_sent / 1000:.0f} KB，要 {int(limit) // 1000} KB 以内", one.place)


def _plain_words(facts: Facts, _limit: str) -> Iterator[Trouble]:
    for one in _read(facts):
        for word in BANNED_WORDS:
            if word in one.page.words:
                yield Trouble(f"有“{word}”", one.place)


def _read(facts: Facts) -> Iterator[Fetched]:
    return (one for one in facts.pages if one.status == 200)


CHECKS: dict[str, Check] = {
    "definition": _definition,
    "items_present": _items_present,
    "carried_once": _carried_once,
    "channels_offered": _channels_offered,
    "prefill_known": _prefill_known,
    "contact": _contact,
    "service_level": _service_level,
    "service_level_sane": _service_level_sane,
    "answers": _answers,
    "language": _language,
    "title": _title,
    "one_heading": _one_heading,
    "heading_order": _heading_order,
    "labels": _labels,
    "names": _names,
    "pictures": _pictures,
    "landmarks": _landmarks,
    "unique_ids": _unique_ids,
    "zoom": _zoom,
    "contrast": _contrast,
    "targets": _targets,
    "letters": _letters,
    "elder": _elder,
    "headers": _headers,
    "inline": _inline,
    "own_origin": _own_origin,
    "weight": _weight,
    "plain_words": _plain_words,
}
"""Every check that gate.toml may name (检查函数)."""
