"""Every column says what it is and how sensitive (privacy.md 1)."""

from __future__ import annotations

import re

import pytest

LABELS = re.compile(r"(public|internal|personal|personal sensitive|secret)$")
# plain personal columns, each with its reason (privacy.md 1): pseudonyms and coarse attributes of a queue
PLAIN_PERSONAL = re.compile(
    r"(subject|_subject|for_subject|holder|grantor|agent|division|age_band|sub|acting_for|home|home_sid|visited|account|account_id|device)$"
)


@pytest.fixture(scope="module")
async def columns(node):
    async with node.db.reading() as tx:
        return await tx.fetch(
            """SELECT c.relname AS table_name, a.attname AS name, format_type(a.atttypid, a.atttypmod) AS type,
                      col_description(c.oid, a.attnum) AS comment, obj_description(c.oid, 'pg_class') AS table_comment
               FROM pg_class c JOIN pg_attribute a ON a.attrelid = c.oid JOIN pg_namespace n ON n.oid = c.relnamespace
               WHERE n.nspname = 'public' AND c.relkind IN ('r', 'p') AND NOT c.relispartition
                     AND a.attnum > 0 AND NOT a.attisdropped
                     AND c.relname NOT LIKE 'pgqueuer%' AND c.relname <> 'alembic_version' ORDER BY 1, a.attnum"""
        )


async def test_every_column_says_what_it_is(columns):
    wrong = []
    for column in columns:
        parts = [part.strip() for part in (column["comment"] or "").split("|")]
        if len(parts) != 3 or not LABELS.match(parts[2]):
            wrong.append(f"{column['table_name']}.{column['name']}: COMMENT 'meaning | unit or format | public, internal, personal or secret'")
    assert not wrong, "\n".join(wrong)


async def test_personal_columns_are_sealed(columns):
    """A personal column is bytea (sealed or indexed), but for the pseudonyms and coarse attributes listed above."""
    wrong = [
        f"{column['table_name']}.{column['name']} is {column['type']}"
        for column in columns
        if (column["comment"] or "").rstrip().endswith(("personal", "personal sensitive"))
        and column["type"] != "bytea" and not PLAIN_PERSONAL.search(column["name"])
    ]
    assert not wrong, "seal with node.cipher, or give the reason in PLAIN_PERSONAL:\n" + "\n".join(wrong)


async def test_every_table_has_a_comment(columns):
    wrong = sorted({column["table_name"] for column in columns if not column["table_comment"]})
    assert not wrong, "COMMENT ON TABLE is missing: " + ", ".join(wrong)
