"""Credentials by the clock 证照的定时: lists signed again, wallets gathered, codes swept, orders nobody came for."""

from __future__ import annotations

from datetime import timedelta
from typing import Final

from tongban.credentials.actions import ended, gather, gathering, hall, lists, many, papers, share, status, wallet
from tongban.kernel.jobs import Clockwork
from tongban.kernel.node import Node

LIST_AGE: Final = timedelta(minutes=10)
"""A list is signed again at least this often: a verifier refuses one older than 24 h, so many rounds may fail."""


async def refresh(node: Node) -> None:
    """Sign again what is older than ten minutes."""
    async with node.db.transaction() as tx:
        await lists.refresh(tx, node, LIST_AGE)


async def pull(node: Node) -> None:
    """Ask for lists that did not come by themselves."""
    await lists.pull(node)


async def days(node: Node) -> None:
    """What the calendar does: credentials run out, holders are reminded, old list versions and file ids go."""
    async with node.db.transaction() as tx:
        await status.expire(tx, node)
    async with node.db.transaction() as tx:
        await status.remind(tx, node)
        await lists.forget(tx, node)
        await share.sweep(tx, node)


async def marks(node: Node) -> None:
    """Tell which credentials have ended, when that changed or was told half an hour ago."""
    async with node.db.transaction() as tx:
        await ended.publish(tx, node)


async def tidy(node: Node) -> None:
    """Forget codes and tries that are over; tell of orders nobody came for."""
    async with node.db.transaction() as tx:
        await wallet.sweep(tx, node)
        await hall.expire_orders(tx, node)


CLOCKS = [
    Clockwork("credentials.lists", 60, refresh, None),
    Clockwork("credentials.ended", 5, marks, None),
    Clockwork("credentials.tidy", 300, tidy, None),
    Clockwork("credentials.gather", 2, gather.gather, None),
    Clockwork("credentials.registers", 5, gathering.gather_demo, None),
    Clockwork("credentials.pull", 300, pull, None),
    Clockwork("credentials.days", 900, days, None),
]
JOBS = {papers.JOB: papers.make_pdf, gathering.JOB: gathering.from_register, many.JOB: many.tell_homes}
