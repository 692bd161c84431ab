"""An operator who edits the ledger, the register of readings or the uses of seals is caught by the check (R-408, R-802, T-39)."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from tongban import identity, transparency
from tongban.consent.queries import LEDGER_KEPT
from tongban.identity.actions.ledger import KEPT
from tongban.identity.tests import make_staff
from tongban.identity.tests.make_staff import HER, officer
from tongban.kernel.node import Node

node = make_staff.node


async def read_thrice(tx: Any, node: Node) -> Any:
    """Three readings of a person, as the desk writes them; the clerk and another one."""
    clerk = await officer(tx, node, "CQ-YB-01")
    for case in ("c-1", "c-2", "c-3"):
        await identity.reading_reason(tx, node, clerk, HER, "queue", case, fields=("姓名",))
    return clerk, await officer(tx, node, "CQ-GX-01")


async def found(tx: Any, node: Node) -> set[tuple[str, str]]:
    _, wrong = await transparency.verify_records(tx, node.clock.now())
    return {(one.kind, one.place.split()[0]) for one in wrong}


async def test_rows_as_they_were_written_agree(tx: Any, node: Node) -> None:
    await read_thrice(tx, node)
    count, wrong = await transparency.verify_records(tx, node.clock.now())
    assert wrong == ()
    assert count >= 6  # each reading is a line of the ledger and a row of the register
    await tx.execute("SET LOCAL tongban.follow = 'on'")  # a person's pseudonym changes: the rows follow, and still agree
    for table in ("access_record", "access_reason"):
        await tx.execute(f"UPDATE {table} SET subject = $2 WHERE subject = $1", HER, "n1" + "y" * 32)
    assert await found(tx, node) == set()


@pytest.mark.parametrize(
    ("what", "statement"),
    [
        (("edited", "access_reason"), "UPDATE access_reason SET staff = $1 WHERE ref = 'c-2'"),
        (("edited", "access_reason"), "UPDATE access_reason SET ref = $1 WHERE ref = 'c-2'"),
        (("deleted", "access_reason"), "DELETE FROM access_reason WHERE ref = 'c-2' AND $1 <> ''"),
        (("inserted", "access_reason"), "INSERT INTO access_reason SELECT subject, gen_random_uuid(), $1, kind, ref, now() + interval '1 hour' FROM access_reason WHERE ref = 'c-2'"),
        (("edited", "access_record"), "UPDATE access_record SET who = $1 WHERE about = 'case:c-2'"),
        (("edited", "access_record"), "UPDATE access_record SET subject = $1 WHERE about = 'case:c-2'"),
        (("deleted", "access_record"), "DELETE FROM access_record WHERE about = 'case:c-2' AND $1 <> ''"),
    ],
)
async def test_what_an_operator_does_to_the_rows_is_named(tx: Any, node: Node, what: tuple[str, str], statement: str) -> None:
    """Triggers off, as whoever owns the database can."""
    _, other = await read_thrice(tx, node)
    await tx.execute("ALTER TABLE access_record DISABLE TRIGGER USER")
    await tx.execute(statement, other.subject)
    assert await found(tx, node) == {what}, "rows changed unseen"


async def test_what_went_after_its_term_is_not_missed(tx: Any, node: Node) -> None:
    await read_thrice(tx, node)
    await tx.execute("SET LOCAL tongban.retention = 'on'")
    await tx.execute("DELETE FROM access_reason")
    await tx.execute("DELETE FROM access_record")
    logged = datetime.fromtimestamp(await tx.fetchval("SELECT max(at_ms) FROM log_leaf") / 1000, UTC)  # the clock of the log is the database's own
    later = logged + max(KEPT, LEDGER_KEPT) + timedelta(days=60)
    assert await transparency.verify_records(tx, later) == (0, ())
