"""Calls between nodes that are processes of their own: answered, refused, away, back (federation.md 4)."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator

import pytest

from tongban import federation
from tongban.kernel.node import Node
from tongban.main.demo.nation import Nation

pytestmark = [pytest.mark.nation, pytest.mark.xdist_group("nation")]


@pytest.fixture
async def caller(nation: Nation) -> AsyncIterator[Node]:
    async with Node.open(nation.settings("500000")) as node:
        yield node


async def test_a_running_node_says_who_it_is(caller: Node) -> None:
    answer = await federation.call(caller, "510000", "federation.probe", {"v": 1, "nonce": "演示"})
    assert (answer["node"], answer["asked_by"], answer["nonce"]) == ("510000", "500000", "演示")


async def test_a_service_nobody_offers_is_an_answer(caller: Node) -> None:
    with pytest.raises(federation.CallRefused) as said:
        await federation.call(caller, "510000", "demo.nothing", {"v": 1})
    assert said.value.problem == "no_such_service"


async def test_a_node_that_is_away_costs_no_more_than_the_budget_and_comes_back(nation: Nation, caller: Node) -> None:
    await nation.kill("510000", again=False)
    try:
        started = time.monotonic()
        with pytest.raises(federation.CallFailed) as failed:
            await federation.call(caller, "510000", "federation.probe", {"v": 1}, budget_ms=1500)
        assert time.monotonic() - started < 2
        assert failed.value.retryable
    finally:
        await nation.start_again("510000")
    async with asyncio.timeout(60):
        while True:
            try:
                answer = await federation.call(caller, "510000", "federation.probe", {"v": 1})
                break
            except federation.CallFailed:
                await asyncio.sleep(0.2)
    assert answer["node"] == "510000"
