"""The owner's gateway on one node: quota raced, capacity shared, registers slow, wrong or away, no answer without its line (R-402)."""

from __future__ import annotations

import asyncio
from datetime import timedelta
from typing import Any

import msgspec
import pytest

from tongban import consent, exchange
from tongban.exchange import providers
from tongban.exchange.actions import register, serve
from tongban.exchange.actions.messages import raise_alarm, watch_breadth
from tongban.exchange.model import Asked, Given, Record, Refused, ShownConsent
from tongban.exchange.providers.demo import Away, Slow, Wrong
from tongban.exchange.providers.records import made_up
from tongban.exchange.queries import alarms, messages
from tongban.exchange.rules import compared, lost, terms
from tongban.exchange.tests.make import citizen, person_at, steward
from tongban.kernel.gm import b64
from tongban.kernel.ids import uuid7

CALLER = "500000"


@pytest.fixture(scope="module")
async def node(make_node):
    made = await make_node("mps", pool_size=12)
    await exchange.set_up(made)
    return made


@pytest.fixture(scope="module")
async def subject(node):
    return await person_at(node)


def question(subject: str, **more: Any) -> Asked:
    return Asked(
        **{
            "v": 1, "id": uuid7(), "resource": "mps.population", "fields": ("name", "address"), "purpose": "case.prefill", "who": "重庆市",
            "purpose_words": "填表", "subject": subject, "case": "case:019aa5c0", **more,
        }
    )  # fmt: skip


async def granted(node, caller: str, resource: str = "mps.population", **columns: Any) -> None:
    """Another caller's grant beside the demo's, or the demo's changed."""
    async with node.db.transaction() as tx:
        made = await exchange.propose(
            tx, node, steward("anna"), resource=resource, caller=caller, purpose="case.prefill", fields=("name",), quota_per_day=1000,
            until=node.clock.now() + timedelta(days=9), reason="核对",
        )  # fmt: skip
        await exchange.approve(tx, node, steward("bo"), made.id)
        for name, value in columns.items():
            await tx.execute(f"UPDATE data_grant SET {name} = $2 WHERE id = $1", made.id, value)


async def lines(node, subject):
    async with node.db.reading() as tx:
        return {line.id for line in await consent.lines(tx, node.id, subject, limit=10_000)}


async def test_t45_the_last_unit_has_one_winner(node, subject):
    """One UPDATE with its condition: of fifty who race for the last unit one gets it, by the day and by the hour."""
    for number, limit in enumerate(({"quota_per_day": 1}, {"quota_per_hour": 1})):
        caller = f"3{number}0000"
        await granted(node, caller, **limit)
        got = await asyncio.gather(*(serve(node, caller, question(subject)) for _ in range(50)))
        winners = [one for one in got if isinstance(one, Given)]
        assert len(winners) == 1, f"{len(winners)} winners, two winners are one too many"
        assert {one.reason for one in got if isinstance(one, Refused)} == {"quota"}


async def test_two_grants_race_for_what_the_register_bears(node, subject):
    """Two grants with room of their own share one capacity of the register: what is left has as many winners as units."""
    async with node.db.transaction() as tx:
        await tx.execute("UPDATE data_resource SET definition = definition || '{\"per_day\": 3}' WHERE id = 'mps.population'")
    try:
        await granted(node, "320000")
        await granted(node, "330000")
        got = await asyncio.gather(*(serve(node, f"3{2 + n % 2}0000", question(subject)) for n in range(20)))
        assert sum(isinstance(one, Given) for one in got) == 3, "winners beyond what the register bears"
        async with node.db.reading() as tx:
            assert await tx.fetchval("SELECT used FROM data_capacity WHERE resource = 'mps.population'") == 3
            used = await tx.fetchval("SELECT sum(used_today) FROM data_grant WHERE caller IN ('320000', '330000')")
        assert used == 3, "a grant paid for what the register did not bear"
    finally:
        async with node.db.transaction() as tx:
            await tx.execute("UPDATE data_resource SET definition = definition - 'per_day' WHERE id = 'mps.population'")


async def test_t28_the_owner_itself_asks_for_the_consent(node, subject):
    """T-28: none shown, one for another field, one that is over: the owner refuses whatever the caller let pass; a sound one is answered."""
    good = ShownConsent(id=uuid7(), text="x" * 43, fields=("居住登记地址",), until=node.clock.ms() + 60_000)
    wanted = {"resource": "mps.residence", "fields": ("address",)}
    shown = {
        "given without any": None, "given on another field's": msgspec.structs.replace(good, fields=("婚姻状况",)),
        "given on one that is over": msgspec.structs.replace(good, until=node.clock.ms() - 1),
    }  # fmt: skip
    for wrong, one in shown.items():
        got = await serve(node, CALLER, question(subject, consent=one, **wanted))
        assert isinstance(got, Refused), wrong
        assert got.reason == "no_consent"
    assert isinstance(await serve(node, CALLER, question(subject, consent=good, **wanted)), Given)


async def test_an_hour_begins_anew(node, subject):
    await granted(node, "340000", quota_per_hour=1)
    assert isinstance(await serve(node, "340000", question(subject)), Given)
    assert (await serve(node, "340000", question(subject))).reason == "quota"
    async with node.db.transaction() as tx:
        await tx.execute("UPDATE data_grant SET hour = hour - interval '1 hour' WHERE caller = '340000'")
    assert isinstance(await serve(node, "340000", question(subject)), Given)


async def test_the_same_number_with_another_question_is_refused_and_the_same_again_is_one_line(node, subject):
    first = question(subject)
    got = await serve(node, CALLER, first)
    again = await serve(node, CALLER, first)
    assert (got.digest, got.at) == (again.digest, again.at), "a retried call has a line of its own"
    for change in ({"case": "case:another"}, {"fields": ("name", "number")}):
        got = await serve(node, CALLER, msgspec.structs.replace(first, **change))
        assert isinstance(got, Refused), "field number returned"
        assert got.code == "key_reused"
    assert (await serve(node, CALLER, msgspec.structs.replace(first, subject="n1" + "o" * 32))).code in {"key_reused", "not_found"}
    assert (await serve(node, "510000", first)).code == "key_reused"
    async with node.db.reading() as tx:
        assert len([one for one in await messages(tx, "owner", "") if one.id == first.id]) == 1


async def test_no_answer_without_a_ledger_row(node, subject, monkeypatch):
    """The ledger cannot be written: nothing is given, nothing is logged as given (privacy.md 6)."""

    def broken(*_more: Any) -> Any:
        raise OSError("disk full")

    asked = question(subject)
    with monkeypatch.context() as patch:
        patch.setattr(consent, "accessing_many", broken)
        with pytest.raises(OSError, match="disk full"):
            await serve(node, CALLER, asked)
    async with node.db.reading() as tx:
        assert asked.id not in {one.id for one in await messages(tx, "owner", "")}
    assert asked.id not in await lines(node, subject)


@pytest.mark.parametrize(
    ("more", "code"),
    [
        ({"fields": ()}, "malformed"), ({"fields": ("salary",)}, "malformed"), ({"id": "1"}, "malformed"), ({"subject": ""}, "malformed"),
        ({"who": "x" * 500}, "malformed"), ({"case": ""}, "no_reference"), ({"resource": "samr.legal_person"}, "not_found"),
        ({"resource": "mps.nothing"}, "not_found"), ({"purpose": "curiosity"}, "no_grant"), ({"v": 2}, "malformed"),
        ({"asked": {"number": "500199199106120024"}}, "malformed"),  # one person asked about, another in the ledger
    ],
)  # fmt: skip
async def test_out_of_scope_is_refused_and_says_nothing(node, subject, more, code):
    got = await serve(node, CALLER, msgspec.structs.replace(question(subject), **more))
    assert isinstance(got, Refused)
    assert got.reason == code


async def test_a_suspended_resource_answers_nobody(node, subject):
    async with node.db.transaction() as tx:
        await exchange.suspend_resource(tx, node, steward("bo"), "mps.population", reason="检修")
    try:
        got = await serve(node, CALLER, question(subject))
        assert (got.status, got.reason) == (403, "stopped")
    finally:
        async with node.db.transaction() as tx:
            await tx.execute("UPDATE data_resource SET state = 'active', stopped_by = '' WHERE id = 'mps.population'")


async def test_a_register_that_answers_nonsense_is_told_to_nobody(node, subject, monkeypatch):
    """Fields nobody asked for are cut; values of the wrong kind are no answer, and the refusal names neither."""
    monkeypatch.setitem(providers.REGISTERS, "mps.population", Wrong({"name": "演示甲", "address": "演示路", "number": "500199199106120024"}))
    got = await serve(node, CALLER, question(subject))
    assert got.values == {"name": "演示甲", "address": "演示路"}, "field number returned"
    monkeypatch.setitem(providers.REGISTERS, "mps.population", Wrong({"name": {"first": "演示甲"}, "number": 7}))
    got = await serve(node, CALLER, question(subject))
    assert isinstance(got, Refused)
    assert (got.status, got.code, got.reasons) == (503, "overloaded", ())


async def test_t36_a_slow_register_costs_its_own_resource_only(node, subject, monkeypatch):
    """Cut off after its time, left alone after five failures, and nothing of the database is held meanwhile."""
    limits = msgspec.structs.replace(terms().register_breaker, seconds=0.05, failures=5)
    monkeypatch.setattr(register, "terms", lambda: msgspec.structs.replace(terms(), register_breaker=limits))
    register._lines.pop(node, None)
    slow = Slow(Away(), 30)
    monkeypatch.setitem(providers.REGISTERS, "mps.population", slow)
    got = await asyncio.gather(*(serve(node, CALLER, question(subject)) for _ in range(5)))
    assert {one.code for one in got} == {"overloaded"}
    assert slow.asked == 5
    assert (await serve(node, CALLER, question(subject))).code == "overloaded"
    assert slow.asked == 5, "a register left alone was asked"
    assert isinstance(await serve(node, CALLER, question(subject, resource="mps.household", fields=("address",))), Given)
    register._lines.pop(node, None)


async def test_so_many_at_once_and_then_busy(node, subject, monkeypatch):
    """Back-pressure: beyond what may be under way the answer is 429, at once."""
    holding = asyncio.Event()

    class Held:
        async def read(self, *_more: Any) -> Record | None:
            await holding.wait()
            return Record({"name": "演示甲"})

    limits = msgspec.structs.replace(terms().in_flight, per_resource=3)
    monkeypatch.setattr(register, "terms", lambda: msgspec.structs.replace(terms(), in_flight=limits))
    monkeypatch.setitem(providers.REGISTERS, "mps.population", Held())
    running = [asyncio.create_task(serve(node, CALLER, question(subject))) for _ in range(3)]
    while register._line(node).under_way["mps.population"] < 3:  # noqa: ASYNC110  no event tells it
        await asyncio.sleep(0.005)
    beyond = await serve(node, CALLER, question(subject))
    assert (beyond.status, beyond.code) == (429, "busy")
    holding.set()
    assert all(isinstance(one, Given) for one in await asyncio.gather(*running))


async def test_t29_breadth_is_an_alarm(node, subject, monkeypatch):
    from tongban.exchange.actions import messages as log_verbs

    for number in range(4):
        async with node.db.transaction() as tx:
            await consent.record_access(tx, node, consent.Access(
                subject=f"n1{number:032d}", who="某省", fields=("姓名",), purpose="填表", source="mps", receiver="640000", basis="x", id=uuid7(), side="owner",
            ))  # fmt: skip
    limits = msgspec.structs.replace(terms().breadth, subjects_per_hour=3)
    monkeypatch.setattr(log_verbs, "terms", lambda: msgspec.structs.replace(terms(), breadth=limits))
    async with node.db.transaction() as tx:
        assert await watch_breadth(tx, node) == 1
        found = [one for one in await alarms(tx) if one.kind == "breadth"]
        assert [(one.peer, one.count) for one in found] == [("640000", 4)], "no alarm after 2,000 subjects"
        await raise_alarm(tx, node, "breadth", "640000", found[0].about, 9)
        assert [one.count for one in await alarms(tx) if one.kind == "breadth"] == [9]


async def test_every_made_up_register_answers_with_its_own_fields(node, make_node):
    """The demo twins can work: each resource of persons gives only fields the catalogue names, and keeps what it made up."""
    for owner in ("cn", "510000"):
        place = await make_node(owner)
        await exchange.set_up(place)
        for one in exchange.resources():
            if one.owner == owner and one.key == "subject":
                names = tuple(field.name for field in one.fields)
                people = ["n1" + f"{n:032d}" for n in range(12)]
                answers = [
                    await exchange.fetch(place, citizen(who), resource=one.id, key_subject=who, fields=names, purpose="case.prefill", case="1")
                    for who in (people if not one.consent else [])
                ]
                for who, got in zip(people, answers, strict=False):
                    if isinstance(got, exchange.Fetched):
                        assert {name: value.reveal() for name, value in got.values.items()} == made_up(one.id, who)
                        assert set(got.values) == set(names)
                        assert got.as_of is not None
                    else:
                        assert got.reason == "not_found"


async def test_a_record_with_nothing_of_what_is_granted_is_no_use_of_it(node, subject, monkeypatch):
    """Nothing was given, so no line says that it was, and both ends tell the same."""
    monkeypatch.setitem(providers.REGISTERS, "mps.population", Wrong({"sex": "女"}))
    asked = question(subject)
    assert (await serve(node, CALLER, asked)).reason == "not_found"
    assert asked.id not in await lines(node, subject)


async def test_a_list_gives_a_stranger_to_a_field_no_way_to_learn_it(make_node, monkeypatch):
    """Where the next part begins is a value of a row, and a condition is one too: neither tells a field that is not granted (R-402)."""
    samr = await make_node("samr")
    await exchange.set_up(samr)
    monkeypatch.setattr(register, "PART", 1)
    async with samr.db.transaction() as tx:
        await tx.execute("UPDATE data_grant SET fields = '{name,division}' WHERE resource = 'samr.company_list'")
    first = question("", resource="samr.company_list", fields=("name", "code"), purpose="policy.match", asked={"division": "510000"}, case="")
    codes, got, seen = [], first, set()
    async with samr.db.reading() as tx:
        codes = [row["code"] for row in await tx.fetch("SELECT code FROM demo_company")]
    while True:
        part = await serve(samr, CALLER, got)
        assert [set(row) for row in part.rows] == [{"name"}], "field code returned"
        seen |= {row["name"] for row in part.rows}
        if not part.next:
            break
        assert not any(code in part.next or b64(code.encode()) in part.next for code in codes), "where the next begins tells a code"
        elsewhere = msgspec.structs.replace(got, id=uuid7(), after=part.next)
        assert (await serve(samr, "510000", elsewhere)).reason == "malformed", "a place given to another was taken"
        got = msgspec.structs.replace(got, id=uuid7(), after=part.next)
    assert len(seen) == 3
    for after in (codes[0], "9", b64(b"9" * 60)):
        assert (await serve(samr, CALLER, msgspec.structs.replace(first, id=uuid7(), after=after))).reason == "malformed"
    for more in ({"asked": {"code": codes[0]}}, {"asked": {"division": "510000", "status": "存续"}}):
        no = await serve(samr, CALLER, msgspec.structs.replace(first, id=uuid7(), **more))
        assert isinstance(no, Refused), "rows were chosen by a field that is not granted"
        assert no.reason == "no_grant"
    named = question("n1" + "a" * 32, resource="samr.company_name", fields=("available",), purpose="case.name_check", asked={"company_name": "演示"})
    assert (await serve(samr, CALLER, named)).reason == "malformed", "a line about somebody who was not asked about"


async def test_a_list_comes_part_by_part(make_node, monkeypatch):
    """成批取用: each part is a call of its own, asked for when the last was used; neither end holds more than one."""
    samr = await make_node("samr")
    await exchange.set_up(samr)
    monkeypatch.setattr(register, "PART", 2)
    seen = [rows async for rows in exchange.parts(
        samr, steward("anna"), resource="samr.company_list", fields=("name", "code"), purpose="policy.match", asked={"division": "510000"}, purpose_words="匹配",
    )]  # fmt: skip
    assert [len(rows) for rows in seen] == [2, 1]
    assert all(set(row) == {"name", "code"} for rows in seen for row in rows), "field returned"
    assert len({row["code"] for rows in seen for row in rows}) == 3
    around = [rows async for rows in exchange.parts(
        samr, steward("anna"), resource="samr.company_list", fields=("name",), purpose="policy.match", asked={"division": "500000"}, purpose_words="匹配",
    )]  # fmt: skip
    assert around == [({"name": "重庆山城演示商贸有限公司"},)], "a province whose code ends in 0 got its neighbour's"
    gone = [rows async for rows in exchange.parts(
        samr, steward("anna"), resource="mps.population", fields=("name",), purpose="x", asked={}, purpose_words="x",
    )]  # fmt: skip
    assert [one.reason for one in gone] == ["not_found"]


def test_which_differences_count():
    same = ("q", "a", "given")
    assert compared({"1": same}, {"1": same}) == ()
    assert compared({"1": ("q", "", "asked")}, {"1": same}) == ()  # cut off on the way back
    assert lost({"1": ("q", "", "asked")}, {"1": same}) == 1
    assert compared({"1": ("q", "", "away")}, {}) == ()  # never got there
    assert compared({"1": same}, {}) == (("1", "missing_owner"),)
    assert compared({}, {"1": ("q", "", "quota")}) == (("1", "missing_caller"),)
    assert compared({"1": same}, {"1": ("q", "b", "given")}) == (("1", "differs"),)
    assert compared({"1": same}, {"1": ("q", "", "quota")}) == (("1", "differs"),)
    assert compared({"1": ("x", "", "away")}, {"1": ("q", "a", "given")}) == (("1", "differs"),)


def test_terms_have_their_source():
    for one in (terms().demand_answer, terms().dispute_answer, terms().correction_answer):
        assert one.days > 0
        assert one.source
        assert not one.verified, "a figure that was read in the rule says so, with the article"
    assert terms().ground("too_much")
    assert terms().ground("nonsense") == ""
