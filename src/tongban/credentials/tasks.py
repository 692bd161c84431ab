"""Credentials by the clock 证照的定时: lists signed again, wallets gathered, codes swept, orders nobody came for."""

from __future__ import annotations

from datetime import timedelta
from typing import Final

from tongban.credentials.actions import gather, hall, status, wallet
from tongban.kernel.jobs import Clockwork
from tongban.kernel.node import Node

LIST_AGE: Final = timedelta(minutes=10)
"""A list is signed again at least this often: a verifier refuses one older than 24 h, so many rounds may fail."""


async def refresh(node: Node) -> None:
    """Sign again what is older than ten minutes."""
    async with node.db.transaction() as tx:
        await status.refresh_lists(tx, node, LIST_AGE)


async def tidy(node: Node) -> None:
    """Forget codes and tries that are over; tell of orders nobody came for."""
    async with node.db.transaction() as tx:
        await wallet.sweep(tx, node)
        await hall.expire_orders(tx, node)


CLOCKS = [
    Clockwork("credentials.lists", 60, refresh, None),
    Clockwork("credentials.tidy", 300, tidy, None),
    Clockwork("credentials.gather", 2, gather.gather, None),
]
