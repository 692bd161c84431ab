"""Asking for a seal on a document and deciding on it (用印申请): four eyes on the digest where the seal asks for two (T-57).

The document lies sealed at the node from the asking to the sealing: what is decided on is what was put forward, and what is
sealed is what was decided on. One request gives one use, whatever happens in between.
"""

from __future__ import annotations

import asyncio

from tongban.kernel.actor import Actor
from tongban.kernel.db import Tx
from tongban.kernel.errors import NotAllowed, NotFound, Refusal, Refusals
from tongban.kernel.gm import digest
from tongban.kernel.ids import uuid7
from tongban.kernel.node import Node
from tongban.seals.actions.noted import officer
from tongban.seals.actions.use import seal_document, seal_pdf
from tongban.seals.errors import Changed, FourEyes, NotOurs, Over, SealGone
from tongban.seals.model import Format, Placement, Seal, UseRequest
from tongban.seals.queries import seal as find_seal
from tongban.seals.queries import use_request
from tongban.seals.rules import container, paper, signing
from tongban.seals.rules.rights import require_for

GROUP = "staff"
LARGEST = 10 * 1024 * 1024


async def ask_use(
    tx: Tx, node: Node, actor: Actor, seal_id: str, *, document: bytes, title: str, purpose: str, about: str, placement: Placement
) -> UseRequest | Refusals:
    """Put a document forward to be sealed (提出用印). A seal for one person is used at once, by its keeper alone.

    A seal for two waits for the second. Raises NotAllowed (`seals.use`; not the keeper), SealGone. Refusals name the field, also
    for a file that may not be opened.
    """
    found = await _seal(tx, seal_id)
    require_for(node, actor, "seals.use", found.org_code)
    if not found.two_persons and found.keeper != officer(actor):
        raise NotAllowed
    wrong = [
        Refusal(f"seals.{name}", words, name)
        for name, text, words in (
            ("title", title, "写上文件名称，不写个人的名字"), ("purpose", purpose, "写清盖章做什么用，至少 4 个字"), ("about", about, "写上对应的事项或者文号"),
        )
        if not (4 if name == "purpose" else 2) <= len(text.strip()) <= 60
    ]  # fmt: skip
    try:
        kind = await asyncio.to_thread(_looked_at, document, placement)
    except (container.Refused, NotOurs) as why:
        said = why.sentence if isinstance(why, container.Refused) else "这份文件盖不了，请用本系统生成的 OFD，或者普通的 PDF"
        wrong.append(Refusal("seals.file", said, "file"))
    if wrong:
        return tuple(wrong)
    made = uuid7()
    await tx.execute(
        "INSERT INTO seal_request (seal_id, id, format, title, purpose, about, document, digest, page, x, y, state, asked_by, asked_at) "
        "VALUES ($1,$2,$3,$4,$5,$6,$7,$8,$9,$10,$11,'asked',$12,$13)",
        seal_id, made, kind, title.strip(), purpose.strip(), about.strip(),
        node.cipher.seal_bytes(GROUP, "seal_request.document", made, document), digest(document), placement.page, placement.x, placement.y,
        officer(actor), node.clock.now(),
    )  # fmt: skip
    if not found.two_persons:
        await _seal_it(tx, node, found, await _locked(tx, made), "")
    return await _locked(tx, made)


async def decide_use(tx: Tx, node: Node, actor: Actor, request_id: str, seen: str, *, agree: bool, reason: str = "") -> UseRequest:
    """The second person agrees to the very document, which is sealed now, or refuses (复核用印). `seen`: the digest on the page.

    Raises NotAllowed (`seals.use`; neither of the two keeps the seal), FourEyes for who asked, Changed when the document is not
    the one put forward, Over when decided, SealGone.
    """
    one = await _locked(tx, request_id)
    found = await _seal(tx, one.seal_id)
    require_for(node, actor, "seals.use", found.org_code)
    if one.state != "asked":
        raise Over
    second = officer(actor)
    if second == one.asked_by:
        raise FourEyes
    if found.keeper not in {second, one.asked_by}:
        raise NotAllowed
    if seen != one.digest:
        raise Changed
    if agree:
        await _seal_it(tx, node, found, one, second)
    else:
        await tx.execute(
            "UPDATE seal_request SET state = 'refused', second = $3, decided_at = $4, refusal = $5 WHERE seal_id = $1 AND id = $2",
            one.seal_id, request_id, second, node.clock.now(), reason.strip(),
        )  # fmt: skip
    return await _locked(tx, request_id)


async def document_of(tx: Tx, node: Node, actor: Actor, request_id: str, *, sealed: bool) -> tuple[UseRequest, bytes]:
    """The document of a request, before or after sealing (取文件), for who may use that seal. Raises NotAllowed, NotFound."""
    one = await use_request(tx, request_id)
    found = await find_seal(tx, one.seal_id) if one else None
    if one is None or found is None:
        raise NotFound("没有这次用印")
    require_for(node, actor, "seals.use", found.org_code)
    column = "sealed" if sealed else "document"
    blob = await tx.fetchval(f"SELECT {column} FROM seal_request WHERE seal_id = $1 AND id = $2", one.seal_id, request_id)
    if blob is None:
        raise NotFound("还没有盖章")
    return one, node.cipher.open_bytes(GROUP, f"seal_request.{column}", request_id, blob)


async def _seal_it(tx: Tx, node: Node, found: Seal, one: UseRequest, second: str) -> None:
    blob = await tx.fetchval("SELECT document FROM seal_request WHERE seal_id = $1 AND id = $2", one.seal_id, one.id)
    document = node.cipher.open_bytes(GROUP, "seal_request.document", one.id, blob)
    if digest(document) != one.digest:
        raise Changed
    use = seal_pdf if one.format == "pdf" else seal_document
    sealed = await use(
        tx, node, found, document, one.purpose, about=one.about, officer=one.asked_by, second=second,
        placement=Placement(one.page, one.x, one.y), request=one.id,
    )  # fmt: skip
    await tx.execute(
        "UPDATE seal_request SET state = 'sealed', second = $3, decided_at = $4, sealed = $5, sealed_digest = $6 "
        "WHERE seal_id = $1 AND id = $2",
        one.seal_id, one.id, second, node.clock.now(), node.cipher.seal_bytes(GROUP, "seal_request.sealed", one.id, sealed), digest(sealed),
    )  # fmt: skip


def _looked_at(document: bytes, placement: Placement) -> Format:
    """What it is, when it is harmless and has that page. Raises Refused, NotOurs."""
    if len(document) > LARGEST:
        raise container.Refused("文件太大，最多 10 MB")
    if document.startswith(b"%PDF"):
        pages = paper.pages_of(document)
        kind: Format = "pdf"
    else:
        files = container.unpack(document)
        roots = container.wholesome(files)
        container.one_document(roots, signing.DOCUMENT)
        pages, kind = signing.page_count(files), "ofd"
    if not 0 <= placement.page < pages:
        raise container.Refused(f"文件只有 {pages} 页")
    return kind


async def _seal(tx: Tx, seal_id: str) -> Seal:
    found = await find_seal(tx, seal_id)
    if found is None:
        raise SealGone
    return found


async def _locked(tx: Tx, request_id: str) -> UseRequest:
    await tx.execute("SELECT 1 FROM seal_request WHERE id = $1 FOR UPDATE", request_id)
    found = await use_request(tx, request_id)
    if found is None:
        raise Over
    return found
