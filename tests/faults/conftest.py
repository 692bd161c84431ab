"""Stories on the shared nation whose nodes are killed and stopped; every test leaves all five running."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest

from tongban.main.demo.nation import Nation
from tongban.main.demo.tour import Story


@pytest.fixture
async def story(nation: Nation) -> AsyncIterator[Story]:
    """A story with a newly invented person. Afterwards every node runs again, whatever the test did."""
    addresses = {node: member.settings.base_url for node, member in nation.members.items()}
    async with Story(addresses, as_json=False, number=1, folder=nation.folder) as one:
        await one.invent()
        try:
            yield one
        finally:
            for node in nation.members:
                await nation.start_again(node)
