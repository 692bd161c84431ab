"""A clerk at one node opens a copy of a licence that another node issued (R-403, R-405, R-406): people's and companies', under the grant, once."""

from __future__ import annotations

import msgspec
import pytest

from tongban import catalogue, consent, credentials, seals
from tongban.cases.actions import licence_copies
from tongban.cases.errors import NotYourCounty
from tongban.cases.model import FoundCard, Submission
from tongban.cases.queries import records
from tongban.cases.tests import make
from tongban.cases.tests.make import clerk
from tongban.credentials.tests import make as licences
from tongban.federation.tests.make import deliver as one_round
from tongban.federation.tests.make import nation
from tongban.kernel.gm import Personal, b64
from tongban.kernel.ids import CreditCode, uuid7
from tongban.main import rooms

DESK, OWNER = "510000", "500000"
TYPE, BUSINESS = "居住证", "营业执照"
WHO = "成都市政务服务中心（演示）"
WHY = "核对住址（演示）"
CODE = CreditCode.make("91", "500103", "MADEM00C4").value
COMPANY = f"o1{CODE.lower()}"


def wanting() -> catalogue.Item:
    """居住证签注 as if 成都 offered it, also to companies: a business licence may stand for the identity card."""
    from tongban.catalogue.tests.make import item

    permit = item(make.PERMIT)
    way = msgspec.structs.replace(permit.materials[0].replaceable_by[0], name=BUSINESS)
    materials = tuple(
        msgspec.structs.replace(one, replaceable_by=(*one.replaceable_by, way)) if one.name == "id_card" else one for one in permit.materials
    )
    return item(make.PERMIT, owner_node=DESK, division="510100", materials=materials, catalog_code=permit.catalog_code)


@pytest.fixture(scope="module")
async def nodes(make_node):
    async with nation(make_node, "cn", DESK, OWNER, letters_too=rooms.letters(), calls=rooms.calls(), clocks=False) as found:
        for node in found.values():
            await make.set_up(node)
            async with node.db.transaction() as tx:
                await tx.execute("DELETE FROM item WHERE task_code = $1", make.PERMIT)
                await make.shelve(tx, node, wanting())
        for name in (TYPE, BUSINESS, ""):
            await licences.granted(found[OWNER], DESK, name)
        await deliver(found)
        yield found


async def deliver(nodes):
    for _ in range(2):
        await one_round(nodes)


async def issued(node, subject, name=TYPE):
    """A licence of 重庆 in a wallet there."""
    kind, company = credentials.type_named(node, name), name == BUSINESS
    data = (
        {"company_name": "重庆渝江演示贸易有限公司", "credit_code": CODE, "company_type": "有限责任公司", "legal_representative": "演示陈晓雨",
         "business_scope": "贸易", "capital": "壹佰万元整", "founded_on": "2026-11-01", "address": "重庆市演示路 8 号"}
        if company else {"name": "演示陈晓雨", "number": make.NUMBER, "residence_address": "重庆市渝中区演示路 2 号", "authority": "渝中区分局（演示）"}
    )  # fmt: skip
    holder = credentials.Holder(
        subject, node.id, Personal(next(iter(data.values()))), Personal(CODE if company else make.NUMBER), kind="legal" if company else "natural"
    )
    async with node.db.transaction() as tx:
        return await credentials.issue(tx, node, make.clerk(), type_code=kind.code, holder=holder, issuer=licences.OFFICE_VALID, data=data)


async def handed_in(nodes, subject, card, name=TYPE, **more):
    """A case at the desk of 成都, as 重庆 tells of it: the licence it found stands for a material."""
    item = wanting()
    found = FoundCard(name, card.org_name, "valid", "", nodes[OWNER].clock.ms(), OWNER, str(card.id), card.identifier, OWNER)
    sent = Submission(
        case=uuid7(), number=await make.numbers.reserve(nodes[OWNER]), subject=subject, actor_subject=subject, task_code=item.task_code,
        item_version=str(item.version), item_digest=item.digest, division="510100", answers={"name": "演示陈晓雨", "moved": False}, sources={},
        materials={}, evidence=make.submit.Evidence(acr=3, home=OWNER, at=nodes[OWNER].clock.ms(), name="演示陈晓雨", number=make.NUMBER),
        applicant_node=OWNER, submitted_at=nodes[OWNER].clock.ms(), salt=b64(b"s" * 16), licences=(make.changed(found, **more),),
    )  # fmt: skip
    async with nodes[OWNER].db.transaction() as tx:
        await make.submit.speak.send(tx, nodes[OWNER], DESK, "case.submitted", sent.case, msgspec.to_builtins(sent))
    await deliver(nodes)
    async with nodes[DESK].db.reading() as tx:
        assert await records.held(tx, nodes[DESK], sent.case) is not None
    return sent.case


def officer(**more):
    return make.changed(clerk("acceptor", division="510100", **more), unit=WHO)


async def asked(nodes, case_id, material="permit", who=None):
    got = await licence_copies.ask(nodes[DESK], who or officer(), case_id, material, WHY)
    return got.told


async def taken(nodes, case_id, ticket, material="permit"):
    return await licence_copies.take(nodes[DESK], officer(), case_id, material, ticket)


async def lines(node, subject, case_id):
    async with node.db.reading() as tx:
        return [one for one in await consent.lines(tx, node.id, subject, limit=1000) if one.about == f"case:{case_id}"]


async def test_a_copy_of_another_nodes_licence_is_opened_once_and_the_holder_reads_why(nodes):
    owner, desk, subject = nodes[OWNER], nodes[DESK], "n1" + "c1" * 16
    card = await issued(owner, subject)
    case_id = await handed_in(nodes, subject, card)
    told = await asked(nodes, case_id)
    assert (told.standing, told.words) == ("valid", "有效")
    got = await taken(nodes, case_id, told.ticket)
    assert isinstance(got, credentials.LicenceCopy), got
    assert got.form == "pdf"
    assert got.watermark.startswith(f"仅供{WHO}“办理居住证签注：{WHY}”使用，")
    async with desk.db.reading() as tx:
        assert (await seals.verify_pdf(got.content, await seals.anchors(tx))).ok, "the seal of the issuer does not hold here"
    assert await taken(nodes, case_id, told.ticket) == (licence_copies.GONE,), "a copy opened twice"
    ends = [[one for one in await lines(node, subject, case_id) if one.fields == ("证照文件",)] for node in (desk, owner)]
    assert [len(one) for one in ends] == [1, 1]
    assert ends[0][0].digest == ends[1][0].digest, "both ends write the same"
    assert (ends[1][0].who, ends[1][0].purpose) == (WHO, f"办理居住证签注：{WHY}")
    (view,) = [one for one in await lines(desk, subject, case_id) if one.kind == "view"]
    assert set(view.fields) == {f"证照副本：{TYPE}", f"证照状态：{TYPE}"}
    async with owner.db.reading() as tx:
        used = await tx.fetchval("SELECT id::text FROM credential_use WHERE case_id = $1 AND side = 'owner' AND result = '0'", f"case:{case_id}")
        assert await tx.fetchval("SELECT count(*) FROM credential_file WHERE id::text = $1 AND taken_at IS NOT NULL", used) == 1
    with pytest.raises(NotYourCounty):
        await asked(nodes, case_id, who=clerk("acceptor", division="500103"))


async def test_a_companys_licence_too_under_the_company_and_not_its_founder(nodes):
    owner, desk, founder = nodes[OWNER], nodes[DESK], "n1" + "c2" * 16
    card = await issued(owner, founder, BUSINESS)
    for named in (True, False):  # as told now, and as a node tells it that does not name the licence yet
        more = {} if named else {"id": "", "identifier": "", "issuer": ""}
        case_id = await handed_in(nodes, COMPANY, card, BUSINESS, **more)
        told = await asked(nodes, case_id, "id_card")
        got = await taken(nodes, case_id, told.ticket, "id_card")
        assert isinstance(got, credentials.LicenceCopy), (named, told, got)
        for node in (desk, owner):
            assert [one.fields for one in await lines(node, COMPANY, case_id) if one.fields == ("证照文件",)], "the company's ledger has no line"
            assert await lines(node, founder, case_id) == [], "the founder's ledger, whom nobody asked about"
    async with owner.db.transaction() as tx:
        await credentials.suspend(tx, owner, clerk("approver"), founder, card.id, "核查（演示）")
    case_id = await handed_in(nodes, COMPANY, card, BUSINESS)
    told = await asked(nodes, case_id, "id_card")
    assert (told.standing, told.words, told.ticket) == ("ended", "暂停使用", "")
    assert [one.fields for one in await lines(owner, COMPANY, case_id)] == [("证照状态",)]
    assert await lines(owner, founder, case_id) == []


async def test_what_was_revoked_after_submission_is_said_and_an_id_given_before_is_good_for_nothing(nodes):
    owner, subject = nodes[OWNER], "n1" + "c3" * 16
    card = await issued(owner, subject)
    case_id = await handed_in(nodes, subject, card)
    ticket = (await asked(nodes, case_id)).ticket
    async with owner.db.transaction() as tx:
        await credentials.revoke(tx, owner, clerk("approver"), subject, card.id, "虚假材料（演示）")
    assert await taken(nodes, case_id, ticket) == (licence_copies.GONE,), "given though revoked"
    told = await asked(nodes, case_id)
    assert (told.standing, told.words, told.ticket) == ("ended", "已作废", "")


async def test_a_node_that_lies_about_the_licence_gets_its_desk_nothing(nodes):
    """The applicant's node names somebody else's licence: the issuer looks whose it is, and the desk learns not even a state."""
    owner, subject, other = nodes[OWNER], "n1" + "c5" * 16, "n1" + "c6" * 16
    foreign = await issued(owner, other)
    case_id = await handed_in(nodes, subject, foreign)
    told = await asked(nodes, case_id)
    assert (told.standing, told.ticket) == ("unknown", ""), "another person's licence opened"
    for node in nodes.values():
        assert await lines(node, other, case_id) == [], "somebody else's ledger speaks of a case that is not theirs"
    mine = await issued(owner, subject)
    for bad in ({"issuer": "nobody"}, {"issuer": "../cn"}, {"id": uuid7()}, {"id": uuid7(), "identifier": "x" * 3000, "issuer": "cn"}):
        case_id = await handed_in(nodes, subject, mine, **bad)
        told = await asked(nodes, case_id)
        assert (told.standing, told.ticket) == ("unknown", ""), bad
    case_id = await handed_in(nodes, subject, mine, id="x")
    assert (await asked(nodes, case_id)).ticket, "what names no licence is looked for by its holder"
