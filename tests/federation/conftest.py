"""The household most files here are about: hub, register and two provinces with identity's doors, one for each file."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest

from tongban.evidence import letters as evidence_letters
from tongban.identity.tests.make import MakeNode, household
from tongban.kernel.node import Node

from .make import AWAY, HOME


@pytest.fixture(scope="module")
async def nodes(make_node: MakeNode) -> AsyncIterator[dict[str, Node]]:
    async with household(make_node, HOME, AWAY, calls=evidence_letters.CALLS) as found:
        yield found
