"""What is found: by the words, the sound, the initials; in this place; nothing where there is nothing.

The evaluation holds back every third alias of all 44 services and asks with them. The dictionary of everyday words and
these aliases come from the same hands, so the figures flatter; they are a floor against getting worse, not a promise.
"""

from __future__ import annotations

import random

import pytest

from tongban.search import find_in
from tongban.search.rules import text
from tongban.search.tests.make import index, services

COMPANY = "company_setup"


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    return index(tmp_path_factory.mktemp("whole"))[0]


def services_of(found):
    return [hit.shown.service or hit.shown.id for hit in found.hits if hit.shown.kind != "question"]


def scored(one, queries):
    first = third = 0
    for query, service in queries:
        ids = services_of(find_in(one, query))
        first += ids[:1] == [service]
        third += service in ids[:3]
    return first / len(queries), third / len(queries)


def test_held_back_everyday_names_find_their_service(tmp_path, capsys) -> None:
    one, queries = index(tmp_path, held_back=True)
    assert len(queries) >= 60
    first, third = scored(one, queries)
    with capsys.disabled():
        print(f"\n  search, {len(queries)} held-back names: hit@1 {first:.3f}, hit@3 {third:.3f}")  # noqa: T201  the figures are the point
    assert first >= 0.80
    assert third >= 0.92


def test_names_are_found_by_name_pinyin_and_with_a_wrong_character(whole, capsys) -> None:
    names = [(entry.name, entry.id) for entry in services()]
    sounds = [("".join(text.syllables(entry.plain_name)), entry.id) for entry in services()]
    slips = [(slipped(entry.aliases[1]), entry.id) for entry in services()]
    figures = {"names": scored(whole, names), "pinyin": scored(whole, sounds), "slips": scored(whole, slips)}
    with capsys.disabled():
        print("\n  " + ", ".join(f"{kind}: hit@1 {first:.3f} hit@3 {third:.3f}" for kind, (first, third) in figures.items()))  # noqa: T201
    assert figures["names"][0] >= 0.95
    assert figures["pinyin"][1] >= 0.95
    assert figures["slips"][1] >= 0.92


SAME_SOUND = {"公": "工", "司": "斯", "证": "正", "登": "灯", "记": "际", "户": "护", "社": "设", "保": "宝", "金": "斤", "照": "兆", "办": "半",
              "领": "岭", "医": "衣", "身": "深", "册": "侧", "居": "聚", "口": "扣", "补": "捕", "换": "唤", "孩": "骸", "失": "师"}  # fmt: skip


def slipped(name: str) -> str:
    """The name with one character of the same sound in place of another."""
    places = [n for n, sign in enumerate(name) if sign in SAME_SOUND]
    if not places:
        return name
    n = random.Random(name).choice(places)
    return name[:n] + SAME_SOUND[name[n]] + name[n + 1 :]


@pytest.mark.parametrize(
    "query",
    ["注册公司", "zhuce gongsi", "zhucegongsi", "ZHUCE GONGSI", "开公司", "zcgs", "开工司", "注策公司", "zuce gongsi", "gognsi zhuce",
     "我想开个公司", "开公司要什么材料", "註冊公司", "zhuce公司", "ｚｈｕｃｅ　ｇｏｎｇｓｉ", "办营业执照"],
)  # fmt: skip
def test_a_company_is_found_first_however_it_is_typed(whole, query) -> None:
    found = find_in(whole, query, division="500000")
    assert found.best is not None
    assert found.best.shown.service == COMPANY
    assert found.best.shown.how_long == "3 个"
    assert not found.best.here, "it is 成都's, found from 重庆 because it is open across provinces"


@pytest.mark.parametrize("query", ["公司搬家", "公司搬家换地址", "公司改名字", "换法人", "营业执照换地址"])
def test_a_companys_move_is_a_change_and_not_a_new_company(whole, query) -> None:
    found = find_in(whole, query, division="510100")
    assert found.best is not None
    assert found.best.shown.service == "company_change"


@pytest.mark.parametrize("query", ["长辈版", "亲情版", "关爱版", "关怀版", "guanhuaiban"])
def test_the_elder_version_is_an_act(whole, query) -> None:
    assert find_in(whole, query).best.shown.mode == "elder"


@pytest.mark.parametrize("query", ["", "   ", "今天天气怎么样", "买火车票", "宇宙飞船", "a", "qwrtp", "😀", "'; DROP TABLE item; --", "<script>"])
def test_what_is_not_there_is_not_found(whole, query) -> None:
    assert find_in(whole, query).hits == ()


def test_region_and_audience_filter(whole) -> None:
    here = services_of(find_in(whole, "居住证签注", division="500103"))
    assert here[0] == "residence_permit_endorse"
    elsewhere = find_in(whole, "居住证签注", division="510104")
    assert all(hit.shown.kind != "item" for hit in elsewhere.hits[:1]), "another place's own item is not offered"
    assert services_of(elsewhere)[0] == "residence_permit_endorse", "what is generally known of it is"
    assert all(hit.shown.service != "remote_medical" for hit in find_in(whole, "异地就医", audience="organisation").hits)


def test_an_entry_steps_back_where_the_item_is_handled(whole) -> None:
    found = find_in(whole, "异地就医备案", division="500000")
    assert [hit.shown.kind for hit in found.hits if hit.shown.service == "remote_medical"] == ["item"]


def test_near_neighbours_are_asked_about(whole) -> None:
    assert len(find_in(whole, "身份证").close) >= 2
    assert find_in(whole, "注册公司").close == ()


def test_channel_filter(whole) -> None:
    assert find_in(whole, "注册公司", channel="kiosk").best is not None
    assert all(hit.shown.kind != "item" for hit in find_in(whole, "注册公司", channel="third_party").hits)


def test_questions_and_general_information_say_what_they_are(whole) -> None:
    found = find_in(whole, "注册资本要马上交吗")
    assert found.hits[0].shown.kind == "question"
    assert "问答" in found.hits[0].shown.says
    licence = find_in(whole, "驾照到期")
    assert (licence.hits[0].shown.kind, licence.hits[0].shown.href) == ("entry", "/info/driver_renew")
    assert licence.best is None, "general information is no act"
