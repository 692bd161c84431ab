"""A hall's news of a print that its issuer has forgotten: it waits with words for operators, and is taken when it is known again."""

from __future__ import annotations

import pytest

from tongban import credentials, federation
from tongban.credentials.actions import hall
from tongban.credentials.tests import make
from tongban.federation.actions import park
from tongban.federation.pages.nodes import why
from tongban.federation.tests.make import deliver


@pytest.fixture
async def nodes(make_node):
    async with make.two_homes(make_node) as made:
        yield made


async def test_a_hall_tells_of_an_order_lost_in_a_restore_and_operators_read_what_to_do(nodes):
    home, there = nodes["500000"], nodes["510000"]
    async with there.db.transaction() as tx:
        issued = await make.licence(tx, there, home="500000")
        order = await credentials.order_print(tx, there, subject=make.SUBJECT, credential_id=issued.id, hall="CQ-YZ-01")
    await deliver(nodes)
    async with there.db.transaction() as tx:  # as after a restore: the hall's news comes to a node that knows of no order
        kept = dict(await tx.fetchrow("DELETE FROM credential_print_order WHERE id = $1 RETURNING *", order.id))
    async with home.db.transaction() as tx:
        await hall.cancel_order(tx, home, "510000", {"v": 1, "order": order.id})
    await deliver(nodes)
    about = f"print:{order.id}"
    async with there.db.reading() as tx:
        waiting = next(one for one in await federation.parked(tx) if one.about == about)
    assert (waiting.kind, waiting.reason, waiting.error) == ("print.state", "handler_failed", "credentials.print_forgotten")
    words = why(waiting.reason, waiting.error)
    assert all(one in words for one in ("没有记录", "打电话给大厅", "搁置"))
    assert why(waiting.reason, "ValueError") == why(waiting.reason, None) == "办理时出错，会自动再试"
    async with there.db.transaction() as tx:  # the order is known again: the letter is taken, and the first news with it
        names = ", ".join(kept)
        await tx.execute(
            f"INSERT INTO credential_print_order ({names}) VALUES ({', '.join(f'${n}' for n in range(1, len(kept) + 1))})", *kept.values()
        )
    assert await park.replay(there, asked=True) == 2, "what the hall told, accepted and stopped, is applied in order"
    async with there.db.reading() as tx:
        assert all(one.about != about for one in await federation.parked(tx))
        assert await tx.fetchval("SELECT state FROM credential_print_order WHERE id = $1", order.id) == "cancelled"
