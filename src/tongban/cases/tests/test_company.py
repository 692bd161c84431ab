"""企业开办 at its owner: tables, places, an upload, and a licence with a credit code of its own."""

from __future__ import annotations

import msgspec
import pytest

from tongban import credentials
from tongban.cases.actions import decide, intake, review
from tongban.cases.errors import NoCodePool
from tongban.cases.rules import result
from tongban.cases.tests import make
from tongban.cases.tests.make import COMPANY, NUMBER, Browser, act, citizen, clerk, held, tried
from tongban.kernel.actor import SYSTEM
from tongban.kernel.ids import CreditCode

WHO = citizen("n1" + "a1" * 16)
PAGES = {
    "name": {"company_name": "成都锦云演示科技有限公司", "company_type": "limited"},
    "business": {"business_scope": ["软件开发", "技术服务"], "needs_permit": "false"},
    "capital": {"capital": "100", "capital_due": "2030-06-30"},
    "members": {"members.0.name": "演示陈晓雨", "members.0.number": NUMBER, "members.0.amount": "100", "members.1.name": ""},
    "officers": {"officers.0.role": "director", "officers.0.name": "演示陈晓雨", "officers.0.number": NUMBER},
    "premises": {"district": "510107", "address": "天府大道演示路 88 号", "premises": "other"},
    "legal_person": {
        "legal_name": "演示陈晓雨", "legal_number": NUMBER, "legal_address": "重庆市渝中区演示路 2 号", "mobile": "13800138000",
        "by_agent": "false",
    },
    "finish": {"delivery": "electronic"},
}  # fmt: skip


@pytest.fixture(scope="module")
async def node(make_node):
    return await make.ready(await make_node("510000"), COMPANY)


async def test_from_the_first_page_to_the_licence(node, monkeypatch):
    from tongban.cases.actions import drafts

    async with node.db.transaction() as tx:
        draft = await drafts.begin(tx, node, WHO, COMPANY)
    browser, path, step = Browser(node, WHO), f"/apply/{draft.id}", "name"
    for expected, typed in PAGES.items():
        assert step == expected
        page = await browser.get(f"{path}/{step}")
        assert page.status_code == 200
        answer = await browser.post(f"{path}/{step}", {**typed, "_act": "next"}, page=f"{path}/{step}")
        assert answer.status_code == 303, answer.text
        step = answer.headers["location"].rsplit("/", 1)[1]
    assert step == "materials"
    files = {"material-premises_proof": ("使用证明.jpg", make.photo(), "image/jpeg")}
    answer = await browser.post(f"{path}/materials", {"_act": "next"}, page=f"{path}/materials", files=files)
    assert answer.headers["location"] == f"{path}/check"
    check = await browser.get(f"{path}/check")
    assert "四川省成都市武侯区" in check.text or "武侯区" in check.text
    assert NUMBER not in check.text  # masked, also in tables
    assert "500103********4528" in check.text
    done = await browser.post(f"{path}/check", {"_act": "submit", "declared": "true"}, page=f"{path}/check")
    assert done.headers["location"] == f"{path}/submitted", done.text
    case = await held(node, draft.id)
    assert (case.division, case.state) == ("510107", "received")
    desk = {"division": "510107"}
    page = await Browser(node, clerk("acceptor", **desk)).get(f"/desk/{case.id}")
    assert "成都锦云演示科技有限公司" in page.text
    assert "使用证明.jpg" in page.text
    assert NUMBER not in page.text
    await act(node, case.id, intake.accept, clerk("acceptor", **desk), complete=True)
    await act(node, case.id, review.start_review, clerk("examiner", **desk))
    await tried(node, case.id, review.give_opinion, clerk("examiner", **desk), "都符合", favourable=True)
    await act(node, case.id, decide.grant, clerk("approver", **desk))
    with monkeypatch.context() as patch:  # in earnest nobody invents the code of a company: the case waits as it was decided
        patch.setattr(node, "settings", msgspec.structs.replace(node.settings, demo=False))
        with pytest.raises(NoCodePool):
            await decide.finish_by_clock(node, case.id)
    assert (await held(node, case.id)).state == "granted"
    finished = await act(node, case.id, decide.finish, SYSTEM)
    async with node.db.reading() as tx:
        licence = await credentials.of_case(tx, node, case.id)
        card = (await credentials.of_holder(tx, node, WHO.subject))[0]
    code = licence.data["credit_code"].reveal()
    assert CreditCode.parse(code).kind == "enterprise"
    assert code == result.credit_code(finished)
    assert licence.data["company_name"].reveal() == "成都锦云演示科技有限公司"
    assert licence.data["business_scope"].reveal().startswith("软件开发")
    assert (card.id, card.holder_kind) == (licence.id, "legal")


async def test_a_level_three_item_asks_for_level_three(node):
    low = citizen(WHO.subject, acr=2)
    from tongban.cases.actions import drafts

    async with node.db.transaction() as tx:
        draft = await drafts.begin(tx, node, low, COMPANY)
        item = await make.catalogue.item(tx, COMPANY)
        for step, typed in PAGES.items():
            posted = {name: tuple(value) if isinstance(value, list) else (value,) for name, value in typed.items()}
            if step == "premises":
                posted["premises"] = ("filed",)
            draft, _ = await drafts.save(tx, node, draft, item, step, posted)
    browser, path = Browser(node, low), f"/apply/{draft.id}/check"
    answer = await browser.post(path, {"_act": "submit", "declared": "true"}, page=path)
    assert answer.headers["location"].startswith("/step-up?"), answer.text


async def test_a_wrong_row_of_a_table_is_shown_where_it_is(node):
    from tongban.cases.actions import drafts

    who = citizen("n1" + "a2" * 16)
    async with node.db.transaction() as tx:
        draft = await drafts.begin(tx, node, who, COMPANY)
    path = f"/apply/{draft.id}/members"
    wrong = {"members.0.name": "演示陈晓雨", "members.0.number": "123", "members.0.amount": "很多"}
    answer = await Browser(node, who).post(path, {**wrong, "_act": "next"}, page=path)
    assert answer.status_code == 422
    assert 'href="#f-members.0.number"' in answer.text
    assert 'value="很多"' in answer.text
