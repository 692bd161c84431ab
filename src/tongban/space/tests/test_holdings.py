"""How somebody likes pages to look is copied and goes with the account (R-409, R-804)."""

from __future__ import annotations

import msgspec

from tongban.kernel.tests.make_holdings import Sample, judge
from tongban.space.actions import COLUMN, GROUP
from tongban.space.holdings import HOLDINGS
from tongban.space.model import Display


def _row(node, who, mark):
    chosen = msgspec.json.encode(Display(mode=f"{mark}大字", size=120, place=f"{mark}地方")).decode()
    return {"subject": who, "chosen": node.cipher.seal(GROUP, COLUMN, who, chosen)}


async def test_the_habit_goes_with_its_person(tx, node):
    await judge(tx, node, HOLDINGS[0], {"display_preference": Sample(row=_row, says=2)})
