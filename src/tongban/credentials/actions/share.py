"""Shared licence services, the owner's side (共享用证服务): query by holder, fetch data, fetch file, verify.

Names of the services (here in lower case) and the result codes are as one public implementation of GB/T 36906 has them; the
bodies are ours, the text of the standard was not at hand: docs/licences.md. Every call needs a use reason 用证事由 and an
item that needs that licence; only the holder's home or the node that decides the item may ask. Every call is written down, also a refused one.
"""

from __future__ import annotations

import secrets
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime, timedelta
from typing import Any, Final, Literal

import asyncpg
import msgspec

from tongban import consent, exchange, federation, seals, transparency
from tongban.credentials.actions import granted
from tongban.credentials.actions.papers import drawn
from tongban.credentials.actions.status import outside
from tongban.credentials.model import Credential
from tongban.credentials.model.sharing import (
    LONGEST_REASON,
    NO_PERMISSION,
    NOT_FOUND,
    NOT_HOLDER,
    OK,
    WORDS,
    WRONG_HOLDER,
    Need,
    UseAsked,
)
from tongban.credentials.queries import credentials as queries
from tongban.credentials.queries import issued
from tongban.credentials.queries.types import type_named, type_of
from tongban.credentials.rules import layout, showing
from tongban.kernel.db import Tx
from tongban.kernel.gm import b64, digest, jcs, sm3, unb64
from tongban.kernel.ids import is_uuid
from tongban.kernel.node import Node

QUERY: Final = "elssp.query_cert"
DATA_BY_HOLDER: Final = "elssp.get_certificate_data_by_holder"
DATA_BY_ID: Final = "elssp.get_certificate_data_by_certificate_id"
FILE_BY_HOLDER: Final = "elssp.get_certificate_file_by_holder"
FILE_BY_ID: Final = "elssp.get_certificate_file_by_certificate_id"
DOWNLOAD: Final = "elssp.download_file"
VERIFY: Final = "elssp.verify_cert_info"
BASIS: Final = "国办发〔2022〕3号"
FILE_MINUTES: Final = 10
"""How long a file id is good: our choice."""
CLOCKS_APART: Final = timedelta(minutes=5)

NeedFinder = Callable[[Tx, str], Awaitable[Need | None]]
_finder: list[NeedFinder] = []


def on_need(finder: NeedFinder) -> None:
    """Let `finder(tx, task_code)` say what licences an item needs (事项用证范围); asked before anything is given."""
    _finder[:] = [finder]


class Permit(msgspec.Struct, frozen=True):
    """What may be given (可以给的): field names of the type, and the words of the basis; no field names: all of them."""

    fields: frozenset[str]
    basis: str


async def permit(tx: Tx, caller: str, asked: UseAsked, type_name: str, home: str) -> Permit | None:
    """Whether this caller may use a licence of this type for that item (用证权限): None when not."""
    need = await _finder[0](tx, asked.task_code) if _finder and asked.task_code else None
    if need is None or type_name not in need.fields or not asked.case or caller not in {home, need.owner}:
        return None
    return Permit(need.fields[type_name], f"办理“{need.item}”需要这张证，{BASIS}")


def read(body: dict[str, Any], now: datetime) -> UseAsked:
    """The question, checked for form. Raises CallRefused 400 `malformed`: no reason, too long, a clock far off (读用证请求)."""
    try:
        asked = msgspec.convert(body, UseAsked)
        at = datetime.fromtimestamp(asked.at / 1000, UTC)
    except (msgspec.ValidationError, ValueError, OverflowError, OSError):
        raise federation.CallRefused(400, "malformed") from None
    words = (asked.who, asked.reason, asked.task_code, asked.case, asked.subject, *asked.types, *asked.fields)
    sound = (
        asked.v == 1 and is_uuid(asked.id) and 1 <= len(asked.reason.strip()) <= LONGEST_REASON and 1 <= len(asked.who) <= 80
        and max(len(one) for one in words) <= LONGEST_REASON and abs(at - now) <= CLOCKS_APART
    )  # fmt: skip
    if not sound:
        raise federation.CallRefused(400, "malformed")
    return asked


def fact(service: str, caller: str, owner: str, asked: UseAsked, credential: str, fields: tuple[str, ...], result: str) -> str:
    """What both ends write down of one call, the same digest at both (用证摘要)."""
    return digest(
        jcs(
            {
                "v": 1, "id": asked.id, "at": asked.at, "service": service, "caller": caller, "owner": owner, "who": asked.who,
                "reason": digest(asked.reason.encode()), "task": asked.task_code, "case": asked.case, "credential": credential,
                "fields": sorted(fields), "result": result,
            }
        )
    )  # fmt: skip


async def write_use(
    tx: Tx, node: Node, side: Literal["owner", "caller"], service: str, caller: str, owner: str, asked: UseAsked, *, credential: str,
    type_code: str, fields: tuple[str, ...], result: str,
) -> str:  # fmt: skip
    """One row of the record of uses at this end (记用证); its digest. Twice is once."""
    made = fact(service, caller, owner, asked, credential, fields, result)
    await tx.execute(
        "INSERT INTO credential_use (subject, id, side, service, credential, type_code, caller, owner, who, reason, task_code, case_id, "
        "fields, result, digest, at) VALUES ($1,$2,$3,$4,$5,$6,$7,$8,$9,$10,$11,$12,$13,$14,$15,to_timestamp($16::bigint / 1000.0)) "
        "ON CONFLICT DO NOTHING",
        asked.subject, asked.id, side, service, credential or None, type_code, caller, owner, asked.who,
        node.cipher.seal("case", "credential_use.reason", asked.id, asked.reason), asked.task_code, asked.case, list(fields), result, made,
        asked.at,
    )  # fmt: skip
    return made


def line(asked: UseAsked, fields: tuple[str, ...], source: str, receiver: str, basis: str, side: Literal["owner", "caller", "local"]) -> consent.Access:
    """The line of the holder's ledger, the same at both ends (台账)."""
    return consent.Access(
        subject=asked.subject, who=asked.who, fields=fields, purpose=asked.reason, source=source, receiver=receiver, basis=basis,
        about=asked.case if asked.case.startswith("case:") or not asked.case else f"case:{asked.case}", id=asked.id, at=datetime.fromtimestamp(asked.at / 1000, UTC), side=side,
    )  # fmt: skip


async def query(node: Node, caller: str, body: dict[str, Any]) -> dict[str, Any]:
    """`queryCert`: the licences of a holder that an item needs, in this wallet or issued here; no content (检索)."""
    asked = read(body, node.clock.now())
    grant = await granted.to_search(node, caller)
    async with node.db.transaction() as tx:
        if isinstance(grant, exchange.Refused):
            return await _refused(tx, node, caller, QUERY, asked, NO_PERMISSION, grant.reason)
        mine, today = await _listed(tx, node, asked.subject), node.clock.today()
        given: list[dict[str, Any]] = []
        basis = ""
        for name, home, row in mine:
            allowed = await permit(tx, caller, asked, name, home) if name in asked.types else None
            if allowed is None or showing.state_now(row["state"], row["until"], today) != "valid":
                continue
            basis = allowed.basis
            given.append({key: value for key, value in row.items() if key != "until"})
        return await _answered(tx, node, caller, QUERY, asked, "", "", ("有没有这张证",) if given else (), basis, {"licences": given})


async def _listed(tx: Tx, node: Node, subject: str) -> list[tuple[str, str, dict[str, Any]]]:
    found: dict[str, tuple[str, str, dict[str, Any]]] = {}
    for card in await queries.of_holder(tx, node, subject):
        found[str(card.id)] = (card.type_name, node.id, _row(card.id, card.identifier, card.type_name, card.issuer, card, card.list_at))
    for one in await _issued(tx, node, subject):
        kind = type_of(node, one.type_code)
        name = kind.name if kind else one.type_code
        found[str(one.id)] = (name, one.home, _row(one.id, one.identifier, name, node.id, one, node.clock.now()))
    return list(found.values())


async def _issued(tx: Tx, node: Node, subject: str) -> tuple[Credential, ...]:
    """What was issued here to a person, or to a company by the code on it: its founder's name is not asked for."""
    return await (issued.of_company(tx, node, subject) if subject.startswith("o1") else issued.of_subject(tx, node, subject))


def _is_of(one: Credential, subject: str) -> bool:
    """Whether it is this person's, or bears this company's code (是不是这一位的)."""
    return subject == one.subject or (one.holder_kind == "legal" and subject == f"o1{one.number.lower()}")


def _row(number: str, identifier: str, name: str, issuer: str, one: Any, at: datetime) -> dict[str, Any]:
    return {
        "id": str(number), "identifier": identifier, "type": name, "issuer": issuer, "organisation": one.org_name, "state": one.state,
        "until": one.valid_until, "valid_until": one.valid_until.isoformat() if one.valid_until else "", "state_at": int(at.timestamp() * 1000),
    }  # fmt: skip


async def data(node: Node, caller: str, body: dict[str, Any], *, by_holder: bool = False) -> dict[str, Any]:
    """`GetCertificateDataBy…`: the fields the item needs of a valid licence issued here (获取数据)."""
    asked = read(body, node.clock.now())
    service = DATA_BY_HOLDER if by_holder else DATA_BY_ID
    grant = await granted.to_read(node, caller, asked, by_holder=by_holder)
    async with node.db.transaction() as tx:
        if isinstance(grant, exchange.Refused):
            return await _refused(tx, node, caller, service, asked, NO_PERMISSION, grant.reason)
        given = frozenset(grant.fields) if grant else frozenset()
        found = await _pick(tx, node, caller, asked, by_holder=by_holder)
        if isinstance(found, str):
            return await _refused(tx, node, caller, service, asked, found)
        one, allowed = found
        kind = type_of(node, one.type_code)
        wanted = {
            field.name: one.data[field.key].reveal()
            for field in (kind.fields if kind else ())
            if field.key in one.data and field.key in given and (not allowed.fields or field.name in allowed.fields) and (not asked.fields or field.name in asked.fields)
        }
        extra = _row(one.id, one.identifier, kind.name if kind else "", node.id, one, node.clock.now())
        extra.pop("until")
        return await _answered(
            tx, node, caller, service, asked, str(one.id), one.type_code, tuple(wanted), allowed.basis, {**extra, "values": wanted}
        )  # fmt: skip


async def file(node: Node, caller: str, body: dict[str, Any], *, by_holder: bool = False) -> dict[str, Any]:
    """`GetCertificateFileBy…`: a one-off id under which a watermarked copy may be fetched for ten minutes (获取文件)."""
    asked = read(body, node.clock.now())
    service = FILE_BY_HOLDER if by_holder else FILE_BY_ID
    grant = await granted.to_copy(node, caller, asked, by_holder=by_holder)
    async with node.db.transaction() as tx:
        if isinstance(grant, exchange.Refused):
            return await _refused(tx, node, caller, service, asked, NO_PERMISSION, grant.reason)
        found = await _pick(tx, node, caller, asked, by_holder=by_holder)
        if isinstance(found, str):
            return await _refused(tx, node, caller, service, asked, found)
        one, allowed = found
        if allowed.fields:  # everything stands on a copy: only for an item that needs the licence whole
            return await _refused(tx, node, caller, service, asked, NO_PERMISSION)
        file_id, now = secrets.token_bytes(24), node.clock.now()
        done = await tx.execute(
            "INSERT INTO credential_file (subject, id, code_hash, credential, caller, who, reason, about, made_at, expires_at) "
            "VALUES ($1,$2,$3,$4,$5,$6,$7,$8,$9,$10) ON CONFLICT (subject, id) DO NOTHING",
            one.subject, asked.id, sm3(file_id), one.id, caller, asked.who,
            node.cipher.seal("case", "credential_file.reason", asked.id, asked.reason), asked.case, now, now + timedelta(minutes=FILE_MINUTES),
        )  # fmt: skip
        if done == "INSERT 0 0":  # a repeated question gets no second file
            raise federation.CallRefused(422, "key_reused")
        extra = {"file": b64(file_id), "expires_at": int((now + timedelta(minutes=FILE_MINUTES)).timestamp() * 1000)}
        return await _answered(tx, node, caller, service, asked, str(one.id), one.type_code, ("证照文件",), allowed.basis, extra)


async def download(node: Node, caller: str, body: dict[str, Any]) -> dict[str, Any]:
    """`downloadFile` {v, file, form}: the watermarked copy, once, for the node that asked, while its id lives (下载文件).

    `form` is `ofd` or `pdf`; the file stands under that name in the answer.
    """
    form: Literal["ofd", "pdf"] = "pdf" if body.get("form") == "pdf" else "ofd"
    try:
        code = sm3(unb64(str(body["file"]), length=24))
    except (KeyError, ValueError):
        raise federation.CallRefused(400, "malformed") from None
    async with node.db.transaction() as tx:
        row = await tx.fetchrow(
            "UPDATE credential_file SET taken_at = $3 WHERE code_hash = $1 AND caller = $2 AND taken_at IS NULL AND expires_at > $3 "
            "RETURNING subject, id, credential, who, reason, about",
            code, caller, node.clock.now(),
        )  # fmt: skip
        if row is None:
            return {"v": 1, "code": NOT_FOUND, "words": WORDS[NOT_FOUND]}
        one = await queries.credential(tx, node, row["subject"], row["credential"])
        # what stops being valid between the id and the download is not given
        if one is None or showing.state_now(one.state, one.valid_until, node.clock.today()) != "valid":
            return {"v": 1, "code": NOT_FOUND, "words": WORDS[NOT_FOUND]}
        made, mark = await _copy(tx, node, one, row, form)
    return {"v": 1, "code": OK, "words": WORDS[OK], form: b64(made), "digest": digest(made), "watermark": mark}


async def _copy(tx: Tx, node: Node, one: Credential, row: asyncpg.Record, form: Literal["ofd", "pdf"]) -> tuple[bytes, str]:
    """The copy with its watermark, sealed anew by the department, and a leaf that says it was made."""
    reason = node.cipher.open("case", "credential_file.reason", str(row["id"]), row["reason"]).reveal()
    mark = layout.watermark(row["who"], reason, node.clock.now())
    kind = type_of(node, one.type_code)
    if kind is None:
        raise federation.CallRefused(404, "not_found")
    compose, put_seal = (seals.compose_pdf, seals.seal_pdf) if form == "pdf" else (seals.compose, seals.seal_document)
    try:
        unsealed = await compose(await drawn(node, one, mark))
    except seals.MissingGlyph:
        raise federation.CallRefused(422, "refused", ("glyph",)) from None
    seal = await seals.ensure_seal(tx, node, one.org_code, one.org_name)
    sealed: bytes = await put_seal(
        tx, node, seal, unsealed, "电子证照加注件", about=f"credential:{one.id}", placement=layout.seal_place(kind)
    )  # fmt: skip
    await transparency.append(tx, "credential.copied", jcs({"credential": str(one.id), "use": str(row["id"]), "digest": digest(sealed)}))
    return sealed, mark


async def verify(node: Node, caller: str, body: dict[str, Any]) -> dict[str, Any]:
    """`verifyCertInfo`: the state now of a licence whose identifier, and perhaps digest, the caller holds (核验).

    Who names a holder as well is told nothing of somebody else's licence.
    """
    asked = read(body, node.clock.now())
    async with node.db.transaction() as tx:
        one = await issued.by_identifier(tx, node, asked.credential)
        if one is None:
            return {"v": 1, "code": NOT_FOUND, "words": WORDS[NOT_FOUND]}
        if asked.subject and not _is_of(one, asked.subject):
            return await _refused(tx, node, caller, VERIFY, asked, NOT_HOLDER)
        state = outside(showing.state_now(one.state, one.valid_until, node.clock.today()))
        own = msgspec.structs.replace(asked, subject=asked.subject or one.subject)
        extra = {"state": state.code, "state_words": state.words, "same": not asked.digest or asked.digest == one.digest}
        return await _answered(tx, node, caller, VERIFY, own, str(one.id), one.type_code, ("证照状态",), f"核验证照，{BASIS}", extra)


async def sweep(tx: Tx, node: Node) -> None:
    """Forget file ids a day after they ended; the record of use stays (清理文件标识)."""
    await tx.execute("DELETE FROM credential_file WHERE expires_at < $1", node.clock.now() - timedelta(days=1))


async def _pick(
    tx: Tx, node: Node, caller: str, asked: UseAsked, *, by_holder: bool
) -> tuple[Credential, Permit] | str:  # fmt: skip
    """The valid licence asked for and what may be given of it, or the result code that says why not."""
    if by_holder:
        name = asked.types[0] if asked.types else ""
        kind = type_named(node, name)
        if kind is None:
            return NOT_FOUND
        own = [one for one in await _issued(tx, node, asked.subject) if one.type_code == kind.code]
        found = next((one for one in own if showing.state_now(one.state, one.valid_until, node.clock.today()) == "valid"), None)
    else:
        found = await queries.issued_here(tx, node, asked.credential) if is_uuid(asked.credential) else None
        kind = type_of(node, found.type_code) if found else None
        if found is not None and not _is_of(found, asked.subject):
            return NOT_HOLDER
    if found is None or kind is None:
        return NOT_FOUND
    if asked.types and kind.name not in asked.types:
        return WRONG_HOLDER if kind.holder == "legal" else NOT_FOUND
    allowed = await permit(tx, caller, asked, kind.name, found.home)
    if allowed is None:
        return NO_PERMISSION
    valid = showing.state_now(found.state, found.valid_until, node.clock.today()) == "valid"
    return (found, allowed) if valid else NOT_FOUND


async def _refused(tx: Tx, node: Node, caller: str, service: str, asked: UseAsked, code: str, why: str = "") -> dict[str, Any]:
    """Nothing given, yet written down; what is refused says nothing of the licence. `why`: what is wrong with the grant."""
    made = await write_use(tx, node, "owner", service, caller, node.id, asked, credential="", type_code="", fields=(), result=code)
    answer = {"v": 1, "code": code, "words": WORDS[code], "digest": made, "why": why}
    await federation.remember(tx, node, answer)
    return answer


async def _answered(
    tx: Tx, node: Node, caller: str, service: str, asked: UseAsked, credential: str, type_code: str, fields: tuple[str, ...], basis: str,
    extra: dict[str, Any],
) -> dict[str, Any]:  # fmt: skip
    """Ledger line, record of use, and then the answer: if they cannot be written, nothing is given (T-60)."""
    made = await write_use(
        tx, node, "owner", service, caller, node.id, asked, credential=credential, type_code=type_code, fields=fields, result=OK
    )
    told = ""
    if fields:
        side: Literal["local", "owner"] = "local" if caller == node.id else "owner"
        told = (await consent.record_access(tx, node, line(asked, fields, node.id, caller, basis, side))).digest
    answer = {"v": 1, "code": OK, "words": WORDS[OK], "digest": made, "line": told, "basis": basis, "fields": list(fields), **extra}
    if caller != node.id:
        await federation.remember(tx, node, answer)
    return answer
