"""A file somebody hands in at a window 窗口验证照文件: our own look at its seals first, then the office that must have issued it (R-403, T-58).

A file whose seals do not hold goes nowhere: nobody is asked, nothing is told of it. Which node is asked stands in the seal that
held, not in what the file says. It is kept nowhere; the issuer's and this node's records of use say that it was checked.
"""

from __future__ import annotations

from tongban import federation, seals
from tongban.credentials.actions.file_check import LARGEST
from tongban.credentials.actions.use import UsePurpose, check_file
from tongban.credentials.model.sharing import LONGEST_REASON, VALID, FileChecked, FileJudged
from tongban.kernel.actor import Actor
from tongban.kernel.errors import Refusal, Refusals
from tongban.kernel.log import log
from tongban.kernel.node import Node


async def judge_file(node: Node, actor: Actor, *, file: bytes, reason: str) -> FileJudged | Refusals:
    """What a clerk may believe of a licence file (验证照文件). No transaction may be open; never raises for what is in the file."""
    wrong = []
    if not file:
        wrong.append(Refusal("credentials.file_missing", "选一份证照文件，OFD 或者 PDF", "file"))
    elif len(file) > LARGEST:
        wrong.append(Refusal("credentials.file_large", "文件太大，最大 5 MB", "file"))
    if not 1 <= len(reason.strip()) <= LONGEST_REASON:
        wrong.append(Refusal("credentials.file_reason", "写清为什么要验，最多 200 个字", "reason"))
    if wrong:
        return tuple(wrong)
    async with node.db.reading() as tx:
        anchors = await seals.anchors(tx)
    seen = await (seals.verify_pdf if file.startswith(b"%PDF") else seals.check_ofd)(file, anchors)
    if not seen.ok:
        log("credentials.file_not_sound", code=seen.step or "")
        return FileJudged("broken", step=seen.step or "", why=seen.sentence)
    issuer = seen.seals[0].es_id.partition("-")[0]
    where = federation.name_of(node, issuer)
    told = await check_file(node, actor, issuer=issuer, file=file, purpose=UsePurpose(reason.strip(), "", "", actor.unit))
    if not isinstance(told, FileChecked):
        return FileJudged("unknown", where=where, why=told.sentence)
    if not told.seal_holds:
        return FileJudged("broken", where=where, step=told.step, why=told.why)
    if not told.genuine:
        return FileJudged("not_issued", where=where)
    return FileJudged("valid" if told.state == VALID else "ended", where=where, told=told)
