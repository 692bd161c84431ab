"""Credentials between real nodes: issued there, shown here, looked at elsewhere, printed at another hall (R-403, R-404, R-508)."""

from __future__ import annotations

import io
import zipfile
from datetime import timedelta

import pytest

from tongban import credentials, federation, seals
from tongban.credentials import letters
from tongban.credentials.actions import ended, hall, lists, offline, prints, reports, verify
from tongban.credentials.errors import PrintRefused, TooManyTries
from tongban.credentials.model import Shown
from tongban.credentials.queries import credentials as queries
from tongban.credentials.queries.credentials import GROUP
from tongban.credentials.queries.keys import key_finder, signer_of
from tongban.credentials.queries.prints import job_ofd
from tongban.credentials.queries.receipts import card_receipt
from tongban.credentials.rules import marks, presentation
from tongban.credentials.tests import make
from tongban.credentials.tests.phone import Phone
from tongban.federation import letters as post_letters
from tongban.federation.tests.make import catch_up, deliver, enrol, make_member, serving
from tongban.kernel.gm import b64
from tongban.seals import letters as seal_letters
from tongban.transparency import sequence, sign_head


@pytest.fixture(scope="module")
async def nodes(make_node):
    async with make.two_homes(make_node) as made:
        yield made


async def issue_there(nodes):
    """A licence of 510000 in a wallet at 500000."""
    async with nodes["510000"].db.transaction() as tx:
        issued = await make.licence(tx, nodes["510000"], home="500000")
    await deliver(nodes)
    return issued


async def show(nodes, issued):
    async with nodes["500000"].db.transaction() as tx:
        return await credentials.present(tx, nodes["500000"], make.citizen(), issued.id)


async def window(node):
    async with node.db.transaction() as tx:
        return await make.window(tx, node)


async def test_a_licence_of_sichuan_comes_to_a_wallet_in_chongqing(nodes):
    issued = await issue_there(nodes)
    home = nodes["500000"]
    async with home.db.reading() as tx:
        cards = await credentials.of_holder(tx, home, make.SUBJECT)
        ofd = await queries.card_ofd(tx, home, make.SUBJECT, issued.id)
        anchors = await seals.anchors(tx)
        messages = await tx.fetch("SELECT 1 FROM message WHERE about = $1", f"credential:{issued.id}")
    assert cards[0].id == issued.id
    assert cards[0].issuer == "510000"
    assert seals.verify_ofd(ofd, anchors).ok, "the seal of 510000 is trusted at 500000 by its letter"
    assert len(messages) == 1


async def test_a_verifier_of_another_province_asks_the_home_and_the_holder_sees_it(nodes):
    issued = await issue_there(nodes)
    there = nodes["510000"]
    shown = await show(nodes, issued)
    verdict = await verify.verify_presentation(there, shown.token, await window(there))
    assert (verdict.kind, verdict.online) == ("valid", True), verdict
    async with nodes["500000"].db.reading() as tx:
        views = await credentials.views(tx, nodes["500000"], make.SUBJECT, issued.id)
    assert (views[0].unit, views[0].result) == ("演示银行", "valid")
    # taken once anywhere: the home used it up
    assert (
        await verify.verify_presentation(nodes["500000"], shown.token, await window(nodes["500000"]))
    ).code == "used"
    assert (await verify.verify_presentation(nodes["cn"], shown.token, None)).code == "used"


async def test_digits_across_nodes_and_their_limit(nodes):
    issued = await issue_there(nodes)
    there = nodes["510000"]
    bank = await window(there)
    shown = await show(nodes, issued)
    assert (await verify.verify_digits(there, shown.digits, "500000", bank)).kind == "valid"
    shown = await show(nodes, issued)
    for number in range(5):
        assert (
            await verify.verify_digits(there, f"{(int(shown.digits) + 1 + number) % 10**8:08d}", "500000", bank)
        ).code == "wrong_digits"
    with pytest.raises(TooManyTries):
        await verify.verify_digits(there, shown.digits, "500000", bank)
    assert (await verify.verify_digits(there, "12345678", "999999", await window(there))).kind == "unknown"


async def test_revocation_reaches_the_other_node_by_letter(nodes):
    issued = await issue_there(nodes)
    async with nodes["510000"].db.transaction() as tx:
        await credentials.revoke(tx, nodes["510000"], make.staff("head"), make.SUBJECT, issued.id, "虚假登记")
    await deliver(nodes)
    async with nodes["500000"].db.reading() as tx:
        card = await queries.card(tx, nodes["500000"], make.SUBJECT, issued.id)
    assert card.state == "revoked"
    verdict = await verify.verify_presentation(
        nodes["500000"], (await show(nodes, issued)).token, await window(nodes["500000"])
    )
    assert verdict.kind == "revoked"


async def test_status_lists_of_others_are_not_taken_from_a_third(nodes):
    """A list not signed by its issuer, or an older one, changes nothing."""
    home = nodes["500000"]
    async with home.db.reading() as tx:
        row = await tx.fetchrow(
            "SELECT at, bits, kid, signature FROM credential_list WHERE issuer = '510000' AND list_no = 1"
        )
    from tongban.credentials.rules import record
    from tongban.kernel.gm import b64, jcs

    forged = record.list_record(
        "510000", 1, row["at"] + timedelta(minutes=1), record.with_state(row["bits"], 5, "revoked")
    )
    own = await signer_of(home)
    for sig in (
        {"kid": row["kid"], "value": b64(row["signature"])},
        {"kid": own.kid, "value": b64(own.sign(jcs(forged)))},
    ):
        with pytest.raises(ValueError, match="status list"):
            async with home.db.transaction() as tx:
                await lists.receive(tx, "510000", {"list": forged, "sig": sig})
    old = record.list_record("510000", 1, row["at"], row["bits"])
    async with home.db.transaction() as tx:
        assert not await lists.receive(
            tx, "510000", {"list": old, "sig": {"kid": row["kid"], "value": b64(row["signature"])}}
        )


async def test_forged_codes_of_every_kind(nodes):
    issued = await issue_there(nodes)
    there = nodes["510000"]
    bank = await window(there)
    good = (await show(nodes, issued)).token
    at = there.clock.now()
    claims = {
        "issuer": "510000", "org_code": "x", "org_name": "演示", "type_code": "x", "opaque": b"o" * 16, "attributes": {1: "假"},
        "state": "valid", "state_at": at, "valid_until": None, "at": at, "jti": b"j" * 8,
    }  # fmt: skip
    own = await signer_of(there)
    # its own key under another home's name, and a key nobody knows
    assert (
        await verify.verify_presentation(there, presentation.encode(own, home="500000", **claims), bank)
    ).kind == "false"
    assert (
        await verify.verify_presentation(
            there, presentation.encode(own, home="510000", **(claims | {"issuer": "999999"})), bank
        )
    ).kind == "false"
    stranger = there.keys.signer("stranger")
    assert (
        await verify.verify_presentation(there, presentation.encode(stranger, home="510000", **claims), bank)
    ).code == "unknown_key"
    # the right key, but the home knows nothing of it
    assert (
        await verify.verify_presentation(
            there, presentation.encode(own, home="510000", **(claims | {"jti": b"k" * 8})), bank
        )
    ).kind == "false"
    assert (await verify.verify_presentation(there, "https://evil.example/", bank)).code == "not_ours"
    assert (await verify.verify_presentation(there, good, bank)).kind == "valid"


async def test_printed_at_a_hall_of_another_province(nodes):
    """川渝异地互发: the letters, both records, one valid print."""
    home, there = nodes["500000"], nodes["510000"]
    handed: list[tuple[str, str]] = []

    async def note(_tx, node, case_id, credential_id):
        handed.append((case_id, credential_id))

    credentials.on_handed_over(note)
    try:
        async with there.db.transaction() as tx:
            issued = await make.licence(tx, there, home="500000", case="case-print")
        await deliver(nodes)
        async with home.db.transaction() as tx:
            order = await prints.ask_print(tx, home, make.citizen(), issued.id, "CQ-YZ-01")
            assert isinstance(order, str)
            assert isinstance(await prints.ask_print(tx, home, make.citizen(), issued.id, "CQ-YB-01"), tuple)
        for _ in range(5):
            await deliver(nodes)
        from tongban.credentials.queries.prints import pickups

        async with home.db.reading() as tx:
            pickup = (await pickups(tx, home, make.SUBJECT, issued.id))[0]
        assert pickup.state == "accepted"
        clerk = make.staff("clerk", "credentials.print", division="500103")
        async with home.db.transaction() as tx:
            made = await hall.print_paper(
                tx, home, clerk, order, code=pickup.code.reveal(), blank_no="YZ1001", identity_checked=True
            )
            assert made.state == "printed"
        async with home.db.transaction() as tx:
            assert (await hall.hand_over(tx, home, clerk, order, received_by="陈演示")).state == "handed_over"
        for _ in range(3):
            await deliver(nodes)
        async with there.db.reading() as tx:
            row = await tx.fetchrow(
                "SELECT state, blank_no, officer, signature_digest FROM credential_print_order WHERE id = $1", order
            )
        assert (row["state"], row["blank_no"], row["officer"]) == ("handed_over", "YZ1001", "clerk")
        assert row["signature_digest"].startswith("sm3:")
        assert handed == [("case-print", issued.id)]
        async with home.db.reading() as tx:
            assert (await pickups(tx, home, make.SUBJECT, issued.id))[0].state == "handed_over"
        async with there.db.transaction() as tx:
            again = await credentials.order_print(
                tx, there, subject=make.SUBJECT, credential_id=issued.id, hall="CQ-YZ-01"
            )
        assert again[0].code == "credentials.print_twice"
    finally:
        prints._listeners.remove(note)


async def test_hall_waits_when_the_status_list_is_old(nodes):
    home, there = nodes["500000"], nodes["510000"]
    async with there.db.transaction() as tx:
        issued = await make.licence(tx, there, home="500000")
        order = await credentials.order_print(tx, there, subject=make.SUBJECT, credential_id=issued.id, hall="CQ-YZ-01")
    await deliver(nodes)
    async with home.db.transaction() as tx:
        await tx.execute("UPDATE credential_list SET at = at - interval '25 hours' WHERE issuer = '510000'")
        code = (await tx.fetchrow("SELECT id FROM credential_print_job WHERE id = $1", order.id))["id"]
    clerk = make.staff("clerk", "credentials.print", division="500103")
    async with there.db.reading() as tx:
        sealed = await tx.fetchrow("SELECT id, code FROM credential_print_order WHERE id = $1", order.id)
        plain = there.cipher.open("case", "credential_print_order.code", str(sealed["id"]), sealed["code"]).reveal()
    with pytest.raises(PrintRefused) as why:
        async with home.db.transaction() as tx:
            await hall.print_paper(tx, home, clerk, str(code), code=plain, blank_no="YZ2001", identity_checked=True)
    assert "太旧" in why.value.sentence
    async with there.db.transaction() as tx:
        await lists.refresh(tx, there, timedelta(0))
    await deliver(nodes)
    async with home.db.transaction() as tx:
        assert (
            await hall.print_paper(tx, home, clerk, str(code), code=plain, blank_no="YZ2001", identity_checked=True)
        ).state == "printed"


async def test_a_hall_prints_no_paper_whose_seal_does_not_hold(nodes):
    """T-52: the ordered document was changed on its way or at rest; the clerk reads why, and no blank is used."""
    home, there = nodes["500000"], nodes["510000"]
    async with there.db.transaction() as tx:
        issued = await make.licence(tx, there, home="500000")
        order = await credentials.order_print(tx, there, subject=make.SUBJECT, credential_id=issued.id, hall="CQ-YZ-01")
        sealed = await tx.fetchrow("SELECT id, code FROM credential_print_order WHERE id = $1", order.id)
        plain = there.cipher.open("case", "credential_print_order.code", str(sealed["id"]), sealed["code"]).reveal()
    await deliver(nodes)
    async with home.db.transaction() as tx:
        good = await job_ofd(tx, home, order.id)
        forged = home.cipher.seal_bytes(GROUP, "credential_print_job.ofd", order.id, changed(good))
        await tx.execute("UPDATE credential_print_job SET ofd = $2 WHERE id = $1", order.id, forged)
    clerk = make.staff("clerk", "credentials.print", division="500103")
    with pytest.raises(PrintRefused) as why:
        async with home.db.transaction() as tx:
            await hall.print_paper(tx, home, clerk, order.id, code=plain, blank_no="YZ3001", identity_checked=True)
    assert "电子印章没有通过核对" in why.value.sentence
    async with home.db.reading() as tx:
        assert await tx.fetchval("SELECT count(*) FROM credential_blank WHERE blank_no = 'YZ3001'") == 0
        assert await tx.fetchval("SELECT state FROM credential_print_job WHERE id = $1", order.id) == "accepted"


def changed(ofd: bytes) -> bytes:
    """The same document with one more mark on its first page, zipped again as cleanly as before."""
    out = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(ofd)) as old, zipfile.ZipFile(out, "w") as new:
        for one in old.infolist():
            content = old.read(one)
            new.writestr(one, content.replace(b"</ofd:Page>", b"<!-- 1 --></ofd:Page>") if one.filename.endswith("Content.xml") else content)
    assert out.getvalue() != ofd
    return out.getvalue()


async def test_receipt_of_another_nodes_log(nodes):
    home, there = nodes["500000"], nodes["510000"]
    issued = await issue_there(nodes)
    async with there.db.transaction() as tx:
        while await sequence(tx):
            pass
        await sign_head(tx, there)
    receipt = await card_receipt(home, make.citizen(), issued.id)
    assert receipt["leaf"]["id"] == issued.leaf
    assert receipt["proof"] is not None


async def test_home_away_falls_back_to_the_state_in_the_code(make_node):
    """The home is stopped: signature, time, and the last known state with its age; a day old, not certain."""
    federation.register(
        {**post_letters.LETTERS, **letters.LETTERS, **seal_letters.LETTERS}, {**post_letters.CALLS, **letters.CALLS}
    )
    hub, home, there = [await make_member(make_node, one) for one in ("cn", "500000", "510000")]
    await federation.make_hub(hub)
    async with serving(hub), serving(there):
        await enrol(hub, there)
        async with serving(home):
            await enrol(hub, home)
            for one in (hub, home, there):
                await catch_up(one)
                await seals.set_up(one)
                await credentials.set_up(one)
            async with home.db.transaction() as tx:
                issued = await make.licence(tx, home)
                shown = await credentials.present(tx, home, make.citizen(), issued.id)
        bank = await window(there)
        old = presentation.encode(
            await signer_of(home), home="500000", issuer="500000", org_code=issued.org_code, org_name=issued.org_name,
            type_code=issued.type_code, opaque=b"o" * 16, attributes={2: "演示"}, state="valid",
            state_at=home.clock.now() - timedelta(hours=25), valid_until=None, at=home.clock.now(), jti=b"old jti.",
        )  # fmt: skip
        verdict = await verify.verify_presentation(there, shown.token, bank)
        assert (verdict.kind, verdict.online) == ("valid", False)
        assert verdict.fields["company_name"] == make.COMPANY["company_name"]
        assert any("重庆市连不上" in line.value for line in verdict.lines)
        assert (await verify.verify_presentation(there, shown.token, bank)).code == "used"
        stale = await verify.verify_presentation(there, old, bank)
        assert (stale.kind, stale.headline) == ("unknown", "现在不能确认")
        assert stale.fields == {}
        assert (await verify.verify_digits(there, shown.digits, "500000", bank)).kind == "unknown"


async def test_an_offline_code_is_told_to_a_home_of_another_province(nodes):
    """D-5: a phone of 重庆 without network, a bank of 四川 with it: the home is asked, uses the code up and writes it down."""
    issued, home, there = await issue_there(nodes), nodes["500000"], nodes["510000"]
    phone = Phone(1)
    async with home.db.transaction() as tx:
        (entry,) = await offline.prepare(tx, home, make.citizen(), issued.id, "", phone.points)
    text = phone.code(entry.cose, int(home.clock.now().timestamp()))
    found = await verify.verify_presentation(there, text, await window(there))
    assert (found.kind, found.online, found.offline) == ("valid", True, True), found
    assert (await verify.verify_presentation(home, text, await window(home))).code == "used"
    async with home.db.reading() as tx:
        views = await credentials.views(tx, home, make.SUBJECT, issued.id)
    assert [(one.node, one.way, one.result) for one in views] == [("500000", "phone", "used"), ("510000", "phone", "valid")]


async def test_marks_of_ended_cards_come_by_letter_and_from_their_issuer_only(nodes):
    """T-55: another node learns which cards ended; a list changed on the way, or of a third node, is refused."""
    issued, home, there = await issue_there(nodes), nodes["500000"], nodes["510000"]
    shown = await show(nodes, issued)
    async with there.db.transaction() as tx:
        await credentials.revoke(tx, there, make.staff("head"), make.SUBJECT, issued.id, "虚假登记")
        assert await ended.publish(tx, there)
    await deliver(nodes)
    async with home.db.reading() as tx:
        row = await tx.fetchrow("SELECT body, kid, signature FROM credential_ended WHERE issuer = '510000'")
    assert isinstance(read := presentation.read(shown.token, await key_finder(home), home.clock.now().timestamp()), Shown)
    assert marks.state_of(marks.read(bytes(row["body"])), read.opaque, read.mark, read.issued_at) == "revoked"
    forged = marks.body("510000", home.clock.ms() + 60_000, []).decode()
    own = await signer_of(home)
    for body, kid, signature in (
        (forged, row["kid"], bytes(row["signature"])), (forged, own.kid, own.sign(forged.encode())), (bytes(row["body"]).decode(), row["kid"], b"\0" * 64),
    ):  # fmt: skip
        with pytest.raises(ValueError, match="marks"):
            async with home.db.transaction() as tx:
                await ended.receive(tx, "510000", {"body": body, "sig": {"kid": kid, "value": b64(signature)}})


async def test_a_report_crosses_nodes_and_so_does_its_answer(nodes):
    """举报 goes to the operator of the verifier's node without the holder's name; the answer comes back as a message."""
    issued, home, there = await issue_there(nodes), nodes["500000"], nodes["510000"]
    shown = await show(nodes, issued)
    await verify.verify_presentation(there, shown.token, await window(there))
    async with home.db.transaction() as tx:
        view = (await credentials.views(tx, home, make.SUBJECT, issued.id))[0]
        assert await reports.report(tx, home, make.citizen(), view.id, "我没去过成都")
        assert not await reports.report(tx, home, make.citizen("p1stranger"), view.id, "不是我的")
    await deliver(nodes)
    async with there.db.transaction() as tx:
        (found,) = [one for one in await reports.reports(tx, there) if one.id == view.id]
        assert (found.home, found.words.reveal(), found.unit) == ("500000", "我没去过成都", "演示银行")
        assert await reports.answer(tx, there, make.staff("boss"), "500000", view.id, "查过了，是误扫，已经处理") is None
    await deliver(nodes)
    async with home.db.reading() as tx:
        view = (await credentials.views(tx, home, make.SUBJECT, issued.id))[0]
        told = await tx.fetchval("SELECT count(*) FROM message WHERE about = $1", f"credential-report:{view.id}")
    assert (view.answer.reveal() if view.answer else "", told) == ("查过了，是误扫，已经处理", 1)
