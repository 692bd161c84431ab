"""What 办件 keeps of people: drafts and mirrors go with the account, the office's file stays and names nobody's account (R-409, R-804, R-601)."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any

from tongban import catalogue, evidence, federation
from tongban.cases.actions.closing import MIRROR_DAYS, MIRROR_OVER, end_mirrors
from tongban.cases.actions.leaving import (
    leave,
    leave_drafts,
    leave_mirrors,
    leave_sent,
    leave_with_mirror,
)
from tongban.cases.model import Answers, Case, Mirror, Submission
from tongban.cases.queries import rows
from tongban.cases.rules import moves, wording
from tongban.kernel.clock import CHINA
from tongban.kernel.copying import copier, plain, says, time, words
from tongban.kernel.db import Tx
from tongban.kernel.errors import Failure
from tongban.kernel.gm import CannotOpen
from tongban.kernel.holdings import Files, Holding, KeptFile, Term, rows_of
from tongban.kernel.ids import BadIdentifier, IdNumber, is_uuid
from tongban.kernel.log import log
from tongban.kernel.node import Node

Values = dict[str, object]
_WITH_FILE = "跟着案卷：办结后只留案卷本身，不再和账号连着"
_BY_ARCHIVE = "跟着案卷，移交档案部门 30 天后一起清掉"
_NUMBERS = "证件号码"
_GONE: Values = {"内容": "（这一件打不开）"}
_WITH_NUMBER = "(SELECT t.*, m.number, m.item_name FROM {0} t LEFT JOIN case_mirror m ON m.subject = t.subject AND m.id = t.case_id) AS {0}"


def _at(moment: datetime) -> str:
    return moment.astimezone(CHINA).isoformat(timespec="seconds")


def _ms(moment: int) -> str:
    return datetime.fromtimestamp(moment / 1000, CHINA).isoformat(timespec="seconds")


def _kept(values: Values) -> Mapping[str, object]:
    return {heading: value for heading, value in values.items() if value not in (None, "", [], {}, ())}


def _is_number(value: object) -> bool:
    try:
        return isinstance(value, str) and bool(IdNumber.parse(value))
    except BadIdentifier:
        return False


async def _answers(tx: Tx, code: str, version: str, answers: Answers) -> Values:
    """Each answer under its question; document numbers apart, since a copy at a lower level leaves them out."""
    item = await catalogue.item(tx, code, int(version))
    labels = {one.name: one.label for one in item.form.fields} if item else {}
    said: dict[str, object] = {labels.get(name, name): value for name, value in answers.items() if value not in (None, "", [], {})}
    numbers = {label: value for label, value in said.items() if _is_number(value)}
    return {"填的内容": {label: value for label, value in said.items() if label not in numbers}, _NUMBERS: numbers}


async def _submitted(tx: Tx, sent: Submission) -> Values:
    found = await _answers(tx, sent.task_code, sent.item_version, sent.answers)
    numbers: Any = found[_NUMBERS]
    mine = {"申请人": sent.evidence.number} if sent.evidence.number else {}
    agent = sent.agent_name[:1] + "*" * (len(sent.agent_name) - 1) if sent.agent_name else ""
    return {"申请人": sent.evidence.name, "代办人": agent, "填的内容": found["填的内容"], _NUMBERS: {**mine, **numbers}}


async def _drafts(tx: Tx, node: Node, subject: str) -> list[Mapping[str, object]]:
    found = []
    for row in await tx.fetch("SELECT * FROM draft WHERE subject = $1 AND state = 'draft' ORDER BY touched_at DESC, id DESC", subject):
        item = await catalogue.item(tx, row["task_code"], int(row["item_version"]))
        head: Values = {"事项": item.name if item else row["task_code"], "开始填": _at(row["made_at"]), "上次改": _at(row["touched_at"])}
        try:
            draft = await rows.draft_of(tx, node, row)
        except CannotOpen:
            log("cases.copy_unreadable", kind="draft")
            found.append(_kept(head | _GONE))
            continue
        found.append(_kept(head | await _answers(tx, draft.task_code, draft.item_version, draft.file.answers)))
    return found


async def _mirrors(tx: Tx, node: Node, subject: str) -> list[Mapping[str, object]]:
    found = []
    for row in await tx.fetch("SELECT * FROM case_mirror WHERE subject = $1 ORDER BY submitted_at DESC, id DESC", subject):
        head: Values = {
            "办件编号": row["number"], "事项": row["item_name"], "受理部门": row["owner_name"], "状态": wording.state(row["state"]), "提交时间": _at(row["submitted_at"])
        }
        if not row["form"]:
            found.append(_kept(head | {"内容": "办结已过 30 天，这里只留这一行，案卷在受理部门"}))
            continue
        try:
            mirror = await rows.mirror_of(tx, node, row)
        except CannotOpen:
            log("cases.copy_unreadable", kind="case_mirror")
            found.append(_kept(head | _GONE))
            continue
        found.append(_kept(head | await _submitted(tx, mirror.submission) | _heard(mirror)))
    return found


def _heard(mirror: Mirror) -> Values:
    view = mirror.view
    if view is None:
        return {}
    told = [_kept({"时间": _ms(one.at), "进度": one.title, "说明": one.text, "部门": one.unit}) for one in view.told]
    return {"进度": told, "理由": [one.fact for one in view.reasons], "最晚哪天": view.due_on.isoformat() if view.due_on else ""}


async def _records(tx: Tx, node: Node, subject: str) -> list[Mapping[str, object]]:
    found = []
    for row in await tx.fetch("SELECT * FROM case_record WHERE subject = $1 ORDER BY submitted_at DESC, id DESC", subject):
        try:
            case = await rows.case_of(tx, node, row)
        except CannotOpen:
            log("cases.copy_unreadable", kind="case_record")
            found.append(_kept({"办件编号": row["number"], "事项": row["item_name"], **_GONE}))
            continue
        found.append(_kept(_of_case(case) | await _submitted(tx, case.file.submission)))
    return found


def _of_case(case: Case) -> Values:
    return {
        "办件编号": case.number, "事项": case.item_name, "状态": wording.state(case.state), "提交时间": _at(case.submitted_at),
        "收件日": case.received_on.isoformat(), "上次变动": _at(case.changed_at), "最晚哪天": case.due_on.isoformat() if case.due_on else "",
        "补正要求": [f"{one.title}：{one.why}" for one in case.file.correction.defects] if case.file.correction else [],
        "理由": [one.fact for one in case.file.reasons],
    }  # fmt: skip


async def _history(tx: Tx, node: Node, subject: str) -> list[Mapping[str, object]]:
    found = []
    for row in await tx.fetch(
        "SELECT h.*, r.number FROM case_history h LEFT JOIN case_record r ON r.subject = h.subject AND r.id = h.case_id"
        " WHERE h.subject = $1 AND h.transition <> 'opinion' ORDER BY h.at DESC, h.case_id, h.n DESC", subject,
    ):  # fmt: skip
        try:
            shown = (await rows.line_of(tx, node, row)).shown
        except CannotOpen:
            shown = None
            log("cases.copy_unreadable", kind="case_history")
        found.append(_kept({
            "办件编号": row["number"], "时间": _at(row["at"]), "进度": row["title"], "告知": shown.reveal() if shown else "", "部门": row["unit"]
        }))  # fmt: skip
    return found


async def _papers(tx: Tx, node: Node, subject: str) -> list[KeptFile]:  # noqa: ARG001  the shape of Files
    found = await tx.fetch(
        "SELECT d.id, d.title, m.media_type, m.byte_count FROM case_document d JOIN material m ON m.subject = d.subject AND m.id = d.material"
        " WHERE d.subject = $1 ORDER BY d.made_at DESC, d.id DESC", subject,
    )  # fmt: skip
    return [KeptFile(row["id"], f"{row['title']}.ofd", row["media_type"], row["byte_count"]) for row in found]


async def _paper(tx: Tx, node: Node, subject: str, document: str) -> bytes | None:
    if not is_uuid(document):
        return None
    material = await tx.fetchval("SELECT material FROM case_document WHERE subject = $1 AND id = $2", subject, document)
    try:
        return (await evidence.read(tx, node, subject, material)).content if material else None
    except (Failure, CannotOpen):
        return None


async def _forgotten(tx: Tx, node: Node, subject: str) -> int:
    await node.person_keys.renew(tx, subject)
    return await node.person_keys.forget(tx, subject)


HOLDINGS = (
    Holding(
        table="draft", title="没交的申请", copy=_drafts, sensitive=frozenset({_NUMBERS}), erase=leave_drafts,
        term=Term(
            kept=timedelta(days=moves.DRAFT_DAYS), source="privacy.md 4: draft untouched, 90 days, told at 83, product",
            past=f"touched_at < $1 AND (state <> 'draft' OR told_at < $1 + interval '{moves.DRAFT_DAYS - moves.TOLD_BEFORE_DAYS} days')",
        ),
    ),
    Holding(
        table="case_mirror", title="我的办件", copy=_mirrors, sensitive=frozenset({_NUMBERS}), erase=leave_mirrors,
        term=Term(
            kept=timedelta(days=MIRROR_DAYS), past=MIRROR_OVER, end=end_mirrors, case="number",
            source="privacy.md 4: mirror of a case in another node, 30 days after a final state, product",
        ),
    ),
    Holding(
        table="case_claim", title="等核实的办件消息", not_copied="另一个单位先说的话，受理部门点名以前不算数", erase=rows_of("case_claim"),
        term=Term(kept=timedelta(days=90), past="came_at < $1", source="product: a hand-over is answered long before"),
    ),
    Holding(
        table="case_request", title="我的撤回和补正",
        copy=copier(
            _WITH_NUMBER.format("case_request"), plain("办件编号", "number"), words("要求", "kind", {"withdraw": "撤回", "correct": "补材料"}),
            time("时间", "sent_at"), words("结果", "answer", {"done": "办了", "refused": "没有办成"}), time("答复时间", "answered_at"),
            order="sent_at DESC, id DESC",
        ),
        erase=leave_with_mirror("case_request"), no_term="跟着“我的办件”：镜像清空时一起删",
    ),
    Holding(
        table="case_opened", title="打开过的通知",
        copy=copier(_WITH_NUMBER.format("case_opened"), plain("办件编号", "number"), says("做了什么", "打开通知、结果或评过"), time("时间", "at"), order="at DESC, what"),
        erase=leave_with_mirror("case_opened"), no_term="跟着“我的办件”：镜像清空时一起删",
    ),
    Holding(
        table="case_record", title="受理部门的办件", copy=_records, sensitive=frozenset({_NUMBERS}), erase=leave,
        stays="办过的事由受理部门依法留案卷（按事项 10 年、30 年或永久），只留案卷本身，不再和你的账号连着。正在办的会接着办完。", no_term=_BY_ARCHIVE,
        case="number",
    ),
    Holding(table="case_history", title="办理经过", copy=_history, not_erased=_WITH_FILE, no_term=_BY_ARCHIVE),
    Holding(table="case_clock", title="办理时限", not_copied="期限已写在“受理部门的办件”里", not_erased=_WITH_FILE, no_term=_BY_ARCHIVE),
    Holding(
        table="case_material", title="办件材料对应", not_copied="只是编号的对应，文件在“我的材料”里", erase=leave_sent, no_term=_BY_ARCHIVE,
    ),
    Holding(
        table="case_document", title="办件文书",
        copy=copier("case_document", plain("文书", "title"), time("时间", "made_at"), order="made_at DESC, id DESC"), files=Files(_papers, _paper),
        not_erased=_WITH_FILE, no_term=_BY_ARCHIVE,
    ),
    Holding(table="case_standing", title="收到的撤回和补正", not_copied="同样的内容在“我的撤回和补正”和办件里", not_erased=_WITH_FILE, no_term=_BY_ARCHIVE),
    Holding(
        table="case_offer", title="移交办件的记录",
        copy=copier(
            "case_offer", plain("办件编号", "number"), plain("事项", "item_name"), words("方向", "way", {"out": "移交给", "in": "收到，来自"}),
            federation.place("哪里", "other_node"), time("时间", "at"), words("答复", "answer", {"taken": "接了", "declined": "退回"}), order="at DESC, way",
        ),
        not_erased=_WITH_FILE,
        term=Term(
            kept=timedelta(days=30), past="way = 'in' AND answer = 'declined' AND answered_at < $1", case="number",
            source="product: as a mirror; the file is with the office that has the case",
        ),
    ),
    Holding(  # last: whatever needed a key has been erased by then
        table="person_key", title="数据密钥", not_copied="密钥，不是信息", erase=_forgotten, no_term="跟着它锁着的数据，最后一份没了就删",
    ),
)  # fmt: skip
