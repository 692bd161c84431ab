"""Licences of another node are used under its grants: type, fields, file, quota, end; each refusal with its reason (R-401, R-403, T-28, T-29)."""

from __future__ import annotations

from datetime import timedelta

import msgspec
import pytest

from tongban import consent, credentials, exchange, federation, seals
from tongban.credentials import letters
from tongban.credentials.actions import share, use
from tongban.credentials.model import Holder
from tongban.credentials.model.sharing import LicenceData, LicenceFile, LicenceRefused, Need
from tongban.credentials.rules import resources
from tongban.credentials.tests import make
from tongban.credentials.tests.test_doors import browser, send
from tongban.exchange import letters as exchange_letters
from tongban.exchange.model import Record
from tongban.exchange.providers import REGISTERS
from tongban.federation.tests.make import deliver, nation
from tongban.kernel.gm import Personal
from tongban.kernel.ids import uuid7
from tongban.seals import letters as seal_letters

HER = "n1granted000000000000000000000001"
TASK = "11510100DEM000022Q4000799902000"
WHY = credentials.UsePurpose("办理居住证签注（演示）", TASK, "d-1", "成都市高新区政务服务中心（演示）")
DRIVING = "机动车驾驶证"


@pytest.fixture(scope="module")
async def nodes(make_node):
    async def need(tx, task_code):
        return Need("居住证签注", "510000", {DRIVING: frozenset()}) if task_code == TASK else None

    before = list(share._finder)
    share.on_need(need)
    too = {**letters.LETTERS, **seal_letters.LETTERS, **exchange_letters.LETTERS}
    async with nation(make_node, "500000", "510000", letters_too=too, calls={**letters.CALLS, **exchange_letters.CALLS}) as made:
        for one in made.values():
            await seals.set_up(one)
        yield made
    share._finder[:] = before


@pytest.fixture(scope="module")
async def licence(nodes):
    """Her driving licence of 500000, where she is at home; 510000 decides the item that needs it."""
    node = nodes["500000"]
    kind = credentials.type_named(node, DRIVING)
    data = {"name": "陈演示", "number": "50019919911111002X", "vehicle_class": "C1", "address": "秘密路 7 号"}
    async with node.db.transaction() as tx:
        one = await credentials.issue(
            tx, node, make.staff(), type_code=kind.code, holder=Holder(HER, "500000", Personal("陈演示"), Personal("50019919911111002X")),
            issuer=make.OFFICE_VALID, data=data,
        )  # fmt: skip
    await deliver(nodes)
    return credentials.FoundLicence(
        str(one.id), one.identifier, DRIVING, "500000", one.org_name, "valid", one.valid_until, node.clock.now()
    )


async def search(nodes):
    return await credentials.find_licences(nodes["510000"], make.staff(), subject=HER, home="500000", types=(DRIVING,), purpose=WHY)


async def data(nodes, licence, fields=()):
    return await credentials.licence_data(nodes["510000"], make.staff(), licence, subject=HER, purpose=WHY, fields=fields)


async def copy(nodes, licence):
    return await credentials.licence_file(nodes["510000"], make.staff(), licence, subject=HER, purpose=WHY)


async def end_all(node):
    async with node.db.transaction() as tx:
        await tx.execute("UPDATE data_grant SET state = 'ended' WHERE state = 'active'")


async def test_without_a_grant_the_owner_says_so_and_both_ends_write_it_down(nodes, licence):
    """R-401, T-28: the item needs it, the case is named, the signature is good: it is refused all the same, and nothing is told."""
    owner, asker = nodes["500000"], nodes["510000"]
    await end_all(owner)
    async with owner.db.transaction() as tx:
        await tx.execute("DELETE FROM data_resource")  # whatever another test registered
    told = await search(nodes)
    assert (told.found, told.not_granted) == ((), ("重庆市",))
    for got in (await data(nodes, licence), await copy(nodes, licence)):
        assert isinstance(got, LicenceRefused)
        assert (got.code, got.why) == ("100", "not_found")
        assert got.sentence == "发证的地方还没有登记这类证照的共享"
    await make.granted(owner, "cn", DRIVING)  # registered now, granted to somebody else
    got = await data(nodes, licence)
    assert got == LicenceRefused("100", "no_grant")
    asked = share.UseAsked(uuid7(), asker.clock.ms(), "演示单位", WHY.reason, HER, licence.id, (DRIVING,), (), TASK, "d-1")
    for service in (share.DATA_BY_HOLDER, share.FILE_BY_HOLDER, share.DATA_BY_ID, share.FILE_BY_ID):
        answer = await federation.call(asker, "500000", service, msgspec.to_builtins(msgspec.structs.replace(asked, id=uuid7())))
        assert (answer["code"], answer["why"]) == ("100", "no_grant"), "used without a grant"
        assert not {"values", "file", "line"} & set(answer)
        assert "陈演示" not in str(answer)
    async with owner.db.reading() as tx:
        theirs = await tx.fetch("SELECT id, digest FROM credential_use WHERE side = 'owner' AND result = '100' AND caller = '510000'")
    async with asker.db.reading() as tx:
        ours = await tx.fetch("SELECT id, digest FROM credential_use WHERE side = 'caller' AND result = '100'")
    assert len(ours) >= 4
    assert {tuple(row) for row in ours} <= {tuple(row) for row in theirs}, "what was refused stands the same at both ends"


async def test_under_a_grant_only_its_fields_travel_and_the_person_sees_it(nodes, licence):
    """R-403, T-28: searched, read, copied as far as the grant goes; counted; the ledger lines of both ends agree."""
    owner, asker = nodes["500000"], nodes["510000"]
    await end_all(owner)
    await make.granted(owner, "510000", "")
    grant = await make.granted(owner, "510000", DRIVING, fields=("name", "vehicle_class"))
    found = (await search(nodes)).found
    assert [one.id for one in found] == [licence.id]
    got = await data(nodes, found[0])
    assert isinstance(got, LicenceData)
    assert {name: value.reveal() for name, value in got.values.items()} == {"姓名": "陈演示", "准驾车型": "C1"}, "field beyond the grant"
    assert await data(nodes, licence, ("住址",)) == LicenceRefused("100", "no_grant")
    assert await copy(nodes, licence) == LicenceRefused("100", "no_grant"), "a copy is granted by itself"
    async with owner.db.reading() as tx:
        there = [line for line in await consent.lines(tx, "500000", HER) if line.id == got.line_id]
        counted = (await exchange.grant(tx, grant.id)).used_today
    async with asker.db.reading() as tx:
        here = [line for line in await consent.lines(tx, "510000", HER) if line.id == got.line_id]
    assert here[0].digest == there[0].digest
    assert here[0].fields == ("准驾车型", "姓名")
    assert counted == 3, "what was asked beyond the grant is counted too"
    await make.granted(owner, "510000", DRIVING, fields=(resources.COPY,))
    assert isinstance(await copy(nodes, licence), LicenceFile)
    assert await data(nodes, licence) == LicenceRefused("100", "no_grant"), "a newer grant replaces the older one"


async def test_quota_end_and_pause_are_kept(nodes, licence):
    """T-29: the day's number, the last moment, a resource that is stopped: each refused with its own word, and again good afterwards."""
    owner = nodes["500000"]
    await end_all(owner)
    grant = await make.granted(owner, "510000", DRIVING, per_day=1)
    assert isinstance(await data(nodes, licence), LicenceData)
    got = await data(nodes, licence)
    assert got == LicenceRefused("100", "quota"), "over quota"
    assert got.sentence == "今天用这类证照的次数用完了"
    async with owner.db.transaction() as tx:
        await tx.execute("UPDATE data_grant SET used_today = 0, until = $2 WHERE id = $1", grant.id, owner.clock.now() - timedelta(seconds=1))
    assert await data(nodes, licence) == LicenceRefused("100", "no_grant"), "used after the end"
    await make.granted(owner, "510000", DRIVING)
    name = resources.resource_id("500000", credentials.type_named(owner, DRIVING))
    steward = make.staff("steward", "exchange.approve", division="500000")
    async with owner.db.transaction() as tx:
        await exchange.suspend_resource(tx, owner, steward, name, reason="核查")
    assert await data(nodes, licence) == LicenceRefused("100", "stopped")
    async with owner.db.transaction() as tx:
        await tx.execute("UPDATE data_resource SET state = 'active' WHERE id = $1 AND state = 'suspended'", name)
    assert isinstance(await data(nodes, licence), LicenceData)


async def test_a_grant_is_no_need_and_the_licences_have_no_other_door(nodes, licence, monkeypatch):
    """T-29: with a grant the item must still need it; `exchange.get` gives nothing of a licence; the owner itself needs no grant."""
    owner = nodes["500000"]
    await end_all(owner)
    await make.granted(owner, "510000", DRIVING)
    nothing = msgspec.structs.replace(WHY, task_code="")
    got = await credentials.licence_data(nodes["510000"], make.staff(), licence, subject=HER, purpose=nothing)
    assert got == LicenceRefused("100")
    name = resources.resource_id("500000", credentials.type_named(owner, DRIVING))

    class Register:
        async def read(self, _node, _subject, _asked):
            return Record({"name": "陈演示"})

    monkeypatch.setitem(REGISTERS, name, Register())
    body = {
        "v": 1, "id": uuid7(), "resource": name, "fields": ["name"], "purpose": exchange.LICENCE_USE, "who": "演示", "subject": HER, "case": "case:1",
    }  # fmt: skip
    for asked in ({**body, "subject": "", "asked": {"number": "1"}, "id": uuid7()}, body):
        with pytest.raises(federation.CallRefused) as no:
            await federation.call(nodes["510000"], "500000", "exchange.get", asked)
        assert no.value.problem == "not_found", "licence given by another door"
    await end_all(owner)
    own = await use.licence_data(owner, make.citizen(HER), licence, subject=HER, purpose=WHY)
    assert isinstance(own, LicenceData), own


async def test_a_demo_node_starts_with_the_licences_of_all_and_grants_of_its_own(make_node):
    """R-401: the demo's walk needs no desk; a production node has neither the resources nor a grant."""
    demo, real = await make_node("510000"), await make_node("500000", demo=False)
    for _ in range(2):
        await credentials.set_up(demo)
    await credentials.set_up(real)
    async with demo.db.reading() as tx:
        known = {one.resource.id for one in await exchange.whole(tx) if one.resource.key == "licence"}
        given = [one for one in await exchange.grants(tx) if one.purpose == exchange.LICENCE_USE]
    assert {"mps.licence_11990000tb0000001e007", "500000.licences", "510000.licences"} <= known
    assert {one.resource.partition(".")[0] for one in given} == {"510000"}
    assert {one.caller for one in given} == {"cn", "mps", "samr", "500000"}
    assert len(given) == len({(one.resource, one.caller) for one in given})
    async with real.db.reading() as tx:
        assert not [one for one in await exchange.whole(tx) if one.resource.key == "licence"]
        assert not await exchange.grants(tx)


async def test_a_steward_offers_a_type_at_the_desk_and_a_colleague_publishes_it(make_node):
    """R-401: on a node without seeds a type becomes a resource by two persons; who may only see types offers nothing."""
    node = await make_node("510000", demo=False)
    code = credentials.type_named(node, "营业执照").code
    name = f"510000.licence_{code.lower()}"
    steward, other = (make.staff(who, "exchange.propose", "exchange.approve", division="510000") for who in ("steward", "steward2"))
    async with browser(node, steward) as client:
        for path, where in ((f"/staff/licence-types/{code}", name), ("/staff/licence-types", "510000.licences")):
            answer = await send(client, path, f"/staff/licence-types/{code if where == name else 'search'}", {})
            assert (answer.status_code, answer.headers["location"]) == (303, f"/staff/sharing/resources/{where}")
        assert (await client.post("/staff/licence-types/nothing", data={})).status_code in {403, 404}
    async with node.db.transaction() as tx:
        assert await exchange.listed(tx, name) is None, "a draft counts for nothing"
        assert isinstance(await exchange.publish_resource(tx, node, other, name), exchange.Listed)
        assert (await exchange.definition(tx, name)).key == "licence"
    async with browser(node, steward) as client:
        assert "已经登记进" in (await client.get(f"/staff/licence-types/{code}")).text
    async with browser(node, make.staff("clerk", "credentials.types", division="510000")) as client:
        assert "给别的地方用" not in (await client.get(f"/staff/licence-types/{code}")).text
        assert (await send(client, f"/staff/licence-types/{code}", f"/staff/licence-types/{code}", {})).status_code == 403
