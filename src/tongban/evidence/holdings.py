"""What 材料与归档 keeps of people: files with their content, where they are used, packages of ended cases (R-409, R-804, R-403, R-407)."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timedelta

from tongban import federation
from tongban.evidence import queries
from tongban.evidence.actions import UNUSED, end_cleared, end_unused, leave
from tongban.evidence.model import KINDS
from tongban.evidence.rules.limits import ARCHIVING, LIMITS
from tongban.kernel.clock import CHINA
from tongban.kernel.copying import UNREADABLE, copier, plain, time, words
from tongban.kernel.db import Tx
from tongban.kernel.errors import Failure
from tongban.kernel.gm import CannotOpen
from tongban.kernel.holdings import Files, Holding, KeptFile, Term
from tongban.kernel.ids import is_uuid
from tongban.kernel.node import Node

_ORIGIN = {"upload": "自己上传的", "letter": "随申请送来的", "document": "这里出的文书"}
_SCAN = {"waiting": "还在查毒", "infected": "查出病毒，没有保留"}


def _at(moment: datetime) -> str:
    return moment.astimezone(CHINA).isoformat(timespec="seconds")


async def _name(tx: Tx, node: Node, material: str, blob: bytes) -> str:
    try:
        return (await node.person_keys.open(tx, "material.name", material, blob)).decode()
    except CannotOpen:
        return UNREADABLE


async def _copied(tx: Tx, node: Node, subject: str) -> list[Mapping[str, object]]:
    rows = await tx.fetch(
        "SELECT m.*, (SELECT count(*) FROM material_use u WHERE u.subject = m.subject AND u.material = m.id) AS uses,"
        " (SELECT array_agg(DISTINCT u.sent_to) FROM material_use u WHERE u.subject = m.subject AND u.material = m.id) AS sent_to"
        " FROM material m WHERE subject = $1 ORDER BY made_at DESC, id DESC",
        subject,
    )
    found: list[Mapping[str, object]] = []
    for row in rows:
        values: dict[str, object] = {
            "文件名": await _name(tx, node, row["id"], row["name"]), "类型": KINDS.get(row["media_type"], "文件"), "字节数": row["byte_count"],
            "怎么来的": _ORIGIN[row["origin"]], "时间": _at(row["made_at"]), "用过几次": row["uses"],
            "给过哪里": [federation.name_of(node, one) for one in row["sent_to"] or ()], "查毒": _SCAN.get(row["scan"], ""),
            "从我的材料移出": _at(row["removed_at"]) if row["removed_at"] else "",
        }  # fmt: skip
        found.append({heading: value for heading, value in values.items() if value not in ("", [], 0)})
    return found


async def _listed(tx: Tx, node: Node, subject: str) -> list[KeptFile]:
    rows = await tx.fetch(
        "SELECT id, name, media_type, byte_count FROM material WHERE subject = $1 AND held AND scan NOT IN ('waiting', 'infected')"
        " ORDER BY made_at DESC, id DESC",
        subject,
    )
    return [KeptFile(row["id"], await _name(tx, node, row["id"], row["name"]), row["media_type"], row["byte_count"]) for row in rows]


async def _opened(tx: Tx, node: Node, subject: str, material: str) -> bytes | None:
    try:
        return (await queries.read(tx, node, subject, material)).content if is_uuid(material) else None
    except (Failure, CannotOpen):
        return None


HOLDINGS = (
    Holding(
        table="material", title="我的材料", copy=_copied, files=Files(_listed, _opened), erase=leave,
        stays="交进办件的材料和办件里的文书跟着案卷，按档案规定保存，从“我的材料”里移出。",
        term=Term(
            kept=timedelta(days=LIMITS.unused_days), past=UNUSED, end=end_unused, verified=LIMITS.verified, source=f"evidence/limits.toml: {LIMITS.source}",
        ),
    ),
    Holding(
        table="material_use", title="材料用在哪里", not_copied="已写在“我的材料”每一份里", not_erased="跟着材料：材料删了它就删了，留下的跟着案卷",
        no_term="跟着材料",
    ),
    Holding(
        table="archive", title="归档的办件",
        copy=copier(
            "archive", plain("办件编号", "number"), plain("事项", "item_name"), plain("办结日", "ended_on"),
            words("保管期限", "term", {"10": "10 年", "30": "30 年", "permanent": "永久"}),
            words("到了哪一步", "state", {"waiting": "正在归档", "packed": "已归档", "proposed": "准备移交", "approved": "准备移交", "handed_over": "已移交档案部门",
                                      "cleared": "已移交，这里不再保存内容"}),
            time("移交时间", "handed_over_at"), order="made_at DESC, id DESC",
        ),
        not_erased="跟着案卷：办结后只留案卷本身", stays="归档的案卷按档案规定保存 10 年、30 年或永久，不再和账号连着。",
        term=Term(
            kept=timedelta(days=ARCHIVING.kept_days), past="state = 'handed_over' AND handed_over_at < $1", end=end_cleared, case="number",
            source="evidence/archive.toml kept_days, product: after the archive's receipt; the row remains as the link",
        ),
    ),
)  # fmt: skip
