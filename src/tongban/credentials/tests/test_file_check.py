"""`verifyFile`: a file is believed by its seal and by our record of having sealed it, and by nothing it says of itself (R-403, T-58)."""

from __future__ import annotations

import time

import pytest

from tongban import consent, credentials, federation, seals
from tongban.credentials.actions import file_check, file_desk, papers
from tongban.credentials.model.sharing import FileChecked, LicenceRefused
from tongban.credentials.queries import credentials as queries
from tongban.credentials.tests import make
from tongban.credentials.tests.test_doors import browser, send
from tongban.kernel.gm import b64
from tongban.kernel.ids import uuid7
from tongban.seals.rules import container, packing
from tongban.seals.tests import hostile
from tongban.seals.tests import make as documents

PAGE = "/staff/licences/check"
WHY = credentials.UsePurpose("窗口收到一份证照文件（演示）", "", "", "成都市政务服务大厅（演示）")


@pytest.fixture(scope="module")
async def nodes(make_node):
    async with make.two_homes(make_node) as made:
        yield made


@pytest.fixture(scope="module")
async def issued(nodes):
    node = nodes["510000"]
    async with node.db.transaction() as tx:
        one = await make.licence(tx, node, home="510000")
        ofd = await queries.issued_ofd(tx, node, one.subject, one.id)
    await papers.make_pdf(node, {"subject": one.subject, "credential": str(one.id)})
    async with node.db.reading() as tx:
        pdf = await papers._made(tx, node, one.subject, str(one.id))
    return one, ofd, pdf


async def ask(nodes, file, asker="500000"):
    return await credentials.check_file(nodes[asker], make.staff(), issuer="510000", file=file, purpose=WHY)


async def test_a_genuine_file_is_known_with_its_state_and_both_ends_write_it_down(nodes, issued):
    one, ofd, pdf = issued
    for file in (ofd, pdf):
        got = await ask(nodes, file)
        assert isinstance(got, FileChecked), got
        assert (got.seal_holds, got.genuine, got.type_name, got.state) == (True, True, "营业执照", "01")
        assert got.identifier == one.identifier
    async with nodes["510000"].db.reading() as tx:
        lines = await consent.lines(tx, "510000", one.subject)
        theirs = await tx.fetch("SELECT digest FROM credential_use WHERE service = $1 AND side = 'owner' ORDER BY at", file_check.VERIFY_FILE)
    async with nodes["500000"].db.reading() as tx:
        ours = await tx.fetch("SELECT digest FROM credential_use WHERE service = $1 AND side = 'caller' ORDER BY at", file_check.VERIFY_FILE)
    assert sum("证照文件是不是真的、现在的状态" in line.fields for line in lines) == 2
    assert [row["digest"] for row in ours] == [row["digest"] for row in theirs]


async def test_what_was_touched_or_sealed_for_another_matter_tells_no_state(nodes, issued):
    """A changed byte, a genuine seal over another document, somebody else's file: no type, no state, no name."""
    _, ofd, _ = issued
    node = nodes["510000"]
    page = "Doc_0/Pages/Page_0/Content.xml"
    files = container.unpack(ofd)
    changed = packing.zip_of(files | {page: files[page].replace("演示科技".encode(), "演示科枝".encode())})
    async with node.db.transaction() as tx:
        seal = await seals.ensure_seal(tx, node, make.OFFICE_VALID.org_code, make.OFFICE_VALID.org_name)
        other = await seals.seal_document(tx, node, seal, await seals.compose(documents.document()), "审批决定", about="case:1")
        repacked = packing.zip_of(files, 9)  # the same contents in other bytes: not what we gave out
    for file, holds in ((changed, False), (other, True), (repacked, True)):
        got = await ask(nodes, file)
        assert isinstance(got, FileChecked), got
        assert (got.seal_holds, got.genuine) == (holds, False)
        assert (got.type_name, got.identifier, got.state) == ("", "", ""), "a state was told of a file that is not ours"
        assert bool(got.step) is not holds


async def test_hostile_files_are_refused_and_the_node_lives(nodes):
    """T-58: bombs, `..`, duplicate names, entities, scripts, files nobody refers to: an answer, no error, no state, quickly."""
    started = time.process_time()
    for name, file in {**hostile.ofds(), **hostile.pdfs()}.items():
        got = await ask(nodes, file, asker="510000")
        assert isinstance(got, FileChecked | LicenceRefused), name
        if isinstance(got, FileChecked):
            assert (got.seal_holds, got.genuine, got.state) == (False, False, ""), f"opened {name}"
            assert got.step in {"container", "format"}, name
    assert time.process_time() - started < 20, "takes long"


async def test_no_file_no_reason_or_too_much_is_malformed(nodes, issued):
    _, ofd, _ = issued
    node = nodes["500000"]
    good = {"id": uuid7(), "at": node.clock.ms(), "who": "演示窗口", "reason": "核验", "file": b64(ofd), "v": 1}
    for wrong in ({"file": ""}, {"file": "§"}, {"reason": ""}, {"file": None}):
        with pytest.raises(federation.CallRefused) as no:
            await federation.call(node, "510000", file_check.VERIFY_FILE, {**good, "id": uuid7(), **wrong})
        assert no.value.problem == "malformed"
    assert isinstance(await ask(nodes, b"x" * (file_check.LARGEST + 1)), LicenceRefused)


async def test_the_desk_says_in_plain_words_what_a_file_is_worth(nodes, issued, monkeypatch):
    """R-403, T-58: a clerk of another province chooses a file: genuine, sealed for another matter, touched, its issuer away; the holder sees the check."""
    one, ofd, pdf = issued
    node, owner = nodes["500000"], nodes["510000"]
    clerk = make.staff("w1", "credentials.check_file")
    async with owner.db.transaction() as tx:
        seal = await seals.ensure_seal(tx, owner, make.OFFICE_VALID.org_code, make.OFFICE_VALID.org_name)
        other = await seals.seal_document(tx, owner, seal, await seals.compose(documents.document()), "审批决定", about="case:1")
    call = federation.call
    asked = []

    async def listening(*args, **more):
        asked.append(args[1])
        return await call(*args, **more)

    monkeypatch.setattr(federation, "call", listening)
    async with browser(node, clerk) as client:

        async def hand_in(file, reason="窗口收件，核对营业执照（演示）"):
            return await send(client, PAGE, PAGE, {"reason": reason}, files={"file": ("执照（演示）.ofd", file, "application/ofd")})

        for file in (ofd, pdf):
            page = (await hand_in(file)).text
            for word in ("是真的，现在有效", "营业执照", one.identifier, "四川省"):
                assert word in page, word
            assert make.COMPANY["company_name"] not in page, "what stands on it is read from the file, not told by us"
        page = (await hand_in(other)).text
        assert "不是证照" in page
        assert one.identifier not in page
        assert set(asked) == {"510000"}
        asked.clear()
        page = (await hand_in(ofd[:-200] + bytes(200))).text
        assert "不能收" in page
        assert not asked, "a file that does not hold goes nowhere"
        for file, reason, words in ((b"", "核对", "选一份证照文件"), (ofd, " ", "写清为什么要验"), (b"x" * (file_check.LARGEST + 1), "核对", "最大 5 MB")):
            answer = await hand_in(file, reason)
            assert (answer.status_code, words in answer.text) == (422, True), words

        async def away(*_args, **_more):
            raise federation.CallFailed("unreachable", retryable=True)

        monkeypatch.setattr(federation, "call", away)
        page = (await hand_in(ofd)).text
        assert "现在不能确认" in page
    async with owner.db.reading() as tx:
        lines = await consent.lines(tx, "510000", one.subject)
    assert [line.who for line in lines if line.purpose == "窗口收件，核对营业执照（演示）"] == ["渝中区政务服务大厅"] * 2
    async with browser(node, make.staff("w2", "cases.see")) as client:
        assert (await client.get(PAGE)).status_code == 403
        assert (await client.post(PAGE, data={"reason": "核对"})).status_code == 403


async def test_a_revoked_licence_is_genuine_and_said_to_be_revoked(nodes, issued):
    one, ofd, _ = issued
    before = await ask(nodes, ofd)
    node = nodes["510000"]
    async with node.db.transaction() as tx:
        await credentials.revoke(tx, node, make.staff("head"), one.subject, one.id, "虚假登记")
    after = await ask(nodes, ofd)
    assert (before.state, after.genuine, after.state) == ("01", True, "03")
    judged = await file_desk.judge_file(nodes["500000"], make.staff(), file=ofd, reason="核对")
    assert (judged.kind, judged.told.state_words) == ("ended", after.state_words)
