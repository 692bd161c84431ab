"""What this node gives to a copy 本节点给副本的一份: every room's rows and files of one person, and the ledger with its receipts.

A holding that fails does not stop the others: it is named in the copy, so that nothing is missing in silence.
"""

from __future__ import annotations

from collections.abc import Mapping

import msgspec

from tongban import consent, federation, transparency
from tongban.kernel.clock import CHINA
from tongban.kernel.db import Tx
from tongban.kernel.holdings import Holding, KeptFile
from tongban.kernel.log import log, log_failure
from tongban.kernel.node import Node
from tongban.privacy.actions.pieces import Pieces
from tongban.privacy.model.copies import Enclosed, Gathered, Kind, Proof
from tongban.privacy.queries.known import holdings
from tongban.privacy.rules.limits import COPIES
from tongban.privacy.rules.parts import FIRST, record

ALL = "*"
HELD_BACK = "（没有放进来：要一份“全部的”才有）"
TOO_LARGE = "太大，没有放进来"
UNREAD = "这次没能取出"


async def collect(node: Node, subject: str, into: Pieces, *, whole: bool) -> int:
    """Write this node's part of a person's copy into `into` (收齐本节点的); how many bytes. `whole`: with sensitive parts and files."""
    async with node.db.reading() as tx:
        kinds, wanted = [], []
        room = COPIES.part_bytes
        for holding in holdings():
            if holding.copy is None:
                continue
            made, files = await _kind(tx, node, subject, holding, whole=whole)
            enclosed = []
            for number, file in enumerate(files):
                fits = file.size <= room
                room -= file.size if fits else 0
                key = f"{holding.table}/{number}"
                enclosed.append(Enclosed(key, file.name, file.media_type, file.size, "" if fits else TOO_LARGE))
                if fits:
                    wanted.append((holding, file, key))
            if made.rows or enclosed or made.why_not:
                kinds.append(msgspec.structs.replace(made, files=tuple(enclosed)))
        ledger, beyond = await _ledger(tx, node, subject)
    part = Gathered(1, node.id, node.settings.name, node.clock.ms(), tuple(kinds), ledger, beyond)
    await into.write(record(FIRST, msgspec.json.encode(part)))
    for holding, file, key in wanted:
        content = await _content(node, subject, holding, file)
        if content is not None:
            await into.write(record(key, content))
    return await into.end()


async def _kind(tx: Tx, node: Node, subject: str, holding: Holding, *, whole: bool) -> tuple[Kind, list[KeptFile]]:
    """What one holding gives, and which files go along."""
    assert holding.copy is not None
    hidden = frozenset() if whole else holding.sensitive
    if ALL in hidden:
        return Kind(holding.table, holding.title, [], left_out=("全部内容",), why_not=HELD_BACK), []
    try:
        rows = [dict(one) for one in await holding.copy(tx, node, subject)]
        msgspec.json.encode(rows)
        files = await holding.files.listed(tx, node, subject) if holding.files else []
    except Exception as error:  # noqa: BLE001  whatever one room met, the person gets what the others hold, and is told
        log_failure("privacy.holding_failed", error, kind=holding.table)
        return Kind(holding.table, holding.title, [], why_not=UNREAD, failed=True), []
    left = sorted(hidden & {heading for row in rows for heading in row})
    if files and not whole:
        files, left = [], [*left, "文件"]
    return Kind(holding.table, holding.title, [_hiding(row, hidden) for row in rows], left_out=tuple(left)), files


def _hiding(row: Mapping[str, object], hidden: frozenset[str]) -> dict[str, object]:
    return {heading: HELD_BACK if heading in hidden else value for heading, value in row.items()}


async def _content(node: Node, subject: str, holding: Holding, file: KeptFile) -> bytes | None:
    assert holding.files is not None
    try:
        async with node.db.reading() as tx:
            return await holding.files.opened(tx, node, subject, file.id)
    except Exception as error:  # noqa: BLE001  as above: the file is named as not enclosed
        log_failure("privacy.file_failed", error, kind=holding.table)
        return None


async def _ledger(tx: Tx, node: Node, subject: str) -> tuple[tuple[Proof, ...], int]:
    """The lines a person sees under 谁用过我的数据 (not those held back by law), each with its receipt; how many older ones there are."""
    now, made = node.clock.now(), []
    lines = await consent.lines(tx, node.id, subject, limit=COPIES.lines, now=now)
    for number, line in enumerate(lines):
        receipt = await _receipt(tx, subject, line) if number < COPIES.receipts else ""
        made.append(Proof(_in_words(node, line), receipt))
    return tuple(made), max(0, await consent.line_count(tx, subject, now=now) - len(lines))


async def _receipt(tx: Tx, subject: str, line: consent.Line) -> str:
    try:
        made = await transparency.receipt(tx, line.leaf, statement=consent.fact_of(subject, line))
    except (transparency.ReceiptNotReady, transparency.NoSuchLeaf, ValueError) as error:
        log("privacy.no_receipt", error=type(error).__name__)
        return ""
    return made.to_bytes().decode()


_WAYS = {"share": "部门之间取用", "view": "查看", "present": "出示", "check": "查验"}


def _in_words(node: Node, line: consent.Line) -> dict[str, object]:
    """One line of the ledger under Chinese headings."""
    made: dict[str, object] = {
        "编号": line.id, "时间": line.at.astimezone(CHINA).isoformat(), "方式": _WAYS.get(line.kind, line.kind), "谁": line.who, "哪几项": list(line.fields),
        "用来做什么": line.purpose, "依据": line.basis, "从哪里": federation.name_of(node, line.source), "给哪里": federation.name_of(node, line.receiver), "关于": line.about, "次数": line.count,
        "记在": federation.name_of(node, line.node), "摘要": line.digest,
    }  # fmt: skip
    if line.shown_from:
        made |= {"推迟到": line.shown_from.astimezone(CHINA).isoformat(), "推迟的依据": line.delay_basis}
    return made
