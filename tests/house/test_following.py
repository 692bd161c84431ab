"""A person whose document number changes finds everything again (identity.md 1, R-304): every pseudonym column is answered for."""

from __future__ import annotations

import re

import pytest

from tongban import identity
from tongban.main import rooms

PSEUDONYM = re.compile(r"(^|_)(subject|holder|grantor|agent|acting_for|sub)$")


@pytest.fixture(scope="module")
async def columns(node):
    async with node.db.reading() as tx:
        rows = await tx.fetch(
            """SELECT c.relname AS table_name, a.attname AS name, col_description(c.oid, a.attnum) AS comment
               FROM pg_class c JOIN pg_attribute a ON a.attrelid = c.oid JOIN pg_namespace n ON n.oid = c.relnamespace
               WHERE n.nspname = 'public' AND c.relkind IN ('r', 'p') AND NOT c.relispartition AND a.attnum > 0
                     AND NOT a.attisdropped AND format_type(a.atttypid, a.atttypmod) = 'text'"""
        )
    return {
        (row["table_name"], row["name"]) for row in rows
        if PSEUDONYM.search(row["name"]) and re.search(r"\| *personal( sensitive)?$", row["comment"] or "")
    }  # fmt: skip


def test_every_pseudonym_column_follows_its_person_or_says_why_not(columns):
    rooms.letters()
    rooms.routes()
    missing = sorted(columns - set(identity.followed()))
    assert not missing, (
        "say beside the room's door what becomes of it when a document number changes: identity.follow_rows, "
        "identity.follow_subject with identity.rows_followed, or identity.rows_stay(…, because=…): "
        + ", ".join(f"{table}.{column}" for table, column in missing)
    )


def test_nothing_is_listed_that_the_database_does_not_have(columns):
    rooms.letters()
    rooms.routes()
    gone = sorted(set(identity.followed()) - columns)
    assert not gone, ", ".join(f"{table}.{column}" for table, column in gone)
