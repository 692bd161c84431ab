"""Rights at a desk 窗口 (R-409, privacy.md 7, T-62, T-63): who has no phone, and close relatives of somebody who died."""

from __future__ import annotations

import re
from datetime import timedelta
from typing import Any

import msgspec
import pytest

from tongban import consent, identity, privacy
from tongban.consent.tests.doors import browser
from tongban.evidence.tests.make import picture, sent
from tongban.exchange.tests.make import at_home
from tongban.identity.actions import proposals, sign_in, subjects
from tongban.identity.providers.register import subject_of
from tongban.identity.tests.make import citizen
from tongban.kernel.actor import Actor, Assignment
from tongban.kernel.errors import Failure, NotAllowed
from tongban.main import rooms
from tongban.privacy.actions import after, desk, gathering, relatives, sharing
from tongban.privacy.model.desk import Told
from tongban.privacy.pages import routes
from tongban.privacy.queries import closing as closing_queries
from tongban.privacy.queries import desk as queries
from tongban.privacy.tests import make

HER, HIM = citizen("陈晓雨"), citizen("刘建国")
ACTIONS = frozenset({"privacy.desk_ask", "privacy.desk_confirm", "identity.counter_visit"})
TOLD = Told(
    relation="child", died_on="2026-10-01", death_paper="medical", death_number="演示 1234", kinship_paper="household", reason="办理继承（演示）",
)  # fmt: skip


def clerk(name: str, actions: frozenset[str] = ACTIONS, **more: Any) -> Actor:
    return Actor(kind="staff", subject=name, staff_id=name, unit="演示大厅", assignments=(Assignment("hall_clerk", actions, "500103"),), **more)


NODES: dict[str, Any] = {}
FIRST, SECOND = clerk("s1first"), clerk("s1second")


@pytest.fixture(scope="module")
async def country(make_node: Any):
    async with make.two_nodes(make_node) as (nodes, already):
        NODES.update(nodes)
        home, register = nodes[make.HOME], nodes["mps"]
        subject = subject_of(register, "111", HER.number)
        if subject != already:  # which person comes first is chance
            await at_home(nodes, make.HOME, subject)
        async with home.db.transaction() as tx:
            await subjects.put_person(tx, home, subject, home=make.HOME, proof=3, name=HER.name, number=HER.number, photo_held=False, matched=True)
        privacy.use_holdings(rooms.holdings())
        yield home, subject
        privacy.use_holdings(())


@pytest.fixture(autouse=True)
async def fresh(country):
    """Each test begins with a living person who asked for nothing."""
    home, subject = country
    async with home.db.transaction() as tx:
        for table in ("copy_request", "copy_page", "closing", "closing_page", "desk_right", "after_me", "counter_visit"):
            await tx.execute(f"DELETE FROM {table}")
        await tx.execute("UPDATE account SET status = 'open' WHERE subject = $1", subject)


async def received(home: Any, kind: str = "copy", who: Actor = FIRST) -> Any:
    async with home.db.transaction() as tx:
        made = await desk.own(tx, home, who, kind=kind, number=HER.number, name=HER.name)
        return await queries.one(tx, home, made) if isinstance(made, str) else made


async def confirmed(home: Any, right: Any, who: Actor = SECOND) -> Any:
    async with home.db.transaction() as tx:
        proposal = await identity.proposal(tx, right.proposal)
        assert proposal is not None
        await identity.approve(tx, home, who, proposal.id, proposal.digest)
        return await queries.one(tx, home, right.id)


def typed(**more: Any) -> relatives.Typed:
    photo = sent(picture())
    return relatives.Typed(**{
        "kind": "copy", "number": HIM.number, "name": HIM.name, "dead_number": HER.number, "dead_name": HER.name, "told": TOLD, "death_file": photo,
        "kinship_file": photo, **more,
    })  # fmt: skip


async def relative(home: Any, who: Actor = FIRST, **more: Any) -> Any:
    form = typed(**more)
    asker = await identity.find_at_counter(home, form.name, form.number)
    assert isinstance(asker, str), asker
    async with home.db.transaction() as tx:
        made = await desk.relative(tx, home, who, asker, form)
        return await queries.one(tx, home, made) if isinstance(made, str) else made


async def lines(home: Any, subject: str) -> list[Any]:
    async with home.db.reading() as tx:
        return list(await consent.lines(tx, home.id, subject, limit=500, now=home.clock.now()))


async def test_t63_two_clerks_and_the_person_still_there(country: Any, set_clock: Any) -> None:
    """R-409: the one who received cannot confirm; nothing happens before; after half an hour it is too late."""
    home, subject = country
    right = await received(home)
    assert right.state == "waiting"
    with pytest.raises(Failure) as alone:
        await confirmed(home, right, FIRST)
    assert alone.value.failure_code == "identity.four_eyes"
    async with home.db.reading() as tx:
        assert not await tx.fetchval("SELECT count(*) FROM copy_request"), "done with one pair of eyes"
    with pytest.raises(NotAllowed):
        await confirmed(home, right, clerk("s1third", frozenset({"privacy.desk_ask"})))
    with pytest.raises(NotAllowed):
        await confirmed(home, right, clerk("s1kin", kin=frozenset({subject})))
    async with home.db.transaction() as tx:
        await tx.execute("UPDATE counter_visit SET until = $1", home.clock.now() - timedelta(seconds=1))
    late = await confirmed(home, right)
    assert (late.state, late.paper) == ("refused", None), "confirmed after the person had left"
    with pytest.raises(NotAllowed):
        await received(home, who=clerk("s1other", frozenset({"identity.counter_visit"})))


async def test_a_copy_for_who_has_no_phone_by_its_paper(country: Any) -> None:
    """R-409: address and code open it at any computer; the clerk sees neither word nor file; wrong codes are counted; once."""
    home, subject = country
    right = await confirmed(home, await received(home))
    assert right.state == "done"
    assert right.paper is not None
    page = f"/copies/{right.paper.link}"
    async with browser(home, routes) as her:
        her.actor = SECOND
        assert "凭条" not in (await her.see(f"/staff/rights/{right.id}")).text, "the second clerk reads the paper"
        her.actor = FIRST
        assert right.paper.spaced in (await her.see(f"/staff/rights/{right.id}")).text
        her.actor = Actor(kind="nobody")
        await her.see(page)
        assert (await her.send(page, code="00000000")).status_code == 422
        assert (await her.send("/copies/" + "a" * 32, code=right.paper.code)).status_code == 422
        assert "正在收齐" in (await her.send(page, code=right.paper.code)).text
        await gathering.gather_due(home)
        for other in make.OTHERS:
            await sharing.make_shares(NODES[other])
        async with home.db.transaction() as tx:
            await tx.execute("UPDATE copy_request SET next_at = $1 WHERE state = 'gathering'", home.clock.now())
        await gathering.gather_due(home)
        assert "看打开口令" in (await her.send(page, code=right.paper.spaced)).text
        shown = await her.send(page, code=right.paper.code, act="word")
        word = re.search(r"[a-z2-9]{4}(-[a-z2-9]{4}){3}", shown.text)
        assert word is not None
        assert shown.headers["cache-control"] == "no-store"
        got = await her.send(page, code=right.paper.code, act="file")
        assert "数据/本人.json" in make.unlock(got.content, word[0])
        assert (await her.send(page, code=right.paper.code, act="file")).status_code == 410
        for _ in range(5):
            await her.send(page, code="00000001")
        assert (await her.send(page, code=right.paper.code)).status_code == 422, "codes can be tried for ever"
    found = [one for one in await lines(home, subject) if one.purpose == "窗口现场办理"]
    assert found, "the visit stands in the ledger"
    async with home.db.transaction() as tx:
        await tx.execute("UPDATE desk_right SET paper_until = $1", home.clock.now())
        await desk.forget_papers(tx, home)
        assert await tx.fetchval("SELECT count(*) FROM desk_right WHERE paper IS NOT NULL") == 0


async def test_closing_at_a_desk(country: Any) -> None:
    """R-409: level 4, seven days, the paper opens the page of receipts."""
    home, subject = country
    right = await confirmed(home, await received(home, "closing"))
    async with home.db.reading() as tx:
        waiting = await closing_queries.waiting(tx, home, subject)
    assert waiting is not None
    assert waiting.paper == right.paper
    async with browser(home, routes) as her:
        await her.see(f"/closed/{right.paper.link}")
        assert "还没有注销" in (await her.send(f"/closed/{right.paper.link}", code=right.paper.code)).text
    stopped = await confirmed(home, await received(home, "stop"))
    assert stopped.state == "done"
    async with home.db.reading() as tx:
        assert await closing_queries.waiting(tx, home, subject) is None
    assert (await received(home, "stop"))[0].field == "kind", "nothing to stop"


async def test_a_relative_gets_a_copy_and_the_account_of_the_dead_stops(country: Any) -> None:
    """PIPL 49 [K]: papers seen and kept, two clerks, a ledger line that names the relation; nobody signs in as the dead; alive after all."""
    home, subject = country
    right = await relative(home)
    assert right.state == "waiting", right
    async with home.db.reading() as tx:
        sealed = await tx.fetchval("SELECT body FROM proposal WHERE id = $1", right.proposal)
    said = dict(proposals.described(desk.DESK, home.cipher.open_bytes(proposals.GROUP, "proposal.body", right.proposal, sealed)))
    assert said["证明的照片"] == f"/staff/rights/{right.id}", "whoever confirms the papers has no way to them"
    async with browser(home, routes) as desks:
        desks.actor = SECOND
        await desks.see(f"/staff/rights/{right.id}")
        assert (await desks.see(f"/staff/rights/{right.id}/files/0")).headers["content-type"] == "image/jpeg"
        desks.actor = clerk("s1nobody", frozenset())
        assert (await desks.see(f"/staff/rights/{right.id}/files/0")).status_code == 403
    async with home.db.reading() as tx:
        read = await tx.fetch("SELECT staff, ref, subject FROM access_reason WHERE kind = 'right'")
    assert (SECOND.subject, right.id) in {(one["staff"], one["ref"]) for one in read}, "a reading is missing in the auditors' register"
    assert subject in {one["subject"] for one in read}, "who looked up the dead is missing in the auditors' register"
    done = await confirmed(home, right)
    assert (done.state, done.result != "") == ("done", True), done.result
    assert done.paper is not None
    async with home.db.transaction() as tx:
        account = await identity.account(tx, subject)
        assert account is not None
        assert account.status == "stopped", "the account of the dead goes on"
        with pytest.raises(Failure):
            await sign_in.signed_in(tx, home, subject, "otp", ("otp",), sign_in.Browser(agent="演示", address="127.0.0.1"))
    line = next(one for one in await lines(home, subject) if one.who.startswith("近亲属（子女）"))
    assert "继承" not in line.purpose, "what a clerk typed stands in a column that is not sealed"
    assert (await received(home, "copy"))[0].code == "privacy.desk_state"
    alive = await confirmed(home, await received(home, "alive"))
    assert alive.state == "done"
    async with home.db.reading() as tx:
        account = await identity.account(tx, subject)
        assert await tx.fetchval("SELECT state FROM copy_request WHERE id = $1", done.result) == "stopped", "gathered after all"
        assert await tx.fetchval("SELECT count(*) FROM copy_page WHERE id = $1", done.result) == 0, "a paper opens the copy of who is alive"
    assert account is not None
    assert account.status == "open"


async def test_a_relative_asks_for_deletion_and_for_a_correction(country: Any) -> None:
    """PIPL 49 [K]: deletion runs as a closing of every node, a correction as a dispute at the register."""
    home, subject = country
    done = await confirmed(home, await relative(home, kind="closing"))
    assert done.state == "done", done.result
    async with home.db.transaction() as tx:
        waiting = await closing_queries.waiting(tx, home, subject)
        assert waiting is not None
        assert waiting.id == done.result
        await tx.execute("UPDATE closing SET due_at = $1", home.clock.now())
        closed = await identity.close_account(tx, home, subject)
        assert closed is not None, "a stopped account cannot be closed"
        await tx.execute("UPDATE account SET status = 'open' WHERE subject = $1", subject)
        await tx.execute("DELETE FROM closing")
    told = {"relation": "child", "attribute": "address", "claimed": "重庆市渝中区演示路 9 号"}
    fixed = await confirmed(home, await relative(home, kind="correct", told=msgspec.structs.replace(TOLD, **told)))
    assert fixed.state == "done", fixed.result
    async with home.db.reading() as tx:
        assert await tx.fetchval("SELECT state FROM dispute WHERE id = $1", fixed.result) == "open"


async def test_what_the_person_said_in_advance_binds(country: Any) -> None:
    """PIPL 49 [K] "unless arranged otherwise": level 3, oneself; at the desk the refusal comes before anything is shown or stopped."""
    home, subject = country
    me = make.her(subject, level=3)
    async with browser(home, routes) as her:
        her.actor = make.her(subject, level=2)
        await her.see("/me/after")
        assert (await her.send("/me/after", choice="none")).headers["location"].startswith("/step-up?level=3")
        her.actor = make.acting_for(subject)
        assert (await her.see("/me/after")).status_code == 403, "somebody else arranges it"
        her.actor = make.her(subject, home="510000")
        assert (await her.send("/me/after", choice="none")).status_code == 200, "arranged at a visited node"
        assert "先不定" in her.text
        her.actor = me
        await her.see("/me/after")
        assert (await her.send("/me/after", choice="nothing")).status_code == 422
        assert (await her.send("/me/after", choice="delete")).status_code == 303
        assert "记下了：只能要求删除" in (await her.see("/me/after?saved=1")).text
    refused = await relative(home, kind="copy")
    assert isinstance(refused, tuple), "a copy against the person's own word"
    assert refused[0].code == "privacy.desk_choice"
    right = await relative(home, kind="closing")
    async with home.db.transaction() as tx:
        assert (await after.choose(tx, home, me, "none")).code == "none"
    late = await confirmed(home, right)
    assert late.state == "refused", "what the person said meanwhile does not count"
    async with home.db.reading() as tx:
        account = await identity.account(tx, subject)
    assert account is not None
    assert account.status == "open"


async def test_what_is_missing_is_said_beside_its_field(country: Any) -> None:
    home, _ = country
    for more, field in (
        ({"kind": "alive"}, "kind"), ({"dead_name": "别人"}, "dead_number"), ({"death_file": None}, "death_file"), ({"dead_number": HIM.number, "dead_name": HIM.name}, "dead_number"),
        ({"told": Told()}, "relation"), ({"kind": "correct"}, "attribute"),
    ):  # fmt: skip
        wrong = await relative(home, **more)
        assert isinstance(wrong, tuple), more
        assert wrong[0].field == field, (more, wrong)
    async with browser(home, routes) as desks:
        desks.actor = FIRST
        await desks.see("/staff/rights/relative")
        assert (await desks.send("/staff/rights/relative")).status_code == 422
        for words in ("填来的人的姓名", "身份证号应该是 18 位", "选来人和去世的人是什么关系", "填去世的人的姓名", "拍下去世的证明原件"):
            assert words in desks.text, "the form is filled in twice"
