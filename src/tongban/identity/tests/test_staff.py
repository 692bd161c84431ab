"""Roles by two, reasons for reading, emergencies, the log of readings (R-602; T-60 … T-65)."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from datetime import timedelta
from typing import Any

import pytest

from tongban import consent, identity
from tongban.identity import tasks
from tongban.identity.actions import emergency, joining, ledger, proposals, staff
from tongban.identity.actions.resolve import STAFF_COOKIE
from tongban.identity.actions.set_up import people
from tongban.identity.actions.subjects import put_person
from tongban.identity.model import OpenedSession, Proposal
from tongban.identity.queries import staff as queries
from tongban.identity.queries.emergency import glass
from tongban.identity.queries.persons import number_index
from tongban.identity.queries.proposals import notices_of, proposal
from tongban.identity.rules.emergency import LIMITS
from tongban.identity.tests import make_staff
from tongban.identity.tests.make import household
from tongban.identity.tests.make_staff import HER, HER_NAME, HER_NUMBER, code_of, officer
from tongban.kernel.actor import Actor
from tongban.kernel.errors import Failure, NotAllowed, NotFound
from tongban.kernel.ids import uuid7
from tongban.kernel.node import Node

node = make_staff.node


# ---- roles ----------------------------------------------------------------------------------------------------------


async def wanted(tx: Any, node: Node, staff_no: str, role: str, **more: Any) -> staff.Proposed:
    member = await queries.staff_by_number(tx, node, staff_no)
    assert member is not None
    return staff.Proposed(**{"subject": member.subject, "role": role, "division": "500000", "proposed_by": "", **more})


async def test_t63_nobody_gives_a_role_alone_or_to_themselves(tx: Any, node: Node) -> None:
    one, two = await officer(tx, node, "CQ-RS-01"), await officer(tx, node, "CQ-RS-02")
    assert await code_of(joining.propose_role(tx, node, one, await wanted(tx, node, "CQ-RS-01", "auditor"))) == "identity.four_eyes", "self-assigned"
    made = await joining.propose_role(tx, node, one, await wanted(tx, node, "CQ-YB-01", "examiner"))
    assert isinstance(made, Proposal)
    assert await code_of(proposals.approve(tx, node, one, made.id, made.digest)) == "identity.four_eyes", "approved by one"
    assert await code_of(proposals.refuse(tx, node, one, made.id, "自己的提议（演示）")) == "identity.four_eyes", "decided by whoever proposed it"
    for_two = await joining.propose_role(tx, node, one, await wanted(tx, node, "CQ-RS-02", "auditor"))
    assert isinstance(for_two, Proposal)
    assert await code_of(proposals.approve(tx, node, two, for_two.id, for_two.digest)) == "identity.four_eyes", "approved for oneself"
    await proposals.approve(tx, node, two, made.id, made.digest)
    clerk = await officer(tx, node, "CQ-YB-01")
    assert clerk.may("cases.review", division="500103", org="any")
    found = await proposal(tx, made.id)
    assert found is not None
    assert (found.state, found.decided_by) == ("approved", two.subject)


async def test_t63_administration_and_persons_never_meet_in_one_hand(tx: Any, node: Node) -> None:
    one, two = await officer(tx, node, "CQ-RS-01"), await officer(tx, node, "CQ-RS-02")
    made = await joining.propose_role(tx, node, one, await wanted(tx, node, "CQ-JD-01", "window"))
    assert isinstance(made, Proposal)
    assert await code_of(proposals.approve(tx, node, two, made.id, made.digest)) == "identity.roles_apart", "administrator sees persons"


async def test_no_role_beyond_the_own_area(tx: Any, node: Node) -> None:
    """A proposer and an approver both need the right over the area that is given."""
    one = await officer(tx, node, "CQ-RS-01")
    with pytest.raises(NotAllowed):
        await joining.propose_role(tx, node, one, await wanted(tx, node, "CQ-YB-01", "acceptor", division="510000"))


async def test_run_out_assignments_count_nothing_in_running_sessions(node: Node) -> None:
    """An assignment that ends, ends now, also in a session that is read from memory."""
    clock: Any = node.clock
    async with node.db.transaction() as tx:
        member = await queries.staff_by_number(tx, node, "CQ-PJ-01")
        assert member is not None
        row = await staff.put_assignment(
            tx, staff.Proposed(subject=member.subject, role="auditor", division="500000", until=clock.now() + timedelta(seconds=2), proposed_by="setup"), "setup"
        )
        opened = await staff.by_certificate(tx, node, "CQ-PJ-01", "Chrome")
    assert isinstance(opened, OpenedSession)
    cookies = {STAFF_COOKIE: opened.cookie}
    assert (await identity.resolve(node, cookies, path="/desk")).may("exchange.audit", division="500000")
    clock.move(timedelta(seconds=3))
    assert not (await identity.resolve(node, cookies, path="/desk")).may("exchange.audit", division="500000"), "run-out assignment allowed"
    async with node.db.transaction() as tx:
        await joining.take_back(tx, node, await officer(tx, node, "CQ-RS-01"), member.subject, row)
        await tx.execute("DELETE FROM assignment WHERE subject = $1 AND id = $2", member.subject, row)


# ---- reasons --------------------------------------------------------------------------------------------------------


async def lines(tx: Any, node: Node) -> tuple[Any, ...]:
    return await consent.lines(tx, node.id, HER, now=node.clock.now())


async def test_t60_a_window_reads_nobody_without_a_line_and_without_the_name(tx: Any, node: Node) -> None:
    clerk = await officer(tx, node, "YZ-DT-01")
    before = len(await lines(tx, node))
    strange = await identity.open_visit(tx, node, clerk, "500199198003070014", "演示谁")
    wrong = await identity.open_visit(tx, node, clerk, HER_NUMBER, "演示别人")
    assert isinstance(strange, tuple)
    assert strange == wrong, "the answer says who is known here"
    assert len(await lines(tx, node)) == before + 1, "a try with a right number left no line"
    visit = await identity.open_visit(tx, node, clerk, HER_NUMBER, HER_NAME)
    assert isinstance(visit, identity.Visit)
    assert len(await lines(tx, node)) == before + 2, "person shown without reason"
    assert await tx.fetchval("SELECT count(*) FROM message WHERE subject = $1 AND kind = 'identity.counter_visit'", HER) == 1
    other = await officer(tx, node, "CQ-YB-01")
    assert await identity.find_reason(tx, node, clerk, HER) == ("visit", visit.id)
    assert await identity.find_reason(tx, node, other, HER) == ("none", "")
    assert await code_of(identity.reading_reason(tx, node, other, HER, "visit", visit.id, fields=("姓名",))) == "identity.reason_needed"


async def test_a_reading_without_reason_tells_the_security_officers(node: Node) -> None:
    async with node.db.reading() as tx:
        clerk, guard = await officer(tx, node, "CQ-YB-01"), await officer(tx, node, "CQ-AQ-01")
    for _ in range(2):
        with pytest.raises(Failure):
            async with node.db.transaction() as tx:
                await identity.reading_reason(tx, node, clerk, HER, "none", "", fields=("姓名",))
    async with node.db.reading() as tx:
        told = [one for one in await notices_of(tx, guard.subject) if one.kind == "alert.read_without_reason" and "CQ-YB-01" in one.words]
    assert len(told) == 1, "no alert, or one for every try"
    assert HER not in told[0].words


async def test_t65_reading_very_many_is_told(tx: Any, node: Node) -> None:
    clerk, guard = await officer(tx, node, "CQ-YB-02"), await officer(tx, node, "CQ-AQ-01")
    for number in range(LIMITS.readings_an_hour + 1):
        await identity.reading_reason(tx, node, clerk, f"n1{number:032d}", "queue", f"case-{number}", fields=("姓名",))
    told = [one for one in await notices_of(tx, guard.subject) if one.kind == "alert.many_read"]
    assert len(told) == 1, "no alarm"


async def test_t62_family_is_refused_like_oneself(tx: Any, node: Node) -> None:
    import msgspec

    clerk = msgspec.structs.replace(await officer(tx, node, "CQ-YB-01"), kin=frozenset({HER}))
    assert clerk.own_or_family("", HER)
    assert not clerk.own_or_family("", "n1other")
    assert await code_of(identity.reading_reason(tx, node, clerk, HER, "case", "c1", fields=("姓名",))) == "identity.reason_needed", "own case read"
    window = msgspec.structs.replace(await officer(tx, node, "YZ-DT-01"), linked_subject=HER)
    assert await code_of(identity.open_visit(tx, node, window, HER_NUMBER, HER_NAME)) == "identity.own_case"


async def test_t62_family_and_represented_companies_are_known_in_a_running_session(node: Node) -> None:
    """Wards, elders who gave a mandate, and companies the clerk may act for: their cases are for colleagues."""
    me, mother, company, stranger = "n1" + "m" * 32, "n1" + "e" * 32, "o191500000ma00000001", "n1" + "q" * 32
    now = node.clock.now()
    async with node.db.transaction() as tx:
        opened = await staff.by_certificate(tx, node, "CQ-YB-02", "Chrome")
        assert isinstance(opened, OpenedSession)
        clerk = opened.session.subject
        await tx.execute("UPDATE staff SET linked_subject = $2 WHERE subject = $1", clerk, node.cipher.seal("staff", "staff.linked_subject", clerk, me))
        for grantor, agent, basis, state in (
            (mother, me, "family", "active"), (company, me, "org_agent", "active"), (stranger, me, "family", "stopped"),
        ):  # fmt: skip
            row = uuid7()
            await tx.execute(
                "INSERT INTO mandate (grantor, id, agent, basis, items, acts, from_at, until_at, granted_acr, granted_node, agent_node, state,"
                " offered_until, accepted_at, news_at, grantor_name, agent_name, made_at)"
                " VALUES ($1, $2, $3, $4, '{}', '{view}', $5, $6, 3, '500000', '500000', $7, $6, $5, $5, $8, $9, $5)",
                grantor, row, agent, basis, now, now + timedelta(days=300), state, node.cipher.seal("identity", "mandate.grantor_name", row, "演示"),
                node.cipher.seal("identity", "mandate.agent_name", row, "演示"),
            )  # fmt: skip
    try:
        actor = await identity.resolve(node, {STAFF_COOKIE: opened.cookie}, path="/desk")
        assert actor.own_or_family(me)
        assert actor.own_or_family(mother), "family's case decided"
        assert actor.own_or_family(company), "own company's case decided"
        assert not actor.own_or_family(stranger)
    finally:
        async with node.db.transaction() as tx:
            await tx.execute("UPDATE staff SET linked_subject = NULL WHERE subject = $1", clerk)
            await tx.execute("DELETE FROM mandate WHERE agent = $1", me)


async def test_t62_a_clerk_is_known_by_the_register_wherever_they_live(make_node: Callable[..., Awaitable[Node]]) -> None:
    """The link does not need the clerk's account to be here; the number is forgotten as soon as the register has answered."""
    known = people().citizens[0]
    async with household(make_node, "500000") as nodes:
        here, made = nodes["500000"], []
        async with here.db.transaction() as tx:
            for staff_no, name in (("XX-1", known.name), ("XX-2", "演示别人")):
                made.append(await joining._enter(tx, here, joining.Newcomer(
                    staff_no=staff_no, name=name, unit="重庆市政务服务局（演示）", org="", division="500000", department="", citizen_number=known.number
                )))  # fmt: skip
            assert not await queries.linked_subject(tx, here, made[0])
        await tasks.link_staff(here)
        async with nodes["mps"].db.reading() as tx:
            subject = await tx.fetchval("SELECT subject FROM register_entry WHERE bi_number = $1", number_index(nodes["mps"], known.number))
        async with here.db.reading() as tx:
            assert await queries.linked_subject(tx, here, made[0]) == subject, "own case from another province decided"
            assert not await queries.linked_subject(tx, here, made[1]), "linked with a wrong name"
            assert not await tx.fetchval("SELECT count(*) FROM staff WHERE citizen_number IS NOT NULL AND staff_no LIKE 'XX-%'")


# ---- emergencies ----------------------------------------------------------------------------------------------------


async def opened_glass(tx: Any, node: Node, duty: Actor, told: str) -> str:
    made = await emergency.open_glass(tx, node, duty, reason="life", said="居民报警，邻居家中可能有人昏倒", told=told)
    assert isinstance(made, str), made
    return made


async def test_t64_an_emergency_is_level_four_named_short_few_and_told(tx: Any, node: Node) -> None:
    clock: Any = node.clock
    low, duty = await officer(tx, node, "CQ-ZB-01"), await officer(tx, node, "CQ-ZB-01", acr=4)
    second, guard = await officer(tx, node, "CQ-JD-01"), await officer(tx, node, "CQ-AQ-01")
    assert await code_of(emergency.open_glass(tx, node, low, reason="life", said="x" * 20, told=second.subject)) == "identity.emergency_level"
    with pytest.raises(NotAllowed):
        await emergency.open_glass(tx, node, await officer(tx, node, "CQ-YB-01", acr=4), reason="life", said="x" * 20, told=second.subject)
    for bad in ({"reason": "curious"}, {"said": "short"}, {"told": duty.subject}, {"told": "s" + "0" * 26}):
        refused = await emergency.open_glass(tx, node, duty, **{"reason": "life", "said": "x" * 20, "told": second.subject, **bad})
        assert isinstance(refused, tuple), bad
    made = await opened_glass(tx, node, duty, second.subject)
    for one in (second, guard):
        assert [each for each in await notices_of(tx, one.subject) if each.link.endswith(made)], "no notice sent"
    # a person, and only a named one; keys, logs, reviews have no name here
    for nothing in ("500199198003070014", "s1", "review-1", "0" * 22, ""):
        assert isinstance(await emergency.name_person(tx, node, duty, made, nothing), tuple), nothing
    assert await emergency.name_person(tx, node, duty, made, HER_NUMBER) == 1
    card = await emergency.look(tx, node, duty, made, 1)
    assert ("姓名", HER_NAME) in card.facts
    with pytest.raises(NotFound):
        await emergency.look(tx, node, duty, made, 2)
    shown = [line for line in await lines(tx, node) if line.about == f"emergency:{made}"]
    assert len(shown) == 1
    assert "紧急访问" in shown[0].purpose
    assert "CQ-ZB-01" not in shown[0].who, "the ledger names the clerk"
    for number in range(LIMITS.persons - 1):
        await tx.execute(
            "INSERT INTO break_glass_person (subject, glass, named_at, way, ref) VALUES ($1, $2, $3, 'number', ''::bytea)", f"n1{number:032d}", made, clock.now()
        )
    await put_person(tx, node, "n1" + "z" * 32, home="500000", proof=3, name="演示某某", number="500199198508180869", photo_held=False, matched=True)
    assert await code_of(emergency.name_person(tx, node, duty, made, "500199198508180869")) == "identity.emergency_full", "21st person read"
    with pytest.raises(NotFound):
        await emergency.look(tx, node, await officer(tx, node, "CQ-YB-01", acr=4), made, 1)
    clock.move(timedelta(minutes=LIMITS.minutes))
    assert await code_of(emergency.look(tx, node, duty, made, 1)) == "identity.emergency_over", "read in the 61st minute"


async def test_t64_it_is_reviewed_by_another_and_a_missed_review_is_told(tx: Any, node: Node) -> None:
    clock: Any = node.clock
    duty, second = await officer(tx, node, "CQ-ZB-01", acr=4), await officer(tx, node, "CQ-AQ-01")
    guard, boss = await officer(tx, node, "CQ-AQ-02"), await officer(tx, node, "CQ-JD-01")
    made = await opened_glass(tx, node, duty, second.subject)
    found = await glass(tx, made)
    assert found is not None
    assert (found.review_by - clock.today()).days >= 3
    assert await code_of(emergency.review(tx, node, second, made, in_order=True, words="我被告知过")) == "identity.emergency_second", "reviewed by the one who was told"
    with pytest.raises(NotAllowed):
        await emergency.review(tx, node, duty, made, in_order=True, words="我自己看没问题")
    clock.move(timedelta(days=6))
    assert await emergency.remind(tx, node) == 1
    assert await emergency.remind(tx, node) == 0
    assert [one for one in await notices_of(tx, boss.subject) if one.kind == "emergency.overdue"], "missed review told to nobody"
    assert await emergency.review(tx, node, guard, made, in_order=False, words="没有危险") == ()
    assert [one for one in await notices_of(tx, duty.subject) if one.kind == "emergency.reviewed"]


async def test_t64_the_person_sees_it_at_the_latest_on_the_day_set(tx: Any, node: Node) -> None:
    """Delayed with a basis by a second officer, at most 30 days, never left out; the line says that it was delayed."""
    clock: Any = node.clock
    duty, second, guard = await officer(tx, node, "CQ-ZB-01", acr=4), await officer(tx, node, "CQ-JD-01"), await officer(tx, node, "CQ-AQ-01")
    made = await opened_glass(tx, node, duty, second.subject)
    await emergency.name_person(tx, node, duty, made, HER_NUMBER)
    await emergency.look(tx, node, duty, made, 1)
    with pytest.raises(NotAllowed):
        await emergency.delay(tx, node, duty, made, until=clock.now() + timedelta(days=1), basis="反有组织犯罪法 第一条")
    assert isinstance(await emergency.delay(tx, node, guard, made, until=clock.now() + timedelta(days=31), basis="刑事诉讼法 某条"), tuple)
    assert await emergency.delay(tx, node, guard, made, until=clock.now() + timedelta(days=31), basis="刑事诉讼法 某条")
    assert await emergency.delay(tx, node, guard, made, until=clock.now() + timedelta(days=20), basis="") != ()
    assert await emergency.delay(tx, node, guard, made, until=clock.now() + timedelta(days=20), basis="刑事诉讼法 某条") == ()
    await emergency.look(tx, node, duty, made, 1)

    async def seen() -> list[Any]:
        return [line for line in await lines(tx, node) if line.about == f"emergency:{made}"]

    assert await seen() == [], "a delayed line was shown"
    clock.move(timedelta(days=20, seconds=1))
    found = await seen()
    assert len(found) == 2, "a delayed line never came"
    assert {line.delay_basis for line in found} == {"刑事诉讼法 某条"}


# ---- the log of readings --------------------------------------------------------------------------------------------


async def test_the_log_of_readings_goes_after_three_years_and_two_persons(tx: Any, node: Node) -> None:
    """identity.md 9: log deletion after retention needs four eyes; no clock and no single person deletes who read whom."""
    one, two = await officer(tx, node, "CQ-JD-01"), await officer(tx, node, "CQ-JD-02")
    clerk = await officer(tx, node, "CQ-YB-01")
    await identity.reading_reason(tx, node, clerk, HER, "queue", "case-old", fields=("姓名",))
    await identity.reading_reason(tx, node, clerk, HER, "queue", "case-new", fields=("姓名",))
    young = node.clock.today() - timedelta(days=900)
    assert isinstance(await ledger.propose_deletion(tx, node, one, young), tuple), "a young log deleted"
    await tx.execute("UPDATE access_reason SET at = at - interval '4 years' WHERE ref = 'case-old'")
    made = await ledger.propose_deletion(tx, node, one, node.clock.today() - timedelta(days=3 * 366 + 1))
    assert isinstance(made, Proposal)
    assert await code_of(proposals.approve(tx, node, one, made.id, made.digest)) == "identity.four_eyes"
    assert "删了 1 条" in await proposals.approve(tx, node, two, made.id, made.digest)
    assert [row["ref"] for row in await tx.fetch("SELECT ref FROM access_reason WHERE subject = $1 AND ref LIKE 'case-%'", HER)] == ["case-new"]
