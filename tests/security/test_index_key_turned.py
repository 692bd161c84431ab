"""The index key turns and nobody is lost (R-801, T-46, adr/0015): every number, phone, old pseudonym and home is found at every
moment, cut off or not; nothing stands under the old key afterwards, and nothing can be written or doubled between the two."""

from __future__ import annotations

import asyncio
import subprocess
import sys
from datetime import date, timedelta
from typing import Any

import asyncpg
import msgspec
import pytest

from tongban.identity.actions import introduce, sign_in, subjects
from tongban.identity.actions.closing import staff_too
from tongban.identity.providers.register import DemoRegister, NewEntry, enter
from tongban.identity.queries import persons
from tongban.identity.queries.staff import linked_subject
from tongban.identity.tasks import link_staff
from tongban.kernel.gm import BadKey, FieldCipher, FileKeyStore
from tongban.kernel.gm.index_keys import InUse
from tongban.kernel.node import Node
from tongban.kernel.tests.make_holdings import put
from tongban.main import check, keeping, reindexing, rooms

from .make_town import (
    BROWSER,
    DAYS,
    HALF_A_MINUTE,
    PEOPLE,
    all_lost,
    clerk_of,
    lost,
    number_of,
    old_of,
    phone_of,
    resident,
    subject_of,
    under,
)


async def let_pass(node: Node) -> None:
    """What the retention clock does to rows that pass."""
    async with node.db.transaction() as tx:
        for one in rooms.indexes():
            if one.passes is not None:
                await tx.execute(f"DELETE FROM {one.table}")


async def nowhere(_: Any) -> list[Any]:
    return []


@pytest.fixture
async def town(make_node: Any, set_clock: Any, monkeypatch: Any) -> Node:
    """A node with people, and nobody beside it; the clock stands still."""
    monkeypatch.setattr(introduce, "places", nowhere)
    node: Node = await make_node("500000", clock=set_clock)
    async with node.db.transaction() as tx:
        for one in range(PEOPLE):
            await resident(tx, node, one)
        await put(tx, "match_asked", {"node": "510000", "bi_number": persons.number_index(node, number_of(1)), "wrong": 2})
        case = "20260001"
        await put(tx, "review", {"level": 5, "service_key": node.cipher.linked_marks("review.service_key", f"{case}|1")[0]})
    await reindexing.go_on(node)
    return node


async def test_everybody_is_found_while_the_key_turns_and_nothing_needs_the_old_one_afterwards(town: Node, monkeypatch: Any) -> None:
    monkeypatch.setattr(reindexing, "_BATCH", 4)
    clock: Any = town.clock
    assert await all_lost(town) == {}
    assert await reindexing.begin(town) == await reindexing.begin(town) == 2
    assert (await reindexing.go_on(town)).step == "announced"
    assert (await under(town, 2), await all_lost(town)) == ({}, {})
    clock.move(HALF_A_MINUTE)
    write, looked, failed = reindexing._write, 0, []

    async def while_somebody_looks(*batch: Any) -> tuple[int, int]:
        """Between reading a batch and writing it, and again before the batch is committed."""
        nonlocal looked
        for _ in range(2):
            async with town.db.transaction() as other:
                failed.extend(await lost(other, town, looked % PEOPLE))
            looked += 1
        done = await write(*batch)
        async with town.db.transaction() as other:
            failed.extend(await lost(other, town, looked % PEOPLE))
        return done

    monkeypatch.setattr(reindexing, "_write", while_somebody_looks)
    found = await reindexing.go_on(town)
    assert looked >= 2 * PEOPLE
    assert not failed, f"not found while the key turned: {', '.join(sorted(set(failed)))}"
    assert (found.step, found.failed, found.searched) == ("written", 0, (2, 1))
    assert found.done_rows == 6 * PEOPLE + PEOPLE // 3 + 1 - 2, "account, person, register, home twice, old pseudonym; clerks, two with their person; a review"
    assert {one.name for one in found.left} == {"demo_sms.bi_phone", "match_asked.bi_number"}, "rows that pass stay where they are"
    assert await all_lost(town) == {}
    clock.move(DAYS)
    await let_pass(town)
    found = await reindexing.go_on(town)
    assert (found.step, found.searched, await under(town, 1)) == ("done", (2,), {})
    assert await all_lost(town, texts=False) == {}
    async with town.db.reading() as tx:
        assert await tx.fetchval("SELECT count(*) FROM log_leaf WHERE kind = 'keys.index_turned'") == 1


async def test_numbers_and_phones_are_found_without_the_old_key(town: Node) -> None:
    """Only what leads on from the old key still needs it, and a lost one is said: none is made in its place."""
    await turned(town)
    folder = town.settings.data_dir / "keys"
    (folder / "index.secret").rename(folder / "away")
    fresh = Node(town.settings, town.db, FileKeyStore(folder, town.id), clock=town.clock)
    async with town.db.reading() as tx:
        assert (await persons.person_by_number(tx, fresh, number_of(3))) is not None
        assert (await sign_in._account(tx, fresh, "phone", phone_of(3), BROWSER))["subject"] == subject_of(3)
        assert await DemoRegister().look(tx, fresh, doctype="111", number=number_of(3), name="演示人")
        with pytest.raises(BadKey):
            await persons.current_subject(tx, fresh, old_of(3))
    assert not (folder / "index.secret").exists()


async def turned(node: Node) -> None:
    clock: Any = node.clock
    await reindexing.begin(node)
    for _ in range(3):
        clock.move(HALF_A_MINUTE)
        await reindexing.go_on(node)
        await let_pass(node)
        clock.move(timedelta(minutes=11))
    assert (await reindexing.standing(node)).over


async def test_a_rotation_that_was_killed_goes_on_where_it_was(town: Node, tmp_path: Any) -> None:
    """kill -9 in the middle of the rows: some stand under each key, everybody is found, and the next turn of the clock ends it."""
    await reindexing.begin(town)
    town.clock.move(HALF_A_MINUTE)  # type: ignore[attr-defined]
    (tmp_path / "settings.json").write_bytes(msgspec.json.encode(town.settings, enc_hook=str))
    dies = (
        "import asyncio, msgspec, os, signal, sys\nfrom datetime import datetime, UTC, timedelta\nfrom pathlib import Path\n"
        "from tongban.kernel.clock import SetClock\nfrom tongban.kernel.node import Node\nfrom tongban.kernel.settings import Settings\n"
        "from tongban.main import reindexing\n"
        "reindexing._BATCH, write, done = 4, reindexing._write, []\n"
        "async def some(*args):\n    done.append(1)\n    return await write(*args) if len(done) < 7 else os.kill(os.getpid(), signal.SIGKILL)\n"
        "reindexing._write = some\n"
        "async def main():\n"
        f"    settings = msgspec.json.decode(Path({str(tmp_path / 'settings.json')!r}).read_bytes(), type=Settings, dec_hook=lambda kind, one: kind(one))\n"
        f"    async with Node.open(settings, clock=SetClock(datetime.fromisoformat({town.clock.now().isoformat()!r}))) as node:\n"
        "        await reindexing.go_on(node)\nasyncio.run(main())\n"
    )
    ended = await asyncio.to_thread(subprocess.run, [sys.executable, "-c", dies], capture_output=True, check=False)
    assert ended.returncode == -9, ended.stderr.decode()[-600:]
    one, two = await under(town, 1), await under(town, 2)
    assert two
    assert one.keys() & two.keys(), f"killed between two tables: {one} {two}"
    assert await all_lost(town) == {}
    async with town.db.transaction() as tx:
        await resident(tx, town, PEOPLE)
    assert (await reindexing.go_on(town)).failed == 0
    assert (await under(town, 1)).keys() <= {"demo_sms.bi_phone", "match_asked.bi_number", "login_tx.bi_phone"}
    assert await all_lost(town) == {}


async def test_one_value_stands_once_whoever_writes_it_under_which_key(town: Node, monkeypatch: Any) -> None:
    """T-32: two that register the same number while the key turns, one by the old key and one by the new, are one row."""
    await reindexing.begin(town)
    town.clock.move(HALF_A_MINUTE)  # type: ignore[attr-defined]
    monkeypatch.setattr(reindexing, "_take_over", _nothing)
    await reindexing.go_on(town)
    late = Node(town.settings, town.db, FileKeyStore(town.settings.data_dir / "keys", town.id), clock=town.clock)
    monkeypatch.setattr(late.keys.indexes, "in_use", lambda: InUse(1, (2, 1)))
    for one in (*range(3), PEOPLE + 1):  # people from before, and somebody new
        for write in (_entered, _remembered, _another_name):  # each by itself: a row one waits for would part the two at the next
            async with asyncio.TaskGroup() as both:
                for node in (late, town):
                    both.create_task(_again(node, write, one))
    async with town.db.reading() as tx:
        for table, column in (("register_entry", "bi_number"), ("home_index", "bi"), ("subject_alias", "old")):
            values = [row[0] for row in await tx.fetch(f"SELECT {column} FROM {table}")]
            assert len(values) == (2 if table == "home_index" else 1) * (PEOPLE + 1), f"{table}: a value stands twice"
        with pytest.raises(asyncpg.UniqueViolationError):
            async with town.db.transaction() as other:
                await subjects.put_person(
                    other, town, "n1" + "f" * 32, home=town.id, proof=3, name="演示人", number=number_of(7), photo_held=True, matched=True
                )


async def _nothing(*_: Any) -> None:
    return None


async def _entered(tx: Any, node: Node, one: int) -> None:
    await enter(tx, node, NewEntry(
        name="演示人", number=number_of(one), sex="1", born=date(1960, 1, 1), nation="汉族", address="演示路", division="500103",
    ))  # fmt: skip


async def _remembered(tx: Any, node: Node, one: int) -> None:
    await introduce.remember(tx, node, "510000", number=number_of(one), phone=phone_of(one))


async def _another_name(tx: Any, node: Node, one: int) -> None:
    await subjects.alias(tx, node, old_of(one), subject_of(one))


async def _again(node: Node, write: Any, one: int) -> None:
    async with node.db.transaction() as tx:
        await write(tx, node, one)
        await asyncio.sleep(0.05)  # hold the transaction open while the other comes


async def test_a_clerk_and_the_own_person_find_each_other_across_two_keys(town: Node, monkeypatch: Any) -> None:
    """T-62: own cases are refused also while the clerk's row and the person's stand under different versions, whichever goes first."""
    await reindexing.begin(town)
    town.clock.move(HALF_A_MINUTE)  # type: ignore[attr-defined]
    with monkeypatch.context() as patch:
        patch.setattr(reindexing, "_take_over", _nothing)
        await reindexing.go_on(town)
    async with town.db.transaction() as tx:
        fresh = persons.number_marks(town, number_of(0))[0]
        await tx.execute("UPDATE person SET bi_number = $2 WHERE subject = $1", subject_of(0), fresh)  # 0 keeps the number at the clerk's row
        assert await linked_subject(tx, town, clerk_of(0)) == subject_of(0)
        await resident_again(tx, town, 3)  # 3 does not: found by the mark alone
        marks = await tx.fetch("SELECT bi_citizen AS mark FROM staff WHERE subject = $1 UNION ALL SELECT bi_number FROM person WHERE subject = $2",
                               clerk_of(3), subject_of(3))  # fmt: skip
        assert {row["mark"][:2] for row in marks} == {b"\x00\x02"}
        assert [await staff_too(tx, town, subject_of(one)) for one in (0, 1, 3)] == [True, False, True]
    await link_staff(town)
    async with town.db.reading() as tx:
        linked = await tx.fetch("SELECT subject FROM staff WHERE linked_subject IS NOT NULL ORDER BY 1")
    assert [row["subject"] for row in linked] == [clerk_of(one) for one in range(0, PEOPLE, 3)]


async def resident_again(tx: Any, node: Node, one: int) -> None:
    """The person's row is written anew, as after another match."""
    await subjects.put_person(
        tx, node, subject_of(one), home=node.id, proof=3, name="演示人", number=number_of(one), photo_held=True, matched=True
    )


async def test_nobody_writes_where_nobody_looks(town: Node) -> None:
    """A process that slept through the turn cannot put a row under the key that was put away."""
    late = FieldCipher(FileKeyStore(town.settings.data_dir / "keys", town.id))
    mark = late.index("account.phone", "13900009999")
    await turned(town)
    with pytest.raises(asyncpg.RaiseError, match="put away"):
        async with town.db.transaction() as tx:
            await tx.execute("UPDATE account SET bi_phone = $1 WHERE subject = $2", mark, subject_of(1))
    assert late.index("account.phone", "13900009999")[:2] == b"\x00\x02", "the next mark of that process is the new one"


async def test_rows_that_came_back_from_a_backup_go_over_again(town: Node) -> None:
    """The database of before the turn with the key folder of after it: searched under both again, and taken over."""
    await turned(town)
    async with town.db.transaction() as tx:  # what the backup held: no word of version 2, rows under version 1
        await tx.execute("DELETE FROM index_key WHERE version = 2")
        store = FileKeyStore(town.settings.data_dir / "keys", town.id)
        store.indexes.in_use = lambda: InUse(1, (1,))  # type: ignore[method-assign]
        before = FieldCipher(store)
        for one in range(PEOPLE):
            await tx.execute("UPDATE account SET bi_phone = $2 WHERE subject = $1", subject_of(one), before.index("account.phone", phone_of(one)))
            await tx.execute("UPDATE subject_alias SET old = $2 WHERE subject = $1", subject_of(one), before.index("subject_alias.old", old_of(one)))
    found = await reindexing.go_on(town)
    assert (found.searched, found.done_rows) == ((2, 1), 2 * PEOPLE)
    assert await all_lost(town, texts=False) == {}
    town.clock.move(HALF_A_MINUTE)  # type: ignore[attr-defined]
    assert (await reindexing.go_on(town)).over


async def test_an_old_key_is_wiped_but_for_what_leads_on_from_it(town: Node) -> None:
    """Thirty-five days after it was put away, as long as backups are kept; version 1 stays, it cannot be parted by columns."""
    await turned(town)
    await turned(town)
    folder = town.settings.data_dir / "keys"
    assert await reindexing.narrow(town) == []
    town.clock.move(timedelta(days=36))  # type: ignore[attr-defined]
    assert await reindexing.narrow(town) == [2]
    assert await reindexing.narrow(town) == []
    assert not (folder / "index-2.secret").exists()
    fresh = FileKeyStore(folder, town.id)
    with pytest.raises(BadKey):
        fresh.indexes.key(2, "person.number")
    with pytest.raises(BadKey):
        fresh.indexes.narrow(3, ())
    node = Node(town.settings, town.db, fresh, clock=town.clock)
    assert await all_lost(node, texts=False) == {}
    await turned(node)
    assert await all_lost(node, texts=False) == {}


async def test_a_row_whose_value_does_not_open_keeps_the_old_key_alive_and_is_said(town: Node) -> None:
    async with town.db.transaction() as tx:
        await tx.execute("UPDATE account SET phone = $2 WHERE subject = $1", subject_of(4), b"\x00\x01" + bytes(40))
    await reindexing.begin(town)
    for _ in range(3):
        town.clock.move(timedelta(minutes=11))  # type: ignore[attr-defined]
        found = await reindexing.go_on(town)
        await let_pass(town)
    assert (found.step, found.failed, [one.name for one in found.left], found.searched) == ("written", 1, ["account.bi_phone"], (2, 1))


async def test_the_clock_begins_again_after_a_year(town: Node) -> None:
    await reindexing.turn(town)
    assert (await reindexing.standing(town)).version == 1
    town.clock.move(timedelta(days=366))  # type: ignore[attr-defined]
    await reindexing.turn(town)
    assert (await reindexing.standing(town)).step == "announced"


async def test_the_operator_turns_it_and_reads_where_it_stands(town: Node, monkeypatch: Any, capsys: Any) -> None:
    """`tongban keys index`: begun, taken over, and what still stands under the old key is named; `--status` changes nothing."""
    monkeypatch.setattr(reindexing, "SETTLED", timedelta(milliseconds=50))
    monkeypatch.setattr(keeping.logging, "set_up", lambda **_: None)
    assert await keeping.rotate_index_key(town.settings, only_status=False) == 0
    told = capsys.readouterr().out
    assert "version 2 is written; the old one is still searched; 75 rows went over, 0 could not be opened" in told
    assert f"demo_sms.bi_phone: {PEOPLE} rows under the old key, which pass by themselves" in told
    before = await under(town, 2)
    assert await keeping.rotate_index_key(town.settings, only_status=True) == 0
    assert ("match_asked.bi_number: 1 rows" in capsys.readouterr().out, await under(town, 2)) == (True, before)
    (town.settings.data_dir / "keys" / "index-2.secret").rename(town.settings.data_dir / "away")
    assert await check._node(town.settings) == 1
    assert "version 2, which is not in the key folder" in capsys.readouterr().out
