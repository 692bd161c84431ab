"""A change of the directory reaches every running node in seconds (federation.md 3: target < 10 s)."""

from __future__ import annotations

import asyncio
import time
from contextlib import AsyncExitStack

import msgspec
import pytest

from tongban import federation
from tongban.federation.model import Directory, Revoked
from tongban.kernel.node import Node
from tongban.main.demo.nation import Nation

pytestmark = [pytest.mark.nation, pytest.mark.xdist_group("nation")]


async def test_a_revocation_is_everywhere_in_less_than_ten_seconds(nation: Nation) -> None:
    async with AsyncExitStack() as stack:
        nodes = {one: await stack.enter_async_context(Node.open(nation.settings(one))) for one in nation.members}
        entry = Revoked("mps/s77", nodes["cn"].clock.ms(), "test")  # a key nobody has: only the way is tried

        def change(found: Directory) -> Directory:
            return msgspec.structs.replace(found, revoked=(*found.revoked, entry))

        async with nodes["cn"].db.transaction() as tx:
            issued = await federation.issue(tx, nodes["cn"], change)
        started = time.monotonic()
        behind = set(nodes)
        while behind and time.monotonic() - started < 30:
            for one in sorted(behind):
                async with nodes[one].db.reading() as tx:
                    if (await federation.directory(tx)).version >= issued.version:
                        behind.discard(one)
            await asyncio.sleep(0.05)
        assert not behind
        assert time.monotonic() - started < 10
        async with nodes["510000"].db.reading() as tx:
            assert (await federation.directory(tx)).revoked_since("mps/s77") == entry.at
