"""Four eyes 四眼: one proposes, another approves the very digest that was proposed (identity.md 9, T-63).

The kinds are data (proposals.toml); what an approval does is a handler of the room that owns the deed. A kind nobody carries
out cannot be proposed. Source: identity.md 9; 等保 2.0 separation of duties [K].
"""

from __future__ import annotations

import tomllib
from collections.abc import Awaitable, Callable, Mapping
from datetime import timedelta
from functools import cache
from pathlib import Path

import msgspec

from tongban import transparency
from tongban.identity.actions import notices
from tongban.identity.errors import failure
from tongban.identity.model import Proposal
from tongban.identity.queries.proposals import proposal, proposal_of
from tongban.kernel.actor import Actor
from tongban.kernel.db import Tx
from tongban.kernel.gm import digest, jcs
from tongban.kernel.ids import uuid7
from tongban.kernel.node import Node

_FILE = Path(__file__).resolve().parent.parent / "proposals.toml"
GROUP = "staff"


class Kind(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What can be proposed 提议的种类: words, the staff actions that propose and approve it, days until it runs out."""

    words: str
    propose: str
    approve: str
    days: int


Handler = Callable[[Tx, Node, Actor, Proposal, bytes], Awaitable[str]]
Describer = Callable[[bytes], tuple[tuple[str, str], ...]]
_handlers: dict[str, Handler] = {}
_describers: dict[str, Describer] = {}


@cache
def kinds() -> Mapping[str, Kind]:
    """All kinds by code, from proposals.toml."""
    return msgspec.convert(tomllib.loads(_FILE.read_text("utf-8")), dict[str, Kind])


def carries_out(kind: str, handler: Handler, describer: Describer | None = None) -> None:
    """Call `handler(tx, node, approver, proposal, body)` when a proposal of this kind is approved; its words are shown once.

    `describer(body)` gives label and value of what would be carried out, for whoever approves; without one they see `words`.
    A value that is an address of the back office is drawn as a link.
    """
    if kind not in kinds():
        raise ValueError(f"no kind {kind} in proposals.toml")
    _handlers[kind] = handler
    if describer is not None:
        _describers[kind] = describer


def described(kind: str, body: bytes) -> tuple[tuple[str, str], ...]:
    """What a proposal would carry out, in words of the room that owns it; empty when that room gives none (提议内容)."""
    describer = _describers.get(kind)
    return describer(body) if describer is not None else ()


async def propose(tx: Tx, node: Node, actor: Actor, kind: str, *, division: str, org: str = "", words: str, body: bytes) -> Proposal:
    """Put something before another pair of eyes 提议: rights over the object's area are asked, the digest is pinned.

    `words` say what it is without a person's name; `body` is the canonical content that will be carried out.
    Raises NotAllowed, KeyError for a kind nobody carries out.
    """
    known = kinds()[kind]
    actor.require_may(known.propose, division=division, org=org)
    if kind not in _handlers:
        raise KeyError(kind)
    made, now = uuid7(), node.clock.now()
    pinned = _digest(kind, division, org, words, body)
    await tx.execute(
        "INSERT INTO proposal (id, kind, division, org, words, body, digest, proposed_by, proposed_at, expires_at)"
        " VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10)",
        made, kind, division, org, words, node.cipher.seal_bytes(GROUP, "proposal.body", made, body), pinned, actor.subject, now,
        now + timedelta(days=known.days),
    )  # fmt: skip
    await transparency.append(tx, "proposal.made", jcs({"id": made, "kind": kind, "digest": pinned, "by": actor.subject}))
    await notices.tell_holders(
        tx, node, action=known.approve, division=division, org=org, kind="proposal.made", words=f"等你看一眼：{known.words}，{words}",
        link=f"/staff/proposals/{made}", besides=(actor.subject,),
    )  # fmt: skip
    return proposal_of(await tx.fetchrow("SELECT * FROM proposal WHERE id = $1", made))


async def approve(tx: Tx, node: Node, actor: Actor, proposal_id: str, seen: str) -> str:
    """Approve what was seen 批准, and carry it out in this transaction; the handler's words, shown once.

    `seen` is the digest on the page the approver read. Raises Failure `identity.four_eyes` for the proposer, NotAllowed,
    `identity.proposal_gone` when decided or run out, `identity.proposal_changed` when it is not what was proposed.
    """
    found = await _decidable(tx, node, actor, proposal_id)
    sealed: bytes = await tx.fetchval("SELECT body FROM proposal WHERE id = $1", proposal_id)
    body = node.cipher.open_bytes(GROUP, "proposal.body", proposal_id, sealed)
    if not seen == found.digest == _digest(found.kind, found.division, found.org, found.words, body):
        raise failure("identity.proposal_changed")
    words = await _handlers[found.kind](tx, node, actor, found, body)
    await _decide(tx, node, actor, found, "approved", "")
    return words


async def refuse(tx: Tx, node: Node, actor: Actor, proposal_id: str, reason: str) -> None:
    """Refuse a proposal 不同意, with a reason the proposer reads. As `approve` for who may."""
    await _decide(tx, node, actor, await _decidable(tx, node, actor, proposal_id), "refused", reason.strip()[:200])


async def expire(tx: Tx, node: Node) -> int:
    """Close proposals nobody decided in their time 过期; how many."""
    done = await tx.execute("UPDATE proposal SET state = 'expired' WHERE state = 'open' AND expires_at <= $1", node.clock.now())
    return int(done.split()[-1])


async def _decidable(tx: Tx, node: Node, actor: Actor, proposal_id: str) -> Proposal:
    found = await proposal(tx, proposal_id, lock=True)
    if found is None or found.state != "open" or found.expires_at <= node.clock.now():
        actor.require_staff()
        raise failure("identity.proposal_gone")
    actor.require_may(kinds()[found.kind].approve, division=found.division, org=found.org)
    if actor.subject == found.proposed_by:
        raise failure("identity.four_eyes")
    return found


async def _decide(tx: Tx, node: Node, actor: Actor, found: Proposal, state: str, reason: str) -> None:
    await tx.execute(
        "UPDATE proposal SET state = $2, decided_by = $3, decided_at = $4, reason = $5 WHERE id = $1",
        found.id, state, actor.subject, node.clock.now(), reason,
    )  # fmt: skip
    await transparency.append(tx, "proposal.decided", jcs({"id": found.id, "digest": found.digest, "state": state, "by": actor.subject}))
    said = "同意了" if state == "approved" else "没同意"
    await notices.tell(
        tx, node, found.proposed_by, kind="proposal." + state, words=f"{said}：{kinds()[found.kind].words}，{found.words}",
        link=f"/staff/proposals/{found.id}",
    )  # fmt: skip


def _digest(kind: str, division: str, org: str, words: str, body: bytes) -> str:
    return digest(jcs({"kind": kind, "division": division, "org": org, "words": words, "body": digest(body), "v": 1}))
