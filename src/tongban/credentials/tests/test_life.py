"""A credential from its issue to a verifier's screen, on one real node (R-403, R-404, T-51 … T-57)."""

from __future__ import annotations

import asyncio
import secrets
from datetime import UTC, date, datetime, timedelta

import pytest

from tongban import credentials, federation, seals
from tongban.credentials.actions import lists, status, verify, wallet
from tongban.credentials.errors import CardGone, TooManyTries, TypeRefused
from tongban.credentials.model import Holder, Shown
from tongban.credentials.queries import credentials as queries
from tongban.credentials.queries.keys import key_finder
from tongban.credentials.rules import presentation
from tongban.credentials.tests import make
from tongban.kernel.clock import SetClock
from tongban.kernel.gm import Personal
from tongban.kernel.ids import CredentialId

AT = datetime(2026, 11, 18, 2, 0, tzinfo=UTC)


@pytest.fixture(scope="module")
async def node(make_node):
    made = await make_node("500000", clock=SetClock(AT))
    await seals.set_up(made)
    await credentials.set_up(made)
    return made


@pytest.fixture
async def shop(node):
    """A licence in a wallet, and a bank's window."""
    node.clock.move(timedelta(minutes=2))
    async with node.db.transaction() as tx:
        issued = await make.licence(tx, node)
        window = await make.window(tx, node)
    return issued, window


async def show(node, issued, disclosure=""):
    async with node.db.transaction() as tx:
        return await credentials.present(tx, node, make.citizen(), issued.id, disclosure)


async def test_issue_gives_identifier_seal_signature_and_card(node):
    async with node.db.transaction() as tx:
        issued = await make.licence(tx, node, case="case-1")
        again = await make.licence(tx, node, case="case-1")
        cards = await credentials.of_holder(tx, node, make.SUBJECT)
        ofd = await queries.card_ofd(tx, node, make.SUBJECT, issued.id)
        anchors = await seals.anchors(tx)
    assert again.id == issued.id
    assert CredentialId.parse(issued.identifier).serial == issued.number == issued.data["credit_code"].reveal()
    card = next(one for one in cards if one.id == issued.id)
    assert card.state == "valid"
    assert card.data["company_name"].reveal() == make.COMPANY["company_name"]
    verdict = seals.verify_ofd(ofd, anchors)
    assert verdict.ok, verdict
    assert verdict.seals[0].seal_name == "成都市市场监督管理局（演示）审批专用章"


async def test_an_id_number_never_enters_identifier_or_number(node):
    async with node.db.transaction() as tx:
        issued = await make.permit(tx, node)
    assert make.PERSON["number"] not in issued.identifier + issued.number


async def test_two_people_of_one_day_do_not_get_one_number(node, monkeypatch):
    """A licence is found by its number alone: what is drawn is large enough for a busy office's day."""
    drawn, draw = [], secrets.randbelow
    monkeypatch.setattr(secrets, "randbelow", lambda many: drawn.append(many) or draw(many))
    async with node.db.transaction() as tx:
        issued = await make.permit(tx, node)
    (numbers,) = [one for one in drawn if str(one).rstrip("0") == "1"]  # keys and places are drawn too, from no power of ten
    assert 10_000**2 / 2 / numbers < 1e-4
    assert CredentialId.parse(issued.identifier).serial == issued.number


async def test_personal_columns_are_sealed(node, shop):
    issued, _ = shop
    async with node.db.reading() as tx:
        for table in ("credential", "credential_card"):
            row = await tx.fetchrow(f"SELECT * FROM {table} WHERE id = $1", issued.id)
            blob = b"".join(value if isinstance(value, bytes) else str(value).encode() for value in row.values())
            for word in ("陈演示", "成都市高新区演示大道"):
                assert word.encode() not in blob, (table, word)


async def test_a_valid_code_shows_only_chosen_fields(node, shop):
    issued, window = shop
    shown = await show(node, issued)
    verdict = await verify.verify_presentation(node, shown.token, window)
    assert (verdict.kind, verdict.headline) == ("valid", "有效"), verdict
    assert verdict.fields == {"company_name": make.COMPANY["company_name"], "credit_code": issued.number}
    assert verdict.online
    whole = repr(verdict)
    for word in ("陈演示", "演示大道", "壹佰万元"):
        assert word not in whole
    async with node.db.reading() as tx:
        views = await credentials.views(tx, node, make.SUBJECT, issued.id)
    assert (views[0].unit, views[0].purpose, views[0].registered) == ("演示银行", "单位开户核对", True)
    assert set(views[0].fields) == {"名称", "统一社会信用代码"}


async def test_purpose_fixes_what_can_be_seen_even_if_the_holder_shows_all(node, shop):
    issued, _ = shop
    shown = await show(node, issued, "full")
    async with node.db.transaction() as tx:
        window = await make.window(tx, node, "演示诊所", ("clinic",))
    verdict = await verify.verify_presentation(node, shown.token, window)
    assert verdict.kind == "valid"
    assert verdict.fields == {}
    assert "演示科技" not in repr(verdict)


async def test_unregistered_browser_sees_verdict_and_type_only(node, shop):
    issued, _ = shop
    verdict = await verify.verify_presentation(node, (await show(node, issued, "full")).token, None)
    assert (verdict.kind, verdict.type_name, verdict.fields) == ("valid", "营业执照", {})
    assert "演示科技" not in repr(verdict)
    async with node.db.reading() as tx:
        views = await credentials.views(tx, node, make.SUBJECT, issued.id)
    assert (views[0].unit, views[0].registered, views[0].fields) == ("未登记的查验方", False, ())


async def test_second_scan_is_refused_for_everybody(node, shop):
    issued, window = shop
    shown = await show(node, issued)
    assert (await verify.verify_presentation(node, shown.token, window)).kind == "valid"
    assert (await verify.verify_presentation(node, shown.token, window)).code == "used"
    async with node.db.transaction() as tx:
        other = await make.window(tx, node, "另一家银行")
    assert (await verify.verify_presentation(node, shown.token, other)).code == "used"
    assert (await verify.verify_presentation(node, shown.token, None)).code == "used"
    async with node.db.reading() as tx:
        views = await credentials.views(tx, node, make.SUBJECT, issued.id)
    assert [one.result for one in views[:3]] == ["used", "used", "valid"]


@pytest.mark.parametrize(
    ("seconds", "kind"), [(59, "valid"), (60, "valid"), (61, "used"), (91, "used"), (3600, "used")]
)
async def test_a_screenshot_is_refused_after_sixty_seconds(node, shop, seconds, kind):
    issued, window = shop
    shown = await show(node, issued)
    node.clock.move(timedelta(seconds=seconds))
    assert (await verify.verify_presentation(node, shown.token, window)).kind == kind


async def test_a_verifier_clock_may_be_thirty_seconds_behind(node, shop):
    issued, window = shop
    shown = await show(node, issued)
    node.clock.move(timedelta(seconds=-29))
    assert (await verify.verify_presentation(node, shown.token, window)).kind == "valid"
    shown = await show(node, issued)
    node.clock.move(timedelta(seconds=-31))
    assert (await verify.verify_presentation(node, shown.token, window)).code == "not_yet"
    node.clock.move(timedelta(seconds=60))


async def test_stopped_code_is_refused(node, shop):
    issued, window = shop
    shown = await show(node, issued)
    async with node.db.transaction() as tx:
        await wallet.stop(tx, node, make.citizen(), issued.id)
    verdict = await verify.verify_presentation(node, shown.token, window)
    assert (verdict.kind, verdict.code) == ("used", "stopped")


async def test_revoked_is_told_at_once_and_by_the_list(node, shop):
    issued, window = shop
    shown = await show(node, issued)
    async with node.db.transaction() as tx:
        await credentials.revoke(tx, node, make.staff("head"), make.SUBJECT, issued.id, "虚假材料")
    verdict = await verify.verify_presentation(node, shown.token, window)
    assert (verdict.kind, verdict.headline) == ("revoked", "已作废")
    assert verdict.fields == {}
    assert "虚假材料" not in repr(verdict)
    later = await show(node, issued)
    assert (await verify.verify_presentation(node, later.token, window)).kind == "revoked"


async def test_suspend_and_resume(node, shop):
    issued, window = shop
    head = make.staff("head")
    async with node.db.transaction() as tx:
        await credentials.suspend(tx, node, head, make.SUBJECT, issued.id, "核查")
    assert (await verify.verify_presentation(node, (await show(node, issued)).token, window)).headline == "暂停使用"
    async with node.db.transaction() as tx:
        await credentials.resume(tx, node, head, make.SUBJECT, issued.id, "查清")
    assert (await verify.verify_presentation(node, (await show(node, issued)).token, window)).kind == "valid"
    async with node.db.transaction() as tx:
        await credentials.revoke(tx, node, head, make.SUBJECT, issued.id, "撤销")
    with pytest.raises(status.StateRefused):
        async with node.db.transaction() as tx:
            await credentials.resume(tx, node, head, make.SUBJECT, issued.id, "反悔")


async def test_expired_shows_no_personal_field(node, shop):
    _, window = shop
    async with node.db.transaction() as tx:
        issued = await make.licence(tx, node, subject=make.SUBJECT, valid_until=date(2026, 11, 17))
    verdict = await verify.verify_presentation(node, (await show(node, issued)).token, window)
    assert verdict.kind == "expired"
    assert verdict.headline == "过期了"
    assert "演示科技" not in repr(verdict)


async def test_old_status_list_cannot_confirm(node, shop):
    """Nothing heard of the issuer for a day: never green, never red (D-14, T-55)."""
    issued, window = shop
    async with node.db.transaction() as tx:
        await lists.refresh(tx, node, timedelta(0))
    node.clock.move(timedelta(hours=23, minutes=58))
    fresh = await verify.verify_presentation(node, (await show(node, issued)).token, window)
    assert fresh.kind == "valid"
    assert any("23 小时" in line.value for line in fresh.lines)
    node.clock.move(timedelta(minutes=3))
    verdict = await verify.verify_presentation(node, (await show(node, issued)).token, window)
    assert (verdict.kind, verdict.headline) == ("unknown", "现在不能确认")
    assert "演示科技" not in repr(verdict)
    assert any(line.name == "最后知道的" for line in verdict.lines)
    async with node.db.transaction() as tx:
        assert await lists.refresh(tx, node, timedelta(minutes=10)) == 1
    assert (await verify.verify_presentation(node, (await show(node, issued)).token, window)).kind == "valid"


async def test_digits_do_what_the_code_does_once(node, shop):
    issued, window = shop
    shown = await show(node, issued)
    spoken = f"{shown.digits[:4]} {shown.digits[4:]}"
    assert (await verify.verify_digits(node, spoken, "", window)).kind == "valid"
    assert (await verify.verify_digits(node, spoken, "", window)).code == "wrong_digits"


async def test_five_wrong_digits_stop_this_verifier_for_a_minute(node, shop):
    issued, _ = shop
    async with node.db.transaction() as tx:
        window = await make.window(tx, node, "猜数字的")
    shown = await show(node, issued)
    for number in range(5):
        guess = f"{(int(shown.digits) + 1 + number) % 10**8:08d}"
        assert (await verify.verify_digits(node, guess, "", window)).code == "wrong_digits"
    with pytest.raises(TooManyTries):
        await verify.verify_digits(node, shown.digits, "", window)
    node.clock.move(timedelta(seconds=61))
    again = await show(node, issued)
    assert (await verify.verify_digits(node, again.digits, "", window)).kind == "valid"


async def test_a_burst_of_digits_is_no_way_around_the_limit(node, shop):
    """T-56: thirty tries at the same moment are five tries and a pause."""
    async with node.db.transaction() as tx:
        window = await make.window(tx, node, "一起猜的")
    tries = (verify.verify_digits(node, f"{number:08d}", "", window) for number in range(30))
    done = await asyncio.gather(*tries, return_exceptions=True)
    assert sum(not isinstance(one, TooManyTries) for one in done) == 5, "guessed past the limit"


async def test_a_home_that_counts_for_itself_says_so_too(node, shop, monkeypatch):
    """The holder's home has had enough wrong digits: that is a pause, and not a home that is away."""
    async def enough(*_args, **_more):
        raise federation.CallFailed("quota")

    monkeypatch.setattr(federation, "call", enough)
    async with node.db.transaction() as tx:
        window = await make.window(tx, node, "问别处的")
    with pytest.raises(TooManyTries):
        await verify.verify_digits(node, "12345678", "510000", window)


async def test_two_presentations_have_nothing_in_common_but_what_they_show(node, shop):
    """T-54: no stable holder id. Only issuer, type and the chosen fields may be equal."""
    issued, _ = shop
    find = await key_finder(node)
    one, two = [
        presentation.read((await show(node, issued)).token, find, node.clock.now().timestamp()) for _ in range(2)
    ]
    assert isinstance(one, Shown)
    assert isinstance(two, Shown)
    assert one.opaque != two.opaque
    assert one.jti != two.jti
    text = repr(one)
    for secret in (issued.id, issued.identifier, make.SUBJECT):
        assert secret not in text.replace(issued.number, "")
    # a place in a list is a small number that may stand in a date by chance: no value of the showing is that number
    values = [*one.attributes.values(), *(str(getattr(one, name)) for name in one.__struct_fields__)]
    assert str(issued.list_index) not in values


async def test_another_persons_card_cannot_be_shown(node, shop):
    issued, _ = shop
    with pytest.raises(CardGone):
        async with node.db.transaction() as tx:
            await credentials.present(tx, node, make.citizen("p1stranger"), issued.id)


async def test_demo_types_are_refused_on_a_production_node(make_node):
    real = await make_node("310000", demo=False)
    kind = credentials.type_named(real, "居民身份证")
    with pytest.raises(TypeRefused, match="type_refused") as why:
        async with real.db.transaction() as tx:
            await credentials.issue(
                tx, real, make.staff(), type_code=kind.code, holder=Holder("x", "310000", Personal("演示")), issuer=make.OFFICE,
                data=make.PERSON,
            )  # fmt: skip
    assert "演示代码" in why.value.sentence


async def test_the_same_number_is_not_issued_twice(node):
    async with node.db.transaction() as tx:
        issued = await make.licence(tx, node)
    with pytest.raises(TypeRefused) as why:
        async with node.db.transaction() as tx:
            await make.licence(tx, node, data={"credit_code": issued.number})
    assert "已经发过" in why.value.sentence


async def test_missing_field_names_it(node):
    with pytest.raises(TypeRefused) as why:
        async with node.db.transaction() as tx:
            await make.licence(tx, node, data={"company_name": " "})
    assert "名称" in why.value.sentence


async def test_renewal_replaces_the_card_and_supersedes_the_old(node):
    holder = Holder("p1renew", "500000", Personal("陈演示"), Personal(make.PERSON["number"]))
    async with node.db.transaction() as tx:
        old = await make.permit(tx, node, subject="p1renew")
        new = await credentials.renew(
            tx, node, make.staff(), "p1renew", old.id, changes={"address": "重庆市新址"}, holder=holder, case="c2"
        )
        cards = await credentials.of_holder(tx, node, "p1renew")
        before = await credentials.credential(tx, node, "p1renew", old.id)
    assert before.state == "superseded"
    assert [card.id for card in cards] == [new.id]
    assert cards[0].data["address"].reveal() == "重庆市新址"
    first, second = CredentialId.parse(old.identifier), CredentialId.parse(new.identifier)
    assert (first.serial, first.version, second.version) == (second.serial, 1, 2)


async def test_sealing_with_a_revoked_seal_is_refused_and_leaves_nothing(node):
    async with node.db.transaction() as tx:
        seal = await seals.ensure_seal(tx, node, "12500000MB0000002E", "重庆市演示局")
        document = seals.Document("d", "决定书", "重庆市演示局", AT, (seals.Page((seals.Text(20, 20, "决定书"),)),))
        ofd = await seals.compose(document)
        good = await seals.seal_document(tx, node, seal, ofd, "decision", about="case:1", officer="s1")
        node.clock.move(timedelta(seconds=2))
        await seals.revoke_seal(tx, node, make.staff("keeper"), seal.id, "印章换新")
    anchors = None
    with pytest.raises(seals.SealGone):
        async with node.db.transaction() as tx:
            await seals.seal_document(tx, node, seal, ofd, "decision", about="case:2", officer="s1")
    async with node.db.reading() as tx:
        anchors = await seals.anchors(tx)
        uses = await seals.uses(tx, seal.id)
    assert seals.verify_ofd(good, anchors).ok, "sealed before: still stands"
    assert [one.about for one in uses] == ["case:1"]


async def test_issue_is_one_transaction(node):
    """The last step fails: no credential, no card, no leaf, no taken place remains."""

    class Stop(Exception):
        pass

    async with node.db.reading() as tx:
        before = [
            await tx.fetchval(f"SELECT count(*) FROM {table}")
            for table in ("credential", "credential_card", "log_leaf", "credential_place", "seal_use")
        ]

    async def fail():
        async with node.db.transaction() as tx:
            await make.licence(tx, node, subject="p1undone")
            raise Stop

    with pytest.raises(Stop):
        await fail()
    async with node.db.reading() as tx:
        after = [
            await tx.fetchval(f"SELECT count(*) FROM {table}")
            for table in ("credential", "credential_card", "log_leaf", "credential_place", "seal_use")
        ]
    assert before == after
