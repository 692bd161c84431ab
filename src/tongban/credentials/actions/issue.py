"""Issuing a credential (颁发证照): identifier, sealed OFD, signed data, log leaf, letter to the holder's home; then the PDF."""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import Mapping
from datetime import date
from typing import Any

import msgspec

from tongban import federation, seals, transparency
from tongban.credentials.actions import lists, status, wallet
from tongban.credentials.errors import CardGone, TypeRefused
from tongban.credentials.model import Credential, CredentialType, Holder, Issuer
from tongban.credentials.model.acts import Ground
from tongban.credentials.queries.credentials import GROUP, issued_here
from tongban.credentials.queries.credentials import credential as find
from tongban.credentials.queries.keys import signer_of
from tongban.credentials.queries.types import type_of
from tongban.credentials.rules import layout, record, showing, templates
from tongban.kernel import jobs
from tongban.kernel.actor import Actor
from tongban.kernel.db import Tx
from tongban.kernel.gm import b64, digest, jcs
from tongban.kernel.ids import BadIdentifier, CredentialId, CreditCode, uuid7
from tongban.kernel.log import log
from tongban.kernel.node import Node

_DRAWN = 12
"""Digits of a number that are drawn: of ten thousand licences of a kind that an office issues in a day, nine digits gave two people
one number on every twentieth day."""


async def issue(
    tx: Tx,
    node: Node,
    actor: Actor,
    *,
    type_code: str,
    holder: Holder,
    issuer: Issuer,
    data: Mapping[str, str],
    case: str = "",
    previous: str | None = None,
    valid_until: date | None = None,
    ground: Ground | None = None,
    moved_from: str = "",
) -> Credential:
    """A new credential of `holder` (颁发), in the transaction of the decision that grants it.

    `data` maps field keys or Chinese field names to values; what the type does not declare is left out. `previous` is the
    id of the one it replaces: that one is superseded and named in the new record, and the version in the identifier grows
    (换发); a company's one lies with whoever had it, and the new one is its own (企业换照). With `moved_from` the previous one is that subject's: it is moved, and the new one has a number of its own (转移).
    Without `valid_until` the type's own rule counts. `ground` is why, where no case says so.
    Raises TypeRefused (type unknown or demo on a production node, required field missing), seals.NoSeal, seals.SealGone,
    seals.MissingGlyph. Doing it twice for one case and type gives the first one back.
    """
    kind = _kind(node, type_code)
    if case and previous is None:
        before = await tx.fetchrow(
            "SELECT subject, id FROM credential WHERE subject = $1 AND case_id = $2 AND type_code = $3",
            holder.subject,
            case,
            kind.code,
        )
        if before is not None:
            return _there(await find(tx, node, before["subject"], before["id"]))
    values = showing.fill(kind, data)
    why = ground or Ground(f"case:{case}" if case else "登记")
    operation = "transfer" if moved_from else "renew" if previous else "issue"
    whose = await _had_by(tx, node, holder, previous) if previous and not moved_from else moved_from
    old = await _previous(tx, node, actor, whose, previous, operation, why) if previous else None
    now, today = node.clock.now(), node.clock.today()
    until = valid_until or _until(kind, values, today)
    number, identifier = _number(kind, issuer, values, None if moved_from else old, today.strftime("%Y%m%d"))
    if await tx.fetchval("SELECT 1 FROM credential WHERE subject = $1 AND identifier = $2", holder.subject, identifier):
        raise TypeRefused(f"编号 {number} 的{kind.name}已经发过")
    credential_id = uuid7()
    list_no, list_index = await lists.place(tx, node)
    document = await asyncio.to_thread(
        layout.document, kind, values, id=credential_id, identifier=identifier, number=number, org_name=issuer.org_name, issued=now,
        valid_from=today, valid_until=until, demo=node.settings.demo,
    )  # fmt: skip
    seal = await seals.ensure_seal(tx, node, issuer.org_code, issuer.org_name)
    ofd = await seals.seal_document(
        tx, node, seal, await seals.compose(document), "电子证照", about=f"credential:{credential_id}",
        officer=actor.staff_id, placement=layout.seal_place(kind),
    )  # fmt: skip
    signed = record.record(
        identifier=identifier, type_code=kind.code, type_version=kind.version, issuer=node.id, org_code=issuer.org_code,
        org_name=issuer.org_name, holder_kind=holder.kind, holder_name=holder.name.reveal(), number=number, data=values,
        issued_ms=record.milliseconds(now), valid_from=today, valid_until=until, list_no=list_no, list_index=list_index,
        ofd_digest=digest(ofd), previous=old.identifier if old else "",
    )  # fmt: skip
    signer = await signer_of(node)
    signature = signer.sign(signed)
    leaf = await transparency.append(
        tx, "credential.issued", jcs({"credential": credential_id, "digest": digest(signed), "ofd": digest(ofd)})
    )
    await tx.execute(
        "INSERT INTO credential (subject, id, identifier, type_code, type_version, org_code, org_name, holder_kind, holder_name, number, "
        "data, data_kid, data_signature, digest, ofd, ofd_digest, issued_at, valid_from, valid_until, list_no, list_index, state, "
        "state_at, case_id, previous, home, leaf) VALUES "
        "($1,$2,$3,$4,$5,$6,$7,$8,$9,$10,$11,$12,$13,$14,$15,$16,$17,$18,$19,$20,$21,'valid',$17,$22,$23,$24,$25)",
        holder.subject, credential_id, identifier, kind.code, kind.version, issuer.org_code, issuer.org_name, holder.kind,
        node.cipher.seal("identity", "credential.holder_name", credential_id, holder.name), number,
        node.cipher.seal_bytes(GROUP, "credential.data", credential_id, msgspec.json.encode(values)), signer.kid, signature,
        digest(signed), node.cipher.seal_bytes(GROUP, "credential.ofd", credential_id, ofd), digest(ofd), now, today, until,
        list_no, list_index, case, previous, holder.home, leaf.id,
    )  # fmt: skip
    await tx.execute(
        "INSERT INTO credential_event (subject, credential, id, operation, state, officer, reason, at, leaf, basis, confirmed_by) "
        "VALUES ($1,$2,$3,$4,'valid',$5,$6,$7,$8,$9,$10)",
        holder.subject, credential_id, uuid7(), operation, actor.staff_id or actor.kind, why.reason, now, leaf.id, why.basis, why.confirmed_by,
    )  # fmt: skip
    await jobs.enqueue(tx, "credentials.pdf", {"subject": holder.subject, "credential": credential_id})
    body: dict[str, Any] = {
        "v": 1, "id": credential_id, "subject": holder.subject, "record": signed.decode(), "kid": signer.kid,
        "signature": b64(signature), "ofd": b64(ofd), "leaf": leaf.id, "case": case, "previous": previous or "",
    }  # fmt: skip
    if holder.home == node.id:
        await wallet.receive(tx, node, node.id, body)
    else:
        await federation.send(
            tx, node, to=holder.home, kind="credential.issued", about=f"credential:{credential_id}", body=body
        )  # fmt: skip
    log("credentials.issued", credential_id=credential_id, kind=kind.code, leaf=leaf.id)
    return _there(await find(tx, node, holder.subject, credential_id))


async def renew(
    tx: Tx,
    node: Node,
    actor: Actor,
    subject: str,
    credential_id: str,
    *,
    changes: Mapping[str, str],
    holder: Holder,
    case: str = "",
    valid_until: date | None = None,
    ground: Ground | None = None,
) -> Credential:
    """A newer one in place of an old one, with `changes` over its data (换发、签注). Raises CardGone, and as `issue`."""
    old = await find(tx, node, subject, credential_id)
    if old is None:
        raise CardGone
    data = {key: value.reveal() for key, value in old.data.items()} | dict(changes)
    return await issue(
        tx, node, actor, type_code=old.type_code, holder=holder, issuer=Issuer(old.org_code, old.org_name), data=data,
        case=case, previous=credential_id, valid_until=valid_until, ground=ground,
    )  # fmt: skip


def _kind(node: Node, type_code: str) -> CredentialType:
    kind = type_of(node, type_code)
    if kind is None:
        raise TypeRefused(f"没有类型 {type_code}")
    if kind.code_status == "demo" and not node.settings.demo:
        raise TypeRefused(f"{kind.name}用的是演示代码，正式系统不发")
    if kind.template == "general" and not node.settings.demo:
        raise TypeRefused(f"{kind.name}还没有自己的模板，正式系统不发")
    return kind


def _until(kind: CredentialType, values: Mapping[str, str], today: date) -> date | None:
    try:
        return templates.until(kind.validity, values, today)
    except ValueError:
        raise TypeRefused(f"{kind.name}的有效期算不出来，日期不对") from None


async def _had_by(tx: Tx, node: Node, holder: Holder, previous: str) -> str:
    """Whose the one before is (原证在谁名下): the holder's; of a company whoever has the one with its number, its founder say.

    Raises CardGone for the licence of another company, also one that the same person founded.
    """
    if holder.kind != "legal":
        return holder.subject
    old = await issued_here(tx, node, previous)
    if old is None or old.holder_kind != "legal" or holder.number is None or old.number != holder.number.reveal():
        raise CardGone
    return old.subject


async def _previous(
    tx: Tx, node: Node, actor: Actor, subject: str, credential_id: str, operation: str, why: Ground
) -> Credential:
    """The one that the new one replaces: superseded or moved; one that ended otherwise stays as it is and is still named."""
    old = await find(tx, node, subject, credential_id)
    if old is None:
        raise CardGone
    may_begin = old.state in templates.acts()[operation].begin
    if operation == "transfer" and not may_begin:  # moved once only
        raise status.StateRefused
    if may_begin:
        await status.change(tx, node, actor, subject, credential_id, operation, why)
    return old


def _number(
    kind: CredentialType, issuer: Issuer, values: Mapping[str, str], old: Credential | None, day: str
) -> tuple[str, str]:
    """证照编号 and 电子证照标识. A person's ID number never enters either; a renewal keeps the serial."""
    try:
        organisation = CreditCode.parse(issuer.org_code)
        if old is not None:
            parsed = CredentialId.parse(old.identifier)
            made = CredentialId.make(kind.code, organisation, parsed.serial, parsed.version + 1)
            return old.number, str(made)
        serial = (
            values["credit_code"]
            if kind.holder == "legal" and "credit_code" in values
            else f"{day}{secrets.randbelow(10**_DRAWN):0{_DRAWN}d}"
        )
        return serial, str(CredentialId.make(kind.code, organisation, serial))
    except BadIdentifier as why:
        raise TypeRefused("颁发机构代码或证照编号不合规") from why


def _there(found: Credential | None) -> Credential:
    if found is None:
        raise CardGone
    return found
