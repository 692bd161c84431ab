"""Verifier units and their browsers (查验方): registered by staff, bound by a code, known by a unit key (decisions D-6)."""

from __future__ import annotations

import secrets
from collections.abc import Collection, Sequence
from datetime import timedelta
from typing import Final

import asyncpg
import msgspec

from tongban.credentials.errors import UnitSuspended
from tongban.credentials.model import Browser, Verifier
from tongban.credentials.queries.types import purpose as find_purpose
from tongban.kernel.actor import Actor
from tongban.kernel.db import Tx
from tongban.kernel.errors import Refusal, Refusals
from tongban.kernel.gm import b64, hmac_sm3, sm3, unb64
from tongban.kernel.ids import BadIdentifier, CreditCode, uuid7
from tongban.kernel.node import Node

_LETTERS: Final = "ABCDEFGHJKLMNPQRTUVWXY346789"
CODE_DAYS: Final = 7


class Bound(msgspec.Struct, frozen=True):
    """A browser just bound (登记好的窗口): `key` goes into its cookie and is kept nowhere else."""

    browser: Browser
    key: str


async def make_verifier(
    tx: Tx,
    node: Node,
    actor: Actor,
    *,
    name: str,
    org_code: str,
    purposes: tuple[str, ...],
    code: str = "",
    uses: int = 5,
) -> tuple[Verifier, str] | Refusals:
    """Register a verifier unit for some purposes (登记查验方); gives the unit and an enrolment code, told once.

    The code binds up to `uses` browsers within seven days.
    """
    wrong: list[Refusal] = []
    if not name.strip():
        wrong.append(Refusal("credentials.verifier_name", "写上查验方的名称，持证人会看到它", "name"))
    try:
        organisation = CreditCode.parse(org_code)
    except BadIdentifier as why:
        wrong.append(Refusal("credentials.verifier_org", why.sentence, "org_code"))
    known = tuple(one for one in purposes if find_purpose(node, one) is not None)
    if not known or known != purposes:
        wrong.append(Refusal("credentials.verifier_purpose", "至少选一个用途，用途决定能看哪些内容", "purposes"))
    if wrong:
        return tuple(wrong)
    unit = Verifier(uuid7(), name.strip(), str(organisation), known, "active")
    await tx.execute(
        "INSERT INTO credential_verifier (id, name, org_code, purposes, state, made_by, made_at) VALUES ($1,$2,$3,$4,'active',$5,$6)",
        unit.id, unit.name, unit.org_code, list(known), actor.staff_id or actor.kind, node.clock.now(),
    )  # fmt: skip
    return unit, await new_code(tx, node, unit.id, code=code, uses=uses)


async def new_code(
    tx: Tx, node: Node, verifier_id: str, *, code: str = "", uses: int = 5, days: int = CODE_DAYS
) -> str:
    """Another enrolment code for a unit (登记码), told once: twelve letters without look-alikes, in three groups."""
    plain = _normal(code) or "".join(secrets.choice(_LETTERS) for _ in range(12))
    await tx.execute(
        "INSERT INTO credential_enrolment (verifier, id, code_hash, valid_until, uses_left) VALUES ($1,$2,$3,$4,$5)",
        verifier_id, uuid7(), _hash(node, plain), node.clock.now() + timedelta(days=days), uses,
    )  # fmt: skip
    return "-".join(plain[at : at + 4] for at in range(0, len(plain), 4))


async def bind(tx: Tx, node: Node, *, code: str, label: str) -> Bound | Refusals:
    """Bind a browser to the unit of an enrolment code (登记窗口)."""
    if not label.strip():
        return (Refusal("credentials.label", "写上是哪个窗口，比如：柜台 07", "label"),)
    row = await tx.fetchrow(
        "UPDATE credential_enrolment e SET uses_left = uses_left - 1 FROM credential_verifier v WHERE v.id = e.verifier AND v.state = 'active' "
        "AND e.code_hash = $1 AND e.valid_until > $2 AND e.uses_left > 0 RETURNING v.id, v.name, v.org_code, v.purposes, v.state",
        _hash(node, _normal(code)), node.clock.now(),
    )  # fmt: skip
    if row is None:
        return (
            Refusal("credentials.enrolment_code", "登记码不对，或者已经过期、用完。请找本单位联系人要一个新的", "code"),
        )
    key = secrets.token_bytes(32)
    unit = Verifier(row["id"], row["name"], row["org_code"], tuple(row["purposes"]), row["state"])
    bound = Browser(uuid7(), unit, label.strip()[:30], unit.purposes[0])
    await tx.execute(
        "INSERT INTO credential_browser (id, verifier, key_hash, label, purpose, bound_at) VALUES ($1,$2,$3,$4,$5,$6)",
        bound.id, unit.id, sm3(key), bound.label, bound.purpose, node.clock.now(),
    )  # fmt: skip
    return Bound(bound, b64(key))


async def browser(tx: Tx, key: str) -> Browser | None:
    """The registered browser of a unit key, or None: unknown, stopped, or its unit stopped (查验窗口).

    Raises UnitSuspended while its unit is suspended: it may not even check as a stranger with this key.
    """
    found = (await browsers(tx, (key,)))[0]
    if isinstance(found, Exception):
        raise found
    return found


async def browsers(tx: Tx, keys: Sequence[str]) -> list[Browser | Exception | None]:
    """As `browser` for many keys at once, in their order; what it would raise stands in its place."""
    hashed = {key: _key_hash(key) for key in set(keys)}  # the windows of one hall ask at the same moment
    rows = await tx.fetch(
        "SELECT b.key_hash, b.id, b.label, b.purpose, v.id AS unit, v.name, v.org_code, v.purposes, v.state, v.reason FROM credential_browser b "
        "JOIN credential_verifier v ON v.id = b.verifier WHERE b.key_hash = ANY($1::bytea[]) AND b.stopped_at IS NULL AND v.state <> 'stopped'",
        [one for one in hashed.values() if one is not None],
    )
    known = {bytes(row["key_hash"]): _browser(row) for row in rows}
    return [known.get(one) if (one := hashed[key]) is not None else None for key in keys]


def _key_hash(key: str) -> bytes | None:
    try:
        return sm3(unb64(key, length=32))
    except ValueError:
        return None


def _browser(row: asyncpg.Record) -> Browser | Exception:
    if row["state"] != "active":
        return UnitSuspended(row["reason"])
    unit = Verifier(row["unit"], row["name"], row["org_code"], tuple(row["purposes"]), row["state"])
    return Browser(row["id"], unit, row["label"], row["purpose"] if row["purpose"] in unit.purposes else unit.purposes[0])


async def by_id(tx: Tx, window_id: str, purpose: str) -> Browser | None:
    """A window that checked a moment ago, by its id, with the purpose it checked for; None when it is gone."""
    row = await tx.fetchrow(
        "SELECT b.label, v.id, v.name, v.org_code, v.purposes, v.state FROM credential_browser b JOIN credential_verifier v ON v.id = b.verifier WHERE b.id = $1",
        window_id,
    )
    return Browser(window_id, Verifier(row["id"], row["name"], row["org_code"], tuple(row["purposes"]), row["state"]), row["label"], purpose) if row else None


async def choose_purpose(tx: Tx, window: Browser, purpose: str) -> bool:
    """Change what this window checks for (换用途); False when the unit is not registered for it."""
    if purpose not in window.verifier.purposes:
        return False
    await tx.execute("UPDATE credential_browser SET purpose = $2 WHERE id = $1", window.id, purpose)
    return True


async def stop_verifier(tx: Tx, verifier_id: str) -> bool:
    """A unit may check no longer (停用查验方); its browsers are unregistered from now on."""
    done: str = await tx.execute(
        "UPDATE credential_verifier SET state = 'stopped' WHERE id = $1 AND state <> 'stopped'", verifier_id
    )
    return done == "UPDATE 1"


async def suspend_verifier(tx: Tx, verifier_id: str, reason: str) -> bool:
    """A unit may not check for now (暂停查验方), for example while a report of abuse is looked into."""
    done: str = await tx.execute(
        "UPDATE credential_verifier SET state = 'suspended', reason = $2 WHERE id = $1 AND state = 'active'", verifier_id, reason[:200]
    )
    return done == "UPDATE 1"


async def resume_verifier(tx: Tx, verifier_id: str) -> bool:
    """A suspended unit may check again (恢复查验方)."""
    done: str = await tx.execute(
        "UPDATE credential_verifier SET state = 'active', reason = '' WHERE id = $1 AND state = 'suspended'", verifier_id
    )
    return done == "UPDATE 1"


def may_ask(node: Node, window: Browser, fields: Collection[str]) -> bool:
    """Whether the purpose of this window lets it ask for these fields at all (能不能问这些内容, T-53)."""
    found = find_purpose(node, window.purpose)
    allowed = {key for keys in found.fields.values() for key in keys} if found else set()
    return set(fields) <= allowed


def _normal(code: str) -> str:
    return "".join(one for one in code.upper() if one.isalnum())


def _hash(node: Node, code: str) -> bytes:
    return hmac_sm3(node.keys.secret("verifier-code"), code.encode())
