"""Types and templates of licences: every listed row, the twelve templates, what is unverified says so (R-403, D-9)."""

from __future__ import annotations

from datetime import UTC, date, datetime

import msgspec
import pytest
import yaml

from tongban import credentials, seals
from tongban.credentials.errors import TypeRefused
from tongban.credentials.model import CredentialType, Holder
from tongban.credentials.model.types import Band, TypeAct, Validity
from tongban.credentials.queries.types import _load, listed
from tongban.credentials.rules import layout, templates
from tongban.credentials.tests import make
from tongban.kernel.clock import SetClock
from tongban.kernel.gm import Personal
from tongban.kernel.settings import CODE_ROOT

ITEMS = CODE_ROOT / "items"
TWELVE = {
    "居民身份证", "社会保障卡", "医保电子凭证", "机动车驾驶证", "机动车行驶证", "营业执照", "居住证", "结婚证", "出生医学证明", "不动产权证书",
    "学历证书（高等教育）", "老年人优待证",
}  # fmt: skip
TODAY = date(2026, 11, 22)


def own() -> list[CredentialType]:
    return [one for one in _load(ITEMS / "credentials").by_code.values() if one.template == "own"]


def test_every_listed_row_is_a_type_and_twelve_have_a_template() -> None:
    library = _load(ITEMS / "credentials")
    assert len(library.listed) == 106
    assert {row.name for row in library.listed} <= set(library.by_name)
    assert {one.name for one in own()} >= TWELVE
    for row in library.listed:
        kind = library.by_name[row.name]
        assert kind.holder == row.holder, row.name
        # a code is the source's own or a demo one; nothing in between is made up
        assert kind.code == row.code or (kind.code_status == "demo" and kind.code.startswith(templates.DEMO_BODY)), row.name
        assert (kind.code_status == "demo") == (not row.code), row.name


def test_every_icon_is_drawn() -> None:
    drawn = (CODE_ROOT / "src/tongban/ui/static/icons.svg").read_text("utf-8")
    for one in _load(ITEMS / "credentials").by_code.values():
        assert f'id="i-{one.icon}"' in drawn, f"{one.name}: no icon {one.icon}"


def test_what_nobody_checked_is_not_official() -> None:
    assert not [one.name for one in _load(ITEMS / "credentials").by_code.values() if one.official]


async def test_a_demo_code_is_refused_on_a_production_node(make_node) -> None:
    node = await make_node("500000", clock=SetClock(datetime(2026, 11, 22, tzinfo=UTC)), demo=False)
    holder = Holder("p1", "500000", Personal("陈演示"))
    for name in ("机动车驾驶证", "残疾人证"):
        kind = credentials.type_named(node, name)
        assert kind
        with pytest.raises(TypeRefused) as why:
            async with node.db.transaction() as tx:
                await credentials.issue(
                    tx, node, make.staff(), type_code=kind.code, holder=holder, issuer=make.OFFICE,
                    data={"name": "陈演示", "number": "50010319980511004X", "vehicle_class": "C1"},
                )  # fmt: skip
        assert "演示代码" in why.value.sentence, "a made-up code left a production node"
    # a general template is refused there even when a source shows its code
    kind = next(one for one in credentials.types(node) if one.template == "general" and one.code_status == "sourced")
    with pytest.raises(TypeRefused) as why:
        async with node.db.transaction() as tx:
            await credentials.issue(tx, node, make.staff(), type_code=kind.code, holder=holder, issuer=make.OFFICE, data={})
    assert "模板" in why.value.sentence
    assert len(listed(node)) == 106


WRONG = {
    "code": {"code": "11990000TB0000001F006"},
    "demo status on a real code": {"code": "11100000MB0143028R002"},
    "no words": {"words": " "},
    "two fields of one number": {"fields": [{"key": "a", "label": 1, "name": "甲"}, {"key": "b", "label": 1, "name": "乙"}]},
    "two fields of one name": {"fields": [{"key": "a", "label": 1, "name": "甲"}, {"key": "b", "label": 2, "name": "甲"}]},
    "derived from nothing": {"fields": [{"key": "name", "label": 1, "name": "姓名", "derive": "last4:number"}]},
    "a number that is not masked": {"fields": [{"key": "name", "label": 1, "name": "证号", "kind": "number", "personal": False}]},
    "unknown field shown": {"disclosures": [{"id": "x", "name": "x", "fields": ["nothing"]}]},
    "least is not first": {"disclosures": [{"id": "x", "name": "x", "fields": ["name", "number"]}, {"id": "y", "name": "y", "fields": ["name"]}]},
    "validity without days": {"validity": {"kind": "days"}},
    "validity of a field that is no date": {"validity": {"kind": "field", "field": "name"}},
    "age bands out of order": {"validity": {"kind": "age", "field": "activated_on", "bands": [{"below": 40, "years": 1}, {"below": 20, "years": 2}, {}]}},
    "large of nothing": {"paper": {"large": ["nothing"]}},
    "no colour": {"paper": {"colour": "red"}},
    "unknown act": {"acts": {"burn": {"words": "销毁"}}},
    "moved with all that was its holder's": {"acts": {"transfer": {"words": "转移登记", "basis": "某法"}}},
}


@pytest.mark.parametrize("change", WRONG.values(), ids=WRONG.keys())
def test_the_checker_refuses(change) -> None:
    sound = yaml.safe_load((ITEMS / "credentials" / "medical_insurance.yaml").read_text("utf-8"))
    templates.check(msgspec.convert(sound, CredentialType))
    with pytest.raises((ValueError, msgspec.ValidationError)):
        templates.check(msgspec.convert(sound | change, CredentialType))


def test_validity_rules() -> None:
    born = Validity(kind="age", field="birth", bands=(Band(16, 5), Band(26, 10), Band(46, 20), Band()))
    cases = {"2012-01-01": date(2031, 11, 21), "2010-11-22": date(2036, 11, 21), "1980-11-23": date(2046, 11, 21), "1980-11-22": None}
    for day, last in cases.items():
        assert templates.until(born, {"birth": day}, TODAY) == last, day
    assert templates.until(Validity(kind="years", years=1), {}, date(2028, 2, 29)) == date(2029, 2, 28)
    assert templates.until(Validity(kind="field", field="end"), {"end": "长期"}, TODAY) is None
    assert templates.until(Validity(kind="field", field="end"), {"end": "2030-01-02"}, TODAY) == date(2030, 1, 2)
    with pytest.raises(ValueError, match="month"):
        templates.until(Validity(kind="field", field="end"), {"end": "2030-13-02"}, TODAY)


@pytest.mark.parametrize("kind", own(), ids=lambda kind: kind.name)
def test_every_template_fits_its_paper(kind) -> None:
    """With every field filled, nothing runs into the foot or off the sheet, and every value is drawn."""
    values = {
        field.key: {"date": "2026-11-22", "long_text": "重庆市渝中区解放碑街道演示路 18 号演示大厦 3 单元 12-2（演示）", "number": "50019919910612002X"}.get(
            field.kind, "演示内容"
        )
        for field in kind.fields
        if not field.derive
    }
    document = layout.document(
        kind, values, id="d", identifier="1.2.156.3005.2.11990000TB0000001E002.11500103DEM000022Q.20261122000000001.001.X", number="20261122000000001",
        org_name="重庆市渝中区市场监督管理局（演示）", issued=datetime(2026, 11, 22, tzinfo=UTC), valid_from=TODAY, valid_until=None, demo=True,
    )  # fmt: skip
    page = document.pages[0]
    texts = [one for one in page.marks if isinstance(one, seals.Text)]
    drawn = "".join(one.text for one in texts)
    for value in values.values():
        assert (layout._words("date", value) if value == "2026-11-22" else value).replace(" ", "") in drawn.replace(" ", ""), value
    place = layout.seal_place(kind)
    foot = min(place.y, next(one.y for one in page.marks if isinstance(one, seals.Image)))
    standing = {kind.paper.note, "重庆市渝中区市场监督管理局（演示）", "2026 年 11 月 22 日"}
    for one in [one for one in texts[2:] if one.text not in standing and not one.text.startswith("1.2.156")]:
        assert one.x >= 0
        assert one.x + seals.width_of(one.text, one.size, one.font) <= page.width - 8 or one.align == "center", one.text
        assert one.y <= foot + 1, f"{one.text} runs into the foot at {one.y} of {foot}"
    assert place.x + place.w <= page.width - 8
    assert place.y + place.h <= page.height - 8


def test_an_act_is_as_the_type_says() -> None:
    library = _load(ITEMS / "credentials")
    driving, wedding, card = (library.by_name[name] for name in ("机动车驾驶证", "结婚证", "社会保障卡"))
    assert templates.act_of(driving, "suspend")[0].words == "暂扣"
    assert templates.act_of(driving, "suspend")[0].told == "{name}暂扣"
    assert templates.act_of(driving, "withdraw")[0].four_eyes
    assert templates.act_of(wedding, "suspend") is None
    assert templates.act_of(card, "withdraw") is None
    assert templates.act_of(card, "transfer") is None
    assert templates.act_of(library.by_name["机动车行驶证"], "transfer")[0].to == "moved"
    looser = msgspec.structs.replace(driving, acts={"revoke": TypeAct(four_eyes=False)})
    assert not templates.act_of(looser, "revoke")[0].four_eyes
