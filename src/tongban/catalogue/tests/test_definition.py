"""Reading definitions: every mistake names the file, the line and the mend."""

from __future__ import annotations

import shutil

import pytest

from tongban.catalogue.errors import DefinitionBroken
from tongban.catalogue.model import Limit, Visits
from tongban.catalogue.queries import basics_in, load_definition
from tongban.catalogue.rules import digest_of, facts, findings, materials_needed
from tongban.catalogue.rules.places import gives_in
from tongban.catalogue.tests.make import COMPANY, ITEMS, definitions, item


@pytest.fixture
def folder(tmp_path):
    """A copy of one item in an items folder of its own."""
    shutil.copytree(ITEMS / "residence" / "residence_permit_endorse", tmp_path / "residence" / "endorse")
    (tmp_path / "reference").mkdir()
    shutil.copy(ITEMS / "reference" / "basic_items.yaml", tmp_path / "reference")
    return tmp_path / "residence" / "endorse" / "1"


def change(path, old: str, new: str) -> int:
    text = path.read_text("utf-8")
    assert old in text
    path.write_text(text.replace(old, new, 1), "utf-8")
    return text[: text.index(old)].count("\n") + 1


@pytest.mark.parametrize(
    ("file", "old", "new", "says", "fix"),
    [
        ("form.yaml", "kind: mobile", "kind: mobil", "Invalid enum value 'mobil'", "README"),
        ("form.yaml", "purpose: 核对持证人", "purpos: 核对持证人", "unknown key `purpos`", "name, label, kind, purpose"),
        ("form.yaml", "visible_when: moved", "visible_when: moved &&", "not CEL", "write CEL"),
        ("form.yaml", "visible_when: moved", "visible_when: mooved", "mooved is no field of this form", "write CEL"),
        ("form.yaml", "visible_when: moved", "visible_when: moved > 3", "fails on an empty form", "write CEL"),
        ("form.yaml", "visible_when: moved", "visible_when: name", "gives str", "write CEL"),
        ("form.yaml", "visible_when: moved", "visible_when: name.matches('x')", "function matches is not offered", "write CEL"),
        ("item.yaml", 'use_level: "4"', "use_level: 4", "Expected `str`", "quotes"),
        ("item.yaml", "acr: 2\n", "", "`acr` is missing", "add `acr:`"),
        ("item.yaml", "acr: 2\n", "acr: 2\nacr: 3\n", "stands here twice", "keep one"),
        ("item.yaml", "acr: 2\n", "acr: 2\nname: 居住证年审\n", "differs from the basic item", "overrides"),
        ("item.yaml", "acr: 2\n", "acr: 2\nversion: 7\n", "does not stand in item.yaml", "folder"),
        ("flow.yaml", "steps:", "steps: [", "not YAML", "indentation"),
    ],
)
def test_a_mistake_names_file_line_and_mend(folder, file, old, new, says, fix) -> None:
    line = change(folder / file, old, new)
    with pytest.raises(DefinitionBroken) as caught:
        load_definition(folder)
    message = str(caught.value)
    assert file in message
    assert says in message
    assert fix in message
    assert abs(caught.value.line - line) <= 3 or "missing" in says or "YAML" in says, message


def test_a_missing_file_and_a_folder_that_is_no_version_are_named(folder) -> None:
    (folder / "flow.yaml").rename(folder / "fluss.yaml")
    with pytest.raises(DefinitionBroken, match=r"flow\.yaml:1: the file is missing"):
        load_definition(folder)
    (folder / "fluss.yaml").rename(folder / "flow.yaml")
    with pytest.raises(DefinitionBroken, match="is no version"):
        load_definition(folder.rename(folder.parent / "draft"))


def test_a_named_override_is_how_a_local_item_differs(folder) -> None:
    change(folder / "item.yaml", "acr: 2\n", "acr: 2\ndepartment: 市公安局\noverrides: {department: 本市由市局牵头}\n")
    assert load_definition(folder).item.department == "市公安局"


def test_costly_and_hostile_conditions_are_refused(folder) -> None:
    loops = "[1].all(a, [1].all(b, [1].all(c, true)))"
    change(folder / "form.yaml", "visible_when: moved", f'visible_when: "{loops}"')
    with pytest.raises(DefinitionBroken, match="3 loops in one condition"):
        load_definition(folder)
    change(folder / "form.yaml", loops, "true" + " || true" * 100)
    with pytest.raises(DefinitionBroken, match="at most 400"):
        load_definition(folder)


def test_the_digest_is_the_content_and_nothing_else(folder) -> None:
    first = load_definition(folder).item
    (folder / "item.yaml").write_text("# another remark\n" + (folder / "item.yaml").read_text("utf-8"), "utf-8")
    assert load_definition(folder).item.digest == first.digest == digest_of(first)
    change(folder / "form.yaml", "label: 新地址", "label: 新的地址")
    assert load_definition(folder).item.digest != first.digest


BAD = [
    ("C-01", {"visits": Visits(times=1, reason="无")}),
    ("C-02", {"visits": Visits(times=0, reason="要拍照")}),
    ("C-03", {"online": False, "channels": ("counter",)}),
    ("C-04", {"modes": ("online",), "visits": Visits(times=1, reason="要拍照")}),
    ("C-07", {"promised_limit": Limit(9), "statutory_limit": Limit(10, unit="calendar")}),
    ("C-08", {"project_type": "instant", "promised_limit": Limit(3)}),
    ("C-11", {"catalog_code": "000799902001"}),
    ("C-26", {"division_field": "address"}),
    ("C-31", {"conditions": ()}),
    ("C-31", {"remedies": ()}),
]


@pytest.mark.parametrize(("rule", "changed"), BAD, ids=[f"{rule}-{next(iter(changed))}" for rule, changed in BAD])
def test_each_rule_finds_its_own_mistake(rule, changed) -> None:
    assert rule in {one.rule for one in findings(item(**changed)) if one.severity == "error"}
    assert rule not in {one.rule for one in findings(item()) if one.severity == "error"}


def test_fee_phone_and_demo_rules(folder) -> None:
    change(folder / "item.yaml", "charged: false", "charged: true")
    change(folder / "item.yaml", "complaint: 023-12345", "complaint: 023-00000101")
    change(folder / "item.yaml", "（演示）", "")
    found = findings(load_definition(folder))
    assert {"C-05", "C-06", "C-12"} <= {one.rule for one in found}
    phones = next(one for one in found if one.rule == "C-06")
    assert "item.yaml:" in phones.where
    assert phones.fix


def test_a_bare_field_is_not_published(folder) -> None:
    change(folder / "form.yaml", "purpose: 核对持证人\n", "purpose: ''\n")
    found = [one for one in findings(load_definition(folder)) if one.rule == "C-21"]
    assert found
    assert "form.yaml:" in found[0].where


def test_prefilled_declarations_are_found(folder) -> None:
    change(folder / "form.yaml", "kind: declaration", "kind: declaration\n        prefill: [{source: account, field: name}]")
    assert "C-22" in {one.rule for one in findings(load_definition(folder))}


def test_the_four_samenesses() -> None:
    basic = basics_in(ITEMS)["000799902000"]
    assert findings(item(), basic) == findings(item())
    assert "C-10" in {one.rule for one in findings(item(name="居住证年检"), basic)}
    assert "C-10" in {one.rule for one in findings(item(legal_basis=()), basic)}


def test_r206_findings_name_something_real() -> None:
    notes = [one for one in findings(definitions()[COMPANY]) if one.severity == "note"]
    assert {"C-33"} <= {one.rule for one in notes}
    upload = item(COMPANY, materials=(definitions()[COMPANY].item.materials[1].__class__(name="a", title="纸质证明", kind="certificate", copies=2),),
                  result=definitions()[COMPANY].item.result)
    assert [one.rule for one in findings(upload) if one.rule == "C-41"] == ["C-41", "C-41"]


def test_three_facts_carry_the_word_sample_where_no_source_says_so() -> None:
    company, permit = facts(item(COMPANY)), facts(item())
    assert (company.how_long, company.how_long_unit, company.how_long_sample) == ("3 个", "工作日", False)
    assert (company.fee, company.fee_sample) == ("0 元", True)
    assert permit.how_long_sample
    assert not permit.fee_sample


def test_materials_have_four_states() -> None:
    states = {one.material.name: one.state for one in materials_needed(item(COMPANY))}
    assert set(states.values()) <= {"free", "licence", "reuse", "upload"}
    owns = materials_needed(item(COMPANY), {"premises": "own"})
    rents = materials_needed(item(COMPANY), {"premises": "other"})
    assert next(one.state for one in owns if one.material.name == "premises_proof") == "licence"
    assert next(one.state for one in rents if one.material.name == "premises_proof") == "upload"


@pytest.mark.parametrize(
    ("division", "place", "meets"),
    [
        ("510100", "510104", True), ("510104", "510100", True), ("510104", "510105", False), ("500103", "500000", True),
        ("500103", "510000", False), ("000000", "510104", True), ("510100", "", True),
    ],
)
def test_a_place_meets_its_own_tree(division, place, meets) -> None:
    assert gives_in(division, place) is meets
