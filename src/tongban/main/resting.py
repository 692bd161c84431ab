"""Resting 恢复中的停办: while a node's own letters come home after a restore, reads go on and acts wait (federation.md 6.2).

What has legal effect is what a person or an officer posts, and what clocks and jobs of the business do by themselves. Signing
in, verifying and the operator's own page go on: they decide nothing about a case.
"""

from __future__ import annotations

from typing import Any, Final

import msgspec
from litestar import Request

from tongban import federation
from tongban.kernel import jobs
from tongban.kernel.node import Node

GOES_ON: Final = (
    "/federation/", "/login", "/logout", "/step-up", "/oidc/", "/scan", "/consent", "/discover", "/verify", "/api/verify", "/staff/login",
    "/staff/logout", "/staff/nodes",
)  # fmt: skip
_READS: Final = frozenset({"GET", "HEAD", "OPTIONS"})
_BELL: Final = "federation.recovery"


async def gate(request: Request[Any, Any, Any]) -> None:
    """Refuse what may have legal effect while this node recovers (停办). Raises federation.Recovering: 503 with Retry-After."""
    if request.method in _READS or request.url.path.startswith(GOES_ON):
        return
    if await federation.recovering(request.app.state.node):
        raise federation.Recovering


def clock(one: jobs.Clockwork) -> jobs.Clockwork:
    """The clock, still while the node recovers; those of the post itself go on (停钟)."""
    if one.name.startswith("federation."):
        return one

    async def run(node: Node) -> None:
        if not await federation.recovering(node):
            await one.run(node)

    return msgspec.structs.replace(one, run=run)


def job(handler: jobs.Handler) -> jobs.Handler:
    """The job, waiting while the node recovers: its time comes after (等恢复)."""

    async def run(node: Node, payload: jobs.Payload) -> None:
        while True:
            since = node.bell.generation(_BELL)
            if not await federation.recovering(node):
                break
            await node.bell.wait(_BELL, seconds=5, since=since)
        await handler(node, payload)

    return run
