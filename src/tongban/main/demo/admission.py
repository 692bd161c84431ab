"""Admission 入网: what two officers of the hub and one of the candidate do by telephone, done here by the launcher.

The protocol is the real one (federation.md 2): an invitation, a code handed over outside the network, two key requests,
eight groups of digits compared, a second officer's word, a directory that names the node.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from pathlib import Path

import msgspec

from tongban import federation
from tongban.kernel.actor import Actor, Assignment
from tongban.kernel.node import Node
from tongban.kernel.settings import Settings

_SECONDS = 60


class Handed(msgspec.Struct):
    """What is handed over outside the network (带外交付): kept until the node is admitted, so that a restart goes on."""

    code: str
    root_fingerprint: str


def _officer(name: str) -> Actor:
    role = Assignment(role="network_officer", actions=frozenset({"federation.enrol"}), division="000000")
    return Actor(kind="staff", subject=f"s{name}", staff_id=f"demo-{name}", unit="总枢纽（演示）", assignments=(role,))


async def prepare_hub(hub: Settings) -> None:
    """Make the hub's root and first directory, once (建枢纽)."""
    async with Node.open(hub) as node:
        await federation.make_hub(node)


async def admit(hub: Settings, candidate: Settings, say: Callable[[str], None]) -> None:
    """Admit a running node to the hub's nation; at once when it is a member already (入网).

    Both HTTP servers must answer. Raises EnrolmentRefused, CallFailed after a minute.
    """
    async with Node.open(hub) as office, Node.open(candidate) as node:
        async with node.db.reading() as tx:
            if await federation.own_status(tx, node.id) == "active":
                return
        stop = asyncio.Event()
        listening = [asyncio.create_task(one.db.listen("tongban_bell", one.bell.ring, stop)) for one in (office, node)]
        try:
            handed = await _handed(office, node, candidate.data_dir / "invitation.json")
            deciding = asyncio.create_task(_decide(office, node))
            await federation.join(node, hub.base_url, hub.connect or None, handed.code, handed.root_fingerprint, seconds=_SECONDS)
            deciding.cancel()
            (candidate.data_dir / "invitation.json").unlink(missing_ok=True)
            say(f"{node.id} {candidate.name} has joined")
        finally:
            stop.set()
            await asyncio.gather(*listening, return_exceptions=True)


async def _handed(office: Node, node: Node, path: Path) -> Handed:
    if path.exists():
        return msgspec.json.decode(path.read_bytes(), type=Handed)
    settings = node.settings
    invited = federation.Invited(
        node=node.id, name=settings.name, role=settings.role, divisions=settings.divisions, organisation=settings.organisation
    )
    async with office.db.transaction() as tx:
        invitation = await federation.invite(tx, office, _officer("officer-a"), invited)
    handed = Handed(invitation.code, invitation.root_fingerprint)
    path.write_bytes(msgspec.json.encode(handed))
    path.chmod(0o600)
    return handed


async def _decide(office: Node, node: Node) -> None:
    """The second officer: waits for the application, compares the digits of both screens, approves."""
    while True:
        since = office.bell.generation("federation.enrolment")
        async with office.db.reading() as tx:
            pending = [one for one in await federation.enrolments(tx) if one.node == node.id and one.status == "pending"]
        async with node.db.reading() as tx:
            digits = await federation.own_digits(tx)
        for one in pending:
            if digits == one.digits:
                async with office.db.transaction() as tx:
                    await federation.approve(tx, office, _officer("officer-b"), one.id)
                return
        await office.bell.wait("federation.enrolment", seconds=1, since=since)
