"""`verifyFile`: a file said to be a licence of this node is judged: its seal, that we issued these very bytes, the state now (R-403).

The name of the service is as one public implementation of GB/T 36906 has it; the body is ours (docs/licences.md). A file is believed by
its digest in the record of seal uses and by nothing it says of itself; what does not hold is told no state. The file is kept nowhere.
"""

from __future__ import annotations

from typing import Any, Final, Literal

import msgspec

from tongban import consent, federation, seals
from tongban.credentials.actions import share
from tongban.credentials.actions.status import outside
from tongban.credentials.model import Credential
from tongban.credentials.model.sharing import NOT_FOUND, OK, WORDS
from tongban.credentials.queries import credentials as queries
from tongban.credentials.queries.types import type_of
from tongban.credentials.rules import showing
from tongban.kernel.db import Tx
from tongban.kernel.gm import digest, unb64
from tongban.kernel.node import Node

VERIFY_FILE: Final = "elssp.verify_file"
LARGEST: Final = 5 * 1024 * 1024
"""Bytes of one file, our choice: a licence with its fonts and seal is far smaller."""
_SAID: Final = ("证照文件是不是真的、现在的状态",)
_ABOUT: Final = "credential:"


async def verify_file(node: Node, caller: str, body: dict[str, Any]) -> dict[str, Any]:
    """`verifyFile` {…, file}: `seal` says whether the seals hold over every byte, with `step` and `why` when not; `genuine`, whether the
    file is a licence as we issued or copied it; only then type, identifier and state (验文件). Raises CallRefused 400 `malformed`.
    """
    asked = share.read(body, node.clock.now())
    sent = body.get("file")
    try:
        content = unb64(sent) if isinstance(sent, str) else b""
    except ValueError:
        raise federation.CallRefused(400, "malformed") from None
    if not 0 < len(content) <= LARGEST:
        raise federation.CallRefused(400, "malformed")
    async with node.db.reading() as tx:
        anchors = await seals.anchors(tx)
    judged = await (seals.verify_pdf if content.startswith(b"%PDF") else seals.check_ofd)(content, anchors)
    told: dict[str, Any] = {"seal": judged.ok, "step": judged.step or "", "why": judged.sentence}
    async with node.db.transaction() as tx:
        one = await _issued(tx, node, digest(content)) if judged.ok else None
        code, number, type_code = (OK, str(one.id), one.type_code) if one else (NOT_FOUND, "", "")
        own = msgspec.structs.replace(asked, subject=one.subject) if one else asked
        made = await share.write_use(
            tx, node, "owner", VERIFY_FILE, caller, node.id, own, credential=number, type_code=type_code, fields=(), result=code
        )
        if one is not None:
            side: Literal["local", "owner"] = "local" if caller == node.id else "owner"
            await consent.record_access(tx, node, share.line(own, _SAID, node.id, caller, f"核验证照文件，{share.BASIS}", side))
            told |= _licence(node, one)
        answer = {"v": 1, "code": code, "words": WORDS[code], "digest": made, "genuine": one is not None, **told}
        if caller != node.id:
            await federation.remember(tx, node, answer)
    return answer


async def _issued(tx: Tx, node: Node, sealed: str) -> Credential | None:
    """The licence that was sealed as exactly these bytes: as issued, as a PDF, or as a copy for one use."""
    use = await seals.use_of(tx, sealed)
    if use is None or not use.about.startswith(_ABOUT):
        return None
    return await queries.issued_here(tx, node, use.about.removeprefix(_ABOUT))


def _licence(node: Node, one: Credential) -> dict[str, Any]:
    kind, state = type_of(node, one.type_code), outside(showing.state_now(one.state, one.valid_until, node.clock.today()))
    return {
        "id": str(one.id), "identifier": one.identifier, "type": kind.name if kind else one.type_code, "organisation": one.org_name,
        "state": state.code, "state_words": state.words,
    }  # fmt: skip
