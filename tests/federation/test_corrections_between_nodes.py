"""Correcting a register 纠错 over real nodes (R-304, identity.md 6.7): disputed at one, decided at the owner, right at all."""

from __future__ import annotations

import re
from datetime import date, timedelta
from typing import Any

import pytest

from tongban import consent, evidence, federation, identity, notifications
from tongban.exchange.actions.serve import serve
from tongban.exchange.model import Asked, Given
from tongban.federation.tests.make import deliver
from tongban.identity.actions import corrections, dispute_desk, disputes
from tongban.identity.model import Corrected
from tongban.identity.queries import desk
from tongban.identity.rules import disputes as rules
from tongban.identity.tests.make import Browser, Page, citizen, sign_in
from tongban.kernel.errors import Failure, NotAllowed, Refusal
from tongban.kernel.gm import CannotOpen
from tongban.kernel.ids import uuid7
from tongban.kernel.node import Node
from tongban.ui.forms import Upload

from .make import AWAY, HOME, REGISTER, as_staff, clerk, decided, letter, me, opened, roam_in, written_wrong

JPEG = bytes.fromhex(
    "ffd8ffe000104a46494600010100000100010000ffdb004300080606070605080707070909080a0c140d0c0b0b0c1912130f141d1a1f1e1d1a1c1c20242e2720"
    "222c231c1c2837292c30313434341f27393d38323c2e333432ffc0000b080001000101011100ffc4001f0000010501010101010100000000000000000102030405"
    "060708090a0bffc400b5100002010303020403050504040000017d01020300041105122131410613516107227114328191a1082342b1c11552d1f02433627282"
    "090a161718191a25262728292a3435363738393a434445464748494a535455565758595a636465666768696a737475767778797a838485868788898a92939495"
    "969798999aa2a3a4a5a6a7a8a9aab2b3b4b5b6b7b8b9bac2c3c4c5c6c7c8c9cad2d3d4d5d6d7d8d9dae1e2e3e4e5e6e7e8e9eaf1f2f3f4f5f6f7f8f9faffda00"
    "08010100003f00fbd3ffd9"
)


def link_of(page: Page, start: str) -> str:
    return next(one for one in page.links() if re.fullmatch(re.escape(start) + r"[0-9a-f-]{36}", one))


async def test_a_wrong_name_is_disputed_at_one_node_corrected_at_the_register_and_right_at_another(nodes: dict[str, Node]) -> None:
    """R-304 as it is shown: 重庆 disputes, two clerks of the register, 四川 greets by the right name."""
    home, away, register, who = nodes[HOME], nodes[AWAY], nodes[REGISTER], citizen("周雨桐")
    browser = Browser()
    await sign_in(browser, home, who)
    there = await roam_in(browser, away)
    assert there.name is not None
    assert there.name.reveal() == "周**"
    page = await browser.get(home, "/me/disputes")
    page = await browser.get(home, "/me/disputes/new")
    assert "10 个工作日内答复" in page.body
    page = await browser.submit(home, page, "/me/disputes", attribute="name", claimed="周雨彤", note="上户口时写错了")
    assert "核实中" in page.body
    assert "公安部" in page.body
    dispute = page.path.rsplit("/", 1)[1]
    await deliver(nodes)
    async with register.db.reading() as tx:
        assert await identity.disputed(tx, there.subject) == {"name"}, "the mark rides with the attribute at its owner"
    asked = Asked(
        v=1, id=uuid7(), resource="mps.population", fields=("name", "sex"), purpose="case.prefill", who="公安部", subject=there.subject, case="case:1"
    )
    given = await serve(register, REGISTER, asked)
    assert isinstance(given, Given)
    assert given.disputed == ("name",)

    first, second = await clerk(register, "GA-HJ-01"), await clerk(register, "GA-HJ-02")
    page = await first.get(register, "/staff/disputes")
    assert "周" not in re.sub(r"(?s)<header.*?</header>", "", page.body), "a list shows nobody's value"
    page = await first.get(register, link_of(page, "/staff/disputes/"))
    assert "周雨桐" in page.body
    assert "周雨彤" in page.body
    await first.submit(register, page, f"/staff/disputes/{dispute}/decide", uphold="yes", reason="看过户口簿照片，是“彤”")
    async with register.db.reading() as tx:
        kept = await identity.population_attributes(tx, register, there.subject)
    assert kept is not None
    assert kept.name.reveal() == "周雨桐", "one clerk alone changes nothing"
    page = await first.get(register, f"/staff/disputes/{dispute}")
    assert "自己核实的自己不能复核" in page.body
    page = await second.get(register, f"/staff/disputes/{dispute}")
    page = await second.submit(register, page, f"/staff/disputes/{dispute}/confirm", agree="yes", reason="复核过原件，同意")
    for one in (first, second):
        page = await one.get(register, "/staff/disputes")
        assert "我经手的" in page.body
        page = await one.get(register, link_of(page, "/staff/disputes/"))
        for words in ("看过户口簿照片，是“彤”", "复核过原件，同意"):
            assert words in page.body, "both clerks see both reasons (identity.md 6.7)"
    async with register.db.reading() as tx:
        kept = await identity.population_attributes(tx, register, there.subject)
        before = await tx.fetch("SELECT version, attribute FROM register_version WHERE subject = $1", there.subject)
        assert await identity.disputed(tx, there.subject) == frozenset()
    assert kept is not None
    assert (kept.name.reveal(), kept.version) == ("周雨彤", 2)
    assert [(row["version"], row["attribute"]) for row in before] == [(1, "name")], "the value before is history, not gone"

    await deliver(nodes)
    await deliver(nodes)
    here, there = await me(home, browser), await me(away, browser)
    assert here.name is not None
    assert here.name.reveal() == "周雨彤"
    assert there.name is not None
    assert there.name.reveal() == "周**"
    async with away.db.reading() as tx:
        visitor = await identity.person(tx, away, there.subject)
        assert await tx.fetchval("SELECT version FROM person WHERE subject = $1", there.subject) == 2
    assert visitor is not None
    assert visitor.name is None, "a visited node still learns the masked name only"
    page = await browser.get(home, f"/me/disputes/{dispute}")
    for words in ("已更正", "看过户口簿照片，是“彤”", "复核过原件，同意"):
        assert words in page.body, "both reasons are the person's to read"
    async with home.db.reading() as tx:
        told = [one.title.reveal() for thread in await notifications.messages(tx, home, here.subject) for one in thread.messages]
    assert "姓名已经更正" in told
    again = Browser()
    page = await sign_in(again, home, who)
    assert page.path == "/me/access", "signing in goes on"


async def test_a_longer_given_name_changes_the_greeting_at_a_visited_node(nodes: dict[str, Node]) -> None:
    """R-304: the masked name at a node the register never heard of comes from the home, on the home's word only."""
    home, away = nodes[HOME], nodes[AWAY]
    browser = Browser()
    await sign_in(browser, home, citizen("何志远"))
    there = await roam_in(browser, away)
    dispute = await opened(nodes, browser, home, "name", "贺志")
    await decided(nodes, dispute, uphold=True)
    await deliver(nodes)
    there = await me(away, browser)
    assert there.name is not None
    assert there.name.reveal() == "贺*"
    async with away.db.transaction() as tx:  # T-32: another node cannot rename a visitor
        await corrections.at_visited(tx, away, "mps", {"subject": there.subject, "name_masked": "坏*", "version": 9})
    there = await me(away, browser)
    assert there.name is not None
    assert there.name.reveal() == "贺*"


async def test_a_refusal_names_both_reasons_and_where_to_turn_and_changes_nothing(nodes: dict[str, Node]) -> None:
    """R-304: refused by two clerks; the register keeps its version."""
    home, register, browser = nodes[HOME], nodes[REGISTER], Browser()
    await sign_in(browser, home, citizen("刘建国"))
    dispute = await opened(nodes, browser, home, "nation", "土家族")
    await decided(nodes, dispute, uphold=False, reasons=("材料里没有民族变更证明", "同意，不更正"))
    page = await browser.get(home, f"/me/disputes/{dispute}")
    for words in ("没有更正", "材料里没有民族变更证明", "同意，不更正", "民族工作部门", "行政复议"):
        assert words in page.body
    subject = (await me(home, browser)).subject
    async with register.db.reading() as tx:
        kept = await identity.population_attributes(tx, register, subject)
    assert kept is not None
    assert (kept.nationality.reveal(), kept.version) == ("汉族", 1)


async def test_evidence_goes_by_digest_and_the_clerk_alone_opens_it(nodes: dict[str, Node]) -> None:
    """R-304, T-42: the file stays at its node until the owner fetches it; nobody without the role, no other dispute's file."""
    home, register, browser = nodes[HOME], nodes[REGISTER], Browser()
    await sign_in(browser, home, citizen("陈晓雨"))
    actor = await me(home, browser)
    async with home.db.transaction() as tx:
        made = await disputes.open_dispute(tx, home, actor, disputes.Claim(
            attribute="address", claimed="重庆市渝中区演示路 20 号（演示）", uploads=(Upload("户口簿.jpg", "image/jpeg", JPEG),),
        ))  # fmt: skip
    assert isinstance(made, str), made
    await deliver(nodes)
    await evidence.fetch_wanted(register)
    async with register.db.reading() as tx:
        found = await desk.desk_dispute(tx, register, made)
    assert found is not None
    assert len(found.evidence) == 1
    first = await clerk(register, "GA-HJ-01")
    page = await first.get(register, f"/staff/disputes/{made}")
    address = next(one for one in page.links() if "/files/" in one)
    file = await raw(first, register, address)
    assert file == JPEG
    assert (await first.get(register, f"/staff/disputes/{made}/files/{uuid7()}")).status == 404
    stranger = Browser()
    page = await stranger.get(register, "/staff/login?next=/staff/disputes")
    page = await stranger.submit(register, page, "/staff/login", key="GA-YZ-01")
    assert (await stranger.get(register, address)).status == 403
    async with register.db.reading() as tx:
        lines = await consent.lines(tx, register.id, actor.subject)
    assert any(line.purpose == "处理纠错申请" for line in lines), "the reading stands in the person's ledger"
    await decided(nodes, made, uphold=True)


async def raw(browser: Browser, node: Node, path: str) -> bytes:
    cookies = "; ".join(f"{name}={value}" for name, value in browser.jar[node.settings.host].items())
    async with node.http.session.get(node.settings.base_url + path, headers={"Cookie": cookies}) as answer:
        assert answer.status == 200
        assert answer.headers["Content-Disposition"].startswith("attachment")
        return bytes(await answer.read())


async def test_a_name_the_register_refuses_may_be_disputed_before_the_match(nodes: dict[str, Node]) -> None:
    """identity.md 6.7: refused at the first sign-in, disputed at level 1 with a day at the counter, matched when decided."""
    home, register, browser = nodes[HOME], nodes[REGISTER], Browser()
    page = await browser.get(register, "/demo/sms")  # the register's node is up
    who = await written_wrong(register, "唐小芳", "唐晓芳")
    page = await browser.get(home, "/login?next=/me/disputes")
    page = await browser.submit(home, page, "/login", who=who["phone"])
    from tongban.identity.tests.make import code_for

    page = await browser.submit(home, page, "/login/code", code=await code_for(browser, home, who["phone"]), number=who["number"])
    page = await browser.submit(home, page, "/login/name", name="唐晓芳", number=who["number"])
    assert "姓名和证件号对不上" in page.body
    page = await browser.submit(home, page, "/login/name/dispute")
    assert page.path == "/me/disputes/new", page.body
    assert (await me(home, browser)).subject.startswith("l"), "level 1, under a subject of this node alone"
    page = await browser.submit(home, page, "/me/disputes", claimed="唐晓芳")
    assert "选一天带证件到大厅" in page.body
    visit = (home.clock.today() + timedelta(days=3)).isoformat()
    page = await browser.submit(home, page, "/me/disputes", claimed="唐晓芳", visit_on=visit)
    dispute = page.path.rsplit("/", 1)[1]
    async with home.db.reading() as tx:
        travelled = await tx.fetchval("SELECT body FROM outbox WHERE about = $1", f"dispute:{dispute}")
    local = (await me(home, browser)).subject
    assert local.encode() not in travelled, "a local subject never leaves (identity.md 1)"
    await deliver(nodes)
    await decided(nodes, dispute, uphold=True)
    from tongban.identity import tasks

    await tasks.match_again(home)
    home.bell.ring("identity.session_ended")  # what the notification of that transaction does a moment later
    now = await me(home, browser)
    assert now.subject.startswith("n1"), "matched by the clock, the session and the dispute went along"
    assert "已更正" in (await browser.get(home, f"/me/disputes/{dispute}")).body


async def test_who_knows_only_a_number_marks_nobodys_name_as_disputed(nodes: dict[str, Node]) -> None:
    """T-20: a stranger types the owner's number with another name and disputes it at level 1; it marks nothing before a counter saw anybody."""
    home, register, stranger, owner = nodes[HOME], nodes[REGISTER], Browser(), citizen("罗桂兰")
    from tongban.identity.tests.make import code_for

    page = await stranger.submit(home, await stranger.get(home, "/login?next=/me/disputes"), "/login", who="13900006601")
    page = await stranger.submit(home, page, "/login/code", code=await code_for(stranger, home, "13900006601"), number=owner.number)
    page = await stranger.submit(home, page, "/login/name", name="某某某", number=owner.number)
    page = await stranger.submit(home, page, "/login/name/dispute")
    visit = (home.clock.today() + timedelta(days=3)).isoformat()
    page = await stranger.submit(home, page, "/me/disputes", claimed="某某某", visit_on=visit)
    dispute, local = page.path.rsplit("/", 1)[1], (await me(home, stranger)).subject
    await deliver(nodes)
    async with register.db.reading() as tx:
        row = await desk.desk_dispute(tx, register, dispute)
        assert row is not None, "it lies on the desk for the day at the counter"
        assert await identity.disputed(tx, row.subject) == frozenset(), "a stranger marked the owner's name"
    async with home.db.reading() as tx:
        assert await identity.disputed(tx, local) == {"name"}, "what was typed here is marked here"


async def test_two_eyes_are_not_four_and_what_changed_meanwhile_is_not_confirmed(nodes: dict[str, Node]) -> None:
    """identity.md 9, T-63: the same clerk, a clerk without the role, a value that changed between decision and confirmation."""
    home, register, browser = nodes[HOME], nodes[REGISTER], Browser()
    await sign_in(browser, home, citizen("罗桂兰"))
    dispute = await opened(nodes, browser, home, "address", "重庆市万州区演示街 10 号（演示）")
    first = await as_staff(register, await clerk(register, "GA-HJ-01"))
    second = await as_staff(register, await clerk(register, "GA-HJ-02"))
    keeper = Browser()
    page = await keeper.get(register, "/staff/login?next=/staff/login")
    await keeper.submit(register, page, "/staff/login", key="GA-YZ-01")
    outsider = await as_staff(register, keeper)
    async with register.db.transaction() as tx:
        with pytest.raises(NotAllowed):
            await dispute_desk.propose(tx, register, outsider, dispute, uphold=True, reason="看过了属实")
        short = await dispute_desk.propose(tx, register, first, dispute, uphold=True, reason="好")
        assert [one.code for one in short] == ["identity.dispute_reason"]
        assert await dispute_desk.propose(tx, register, first, dispute, uphold=True, reason="看过户口簿，属实") == ()
    async with register.db.transaction() as tx:
        with pytest.raises(Failure) as same:
            await dispute_desk.confirm(tx, register, first, dispute, agree=True, reason="自己复核")
    assert same.value.failure_code == "identity.four_eyes"
    async with register.db.transaction() as tx:
        await corrections_of(tx, register, dispute, "重庆市万州区演示街 11 号（演示）")
    async with register.db.transaction() as tx:
        with pytest.raises(Failure) as moved:
            await dispute_desk.confirm(tx, register, second, dispute, agree=True, reason="同意更正")
    assert moved.value.failure_code == "identity.dispute_moved_on"
    async with register.db.transaction() as tx:
        assert await dispute_desk.confirm(tx, register, second, dispute, agree=False, reason="登记变过了，再看一遍") == ()
        again = await desk.desk_dispute(tx, register, dispute)
        assert again is not None
        assert (again.state, again.returned) == ("open", 1)


async def corrections_of(tx: Any, register: Node, dispute: str, value: str) -> None:
    from tongban.identity.providers import register as behind

    row = await tx.fetchrow("SELECT subject, attribute FROM dispute_desk WHERE id = $1", dispute)
    await behind(register).correct(tx, register, row["subject"], row["attribute"], value)


async def test_only_the_owner_corrects_and_only_forwards(nodes: dict[str, Node]) -> None:
    """T-32: a correction of another node, of an older version, of a person never met here; the same letter twice."""
    home, browser = nodes[HOME], Browser()
    await sign_in(browser, home, citizen("陈晓雨"))
    actor = await me(home, browser)
    told = {"subject": actor.subject, "attribute": "name", "version": 50, "effective": "2026-11-18", "dispute": uuid7(), "values": {}}
    from tongban.identity.letters import disputes as doors

    part = await federation.seal_part(nodes[AWAY], HOME, {"value": "坏人", "successor": ""}, about=told["dispute"])
    async with home.db.transaction() as tx:
        await doors.corrected(tx, home, letter(AWAY, "register.corrected", {**told, "values": {HOME: part}}))
        assert (await identity.person(tx, home, actor.subject)).name.reveal() == "陈晓雨"  # type: ignore[union-attr]
    good = await federation.seal_part(nodes[REGISTER], HOME, {"value": "陈小雨", "successor": ""}, about=told["dispute"])
    for body in ({**told, "values": {HOME: good}}, {**told, "values": {HOME: good}}, {**told, "version": 49, "values": {HOME: part}}):
        async with home.db.transaction() as tx:
            await doors.corrected(tx, home, letter(REGISTER, "register.corrected", body))
    async with home.db.reading() as tx:
        assert (await identity.person(tx, home, actor.subject)).name.reveal() == "陈小雨"  # type: ignore[union-attr]
        assert await tx.fetchval("SELECT count(*) FROM correction WHERE subject = $1 AND attribute = 'name'", actor.subject) == 1
    for node, about in ((nodes[AWAY], told["dispute"]), (home, "another")):
        with pytest.raises(CannotOpen):
            federation.open_part(node, good, about=about)
    async with home.db.transaction() as tx:
        await corrections.apply(tx, home, Corrected(
            subject="n1" + "b" * 32, attribute="name", version=3, effective=date(2026, 11, 18), dispute=uuid7(), value="路人",
        ))  # fmt: skip
        assert await identity.person(tx, home, "n1" + "b" * 32) is None, "a stranger stays a stranger"


@pytest.mark.parametrize(
    ("attribute", "claimed", "code"),
    [
        ("name", "", "identity.dispute_claim"), ("name", "字" * 121, "identity.dispute_long"), ("sex", "其他", "identity.dispute_choice"),
        ("born", "明天", "identity.dispute_day"), ("born", "2999-01-01", "identity.dispute_day"), ("hair", "黑", "identity.dispute_attribute"),
        ("number", "500199199106120025", "identity.number_check"),
    ],
)  # fmt: skip
def test_what_is_typed_is_judged_before_anything_is_sent(attribute: str, claimed: str, code: str) -> None:
    wrong = rules.check_claim(attribute, rules.normal_claim(attribute, claimed), date(2026, 11, 18))
    assert isinstance(wrong, Refusal)
    assert wrong.code == code
