"""The second printed form and watermarked copies (PDF 版式、加注件): made at the issuer from what was signed.

The PDF is made by a job right after the issue, so that nobody waits for it. A holder's home fetches it when it is first asked
for, checks its seal, and keeps it. A copy for an office carries who, what for and when, and is sealed anew.
"""

from __future__ import annotations

import asyncio
from typing import Any, Final

import asyncpg

from tongban import federation, seals
from tongban.credentials.errors import CardGone, NotReady
from tongban.credentials.model import Credential
from tongban.credentials.queries.credentials import GROUP
from tongban.credentials.queries.credentials import credential as find
from tongban.credentials.queries.types import type_of
from tongban.credentials.rules import layout
from tongban.kernel.db import Tx
from tongban.kernel.gm import BadEncoding, b64, digest, unb64
from tongban.kernel.log import log, log_failure
from tongban.kernel.node import Node

SERVICE: Final = "credentials.pdf"
JOB: Final = "credentials.pdf"


async def drawn(node: Node, found: Credential, watermark: str = "") -> seals.Document:
    """The document of a credential as it was issued, with a watermark for a copy (重绘版式). Raises MissingGlyph."""
    kind = type_of(node, found.type_code)
    if kind is None:
        raise CardGone
    values = {key: value.reveal() for key, value in found.data.items()}
    return await asyncio.to_thread(
        layout.document, kind, values, id=found.id, identifier=found.identifier, number=found.number, org_name=found.org_name,
        issued=found.issued_at, valid_from=found.valid_from, valid_until=found.valid_until, demo=node.settings.demo, watermark=watermark,
    )  # fmt: skip


async def make_pdf(node: Node, payload: dict[str, Any]) -> None:
    """The job after an issue: the sealed PDF beside the OFD (制作 PDF). Once; a seal that ended meanwhile makes none."""
    subject, credential_id = str(payload["subject"]), str(payload["credential"])
    async with node.db.transaction() as tx:
        await _made(tx, node, subject, credential_id)


async def _made(tx: Tx, node: Node, subject: str, credential_id: str) -> bytes | None:
    row = await tx.fetchrow("SELECT pdf FROM credential WHERE subject = $1 AND id = $2 FOR UPDATE", subject, credential_id)
    found = await find(tx, node, subject, credential_id)
    if row is None or found is None:
        return None
    if row["pdf"] is not None:
        return node.cipher.open_bytes(GROUP, "credential.pdf", credential_id, row["pdf"])
    kind = type_of(node, found.type_code)
    if kind is None:
        return None
    pdf = await seals.compose_pdf(await drawn(node, found))
    try:
        seal = await seals.ensure_seal(tx, node, found.org_code, found.org_name)
        sealed: bytes = await seals.seal_pdf(
            tx, node, seal, pdf, "电子证照", about=f"credential:{credential_id}", placement=layout.seal_place(kind)
        )
    except (seals.NoSeal, seals.SealGone) as error:
        log_failure("credentials.no_pdf", error)
        return None
    await tx.execute(
        "UPDATE credential SET pdf = $3, pdf_digest = $4 WHERE subject = $1 AND id = $2", subject, credential_id,
        node.cipher.seal_bytes(GROUP, "credential.pdf", credential_id, sealed), digest(sealed),
    )  # fmt: skip
    return sealed


async def tell_pdf(node: Node, caller: str, body: dict[str, Any]) -> dict[str, Any]:
    """`credentials.pdf` {v, subject, credential}: the sealed PDF, for the home of its holder only. Raises CallRefused."""
    subject, credential_id = str(body.get("subject", "")), str(body.get("credential", ""))
    async with node.db.transaction() as tx:
        home = await tx.fetchval("SELECT home FROM credential WHERE subject = $1 AND id::text = $2", subject, credential_id)
        if home is None or home != caller:
            raise federation.CallRefused(404, "not_found")
        pdf = await _made(tx, node, subject, credential_id)
    if pdf is None:
        raise federation.CallRefused(404, "not_found")
    return {"v": 1, "pdf": b64(pdf)}


async def card_pdf(node: Node, subject: str, card_id: str) -> bytes:
    """The sealed PDF of a card in a wallet kept here (钱包里的 PDF): fetched from its issuer once, checked, kept.

    Raises CardGone, NotReady when the issuer cannot be reached or gave something that does not hold. No transaction may be open.
    """
    async with node.db.reading() as tx:
        row = await tx.fetchrow("SELECT issuer, pdf FROM credential_card WHERE subject = $1 AND id = $2", subject, card_id)
    if row is None:
        raise CardGone
    if row["pdf"] is not None:
        return node.cipher.open_bytes(GROUP, "credential_card.pdf", card_id, row["pdf"])
    pdf = await _fetched(node, row, subject, card_id)
    async with node.db.reading() as tx:
        verdict = await seals.verify_pdf(pdf, await seals.anchors(tx))
    if not verdict.ok:
        log("credentials.pdf_not_sound", peer=row["issuer"], code=str(verdict.step))
        raise NotReady("PDF 文件")
    async with node.db.transaction() as tx:
        await tx.execute(
            "UPDATE credential_card SET pdf = $3 WHERE subject = $1 AND id = $2", subject, card_id,
            node.cipher.seal_bytes(GROUP, "credential_card.pdf", card_id, pdf),
        )  # fmt: skip
    return pdf


async def _fetched(node: Node, row: asyncpg.Record, subject: str, card_id: str) -> bytes:
    if row["issuer"] == node.id:
        async with node.db.transaction() as tx:
            pdf = await _made(tx, node, subject, card_id)
        if pdf is None:
            raise NotReady("PDF 文件")
        return pdf
    try:
        answer = await federation.call(node, row["issuer"], SERVICE, {"v": 1, "subject": subject, "credential": card_id}, budget_ms=10_000)
        return unb64(str(answer["pdf"]))
    except (federation.CallFailed, federation.CallRefused, federation.NotMember, federation.UnknownNode, KeyError, BadEncoding):
        raise NotReady("PDF 文件") from None
