"""Exports of the register of readings 审计导出 (T-65): asked by one, approved by another, taken once within a day, marked, alarmed.

Paging through very much of the register is told to the security officers too: an auditor's rate is watched as a clerk's is.
Whom a reading was of is learnt row by row, for a reason, and is itself a reading that the person sees.
"""

from __future__ import annotations

import csv
import io
from datetime import timedelta

import msgspec

from tongban import consent, transparency
from tongban.identity.actions import notices, proposals, reasons, throttle
from tongban.identity.errors import failure, refusal
from tongban.identity.model import Proposal
from tongban.identity.queries import persons, staff
from tongban.identity.queries import readings as looking
from tongban.identity.queries.readings import MOST, Filter, Reading
from tongban.identity.rules.emergency import LIMITS
from tongban.identity.rules.roles import scopes
from tongban.kernel.actor import Actor
from tongban.kernel.clock import CHINA
from tongban.kernel.db import Tx
from tongban.kernel.errors import NotAllowed, Refusals
from tongban.kernel.gm import Personal, digest, jcs
from tongban.kernel.log import log
from tongban.kernel.node import Node

KIND, SEE, EXPORT, WHO = "audit.export", "identity.audit_see", "identity.audit_export", "identity.audit_who"
WHYS = {"complaint": "有人投诉", "alert": "核查报警", "sample": "定期抽查", "letter": "监督机关来函"}
"""For what an auditor asks whom a reading was of."""
TAKEN_WITHIN = timedelta(days=1)
_HEADINGS = ["时间", "单位", "工号", "理由", "依据编号", "被看的人（按月代号）"]


async def looked(tx: Tx, node: Node, auditor: Actor) -> None:
    """Count a page of the register 记一页; very many in an hour are told to the security officers, the page is still shown."""
    if await throttle.take(tx, node, f"audit:{auditor.subject}", ((3600, LIMITS.audit_pages_an_hour),)):
        await notices.put_alert(tx, node, auditor, "many_audit_pages", f"一小时内翻了超过 {LIMITS.audit_pages_an_hour} 页查看记录")


class Whom(msgspec.Struct, frozen=True):
    """Whom a reading was of (被看的人); name and number None where this node does not hold them."""

    name: Personal | None
    number: Personal | None
    home: str


async def reading(tx: Tx, node: Node, auditor: Actor, reading_id: str) -> Reading | None:
    """One row of the register in the auditor's own area 一行记录, None when there is none there. Raises NotAllowed, StaffNeeded."""
    auditor.require_staff()
    areas = scopes(auditor, WHO)
    if not areas:
        raise NotAllowed
    return next(iter(await looking.readings(tx, node, areas, Filter(row=reading_id))), None)


async def whom(tx: Tx, node: Node, auditor: Actor, reading_id: str, why: str) -> Whom | Refusals:
    """Whom that reading was of 查是谁: a reading itself, with a line in the person's ledger, a row of the register and a leaf.

    `why` is one of WHYS. Raises NotAllowed and, of the auditor's own person and family, Failure `identity.own_case` (T-62).
    """
    if await reading(tx, node, auditor, reading_id) is None:
        raise NotAllowed
    if why not in WHYS:
        return (refusal("identity.audit_why", "why"),)
    subject: str = await tx.fetchval("SELECT subject FROM access_reason WHERE id = $1", reading_id)
    if auditor.own_or_family(subject):
        raise failure("identity.own_case")
    person = await persons.person(tx, node, subject)
    await reasons.note_reading(tx, node, auditor, "audit", f"{why}:{reading_id}", consent.Access(
        subject=person.subject if person else subject, kind="view", who=auditor.unit or node.settings.name, fields=("姓名", "证件号前后几位"),
        purpose=f"审计工作人员看过谁：{WHYS[why]}", source=node.id, receiver=node.id, basis="个人信息保护法第五十四条", about=f"audit:{reading_id}",
    ))  # fmt: skip
    return Whom(person.name if person else None, person.number if person else None, person.home if person else "")


async def propose_export(tx: Tx, node: Node, auditor: Actor, wanted: Filter) -> Proposal:
    """Ask for an export of what the filter shows 申请导出, in the auditor's own area. Raises NotAllowed."""
    areas = scopes(auditor, EXPORT)
    division, org = areas[0] if areas else ("", "")
    body = jcs({"filter": msgspec.to_builtins(wanted), "areas": [list(one) for one in areas]})
    return await proposals.propose(tx, node, auditor, KIND, division=division.ljust(6, "0"), org=org, words=_words(wanted), body=body)


async def _approved(tx: Tx, node: Node, approver: Actor, found: Proposal, body: bytes) -> str:
    told = msgspec.json.decode(body)
    wanted = msgspec.convert(told["filter"], Filter)
    areas = [(str(division), str(org)) for division, org in told["areas"]]
    rows = await looking.readings(tx, node, areas, wanted, most=MOST)
    numbers = {one.subject: one.staff_no for one in await staff.all_staff(tx, node)}
    proposer, second = numbers.get(found.proposed_by, "已离岗"), numbers.get(approver.subject, "已离岗")
    now = node.clock.now()
    stamp = f"导出人 {proposer}，批准人 {second}，{now.astimezone(CHINA):%Y-%m-%d %H:%M}，编号 {found.id}"
    box = io.StringIO()
    out = csv.writer(box, lineterminator="\r\n")
    out.writerow([f"# {stamp}"])
    out.writerow([*_HEADINGS, "导出标记"])
    # the mark stands in every row: a row that is passed on alone still says who took it
    out.writerows([[_plain(value) for value in row] + [f"{proposer}/{found.id[-8:]}"] for row in looking.export_rows(rows)])
    content = box.getvalue().encode("utf-8-sig")
    await tx.execute(
        "INSERT INTO audit_export (id, staff, approved_by, made_at, row_count, digest, content) VALUES ($1, $2, $3, $4, $5, $6, $7)",
        found.id, found.proposed_by, approver.subject, now, len(rows), digest(content),
        node.cipher.seal_bytes(proposals.GROUP, "audit_export.content", found.id, content),
    )  # fmt: skip
    await transparency.append(
        tx, "audit.exported", jcs({"id": found.id, "digest": digest(content), "rows": len(rows), "by": [found.proposed_by, approver.subject], "v": 1})
    )
    if len(rows) >= MOST:
        await notices.put_alert(tx, node, approver, "big_export", f"导出查看记录到了上限 {MOST} 行")
    return f"可以取了，共 {len(rows)} 行，一天之内由提出的人取一次"


async def take_export(tx: Tx, node: Node, auditor: Actor, export_id: str) -> bytes:
    """The file, once, for who asked for it 取导出文件. Failure `identity.export_gone` for anybody else and after a day."""
    row = await tx.fetchrow("SELECT staff, made_at, taken_at, content FROM audit_export WHERE id = $1 FOR UPDATE", export_id)
    if row is None or row["staff"] != auditor.subject or row["taken_at"] is not None or not scopes(auditor, EXPORT):
        raise failure("identity.export_gone")
    if row["made_at"] < node.clock.now() - TAKEN_WITHIN:
        raise failure("identity.export_gone")
    await tx.execute("UPDATE audit_export SET taken_at = $2, content = ''::bytea WHERE id = $1", export_id, node.clock.now())
    log("identity.export_taken", kind=KIND)
    content: bytes = node.cipher.open_bytes(proposals.GROUP, "audit_export.content", export_id, row["content"])
    return content


async def forget_exports(node: Node) -> None:
    """Empty exports nobody took within a day 清空过期导出; who asked and who approved stays."""
    async with node.db.transaction() as tx:
        await tx.execute("UPDATE audit_export SET content = ''::bytea WHERE made_at < $1 AND content <> ''::bytea", node.clock.now() - TAKEN_WITHIN)


async def waiting_exports(tx: Tx, node: Node, auditor: Actor) -> tuple[tuple[str, int], ...]:
    """Exports this auditor may take now: (id, rows)."""
    rows = await tx.fetch(
        "SELECT id, row_count FROM audit_export WHERE staff = $1 AND taken_at IS NULL AND made_at > $2 ORDER BY made_at DESC",
        auditor.subject, node.clock.now() - TAKEN_WITHIN,
    )  # fmt: skip
    return tuple((row["id"], row["row_count"]) for row in rows)


def _words(wanted: Filter) -> str:
    """The filter in words, for who approves; a staff number is no citizen."""
    parts = [
        wanted.unit, f"工号 {wanted.staff_no}" if wanted.staff_no else "", f"理由 {wanted.kind}" if wanted.kind else "",
        f"{wanted.since:%Y-%m-%d} 起" if wanted.since else "", f"到 {wanted.until:%Y-%m-%d}" if wanted.until else "", "同一个人的" if wanted.same else "",
    ]  # fmt: skip
    return "查看记录：" + ("，".join(one for one in parts if one) or "全部")


def _plain(value: object) -> str:
    """A cell no spreadsheet takes for a formula."""
    text = str(value)
    return "'" + text if text[:1] in {"=", "+", "-", "@", "\t", "\r"} else text


proposals.carries_out(KIND, _approved)
