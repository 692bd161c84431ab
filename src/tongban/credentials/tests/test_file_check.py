"""`verifyFile`: a file is believed by its seal and by our record of having sealed it, and by nothing it says of itself (R-403, T-58)."""

from __future__ import annotations

import time

import pytest

from tongban import consent, credentials, federation, seals
from tongban.credentials import letters
from tongban.credentials.actions import file_check, papers
from tongban.credentials.model.sharing import FileChecked, LicenceRefused
from tongban.credentials.queries import credentials as queries
from tongban.credentials.tests import make
from tongban.federation.tests.make import deliver, nation
from tongban.kernel.gm import b64
from tongban.kernel.ids import uuid7
from tongban.seals import letters as seal_letters
from tongban.seals.rules import container, packing
from tongban.seals.tests import hostile
from tongban.seals.tests import make as documents

WHY = credentials.UsePurpose("窗口收到一份证照文件（演示）", "", "", "成都市政务服务大厅（演示）")


@pytest.fixture(scope="module")
async def nodes(make_node):
    async with nation(make_node, "500000", "510000", letters_too={**letters.LETTERS, **seal_letters.LETTERS}, calls=letters.CALLS) as made:
        for one in made.values():
            await seals.set_up(one)
            await credentials.set_up(one)
        await deliver(made)
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


async def test_a_revoked_licence_is_genuine_and_said_to_be_revoked(nodes, issued):
    one, ofd, _ = issued
    before = await ask(nodes, ofd)
    node = nodes["510000"]
    async with node.db.transaction() as tx:
        await credentials.revoke(tx, node, make.staff("head"), one.subject, one.id, "虚假登记")
    after = await ask(nodes, ofd)
    assert (before.state, after.genuine, after.state) == ("01", True, "03")
