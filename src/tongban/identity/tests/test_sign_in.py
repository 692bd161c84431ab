"""Signing in at home: the happy way and every bad input of the story, through the real pages."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest

from tongban.identity.tests.make import Browser, MakeNode, citizen, household, sign_in
from tongban.kernel.node import Node


@pytest.fixture(scope="module")
async def nodes(make_node: MakeNode) -> AsyncIterator[dict[str, Node]]:
    async with household(make_node, "500000") as found:
        yield found


async def test_first_sign_in_reaches_level_two_and_the_page_asked_for(nodes: dict[str, Node]) -> None:
    home, who, browser = nodes["500000"], citizen(), Browser()
    page = await sign_in(browser, home, who)
    assert page.status == 200
    assert page.path == "/me/access"
    assert "2 级" in page.body
    async with home.db.reading() as tx:
        row = await tx.fetchrow("SELECT subject, proof FROM account")
    assert row["subject"].startswith("n1")
    assert len(row["subject"]) == 34
    assert row["proof"] == 2
