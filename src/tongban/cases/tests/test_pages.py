"""The pages as a browser without JavaScript sees them: nothing typed is lost, nobody sees what is not theirs."""

from __future__ import annotations

import pytest

from tongban import consent, credentials
from tongban.cases.actions import closing, intake
from tongban.cases.tests import make
from tongban.cases.tests.make import Browser, brought, citizen, clerk, held, sent, tried
from tongban.cases.tests.test_licence_materials import given
from tongban.kernel.actor import NOBODY
from tongban.kernel.clock import SetClock


@pytest.fixture(scope="module")
async def node(make_node):
    return await make.ready(await make_node("500000", clock=SetClock(make.WEDNESDAY)))


def person(letter: str, acr: int = 3):
    return citizen("n1" + letter * 32, acr)


async def begun(node, who, task_code=make.PERMIT):
    """A draft begun through the page; its first page's path."""
    browser = Browser(node, who)
    from tongban.cases.actions import drafts

    async with node.db.transaction() as tx:
        draft = await drafts.begin(tx, node, who, task_code)
    return browser, f"/apply/{draft.id}"


async def test_a_form_error_keeps_what_was_typed(node):
    browser, path = await begun(node, person("1"))
    page = await browser.get(f"{path}/person")
    assert page.status_code == 200
    assert "第 1 项，共 3 项" in page.text
    typed = {"name": "演示陈晓雨", "number": make.NUMBER[:-1] + "1", "permit_number": "12", "mobile": "1380013800", "_act": "next"}
    answer = await browser.post(f"{path}/person", typed, page=f"{path}/person")
    assert answer.status_code == 422
    assert "出错了：" in answer.text
    assert "手机号码少了 1 位，应该是 11 位数字" in answer.text
    assert 'value="1380013800"' in answer.text
    again = await browser.get(f"{path}/person")  # another tab, tomorrow
    assert 'value="1380013800"' in again.text


async def test_the_way_to_the_receipt_and_back(node):
    browser, path = await begun(node, person("2"))
    posted = {name: values[0] for name, values in make.ANSWERS[make.PERMIT].items()}
    person_only = {name: posted[name] for name in ("name", "number", "permit_number", "mobile")}
    one = await browser.post(f"{path}/person", {**person_only, "_act": "next"}, page=f"{path}/person")
    assert (one.status_code, one.headers["location"]) == (303, f"{path}/living")
    living = {name: posted[name] for name in ("address", "moved", "reason")}
    two = await browser.post(f"{path}/living", {**living, "_act": "next"}, page=f"{path}/living")
    assert two.headers["location"] == f"{path}/check"
    check = await browser.get(f"{path}/check")
    assert "现在还没有交上去" in check.text
    assert f'href="{path}/person?from=check#f-mobile"' in check.text
    untold = await browser.post(f"{path}/check", {"_act": "submit"}, page=f"{path}/check")
    assert untold.status_code == 422
    assert "请看完声明" in untold.text
    done = await browser.post(f"{path}/check", {"_act": "submit", "declared": "true"}, page=f"{path}/check")
    assert (done.status_code, done.headers["location"]) == (303, f"{path}/submitted")
    receipt = await browser.get(f"{path}/submitted")
    assert "交上去了" in receipt.text
    assert "周" in receipt.text
    back = await browser.get(f"{path}/check")  # the back button after the submission
    assert (back.status_code, back.headers["location"]) == (303, f"{path}/submitted")
    twice = await browser.post(f"{path}/check", {"_act": "submit", "declared": "true"}, page="/cases/" + path[7:])
    assert twice.headers["location"] == f"{path}/submitted"
    signed = await browser.get(f"{path}/receipt")
    assert signed.headers["content-disposition"].startswith("attachment")
    assert '"signature"' in signed.text


async def test_the_level_is_asked_at_the_end_and_nothing_is_lost(node):
    who = person("3", acr=1)
    draft_id = await make.filled(node, who)
    browser = Browser(node, who)
    answer = await browser.post(f"/apply/{draft_id}/check", {"_act": "submit", "declared": "true"}, page=f"/apply/{draft_id}/check")
    assert answer.status_code == 303
    assert answer.headers["location"].startswith("/step-up?")
    raised = Browser(node, person("3", acr=2))
    assert "checked" in (await raised.get(f"/apply/{draft_id}/check")).text
    done = await raised.post(f"/apply/{draft_id}/check", {"_act": "submit", "declared": "true"}, page=f"/apply/{draft_id}/check")
    assert done.headers["location"] == f"/apply/{draft_id}/submitted"


async def test_a_session_that_ended_gives_the_answers_back(node):
    who = person("4")
    draft_id = await make.filled(node, who)
    signed_in, signed_out = Browser(node, who), Browser(node, NOBODY)
    page = await signed_in.get(f"/apply/{draft_id}/living")
    signed_out.client.cookies = signed_in.client.cookies
    token = page.text.split('name="tb_token" value="', 1)[1].split('"', 1)[0]
    answer = await signed_out.client.post(
        f"/apply/{draft_id}/living", data={"address": "重庆市渝中区演示新路 7 号", "tb_token": token}
    )
    assert answer.status_code == 401
    assert 'value="重庆市渝中区演示新路 7 号"' in answer.text
    assert f"/login?next=/apply/{draft_id}/living" in answer.text


async def test_an_undeclared_field_is_not_stored(node):
    who = person("5")
    draft_id = await make.filled(node, who)
    browser = Browser(node, who)
    extra = {"address": "重庆市渝中区演示路 2 号 3 单元", "moved": "false", "reason": "work", "is_admin": "1", "reason[$ne]": "x"}
    answer = await browser.post(f"/apply/{draft_id}/living", extra, page=f"/apply/{draft_id}/living")
    assert answer.status_code == 422
    assert "没有的内容" in answer.text
    assert "is_admin" not in answer.text
    async with node.db.reading() as tx:
        from tongban.cases.queries import mirrors

        draft = await mirrors.draft(tx, node, who.subject, draft_id)
    assert not {"is_admin", "reason[$ne]"} & set(draft.file.answers)


async def test_nobody_reads_what_is_not_theirs(node):
    mine = await sent(node, person("6"))
    draft_id = await make.filled(node, person("6"))
    stranger = Browser(node, person("7"))
    for path in (
        f"/apply/{draft_id}/person", f"/apply/{mine.id}/submitted", f"/apply/{mine.id}/receipt", f"/cases/{mine.id}",
        f"/cases/{mine.id}/correct", f"/cases/{mine.id}/withdraw", f"/cases/{mine.id}/proof/{mine.receipt.leaf}",
        "/cases/not-an-id", "/cases/%27%20OR%201=1", f"/me/materials/{make.fresh()}", "/me/materials/x", "/apply/x/check",
    ):  # fmt: skip
        answer = await stranger.get(path)
        assert answer.status_code == 404, path
        assert "没有找到" in answer.text


async def test_hostile_text_is_shown_as_text(node):
    who = person("8")
    bad = '"><script>alert(1)</script>{{12345*54321}}\u202e'
    draft_id = await make.filled(node, who, permit_number='"><script>alert(1)</script>')
    browser = Browser(node, who)
    for path in (f"/apply/{draft_id}/person", f"/apply/{draft_id}/check"):
        page = await browser.get(path)
        assert "<script>alert" not in page.text
        assert "&lt;script&gt;" in page.text
    answer = await browser.post(f"/apply/{draft_id}/living", {"address": bad, "_act": "next"}, page=f"/apply/{draft_id}/living")
    assert "<script>alert" not in answer.text
    assert "670592745" not in answer.text


async def test_materials_are_checked_and_kept(node):
    who = person("9")
    draft_id = await make.filled(node, who, moved="true", new_address="重庆市渝中区演示新路 7 号")
    browser, path = Browser(node, who), f"/apply/{draft_id}/materials"
    page = await browser.get(path)
    assert "你只要交 1 份" in page.text
    lying = await browser.post(path, {"_act": "next"}, page=path, files={"material-still_here": ("租房.jpg", b"<html>", "image/jpeg")})
    assert lying.status_code == 422
    assert "打开看却是别的东西" in lying.text
    empty = await browser.post(path, {"_act": "next"}, page=path, files={"material-still_here": ("租房.jpg", b"", "image/jpeg")})
    assert "里面没有内容" in empty.text
    large = b"\xff\xd8\xff" + b"0" * 10_000_001
    big = await browser.post(path, {"_act": "next"}, page=path, files={"material-still_here": ("租房.jpg", large, "image/jpeg")})
    assert "最大只能 10 MB" in big.text
    none = await browser.post(path, {"_act": "next"}, page=path, files={})
    assert "还没有选文件" in none.text
    good = await browser.post(path, {"_act": "next"}, page=path, files={"material-still_here": ("租房.jpg", make.photo(), "image/jpeg")})
    assert (good.status_code, good.headers["location"]) == (303, f"/apply/{draft_id}/check")
    mine = await browser.get("/me/materials")
    assert "租房.jpg" in mine.text
    link = mine.text.split('href="/me/materials/', 1)[1].split('"', 1)[0]
    saved = await browser.get(f"/me/materials/{link}")
    assert saved.content == make.photo()
    assert saved.headers["content-disposition"].startswith("attachment")
    assert saved.headers["x-content-type-options"] == "nosniff"
    assert (await Browser(node, person("a")).get(f"/me/materials/{link}")).status_code == 404


async def test_one_case_page_says_where_it_is(node):
    case = await brought(node, "to_correct", actor=person("b"))
    browser = Browser(node, person("b"))
    page = await browser.get(f"/cases/{case.id}")
    assert "写到门牌号" in page.text
    assert "截至" in page.text
    form = await browser.get(f"/cases/{case.id}/correct")
    assert 'name="address"' in form.text
    assert 'name="mobile"' not in form.text
    wrong = await browser.post(f"/cases/{case.id}/correct", {"address": ""}, page=f"/cases/{case.id}/correct")
    assert wrong.status_code == 422
    right = await browser.post(
        f"/cases/{case.id}/correct", {"address": "重庆市渝中区演示路 9 号"}, page=f"/cases/{case.id}/correct"
    )
    assert right.status_code == 303
    assert (await held(node, case.id)).state == "received"
    listed = await browser.get("/cases")
    assert "居住证签注" in listed.text


async def test_withdrawing_through_the_page(node):
    mine = await sent(node, person("c"))
    browser = Browser(node, person("c"))
    done = await browser.post(f"/cases/{mine.id}/withdraw", {}, page=f"/cases/{mine.id}/withdraw")
    assert done.status_code == 303
    assert "按你说的撤回了" in (await browser.get(f"/cases/{mine.id}")).text
    late = await browser.post(f"/cases/{mine.id}/withdraw", {}, page=f"/cases/{mine.id}/withdraw")
    assert late.status_code in {303, 409}


async def test_documents_open_for_their_person(node):
    case = await brought(node, "finished", actor=person("d"))
    browser = Browser(node, person("d"))
    page = await browser.get(f"/cases/{case.id}")
    link = page.text.split(f'href="/cases/{case.id}/documents/', 1)[1].split('"', 1)[0]
    document = await browser.get(f"/cases/{case.id}/documents/{link}")
    assert document.content[:2] == b"PK"
    from tongban import seals

    async with node.db.reading() as tx:
        assert seals.verify_ofd(document.content, await seals.anchors(tx)).ok
    assert (await held(node, case.id)).state == "delivered"  # opening it is the receipt (D-7)
    assert (await Browser(node, person("e")).get(f"/cases/{case.id}/documents/{link}")).status_code == 404


async def test_the_desk_shows_its_own_county_and_logs_every_look(node):
    who = person("f")
    mine = await sent(node, who)
    browser = Browser(node, clerk("acceptor"))
    listed = await browser.get("/desk?view=intake")
    assert f"/desk/{mine.id}" in listed.text
    page = await browser.get(f"/desk/{mine.id}")
    assert page.status_code == 200
    assert make.NUMBER not in page.text
    assert "13800138000" not in page.text
    seen = await browser.post(f"/desk/{mine.id}/reveal", {"field": "mobile"}, page=f"/desk/{mine.id}")
    assert "13800138000" in seen.text
    async with node.db.reading() as tx:
        lines = await consent.lines(tx, node, who.subject)
    looks = [one for one in lines if one.about == f"case:{mine.id}"]
    assert any("手机号码全号" in one.fields for one in looks)
    assert all(one.leaf and one.who == "渝中区分局（演示）" for one in looks)


@pytest.mark.parametrize("division", ["500105", "510104", "510000"])
async def test_a_clerk_of_another_county_gets_a_sentence(node, division):
    mine = await sent(node, person("f"))
    browser = Browser(node, clerk("acceptor", "approver", division=division))
    page = await browser.get(f"/desk/{mine.id}")
    assert page.status_code == 403
    assert "不归你单位管" in page.text
    assert f"/desk/{mine.id}" not in (await browser.get("/desk")).text
    assert (await held(node, mine.id)).state == "received"


async def test_citizens_and_strangers_have_no_desk(node):
    mine = await sent(node, person("f"))
    for who in (NOBODY, person("f")):
        answer = await Browser(node, who).get(f"/desk/{mine.id}")
        assert answer.status_code in {303, 401, 403}
        assert "居住证签注" not in answer.text


async def test_desk_acts_through_the_page(node):
    mine = await sent(node, person("0"))
    desk = Browser(node, clerk("acceptor"))
    path = f"/desk/{mine.id}"
    unticked = await desk.post(f"{path}/accept", {}, page=path)
    assert unticked.status_code == 422
    assert "请先确认材料齐全" in unticked.text
    bare = await desk.post(f"{path}/correct", {"defect": "material:permit", "why-material:permit": " "}, page=path)
    assert bare.status_code == 422
    done = await desk.post(f"{path}/accept", {"complete": "yes", "_seen": "1.1"}, page=path)
    assert done.status_code == 303
    old = await desk.post(f"{path}/not_accept", {"_seen": "1.1"}, page=path)
    assert old.status_code == 409
    assert "现在是“受理”" in old.text
    other = await desk.post(f"{path}/grant", {}, page=path)
    assert other.status_code == 403
    nonsense = await desk.post(f"{path}/sell", {}, page=path)
    assert nonsense.status_code == 404
    examiner = Browser(node, clerk("examiner"))
    await examiner.post(f"{path}/review", {}, page=path)
    await examiner.post(f"{path}/opinion", {"favourable": "yes", "opinion": "都符合"}, page=path)
    approver = Browser(node, clerk("approver"))
    refused = await approver.post(f"{path}/refuse", {"fact": "", "basis": ""}, page=path)
    assert refused.status_code == 422
    assert "必须写明事实和法律依据" in refused.text
    assert (await approver.post(f"{path}/grant", {}, page=path)).status_code == 303
    assert (await held(node, mine.id)).state == "granted"


async def test_a_refused_act_leaves_no_document_behind(node):
    case = await brought(node, "received", actor=person("0"))
    done = await tried(node, case.id, intake.refuse_acceptance, clerk("acceptor"), reason="x", reasons=(), remedies=())
    assert done[0].field == "reason"
    async with node.db.reading() as tx:
        assert await tx.fetchval("SELECT count(*) FROM case_document WHERE case_id = $1", case.id) == 0
    await closing.look_round(node)


async def test_the_window_hands_in_for_a_person(node):
    from tongban.identity.queries.persons import number_index

    subject = "n1" + "w" * 32
    async with node.db.transaction() as tx:
        await tx.execute(
            "INSERT INTO person (subject, home, proof, name, number, bi_number, seen_at) VALUES ($1, '500000', 3, $2, $3, $4, now())",
            subject, node.cipher.seal("identity", "person.name", subject, "演示吴奶奶"),
            node.cipher.seal("sensitive", "person.number", subject, make.NUMBER), number_index(node, make.NUMBER),
        )  # fmt: skip
    desk = Browser(node, clerk("window"))
    unknown = await desk.post("/desk/receive", {"task_code": make.PERMIT, "number": "500103199003070000", "name": "演示陈晓雨"}, page="/desk/receive")
    assert unknown.status_code == 422
    assert "没有查到这个人" in unknown.text
    begun_ = await desk.post("/desk/receive", {"task_code": make.PERMIT, "number": make.NUMBER, "name": "演示吴奶奶"}, page="/desk/receive")
    path = begun_.headers["location"]
    posted = {name: values[0] for name, values in make.ANSWERS[make.PERMIT].items()}
    missing = await desk.post(path, {**posted, "mobile": "1"}, page=path)
    assert missing.status_code == 422
    assert 'value="1"' in missing.text
    paperless = await desk.post(path, posted, page=path)
    assert "还差一份：居住证" in paperless.text, "no such licence was found, and nobody took the paper"
    card = await given(node, subject)
    assert "material-permit" not in (await desk.get(path)).text, "it came meanwhile"
    async with node.db.transaction() as tx:
        await credentials.revoke(tx, node, clerk(), subject, card.id, "虚假材料（演示）")
    assert "material-permit" in (await desk.get(path)).text, "it ended meanwhile, and there is no place for the paper"
    done = await desk.post(path, posted, page=path, files={"material-permit": ("居住证.jpg", make.photo(), "image/jpeg")})
    assert done.headers["location"].startswith("/desk/receive?done=5000002026")
    case = await held(node, path.rsplit("/", 1)[1])
    assert (case.window_node, case.subject, case.file.submission.evidence.acr) == ("500000", subject, 4)
    assert (await Browser(node, clerk("acceptor")).get("/desk/receive")).status_code == 403
