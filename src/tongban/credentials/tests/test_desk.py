"""The licence desk: every act with reason, basis and right, two persons where asked, told to the holder, kept (R-403, T-57, T-61)."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from types import SimpleNamespace

import msgspec
import pytest

from tongban import credentials, identity, notifications, seals
from tongban.credentials.actions import lists, office, papers, status
from tongban.credentials.model import Holder
from tongban.credentials.model.acts import Ground
from tongban.credentials.queries import credentials as queries
from tongban.credentials.queries import issued
from tongban.credentials.queries.lists import held, list_at
from tongban.credentials.rules import record
from tongban.credentials.tests import make
from tongban.credentials.tests.test_doors import browser, send
from tongban.kernel.clock import SetClock
from tongban.kernel.errors import Failure, NotAllowed
from tongban.kernel.gm import Personal
from tongban.kernel.ids import CredentialId, CreditCode
from tongban.seals.rules import container

AT = datetime(2026, 11, 18, 2, 0, tzinfo=UTC)
RIGHTS = ("credentials.see", "credentials.issue", "credentials.suspend", "credentials.revoke", "credentials.types")
CLERK = make.staff("clerk", *RIGHTS)
CHECKER = make.staff("checker", "credentials.see", "credentials.confirm")
HER = Holder("p1owner", "500000", Personal("陈演示"), Personal("50010319980511004X"))


@pytest.fixture(scope="module")
async def node(make_node):
    made = await make_node("500000", clock=SetClock(AT))
    await seals.set_up(made)
    await credentials.set_up(made)
    return made


async def give(node, name, data, holder=HER, **more):
    kind = credentials.type_named(node, name)
    assert kind
    async with node.db.transaction() as tx:
        return await credentials.issue(
            tx, node, make.staff(), type_code=kind.code, holder=holder, issuer=make.OFFICE_VALID, data=data, **more
        )


def driving(**more):
    return {"name": "陈演示", "number": HER.number.reveal(), "vehicle_class": "C1", "valid_until": "2030-01-01", **more}


def car(**more):
    return {"plate": "渝A·D0009", "vehicle_kind": "小型轿车", "owner": "陈演示", **more}


async def propose(node, actor, operation, one, **more):
    wanted = office.Wanted(operation, "查明情况属实（演示）", "道路交通安全法", credential=one.id, **more)
    async with node.db.transaction() as tx:
        return await office.act(tx, node, actor, wanted)


async def confirm(node, actor, proposal):
    async with node.db.transaction() as tx:
        seen = await tx.fetchval("SELECT digest FROM proposal WHERE id = $1", proposal)
        return await identity.approve(tx, node, actor, proposal, seen)


async def state(node, one):
    async with node.db.reading() as tx:
        return (await queries.issued_here(tx, node, one.id)).state


async def said(tx, node, about):
    """What the holder was told about one thing."""
    return [one for thread in await notifications.messages(tx, node, HER.subject) if thread.about == about for one in thread.messages]


async def test_revoking_takes_two_persons_and_is_told_to_the_holder(node) -> None:
    """T-57: who proposes cannot confirm; what was proposed is what is done; the holder reads reason and law."""
    one = await give(node, "机动车驾驶证", driving())
    done = await propose(node, CLERK, "withdraw", one)
    assert done.proposal, "one person ended a licence alone"
    assert await state(node, one) == "valid"
    both = make.staff("clerk", *RIGHTS, "credentials.confirm")
    with pytest.raises(Failure) as own:
        await confirm(node, both, done.proposal)
    assert own.value.failure_code == "identity.four_eyes", "confirmed by who proposed it"
    with pytest.raises(NotAllowed):
        await confirm(node, make.staff("other", "credentials.see"), done.proposal)
    assert await state(node, one) == "valid"
    await confirm(node, CHECKER, done.proposal)
    assert await state(node, one) == "withdrawn"
    async with node.db.reading() as tx:
        told = await issued.card_events(tx, node, HER.subject, one.id)
        kept = (await issued.events(tx, one.id, one.org_name))[0]
        message = await said(tx, node, f"credential-event:{told[0].id}")
        card = await queries.card(tx, node, HER.subject, one.id)
        leaves = await tx.fetchval("SELECT count(*) FROM log_leaf WHERE kind = 'credential.state'")
    assert (kept.officer, kept.confirmed_by, kept.basis) == ("clerk", "checker", "道路交通安全法")
    assert (told[0].operation, told[0].reason.reveal(), told[0].basis) == ("withdraw", "查明情况属实（演示）", "道路交通安全法")
    assert message[0].title.reveal() == "机动车驾驶证被吊销了"
    assert "道路交通安全法" in message[0].text.reveal()
    assert card.state == "withdrawn", "the wallet learns it by the list, at once"
    assert leaves >= 1


async def test_a_proposal_about_another_state_is_not_carried_out(node) -> None:
    one = await give(node, "机动车驾驶证", driving())
    done = await propose(node, CLERK, "revoke", one)
    assert (await propose(node, CLERK, "suspend", one)).credential == one.id, "suspending is urgent: one person"
    with pytest.raises(status.StateRefused):
        await confirm(node, CHECKER, done.proposal)
    assert await state(node, one) == "suspended"
    assert (await propose(node, CLERK, "resume", one)).credential == one.id
    assert await state(node, one) == "valid"


async def test_no_act_without_reason_law_or_right(node) -> None:
    one = await give(node, "机动车驾驶证", driving())
    async with node.db.transaction() as tx:
        wrong = await office.act(tx, node, CLERK, office.Wanted("suspend", "短", "", credential=one.id))
    assert {refusal.field for refusal in wrong} == {"reason", "basis"}
    with pytest.raises(NotAllowed):
        await propose(node, make.staff("far", *RIGHTS, division="510000"), "suspend", one)
    with pytest.raises(NotAllowed):
        await propose(node, make.staff("eyes", "credentials.see"), "suspend", one)
    with pytest.raises(NotAllowed):
        await propose(node, msgspec.structs.replace(CLERK, kin=frozenset({HER.subject})), "suspend", one)
    wedding = await give(node, "结婚证", {"name": "陈演示", "registered_on": "2020-01-01", "spouse_name": "李演示"})
    with pytest.raises(status.StateRefused):
        await propose(node, CLERK, "suspend", wedding)
    with pytest.raises(status.StateRefused):
        await propose(node, CLERK, "transfer", wedding, holder_name="李演示", holder_number="1")
    assert await state(node, one) == "valid"


async def test_renewing_names_the_old_one_and_supersedes_it(node) -> None:
    old = await give(node, "机动车驾驶证", driving())
    done = await propose(node, CLERK, "renew", old, data={"valid_until": "2036-01-01"})
    assert done.proposal
    await confirm(node, CHECKER, done.proposal)
    async with node.db.reading() as tx:
        cards = await credentials.of_holder(tx, node, HER.subject, type_code=old.type_code)
        new = next(card for card in cards if card.id != old.id and CredentialId.parse(card.identifier).version == 2)
        before = await queries.issued_here(tx, node, old.id)
        named = await tx.fetchval("SELECT previous::text FROM credential WHERE id = $1", new.id)
    assert before.state == "superseded"
    assert old.id not in {card.id for card in cards}
    assert named == old.id
    assert (new.valid_until, new.data["vehicle_class"].reveal()) == (date(2036, 1, 1), "C1")
    assert status.outside("superseded").code == "05"


async def test_a_companys_licence_is_renewed_for_the_company_it_names(node) -> None:
    """The desk knows the company by the number on the licence; whoever founded it has the new one too."""
    code = CreditCode.make("91", "500103", "MADEM00E1").value
    data = {"credit_code": code, "company_name": "重庆演示换照公司（演示）", "legal_representative": "陈演示"}
    old = await give(node, "营业执照", data, Holder(HER.subject, "500000", Personal(data["company_name"]), Personal(code), kind="legal"))
    done = await propose(node, CLERK, "renew", old, data={"legal_representative": "演示乙"})
    await confirm(node, CHECKER, done.proposal)
    async with node.db.reading() as tx:
        (new,) = await queries.of_holder(tx, node, HER.subject, type_code=old.type_code)
    assert (new.number, new.data["legal_representative"].reveal()) == (code, "演示乙")
    assert await state(node, old) == "superseded"


async def test_a_transfer_moves_the_old_one_and_gives_the_new_holder_a_number_of_its_own(node) -> None:
    old = await give(node, "机动车行驶证", car())
    heir = Holder("p1heir", "500000", Personal("李演示"), Personal("500103199805110058"))
    kind = credentials.type_named(node, "机动车行驶证")
    async with node.db.transaction() as tx:
        new = await credentials.issue(
            tx, node, CLERK, type_code=kind.code, holder=heir, issuer=make.OFFICE_VALID, data=car(owner="李演示"), previous=old.id,
            moved_from=HER.subject, ground=Ground("买卖过户", "机动车登记规定"),
        )  # fmt: skip
        cards = await credentials.of_holder(tx, node, "p1heir")
        hers = await queries.card(tx, node, HER.subject, old.id)
    assert await state(node, old) == "moved"
    assert hers.state == "moved"
    assert [card.id for card in cards] == [new.id]
    assert new.number != old.number
    with pytest.raises(status.StateRefused):  # a licence is moved once
        async with node.db.transaction() as tx:
            await credentials.issue(
                tx, node, CLERK, type_code=kind.code, holder=heir, issuer=make.OFFICE_VALID, data=car(owner="李演示"), previous=old.id,
                moved_from=HER.subject,
            )  # fmt: skip


async def test_what_was_about_the_old_holder_stays_behind(node, monkeypatch) -> None:
    """Moved at the desk by two persons: the thing's own entries go along, the old holder's address does not."""
    old = await give(node, "机动车行驶证", car(plate="渝A·D0019", address="重庆市渝中区旧主路 7 号（演示）", vin="LDEMO000000000019"))
    heir = SimpleNamespace(subject="p1buyer", home="500000", name=Personal("李演示"), number=Personal("500103199805110058"))

    async def known(_tx, _node, number):
        return heir if number == heir.number.reveal() else None

    monkeypatch.setattr(identity, "person_by_number", known)
    done = await propose(node, CLERK, "transfer", old, holder_name="李演示", holder_number=heir.number.reveal())
    await confirm(node, CHECKER, done.proposal)
    async with node.db.reading() as tx:
        new = (await credentials.of_holder(tx, node, heir.subject))[0]
        named = await tx.fetchval("SELECT previous::text FROM credential WHERE id = $1", new.id)
        ofd = await queries.card_ofd(tx, node, heir.subject, new.id)
        read = await tx.fetchval("SELECT count(*) FROM access_reason WHERE subject = $1 AND kind = 'licence' AND staff = $2", heir.subject, CLERK.subject)
    assert read == 1, "a reading is missing in the auditors' register"
    shown = {key: value.reveal() for key, value in new.data.items()}
    assert (shown["owner"], shown["plate"], shown["vin"]) == ("李演示", "渝A·D0019", "LDEMO000000000019")
    assert "address" not in shown, "the old holder's address went along"
    drawn = b"".join(container.unpack(ofd).values())
    assert "渝A·D0019".encode() in drawn
    assert "旧主路".encode() not in drawn
    assert named == old.id


async def test_it_runs_out_by_the_calendar_and_the_holder_is_reminded_once(node) -> None:
    soon = await give(node, "机动车驾驶证", driving(valid_until=(node.clock.today() + timedelta(days=20)).isoformat()))
    for _ in range(2):
        async with node.db.transaction() as tx:
            await status.remind(tx, node)
    async with node.db.reading() as tx:
        told = await said(tx, node, f"credential-expiring:{soon.id}:{soon.valid_until.isoformat()}")
    assert [one.title.reveal() for one in told] == ["机动车驾驶证快到期了"]
    node.clock.move(timedelta(days=21))
    async with node.db.transaction() as tx:
        assert await status.expire(tx, node) >= 1
        assert await status.expire(tx, node) == 0
    assert await state(node, soon) == "expired"
    async with node.db.reading() as tx:
        assert (await queries.card(tx, node, HER.subject, soon.id)).state == "expired"


async def test_lists_by_quarter_and_what_was_known_then(node) -> None:
    """One list a quarter; a changed one stays behind as it was; one that is not needed is not signed again."""
    old = await give(node, "机动车驾驶证", driving(valid_until="2040-01-01"))
    before = node.clock.now()
    node.clock.move(timedelta(days=1))
    async with node.db.transaction() as tx:
        await status.change(tx, node, CLERK, HER.subject, old.id, "suspend", Ground("核查", "道路交通安全法"))
    async with node.db.reading() as tx:
        then = await list_at(tx, node.id, old.list_no, before)
        now = await list_at(tx, node.id, old.list_no, node.clock.now())
    assert (then.state(old.list_index), now.state(old.list_index)) == ("valid", "suspended")
    node.clock.move(timedelta(days=100))
    new = await give(node, "机动车驾驶证", driving(valid_until="2040-01-01"))
    assert new.list_no > old.list_no, "a new quarter, a new list"
    node.clock.move(timedelta(hours=1))
    async with node.db.transaction() as tx:
        assert await lists.refresh(tx, node, timedelta(minutes=10)) == 2, "the old list still has a living licence"
        kept = {one.list_no: one for one in await held(tx, node.id)}
    assert kept[new.list_no].period == record.period(node.clock.today())
    assert kept[old.list_no].past >= 1
    assert kept[old.list_no].exceptions >= 1


async def test_the_pdf_stands_beside_the_ofd_under_the_same_seal(node) -> None:
    one = await give(node, "机动车行驶证", car())
    await papers.make_pdf(node, {"subject": HER.subject, "credential": one.id})
    await papers.make_pdf(node, {"subject": HER.subject, "credential": one.id})
    pdf = await papers.card_pdf(node, HER.subject, one.id)
    assert pdf == await papers.card_pdf(node, HER.subject, one.id)
    async with node.db.reading() as tx:
        verdict = await seals.verify_pdf(pdf, await seals.anchors(tx))
        uses = await tx.fetchval("SELECT count(*) FROM seal_use WHERE about = $1", f"credential:{one.id}")
        row = await tx.fetchrow("SELECT pdf FROM credential_card WHERE id = $1", one.id)
    assert verdict.ok, verdict
    assert uses == 2
    assert b"FontFile2" in pdf
    assert "陈演示".encode() not in bytes(row["pdf"])


async def test_the_desk_in_a_browser(node) -> None:
    one = await give(node, "机动车驾驶证", driving())
    async with browser(node, CLERK) as client:
        page = await client.get("/staff/licence-types")
        for word in ("居民身份证", "取水许可证", "没找到，用演示代码", "没核对过", "107"):
            assert word in page.text, word
        page = await client.get("/staff/licence-types/11990000TB0000001E007")
        for word in ("准驾车型", "暂扣", "吊销", "要两个人", "不当官方内容用"):
            assert word in page.text, word
        page = await client.get("/staff/status-lists")
        assert "24 小时" in page.text
        assert (await client.get("/staff/licences/new")).status_code == 200
        form = await client.get("/staff/licences/new?type=11990000TB0000001E007")
        assert "没有和国家标准核对过" in form.text
        url = f"/staff/credentials/{one.id}"
        page = await client.get(url)
        for word in ("暂扣", "吊销", "撤销", "要另一位同事复核", "做过的操作", "颁发"):
            assert word in page.text, word
        assert (await send(client, url, url, {"act": "withdraw", "reason": "醉酒驾驶（演示）", "basis": ""})).status_code == 422
        done = await send(client, url, url, {"act": "withdraw", "reason": "醉酒驾驶（演示）", "basis": "道路交通安全法"})
        assert done.headers["location"].endswith("?done=proposed")
        assert "等另一位同事复核" in (await client.get(done.headers["location"])).text
        renew = await client.get(f"{url}/renew")
        assert "只填有变化的" in renew.text
        assert (await client.get(f"{url}/transfer")).status_code == 404
        made = await send(client, f"{url}/renew", f"{url}/renew", {"d-vehicle_class": "C2", "reason": "增驾考试通过", "basis": "机动车驾驶证申领和使用规定"})
        assert made.headers["location"].startswith("/staff/proposals/")
        lacking = await send(
            client, "/staff/licences/new?type=11990000TB0000001E007", "/staff/licences/new",
            {"type": "11990000TB0000001E007", "body": f"{node.settings.organisation}|{node.settings.name}", "reason": "考试通过", "basis": "道路交通安全法"},
        )  # fmt: skip
        assert lacking.status_code == 422
        assert "对不上，或者他在本地还没有账号" in lacking.text
        strange = await send(
            client, "/staff/licences/new", "/staff/licences/new", {"type": "11990000TB0000001E007", "body": "11100000000014154E|别人"}
        )
        assert strange.status_code == 404, "a body that has no seal here issues nothing"
    async with browser(node, make.citizen(HER.subject)) as client:
        assert "证照经过" in (await client.get(f"/wallet/{one.id}")).text
        pdf = await client.get(f"/wallet/{one.id}/document.pdf")
        assert pdf.content.startswith(b"%PDF")
        assert "发证以后没有变过" in (await client.get(f"/wallet/{one.id}/history")).text
    async with browser(node, make.staff("nobody")) as client:
        for path in ("/staff/licence-types", "/staff/status-lists", "/staff/licences/new"):
            assert (await client.get(path)).status_code == 403, path
