"""A real case from its decision to the archive and out of this house (R-407, R-804; T-48): packed, judged, handed over, cleared."""

from __future__ import annotations

import asyncio
import shutil
import subprocess
import sys
from datetime import timedelta
from pathlib import Path
from typing import Any

import msgspec
import pytest

from tongban import evidence, identity, transparency
from tongban.cases.actions import archiving, closing, intake
from tongban.cases.model import Case
from tongban.cases.tests import make
from tongban.evidence.actions import clear, finish, hand_over
from tongban.evidence.queries import archives as looking
from tongban.evidence.rules.limits import ARCHIVING
from tongban.evidence.tests.make import whole
from tongban.identity.queries.proposals import proposal
from tongban.kernel.actor import Actor, Assignment
from tongban.kernel.clock import SetClock
from tongban.kernel.errors import Failure, NotAllowed
from tongban.kernel.gm import Sm2PrivateKey, Sm2PublicKey, b64, raw_to_der
from tongban.kernel.node import Node

DOCS = Path(__file__).resolve().parents[4] / "docs"


def archivist(number: str, division: str = "500000") -> Actor:
    actions = frozenset(make.roles()["archivist"]["actions"])
    return Actor(kind="staff", subject=f"s1{number}", staff_id=number, unit="档案岗（演示）", assignments=(Assignment("archivist", actions, division, ""),))


def judged(folder: Path, package: bytes, key: str) -> tuple[int, str]:
    for name in ("check_archive.py", "check_receipt.py"):
        shutil.copy(DOCS / name, folder / name)
    (folder / "p.zip").write_bytes(package)
    command = [sys.executable, "-I", "-S", str(folder / "check_archive.py"), str(folder / "p.zip"), "--key", key]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)
    return done.returncode, done.stdout + done.stderr


async def settled(node: Node) -> str:
    """Every leaf in a signed head; the fingerprint of the key that signed it."""
    async with node.db.transaction() as tx:
        # the database's clock did not move with the node's: the leaves get the times of what they stand for, before they have a place
        for source, leaf, at in (("case_history", "leaf", "at"), ("archive", "leaf::text", "made_at")):
            await tx.execute(
                f"UPDATE log_leaf l SET at_ms = extract(epoch FROM s.{at}) * 1000 FROM {source} s, log_pending p"
                f" WHERE s.{leaf} = l.id::text AND p.leaf_id = l.id"
            )
        while await transparency.sequence(tx):
            pass
        await transparency.sign_head(tx, node)
        head = await transparency.head(tx)
        assert head is not None
        await tx.execute("UPDATE archive SET made_at = made_at - interval '10 minutes' WHERE state = 'waiting'")
    return Sm2PublicKey.from_spki(head.key).fingerprint.hex()


@pytest.fixture(scope="module")
async def here(make_node: Any) -> tuple[Node, SetClock]:
    clock = SetClock(make.WEDNESDAY)
    return await make.ready(await make_node("500000", clock=clock)), clock


async def code_of(awaited: Any) -> str:
    with pytest.raises(Failure) as failure:
        await awaited
    return failure.value.failure_code


async def test_a_closed_case_leaves_the_house_whole_and_nothing_of_it_stays(here: tuple[Node, SetClock], tmp_path: Path) -> None:
    node, clock = here
    case = await make.brought(node, "delivered")
    assert await archiving.pack(node, case.id) is None  # it still runs
    clock.move(timedelta(days=31))
    await closing.close(node)
    await archiving.archive_ended(node)
    await archiving.archive_ended(node)
    async with node.db.reading() as tx:
        made = await looking.archive_of(tx, case.id)
        assert await tx.fetchval("SELECT count(*) FROM archive") == 1
    assert made is not None
    key = await settled(node)
    assert await finish(node) == 1
    async with node.db.reading() as tx:
        package = await whole(await looking.package(tx, node, made.id))
    code, said = await asyncio.to_thread(judged, tmp_path, package, key)
    assert code == 0, said
    assert case.number in said

    # two archivists, a receiver with a key of its own
    one, two, stranger = archivist("CQ-DA-01"), archivist("CQ-DA-02"), archivist("SC-DA-01", "510000")
    receiver = Sm2PrivateKey.generate()
    pem = b64(receiver.public.spki)
    async with node.db.transaction() as tx:
        assert await code_of(hand_over.take(tx, node, one, made.id)) == "evidence.not_approved", "package left without a hand-over"
        assert await code_of(hand_over.propose(tx, node, stranger, [made.id], receiver="市档案馆", key=pem)) == "evidence.no_such_archive"
        refused = await hand_over.propose(tx, node, one, [made.id], receiver="", key="x")
        assert isinstance(refused, tuple)
        assert {refusal.field for refusal in refused} == {"receiver", "key"}
        batch = await hand_over.propose(tx, node, one, [made.id], receiver="市档案馆（演示）", key=pem)
        assert isinstance(batch, evidence.Batch)
    async with node.db.transaction() as tx:
        waiting = await proposal(tx, batch.proposal)
        assert waiting is not None
        assert await code_of(identity.approve(tx, node, one, waiting.id, waiting.digest)) == "identity.four_eyes", "handed over by one"
        assert await code_of(hand_over.take(tx, node, one, made.id)) == "evidence.not_approved", "package left before the second pair of eyes"
    async with node.db.transaction() as tx:
        with pytest.raises(NotAllowed):
            await identity.approve(tx, node, stranger, waiting.id, waiting.digest)
        await identity.approve(tx, node, two, waiting.id, waiting.digest)
    async with node.db.transaction() as tx:
        lines = await tx.fetchval("SELECT count(*) FROM access_record WHERE subject = $1", case.subject)
        kin = msgspec.structs.replace(one, kin=frozenset({case.subject}))
        assert await code_of(hand_over.take(tx, node, kin, made.id)) == "identity.not_allowed", "took the file of the own family"
        assert await whole(await hand_over.take(tx, node, one, made.id)) == package
        read = await tx.fetchrow("SELECT staff, ref FROM access_reason WHERE subject = $1 AND kind = 'archive'", case.subject)
        assert read is not None, "a reading is missing in the auditors' register"
        assert (read["staff"], str(read["ref"])) == (one.subject, made.id)
        assert await tx.fetchval("SELECT count(*) FROM access_record WHERE subject = $1", case.subject) == lines + 1, "taken without a ledger line"
        found = await looking.batch(tx, batch.id)
        assert found is not None
        signed = await hand_over.to_sign(tx, found)
        wrong = await hand_over.take_receipt(tx, node, one, batch.id, Sm2PrivateKey.generate().sign(signed))
        assert isinstance(wrong, tuple), "foreign receipt taken"
        done = await hand_over.take_receipt(tx, node, one, batch.id, raw_to_der(receiver.sign(signed)))
        assert isinstance(done, evidence.Batch)
        assert await hand_over.take_receipt(tx, node, one, batch.id, b"") == done  # once is enough
    assert done.state == "received"

    # the term after hand-over: nothing before, everything after
    assert await clear(node) == 0
    clock.move(timedelta(days=31))
    assert await clear(node) == 1
    async with node.db.reading() as tx:
        for table, column in (("case_record", "id"), ("case_history", "case_id"), ("case_clock", "case_id"), ("case_material", "case_id"),
                              ("case_document", "case_id"), ("case_standing", "case_id"), ("case_mirror", "id")):  # fmt: skip
            assert await tx.fetchval(f"SELECT count(*) FROM {table} WHERE {column} = $1", case.id) == 0, f"still readable in {table}"
        assert await tx.fetchval("SELECT count(*) FROM material WHERE subject = $1 AND origin = 'document'", case.subject) == 0
        ((kept, where),) = await looking.archives_of_person(tx, case.subject)
        assert (kept.state, where, kept.number) == ("cleared", "市档案馆（演示）", case.number)  # the link remains
        assert await code_of(looking.package(tx, node, made.id)) == "evidence.content_away"
        assert await tx.fetchval("SELECT count(*) FROM message WHERE subject = $1 AND kind = 'archive.cleared'", case.subject) == 1
        kinds = {row["kind"] for row in await tx.fetch("SELECT kind FROM log_leaf WHERE kind LIKE 'archive.%'")}
    assert kinds == {"archive.packed", "archive.handed_over", "archive.cleared"}


async def test_history_is_deleted_by_retention_only(here: tuple[Node, SetClock]) -> None:
    """The trigger of the history lets a hand-over's retention pass and nothing else, and never an edit."""
    import asyncpg

    node, _ = here
    case = await make.brought(node, "received")
    for statement in ("DELETE FROM case_history WHERE case_id = $1", "UPDATE case_history SET title = 'x' WHERE case_id = $1"):
        async with node.db.transaction() as tx:
            with pytest.raises(asyncpg.RaiseError):
                await tx.execute(statement, case.id)
    async with node.db.transaction() as tx:
        await tx.execute("SET LOCAL tongban.retention = 'on'")
        with pytest.raises(asyncpg.RaiseError):
            await tx.execute("UPDATE case_history SET title = 'x' WHERE case_id = $1", case.id)


async def test_a_refused_hand_over_gives_the_packages_back(here: tuple[Node, SetClock]) -> None:
    node, clock = here
    case = await make.brought(node, "delivered")
    clock.move(timedelta(days=31))
    await closing.close(node)
    made = await archiving.pack(node, case.id)
    assert made is not None
    await settled(node)
    await finish(node)
    async with node.db.transaction() as tx:
        batch = await hand_over.propose(tx, node, archivist("CQ-DA-01"), [made.id], receiver="市档案馆（演示）", key=b64(Sm2PrivateKey.generate().public.spki))
        assert isinstance(batch, evidence.Batch)
        assert await hand_over.give_back(tx, node) == 0
    clock.move(timedelta(days=8))
    async with node.db.transaction() as tx:
        assert await hand_over.give_back(tx, node) == 1
        found = await looking.archive(tx, made.id)
        assert found is not None
        assert (found.state, found.batch) == ("packed", None)
        anew = await hand_over.propose(tx, node, archivist("CQ-DA-01"), [made.id], receiver="市档案馆（演示）", key=b64(Sm2PrivateKey.generate().public.spki))
        assert isinstance(anew, evidence.Batch)
        waiting = await proposal(tx, anew.proposal)
        assert waiting is not None
        await identity.approve(tx, node, archivist("CQ-DA-02"), waiting.id, waiting.digest)
    clock.move(timedelta(days=ARCHIVING.receipt_days - 1))
    async with node.db.transaction() as tx:
        assert await hand_over.give_back(tx, node) == 0
    clock.move(timedelta(days=2))
    async with node.db.transaction() as tx:
        assert await hand_over.give_back(tx, node) == 1, "a receiver that never signs keeps the package for ever"
        assert await code_of(hand_over.take(tx, node, archivist("CQ-DA-01"), made.id)) == "evidence.not_approved"


async def test_a_case_that_goes_on_after_its_end_has_no_package_and_keeps_its_file(here: tuple[Node, SetClock], monkeypatch: pytest.MonkeyPatch) -> None:
    """Lapsed, packed, even handed over, and then put back: nothing of the running case goes, and its package is made of its whole file."""
    node, clock = here
    case = await make.brought(node, "to_correct")
    started = clock.now()
    clock.move(timedelta(days=70))
    await closing.lapse(node)
    made, other = await archiving.pack(node, case.id), await archiving.pack(node, (await lapsed(node, clock)).id)
    assert made is not None
    assert other is not None
    await settled(node)
    await finish(node)
    async with node.db.transaction() as tx:
        receiver = b64(Sm2PrivateKey.generate().public.spki)
        batch = await hand_over.propose(tx, node, archivist("CQ-DA-01"), [made.id, other.id], receiver="市档案馆（演示）", key=receiver)
        assert isinstance(batch, evidence.Batch)
    back = await make.act(node, case.id, intake.reinstate, make.clerk("acceptor"), reason="停电那天算错了")
    assert back.state == "received"
    async with node.db.transaction() as tx:
        assert await looking.archive_of(tx, case.id) is None, "a package without the steps that follow"
        fallen, left = await looking.batch(tx, batch.id), await looking.archive(tx, other.id)
        assert (fallen and fallen.state, left and left.state) == ("dropped", "packed")
        assert await tx.fetchval("SELECT count(*) FROM pgqueuer WHERE entrypoint = 'evidence.drop'") > 0
        # as if the other case's package had been handed over long ago and its case were put back then
        await tx.execute("UPDATE archive SET state = 'handed_over', handed_over_at = $2 WHERE id = $1", other.id, clock.now() - timedelta(days=40))
    await make.act(node, other.case_id, intake.reinstate, make.clerk("acceptor"), reason="停电那天算错了")
    assert await clear(node) == 0
    assert (await make.held(node, other.case_id)).state == "received", "a running case was deleted"
    await make.act(
        node, case.id, intake.refuse_acceptance, make.clerk("acceptor"), reason="not_competent", competent_body="江北区分局", reasons=make.REASONS,
        remedies=make.REMEDIES,
    )  # fmt: skip
    clock.move(timedelta(days=61))
    async with node.db.transaction() as tx:  # a case that nobody can read comes first, and keeps no other waiting
        broken = "UPDATE case_record SET state = 'closed', file = '\\x00'::bytea, changed_at = changed_at - interval '9 days' WHERE id = $1"
        await tx.execute(broken, other.case_id)
    monkeypatch.setattr(archiving, "BATCH", 1)
    for _ in range(3):
        await archiving.archive_ended(node)
    async with node.db.reading() as tx:
        anew = await looking.archive_of(tx, case.id)
    assert anew is not None, "never packed again"
    assert anew.digest != made.digest
    clock.move(started - clock.now())


async def lapsed(node: Node, clock: SetClock) -> Case:
    case = await make.brought(node, "to_correct")
    clock.move(timedelta(days=70))
    await closing.lapse(node)
    return case
