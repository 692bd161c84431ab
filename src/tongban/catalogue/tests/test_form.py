"""The form engine: pure, so anything may be thrown at it."""

from __future__ import annotations

from datetime import date

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tongban.catalogue.model import NEVER_PREFILLED, Choice, Column, Field, Form, FormStep, Prefill
from tongban.catalogue.rules import check, credential_data, kept, parse_answers, prefill_plan, visible
from tongban.catalogue.rules.kinds import CHECKS
from tongban.catalogue.tests.make import COMPANY, PERMIT, definitions, item

TODAY = date(2026, 11, 18)
ALL = [one.item.form for one in definitions().values()]
anything = st.one_of(
    st.text(max_size=40), st.booleans(), st.lists(st.text(max_size=8), max_size=4),
    st.lists(st.dictionaries(st.text(max_size=6), st.text(max_size=8), max_size=3), max_size=3),
)


def form(*fields: Field) -> Form:
    return Form(steps=(FormStep(name="one", title="一", fields=fields),))


def field(kind: str, **more) -> Field:
    return Field(**{"name": "x", "label": "这一项", "kind": kind, **more})


@given(st.data())
def test_no_answer_of_any_shape_breaks_the_engine(data) -> None:
    one = data.draw(st.sampled_from(ALL))
    names = [f.name for f in one.fields]
    answers = data.draw(st.dictionaries(st.sampled_from([*names, "strange"]), anything, max_size=8))
    refusals = check(one, answers, today=TODAY)
    assert all(r.sentence and r.code.startswith("catalogue.") for r in refusals)
    if "strange" in answers:
        assert any(r.code == "catalogue.field_undeclared" for r in refusals)
        assert all("strange" not in r.sentence for r in refusals), "a stranger's name is not echoed"
    assert set(kept(one, answers, TODAY)) <= visible(one, answers, TODAY)


@given(st.dictionaries(st.text(max_size=20), st.lists(st.text(max_size=20), max_size=3).map(tuple), max_size=8))
def test_whatever_is_posted_is_read_without_breaking(posted) -> None:
    answers = parse_answers(item(COMPANY).form, posted, step="members")
    assert isinstance(answers.get("members"), list)


def test_hidden_answers_count_as_empty_and_are_not_kept() -> None:
    one = form(
        field("bool", name="moved"), field("text", name="to", visible_when="moved"),
        field("text", name="why", visible_when="to != ''"),
    )
    answers = {"moved": False, "to": "渝中区", "why": "近"}
    assert visible(one, answers) == {"moved"}
    assert kept(one, answers) == {"moved": False}
    assert visible(one, answers | {"moved": True}) == {"moved", "to", "why"}


@pytest.mark.parametrize(
    ("kind", "good", "bad", "words"),
    [
        ("id_number", "11010519491231002X", "110105194912310021", "最后一位"),
        ("id_number", "11010519491231002x", "1101051949123100", "少了 2 位"),
        ("credit_code", "11100000000013338W", "11100000000013338X", "营业执照"),
        ("mobile", "138 0013 8000", "1380013800", "少了 1 位，应该是 11 位数字"),
        ("mobile", "19900001111", "29900001111", "13 到 19"),
        ("date", "2026-11-18", "18/11/2026", "不是一个日期"),
        ("money", "12.50", "12.505", "两位小数"),
        ("number", "-3.5", "三", "数字"),
        ("region", "510104", "渝中区", "列表"),
        ("bank_account", "6222 0000 1111 2222", "622", "8 到 30 位"),
        ("text", "好", "好\u202e坏", "看不见"),
        ("address", "重庆市渝中区", "渝中", "至少写 5 个字"),
    ],
)
def test_every_kind_knows_good_from_bad_and_says_how_to_mend_it(kind, good, bad, words) -> None:
    one = form(field(kind))
    assert check(one, {"x": good}, today=TODAY) == ()
    (refusal,) = check(one, {"x": bad}, today=TODAY)
    assert words in refusal.sentence
    assert refusal.field == "x"


def test_all_text_kinds_have_a_check() -> None:
    structured = {"bool", "declaration", "consent", "multiselect", "table"}
    kinds = set(msgspec.inspect.type_info(Field).fields[2].type.values)
    assert kinds - structured == set(CHECKS)


def test_limits_that_move_with_the_day() -> None:
    one = form(field("date", minimum="today", maximum="today+10"))
    assert check(one, {"x": "2026-11-28"}, today=TODAY) == ()
    assert "2026 年 11 月 28 日" in check(one, {"x": "2026-11-29"}, today=TODAY)[0].sentence
    assert "不能早于" in check(one, {"x": "2026-11-17"}, today=TODAY)[0].sentence


def test_choices_and_tables_take_only_what_is_declared() -> None:
    several = form(field("multiselect", options=(Choice("a", "甲"), Choice("b", "乙"))))
    assert check(several, {"x": ["a", "b"]}) == ()
    assert check(several, {"x": ["a", "c"]})[0].code == "catalogue.field_kind"
    table = form(field("table", columns=(Column("name", "姓名"), Column("number", "号码", kind="id_number")), max_rows=2))
    good = {"name": "演示甲", "number": "11010519491231002X"}
    assert check(table, {"x": [good]}) == ()
    assert check(table, {"x": [good | {"role": "admin"}]})[0].code == "catalogue.field_undeclared"
    assert check(table, {"x": [good, good, good]})[0].code == "catalogue.field_rows"
    assert check(table, {"x": [good, {"name": ""}]})[0].field == "x.1.name"
    assert check(table, {"x": []})[0].sentence == "请填这一项，至少 1 行"


def test_a_page_is_read_as_it_was_posted() -> None:
    posted = {
        "members.0.name": ("演示甲",), "members.0.number": (" 11010519491231002x ",), "members.0.amount": ("1,000",),
        "members.1.name": ("",), "members.7.name": ("演示乙",), "_save": ("1",), "stranger": ("1",),
    }
    answers = parse_answers(item(COMPANY).form, posted, step="members")
    assert answers["members"] == [
        {"name": "演示甲", "number": "11010519491231002X", "amount": "1000"}, {"name": "演示乙"},
    ]
    assert answers["stranger"] == "1", "kept, so that check refuses it"
    assert "_save" not in answers
    finish = parse_answers(item(COMPANY).form, {"delivery": ("post",)}, step="finish")
    assert finish == {"delivery": "post", "declared": False}


def test_nothing_a_machine_must_not_answer_is_prefilled() -> None:
    one = form(*(field(kind, name=kind, prefill=(Prefill("account", field="x"),)) for kind in NEVER_PREFILLED), field("text", prefill=()))
    assert prefill_plan(one) == ()
    plan = {planned.field: planned for planned in prefill_plan(item(COMPANY).form)}
    assert {"legal_name", "legal_number", "legal_address", "mobile", "address", "post_address"} == set(plan)
    assert [source.source for source in plan["legal_name"].sources] == ["licence", "register"]


def test_an_unknown_step_is_a_mistake_of_the_caller() -> None:
    with pytest.raises(KeyError):
        check(item().form, {}, step="nowhere")


def test_the_credential_is_made_of_the_answers() -> None:
    company = credential_data(
        item(COMPANY),
        {"company_name": "成都锦云演示科技有限公司", "company_type": "limited", "capital": "50", "business_scope": ["软件开发", "技术服务"],
         "district": "510104", "address": "演示路 18 号", "legal_name": "演示甲"},
        {"@decided_on": "2026-11-18", "@credit_code": "91510104DEM0000000", "@organisation": "成都市市场监督管理局（演示）"},
        {"510104": "锦江区"},
    )
    assert company["company_type"] == "有限责任公司"
    assert company["capital"] == "50 万元人民币"
    assert company["address"] == "锦江区演示路 18 号"
    assert company["business_scope"].startswith("软件开发；技术服务、技术开发")
    permit = {"name": "演示甲", "number": "1", "permit_number": "2", "address": "老地方", "moved": True, "new_address": "新地方"}
    made = credential_data(item(PERMIT), permit, {"@previous.sex": "女"}, {})
    assert made["residence_address"] == "新地方"
    assert made["sex"] == "女"
    assert "birth" not in made, "what nobody knows is left out"
