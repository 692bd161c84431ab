"""Somebody closes their account (R-409, R-804, T-37, T-48): a dump from before cannot be opened, ended cases name no account, running ones go on."""

from __future__ import annotations

import asyncio
import subprocess
import uuid
from typing import Any
from urllib.parse import urlsplit, urlunsplit

import asyncpg
import msgspec
import pytest

from tongban import evidence
from tongban.cases.actions import archiving, intake
from tongban.cases.actions.leaving import cut_loose_ended
from tongban.cases.holdings import HOLDINGS
from tongban.cases.queries import mirrors, records
from tongban.cases.tests import make
from tongban.evidence.holdings import HOLDINGS as FILES
from tongban.kernel import person_keys
from tongban.kernel.gm import CannotOpen
from tongban.kernel.node import Node
from tongban.main import resealing, tasks
from tongban.main.postgres import binaries

TABLES = tuple(one.table for one in (*FILES, *HOLDINGS))
SEALED = (
    ("draft", "file", "id::text"), ("case_mirror", "form", "id::text"), ("case_mirror", "view", "id::text"), ("material", "content_key", "id::text"),
    ("material", "name", "id::text"), ("case_record", "file", "id::text"), ("case_history", "shown", "case_id || ':' || n"),
)  # fmt: skip


@pytest.fixture(scope="module")
async def here(make_node: Any) -> Node:
    return await make.ready(await make_node("500000"))


async def upload(node: Node, subject: str) -> str:
    """A photo in 我的材料 that no case uses."""
    async with node.db.transaction() as tx:
        kept = await evidence.store(tx, node, make.citizen(subject), make.upload(make.photo(99)), kind="photo")
    assert isinstance(kept, evidence.Material), kept
    return kept.id


async def left(node: Node, subject: str) -> dict[str, int]:
    """All erasers of both rooms in one transaction, then the jobs they left."""
    done: dict[str, int] = {}
    async with node.db.transaction() as tx:
        await tx.execute("SET LOCAL tongban.retention = 'on'")
        for one in (*FILES, *HOLDINGS):
            if one.erase is not None:
                done[one.table] = await one.erase(tx, node, subject)
    await wiped(node)
    return done


async def wiped(node: Node) -> None:
    async with node.db.transaction() as tx:
        for row in await tx.fetch("DELETE FROM pgqueuer WHERE entrypoint = $1 RETURNING payload", person_keys.WIPE):
            await tasks.JOBS[person_keys.WIPE](node, msgspec.json.decode(row["payload"]))


async def opens(node: Node, tx: Any, subject: str) -> dict[str, tuple[int, int]]:
    """By column: how many of the person's values open with the node's keys as they are, and how many do not."""
    node.person_keys._held.clear()
    found: dict[str, tuple[int, int]] = {}
    for table, column, place in SEALED:
        good = bad = 0
        for row in await tx.fetch(f"SELECT {place} AS place, {column} AS v FROM {table} WHERE subject = $1 AND octet_length({column}) > 0", subject):
            try:
                await node.person_keys.open(tx, f"{table}.{column}", row["place"], row["v"])
                good += 1
            except CannotOpen:
                bad += 1
        found[f"{table}.{column}"] = (good, bad)
    return found


def dumped(url: str) -> bytes:
    return subprocess.run([str(binaries() / "pg_dump"), "--format=custom", url], check=True, capture_output=True, timeout=60).stdout


def restored(dump: bytes, url: str) -> None:
    subprocess.run([str(binaries() / "pg_restore"), "--no-owner", f"--dbname={url}"], input=dump, check=True, capture_output=True, timeout=60)


async def ended(node: Node, subject: str) -> str:
    """A case that was not accepted: the shortest way to an end with a document and a history."""
    case = (await make.sent(node, make.citizen(subject))).id
    await make.act(
        node, case, intake.refuse_acceptance, make.clerk("acceptor"), reason="not_competent", reasons=make.REASONS, remedies=make.REMEDIES,
        competent_body="渝中区人社局（演示）",
    )  # fmt: skip
    return case


def _judged(before: dict[str, tuple[int, int]], after: dict[str, tuple[int, int]], his: dict[str, tuple[int, int]]) -> None:
    """What a dump from before the closing still opens: the file of the case, and everything of somebody else."""
    kept = {"case_record.file", "case_history.shown"}
    for column, (good, bad) in after.items():
        total = before[column][0]
        wanted = (total, 0) if column in kept else (2, 1) if column.startswith("material.") else (0, total)  # the notice and the file of the case
        assert (good, bad) == wanted, f"{column} of a backup: {good} open, {bad} do not"
    assert his["draft.file"] == (1, 0), "another person's backup was harmed"


async def test_t48_a_dump_from_before_the_closing_is_unreadable_and_the_archive_stays(here: Node) -> None:
    """R-409: uploads, drafts and mirrors do not open from an old backup; what the archive duty keeps opens, and names no account."""
    node, her, him = here, make.XIAOYU, make.OTHER
    case = await ended(node, her)
    await make.filled(node, make.citizen(her))
    await upload(node, her)
    held_file = await upload(node, her)
    async with node.db.transaction() as tx:  # as a case of this node takes it
        await evidence.use(tx, node, her, held_file, used_in=f"case:{case}", to=node.id)
        await tx.execute("INSERT INTO case_material (subject, case_id, code, material, round) VALUES ($1, $2, 'photo', $3, 0)", her, case, held_file)
    await make.filled(node, make.citizen(him))
    async with node.db.reading() as tx:
        before = await opens(node, tx, her)
    assert all(good and not bad for good, bad in before.values()), before
    dump = await asyncio.to_thread(dumped, node.db.url)

    done = await left(node, her)
    wanted = {"draft": 2, "material": 2, "case_mirror": 1, "case_record": 1, "person_key": 1}  # the submitted draft goes too
    assert {name: done[name] for name in wanted} == wanted
    assert not any((await left(node, her)).values()), "a second time changes nothing"

    parts = urlsplit(node.db.url)
    name = f"t_{uuid.uuid4().hex[:16]}"
    admin = await asyncpg.connect(urlunsplit(parts._replace(path="/postgres")))
    await admin.execute(f'CREATE DATABASE "{name}"')
    try:
        old_url = urlunsplit(parts._replace(path=f"/{name}"))
        await asyncio.to_thread(restored, dump, old_url)
        old = await asyncpg.connect(old_url)
        await old.set_type_codec("uuid", encoder=str, decoder=str, schema="pg_catalog", format="text")
        after, his = await opens(node, old, her), await opens(node, old, him)
        back = await node.person_keys.erased(old)
        await old.close()
        _judged(before, after, his)
        async with Node.open(msgspec.structs.replace(node.settings, database_url=old_url)) as again:
            assert await tasks.close_again(again) == 1
            assert await tasks.close_again(again) == 0
            async with again.db.reading() as tx:
                left_over = [table for table in TABLES if await tx.fetchval(f"SELECT count(*) FROM {table} WHERE subject = $1", her)]
            assert not left_over, f"back with the backup: {left_over}"
    finally:
        await admin.execute(f'DROP DATABASE "{name}" WITH (FORCE)')
        await admin.close()
    assert back == [her], "whose account was closed is found again after a restore"

    async with node.db.reading() as tx:
        for table in TABLES:
            assert await tx.fetchval(f"SELECT count(*) FROM {table} WHERE subject = $1", her) == 0, f"{table} still leads to the person"
        held = await records.held(tx, node, case)
        assert held is not None
        assert held.file.submission.evidence.acr == 3, "the file itself is not whole"
        assert len((await evidence.read(tx, node, held.subject, held_file)).content) > 100, "a file of the case does not open"
        assert [line.title for line in await records.history(tx, node, held.subject, case)], "the history is not there"
    assert await archiving.pack(node, case) is not None, "the file can still be archived"


async def test_a_running_case_goes_on_and_is_cut_loose_when_it_ends(here: Node) -> None:
    """R-409: what runs keeps its applicant; the clock cuts the link when all have ended; who comes back gets another key."""
    node, her = here, "n1" + "d" * 32
    case = (await make.sent(node, make.citizen(her))).id
    assert (await left(node, her))["case_record"] == 1
    await cut_loose_ended(node)
    assert (await make.held(node, case)).subject == her, "a running case lost its applicant"
    async with node.db.transaction() as tx:
        first = await tx.fetchval("SELECT id FROM person_key WHERE subject = $1 AND purpose = 'file'", her)
        sealed = await node.person_keys.seal(tx, her, "file", "a.b", "1", b"x")
        assert uuid.UUID(bytes=sealed[2:18]) != uuid.UUID(first), "who comes back is sealed under the key of who left"
    await make.act(
        node, case, intake.refuse_acceptance, make.clerk("acceptor"), reason="not_competent", reasons=make.REASONS, remedies=make.REMEDIES,
        competent_body="渝中区人社局（演示）",
    )  # fmt: skip
    await cut_loose_ended(node)
    loose = await make.held(node, case)
    assert loose.subject.startswith("x")
    async with node.db.reading() as tx:
        assert await tx.fetchval("SELECT subject FROM person_key WHERE id = $1", first) == loose.subject
        assert await tx.fetchval("SELECT count(*) FROM person_key WHERE subject = $1", her) == 0, "a key of who left is left"
        assert len(await records.history(tx, node, loose.subject, case)) > 1, "a line of the file does not open"
        assert await tx.fetchval("SELECT count(*) FROM case_history WHERE subject = $1", her) == 0


async def test_values_from_before_get_under_the_persons_key_and_keys_turn_below(here: Node) -> None:
    """R-801: rows under the key group open, are sealed anew by the clock, history too; a rotation turns the halves with no read lost."""
    node, her = here, "n1" + "e" * 32
    case = (await make.sent(node, make.citizen(her))).id
    async with node.db.transaction() as tx:
        await tx.execute("SET LOCAL session_replication_role = replica")  # as rows stood before: the history would refuse the way back
        for table, column, place in SEALED:
            for row in await tx.fetch(f"SELECT {place} AS place, {column} AS v FROM {table} WHERE subject = $1 AND {column} <> ''", her):
                plain = await node.person_keys.open(tx, f"{table}.{column}", row["place"], row["v"])
                old = node.cipher.seal_bytes("case", f"{table}.{column}", row["place"], plain)
                await tx.execute(f"UPDATE {table} SET {column} = $1 WHERE subject = $2 AND {place} = $3", old, her, row["place"])
    assert (await make.mirror(node, case, her)).submission.evidence.acr == 3, "an old row does not open"
    assert await person_keys.seal_all_old(node.db, node.person_keys) >= 4
    async with node.db.reading() as tx:
        for table, column, _ in SEALED:
            assert await tx.fetchval(f"SELECT bool_and(substring({column} FROM 1 FOR 2) = '\\x0000') FROM {table} WHERE {column} <> ''") in (True, None), table
    turned = await resealing.rotate(node, "case")
    assert turned.failed == 0
    async with node.db.reading() as tx:
        assert await tx.fetchval("SELECT bool_and(substring(half FROM 1 FOR 2) = $1) FROM person_key", turned.version.to_bytes(2, "big"))
        assert all(not bad for _, bad in (await opens(node, tx, her)).values())


async def test_a_key_follows_its_person_and_is_not_forgotten_while_something_is_sealed(here: Node) -> None:
    """R-304, R-409: after a change of number everything opens; two first values at once make one key; forgetting waits for a writer."""
    from tongban.identity.actions import following

    node, old, new = here, "n1" + "f" * 32, "n1" + "0" * 32
    draft = await make.filled(node, make.citizen(old))
    async with node.db.transaction() as tx:
        await following.call_followers(tx, node, old, new)
        await following.rewrite_rows(tx, old, new)
    node.person_keys._held.clear()
    async with node.db.transaction() as tx:
        found = await mirrors.draft(tx, node, new, draft)
        assert found is not None
        assert await node.person_keys.forget(tx, new) == 0, "a key in use was forgotten"

    async def first(subject: str) -> bytes:
        async with node.db.transaction() as tx:
            return await node.person_keys.seal(tx, subject, "own", "a.b", "1", b"x")

    sealed = await asyncio.gather(*(first("n1" + "9" * 32) for _ in range(4)))
    assert len({one[2:18] for one in sealed}) == 1

    async with node.db.transaction() as writing:
        await node.person_keys.seal(writing, "n1" + "9" * 32, "own", "a.b", "1", b"x")

        async def forget() -> int:
            async with node.db.transaction() as tx:
                return await node.person_keys.forget(tx, "n1" + "9" * 32)

        waiting = asyncio.create_task(forget())
        done, _ = await asyncio.wait({waiting}, timeout=0.3)
        assert not done, "a key was forgotten under a writer's hands"
    assert await waiting == 1


async def test_a_key_needs_both_halves(here: Node) -> None:
    """T-37: the row of a dump alone opens nothing, nor do the halves of another place."""
    node, her = here, "n1" + "7" * 32
    async with node.db.transaction() as tx:
        sealed = await node.person_keys.seal(tx, her, "own", "a.b", "1", b"x")
        await node.person_keys.seal(tx, her, "file", "a.b", "1", b"x")
        node.person_keys._held.clear()
        assert await node.person_keys.open(tx, "a.b", "1", sealed) == b"x"
        for column, row in (("a.c", "1"), ("a.b", "2")):
            with pytest.raises(CannotOpen):
                await node.person_keys.open(tx, column, row, sealed)
        other = await tx.fetchval("SELECT place FROM person_key WHERE subject = $1 AND purpose = 'file'", her)
        await tx.execute("UPDATE person_key SET place = $2 WHERE subject = $1 AND purpose = 'own'", her, other)
        node.person_keys._held.clear()
        opened = True
        try:
            await node.person_keys.open(tx, "a.b", "1", sealed)
        except CannotOpen:
            opened = False
        assert not opened, "one half opens"
