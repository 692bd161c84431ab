"""`tongban log verify` as an operator runs it: 0 and two sentences when all is whole, 1 and the row when something is not (R-408, R-802, T-39)."""

from __future__ import annotations

from typing import Any

import pytest

from tongban import consent, transparency
from tongban.consent.tests.make import access
from tongban.main import check


@pytest.mark.parametrize(
    ("statement", "named"),
    [
        ("UPDATE log_leaf SET at_ms = at_ms + 1 WHERE id = (SELECT leaf_id FROM log_entry WHERE index = 1)", "edited: log_leaf"),
        ("DELETE FROM access_record WHERE about = 'case:2'", "deleted: access_record"),
        ("UPDATE access_record SET purpose = 'x' WHERE about = 'case:2'", "edited: access_record"),
    ],
)
async def test_the_command_names_what_somebody_changed(make_node: Any, capsys: pytest.CaptureFixture[str], statement: str, named: str) -> None:
    node = await make_node("510000")
    async with node.db.transaction() as tx:
        for number in range(4):
            await consent.record_access(tx, node, access(source="510000", receiver="510000", about=f"case:{number}"))
        await transparency.sequence(tx)
        await transparency.sign_head(tx, node)
    assert await check.verify_log(node.settings) == 0
    said = capsys.readouterr().out
    assert "the log is whole: 4 leaves" in said
    assert "are what was logged: 4 rows" in said
    async with node.db.transaction() as tx:
        await tx.execute("ALTER TABLE access_record DISABLE TRIGGER USER")
        await tx.execute(statement)
    assert await check.verify_log(node.settings) == 1
    assert named in capsys.readouterr().out
