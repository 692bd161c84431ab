"""Print orders at the issuer and at the holder's home (异地互发打印单); cases.md 9.5.

Issuer: order → told by the hall how far it is → handed over. Each change is a row, a leaf and a letter to the home.
"""

from __future__ import annotations

import secrets
from collections.abc import Awaitable, Callable
from datetime import UTC, date, datetime, timedelta
from typing import Any

import asyncpg

from tongban import consent, federation, notifications, transparency
from tongban.credentials.errors import CardGone, PrintForgotten
from tongban.credentials.model import PrintOrder
from tongban.credentials.queries.credentials import card as find_card
from tongban.credentials.queries.credentials import credential as find
from tongban.credentials.queries.credentials import issued_ofd, print_orders
from tongban.credentials.queries.types import hall as find_hall
from tongban.credentials.queries.types import type_of
from tongban.kernel.actor import Actor
from tongban.kernel.db import Tx
from tongban.kernel.errors import Refusal, Refusals
from tongban.kernel.gm import b64, digest, jcs
from tongban.kernel.ids import uuid7
from tongban.kernel.node import Node

HandedOver = Callable[[Tx, Node, str, str], Awaitable[None]]
_listeners: list[HandedOver] = []
LIVE = ("ordered", "accepted", "printed", "spoilt")


def on_handed_over(handler: HandedOver) -> None:
    """Call `handler(tx, node, case_id, credential_id)` in the transaction that learns of a hand-over (T17)."""
    if handler not in _listeners:
        _listeners.append(handler)


async def ask_print(tx: Tx, node: Node, actor: Actor, card_id: str, hall_code: str) -> str | Refusals:
    """The holder wants the paper at a hall (预约领证), at the home node: the issuer is asked by letter. Gives the order id."""
    actor.require_self("预约领纸质证")
    card = await find_card(tx, node, actor.person, card_id)
    if card is None:
        raise CardGone
    hall, kind = find_hall(node, hall_code), type_of(node, card.type_code)
    if hall is None or kind is None or not kind.print.allowed:
        return (Refusal("credentials.hall", "选一个大厅", "hall"),)
    if card.state != "valid":
        return (Refusal("credentials.print_state", "这张证现在不是有效状态，领不了纸质的", "hall"),)
    waiting = await tx.fetchval(
        "SELECT 1 FROM credential_pickup WHERE subject = $1 AND card = $2 AND state = ANY($3)",
        actor.person,
        card_id,
        ["requested", *LIVE],
    )
    if waiting:
        return (Refusal("credentials.print_twice", "已经约好一个大厅，领完或者过期以后才能再约", "hall"),)
    order, now = uuid7(), node.clock.now()
    await tx.execute(
        "INSERT INTO credential_pickup (subject, id, card, hall_name, code, state, valid_until, rev, changed_at) "
        "VALUES ($1,$2,$3,$4,$5,'requested',$6,-1,$7)",
        actor.person, order, card_id, hall.name, node.cipher.seal("case", "credential_pickup.code", order, ""),
        node.clock.today() + timedelta(days=kind.print.days), now,
    )  # fmt: skip
    body = {"v": 1, "order": order, "subject": actor.person, "credential": card_id, "hall": hall.code}
    if card.issuer == node.id:
        await take_request(tx, node, node.id, body)
    else:
        await federation.send(tx, node, to=card.issuer, kind="print.requested", about=f"print:{order}", body=body)
    return order


async def take_request(tx: Tx, node: Node, origin: str, body: dict[str, Any]) -> None:
    """A home asks for a print of one of our credentials (收领证申请): ordered, or refused with a word to the home."""
    subject, credential_id, order = str(body["subject"]), str(body["credential"]), str(body["order"])
    found = await find(tx, node, subject, credential_id)
    made = None
    if found is not None and found.home == origin:
        made = await order_print(
            tx, node, subject=subject, credential_id=credential_id, hall=str(body["hall"]), order=order
        )
    if not isinstance(made, PrintOrder):
        await _notice(
            tx,
            node,
            origin,
            {"v": 1, "order": order, "subject": subject, "state": "refused", "rev": 0, "code": "", "until": ""},
        )


async def order_print(
    tx: Tx, node: Node, *, subject: str, credential_id: str, hall: str, order: str | None = None
) -> PrintOrder | Refusals:
    """Order a paper at a hall (下打印单): the hall gets the document, the holder's home the pick-up code.

    At most one living order a credential; a paper once handed over is not ordered again.
    """
    found, place = await find(tx, node, subject, credential_id), find_hall(node, hall)
    kind = type_of(node, found.type_code) if found else None
    if found is None or place is None or kind is None or not kind.print.allowed:
        return (Refusal("credentials.hall", "选一个大厅", "hall"),)
    if found.state != "valid":
        return (Refusal("credentials.print_state", "这张证现在不是有效状态，领不了纸质的", "hall"),)
    number, code = order or uuid7(), f"{secrets.randbelow(10**8):08d}"
    now, until = node.clock.now(), node.clock.today() + timedelta(days=kind.print.days)
    leaf = await transparency.append(
        tx, "print.ordered", jcs({"order": number, "credential": credential_id, "hall": place.code})
    )
    try:
        async with tx.transaction():
            await tx.execute(
                "INSERT INTO credential_print_order (subject, id, credential, hall_node, hall_code, hall_name, code, state, ordered_at, "
                "valid_until, changed_at, leaf) VALUES ($1,$2,$3,$4,$5,$6,$7,'ordered',$8,$9,$8,$10)",
                subject, number, credential_id, place.node, place.code, place.name,
                node.cipher.seal("case", "credential_print_order.code", number, code), now, until, leaf.id,
            )  # fmt: skip
    except asyncpg.UniqueViolationError:
        return (Refusal("credentials.print_twice", "已经约好一个大厅，领完或者过期以后才能再约", "hall"),)
    ofd = await issued_ofd(tx, node, subject, credential_id)
    body = {
        "v": 1, "order": number, "credential": credential_id, "identifier": found.identifier, "type": found.type_code,
        "organisation": found.org_name, "holder": found.holder_name.reveal(), "hall": place.code, "until": until.isoformat(),
        "code": code, "status": {"list": found.list_no, "index": found.list_index}, "ofd": b64(ofd or b""),
        "ordered_at": int(now.timestamp() * 1000),
    }  # fmt: skip
    if place.node == node.id:
        from tongban.credentials.actions import hall as desk

        await desk.receive_order(tx, node, node.id, body)
    else:
        await federation.send(tx, node, to=place.node, kind="print.ordered", about=f"print:{number}", body=body)
    await _notice(
        tx, node, found.home,
        {"v": 1, "order": number, "subject": subject, "credential": credential_id, "hall": place.name, "state": "ordered", "rev": 0,
         "code": code, "until": until.isoformat()},
    )  # fmt: skip
    return (await print_orders(tx, credential_id, subject))[0]


async def take_state(tx: Tx, node: Node, origin: str, at_ms: int, body: dict[str, Any]) -> None:
    """The hall says how far an order is (收打印状态): newest `rev` wins; a hand-over is told to whoever waits for it."""
    row = await tx.fetchrow(
        "SELECT o.subject, o.credential, o.hall_node, o.hall_name, o.rev, o.state, c.case_id, c.home FROM credential_print_order o "
        "JOIN credential c ON c.subject = o.subject AND c.id = o.credential WHERE o.id = $1 FOR UPDATE OF o",
        str(body["order"]),
    )
    if row is None:
        raise PrintForgotten
    if row["hall_node"] != origin:
        raise ValueError("a print order of another hall")
    if int(body["rev"]) <= row["rev"]:
        return
    state, subject = str(body["state"]), row["subject"]
    leaf = await transparency.append(
        tx,
        "print.state",
        jcs(
            {
                "order": str(body["order"]),
                "state": state,
                "blank": digest(str(body["blank"]).encode()),
                "rev": int(body["rev"]),
            }
        ),
    )
    await tx.execute(
        "UPDATE credential_print_order SET state = $3, blank_no = $4, officer = $5, signature_digest = $6, rev = $7, changed_at = $8, "
        "leaf = $9 WHERE subject = $1 AND id = $2",
        subject, str(body["order"]), state, str(body["blank"]), str(body["officer"]), str(body["signature"]), int(body["rev"]),
        datetime.fromtimestamp(at_ms / 1000, UTC), leaf.id,
    )  # fmt: skip
    if state == "printed":  # the hall's clerk has the document before them: the holder's ledger says so (T-60)
        await consent.record_access(
            tx, node,
            consent.Access(
                subject=subject, kind="view", who=f"{row['hall_name']} 打印窗口", fields=("证照内容",), purpose="打印你预约的纸质证照",
                source=node.id, receiver=origin, basis="本人预约，当面念取证码", about=f"credential:{row['credential']}",
            ),
        )  # fmt: skip
    await _notice(
        tx,
        node,
        row["home"],
        {"v": 1, "order": str(body["order"]), "subject": subject, "state": state, "rev": int(body["rev"])},
    )
    if state == "handed_over" and row["case_id"]:
        for handler in _listeners:
            await handler(tx, node, row["case_id"], str(row["credential"]))


async def ask_cancel(tx: Tx, node: Node, credential_id: str) -> None:
    """Ask the hall to stop an order, because the credential no longer stands (请大厅停打): the hall decides and answers."""
    rows = await tx.fetch(
        "SELECT id, hall_node FROM credential_print_order WHERE credential = $1 AND state = ANY($2)",
        credential_id,
        list(LIVE),
    )
    for row in rows:
        body = {"v": 1, "order": str(row["id"])}
        if row["hall_node"] == node.id:
            from tongban.credentials.actions import hall as desk

            await desk.cancel_order(tx, node, node.id, body)
        else:
            await federation.send(
                tx, node, to=row["hall_node"], kind="print.cancel_asked", about=f"print:{row['id']}", body=body
            )


async def _notice(tx: Tx, node: Node, home: str, body: dict[str, Any]) -> None:
    if home == node.id:
        await take_notice(tx, node, node.id, body)
    else:
        await federation.send(tx, node, to=home, kind="print.notice", about=f"print:{body['order']}", body=body)


async def take_notice(tx: Tx, node: Node, origin: str, body: dict[str, Any]) -> None:
    """The issuer tells the holder's home how far an order is (领证进度). Raises ValueError for a card of another issuer."""
    order, subject, state = str(body["order"]), str(body["subject"]), str(body["state"])
    now = node.clock.now()
    if state == "ordered":
        card = await tx.fetchrow(
            "SELECT issuer FROM credential_card WHERE subject = $1 AND id = $2", subject, str(body["credential"])
        )
        if card is None or card["issuer"] != origin:
            raise ValueError("a print order for a card that is not here")
        await tx.execute(
            "INSERT INTO credential_pickup (subject, id, card, hall_name, code, state, valid_until, rev, changed_at) "
            "VALUES ($1,$2,$3,$4,$5,'ordered',$6,0,$7) ON CONFLICT (subject, id) DO UPDATE SET code = $5, hall_name = $4, "
            "state = CASE WHEN credential_pickup.rev < 0 THEN 'ordered' ELSE credential_pickup.state END, "
            "valid_until = $6, rev = greatest(credential_pickup.rev, 0), changed_at = $7",
            subject, order, str(body["credential"]), str(body["hall"]),
            node.cipher.seal("case", "credential_pickup.code", order, str(body["code"])), date.fromisoformat(str(body["until"])), now,
        )  # fmt: skip
    else:
        issuer = await tx.fetchval(
            "SELECT c.issuer FROM credential_pickup p JOIN credential_card c ON c.subject = p.subject AND c.id = p.card "
            "WHERE p.subject = $1 AND p.id = $2",
            subject, order,
        )  # fmt: skip
        # an order made at the hall may be told of before the home knows it: there is nothing to change then
        if issuer not in {None, origin}:
            raise ValueError("a print order for a card of another issuer")
        await tx.execute(
            "UPDATE credential_pickup SET state = $3, rev = $4, changed_at = $5 WHERE subject = $1 AND id = $2 AND rev < $4",
            subject, order, state, int(body["rev"]), now,
        )  # fmt: skip
    row = await tx.fetchrow(
        "SELECT card, hall_name FROM credential_pickup WHERE subject = $1 AND id = $2", subject, order
    )
    words = {
        "ordered": ("可以去领纸质证照了", "带身份证，到{}，出示取证码"),
        "handed_over": ("纸质证照已经领走", "在{}领的。不是你领的，请打 12345"),
        "expired": ("领证单过期了", "没有去领，需要的话再约一次"),
        "refused": ("这张证暂时约不了纸质的", "打开证照看看原因"),
        "returned": ("大厅打不了这张证", "可以换一个大厅"),
        "cancelled": ("领证单停了", "证照已经不是有效状态"),
    }.get(state)
    if row is not None and words is not None:
        await notifications.notify(
            tx, node, subject=subject, kind=f"print.{state}", title=words[0], text=words[1].format(row["hall_name"]),
            link=f"/wallet/{row['card']}", about=f"print:{order}", link_words="看领证单",
        )  # fmt: skip
