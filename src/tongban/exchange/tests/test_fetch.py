"""Between real nodes: what the owner gives under a grant, and that both ends write the same line."""

from __future__ import annotations

import asyncio
from datetime import timedelta

import pytest

from tongban import consent, exchange
from tongban.exchange import providers, rules
from tongban.exchange.model import Fetched, Unavailable
from tongban.exchange.providers.demo import Away
from tongban.exchange.queries import ledger
from tongban.exchange.tests.make import ask, at_home, citizen, person_at, sharing


@pytest.fixture(scope="module")
async def nodes(make_node):
    async with sharing(make_node, "mps", "samr", "500000") as made:
        yield made


@pytest.fixture(scope="module")
async def subject(nodes):
    found = await person_at(nodes["mps"])
    await at_home(nodes, "500000", found)
    return found


async def _lines(node, subject):
    async with node.db.reading() as tx:
        return await consent.lines(tx, node.id, subject)


async def _set(nodes, **columns):
    async with nodes["mps"].db.transaction() as tx:
        for name, value in columns.items():
            await tx.execute(
                f"UPDATE data_grant SET {name} = $1 WHERE resource = 'mps.population' AND caller = '500000'", value
            )


async def test_answers_with_source_and_time_and_both_ends_write_it_down(nodes, subject):
    got = await ask(nodes["500000"], subject)
    assert isinstance(got, Fetched)
    assert set(got.values) == {"name", "address", "sex"}
    assert got.values["name"].reveal()
    assert "‹personal›" in repr(got)
    assert got.source == "公安部人口登记"
    assert abs(nodes["500000"].clock.now() - got.at) < timedelta(seconds=30)
    owner = [line for line in await _lines(nodes["mps"], subject) if line.id == got.line_id]
    caller = [line for line in await _lines(nodes["500000"], subject) if line.id == got.line_id]
    assert (owner[0].side, caller[0].side) == ("owner", "caller")
    assert owner[0].digest == caller[0].digest
    assert owner[0].fields == ("姓名", "性别", "户籍地址")
    assert caller[0].about == "case:019aa5c0-0000-7000-8000-000000000009"


async def test_fields_not_granted_are_cut(nodes, subject):
    await _set(nodes, fields=["name"])
    try:
        got = await ask(nodes["500000"], subject)
        assert set(got.values) == {"name"}
        assert (await _lines(nodes["mps"], subject))[0].fields == ("姓名",)
    finally:
        await _set(nodes, fields=["name", "number", "sex", "nationality", "address", "division", "photo_held"])


async def test_no_grant_for_another_purpose(nodes, subject):
    before = len(await _lines(nodes["mps"], subject))
    got = await ask(nodes["500000"], subject, purpose="curiosity")
    assert isinstance(got, Unavailable)
    assert (got.reason, got.retryable) == ("no_grant", False)
    assert "自己填" in got.sentence
    assert len(await _lines(nodes["mps"], subject)) == before


async def test_an_ended_grant_stops_the_next_call(nodes, subject):
    await _set(nodes, until=nodes["mps"].clock.now() - timedelta(seconds=1))
    try:
        assert (await ask(nodes["500000"], subject)).reason == "no_grant"
    finally:
        await _set(nodes, until=nodes["mps"].clock.now() + timedelta(days=30))


async def test_the_quota_holds_also_when_calls_come_at_once(nodes, subject):
    await _set(nodes, quota_per_day=3, used_today=0, used_day=None)
    try:
        got = await asyncio.gather(*(ask(nodes["500000"], subject) for _ in range(6)))
        assert sum(isinstance(one, Fetched) for one in got) == 3
        assert {one.reason for one in got if isinstance(one, Unavailable)} == {"quota"}
    finally:
        await _set(nodes, quota_per_day=20000, used_today=0)


async def test_a_stranger_uses_up_quota_but_is_not_found(nodes, subject):
    await _set(nodes, used_today=0, used_day=nodes["mps"].clock.today())
    assert (await ask(nodes["500000"], "n1" + "z" * 32)).reason == "not_found"
    async with nodes["mps"].db.reading() as tx:
        used = await tx.fetchval("SELECT used_today FROM data_grant WHERE resource = 'mps.population' AND caller = '500000'")
    assert used == 1


async def test_consent_where_asked_and_withdrawal_stops_the_next_call(nodes, subject):
    home = nodes["500000"]
    wanted = {"resource": "mps.residence", "fields": ("address",)}
    assert (await ask(home, subject, **wanted)).reason == "no_consent"
    agreed = consent.Ask(
        purpose="case.prefill", why="确认住处", giver="mps", giver_name="公安部居住登记", receiver="500000",
        receiver_name="重庆市", fields=("居住登记地址",), until=home.clock.now() + timedelta(days=30),
    )  # fmt: skip
    async with home.db.transaction() as tx:
        given = await consent.give(tx, home, citizen(subject), agreed, channel="h5")
    got = await ask(home, subject, **wanted)
    assert isinstance(got, Fetched)
    line = next(line for line in await _lines(nodes["mps"], subject) if line.id == got.line_id)
    assert line.consent_id == given.id
    assert "你同意过" in line.basis
    assert (await ask(home, subject, resource="mps.residence", fields=("division",))).reason == "no_consent"
    async with home.db.transaction() as tx:
        await consent.withdraw(tx, home, citizen(subject), given.id, channel="h5")
    assert (await ask(home, subject, **wanted)).reason == "no_consent"


async def test_a_register_that_is_away_is_a_value(nodes, subject, monkeypatch):
    monkeypatch.setitem(providers.REGISTERS, "mps.population", Away())
    got = await ask(nodes["500000"], subject)
    assert (got.reason, got.retryable, got.fallback) == ("away", True, "typed_and_checked_later")


async def test_company_name_is_checked_at_samr(nodes):
    async def name(text):
        got = await exchange.fetch(
            nodes["500000"], citizen("n1x"), resource="samr.company_name", fields=("available", "reason", "similar"),
            purpose="case.name_check", asked={"company_name": text},
        )  # fmt: skip
        return {key: value.reveal() for key, value in got.values.items()}

    assert (await name("成都云岭（演示）科技有限公司"))["available"] == "no"
    free = await name("成都远山演示智能装备有限公司")
    assert free["available"] == "yes"
    assert (await name("国家演示科技有限公司"))["available"] == "no"


async def test_the_owner_asking_itself_writes_one_local_line(nodes, subject):
    got = await ask(nodes["mps"], subject)
    lines = [line for line in await _lines(nodes["mps"], subject) if line.id == got.line_id]
    assert [line.side for line in lines] == ["local"]


async def test_the_person_sees_each_use_once_and_that_both_ends_agree(nodes, subject):
    got = await ask(nodes["500000"], subject)
    seen = await exchange.data_use(nodes["500000"], subject)
    use = next(use for use in seen.uses if use.line.id == got.line_id)
    assert use.agrees is True
    assert seen.silent == ()
    assert [use.line.id for use in seen.uses].count(got.line_id) == 1


async def test_a_line_missing_at_one_end_is_told(nodes, subject, monkeypatch):
    monkeypatch.setattr(rules, "UNDER_WAY", timedelta(0))
    got = await ask(nodes["500000"], subject)
    async with nodes["500000"].db.transaction() as tx:
        await tx.execute("SET LOCAL tongban.retention = 'on'")
        await tx.execute("DELETE FROM access_record WHERE subject = $1 AND id = $2", subject, got.line_id)
    seen = await exchange.data_use(nodes["500000"], subject)
    assert next(use for use in seen.uses if use.line.id == got.line_id).agrees is False


async def test_every_use_is_on_some_page_and_none_lacks_an_end_that_is_only_older(nodes, subject, monkeypatch):
    """A node tells a page at a time; what it has beyond is told with the next page, at both ends (privacy.md 6)."""
    home = nodes["500000"]
    monkeypatch.setattr(rules, "UNDER_WAY", timedelta(0))
    monkeypatch.setattr(ledger, "PAGE", 1000)
    everything = [(use.line.id, use.agrees) for use in (await exchange.data_use(home, subject)).uses]
    monkeypatch.setattr(ledger, "PAGE", 2)
    for number in range(3):  # the home is read at more often than the register: their pages end at different times
        await ask(home, subject)
        async with home.db.transaction() as tx:
            mine = consent.Access(subject=subject, who=f"大厅 {number}", fields=("住址",), purpose="核对", source="500000", receiver="500000", basis="演示")
            await consent.record_access(tx, home, mine)
    seen, before, pages = [], None, 0
    while pages == 0 or before:
        page = await exchange.data_use(home, subject, before=before)
        seen += [(use.line.id, use.agrees) for use in page.uses]
        before, pages = page.older, pages + 1
    assert len(seen) == len(set(seen)) == len(everything) + 6
    assert seen[6:] == everything
    assert pages > 3


async def test_a_field_no_register_has_is_left_to_be_typed(nodes, subject):
    got = await ask(nodes["500000"], subject, fields=("name", "division_office"))
    assert set(got.values) == {"name"}
    assert (await ask(nodes["500000"], subject, fields=("salary",))).reason == "not_found"
    assert (await ask(nodes["500000"], subject, resource="mps.nothing")).reason == "not_found"
