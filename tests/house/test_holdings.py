"""Every table with something of a person is answered for, once: how it is copied, erased, and how long it stays (R-409, R-804, adr/0011)."""

from __future__ import annotations

import re
from collections import Counter

import pytest

from tongban.main import rooms

CHINESE = re.compile(r"[\u4e00-\u9fff]")


@pytest.fixture(scope="module")
async def every(node):
    """All tables with their columns, and which columns are labelled `personal` or `personal sensitive`."""
    async with node.db.reading() as tx:
        rows = await tx.fetch(
            """SELECT c.relname AS name, a.attname AS column, col_description(c.oid, a.attnum) ~ '[|] *personal( sensitive)? *$' AS personal
               FROM pg_class c JOIN pg_attribute a ON a.attrelid = c.oid JOIN pg_namespace n ON n.oid = c.relnamespace
               WHERE n.nspname = 'public' AND c.relkind IN ('r', 'p') AND NOT c.relispartition AND a.attnum > 0 AND NOT a.attisdropped"""
        )
    found: dict[str, dict[str, bool]] = {}
    for row in rows:
        found.setdefault(row["name"], {})[row["column"]] = bool(row["personal"])
    return found


@pytest.fixture(scope="module")
def tables(every):
    return {name for name, columns in every.items() if any(columns.values())}


def test_every_personal_table_is_answered_for(tables):
    missing = sorted(tables - {one.table for one in rooms.holdings()})
    assert not missing, "say in the room's holdings.py how a person's rows are copied, erased, and how long they stay: " + ", ".join(missing)


def test_nobody_answers_for_what_is_not_there_or_answers_twice(every):
    """A table without a person in it may have an answer too: it has a term."""
    counted = Counter(one.table for one in rooms.holdings())
    assert not sorted(counted.keys() - every.keys()), "no such table"
    assert not [table for table, count in counted.items() if count > 1], "two rooms answer for one table"


def test_what_a_term_or_a_hold_names_is_there(every):
    """The columns a legal hold is looked up by exist; a title and a reason that a person reads are Chinese."""
    wrong = []
    for one in rooms.holdings():
        columns = every.get(one.table, {})
        for column in (one.case, *((one.term.subject, one.term.case) if one.term else ())):
            if column and column not in columns:
                wrong.append(f"{one.table}: no column {column}")
        wrong += [f"{one.table}: {text!r} is read by the person" for text in (one.title, one.not_copied, one.stays) if text and not CHINESE.search(text)]
    assert not wrong, "\n".join(wrong)


def test_a_table_nobody_answers_for_is_found(tables):
    """The test above can fail: a new table would stand in `missing`."""
    listed = {one.table for one in rooms.holdings()}
    assert {*tables, "new_table"} - listed >= {"new_table"}
    assert len(listed & tables) > 100, "the labels are read"
