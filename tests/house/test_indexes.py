"""Every column that people are found by turns with the index key: none can be added and forgotten (R-801, T-46, adr/0015)."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from tongban.main import rooms

SOURCE = Path(__file__).parents[2] / "src" / "tongban"
MARK = re.compile(r"blind (index|key)", re.IGNORECASE)
LABEL = re.compile(r"""cipher\.(?:index|marks|linked_marks|led_on)\(\s*(f?)"([a-z_.{}]+)""")
LOOKED_UP = re.compile(r"\b(?:WHERE|AND|OR|ON)\s+(?:\w+\.)?(?:bi_\w+|bi|service_key)\s*=\s*\$\d")
ALONE = re.compile(r'one_alone\(\s*tx, "(\w+)", "(\w+)"')
TURNS = {(one.table, one.column): one for one in rooms.indexes()}


def texts() -> dict[str, str]:
    return {str(path.relative_to(SOURCE)): path.read_text("utf-8") for path in SOURCE.rglob("*.py") if "tests" not in path.parts}


def labels(text: str) -> set[str]:
    """What marks are made for in a source, `{kind}` and the like as a pattern."""
    return {re.sub(r"\{\w+\}", "*", found[1]) for found in LABEL.findall(text)}


def known(label: str) -> bool:
    every = {one for index in TURNS.values() for one in index.labels}
    pattern = re.compile(re.escape(label).replace(r"\*", r"\w+"))
    return any(pattern.fullmatch(one) for one in every)


@pytest.fixture(scope="module")
async def columns(node):
    """Columns of bytes with their comment."""
    async with node.db.reading() as tx:
        rows = await tx.fetch(
            """SELECT c.relname AS table_name, a.attname AS name, coalesce(col_description(c.oid, a.attnum), '') AS comment
               FROM pg_class c JOIN pg_attribute a ON a.attrelid = c.oid JOIN pg_namespace n ON n.oid = c.relnamespace
               WHERE n.nspname = 'public' AND c.relkind IN ('r', 'p') AND a.attnum > 0 AND NOT a.attisdropped AND format_type(a.atttypid, NULL) = 'bytea'"""
        )
    return {(row["table_name"], row["name"]): row["comment"] for row in rows}


def test_every_column_of_marks_turns(columns):
    """By its comment or its name; and what a room says of a column that is none is refused too."""
    found = {place for place, comment in columns.items() if MARK.search(comment) or place[1] == "bi" or place[1].startswith("bi_")}
    assert found - TURNS.keys() == set(), "say in INDEXES of the room's tasks.py how its rows go over to a new index key"
    assert TURNS.keys() - found == set(), "no such column of marks: 'blind index' is missing in its comment"


def test_every_label_that_marks_are_made_for_has_a_column():
    missing = {f"{path}: {one}" for path, text in texts().items() for one in labels(text) if not known(one)}
    assert missing == set(), "marks that nobody turns; a mark that must never turn has a key of its own, not the index key"
    assert labels('node.cipher.marks(f"x.{kind}", value)') == {"x.*"}
    assert not known("staff.staff_no")


def test_nothing_is_looked_for_under_one_key_only():
    """While the key turns some rows stand under the one before: `= ANY(marks)`, never `= mark`."""
    wrong = [f"{path}: {found}" for path, text in texts().items() for found in LOOKED_UP.findall(text)]
    assert wrong == []
    assert LOOKED_UP.findall("JOIN person p ON p.subject = a.subject AND p.bi_number = $1")
    assert not LOOKED_UP.findall("AND p.bi_number = ANY($1::bytea[])")


async def test_what_may_stand_once_only_is_written_alone(node):
    """T-32: a unique constraint does not see equal values under two keys; every such column is written behind `one_alone`."""
    async with node.db.reading() as tx:
        rows = await tx.fetch(
            """SELECT c.relname AS table_name, a.attname AS name FROM pg_index i JOIN pg_class c ON c.oid = i.indrelid
               JOIN pg_attribute a ON a.attrelid = c.oid AND a.attnum = ANY(i.indkey) WHERE i.indisunique"""
        )
    unique = {(row["table_name"], row["name"]) for row in rows} & {place for place, one in TURNS.items() if one.passes is None}
    written = {found for text in texts().values() for found in ALONE.findall(text)}
    assert len(unique) >= 5
    assert unique - written == set()


async def test_no_row_can_be_written_where_nobody_looks(node):
    """Every column whose rows stay has the trigger that refuses marks under a key that was put away."""
    async with node.db.reading() as tx:
        rows = await tx.fetch(
            """SELECT c.relname AS table_name, encode(t.tgargs, 'escape') AS args FROM pg_trigger t JOIN pg_class c ON c.oid = t.tgrelid
               JOIN pg_proc p ON p.oid = t.tgfoid WHERE p.proname = 'mark_is_found' AND t.tgenabled = 'O'"""
        )
    guarded = {(row["table_name"], row["args"].removesuffix("\\000")) for row in rows}
    assert guarded == {place for place, one in TURNS.items() if one.passes is None}
