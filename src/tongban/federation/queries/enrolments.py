"""Who wants in 入网情况: at the hub the applications, at a candidate its own."""

from __future__ import annotations

from typing import Any, Literal

from tongban.federation.model import Enrolment
from tongban.federation.rules import enrolment as rules
from tongban.kernel.db import Tx
from tongban.kernel.gm import parse_object, unb64


async def enrolments(tx: Tx, *, status: str | None = None) -> list[Enrolment]:
    """Applications at the hub, newest first (入网申请)."""
    rows = await tx.fetch(
        "SELECT e.*, i.name, i.invited_by FROM node_enrolment e JOIN node_invitation i ON i.id = e.invitation"
        " WHERE $1::text IS NULL OR e.status = $1 ORDER BY e.asked_at DESC LIMIT 200",
        status,
    )
    return [_enrolment(row) for row in rows]


async def enrolment(tx: Tx, enrolment_id: str) -> Enrolment | None:
    row = await tx.fetchrow(
        "SELECT e.*, i.name, i.invited_by FROM node_enrolment e JOIN node_invitation i ON i.id = e.invitation WHERE e.id = $1",
        enrolment_id,
    )
    return _enrolment(row) if row else None


def _enrolment(row: Any) -> Enrolment:
    return Enrolment(
        id=row["id"], node=row["node"], name=row["name"], status=row["status"], digits=tuple(row["digits"].split()),
        base_url=row["base_urls"][0], software=row["software"], invited_by=row["invited_by"],
        asked_at=int(row["asked_at"].timestamp() * 1000), reason=row["reason"],
    )  # fmt: skip


async def own_status(
    tx: Tx, node_id: str
) -> Literal["none", "asked", "joining", "active", "leaving", "suspended", "gone"]:
    """Where this node stands (本节点入网状态): `none` and `asked` before a directory names it."""
    from tongban.federation.actions.office import read_directory

    row = await tx.fetchrow("SELECT trusted FROM directory_version ORDER BY version DESC LIMIT 1")
    listed = read_directory(row["trusted"]).node(node_id) if row else None
    if listed is not None:
        return listed.status
    asked = await tx.fetchval("SELECT EXISTS (SELECT FROM own_enrolment)")
    return "asked" if asked else "none"


async def own_digits(tx: Tx) -> tuple[str, ...] | None:
    """The eight groups a candidate's officer reads to the hub's by telephone (比对码); None before it asked."""
    request = await tx.fetchval("SELECT request FROM own_enrolment")
    if request is None:
        return None
    message = parse_object(request)
    parts = [unb64(str(message[name])) for name in ("csr_sign", "csr_enc", "nonce")]
    return rules.digits(parts[0], parts[1], parts[2])
