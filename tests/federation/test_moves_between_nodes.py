"""Moving an account 账号搬家 between real nodes: a day to object, both signatures, the register and the hub turn (identity.md 6.6; T-22, T-32)."""

from __future__ import annotations

import re
from datetime import timedelta
from typing import Any
from urllib.parse import urlencode

import msgspec
import pytest

from tongban import federation, identity, privacy
from tongban.federation.tests.make import deliver
from tongban.identity.actions import confirming, guardians, home_proof, introduce, keys, move, subjects
from tongban.identity.holdings import HOLDINGS
from tongban.identity.providers.register import NewEntry, enter
from tongban.identity.rules import home as rules
from tongban.identity.tests.make import Browser, sign_in, step_up
from tongban.kernel.ids import IdNumber, uuid7
from tongban.kernel.node import Node
from tongban.privacy.actions import retention

from .make import AWAY, HOME, REGISTER, at_name_step, invented, me


async def asked_to_move(nodes: dict[str, Node]) -> tuple[Browser, Any, str]:
    """A person of 重庆 at 四川, level 3, who asked for the move."""
    home, away, who, browser = nodes[HOME], nodes[AWAY], await invented(nodes[REGISTER]), Browser()
    await sign_in(browser, home, who)
    await deliver(nodes)
    await browser.get(away, f"/login?{urlencode({'next': f'/me/home?from={HOME}'})}")
    page = await browser.get(away, "/me/home")
    assert "把账号搬到这里" in page.body
    page = await browser.submit(away, page, "/me/home/move")
    assert page.path == "/step-up", "the old home proves the person first"
    page = await step_up(browser, home, page)
    assert page.url == f"{away.settings.base_url}/me/home"
    page = await browser.submit(away, page, "/me/home/move")
    assert "正从重庆市搬来" in page.body
    return browser, who, (await me(away, browser)).subject


async def wait_over(node: Node, subject: str) -> None:
    async with node.db.transaction() as tx:
        await tx.execute("UPDATE account_move SET due_at = now() - interval '1 second' WHERE subject = $1", subject)


async def test_an_account_moves_after_a_day_and_everything_follows(nodes: dict[str, Node]) -> None:
    """identity.md 6.6: 24 hours shown on the old channels, both signatures, index and register turn, the old home says where."""
    hub, mps, home, away = nodes["cn"], nodes[REGISTER], nodes[HOME], nodes[AWAY]
    browser, who, subject = await asked_to_move(nodes)
    page = await browser.get(home, "/me/home")
    assert "正要搬到四川省" in page.body
    sms = await browser.get(home, f"/demo/sms?phone={who.phone}")
    assert "搬到四川省" in sms.body
    assert who.name not in sms.body
    await move.let_go(home)
    async with home.db.reading() as tx:
        assert await tx.fetchval("SELECT status FROM account WHERE subject = $1", subject) == "open", "not before 24 hours"
    await wait_over(home, subject)
    await move.let_go(home)
    await move.let_go(home)
    await deliver(nodes)
    async with home.db.reading() as tx:
        assert dict(await tx.fetchrow("SELECT status, moved_to FROM account WHERE subject = $1", subject)) == {"status": "moved", "moved_to": AWAY}
        assert await tx.fetchval("SELECT count(*) FROM outbox WHERE kind = 'account.moved' AND \"to\" = $1", AWAY) == 1
    await move.finish(away)
    await move.finish(away)
    await deliver(nodes)
    async with mps.db.reading() as tx:
        assert await identity.register_home(tx, subject) == AWAY
    async with away.db.reading() as tx:
        opened = await identity.account(tx, subject)
        assert opened is not None
        assert (opened.status, opened.proof) == ("open", 3), "proof and phone moved"
        assert await tx.fetchval("SELECT count(*) FROM authenticator WHERE subject = $1", subject) == 0, "authenticators did not"
    async with hub.db.reading() as tx:
        turned = await tx.fetch("SELECT home FROM home_index WHERE bi = ANY($1)", [introduce._marks(hub, "phone", who.phone)[0], introduce._marks(hub, "number", who.number)[0]])
    assert [row["home"] for row in turned] == [AWAY, AWAY]
    assert (await me(home, browser)).kind == "nobody", "sessions of the old home ended"
    fresh = Browser()
    page = await sign_in(fresh, away, who)
    assert page.url == f"{away.settings.base_url}/me/access"
    await fresh.get(home, f"/login?{urlencode({'next': f'/me/access?from={AWAY}'})}")
    assert (await me(home, fresh)).home == AWAY, "roams back as a visitor, with the register's new statement"
    lost = Browser()
    page = await at_name_step(lost, home, who)
    page = await lost.submit(home, page, "/login/name", name=who.name, number=who.number)
    assert page.status == 409
    assert "账号搬到四川省了" in page.body
    assert any(one.startswith(f"/login/go?home={AWAY}") for one in page.links())
    async with home.db.transaction() as tx:
        await tx.execute("UPDATE account SET moved_at = now() - interval '366 days' WHERE subject = $1", subject)
    privacy.use_holdings(HOLDINGS)
    await retention.run(home)
    async with home.db.reading() as tx:
        assert await identity.account(tx, subject) is None, "told for one year"


async def test_a_move_asked_in_person_waits_for_nobody(nodes: dict[str, Node]) -> None:
    """identity.md 6.6: a clerk saw person and document; the old home lets go at once, and says so on the old channels."""
    home, away, who, browser, desk = nodes[HOME], nodes[AWAY], await invented(nodes[REGISTER]), Browser(), Browser()
    await sign_in(browser, home, who)
    page = await desk.submit(home, await desk.get(home, "/staff/login?next=/staff/counter"), "/staff/login", key="YZ-DT-01")
    page = await desk.submit(home, page, "/staff/counter", name=who.name, number=who.number)
    word = re.search(r"现场核验码 (\d{4}) (\d{4}) (\d{4})", page.body)
    assert word, page.body
    page = await browser.get(home, "/step-up?level=4&next=/me/access")
    await browser.submit(home, page, "/step-up", way="counter", level="4", next="/me/access", word="".join(word.groups()))
    assert (await me(home, browser)).acr == 4
    await browser.get(away, f"/login?{urlencode({'next': f'/me/home?from={HOME}'})}")
    page = await browser.submit(away, await browser.get(away, "/me/home"), "/me/home/move")
    subject = (await me(away, browser)).subject
    async with home.db.reading() as tx:
        row = await tx.fetchrow("SELECT in_person, due_at <= now() AS due FROM account_move WHERE subject = $1 AND side = 'from'", subject)
    assert row is not None, page.body
    assert (row["in_person"], row["due"]) == (True, True)
    await move.let_go(home)
    await deliver(nodes)
    await move.finish(away)
    async with away.db.reading() as tx:
        opened = await identity.account(tx, subject)
    assert opened is not None
    assert (opened.status, opened.proof) == ("open", 4)


async def test_the_owner_stops_a_move_with_one_tap(nodes: dict[str, Node]) -> None:
    """identity.md 6.6: asked on the old channels; stopped there, nothing moves, the new home hears."""
    home, away = nodes[HOME], nodes[AWAY]
    browser, _, subject = await asked_to_move(nodes)
    page = await browser.get(home, "/me/home")
    page = await browser.submit(home, page, "/me/home/stop")
    assert "正要搬到" not in page.body
    await wait_over(home, subject)
    await move.let_go(home)
    await deliver(nodes)
    async with home.db.reading() as tx:
        assert await tx.fetchval("SELECT status FROM account WHERE subject = $1", subject) == "open"
    async with away.db.reading() as tx:
        assert await move.running(tx, subject) is None


async def test_a_move_needs_the_person_there_at_level_three_and_an_account_at_peace(nodes: dict[str, Node]) -> None:
    """T-22, T-32: a node asks for a person who is not there, not at level 3, just recovered, or moving already."""
    home, who, browser = nodes[HOME], await invented(nodes[REGISTER]), Browser()
    await sign_in(browser, home, who)
    here = await me(home, browser)

    async def refused(**change: str) -> str:
        body = {"caller": AWAY, "move": "01900000-0000-7000-8000-000000000001", "sid": here.sid, "subject": here.subject, **change}
        with pytest.raises(federation.CallRefused) as no:
            async with home.db.transaction() as tx:
                await move.requested(tx, home, **body)
        return no.value.problem

    assert await refused() == "no_grant", "the person never went there"
    await browser.get(nodes[AWAY], f"/login?{urlencode({'next': f'/me/access?from={HOME}'})}")
    assert await refused() == "no_grant", "level 2 only"
    page = await browser.get(nodes[AWAY], "/step-up?level=3&next=/me/access")
    await step_up(browser, home, page)
    assert await refused(caller="mps") == "no_grant"
    assert await refused(subject="n1" + "a" * 32) == "no_grant"
    async with home.db.transaction() as tx:
        await tx.execute("UPDATE account SET recovered_until = now() + interval '1 hour' WHERE subject = $1", here.subject)
    assert await refused() == "refused", "a recovered account moves nowhere for a day"
    async with home.db.transaction() as tx:
        await tx.execute("UPDATE account SET recovered_until = NULL WHERE subject = $1", here.subject)
        assert (await move.requested(tx, home, AWAY, "01900000-0000-7000-8000-000000000002", here.sid, here.subject)).state == "waiting"
        again = await move.requested(tx, home, AWAY, "01900000-0000-7000-8000-000000000002", here.sid, here.subject)
        assert again.state == "waiting", "asked twice, one move"
    assert await refused() == "refused", "one move at a time"


async def test_somebody_of_fifteen_moves_when_a_guardian_says_yes(nodes: dict[str, Node]) -> None:
    """T-88: moving an account is a level-3 act; the guardian lives elsewhere and is asked there, on the register's word only."""
    mps, home, away, browser, hers = nodes[REGISTER], nodes[HOME], nodes[AWAY], Browser(), Browser()
    child, parent = await invented(mps), await invented(mps)
    child = msgspec.structs.replace(child, number=await aged_fifteen(mps, child.name))
    async with mps.db.transaction() as tx:
        await guardians.enter(tx, mps, child.number, parent.number, "母亲", mps.clock.today())
    await sign_in(browser, home, child)
    await sign_in(hers, away, parent)
    await browser.get(away, f"/login?{urlencode({'next': f'/me/home?from={HOME}'})}")
    page = await browser.submit(away, await browser.get(away, "/me/home"), "/me/home/move")
    page = await step_up(browser, home, page)
    page = await browser.submit(away, page, "/me/home/move")
    assert page.status == 409, "moved without a guardian"
    assert "监护人点头" in page.body
    guardian, minor = (await me(away, hers)).subject, (await me(home, browser)).subject

    async def asked() -> str | None:
        await deliver(nodes)
        async with away.db.reading() as tx:
            found = await tx.fetchval("SELECT id FROM guardian_ask WHERE guardian_subject = $1", guardian)
        return None if found is None else str(found)

    for _ in range(30):
        since = away.bell.generation("messages")
        if ask_id := await asked():
            break
        await away.bell.wait("messages", seconds=1, since=since)
    assert ask_id is not None
    forged = {"subject": minor, "about": "draft:x", "what": "演示", "name": "演示", "home": AWAY, "until": "4102444800000", "proof": ""}
    for origin, asks in ((HOME, minor), (REGISTER, guardian)):  # the home about no guardian, and a node that is not the home
        lie = uuid7()
        sealed = away.cipher.seal("identity", "guardian_ask.letter", lie, msgspec.json.encode({**forged, "id": lie, "guardian": asks}).decode()).hex()
        await confirming.check(away, {"id": lie, "origin": origin, "body": sealed})
    async with away.db.reading() as tx:
        assert await tx.fetchval("SELECT count(*) FROM guardian_ask WHERE about = 'draft:x'") == 0, "a stranger asked"
    page = await hers.get(away, f"/me/agents/confirm/{ask_id}")
    assert "把账号搬到四川省" in page.body
    await hers.submit(away, page, f"/me/agents/confirm/{ask_id}", answer="yes")
    await deliver(nodes)
    page = await browser.submit(away, await browser.get(away, "/me/home"), "/me/home/move")
    assert "正从重庆市搬来" in page.body, page.body


async def aged_fifteen(mps: Node, name: str) -> str:
    """The register knows an invented child of fifteen (演示)."""
    born = mps.clock.today().replace(day=1) - timedelta(days=15 * 365 + 60)
    number = IdNumber.make("500199", born, 998).value
    async with mps.db.transaction() as tx:
        await enter(tx, mps, NewEntry(name=name, number=number, sex="女", born=born, nation="汉族", address="重庆市演示路 1 号（演示）", division="500103"))
    return number


async def test_the_register_turns_on_both_signatures_only(nodes: dict[str, Node]) -> None:
    """T-22: the new home alone, a release of another node, of another person, to another node, and an old release again."""
    mps, home, away, who, browser = nodes[REGISTER], nodes[HOME], nodes[AWAY], await invented(nodes[REGISTER]), Browser()
    await sign_in(browser, home, who)
    subject, now = (await me(home, browser)).subject, mps.clock.now()

    async def signed(node: Node, typ: str, **change: str) -> str:
        async with node.db.transaction() as tx:
            key = await keys.signing_key(tx, node, "Ed25519")
        said = {"subject": subject, "issuer": node.id, "to": AWAY, "move": "m1", **change}
        return key.sign(rules.release(**said, now=now), typ=typ)

    accept = await signed(away, rules.ACCEPT_TYP)
    wrong = (
        "", await signed(away, rules.RELEASE_TYP), await signed(away, rules.RELEASE_TYP, issuer=HOME),
        await signed(home, rules.RELEASE_TYP, subject="n1" + "a" * 32), await signed(home, rules.RELEASE_TYP, to="cn"),
        await signed(home, rules.RELEASE_TYP, move="m2"), await signed(home, rules.ACCEPT_TYP),
    )  # fmt: skip
    for release in wrong:
        with pytest.raises(federation.CallRefused):
            await home_proof.turn(mps, AWAY, {"subject": subject, "release": release, "accept": accept})
    right = await signed(home, rules.RELEASE_TYP)
    with pytest.raises(federation.CallRefused):
        await home_proof.turn(mps, "cn", {"subject": subject, "release": right, "accept": accept})
    first = await home_proof.turn(mps, AWAY, {"subject": subject, "release": right, "accept": accept})
    again = await home_proof.turn(mps, AWAY, {"subject": subject, "release": right, "accept": accept})
    assert first["home"] == again["home"] == AWAY, "the same move twice has one effect"
    async with mps.db.transaction() as tx:  # it comes home again, later: the old release is void
        await tx.execute("UPDATE register_entry SET home = $2, home_since = $3 WHERE subject = $1", subject, HOME, now + timedelta(hours=1))
    with pytest.raises(federation.CallRefused):
        await home_proof.turn(mps, AWAY, {"subject": subject, "release": right, "accept": accept})


async def test_a_parcel_nobody_asked_for_opens_nothing(nodes: dict[str, Node]) -> None:
    """T-32: a home that sends away a person who never asked, and a hub index told by the wrong node."""
    hub, away = nodes["cn"], nodes[AWAY]
    parcel = move.Parcel(
        id="01900000-0000-7000-8000-00000000000a", subject="n1" + "c" * 32, to=AWAY, release="x", name="无名", number="x", phone="19900000001",
        proof=4, proof_method="inperson", photo_held=False,
    )  # fmt: skip
    async with away.db.transaction() as tx:
        await move.arrived(tx, away, HOME, parcel)
        assert await tx.fetchval("SELECT count(*) FROM account_move WHERE subject = $1", parcel.subject) == 0
        await subjects.put_visitor(tx, away, parcel.subject, home=HOME, proof=2, name_masked="无*")
        await move.moved_elsewhere(tx, away, "mps", parcel.subject, "mps")
        assert await identity.home_of(tx, parcel.subject) == HOME
    async with hub.db.transaction() as tx:
        await introduce.remember(tx, hub, HOME, number=None, phone="19900000002")
        await introduce.turn(tx, hub, AWAY, to=AWAY, number="", phone="19900000002")
        found = await tx.fetchval("SELECT home FROM home_index WHERE bi = ANY($1)", introduce._marks(hub, "phone", "19900000002"))
    assert found == HOME
