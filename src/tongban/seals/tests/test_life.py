"""The life of a seal: application, review, making, custody, use by one and by two, suspension, loss, revocation (R-410, T-57)."""

from __future__ import annotations

from datetime import timedelta

import asyncpg
import msgspec
import pytest

from tongban import identity, seals, transparency
from tongban.identity.tests.make_staff import officer
from tongban.kernel.clock import SetClock
from tongban.kernel.errors import NotAllowed
from tongban.kernel.gm import digest
from tongban.seals import actions, queries
from tongban.seals.errors import Changed, FourEyes, Over, SealGone, SealSuspended, SecondNeeded
from tongban.seals.tests import make, make_office
from tongban.seals.tests.make_office import FIRST, SECOND


@pytest.fixture(scope="module")
async def node(make_node):
    made = await make_node("500000", clock=SetClock(make_office.AT))
    await identity.set_up(made)
    await seals.set_up(made)
    return made


@pytest.fixture
async def two(tx, node):
    return await officer(tx, node, FIRST), await officer(tx, node, SECOND)


@pytest.fixture(scope="module")
def ofd():
    return seals.build_ofd(make.document())


@pytest.fixture(scope="module")
def pdf():
    return seals.build_pdf(make.document())


async def kept(tx, node, two, **more):
    """A seal that SECOND keeps."""
    first, second = two
    seal = await make_office.made(tx, node, first, second, first, SECOND, **more)
    [turn] = await queries.custody(tx, seal.id)
    await actions.accept(tx, node, second, seal.id, turn.id, turn.digest)
    found = await queries.seal(tx, seal.id)
    assert found is not None
    return found


async def test_from_application_to_keeper(tx, node, two):
    """Applied by one, reviewed by another, made, received: each step a row and a leaf with who did it."""
    seal = await kept(tx, node, two)
    assert (seal.state, seal.keeper, seal.purpose) == ("active", SECOND, "本局各事项的审批决定")
    acts = await queries.acts(tx, seal.id)
    assert [(one.act, one.officer) for one in reversed(acts)] == [
        ("applied", FIRST), ("approved", SECOND), ("made", FIRST), ("offered", FIRST), ("accepted", SECOND),
    ]  # fmt: skip
    for one in acts:
        assert await tx.fetchval("SELECT 1 FROM log_leaf WHERE id = $1", one.leaf), one.act


async def test_nobody_reviews_an_own_application(tx, node, two):
    """T-57: the applicant is told that another one decides, and the row stays as it was."""
    one = await make_office.applied(tx, node, two[0], SECOND)
    with pytest.raises(FourEyes):
        await actions.review(tx, node, two[0], one.id, one.digest, agree=True)
    found = await queries.application(tx, one.id)
    assert found is not None
    assert found.state == "applied", "sealed by one"


async def test_an_application_changed_under_review_is_not_approved(tx, node, two):
    """T-57: approve changed text. The digest on the reviewer's page and the one of the row both count."""
    one = await make_office.applied(tx, node, two[0], SECOND)
    with pytest.raises(Changed):
        await actions.review(tx, node, two[1], one.id, digest(b"another"), agree=True)
    await tx.execute("UPDATE seal_application SET two_persons = NOT two_persons WHERE id = $1", one.id)
    with pytest.raises(Changed):
        await actions.review(tx, node, two[1], one.id, one.digest, agree=True)


async def test_no_seal_without_review_and_one_seal_an_application(tx, node, two):
    one = await make_office.applied(tx, node, two[0], SECOND)
    with pytest.raises(Over):
        await actions.make_applied(tx, node, two[0], one.id)
    await actions.review(tx, node, two[1], one.id, one.digest, agree=True)
    with pytest.raises(FourEyes):
        await actions.make_applied(tx, node, two[1], one.id)  # who is to keep it does not make it
    made = await actions.make_applied(tx, node, two[0], one.id)
    again = await actions.make_applied(tx, node, two[0], one.id)
    assert made.es_id == again.es_id
    assert len(await queries.custody(tx, made.id)) == 1


async def test_a_refused_application_makes_no_seal(tx, node, two):
    one = await make_office.applied(tx, node, two[0], SECOND)
    found = await actions.review(tx, node, two[1], one.id, one.digest, agree=False, reason="依据写得不对")
    assert (found.state, found.refusal) == ("refused", "依据写得不对")
    with pytest.raises(Over):
        await actions.make_applied(tx, node, two[0], one.id)


async def test_the_same_seal_twice_is_refused_with_a_word(tx, node, two):
    one = await make_office.applied(tx, node, two[0], SECOND)
    again = await actions.apply(
        tx, node, two[0], org_code=one.org_code, org_name=one.org_name, kind="approval", purpose="再来一枚", basis="渝演示 2 号", keeper=SECOND
    )
    assert isinstance(again, tuple)
    assert again[0].code == "seals.applied"
    poor = await actions.apply(tx, node, two[0], org_code="1", org_name="x", kind="approval", purpose="", basis="", keeper="")
    assert {one.field for one in poor} >= {"org_name", "org_code", "purpose", "basis", "keeper"}


async def test_a_stranger_to_seals_may_nothing(tx, node, two):
    """T-61: each verb asks for its own right."""
    seal = await kept(tx, node, two)
    nobody = await officer(tx, node, "CQ-GX-01")
    for failing in (
        make_office.applied(tx, node, nobody, SECOND), actions.suspend(tx, node, nobody, seal.id, "不该能停"),
        actions.lose(tx, node, nobody, seal.id, make_office.AT, "不该能报"), actions.hand_over(tx, node, nobody, seal.id, FIRST, "不该能交"),
        make_office.asked(tx, node, nobody, seal, b"x"),
    ):  # fmt: skip
        with pytest.raises(NotAllowed):
            await failing


async def test_hand_over_takes_both(tx, node, two):
    """Offered by the keeper, taken by the next one; in between the old keeper keeps it, and nobody else can take it."""
    first, second = two
    seal = await kept(tx, node, two)
    with pytest.raises(NotAllowed):
        await actions.hand_over(tx, node, first, seal.id, SECOND, "不是我保管的")
    turn = await actions.hand_over(tx, node, second, seal.id, FIRST, "岗位轮换交接")
    assert (await queries.seal(tx, seal.id)).keeper == SECOND
    with pytest.raises(NotAllowed):
        await actions.accept(tx, node, second, seal.id, turn.id, turn.digest)
    with pytest.raises(Changed):
        await actions.accept(tx, node, first, seal.id, turn.id, digest(b"x"))
    assert isinstance(await actions.hand_over(tx, node, second, seal.id, FIRST, "再提一次"), tuple)
    await actions.accept(tx, node, first, seal.id, turn.id, turn.digest)
    assert (await queries.seal(tx, seal.id)).keeper == FIRST
    assert [one.state for one in await queries.custody(tx, seal.id)] == ["held", "ended"]
    with pytest.raises(Over):
        await actions.accept(tx, node, first, seal.id, turn.id, turn.digest)


async def test_a_transfer_to_another_unit_asks_a_third(tx, node, two):
    """移交: giver and receiver alone cannot move a seal to another unit, also not past the verbs."""
    first, second = two
    seal = await kept(tx, node, two)
    far = msgspec.structs.replace(second, unit="另一个单位")
    turn = await actions.hand_over(tx, node, far, seal.id, FIRST, "机构调整移交")
    assert (turn.state, turn.between_units) == ("to_review", True)
    for one in (first, second):
        with pytest.raises(FourEyes):
            await actions.agree(tx, node, one, seal.id, turn.id, turn.digest)
    with pytest.raises(Over):
        await actions.accept(tx, node, first, seal.id, turn.id, turn.digest)
    with pytest.raises(asyncpg.CheckViolationError):
        async with tx.transaction():
            await tx.execute("UPDATE seal_custody SET state = 'held' WHERE id = $1", turn.id)
    await actions.agree(tx, node, make_office.elsewhere(first, "CQ-YZ-03"), seal.id, turn.id, turn.digest)
    await actions.accept(tx, node, first, seal.id, turn.id, turn.digest)
    assert (await queries.seal(tx, seal.id)).keeper == FIRST


async def test_declined_custody_stays_where_it_was(tx, node, two):
    seal = await kept(tx, node, two)
    turn = await actions.hand_over(tx, node, two[1], seal.id, FIRST, "岗位轮换交接")
    await actions.decline(tx, node, two[0], seal.id, turn.id)
    assert (await queries.seal(tx, seal.id)).keeper == SECOND


async def test_only_the_keeper_uses_a_seal_for_one(tx, node, two, ofd, pdf):
    """Every use is a row and a leaf: who, why, about what, which document before and after."""
    first, second = two
    seal = await kept(tx, node, two)
    with pytest.raises(NotAllowed):
        await make_office.asked(tx, node, first, seal, ofd)
    trusted = await queries.anchors(tx)
    for kind, document, verify in (("ofd", ofd, seals.check_ofd), ("pdf", pdf, seals.verify_pdf)):
        done = await make_office.asked(tx, node, second, seal, document)
        assert (done.state, done.format) == ("sealed", kind)
        _, sealed = await actions.request.document_of(tx, node, second, done.id, sealed=True)
        verdict = await verify(sealed, trusted)
        assert verdict.ok, verdict
        assert verdict.seals[0].es_id == seal.es_id
        assert verdict.seals[0].stamped_at == node.clock.now()
        use = await queries.use_of(tx, digest(sealed))
        assert use is not None
        assert (use.officer, use.purpose, use.about, use.digest, use.format) == (SECOND, "对外发文", "渝演示函 1 号", digest(document), kind)
        leaf = await tx.fetchrow("SELECT kind, fact FROM log_leaf WHERE id = $1", use.leaf)
        assert leaf["kind"] == "seal.used"
    assert len(await queries.uses(tx, seal.id, words="对外发文")) == 2
    assert await queries.uses(tx, seal.id, words="没有这样的用途") == ()


async def test_a_seal_for_two_needs_two(tx, node, two, ofd):
    """T-57: who asks cannot agree; the verb and the table refuse one person; what is agreed to is the very document."""
    first, second = two
    seal = await kept(tx, node, two, two_persons=True)
    with pytest.raises(SecondNeeded):
        await seals.seal_document(tx, node, seal, ofd, "决定", about="case:1", officer=FIRST)
    with pytest.raises(SecondNeeded):
        await seals.seal_document(tx, node, seal, ofd, "决定", about="case:1", officer=FIRST, second=FIRST)
    one = await make_office.asked(tx, node, first, seal, ofd)
    assert one.state == "asked"
    with pytest.raises(FourEyes):
        await actions.decide_use(tx, node, first, one.id, one.digest, agree=True)
    with pytest.raises(NotAllowed):  # neither of the two keeps it
        await actions.decide_use(tx, node, make_office.elsewhere(first, "CQ-YZ-03"), one.id, one.digest, agree=True)
    with pytest.raises(Changed):
        await actions.decide_use(tx, node, second, one.id, digest(b"other"), agree=True)
    assert not await queries.uses(tx, seal.id), "sealed by one"
    done = await actions.decide_use(tx, node, second, one.id, one.digest, agree=True)
    assert (done.state, done.second) == ("sealed", SECOND)
    [use] = await queries.uses(tx, seal.id)
    assert (use.officer, use.second, use.digest) == (FIRST, SECOND, digest(ofd))
    with pytest.raises(Over):
        await actions.decide_use(tx, node, second, one.id, one.digest, agree=True)


async def test_a_document_changed_while_it_waits_is_not_sealed(tx, node, two, ofd):
    """T-57: the bytes at the node are weighed again when the second person agrees."""
    seal = await kept(tx, node, two, two_persons=True)
    one = await make_office.asked(tx, node, two[0], seal, ofd)
    other = node.cipher.seal_bytes("staff", "seal_request.document", one.id, seals.build_ofd(make.document("另一家公司")))
    await tx.execute("UPDATE seal_request SET document = $2 WHERE id = $1", one.id, other)
    with pytest.raises(Changed):
        await actions.decide_use(tx, node, two[1], one.id, one.digest, agree=True)
    assert not await queries.uses(tx, seal.id), "sealed what nobody saw"


async def test_a_refused_use_seals_nothing(tx, node, two, ofd):
    seal = await kept(tx, node, two, two_persons=True)
    one = await make_office.asked(tx, node, two[0], seal, ofd)
    done = await actions.decide_use(tx, node, two[1], one.id, one.digest, agree=False, reason="文号不对")
    assert (done.state, done.refusal) == ("refused", "文号不对")
    assert not await queries.uses(tx, seal.id)


async def test_one_seal_serves_all_approvals_of_a_department(tx, node):
    """一枚印章管审批: decisions of two items and a licence carry one seal; a seal for two is never taken for that."""
    code = make_office.org()
    ofd = await seals.compose(make.document())
    found = [await seals.ensure_seal(tx, node, code, "重庆市演示审批局") for _ in range(3)]
    assert len({one.es_id for one in found}) == 1
    for about in ("case:a", "case:b", "credential:c"):
        await seals.seal_document(tx, node, found[0], ofd, "审批决定", about=about, officer="CQ-SP-01")
    assert {one.about for one in await queries.uses(tx, found[0].id)} == {"case:a", "case:b", "credential:c"}
    await tx.execute("UPDATE seal SET two_persons = true WHERE id = $1", found[0].id)
    with pytest.raises(seals.NoSeal):
        await seals.seal_of(tx, code)


async def test_suspended_seals_stop_and_documents_of_that_time_are_refused(tx, node, two, ofd):
    """Not usable here at once; what was sealed before holds, what claims to be sealed in that time does not; another resumes."""
    first, second = two
    seal = await kept(tx, node, two)
    before = await seals.seal_document(tx, node, seal, ofd, "决定", about="case:1", officer=SECOND)
    node.clock.move(timedelta(hours=1))
    await actions.suspend(tx, node, first, seal.id, "核对印模，先停")
    with pytest.raises(SealSuspended):
        await seals.seal_document(tx, node, seal, ofd, "决定", about="case:2", officer=SECOND)
    with pytest.raises(FourEyes):
        await actions.resume(tx, node, first, seal.id, "自己恢复")
    [period] = (await queries.anchors(tx)).periods[seal.es_id]
    assert (period.state, period.ends) == ("suspended", None)
    node.clock.move(timedelta(hours=1))
    await actions.resume(tx, node, second, seal.id, "核对完毕，恢复")
    after = await seals.seal_document(tx, node, seal, ofd, "决定", about="case:3", officer=SECOND)
    trusted = await queries.anchors(tx)
    assert seals.verify_ofd(before, trusted).ok
    assert seals.verify_ofd(after, trusted).ok
    shifted = {seal.es_id: (msgspec.structs.replace(trusted.periods[seal.es_id][0], begins=make_office.AT),)}
    refused = seals.verify_ofd(before, msgspec.structs.replace(trusted, periods=shifted))
    assert (refused.step, refused.sentence) == ("seal_validity", "盖章的时候，印章停用着")


async def test_revoked_seals_end_and_earlier_documents_say_when(tx, node, two, ofd, pdf):
    """R-410 shown by: issued, used, revoked; sealed after that is refused, sealed before holds and the time is said."""
    seal = await kept(tx, node, two)
    good = await seals.seal_document(tx, node, seal, ofd, "决定", about="case:1", officer=SECOND)
    paper = await seals.seal_pdf(tx, node, seal, pdf, "决定", about="case:1", officer=SECOND)
    node.clock.move(timedelta(hours=1))
    done = await seals.revoke_seal(tx, node, two[0], seal.id, "机构撤销")
    assert (done.state, done.end_kind) == ("revoked", "revoked")
    with pytest.raises(SealGone):
        await seals.seal_document(tx, node, seal, ofd, "决定", about="case:2", officer=SECOND)
    trusted = await queries.anchors(tx)
    for verdict in (seals.verify_ofd(good, trusted), await seals.verify_pdf(paper, trusted)):
        assert verdict.ok, verdict
        assert "以前盖的仍有效" in verdict.sentence
    gone = msgspec.structs.replace(trusted, revoked={seal.es_id: make_office.AT - timedelta(hours=3)}, periods={})
    for verdict in (seals.verify_ofd(good, gone), await seals.verify_pdf(paper, gone)):
        assert (verdict.ok, verdict.step) == (False, "seal_validity")


async def test_a_lost_seal_counts_only_with_a_stamp_from_before(tx, node, two, ofd, pdf):
    """T-57: the thief writes an earlier date; without our clock's stamp from before the loss nothing of that seal holds."""
    seal = await kept(tx, node, two)
    good = await seals.seal_document(tx, node, seal, ofd, "决定", about="case:1", officer=SECOND)
    thief = await make.thief(node, seal, ofd, node.clock.now() - timedelta(seconds=30))
    assert seals.verify_ofd(thief, await queries.anchors(tx)).ok, "as long as nobody knows of the loss"
    node.clock.move(timedelta(hours=1))
    await actions.lose(tx, node, two[1], seal.id, node.clock.now(), "密钥盘找不到了")
    trusted = await queries.anchors(tx)
    assert seals.verify_ofd(good, trusted).ok
    refused = seals.verify_ofd(thief, trusted)
    assert (refused.ok, refused.step) == (False, "time"), "a thief's earlier date was believed"
    with pytest.raises(Over):
        await actions.lose(tx, node, two[1], seal.id, node.clock.now(), "再报一次")


async def test_what_was_done_can_be_proved(tx, node, two):
    """The leaves of a seal's life are leaves of the log like any other."""
    seal = await kept(tx, node, two)
    one = (await queries.acts(tx, seal.id))[0]
    with pytest.raises(transparency.ReceiptNotReady):
        await transparency.receipt(tx, one.leaf)


@pytest.mark.parametrize(
    ("what", "statement"),
    [
        ("edited", "UPDATE seal_use SET officer = 'CQ-YZ-99'"), ("edited", "UPDATE seal_use SET second = ''"),
        ("deleted", "DELETE FROM seal_use"), ("edited", "UPDATE seal_use SET about = 'case:2'"),
    ],
)  # fmt: skip
async def test_an_operator_who_edits_the_uses_of_a_seal_is_caught(tx, node, two, ofd, what, statement):
    """R-408: the row against its leaf, and the leaf against its row; also for what the clock sealed, in nobody's name."""
    first, second = two
    seal = await kept(tx, node, two, two_persons=True)
    one = await make_office.asked(tx, node, first, seal, ofd)
    await actions.decide_use(tx, node, second, one.id, one.digest, agree=True)
    alone = await seals.ensure_seal(tx, node, "11500112MB0DEM09X2", "演示局")
    await seals.seal_document(tx, node, alone, ofd, "决定", about="case:3")
    assert await transparency.verify_records(tx, node.clock.now()) == (2, ())
    await tx.execute("ALTER TABLE seal_use DISABLE TRIGGER USER")
    await tx.execute(statement + " WHERE seal_id = $1", seal.id)
    _, found = await transparency.verify_records(tx, node.clock.now())
    assert [one.kind for one in found] == [what], "uses changed unseen"
