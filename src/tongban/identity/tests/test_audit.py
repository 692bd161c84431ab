"""What auditors see (R-802, T-60, T-65): deeds and not persons, a page at a time, alarms, exports by two."""

from __future__ import annotations

import html
import re
from datetime import timedelta
from typing import Any

import httpx
import msgspec
import pytest
from litestar import Litestar
from litestar.datastructures import State
from litestar.di import Provide

from tongban import consent, identity, ui
from tongban.identity.actions import audit, notices, proposals
from tongban.identity.pages import readings
from tongban.identity.pages.readings import _filter
from tongban.identity.queries import readings as looking
from tongban.identity.queries.proposals import notices_of
from tongban.identity.queries.readings import Filter
from tongban.identity.rules.emergency import LIMITS
from tongban.identity.rules.roles import scopes
from tongban.identity.tests import make_staff
from tongban.identity.tests.make_staff import HER, HER_NAME, HER_NUMBER, code_of, officer
from tongban.kernel.actor import Actor
from tongban.kernel.errors import Failure, NotAllowed
from tongban.kernel.ids import uuid7
from tongban.kernel.node import Node

node = make_staff.node
OTHER = "n1" + "z" * 32


async def read_by(tx: Any, node: Node, staff_no: str, subject: str = HER, count: int = 1, kind: str = "case") -> Actor:
    """Readings of a person by a member of staff, a second apart."""
    clerk = await officer(tx, node, staff_no)
    for n in range(count):
        await tx.execute(
            "INSERT INTO access_reason (subject, id, staff, kind, ref, at) VALUES ($1, $2, $3, $4, $5, $6)",
            subject, uuid7(), clerk.subject, kind, f"ref-{n}", node.clock.now() - timedelta(seconds=n + 1),
        )  # fmt: skip
    return clerk


async def test_who_read_and_why_is_seen_and_never_whom(tx: Any, node: Node) -> None:
    """R-802: the row has unit, number, reason and a mark for the month; no subject, name or number anywhere in it."""
    clerk = await read_by(tx, node, "CQ-YB-01", count=2)
    await read_by(tx, node, "CQ-YB-01", OTHER, kind="visit")
    auditor = await officer(tx, node, "CQ-GX-01")
    rows = await looking.readings(tx, node, scopes(auditor, audit.SEE), Filter())
    assert [(one.staff_no, one.kind) for one in rows if one.unit == clerk.unit].count(("CQ-YB-01", "case")) == 2
    shown = repr(rows)
    assert not any(secret in shown for secret in (HER, OTHER, HER_NAME, HER_NUMBER)), "auditor sees the person"
    marks = {one.kind: one.mark for one in rows}
    assert marks["case"] != marks["visit"]
    assert len({one.mark for one in rows if one.kind == "case"}) == 1
    assert looking.mark(node, HER, node.clock.now()) != looking.mark(node, HER, node.clock.now() + timedelta(days=40))


async def test_filters_and_pages(tx: Any, node: Node) -> None:
    await read_by(tx, node, "CQ-YB-01", count=70)
    await read_by(tx, node, "CQ-YB-01", OTHER, kind="dispute")
    areas = scopes(await officer(tx, node, "CQ-GX-01"), audit.SEE)

    async def found(**wanted: Any) -> int:
        return len(await looking.readings(tx, node, areas, Filter(**wanted), most=1000))

    assert await found() == 71
    assert await found(staff_no="CQ-YB-01") == 71
    assert await found(staff_no="CQ-YB") == 0
    assert await found(unit="%") == 0  # a percent sign is no pattern
    assert await found(kind="dispute") == 1
    assert await found(since=node.clock.now() - timedelta(seconds=10, milliseconds=500)) == 11
    assert await found(until=node.clock.now() - timedelta(seconds=69, milliseconds=500)) == 1
    first = await looking.readings(tx, node, areas, Filter(kind="dispute"))
    assert await found(same=first[0].id) == 1
    page = await looking.readings(tx, node, areas, Filter())
    assert len(page) == looking.PAGE + 1
    last = page[looking.PAGE - 1]
    rest = await looking.readings(tx, node, areas, Filter(), before=(last.at, last.id))
    assert len(rest) == 21
    assert not {one.id for one in rest} & {one.id for one in page[: looking.PAGE]}
    ((number, _, count, persons), *_) = await looking.by_staff(tx, areas, node.clock.now() - timedelta(days=1))
    assert (number, count, persons) == ("CQ-YB-01", 71, 2)


async def test_another_province_is_not_seen(tx: Any, node: Node) -> None:
    await read_by(tx, node, "CQ-YB-01")
    assert await looking.readings(tx, node, (("51", ""),), Filter()) == ()
    assert await looking.readings(tx, node, (("50", "another"),), Filter()) == ()


async def test_t60_a_reading_without_reason_stands_in_the_register(node: Node) -> None:
    """The refused deed itself is undone; the alert is a row of the auditors' register."""
    async with node.db.transaction() as tx:
        clerk, auditor = await officer(tx, node, "CQ-YB-01"), await officer(tx, node, "CQ-GX-01")
        before = len(await looking.staff_alerts(tx, scopes(auditor, audit.SEE)))
    with pytest.raises(Failure):
        async with node.db.transaction() as tx:
            await identity.reading_reason(tx, node, clerk, HER, "none", "", fields=("姓名",))
    async with node.db.transaction() as tx:
        (alert, *more) = await looking.staff_alerts(tx, scopes(auditor, audit.SEE))
    assert len(more) == before, "reading without a reason raised no alert"
    assert (alert.kind, alert.staff_no) == ("read_without_reason", "CQ-YB-01")


async def test_t65_paging_through_everything_is_told(tx: Any, node: Node) -> None:
    auditor, officer_ = await officer(tx, node, "CQ-GX-01"), await officer(tx, node, "CQ-AQ-01")
    for _ in range(LIMITS.audit_pages_an_hour):
        await audit.looked(tx, node, auditor)
    assert not [one for one in await notices_of(tx, officer_.subject) if one.kind == "alert.many_audit_pages"]
    await audit.looked(tx, node, auditor)
    assert [one for one in await notices_of(tx, officer_.subject) if one.kind == "alert.many_audit_pages"], "no alarm"


async def test_t65_an_export_needs_two_is_marked_and_taken_once(tx: Any, node: Node) -> None:
    await read_by(tx, node, "CQ-YB-01", count=3)
    one, two, clerk = await officer(tx, node, "CQ-GX-01"), await officer(tx, node, "CQ-GX-02"), await officer(tx, node, "CQ-YB-01")
    with pytest.raises(NotAllowed):
        await audit.propose_export(tx, node, clerk, Filter())
    made = await audit.propose_export(tx, node, one, Filter(staff_no="CQ-YB-01"))
    assert await code_of(audit.take_export(tx, node, one, made.id)) == "identity.export_gone", "exported by one"
    assert await code_of(proposals.approve(tx, node, one, made.id, made.digest)) == "identity.four_eyes", "exported by one"
    await proposals.approve(tx, node, two, made.id, made.digest)
    assert await audit.waiting_exports(tx, node, one) == ((made.id, 3),)
    assert await code_of(audit.take_export(tx, node, two, made.id)) == "identity.export_gone"
    text = (await audit.take_export(tx, node, one, made.id)).decode("utf-8-sig")
    assert text.startswith("# 导出人 CQ-GX-01，批准人 CQ-GX-02，")
    lines = text.splitlines()
    assert len(lines) == 5
    assert all(line.endswith(f"CQ-GX-01/{made.id[-8:]}") for line in lines[2:]), "row without a mark"
    assert not any(secret in text for secret in (HER, HER_NAME, HER_NUMBER)), "export shows the person"
    assert await code_of(audit.take_export(tx, node, one, made.id)) == "identity.export_gone", "taken twice"
    assert await tx.fetchval("SELECT length(content) FROM audit_export WHERE id = $1", made.id) == 0
    assert await tx.fetchval("SELECT count(*) FROM log_leaf WHERE kind = 'audit.exported'") >= 1


async def test_an_export_nobody_took_is_emptied_after_a_day(node: Node) -> None:
    async with node.db.transaction() as tx:
        one, two = await officer(tx, node, "CQ-GX-01"), await officer(tx, node, "CQ-GX-02")
        made = await audit.propose_export(tx, node, one, Filter())
        await proposals.approve(tx, node, two, made.id, made.digest)
        await tx.execute("UPDATE audit_export SET made_at = made_at - interval '25 hours' WHERE id = $1", made.id)
    await audit.forget_exports(node)
    async with node.db.transaction() as tx:
        assert await tx.fetchval("SELECT length(content) FROM audit_export WHERE id = $1", made.id) == 0
        assert await code_of(audit.take_export(tx, node, one, made.id)) == "identity.export_gone"


def test_a_filter_from_the_address_bar() -> None:
    wanted, wrong = _filter({"kind": "case", "since": "2026-11-01", "until": "2026-11-02", "same": "x", "unit": "u" * 99})
    assert (wrong, wanted.kind, wanted.same, len(wanted.unit)) == ((), "case", "", 40)
    assert wanted.until is not None
    assert wanted.since is not None
    assert wanted.until - wanted.since == timedelta(days=2)  # the last day counts whole
    assert _filter({"since": "1. Nov"})[1][0].field == "since"
    assert _filter({"kind": "'; DROP"})[0].kind == ""


async def test_the_page_draws_pages_filters_and_alerts(node: Node) -> None:
    """/staff/readings over the real doors: a page of 50, the next one, a wrong day in words; a clerk is not let in."""
    async with node.db.transaction() as tx:
        await read_by(tx, node, "CQ-YB-01", count=60)
        auditor, clerk = await officer(tx, node, "CQ-GX-01"), await officer(tx, node, "CQ-YB-01")
        await notices.put_alert(tx, node, clerk, "read_without_reason", "没有理由要查看一个人，已经拦下")
    async with client(node, auditor) as browser:
        first = await browser.get("/staff/readings?staff_no=CQ-YB-01")
        assert first.status_code == 200, first.text
        assert "没有理由要看一个人，拦下了" in first.text
        assert HER not in first.text, "auditor sees the person"
        assert first.text.count('aria-label="看谁还看过') == looking.PAGE
        onward = html.unescape(re.findall(r'href="(/staff/readings\?[^"]*before=[^"]*)"', first.text)[0])
        assert "staff_no=CQ-YB-01" in onward
        assert 'aria-label="看谁还看过' in (await browser.get(onward)).text
        wrong = await browser.get("/staff/readings?since=gestern")
        assert (wrong.status_code, "日期写成" in wrong.text) == (422, True)
    async with client(node, clerk) as browser:
        assert (await browser.get("/staff/readings")).status_code == 403


def client(node: Node, actor: Actor) -> httpx.AsyncClient:
    """The page's doors with that member of staff signed in."""

    async def provide_node() -> Node:
        return node

    async def provide_actor() -> Actor:
        return actor

    app = Litestar(
        list(readings.ROUTES), dependencies={"node": Provide(provide_node), "actor": Provide(provide_actor)}, state=State(),
        exception_handlers=ui.exception_handlers, before_send=[ui.before_send], openapi_config=None, logging_config=None,
    )  # fmt: skip
    ui.wire(app, ui.Wiring(secret=bytes(32), site="重庆市", base_url=node.settings.base_url, demo=True))
    return httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url=node.settings.base_url)


async def test_whom_a_reading_was_of_is_learnt_for_a_reason_and_the_person_sees_it(node: Node) -> None:
    """R-802 "who read whom and why": row by row, by an auditor, written into ledger, register and log; not by a security officer or a clerk."""
    async with node.db.transaction() as tx:
        await tx.execute("DELETE FROM access_reason")
        clerk = await read_by(tx, node, "CQ-YB-01")
        auditor, guard = await officer(tx, node, "CQ-GX-01"), await officer(tx, node, "CQ-AQ-01")
        (row,) = await looking.readings(tx, node, scopes(auditor, audit.SEE), Filter())
    page = f"/staff/readings/{row.id}/whom"
    async with client(node, auditor) as browser:
        assert f'href="{page}"' in (await browser.get("/staff/readings")).text
        asked = await browser.get(page)
        assert (asked.status_code, HER_NAME in asked.text) == (200, False), "named before a reason was given"
        token = re.search(r'name="tb_token" value="([^"]+)"', asked.text)
        assert token is not None
        headers = {"origin": node.settings.base_url, "cookie": asked.headers["set-cookie"].partition(";")[0]}
        without = await browser.post(page, data={"tb_token": token[1]}, headers=headers)
        assert (without.status_code, HER_NAME in without.text) == (422, False), "named without a reason"
        told = await browser.post(page, data={"tb_token": token[1], "why": "complaint"}, headers=headers)
        assert (told.status_code, HER_NAME in told.text, HER_NUMBER in told.text) == (200, True, False), told.text
        assert (await browser.get(f"/staff/readings/{uuid7()}/whom")).status_code == 404
    async with node.db.transaction() as tx:
        mine = [one for one in await consent.lines(tx, node.id, HER, limit=50, now=node.clock.now()) if one.about == f"audit:{row.id}"]
        assert [(one.kind, one.purpose) for one in mine] == [("view", "审计工作人员看过谁：有人投诉")], "the person is not told"
        newest = (await looking.readings(tx, node, scopes(auditor, audit.SEE), Filter(kind="audit")))[0]
        assert (newest.staff_no, newest.ref) == ("CQ-GX-01", f"complaint:{row.id}")
    for other in (clerk, guard):
        async with client(node, other) as browser:
            assert (await browser.get(page)).status_code == 403
    async with node.db.transaction() as tx:
        with pytest.raises(Failure) as own:
            await audit.whom(tx, node, msgspec.structs.replace(auditor, linked_subject=HER), row.id, "sample")
    assert own.value.failure_code == "identity.own_case"
