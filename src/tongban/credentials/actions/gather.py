"""Bringing a person's licences together (证照归集): a home asks the issuing node for what its registers say.

Only types whose template names a node under `on_request`; in the demo that is the 居民身份证 at `mps`.
"""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any
from weakref import WeakKeyDictionary

from tongban import federation, identity
from tongban.credentials.actions import wallet
from tongban.credentials.actions.issue import issue
from tongban.credentials.errors import TypeRefused
from tongban.credentials.model import Holder, Issuer
from tongban.credentials.queries.credentials import GROUP
from tongban.credentials.queries.credentials import credential as find
from tongban.credentials.queries.types import type_of, types
from tongban.credentials.rules import record
from tongban.kernel.actor import SYSTEM
from tongban.kernel.db import Tx
from tongban.kernel.gm import b64
from tongban.kernel.ids import uuid7
from tongban.kernel.log import log
from tongban.kernel.node import Node

AGAIN = timedelta(hours=24)
_LATELY, _REST = timedelta(minutes=10), timedelta(hours=1)
_PAGE, _MOST_ASKED = 500, 20
"""Accounts looked at and letters written each time the clock calls; it calls every two seconds."""


async def request(tx: Tx, node: Node, subject: str, type_code: str) -> bool:
    """Ask the issuing node for this person's credential of a type (申请归集); False when it was asked within a day.

    Raises TypeRefused for a type that no node gives on request.
    """
    kind = type_of(node, type_code)
    if kind is None or not kind.on_request:
        raise TypeRefused("这种证照不能直接添加")
    now = node.clock.now()
    done = await tx.execute(
        "INSERT INTO credential_request (subject, type_code, issuer, asked_at) VALUES ($1,$2,$3,$4) "
        "ON CONFLICT (subject, type_code) DO UPDATE SET asked_at = $4 WHERE credential_request.asked_at < $5",
        subject, type_code, kind.on_request, now, now - AGAIN,
    )  # fmt: skip
    if done == "INSERT 0 0":
        return False
    body = {"v": 1, "subject": subject, "type": type_code}
    if kind.on_request == node.id:
        await take_request(tx, node, node.id, body)
    else:
        await federation.send(
            tx, node, to=kind.on_request, kind="credential.requested", about=f"request:{uuid7()}", body=body
        )
    return True


async def take_request(tx: Tx, node: Node, origin: str, body: dict[str, Any]) -> None:
    """A home asks for one of its persons (收归集申请): the living one is sent again, or a new one is issued from the register.

    A subject the register does not know gets nothing, nor does a node that is not this person's home: a subject is known
    wherever a person has been, a card goes to the home only (T-32).
    """
    subject = str(body["subject"])
    kind = type_of(node, str(body["type"]))
    if kind is None or kind.on_request != node.id:
        raise TypeRefused("这里不发这种证照")
    if origin != node.id and await identity.register_home(tx, subject) != origin:
        log("credentials.request_not_from_home", origin=origin, kind=kind.code)
        return
    await tx.execute("SELECT pg_advisory_xact_lock(hashtext('credential-request:' || $1))", subject)
    row = await tx.fetchrow(
        "SELECT id FROM credential WHERE subject = $1 AND type_code = $2 AND state = 'valid' ORDER BY issued_at DESC LIMIT 1",
        subject,
        kind.code,
    )
    if row is not None:
        await again(tx, node, subject, str(row["id"]), origin)
        return
    known = await identity.population_attributes(tx, node, subject)
    if known is None:
        return
    await issue(
        tx, node, SYSTEM, type_code=kind.code, holder=Holder(subject, origin, known.name, known.number),
        issuer=Issuer(node.settings.organisation, node.settings.name),
        data={
            "name": known.name.reveal(), "sex": known.sex.reveal(), "nationality": known.nationality.reveal(),
            "birth": known.birth.isoformat(), "address": known.address.reveal(), "number": known.number.reveal(),
            "authority": node.settings.name, "valid_from": node.clock.today().isoformat(),
        },
    )  # fmt: skip


async def again(tx: Tx, node: Node, subject: str, credential_id: str, home: str) -> None:
    """Send a living credential to the wallet's home once more; the wallet takes it once."""
    row = await tx.fetchrow("SELECT * FROM credential WHERE subject = $1 AND id = $2", subject, credential_id)
    found = await find(tx, node, subject, credential_id)
    if found is None or row is None:
        return
    previous = (
        await tx.fetchval("SELECT identifier FROM credential WHERE id = $1", row["previous"]) if row["previous"] else ""
    )
    signed = record.record(
        identifier=found.identifier, type_code=found.type_code, type_version=found.type_version, issuer=node.id,
        org_code=found.org_code, org_name=found.org_name, holder_kind=found.holder_kind, holder_name=found.holder_name.reveal(),
        number=found.number, data={key: value.reveal() for key, value in found.data.items()},
        issued_ms=record.milliseconds(found.issued_at), valid_from=found.valid_from, valid_until=found.valid_until,
        list_no=found.list_no, list_index=found.list_index, ofd_digest=row["ofd_digest"], previous=previous or "",
    )  # fmt: skip
    body: dict[str, Any] = {
        "v": 1, "id": credential_id, "subject": subject, "record": signed.decode(), "kid": row["data_kid"],
        "signature": b64(row["data_signature"]),
        "ofd": b64(node.cipher.open_bytes(GROUP, "credential.ofd", credential_id, row["ofd"])), "leaf": found.leaf, "case": found.case,
        "previous": str(row["previous"] or ""),
    }  # fmt: skip
    if home == node.id:
        await wallet.receive(tx, node, node.id, body)
    else:
        await federation.send(
            tx, node, to=home, kind="credential.issued", about=f"credential:{credential_id}", body=body
        )


class _Round:
    """How far a process has leafed through the accounts (归集到哪儿了)."""

    def __init__(self) -> None:
        self.after = ""
        self.rest_until: datetime | None = None


_rounds: WeakKeyDictionary[Node, _Round] = WeakKeyDictionary()


async def gather(node: Node) -> None:
    """Ask for what the wallets kept here do not have yet (自动归集), a person a transaction.

    Whoever came or was matched lately at once; all others a page a time, so many letters at most, and then a pause: a node
    that takes over a hundred thousand accounts goes on serving the people in front of it.
    """
    wanted = [kind.code for kind in types(node) if kind.on_request]
    if not wanted or await federation.present(node) is None:
        return
    now, way = node.clock.now(), _rounds.setdefault(node, _Round())
    async with node.db.reading() as tx:
        missing = await _missing(tx, await identity.accounts(tx, since=now - _LATELY), wanted)
    await _ask_for(node, missing)
    if way.rest_until is not None and now < way.rest_until:
        return
    async with node.db.reading() as tx:
        page = await identity.accounts(tx, after=way.after, most=_PAGE)
        missing = await _missing(tx, page, wanted)
    whom = sorted({subject for subject, _ in missing})[:_MOST_ASKED]
    await _ask_for(node, [one for one in missing if one[0] in whom])
    if not page:
        way.after, way.rest_until = "", now + _REST
    else:
        way.after, way.rest_until = whom[-1] if len(whom) == _MOST_ASKED else page[-1], None


async def _missing(tx: Tx, subjects: list[str], wanted: list[str]) -> list[tuple[str, str]]:
    """(subject, type) never asked for, in the order of the subjects."""
    if not subjects:
        return []
    rows = await tx.fetch("SELECT subject, type_code FROM credential_request WHERE subject = ANY ($1)", subjects)
    asked = {(row["subject"], row["type_code"]) for row in rows}
    return [(subject, code) for subject in subjects for code in wanted if (subject, code) not in asked]


async def _ask_for(node: Node, missing: list[tuple[str, str]]) -> None:
    for subject, code in missing:
        async with node.db.transaction() as tx:
            await request(tx, node, subject, code)
