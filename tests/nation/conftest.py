"""The person of a story on the shared nation, and a quick loop against a nation that runs already."""

from __future__ import annotations

import os
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tongban.main.demo.nation import Nation
from tongban.main.demo.tour import Story

if os.environ.get("TONGBAN_RUNNING_NATION"):  # a folder and a first port, `/tmp/x:19400`: for writing these tests

    @pytest.fixture(scope="session")
    async def nation() -> Nation:
        folder, _, port = os.environ["TONGBAN_RUNNING_NATION"].partition(":")
        return Nation(Path(folder), port_base=int(port))


@pytest.fixture
async def story(nation: Nation) -> AsyncIterator[Story]:
    """A story with a newly invented person who has not signed in yet."""
    addresses = {node: member.settings.base_url for node, member in nation.members.items()}
    async with Story(addresses, as_json=False, number=1, folder=nation.folder) as one:
        await one.invent()
        yield one
