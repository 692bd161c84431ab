"""The hall's desk (大厅打印窗口): receive an order, print it on a numbered blank, hand it over; cases.md 9.5, I-14.

At most one valid print: a blank number is used once, an order has one living blank, and a spoilt one is destroyed by two
persons before the next. The order is all the hall needs; the issuer may be away if the status list is fresh.
"""

from __future__ import annotations

import hmac
from datetime import UTC, date, datetime, timedelta
from typing import Any

import asyncpg

from tongban import federation, seals, transparency
from tongban.credentials.actions import prints
from tongban.credentials.errors import PrintRefused
from tongban.credentials.model import PrintJob
from tongban.credentials.queries.credentials import GROUP, held_list
from tongban.credentials.queries.prints import job as find_job
from tongban.credentials.queries.prints import job_ofd
from tongban.credentials.queries.types import hall as find_hall
from tongban.credentials.rules.record import LIST_HOURS
from tongban.kernel.actor import Actor
from tongban.kernel.db import Tx
from tongban.kernel.errors import Refusal, Refusals
from tongban.kernel.gm import digest, hmac_sm3, jcs, unb64
from tongban.kernel.log import log
from tongban.kernel.node import Node

WRONG_CODES = 5


async def receive_order(tx: Tx, node: Node, origin: str, body: dict[str, Any]) -> None:
    """Take an order into the hall's queue (收打印单); one for a hall that is not here goes back."""
    order, now = str(body["order"]), node.clock.now()
    place = find_hall(node, str(body["hall"]))
    here = place is not None and place.node == node.id
    done = await tx.execute(
        "INSERT INTO credential_print_job (hall_code, id, issuer, org_name, credential, identifier, type_code, hall_name, holder_name, ofd, "
        "code_hash, list_no, list_index, state, ordered_at, valid_until, changed_at) "
        "VALUES ($1,$2,$3,$4,$5,$6,$7,$8,$9,$10,$11,$12,$13,'ordered',$14,$15,$16) ON CONFLICT DO NOTHING",
        str(body["hall"]), order, origin, str(body["organisation"]), str(body["credential"]), str(body["identifier"]), str(body["type"]),
        place.name if place else "", node.cipher.seal("identity", "credential_print_job.holder_name", order, str(body["holder"])),
        node.cipher.seal_bytes(GROUP, "credential_print_job.ofd", order, unb64(str(body["ofd"]))), _code_hash(node, order, str(body["code"])),
        int(body["status"]["list"]), int(body["status"]["index"]), datetime.fromtimestamp(int(body["ordered_at"]) / 1000, UTC),
        date.fromisoformat(str(body["until"])), now,
    )  # fmt: skip
    if done == "INSERT 0 1":
        await _tell(tx, node, order, "accepted" if here else "returned")


async def print_paper(
    tx: Tx, node: Node, actor: Actor, job_id: str, *, code: str, blank_no: str, identity_checked: bool
) -> PrintJob | Refusals:
    """Reserve a blank and print on it (打印): the holder is there, was checked in person and said the pick-up code.

    Five wrong codes lock the order until the issuer orders anew. Raises PrintRefused when the order, the credential or the
    age of the status list does not allow it.
    """
    job = await _open(tx, node, actor, job_id, {"accepted", "spoilt"})
    if job.valid_until < node.clock.today():
        raise PrintRefused("这张领证单过期了", "请本人在手机里重新预约")
    if job.wrong_codes >= WRONG_CODES:
        raise PrintRefused("取证码错了 5 次，这一单锁住了", "请本人在手机里看看取证码，再请发证单位重新下单")
    wrong: list[Refusal] = []
    if not identity_checked:
        wrong.append(Refusal("credentials.identity", "先当面核对本人和身份证，再打印", "identity"))
    number = "".join(blank_no.split()).upper()
    if not 4 <= len(number) <= 20 or not number.isalnum():
        wrong.append(Refusal("credentials.blank_no", "写上空白证上的编号，4 到 20 位字母数字", "blank_no"))
    if not await _right_code(tx, node, job_id, code):
        wrong.append(Refusal("credentials.pickup_code", "取证码不对，请对方打开手机再念一遍", "code"))
    if wrong:
        return tuple(wrong)
    await _still_valid(tx, node, job)
    await _sealed(tx, node, job)
    try:
        async with tx.transaction():
            await tx.execute(
                "INSERT INTO credential_blank (hall_code, blank_no, state, job, officer, at) VALUES ($1,$2,'printed',$3,$4,$5)",
                job.hall_code, number, job_id, actor.staff_id, node.clock.now(),
            )  # fmt: skip
    except asyncpg.UniqueViolationError:
        return (Refusal("credentials.blank_used", "这个空白证编号已经用过，请换一张并核对编号", "blank_no"),)
    return await _step(tx, node, actor, job_id, "printed", blank=number)


async def say_spoilt(tx: Tx, node: Node, actor: Actor, job_id: str) -> PrintJob:
    """One officer says that the paper is spoilt (报废申请); another must confirm its destruction."""
    job = await _open(tx, node, actor, job_id, {"printed"})
    await tx.execute(
        "UPDATE credential_blank SET spoil_by = $3 WHERE hall_code = $1 AND blank_no = $2",
        job.hall_code,
        job.blank_no,
        actor.staff_id,
    )
    return await _job(tx, node, job_id)


async def destroy(tx: Tx, node: Node, actor: Actor, job_id: str) -> PrintJob:
    """The second officer has seen the spoilt paper destroyed (报废确认); the order may be printed again on a new blank."""
    job = await _open(tx, node, actor, job_id, {"printed"})
    if not job.spoil_by:
        raise PrintRefused("还没有人报废这张证", "先由经办人点“打坏了”")
    if job.spoil_by == actor.staff_id:
        raise PrintRefused("报废要两个人，请另一位同事确认")
    await tx.execute(
        "UPDATE credential_blank SET state = 'spoilt', witness = $3, at = $4 WHERE hall_code = $1 AND blank_no = $2",
        job.hall_code, job.blank_no, actor.staff_id, node.clock.now(),
    )  # fmt: skip
    return await _step(tx, node, actor, job_id, "spoilt", blank=job.blank_no)


async def hand_over(tx: Tx, node: Node, actor: Actor, job_id: str, *, received_by: str) -> PrintJob | Refusals:
    """Give the paper to its holder, both sign (交付): the officer by the session, the holder with their name."""
    job = await _open(tx, node, actor, job_id, {"printed"})
    if job.spoil_by:
        raise PrintRefused("这张证报了打坏，不能交", "先由另一位同事确认报废，再重新打印")
    name = received_by.strip()
    if len(name) < 2:
        return (Refusal("credentials.received_by", "请领证人签上姓名", "received_by"),)
    await _still_valid(tx, node, job)
    now = node.clock.now()
    signature = digest(
        jcs(
            {
                "order": job_id,
                "blank": job.blank_no,
                "officer": actor.staff_id,
                "holder": name,
                "at": int(now.timestamp() * 1000),
            }
        )
    )
    await tx.execute(
        "UPDATE credential_blank SET state = 'handed_over', at = $3 WHERE hall_code = $1 AND blank_no = $2",
        job.hall_code,
        job.blank_no,
        now,
    )
    await tx.execute(
        "UPDATE credential_print_job SET holder_signature = $3 WHERE hall_code = $1 AND id = $2",
        job.hall_code, job_id, node.cipher.seal("case", "credential_print_job.holder_signature", job_id, name),
    )  # fmt: skip
    return await _step(tx, node, actor, job_id, "handed_over", blank=job.blank_no, signature=signature)


async def cancel_order(tx: Tx, node: Node, origin: str, body: dict[str, Any]) -> None:
    """The issuer asks to stop (停打): cancelled unless a paper is out already, and the issuer is told which."""
    order = str(body["order"])
    row = await tx.fetchrow(
        "SELECT issuer, state, hall_code, blank_no FROM credential_print_job WHERE id = $1 FOR UPDATE", order
    )
    if row is None or row["issuer"] != origin:
        raise ValueError("a print order of another issuer")
    if row["state"] in {"ordered", "accepted", "spoilt", "printed"}:
        if row["state"] == "printed":
            await tx.execute(
                "UPDATE credential_blank SET state = 'spoilt', spoil_by = 'issuer', witness = 'issuer', at = $3 WHERE hall_code = $1 AND blank_no = $2",
                row["hall_code"], row["blank_no"], node.clock.now(),
            )  # fmt: skip
        await _tell(tx, node, order, "cancelled")
    else:
        await _tell(tx, node, order, row["state"], blank=row["blank_no"])


async def expire_orders(tx: Tx, node: Node) -> int:
    """Orders nobody came for (过期): the documents go, the issuers are told; gives how many."""
    rows = await tx.fetch(
        "SELECT id FROM credential_print_job WHERE state IN ('ordered', 'accepted', 'spoilt') AND valid_until < $1 "
        "ORDER BY id LIMIT 200 FOR UPDATE SKIP LOCKED",
        node.clock.today(),
    )
    for row in rows:
        await _tell(tx, node, str(row["id"]), "expired")
    return len(rows)


def _code_hash(node: Node, order: str, code: str) -> bytes:
    return hmac_sm3(node.keys.secret("pickup-code"), f"{order}:{code}".encode())


async def _right_code(tx: Tx, node: Node, job_id: str, code: str) -> bool:
    wanted = await tx.fetchval("SELECT code_hash FROM credential_print_job WHERE id = $1", job_id)
    plain = "".join(one for one in code if one.isdigit())
    if hmac.compare_digest(bytes(wanted), _code_hash(node, job_id, plain)):
        return True
    await tx.execute("UPDATE credential_print_job SET wrong_codes = wrong_codes + 1 WHERE id = $1", job_id)
    return False


async def _still_valid(tx: Tx, node: Node, job: PrintJob) -> None:
    held = await held_list(tx, job.issuer, job.list_no)
    if held is None or node.clock.now() - held.at > timedelta(hours=LIST_HOURS):
        raise PrintRefused("发证地的状态清单太旧，现在不能打印", "等清单更新了再打，请对方稍等或者改天来")
    if held.state(job.list_index) != "valid":
        raise PrintRefused("这张证照已经不是有效状态，不能打印", "请对方联系发证单位")


async def _sealed(tx: Tx, node: Node, job: PrintJob) -> None:
    """What goes on the blank carries seals that hold and cover all of it (打印前验章), by the roots this hall trusts (T-52)."""
    document = await job_ofd(tx, node, job.id)
    verdict = seals.verify_ofd(document or b"", await seals.anchors(tx))
    if not verdict.ok:
        log("credentials.print_unsealed", peer=job.issuer, reason=verdict.step)
        raise PrintRefused("证照上的电子印章没有通过核对，不能打印", "请发证单位重新下单，这一份不要用")


async def _open(tx: Tx, node: Node, actor: Actor, job_id: str, states: set[str]) -> PrintJob:
    await tx.execute("SELECT 1 FROM credential_print_job WHERE id = $1 FOR UPDATE", job_id)
    job = await _job(tx, node, job_id)
    place = find_hall(node, job.hall_code)
    actor.require_may("credentials.print", division=place.division if place else "", org="")
    if job.state not in states:
        raise PrintRefused("这一单现在不能这样办")
    return job


async def _job(tx: Tx, node: Node, job_id: str) -> PrintJob:
    found = await find_job(tx, node, job_id)
    if found is None:
        raise PrintRefused("没有这一单")
    return found


async def _step(
    tx: Tx, node: Node, actor: Actor, job_id: str, state: str, *, blank: str, signature: str = ""
) -> PrintJob:
    await _tell(tx, node, job_id, state, blank=blank, officer=actor.staff_id, signature=signature)
    return await _job(tx, node, job_id)


async def _tell(
    tx: Tx, node: Node, order: str, state: str, *, blank: str = "", officer: str = "", signature: str = ""
) -> None:
    """Move the job and tell its issuer: row, leaf and letter together. The document is kept only while it is needed."""
    now = node.clock.now()
    row = await tx.fetchrow(
        "UPDATE credential_print_job SET state = $2, rev = rev + 1, blank_no = $3, officer = $4, changed_at = $5, "
        "ofd = CASE WHEN $2 IN ('handed_over', 'expired', 'returned', 'cancelled') THEN ''::bytea ELSE ofd END "
        "WHERE id = $1 RETURNING issuer, rev",
        order, state, blank, officer, now,
    )  # fmt: skip
    if row is None:
        raise PrintRefused("没有这一单")
    await transparency.append(
        tx, "print.done", jcs({"order": order, "state": state, "blank": digest(blank.encode()), "rev": row["rev"]})
    )
    body = {
        "v": 1,
        "order": order,
        "state": state,
        "rev": row["rev"],
        "blank": blank,
        "officer": officer,
        "signature": signature,
    }
    if row["issuer"] == node.id:
        await prints.take_state(tx, node, node.id, int(now.timestamp() * 1000), body)
    else:
        await federation.send(tx, node, to=row["issuer"], kind="print.state", about=f"print:{order}", body=body)
