"""With the owner's node gone: a value, a silent node named, no line lost."""

from __future__ import annotations

from tongban import exchange
from tongban.exchange.model import Unavailable
from tongban.exchange.tests.make import ask
from tongban.federation.tests.make import nation


async def test_owner_gone(make_node):
    async with nation(make_node, "mps", "500000") as nodes:
        home = nodes["500000"]
    # all servers are down now
    got = await ask(home, "n1" + "a" * 32)
    assert isinstance(got, Unavailable)
    assert (got.reason, got.retryable) == ("away", True)
    seen = await exchange.data_use(home, "n1" + "a" * 32)
    assert set(seen.silent) == {"国家节点（演示）", "公安部（演示）"}


async def test_a_node_that_is_not_enrolled_asks_nobody(make_node):
    alone = await make_node("500000")
    got = await ask(alone, "n1" + "a" * 32)
    assert got.reason == "away"
    assert (await exchange.data_use(alone, "n1" + "a" * 32)).silent == ()
