"""The guide 办事指南 as a page: everything a person needs to decide in 20 seconds whether and how. Pure drawing data."""

from __future__ import annotations

from collections.abc import Mapping

import msgspec

from tongban.catalogue.model import Item, Listing, Place, Question, Remedy
from tongban.catalogue.rules import SAMPLE, Facts, MaterialNeeded, facts, materials_needed

SECONDS_A_FIELD = 12
STATE_WORDS = {"free": "免交", "licence": "用电子证照", "reuse": "复用", "upload": "要上传"}
REMEDY_WORDS = {"review": "行政复议", "lawsuit": "行政诉讼"}


class Fact(msgspec.Struct, frozen=True):
    """One of the three facts (事实)."""

    label: str
    value: str
    unit: str = ""


class MaterialRow(msgspec.Struct, frozen=True):
    """A material as drawn (材料一行)."""

    title: str
    how: str
    tag: str
    tag_kind: str
    icon: str
    state: str


class StepRow(msgspec.Struct, frozen=True):
    """A step as drawn (一步)."""

    text: str
    hint: str


class BasisRow(msgspec.Struct, frozen=True):
    """A legal ground as drawn (一条依据)."""

    name: str
    says: str
    sample: bool


class GuidePage(msgspec.Struct, frozen=True):
    """办事指南 of one item."""

    title: str
    nav_title: str
    description: str
    task_code: str
    organisation: str
    place: str
    name: str
    plain_name: str
    tags: tuple[str, ...]
    facts: tuple[Fact, ...]
    facts_notes: tuple[str, ...]
    sample: str
    demo: bool
    preview: bool
    conditions: tuple[str, ...]
    conditions_sample: bool
    materials_title: str
    materials: tuple[MaterialRow, ...]
    sometimes: tuple[MaterialRow, ...]
    materials_sample: bool
    steps: tuple[StepRow, ...]
    flow: tuple[StepRow, ...]
    places: tuple[Place, ...]
    faq: tuple[Question, ...]
    faq_sample: bool
    basis: tuple[BasisRow, ...]
    remedies: tuple[str, ...]
    deadlines: tuple[str, ...]
    consult: str
    complaint: str
    result: str
    delivery: str
    level: str
    startable: bool
    company_only: bool
    version: int
    digest: str
    back: str = "/services"
    back_label: str = "返回办事"
    wide: bool = True


LEVELS = {1: "不用核验", 2: "实名就行", 3: "要刷脸核验本人", 4: "要数字证书或到窗口核验"}
DELIVERIES = {"electronic": "电子的存进亮证", "post": "寄到家", "counter": "到窗口取"}


def _material(one: MaterialNeeded) -> MaterialRow:
    ways = one.material.replaceable_by
    if one.material.medium == "paper" and one.state != "free":
        return MaterialRow(one.material.title, one.material.why or one.material.when, "带去窗口", "warn", "hand", "need")
    if ways and all(way.when for way in ways):
        hint = "看情况：" + "、".join(f"有{way.item or way.name}就免交" for way in ways) + "，其他要上传"
        return MaterialRow(one.material.title, hint, "可能要上传", "warn", "up", "need")
    hint = "；".join(part for part in (one.material.when, one.how) if part)
    upload = one.state == "upload"
    return MaterialRow(
        one.material.title, hint, STATE_WORDS[one.state], "warn" if upload else "ok", "up" if upload else "check",
        "need" if upload else "done",
    )


def _materials_title(certain: tuple[MaterialRow, ...], sometimes: tuple[MaterialRow, ...]) -> str:
    if not certain and not sometimes:
        return "不用交材料"
    hand_in = sum(row.tag == "要上传" for row in certain)
    most = hand_in + sum(row.tag in {"可能要上传", "带去窗口"} for row in certain)
    if most != hand_in:
        return f"{len(certain)} 份材料，你最多交 {most} 份"
    return f"{len(certain)} 份材料，你只要交 {hand_in} 份" if hand_in else f"{len(certain)} 份材料，都不用你交"


def _steps(item: Item, told: Facts) -> tuple[StepRow, ...]:
    minutes = max(1, round(len([f for f in item.form.fields if not f.prefill]) * SECONDS_A_FIELD / 60))
    wait = f"{told.how_long}{told.how_long_unit}" if told.how_long != "看当地" else "看当地公布"
    last = "、".join(DELIVERIES[way] for way in item.delivery[:2])
    return (
        StepRow(f"填 {len(item.form.steps)} 页", f"约 {minutes} 分钟"),
        StepRow("核对提交", "可随时存"),
        StepRow("审核", wait),
        StepRow(f"拿{item.result.name}" if len(item.result.name) < 8 else "拿结果", last),
    )


def _flow(item: Item) -> tuple[StepRow, ...]:
    rows = []
    for step in item.steps:
        unit = "个工作日" if step.unit == "working" else "天"
        days = "" if step.days is None else "当场" if step.days == 0 else f"{step.days} {unit}"
        rows.append(StepRow(step.name, "，".join(part for part in (step.who, days, step.note) if part)))
    return tuple(rows)


def _tags(item: Item) -> tuple[str, ...]:
    found = []
    if item.online and item.visits.times == 0:
        found.append("全程网上办")
    if item.scope in {"cross_province", "nation"}:
        found.append("跨省通办")
    if item.project_type == "instant":
        found.append("当场办")
    return tuple(found)


def _remedy(one: Remedy) -> str:
    return f"不服可以{REMEDY_WORDS[one.kind]}：{one.within}向{one.body}提出"


def guide_of(item: Item, names: Mapping[str, str], *, preview: bool = False) -> GuidePage:
    """The page of an item; `names` gives division names (画指南). Facts not confirmed carry 样例."""
    told = facts(item)
    drawn = [(one, _material(one)) for one in materials_needed(item)]
    certain = tuple(row for one, row in drawn if one.certain)
    sometimes = tuple(row for one, row in drawn if not one.certain)
    notes = (told.how_long_note, told.fee_note, told.visits_note)
    return GuidePage(
        title=item.name, nav_title="办事指南",
        description=f"{item.name}（{item.plain_name}）：{told.how_long}{told.how_long_unit}，{told.fee}，{told.visits}",
        task_code=item.task_code, organisation=item.organisation.name, place=names.get(item.division, ""), name=item.name,
        plain_name=item.plain_name, tags=_tags(item),
        facts=(
            Fact("多久办好", told.how_long, told.how_long_unit), Fact("收费", told.fee), Fact("要跑几趟", told.visits),
        ),
        facts_notes=tuple(note for note in notes if note), sample=SAMPLE if told.any_sample else "",
        demo=item.codes_are_demo, preview=preview,
        conditions=item.conditions, conditions_sample=not item.official("conditions"),
        materials_title=_materials_title(certain, sometimes), materials=certain, sometimes=sometimes,
        materials_sample=not item.official("materials"),
        steps=_steps(item, told), flow=_flow(item), places=item.places, faq=item.faq, faq_sample=not item.official("faq"),
        basis=tuple(
            BasisRow(f"《{one.name}》{one.article}" if "《" not in one.name else one.name, one.says, not one.verified)
            for one in item.legal_basis
        ),
        remedies=tuple(_remedy(one) for one in item.remedies), deadlines=item.deadlines,
        consult=item.contact.consult, complaint=item.contact.complaint, result=item.result.name,
        delivery="、".join(DELIVERIES[way] for way in item.delivery), level=LEVELS[item.acr],
        startable=item.online and not preview, company_only="person" not in item.audience, version=item.version, digest=item.digest,
    )


def open_on(listing: Listing, channel: str) -> bool:
    """Whether an item may be reached on the channel the frame names: h5 stands for phone and PC widths (渠道)."""
    if listing.status != "published":
        return False
    wanted = {"h5", "pc"} if channel == "h5" else {channel}
    return bool(wanted & set(listing.channels))
