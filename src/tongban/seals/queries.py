"""Looking at seals, what happened to them, their uses, and whom to trust (查印章)."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import AsyncIterator
from typing import Any, TypeVar

from tongban import transparency
from tongban.kernel.db import Tx
from tongban.kernel.gm import jcs
from tongban.seals.errors import NoSeal
from tongban.seals.model import Act, Anchors, Application, HandOver, Period, Seal, SealUse, UseRequest

_COLUMNS = (
    "id, es_id, org_code, org_name, name, kind, key_name, der, certificate, picture, state, made_at, valid_from, valid_until, "
    "revoked_at, revoke_reason, purpose, basis, two_persons, keeper, suspended_at, suspended_by, end_kind"
)
_APPLICATION = (
    "id, org_code, org_name, kind, name, purpose, basis, two_persons, keeper, digest, state, applied_by, applied_at, reviewed_by, "
    "reviewed_at, refusal, made_by, seal_id"
)
_HAND_OVER = (
    "id, seal_id, giver, keeper, keeper_unit, reason, between_units, digest, state, offered_at, reviewed_by, accepted_at, ended_at"
)
_USE = "id, seal_id, purpose, about, officer, digest, used_at, leaf, format, second, sealed_digest"
_REQUEST = (
    "id, seal_id, format, title, purpose, about, digest, page, x, y, state, asked_by, asked_at, second, decided_at, refusal, sealed_digest"
)
_T = TypeVar("_T")
SYSTEM_USE = "system"
"""Who used a seal when no officer did: the clock, under the decision of one who did."""


def _as(kind: type[_T], row: Any) -> _T:
    """The row as a noun; ids are texts."""
    return kind(**{name: str(value) if name in {"id", "seal_id"} and value is not None else value for name, value in dict(row).items()})


async def seal(tx: Tx, seal_id: str) -> Seal | None:
    """The seal of that id, or None (一枚印章)."""
    row = await tx.fetchrow(f"SELECT {_COLUMNS} FROM seal WHERE id = $1", seal_id)
    return _as(Seal, row) if row else None


async def seal_of(tx: Tx, org_code: str, kind: str = "approval") -> Seal:
    """The seal with which a department's decisions are sealed (部门的印章): one for all its approvals. Raises NoSeal.

    Seals that ask for two persons are left out: nobody decides alone with them, also not the clock.
    """
    row = await tx.fetchrow(
        f"SELECT {_COLUMNS} FROM seal WHERE org_code = $1 AND kind = $2 AND state IN ('active', 'suspended') AND NOT two_persons "
        "ORDER BY state, made_at DESC LIMIT 1",
        org_code,
        kind,
    )
    if row is None:
        raise NoSeal
    return _as(Seal, row)


async def seals_of(tx: Tx, org_code: str = "", words: str = "", state: str = "") -> tuple[Seal, ...]:
    """Seals kept here, of one department or all, by name, department or esID, newest first (印章清单)."""
    rows = await tx.fetch(
        f"SELECT {_COLUMNS} FROM seal WHERE ($1 = '' OR org_code = $1) AND ($3 = '' OR state = $3) "
        "AND ($2 = '' OR strpos(name, $2) > 0 OR strpos(org_name, $2) > 0 OR es_id = $2 OR org_code = $2 OR keeper = $2) "
        "ORDER BY state, made_at DESC LIMIT 200",
        org_code, words, state,
    )  # fmt: skip
    return tuple(_as(Seal, row) for row in rows)


async def application(tx: Tx, application_id: str) -> Application | None:
    """The application of that id, or None (一份申请)."""
    row = await tx.fetchrow(f"SELECT {_APPLICATION} FROM seal_application WHERE id = $1", application_id)
    return _as(Application, row) if row else None


async def applications(tx: Tx, *, open_only: bool = True) -> tuple[Application, ...]:
    """Applications, those still under way or all, newest first (申请清单)."""
    rows = await tx.fetch(
        f"SELECT {_APPLICATION} FROM seal_application WHERE NOT $1 OR state IN ('applied', 'approved') ORDER BY applied_at DESC LIMIT 200",
        open_only,
    )
    return tuple(_as(Application, row) for row in rows)


async def hand_over_of(tx: Tx, seal_id: str, hand_over_id: str) -> HandOver | None:
    """One hand-over of a seal, or None (一次交接)."""
    row = await tx.fetchrow(f"SELECT {_HAND_OVER} FROM seal_custody WHERE seal_id = $1 AND id = $2", seal_id, hand_over_id)
    return _as(HandOver, row) if row else None


async def custody(tx: Tx, seal_id: str) -> tuple[HandOver, ...]:
    """Who kept the seal, newest first (保管记录)."""
    rows = await tx.fetch(f"SELECT {_HAND_OVER} FROM seal_custody WHERE seal_id = $1 ORDER BY id DESC LIMIT 100", seal_id)
    return tuple(_as(HandOver, row) for row in rows)


async def acts(tx: Tx, seal_id: str) -> tuple[Act, ...]:
    """What happened to the seal, newest first (印章经过)."""
    rows = await tx.fetch("SELECT id, act, officer, words, at, leaf FROM seal_act WHERE seal_id = $1 ORDER BY id DESC LIMIT 200", seal_id)
    return tuple(_as(Act, row) for row in rows)


async def uses(tx: Tx, seal_id: str, limit: int = 200, words: str = "") -> tuple[SealUse, ...]:
    """The newest uses of a seal, all or those of a purpose, matter, officer or document digest (用印记录)."""
    rows = await tx.fetch(
        f"SELECT {_USE} FROM seal_use WHERE seal_id = $1 AND ($3 = '' OR strpos(purpose, $3) > 0 OR strpos(about, $3) > 0 "
        "OR officer = $3 OR second = $3 OR digest = $3 OR sealed_digest = $3) ORDER BY id DESC LIMIT $2",
        seal_id, limit, words,
    )  # fmt: skip
    return tuple(_as(SealUse, row) for row in rows)


async def use_of(tx: Tx, sealed_digest: str) -> SealUse | None:
    """The use that gave the document of that digest, at this node (这份文件是哪次盖的), or None."""
    row = await tx.fetchrow(f"SELECT {_USE} FROM seal_use WHERE sealed_digest = $1 AND sealed_digest <> '' LIMIT 1", sealed_digest)
    return _as(SealUse, row) if row else None


async def use_request(tx: Tx, request_id: str) -> UseRequest | None:
    """The request of that id, or None (一份用印申请)."""
    row = await tx.fetchrow(f"SELECT {_REQUEST} FROM seal_request WHERE id = $1", request_id)
    return _as(UseRequest, row) if row else None


async def use_requests(tx: Tx, seal_id: str) -> tuple[UseRequest, ...]:
    """The newest requests for a seal (用印申请清单)."""
    rows = await tx.fetch(
        f"SELECT {_REQUEST} FROM seal_request WHERE seal_id = $1 ORDER BY state = 'asked' DESC, id DESC LIMIT 50", seal_id
    )
    return tuple(_as(UseRequest, row) for row in rows)


async def anchors(tx: Tx) -> Anchors:
    """What this node trusts when it verifies a document (信任锚): roots of all nodes, and the states of their seals."""
    roots = await tx.fetch("SELECT node, certificate FROM seal_anchor ORDER BY node, told_at")
    pdf_roots = await tx.fetch("SELECT node, certificate FROM seal_pdf_anchor ORDER BY node, told_at")
    gone = await tx.fetch("SELECT es_id, min(revoked_at) AS at FROM seal_revoked GROUP BY es_id")
    periods: dict[str, list[Period]] = defaultdict(list)
    for row in await tx.fetch("SELECT es_id, state, begins, ends FROM seal_status ORDER BY begins"):
        periods[row["es_id"]].append(Period(row["state"], row["begins"], row["ends"]))
    return Anchors(
        tuple(row["certificate"] for row in roots),
        {row["es_id"]: row["at"] for row in gone},
        {es_id: tuple(found) for es_id, found in periods.items()},
        tuple(row["certificate"] for row in pdf_roots),
        {row["certificate"]: row["node"] for row in (*roots, *pdf_roots)},
    )


async def in_log(tx: Tx) -> AsyncIterator[transparency.Row]:
    """Every use of a seal as the log should know it (逐行核对); those of before the document's digest stood in the row are left out."""
    after = ("00000000-0000-0000-0000-000000000000",) * 2
    while True:
        rows = await tx.fetch(
            "SELECT u.*, s.es_id FROM seal_use u JOIN seal s ON s.id = u.seal_id WHERE u.sealed_digest <> '' AND (u.seal_id, u.id) > ($1::uuid, $2::uuid)"
            " ORDER BY u.seal_id, u.id LIMIT 1000", *after,
        )  # fmt: skip
        for row in rows:
            said = (row["purpose"], row["about"], row["digest"], row["sealed_digest"], row["format"])
            nobody = use_fact(row["es_id"], *said, "", row["second"]) if row["officer"] == SYSTEM_USE else None
            yield transparency.Row(f"seal_use {row['id']}", str(row["leaf"]), use_fact(row["es_id"], *said, row["officer"], row["second"]), nobody)
        if len(rows) < 1000:
            return
        after = (rows[-1]["seal_id"], rows[-1]["id"])


def use_fact(es_id: str, purpose: str, about: str, before: str, after: str, kind: str, officer: str, second: str) -> bytes:
    """What the log keeps of one use, as a salted hash (用印的存证)."""
    return jcs({"seal": es_id, "purpose": purpose, "about": about, "before": before, "after": after, "format": kind, "by": officer, "second": second})


transparency.recorded("seal.used", "seal_use", "leaf", in_log, kept=None)
