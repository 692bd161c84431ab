"""A demand from the first word to the last call, between real nodes: asked, refused, disputed, granted, used, told to end (R-401)."""

from __future__ import annotations

import asyncio
from datetime import date, timedelta

import msgspec
import pytest

from tongban import consent, exchange, federation
from tongban.exchange import letters
from tongban.exchange.actions import check_correction, compare_with, confirm_correction, demands, withdraw
from tongban.exchange.actions.consents import tell_withdrawals
from tongban.exchange.actions.grants import watch_expiry
from tongban.exchange.actions.post import HEARD
from tongban.exchange.errors import DemandGone
from tongban.exchange.holdings import HOLDINGS
from tongban.exchange.model import Asked, Fetched
from tongban.exchange.queries import alarms, checked, correction, demand, held_grants, messages
from tongban.exchange.tasks import late
from tongban.exchange.tests.make import ask, at_home, citizen, person_at, sharing, steward
from tongban.federation.tests.make import deliver

HOME, OWNER, HUB = "500000", "mps", "cn"


@pytest.fixture(scope="module")
async def nodes(make_node):
    async with sharing(make_node, OWNER, HOME, letters_too=letters.LETTERS) as made:
        yield made


@pytest.fixture(scope="module")
async def subject(nodes):
    found = await person_at(nodes[OWNER])
    await at_home(nodes, HOME, found)
    return found


def wanted(node, **more):
    return exchange.Wanted(
        **{
            "resource": "mps.household", "fields": ("head", "address"), "purpose": "policy.check", "purpose_words": "核对落户地址",
            "basis": "户口登记条例（演示）第六条", "volume_per_day": 50, "until": node.clock.today() + timedelta(days=200), **more,
        }
    )  # fmt: skip


async def asked(nodes, **more):
    """A demand of 重庆 that has arrived at 公安部."""
    async with nodes[HOME].db.transaction() as tx:
        made = await exchange.ask(tx, nodes[HOME], steward("anna", division="500000"), wanted(nodes[HOME], **more))
    await deliver(nodes)
    return made.id


async def at(node, demand_id, side):
    async with node.db.reading() as tx:
        return await demand(tx, demand_id, side=side)


async def step(node, verb, actor, demand_id, **more):
    async with node.db.transaction() as tx:
        return await verb(tx, node, steward(actor, division="500000" if node.id == HOME else "000000"), demand_id, **more)


async def granted(nodes, demand_id, **more):
    given = {"fields": ("head",), "per_day": 20, "until": nodes[OWNER].clock.today() + timedelta(days=100), **more}
    await step(nodes[OWNER], demands.review, "li", demand_id, verdict="grant", **given)
    done = await step(nodes[OWNER], demands.decide, "wang", demand_id, agrees=True)
    await deliver(nodes)
    return done


async def test_asked_granted_by_two_and_the_call_works(nodes, subject):
    home, owner = nodes[HOME], nodes[OWNER]
    question = {"resource": "mps.household", "fields": ("head", "address"), "purpose": "policy.check"}
    assert (await ask(home, subject, **question)).reason == "no_grant", "answered without a grant"
    number = await asked(nodes)
    came = await at(owner, number, "owner")
    assert (came.state, came.asker, came.fields) == ("sent", HOME, ("head", "address"))
    assert came.due_on >= owner.clock.today() + timedelta(days=10), "ten working days are at least ten days"
    too_much = await step(owner, demands.review, "li", number, verdict="grant", fields=("head", "members"), per_day=999, until=date(2050, 1, 1))
    assert {one.field for one in too_much} == {"fields", "per_day", "given_until"}
    await step(owner, demands.review, "li", number, verdict="grant", fields=("head",), per_day=2, until=owner.clock.today() + timedelta(days=40))
    alone = await step(owner, demands.decide, "li", number, agrees=True)
    assert alone[0].code == "exchange.four_eyes", "granted by one person"
    await step(owner, demands.decide, "wang", number, agrees=True)
    await deliver(nodes)
    assert (await at(home, number, "asker")).state == "granted"
    async with home.db.reading() as tx:
        held = next(one for one in await held_grants(tx) if one.purpose == "policy.check")
    assert (held.fields, held.quota_per_day, held.state) == (("head",), 2, "active")
    got = await ask(home, subject, **question)
    assert isinstance(got, Fetched)
    assert set(got.values) == {"head"}, "a field that was not granted came"


async def test_refused_with_reasons_disputed_and_decided_again(nodes):
    home, owner, hub = nodes[HOME], nodes[OWNER], nodes[HUB]
    number = await asked(nodes, purpose="policy.again")
    bare = await step(owner, demands.review, "li", number, verdict="refuse")
    assert {one.field for one in bare} == {"reason_code", "reason"}
    await step(owner, demands.review, "li", number, verdict="refuse", reason_code="too_much", reason="地址不是办这件事必需的")
    await step(owner, demands.decide, "wang", number, agrees=True)
    await deliver(nodes)
    told = await at(home, number, "asker")
    assert (told.state, told.reason_code, told.reason) == ("refused", "too_much", "地址不是办这件事必需的")
    assert (await step(home, demands.dispute, "anna", number, words=" "))[0].field == "dispute"
    await step(home, demands.dispute, "anna", number, words="条例第六条写明要核对地址")
    await deliver(nodes)
    case = await at(hub, number, "judge")
    assert (case.state, case.dispute, case.reason) == ("disputed", "条例第六条写明要核对地址", "地址不是办这件事必需的")
    await step(hub, demands.judge, "qian", number, upholds=False, words="请重新审核")
    await deliver(nodes)
    again = await at(owner, number, "owner")
    assert (again.state, again.round, again.verdict, again.judgement) == ("sent", 2, "", "请重新审核")
    await granted(nodes, number)
    assert (await at(home, number, "asker")).state == "granted"


async def test_a_dispute_may_be_lost_and_comes_once(nodes):
    home, owner, hub = nodes[HOME], nodes[OWNER], nodes[HUB]
    number = await asked(nodes, purpose="policy.lost")
    await step(owner, demands.review, "li", number, verdict="refuse", reason_code="by_law", reason="演示法第九条")
    await step(owner, demands.decide, "wang", number, agrees=True)
    await deliver(nodes)
    await step(home, demands.dispute, "anna", number, words="不同意")
    await deliver(nodes)
    await step(hub, demands.judge, "qian", number, upholds=True, words="理由成立")
    await deliver(nodes)
    assert (await at(home, number, "asker")).state == "upheld"
    assert (await at(owner, number, "owner")).state == "upheld"
    with pytest.raises(DemandGone):
        await step(home, demands.dispute, "anna", number, words="再来一次")


async def test_a_dispute_that_is_taken_back_waits_for_nobody(nodes):
    home, owner, hub = nodes[HOME], nodes[OWNER], nodes[HUB]
    number = await asked(nodes, purpose="policy.peace")
    await step(owner, demands.review, "li", number, verdict="refuse", reason_code="too_much", reason="地址不是办这件事必需的")
    await step(owner, demands.decide, "wang", number, agrees=True)
    await deliver(nodes)
    await step(home, demands.dispute, "anna", number, words="不同意")
    await deliver(nodes)
    await step(home, withdraw, "anna", number)
    await deliver(nodes)
    assert [(await at(node, number, side)).state for node, side in ((home, "asker"), (owner, "owner"), (hub, "judge"))] == ["withdrawn"] * 3


async def test_sent_back_withdrawn_and_what_a_demand_must_say(nodes):
    home, owner = nodes[HOME], nodes[OWNER]
    number = await asked(nodes, purpose="policy.back")
    await step(owner, demands.review, "li", number, verdict="refuse", reason_code="no_basis", reason="没有写条款")
    await step(owner, demands.decide, "wang", number, agrees=False)
    assert (await at(owner, number, "owner")).state == "sent"
    await step(home, withdraw, "anna", number)
    await deliver(nodes)
    assert (await at(owner, number, "owner")).state == "withdrawn"
    with pytest.raises(DemandGone):
        await step(owner, demands.review, "li", number, verdict="grant")
    async with home.db.transaction() as tx:
        wrong = await exchange.ask(tx, home, steward("anna", division="500000"), wanted(
            home, fields=("salary",), basis="", purpose_words="", volume_per_day=0, until=home.clock.today(),
        ))  # fmt: skip
        own = await exchange.ask(tx, home, steward("anna", division="500000"), wanted(home, resource="500000.marriage", fields=("status",)))
    assert {one.field for one in wrong} == {"fields", "basis", "purpose_words", "volume_per_day", "until"}
    assert own[0].code == "exchange.own"


async def test_t32_nobody_answers_or_decides_for_another(nodes):
    """A genuine node that lies about a demand, a grant, a dispute or a correction changes nothing (T-32)."""
    home, owner = nodes[HOME], nodes[OWNER]
    number = await asked(nodes, purpose="policy.lie")
    decided = {"v": 1, "id": number, "state": "granted", "fields": ["head"]}
    grant = {
        "v": 1, "id": number, "resource": "mps.household", "purpose": "x.y", "fields": ["head"], "quota_per_day": 1, "until": 2_000_000_000_000,
        "state": "active",
    }  # fmt: skip
    for node, origin, kind, body in (
        (home, HUB, "demand.decided", decided), (home, "samr", "grant.told", grant), (home, OWNER, "demand.judged", {**decided, "state": "upheld"}),
        (owner, HOME, "demand.sent", {"v": 1, "id": number, "asker": "510000", "wanted": msgspec.to_builtins(wanted(home))}),
        (owner, HOME, "demand.disputed", {"v": 1, "id": number, "asker": HOME, "wanted": msgspec.to_builtins(wanted(home))}),
        (owner, HOME, "correction.asked", {
            "v": 1, "id": number, "subject": "n1" + "q" * 32, "resource": "mps.population", "field": "name", "line": number, "claimed": "x", "grounds": "y",
        }),
    ):  # fmt: skip
        with pytest.raises(ValueError):
            async with node.db.transaction() as tx:
                await HEARD[kind](tx, node, origin, body)
    assert (await at(home, number, "asker")).state == "sent", "foreign fact applied"


async def test_a_grant_is_told_to_end_and_then_ends(nodes, subject):
    home, owner = nodes[HOME], nodes[OWNER]
    number = await asked(nodes, purpose="policy.end")
    done = await granted(nodes, number)
    async with owner.db.transaction() as tx:
        await tx.execute("UPDATE data_grant SET until = $2 WHERE id = $1", done.grant_id, owner.clock.now() + timedelta(days=6, hours=2))
        assert await watch_expiry(tx, owner) == 1
        assert await watch_expiry(tx, owner) == 0, "told twice"
    await deliver(nodes)
    async with home.db.reading() as tx:
        assert next(one for one in await held_grants(tx) if one.id == done.grant_id).days_left == 7
    async with owner.db.transaction() as tx:
        await tx.execute("UPDATE data_grant SET until = $2 WHERE id = $1", done.grant_id, owner.clock.now() - timedelta(seconds=1))
    assert (await ask(home, subject, resource="mps.household", fields=("head",), purpose="policy.end")).reason == "no_grant"
    async with owner.db.transaction() as tx:
        await watch_expiry(tx, owner)
    await deliver(nodes)
    async with home.db.reading() as tx:
        assert next(one for one in await held_grants(tx) if one.id == done.grant_id).state == "ended"


async def test_what_is_late_is_an_alarm_once(nodes):
    owner = nodes[OWNER]
    number = await asked(nodes, purpose="policy.late")
    async with owner.db.transaction() as tx:
        await tx.execute("UPDATE data_demand SET due_on = $2 WHERE id = $1", number, owner.clock.today() - timedelta(days=1))
    for _ in range(2):
        await late(owner)
    async with owner.db.reading() as tx:
        assert [one.kind for one in await alarms(tx) if one.about == number] == ["late"]


async def test_a_wrong_value_is_corrected_by_two_at_its_owner(nodes, subject):
    """校核纠错: asked by whoever was given the value, checked and confirmed by two, answered, and the next fetch has it."""
    home, hub = nodes[HOME], nodes[HUB]
    question = {"resource": "cn.education", "fields": ("degree", "school")}
    got = await ask(home, subject, **question)
    assert isinstance(got, Fetched), got
    wrong = {"resource": "cn.education", "field": "school", "claimed": "演示农业大学", "grounds": "看过毕业证"}
    async with home.db.transaction() as tx:
        actor = steward("anna", division="500000")
        refused = await exchange.ask_correction(tx, home, actor, **{**wrong, "field": "major"}, line=got.line_id)
        assert refused[0].field == "line", "asked about a value that never came"
        made = await exchange.ask_correction(tx, home, actor, **wrong, line=got.line_id)
    await deliver(nodes)
    async with hub.db.transaction() as tx:
        found = await correction(tx, hub, made.id)
        assert found.claimed.reveal() == "演示农业大学"
        await check_correction(tx, hub, steward("qian"), made.id, corrects=True, answer="核对学籍库，确实写错")
        alone = await confirm_correction(tx, hub, steward("qian"), made.id, agrees=True)
        assert alone[0].code == "exchange.four_eyes", "corrected by one person"
        await confirm_correction(tx, hub, steward("sun"), made.id, agrees=True)
    await deliver(nodes)
    async with home.db.reading() as tx:
        assert (await correction(tx, home, made.id)).state == "corrected"
        assert await tx.fetchval("SELECT count(*) FROM message WHERE subject = $1 AND kind = 'exchange.correction'", subject) == 1
    assert (await ask(home, subject, **question)).values["school"].reveal() == "演示农业大学"
    async with hub.db.reading() as tx:
        copied = await next(one for one in HOLDINGS if one.table == "demo_record").copy(tx, hub, subject)
    (before,) = next(row["内容"]["更正前"] for row in copied if row["内容"].get("更正前"))
    assert (before["项目"], before["原来是"]) == ("school", got.values["school"].reveal()), "what it was is not in the history"


async def test_both_ends_hold_the_same_log_and_the_check_finds_what_was_changed(nodes, subject, monkeypatch):
    """R-402: digests of question and answer at both ends; a row taken out or altered at either end is an alarm."""
    from tongban.exchange.actions import messages as log_verbs

    home, owner = nodes[HOME], nodes[OWNER]
    monkeypatch.setattr(log_verbs, "SETTLED", timedelta(0))
    first, second, third = [await ask(home, subject) for _ in range(3)]
    refused = await ask(home, subject, purpose="policy.nothing")
    assert refused.reason == "no_grant"
    async with home.db.reading() as tx:
        ours = {one.id: one for one in await messages(tx, "caller", OWNER)}
    async with owner.db.reading() as tx:
        theirs = {one.id: one for one in await messages(tx, "owner", HOME)}
    assert {first.line_id, second.line_id, third.line_id} <= ours.keys()
    assert {"given", "no_grant"} <= {one.outcome for one in theirs.values()}
    assert all((ours[name].request, ours[name].answer, ours[name].outcome) == (one.request, one.answer, one.outcome) for name, one in theirs.items())
    assert await compare_with(home, OWNER) == 0
    assert await compare_with(owner, HOME) == 0
    async with home.db.reading() as tx:
        assert next(one for one in await checked(tx) if one.peer == OWNER).calls >= 4

    async with owner.db.transaction() as tx:
        await tx.execute("DELETE FROM exchange_checked")
        await tx.execute("DELETE FROM exchange_message WHERE id = $1", first.line_id)
        await tx.execute("UPDATE exchange_message SET answer = 'sm3:false' WHERE id = $1", second.line_id)
    async with home.db.transaction() as tx:
        await tx.execute("DELETE FROM exchange_checked")
        await tx.execute("DELETE FROM exchange_message WHERE id = $1", third.line_id)
    await compare_with(home, OWNER)
    async with home.db.reading() as tx:
        found = {one.about: one.kind for one in await alarms(tx)}
    assert found == {first.line_id: "missing_there", second.line_id: "differs", third.line_id: "missing_here"}
    await compare_with(owner, HOME)
    async with owner.db.reading() as tx:
        found = {one.about: one.kind for one in await alarms(tx) if one.kind != "late"}
    assert found == {first.line_id: "missing_here", second.line_id: "differs", third.line_id: "missing_there"}


async def test_the_log_is_told_to_its_other_end_only(nodes):
    body = {"v": 1, "side": "owner", "since": 0, "until": 9_000_000_000_000}
    rows = await federation.call(nodes[HUB], OWNER, "exchange.messages", body)
    assert rows["rows"] == [], "another node's calls told"
    with pytest.raises(federation.CallRefused):
        await federation.call(nodes[HUB], OWNER, "exchange.messages", {**body, "side": "all"})


async def test_a_withdrawal_stops_the_next_call_within_a_second_also_for_a_caller_that_lies(nodes, subject):
    """T-28: at the caller at once; at the owner as soon as the letter came, whatever consent the caller shows."""
    home, owner = nodes[HOME], nodes[OWNER]
    agreed = consent.Ask(
        purpose="case.prefill", why="确认住处", giver=OWNER, giver_name="公安部居住登记", receiver=HOME, receiver_name="重庆市",
        fields=("居住登记地址",), until=home.clock.now() + timedelta(days=30),
    )  # fmt: skip
    async with home.db.transaction() as tx:
        given = await consent.give(tx, home, citizen(subject), agreed, channel="h5")
    question = {"resource": "mps.residence", "fields": ("address",)}
    assert isinstance(await ask(home, subject, **question), Fetched)
    lie = Asked(
        v=1, id="019aa5c4-0000-7000-8000-000000000001", resource="mps.residence", fields=("address",), purpose="case.prefill", who="重庆市",
        purpose_words="填表", subject=subject, case="case:1",
        consent={"id": given.id, "text": given.text_digest, "fields": ["居住登记地址"], "until": int(given.until.timestamp() * 1000)},
    )  # fmt: skip
    started = asyncio.get_running_loop().time()
    async with home.db.transaction() as tx:
        await consent.withdraw(tx, home, citizen(subject), given.id, channel="h5")
    assert (await ask(home, subject, **question)).reason == "no_consent"
    async with home.db.transaction() as tx:
        assert await tell_withdrawals(tx, home) == 1
        assert await tell_withdrawals(tx, home) == 0
    await deliver(nodes)
    with pytest.raises(federation.CallRefused) as no:
        await federation.call(home, OWNER, "exchange.get", msgspec.to_builtins(lie))
    assert no.value.problem == "no_consent", "answered on a withdrawn consent"
    assert asyncio.get_running_loop().time() - started < 1
    async with owner.db.reading() as tx:
        assert lie.id not in {line.id for line in await consent.lines(tx, OWNER, subject)}
