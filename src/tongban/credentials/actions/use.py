"""Shared licence services, the user's side (用证): find a holder's licences, take data, take a watermarked copy.

Nothing here raises because a node is away: the caller's form stays alive. What the two ends wrote down differently is not used.
"""

from __future__ import annotations

import asyncio
from datetime import UTC, date, datetime
from typing import Any, Final, Literal

import msgspec

from tongban import consent, federation, seals
from tongban.credentials.actions import file_check, share
from tongban.credentials.model import Card, State
from tongban.credentials.model.sharing import (
    NO_PERMISSION,
    NOT_FOUND,
    NOT_NOW,
    OK,
    CopyId,
    FileChecked,
    FoundLicence,
    LicenceCopy,
    LicenceData,
    LicenceFile,
    LicenceRefused,
    LicencesFound,
    LicenceState,
    UseAsked,
)
from tongban.credentials.queries.credentials import card as find_card
from tongban.credentials.queries.types import type_named, type_of
from tongban.credentials.rules import showing
from tongban.kernel.actor import Actor
from tongban.kernel.gm import Personal, b64, digest, unb64
from tongban.kernel.ids import uuid7
from tongban.kernel.log import log
from tongban.kernel.node import Node

Answer = dict[str, Any]
FILE_MS: Final = 10_000
"""Patience for a copy: it is drawn and sealed while we wait."""
_LOCAL: Final = {
    share.QUERY: share.query, share.DATA_BY_ID: share.data, share.FILE_BY_ID: share.file, share.DOWNLOAD: share.download, share.VERIFY: share.verify,
    file_check.VERIFY_FILE: file_check.verify_file,
}  # fmt: skip
_STATES: Final = frozenset({"valid", "suspended", "revoked", "cancelled", "expired", "moved", "withdrawn", "superseded", "other"})


class UsePurpose(msgspec.Struct, frozen=True):
    """What licences are used for (用证事由): the office that uses them, the reason in words, the item and the case."""

    reason: str
    task_code: str
    case: str
    who: str = ""


async def find_licences(
    node: Node, actor: Actor, *, subject: str, home: str, types: tuple[str, ...], purpose: UsePurpose
) -> LicencesFound:
    """The valid licences of these types that a holder has (检索): by the holder's home, and by nodes whose registers give them.

    No transaction may be open. Nodes that do not answer are named, never an error.
    """
    first = home or node.id
    owners: dict[str, None] = {}
    for name in types:
        kind = type_named(node, name)
        for owner in (*(kind.gathered_from if kind else ()), *((kind.on_request,) if kind and kind.on_request else ())):
            owners[owner] = None

    async def ask(one: str) -> tuple[str, Answer | None]:
        asked = _asked(node, actor, purpose, subject=subject, types=types)
        answer = await _call(node, one, share.QUERY, asked)
        if answer is not None and not await _kept(node, one, share.QUERY, asked, answer, "") and answer.get("code") == OK:
            return one, {"code": NOT_NOW}
        return one, answer

    answers = [await ask(first)]
    if (answers[0][1] or {}).get("code") != OK:  # the home has them all; where it says nothing the owners are asked, all at once
        answers += await asyncio.gather(*(ask(one) for one in owners if one != first))
    found: dict[str, FoundLicence] = {}
    for _, answer in answers:
        for row in (answer or {}).get("licences", ()) if (answer or {}).get("code") == OK else ():
            licence = _licence(row)
            if licence is not None and licence.type_name in types:
                found.setdefault(licence.id, licence)
    silent = tuple(federation.name_of(node, one) for one, answer in answers if answer is None or answer.get("code") == NOT_NOW)
    not_granted = tuple(federation.name_of(node, one) for one, answer in answers if answer is not None and answer.get("why"))
    return LicencesFound(tuple(found.values()), silent, not_granted)


async def licence_data(
    node: Node, actor: Actor, licence: FoundLicence, *, subject: str, purpose: UsePurpose, fields: tuple[str, ...] = ()
) -> LicenceData | LicenceRefused:
    """What stands on a licence, from its issuer (获取数据); our own copy with its age when the issuer is away and we are the home."""
    asked = _asked(node, actor, purpose, subject=subject, credential=licence.id, fields=fields)
    answer = await _call(node, licence.issuer, share.DATA_BY_ID, asked)
    if answer is None:
        return await _own_copy(node, asked, licence, fields)
    kept = await _kept(node, licence.issuer, share.DATA_BY_ID, asked, answer, licence.id)
    if answer.get("code") != OK:
        return _refused(answer)
    if not kept:
        return LicenceRefused(NOT_NOW)
    told = _licence(answer)
    values = answer.get("values")
    if told is None or told.id != licence.id or not isinstance(values, dict):
        return LicenceRefused(NOT_NOW)
    shown = {str(name): Personal(str(value)) for name, value in values.items() if not fields or name in fields}
    at = datetime.fromtimestamp(asked.at / 1000, UTC)
    return LicenceData(
        told.id, told.type_name, told.identifier, told.issuer, told.org_name, told.state, told.valid_until, shown, at, asked.id
    )


async def licence_file(
    node: Node, actor: Actor, licence: FoundLicence, *, subject: str, purpose: UsePurpose
) -> LicenceFile | LicenceRefused:
    """A watermarked copy of a licence (获取文件): a one-off id first, then the file; its seal is checked before it is used."""
    given = await copy_id(node, actor, licence, subject=subject, purpose=purpose)
    if isinstance(given, LicenceRefused):
        return given
    got = await take_copy(node, licence.issuer, given.file)
    if isinstance(got, LicenceRefused):
        return got
    return LicenceFile(licence.id, licence.type_name, got.content, got.digest, got.watermark, node.clock.now())


async def copy_id(node: Node, actor: Actor, licence: FoundLicence, *, subject: str, purpose: UsePurpose) -> CopyId | LicenceRefused:
    """The one-off id under which a copy of a valid licence may be taken for some minutes (一次性文件编号). No transaction may be open."""
    said = await _said(node, licence, share.FILE_BY_ID, _asked(node, actor, purpose, subject=subject, credential=licence.id))
    if isinstance(said, LicenceRefused):
        return said
    file = said.get("file")
    return CopyId(file) if isinstance(file, str) and file else LicenceRefused(NOT_NOW)


async def take_copy(node: Node, issuer: str, file: str, *, pdf: bool = False) -> LicenceCopy | LicenceRefused:
    """The watermarked copy under a one-off id of that node, OFD or PDF (下载副本): once; its seals are checked before it is given on.

    A node that gives no PDF yet answers with the OFD. No transaction may be open; nothing of the copy is kept here.
    """
    got = await _call_raw(node, issuer, share.DOWNLOAD, {"v": 1, "file": file, "form": "pdf" if pdf else "ofd"}, budget_ms=FILE_MS)
    if got is None or got.get("code") != OK:
        return LicenceRefused(str(got.get("code", NOT_NOW)) if got else NOT_NOW)
    form: Literal["pdf", "ofd"] = "pdf" if "pdf" in got else "ofd"
    try:
        content = unb64(str(got[form]))
    except (KeyError, ValueError):
        return LicenceRefused(NOT_NOW)
    async with node.db.reading() as tx:
        anchors = await seals.anchors(tx)
    sound = await (seals.verify_pdf if form == "pdf" else seals.check_ofd)(content, anchors)
    if digest(content) != got.get("digest") or not sound.ok:
        log("credentials.copy_not_sound", peer=issuer)
        return LicenceRefused(NOT_NOW)
    return LicenceCopy(content, form, digest(content), str(got.get("watermark", "")))


async def licence_state(
    node: Node, actor: Actor, licence: FoundLicence, *, subject: str, purpose: UsePurpose
) -> LicenceState | LicenceRefused:
    """The state of a licence now, by its issuer (核验状态): needs a reason and no grant, tells nothing else. No transaction may be open."""
    said = await _said(node, licence, share.VERIFY, _asked(node, actor, purpose, subject=subject, credential=licence.identifier))
    if isinstance(said, LicenceRefused):
        return said
    return LicenceState(str(said.get("state", ""))[:2], str(said.get("state_words", ""))[:20])


async def check_file(node: Node, actor: Actor, *, issuer: str, file: bytes, purpose: UsePurpose) -> FileChecked | LicenceRefused:
    """Whether a file somebody handed in is a licence of `issuer`, and its state now (验文件). No transaction may be open."""
    if not 0 < len(file) <= file_check.LARGEST:
        return LicenceRefused(NOT_FOUND)
    asked = _asked(node, actor, purpose)
    body = {**msgspec.to_builtins(asked), "file": b64(file)}
    answer = await _call_raw(node, issuer, file_check.VERIFY_FILE, body, budget_ms=FILE_MS)
    if answer is None or answer.get("code") not in {OK, NOT_FOUND}:
        return LicenceRefused(str(answer.get("code", NOT_NOW)) if answer else NOT_NOW)
    if not await _kept(node, issuer, file_check.VERIFY_FILE, asked, answer, str(answer.get("id", ""))):
        return LicenceRefused(NOT_NOW)
    texts = (str(answer.get(name, ""))[:200] for name in ("step", "why", "type", "identifier", "organisation", "state", "state_words"))
    return FileChecked(answer.get("seal") is True, answer.get("genuine") is True, *texts)


def _refused(answer: Answer) -> LicenceRefused:
    return LicenceRefused(str(answer.get("code", NOT_NOW)), str(answer.get("why", "")))


def _asked(node: Node, actor: Actor, purpose: UsePurpose, **more: Any) -> UseAsked:
    who = purpose.who or (actor.unit if actor.kind == "staff" else "") or node.settings.name
    return UseAsked(
        id=uuid7(), at=node.clock.ms(), who=who[:80], reason=purpose.reason, task_code=purpose.task_code, case=purpose.case, **more
    )


async def _said(node: Node, licence: FoundLicence, service: str, asked: UseAsked) -> Answer | LicenceRefused:
    """What the issuer says of one licence, once this end's line is written; why not otherwise."""
    answer = await _call(node, licence.issuer, service, asked)
    if answer is None:
        return LicenceRefused(NOT_NOW)
    kept = await _kept(node, licence.issuer, service, asked, answer, licence.id)
    if answer.get("code") != OK:
        return _refused(answer)
    return answer if kept else LicenceRefused(NOT_NOW)


async def _call(node: Node, whom: str, service: str, asked: UseAsked) -> Answer | None:
    return await _call_raw(node, whom, service, msgspec.to_builtins(asked))


async def _call_raw(node: Node, whom: str, service: str, body: Answer, *, budget_ms: int = 2500) -> Answer | None:
    """The answer of the owner, here or elsewhere; None when it did not answer or would not."""
    try:
        if whom == node.id:
            return await _LOCAL[service](node, node.id, body)
        return await federation.call(node, whom, service, body, budget_ms=budget_ms)
    except federation.CallRefused as no:
        log("credentials.use_refused", peer=whom, service=service, code=no.problem)
        return {"code": "400" if no.problem == "malformed" else NOT_NOW}
    except (federation.CallFailed, federation.NotMember, federation.UnknownNode) as away:
        log("credentials.use_away", peer=whom, service=service, code=type(away).__name__)
        return None


async def _kept(node: Node, owner: str, service: str, asked: UseAsked, answer: Answer, credential: str) -> bool:
    """Write this end's line and record, also of what the owner would not give; whether both ends say the same."""
    fields = tuple(str(one) for one in answer.get("fields", ()))
    if owner == node.id:
        return True  # one house, one ledger: the owner's side wrote it
    result = str(answer.get("code", OK))
    if result != OK:
        if "digest" not in answer:
            return False  # the question did not get as far as the services
        credential = ""
    async with node.db.transaction() as tx:
        made = await share.write_use(
            tx, node, "caller", service, node.id, owner, asked, credential=credential, type_code="", fields=fields, result=result
        )
        told = ""
        if fields:
            access = share.line(asked, fields, owner, node.id, str(answer.get("basis", ""))[:200], "caller")
            told = (await consent.record_access(tx, node, access)).digest
    if made != answer.get("digest") or told != answer.get("line", ""):
        log("credentials.use_disagrees", peer=owner, service=service)
        return False
    return True


def _licence(row: Answer) -> FoundLicence | None:
    try:
        state = str(row["state"])
        until = str(row["valid_until"])
        return FoundLicence(
            str(row["id"]), str(row["identifier"]), str(row["type"]), str(row["issuer"]), str(row["organisation"]),
            state if state in _STATES else "other",  # type: ignore[arg-type]
            date.fromisoformat(until) if until else None, datetime.fromtimestamp(int(row["state_at"]) / 1000, UTC),
        )  # fmt: skip
    except (KeyError, TypeError, ValueError, OverflowError):
        return None


async def _own_copy(node: Node, asked: UseAsked, licence: FoundLicence, fields: tuple[str, ...]) -> LicenceData | LicenceRefused:
    """The issuer is away: the holder's home has the card, signed by its issuer, with the state by the newest list held."""
    async with node.db.transaction() as tx:
        held: Card | None = await find_card(tx, node, asked.subject, licence.id)
        kind = type_of(node, held.type_code) if held else None
        if held is None or kind is None:
            return LicenceRefused(NOT_NOW)
        allowed = await share.permit(tx, node.id, asked, kind.name, node.id)
        state: State = showing.state_now(held.state, held.valid_until, node.clock.today())
        if allowed is None or state != "valid":
            return LicenceRefused(NO_PERMISSION if allowed is None else NOT_FOUND)
        values = {
            field.name: held.data[field.key]
            for field in kind.fields
            if field.key in held.data and (not allowed.fields or field.name in allowed.fields) and (not fields or field.name in fields)
        }
        side: Literal["local"] = "local"
        line = await consent.record_access(tx, node, share.line(asked, tuple(values), node.id, node.id, allowed.basis, side))
    return LicenceData(
        licence.id, kind.name, held.identifier, held.issuer, held.org_name, state, held.valid_until, values, held.list_at, line.id, kept=True
    )
