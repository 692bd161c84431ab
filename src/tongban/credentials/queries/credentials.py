"""Looking at credentials, cards, views, prints (查证照)."""

from __future__ import annotations

from collections.abc import Collection
from datetime import datetime
from functools import lru_cache

import asyncpg
import msgspec

from tongban import identity
from tongban.credentials.model import Card, Credential, PrintOrder, State, StatusList, View
from tongban.credentials.queries.types import type_of
from tongban.credentials.rules import record, showing
from tongban.kernel.actor import Actor
from tongban.kernel.db import Tx
from tongban.kernel.gm import Personal
from tongban.kernel.node import Node

GROUP = "sensitive"
_CARD = ", ".join(
    f"c.{name}" for name in (
        "id", "subject", "identifier", "type_code", "issuer", "org_code", "org_name", "holder_kind", "holder_name", "number", "data", "digest", "issued_at",
        "valid_from", "valid_until", "list_no", "list_index", "used_at",
    )
)  # fmt: skip
"""What a card is shown from: all but its documents, which are large."""


def open_data(node: Node, table: str, row: asyncpg.Record) -> dict[str, Personal]:
    """The sealed fields of a row of `credential` or `credential_card`."""
    plain = node.cipher.open_bytes(GROUP, f"{table}.data", str(row["id"]), row["data"])
    return {key: Personal(value) for key, value in msgspec.json.decode(plain, type=dict[str, str]).items()}


async def credential(tx: Tx, node: Node, subject: str, credential_id: str) -> Credential | None:
    """A credential at its issuer, or None (颁发的证照)."""
    row = await tx.fetchrow("SELECT * FROM credential WHERE subject = $1 AND id = $2", subject, credential_id)
    return _credential(node, row) if row else None


async def issued_here(tx: Tx, node: Node, credential_id: str) -> Credential | None:
    """As `credential`, when only the id is known (a letter, the desk)."""
    row = await tx.fetchrow("SELECT * FROM credential WHERE id = $1", credential_id)
    return _credential(node, row) if row else None


async def of_case(tx: Tx, node: Node, case_id: str) -> Credential | None:
    """The newest credential that a case of this node led to, or None."""
    row = await tx.fetchrow("SELECT * FROM credential WHERE case_id = $1 ORDER BY issued_at DESC LIMIT 1", case_id)
    return _credential(node, row) if row else None


async def issued_list(tx: Tx, node: Node, scopes: tuple[tuple[str, str], ...], area: str, limit: int = 100) -> tuple[Credential, ...]:
    """The newest credentials within (division prefix, department) pairs, empty department for all (颁发清单).

    One that no case led to counts as the node's whole `area`.
    """
    rows = await tx.fetch(
        "SELECT c.* FROM credential c WHERE EXISTS (SELECT 1 FROM unnest($1::text[], $2::text[]) s(prefix, org)"
        " WHERE coalesce(nullif(c.division, ''), $3) LIKE s.prefix || '%' AND (s.org = '' OR s.org = c.org_code))"
        " ORDER BY c.issued_at DESC LIMIT $4",
        [prefix for prefix, _ in scopes], [org for _, org in scopes], area, limit,
    )  # fmt: skip
    return tuple(_credential(node, row) for row in rows)


def _credential(node: Node, row: asyncpg.Record) -> Credential:
    return Credential(
        id=row["id"],
        subject=row["subject"],
        identifier=row["identifier"],
        type_code=row["type_code"],
        type_version=row["type_version"],
        issuer=node.id,
        org_code=row["org_code"],
        org_name=row["org_name"],
        holder_kind=row["holder_kind"],
        holder_name=node.cipher.open("identity", "credential.holder_name", str(row["id"]), row["holder_name"]),
        number=row["number"],
        data=open_data(node, "credential", row),
        digest=row["digest"],
        issued_at=row["issued_at"],
        valid_from=row["valid_from"],
        valid_until=row["valid_until"],
        list_no=row["list_no"],
        list_index=row["list_index"],
        state=row["state"],
        state_at=row["state_at"],
        case=row["case_id"],
        home=row["home"],
        leaf=row["leaf"],
        division=row["division"],
    )


async def of_holder(tx: Tx, node: Node, subject: str, *, type_code: str = "") -> tuple[Card, ...]:
    """The cards in a wallet kept here (卡包), last shown first, with their state by the newest list held and the calendar."""
    rows = await tx.fetch(
        f"SELECT {_CARD}, l.at AS list_at, l.bits FROM credential_card c "
        "LEFT JOIN credential_list l ON l.issuer = c.issuer AND l.list_no = c.list_no "
        "WHERE c.subject = $1 AND c.replaced_by IS NULL AND ($2 = '' OR c.type_code = $2) "
        "ORDER BY c.used_at DESC NULLS LAST, c.received_at DESC LIMIT 200",
        subject,
        type_code,
    )
    return tuple(_card(node, row) for row in rows)


async def of_company(tx: Tx, node: Node, actor: Actor, company: str, deed: identity.Deed) -> tuple[Card, ...]:
    """The cards of a company that bear its credit code, in whichever wallet kept here they lie, newest first (企业的证照).

    For who acts for it only: the mandate is judged here and must cover `deed`; for everybody else there is nothing. Raises as
    `identity.require_act`. `company` is `o1` + code (identity.md 1); a card without the code on it is not found.
    """
    if not company.startswith("o1") or actor.for_subject != company:
        return ()
    await identity.require_act(tx, node, actor, deed)
    rows = await tx.fetch(
        f"SELECT {_CARD}, l.at AS list_at, l.bits FROM credential_card c "
        "LEFT JOIN credential_list l ON l.issuer = c.issuer AND l.list_no = c.list_no "
        "WHERE c.number = $1 AND c.holder_kind = 'legal' AND c.replaced_by IS NULL ORDER BY c.issued_at DESC, c.id DESC LIMIT 50",
        company[2:].upper(),
    )
    found = (_card(node, row) for row in rows)
    return tuple(one for one in found if one.state not in {"superseded", "moved"})  # the newer one may lie elsewhere


async def card(tx: Tx, node: Node, subject: str, card_id: str) -> Card | None:
    """One card of a wallet, or None (一张证)."""
    row = await tx.fetchrow(
        f"SELECT {_CARD}, l.at AS list_at, l.bits FROM credential_card c "
        "LEFT JOIN credential_list l ON l.issuer = c.issuer AND l.list_no = c.list_no WHERE c.subject = $1 AND c.id = $2",
        subject,
        card_id,
    )
    return _card(node, row) if row else None


async def within(tx: Tx, actor: Actor, card_id: str) -> bool:
    """Whether this actor may look at a card of whoever is represented (代办能看的证): what came of cases handed in under the mandate."""
    if not actor.for_subject or actor.by_law:
        return True
    case_id: str | None = await tx.fetchval("SELECT case_id FROM credential_card WHERE subject = $1 AND id = $2", actor.person, card_id)
    return await identity.handed_in(tx, actor, case_id or "")


async def card_ofd(tx: Tx, node: Node, subject: str, card_id: str) -> bytes | None:
    """The sealed OFD of a card, or None (版式文件)."""
    row = await tx.fetchrow("SELECT id, ofd FROM credential_card WHERE subject = $1 AND id = $2", subject, card_id)
    return node.cipher.open_bytes(GROUP, "credential_card.ofd", str(row["id"]), row["ofd"]) if row else None


async def issued_ofd(tx: Tx, node: Node, subject: str, credential_id: str) -> bytes | None:
    """The sealed OFD at the issuer, or None."""
    row = await tx.fetchrow("SELECT id, ofd FROM credential WHERE subject = $1 AND id = $2", subject, credential_id)
    return node.cipher.open_bytes(GROUP, "credential.ofd", str(row["id"]), row["ofd"]) if row else None


@lru_cache(maxsize=64)
def _list(issuer: str, list_no: int, at: datetime, packed: bytes) -> StatusList:
    return record.status_list(issuer, list_no, at, packed)


async def held_list(tx: Tx, issuer: str, list_no: int) -> StatusList | None:
    """The newest status list of an issuer held here, or None (状态清单)."""
    row = await tx.fetchrow("SELECT at, bits FROM credential_list WHERE issuer = $1 AND list_no = $2", issuer, list_no)
    return _list(issuer, list_no, row["at"], bytes(row["bits"])) if row else None


async def held_lists(tx: Tx, wanted: Collection[tuple[str, int]]) -> dict[tuple[str, int], StatusList]:
    """As `held_list`, for several (issuer, list) at once; those not held are left out."""
    if not wanted:
        return {}
    rows = await tx.fetch(
        "SELECT l.issuer, l.list_no, l.at, l.bits FROM credential_list l JOIN unnest($1::text[], $2::integer[]) w(issuer, list_no) USING (issuer, list_no)",
        [issuer for issuer, _ in wanted], [number for _, number in wanted],
    )  # fmt: skip
    return {(row["issuer"], row["list_no"]): _list(row["issuer"], row["list_no"], row["at"], bytes(row["bits"])) for row in rows}


def _card(node: Node, row: asyncpg.Record) -> Card:
    state: State = "valid"
    state_at = list_at = row["issued_at"]
    if row["list_at"] is not None and row["list_at"] >= row["issued_at"]:
        held = _list(row["issuer"], row["list_no"], row["list_at"], bytes(row["bits"]))
        state, list_at = held.state(row["list_index"]), held.at
        state_at = held.at
    kind = type_of(node, row["type_code"])
    return Card(
        id=row["id"],
        subject=row["subject"],
        identifier=row["identifier"],
        type_code=row["type_code"],
        type_name=kind.name if kind else row["type_code"],
        issuer=row["issuer"],
        org_code=row["org_code"],
        org_name=row["org_name"],
        holder_kind=row["holder_kind"],
        holder_name=node.cipher.open("identity", "credential_card.holder_name", str(row["id"]), row["holder_name"]),
        number=row["number"],
        data=open_data(node, "credential_card", row),
        digest=row["digest"],
        issued_at=row["issued_at"],
        valid_from=row["valid_from"],
        valid_until=row["valid_until"],
        list_no=row["list_no"],
        list_index=row["list_index"],
        state=showing.state_now(state, row["valid_until"], node.clock.today()),
        state_at=state_at,
        list_at=list_at,
        used_at=row["used_at"],
        demo=node.settings.demo or (kind is not None and kind.code_status == "demo"),
    )


async def views(tx: Tx, node: Node, subject: str, card_id: str = "", limit: int = 100) -> tuple[View, ...]:
    """Who looked at a card, or at any card, newest first (谁看过)."""
    rows = await tx.fetch(
        "SELECT v.*, c.type_code FROM credential_view v JOIN credential_card c ON c.subject = v.subject AND c.id = v.card "
        "WHERE v.subject = $1 AND ($2 = '' OR v.card::text = $2) ORDER BY v.at DESC, v.id DESC LIMIT $3",
        subject,
        card_id,
        limit,
    )
    found = []
    for row in rows:
        kind = type_of(node, row["type_code"])
        found.append(
            View(
                row["id"],
                row["card"],
                kind.name if kind else "证照",
                row["at"],
                row["unit"],
                row["registered"],
                row["purpose"],
                tuple(row["fields"]),
                row["result"],
                row["reported_at"],
                row["node"],
                row["way"],
                node.cipher.open("case", "credential_view.report", str(row["id"]), row["report"]) if row["report"] else None,
                node.cipher.open("case", "credential_view.answer", str(row["id"]), row["answer"]) if row["answer"] else None,
                row["answered_at"],
            )
        )
    return tuple(found)


async def print_orders(tx: Tx, credential_id: str, subject: str) -> tuple[PrintOrder, ...]:
    """The print orders of a credential at its issuer, newest first (打印单)."""
    rows = await tx.fetch(
        "SELECT o.*, c.type_code FROM credential_print_order o JOIN credential c ON c.subject = o.subject AND c.id = o.credential "
        "WHERE o.subject = $1 AND o.credential = $2 ORDER BY o.ordered_at DESC",
        subject,
        credential_id,
    )
    return tuple(
        PrintOrder(
            row["id"],
            row["subject"],
            row["credential"],
            row["type_code"],
            row["hall_node"],
            row["hall_code"],
            row["hall_name"],
            row["state"],
            row["ordered_at"],
            row["valid_until"],
            row["blank_no"],
            row["changed_at"],
        )
        for row in rows
    )
