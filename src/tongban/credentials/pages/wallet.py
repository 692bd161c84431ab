"""亮证 the wallet: cards, one card, its document, its receipt, who looked, the paper at a hall."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from datetime import date
from typing import Any
from urllib.parse import urlencode
from uuid import UUID

import msgspec
from litestar import Request, get, post
from litestar.di import NamedDependency
from litestar.params import FromPath
from litestar.response import Response

from tongban import federation, identity, seals, ui
from tongban.credentials.actions import at_home, gather, prints
from tongban.credentials.errors import CardGone
from tongban.credentials.model import Card, CredentialType, Hall, HomeCard, HomeCards
from tongban.credentials.queries import credentials as queries
from tongban.credentials.queries.prints import pickups
from tongban.credentials.queries.receipts import card_receipt
from tongban.credentials.queries.types import halls, type_of, types
from tongban.credentials.rules import layout, showing
from tongban.kernel.actor import Actor
from tongban.kernel.db import Tx
from tongban.kernel.errors import Refusals
from tongban.kernel.node import Node

LEVEL = at_home.LEVEL
PRINT_WORDS = {
    "requested": "正在约", "ordered": "约好了", "accepted": "约好了", "printed": "打印好了，等你取", "spoilt": "重新打印中",
    "handed_over": "领走了", "expired": "过期了", "returned": "大厅打不了", "cancelled": "停了", "refused": "没约上",
}  # fmt: skip


class CardRow(msgspec.Struct, frozen=True):
    """One card in the list (一张证): its holder masked, its state in a word."""

    id: str
    name: str
    icon: str
    hint: str
    state: str
    tag_kind: str
    issuer: str
    href: str = ""


class Chip(msgspec.Struct, frozen=True):
    """One way to narrow the list (筛选): only ways that find something are offered."""

    text: str
    href: str
    count: int
    current: bool


class Addable(msgspec.Struct, frozen=True):
    """A type that can be asked for (可以添加的证照)."""

    code: str
    name: str
    waiting: bool


class There(msgspec.Struct, frozen=True):
    """The wallet that a visitor has at home (归属地的证照), or in `words` why it is not to be seen now."""

    place: str
    url: str
    away: bool
    words: str
    cards: tuple[CardRow, ...]


class WalletPage(msgspec.Struct, frozen=True):
    """What /wallet draws; for a visitor, `there` is what the home has. Of a company, `lent` are its cards that lie with a person."""

    title: str
    cards: tuple[CardRow, ...]
    addable: tuple[Addable, ...]
    done: str
    there: There | None = None
    tab: str = "wallet"
    q: str = ""
    chips: tuple[Chip, ...] = ()
    found: int = 0
    company: bool = False
    lent: tuple[CardRow, ...] = ()


class PickupRow(msgspec.Struct, frozen=True):
    """One order of a paper (领证单)."""

    hall: str
    code: str
    state: str
    until: date
    live: bool


class CardPage(msgspec.Struct, frozen=True):
    """What /wallet/{id} draws: the card with its middle hidden until asked."""

    title: str
    card: Card
    row: CardRow
    fields: tuple[tuple[str, str], ...]
    revealed: bool
    until: str
    halls: tuple[ui.Option, ...]
    pickups: tuple[PickupRow, ...]
    errors: Refusals = ()
    back: str = "/wallet"
    back_label: str = "返回亮证"


async def elsewhere(node: Node, actor: Actor) -> Response[Any] | None:
    """A visitor's wallet is kept at home: the way there, or None when home is here (回归属地亮证)."""
    actor.require(LEVEL if actor.home in {"", node.id} else 1)
    if actor.home in {"", node.id}:
        return None
    found = await federation.present(node)
    listed = found.node(actor.home) if found else None
    return ui.see_other(listed.base_url + "/wallet") if listed else None


def card_row(card: Card, kind: CredentialType | None, today: date) -> CardRow:
    """How a card stands in a list."""
    return _row(at_home.listed(card, today), kind)


def _row(one: HomeCard, kind: CredentialType | None, href: str = "") -> CardRow:
    return CardRow(
        one.id, one.name, kind.icon if kind else "id", one.hint, one.state,
        {"有效": "ok", "快到期": "warn"}.get(one.state, "bad"), one.issuer, href or f"/wallet/{one.id}",
    )  # fmt: skip


def _there(node: Node, says: identity.HomeSays[HomeCards]) -> There:
    """What the page says of the wallet at home: its cards, each leading there, or why there are none (归属地的证照)."""
    came = urlencode({"from": node.id})
    if says.answer is not None:
        words = "" if says.answer.cards else f"{says.place}那里还没有证照"
    elif says.reached:
        words = f"{says.place}的证照，要到{says.place}的页面上看"
    else:
        words = f"{says.place}暂时连不上，那里的办件和证照稍后再看"
    return There(
        place=says.place, url=f"{says.url}/wallet?{came}" if says.reached else "", away=not says.reached, words=words,
        cards=tuple(
            _row(one, type_of(node, one.type_code), f"{says.url}/wallet/{one.id}?{came}")
            for one in (says.answer.cards if says.answer else ())
        ),
    )  # fmt: skip


WAYS: dict[str, tuple[str, Callable[[Card, CardRow], bool]]] = {
    "": ("全部", lambda _card, _row: True),
    "mine": ("个人的", lambda card, _row: card.holder_kind != "legal"),
    "company": ("企业的", lambda card, _row: card.holder_kind == "legal"),
    "soon": ("快到期", lambda _card, row: row.tag_kind == "warn"),
    "ended": ("不能用了", lambda _card, row: row.tag_kind == "bad"),
}


def _chips(named: tuple[tuple[Card, CardRow], ...], q: str, only: str) -> tuple[Chip, ...]:
    counts = {key: sum(fits(*one) for one in named) for key, (_, fits) in WAYS.items()}
    asked = {"q": q} if q else {}
    return tuple(
        Chip(words, "/wallet" + (f"?{query}" if (query := urlencode(asked | ({"only": key} if key else {}))) else ""), counts[key], key == only)
        for key, (words, _) in WAYS.items()
        if counts[key] and (not key or counts[key] < len(named) or key == only)
    )


@get("/wallet")
async def cards(
    request: Request[Any, Any, Any], node: NamedDependency[Node], actor: NamedDependency[Actor]
) -> Response[Any]:
    """亮证: the cards, last shown first; what can be added. A visitor sees the cards at home, each leading there."""
    visitor = actor.home not in {"", node.id}
    actor.require(1 if visitor else LEVEL)
    if visitor:
        says = await at_home.at_home(node, actor)
        page = WalletPage("亮证", (), (), "", _there(node, says) if says else None)
        return ui.page(request, "credentials/wallet.html", page)
    async with node.db.reading() as tx:
        found = [card for card in await queries.of_holder(tx, node, actor.person) if await queries.within(tx, actor, card.id)]
        lent = await _lent(tx, node, actor, {card.id for card in found})
        asked = {
            row["type_code"]
            for row in await tx.fetch("SELECT type_code FROM credential_request WHERE subject = $1", actor.person)
        }
    today, held = node.clock.today(), {card.type_code for card in found}
    q, only = request.query_params.get("q", "").strip()[:40], request.query_params.get("only", "")
    company = actor.person.startswith("o1")
    every = tuple((card, card_row(card, type_of(node, card.type_code), today)) for card in found)
    named = tuple(one for one in every if q in one[1].name + one[1].hint + one[1].issuer)
    page = WalletPage(
        title="亮证",
        cards=tuple(row for card, row in named if WAYS.get(only, WAYS[""])[1](card, row)),
        q=q,
        chips=_chips(named, q, only),
        found=len(every),
        addable=tuple(
            Addable(kind.code, kind.name, kind.code in asked)
            for kind in types(node)
            if kind.on_request and kind.code not in held and (kind.holder == "legal" or not company)
        ),
        company=company,
        lent=tuple(card_row(card, type_of(node, card.type_code), today) for card in lent),
        done=request.query_params.get("done", ""),
    )
    return ui.page(request, "credentials/wallet.html", page)


async def _lent(tx: Tx, node: Node, actor: Actor, own: set[str]) -> tuple[Card, ...]:
    """A company's cards that lie with a person, its founder say (在别人名下的), for who represents it by law."""
    if not actor.by_law or not actor.person.startswith("o1"):
        return ()
    found = await queries.of_company(tx, node, actor, actor.person, identity.Deed(act="view"))
    return tuple(card for card in found if card.id not in own)


@post("/wallet/add")
async def add(
    request: Request[Any, Any, Any], node: NamedDependency[Node], actor: NamedDependency[Actor]
) -> Response[Any]:
    """添加: ask the issuing node; the card comes by letter within seconds."""
    actor.require(LEVEL)
    form = await ui.form(request)
    async with node.db.transaction() as tx:
        actor.require_self("添加证照")
        await gather.request(tx, node, actor.person, form["type"])
    return ui.see_other("/wallet?done=asked")


async def card_of(node: Node, actor: Actor, card_id: str) -> Card:
    """A card of this actor's wallet, or of whoever is represented, as far as the mandate goes (卡包里的一张). Raises CardGone."""
    async with node.db.reading() as tx:
        found = await queries.card(tx, node, actor.person, card_id)
        if found is None or not await queries.within(tx, actor, card_id):
            raise CardGone
    return found


async def _card_page(
    request: Request[Any, Any, Any], node: Node, actor: Actor, card_id: str, *, errors: Refusals = ()
) -> Response[Any]:
    card = await card_of(node, actor, card_id)
    kind = type_of(node, card.type_code)
    async with node.db.reading() as tx:
        orders = await pickups(tx, node, actor.person, card_id)
    revealed = request.query_params.get("all") == "1"
    fields = tuple(
        (field.name, value.reveal() if revealed or not field.personal else showing.mask(value.reveal()))
        for field in (kind.fields if kind else ())
        if not field.derive and (value := card.data.get(field.key)) is not None
    )
    live = any(one.state in {"requested", *prints.LIVE} for one in orders)
    can_print = kind is not None and kind.print.allowed and card.state == "valid" and not live
    page = CardPage(
        title=card.type_name, card=card, row=card_row(card, kind, node.clock.today()), fields=fields, revealed=revealed,
        until="长期" if card.valid_until is None else layout.day_words(card.valid_until),
        halls=tuple(_hall_option(one) for one in halls(node)) if can_print else (),
        pickups=tuple(
            PickupRow(one.hall_name, one.code.reveal(), PRINT_WORDS.get(one.state, one.state), one.valid_until, one.state in prints.LIVE)
            for one in orders
        ),
        errors=errors,
    )  # fmt: skip
    return ui.page(request, "credentials/card.html", page, status=422 if errors else 200)


def _hall_option(one: Hall) -> ui.Option:
    return ui.Option(one.code, one.name, f"{one.address}，{one.hours}")


@get("/wallet/{card_id:uuid}")
async def one_card(
    request: Request[Any, Any, Any], node: NamedDependency[Node], actor: NamedDependency[Actor], card_id: FromPath[UUID]
) -> Response[Any]:
    """一张证: what it says, its state, the document, the receipt, the paper."""
    away = await elsewhere(node, actor)
    return away or await _card_page(request, node, actor, str(card_id))


@get("/wallet/{card_id:uuid}/document.ofd")
async def document(
    node: NamedDependency[Node], actor: NamedDependency[Actor], card_id: FromPath[UUID]
) -> Response[bytes]:
    """The sealed OFD as a download."""
    actor.require(LEVEL)
    await card_of(node, actor, str(card_id))
    async with node.db.reading() as tx:
        ofd = await queries.card_ofd(tx, node, actor.person, str(card_id))
    if ofd is None:
        raise CardGone
    return Response(
        ofd, media_type="application/ofd", headers={"Content-Disposition": f'attachment; filename="credential-{str(card_id)[:8]}.ofd"'}
    )  # fmt: skip


@get("/wallet/{card_id:uuid}/picture.svg")
async def picture(node: NamedDependency[Node], actor: NamedDependency[Actor], card_id: FromPath[UUID]) -> Response[str]:
    """The document drawn as a picture, seal included."""
    actor.require(LEVEL)
    await card_of(node, actor, str(card_id))
    async with node.db.reading() as tx:
        ofd = await queries.card_ofd(tx, node, actor.person, str(card_id))
    if ofd is None:
        raise CardGone
    return svg(await asyncio.to_thread(seals.draw_svg, ofd))


def svg(text: str) -> Response[str]:
    """An SVG picture that can do nothing but be seen."""
    return Response(
        text,
        media_type="image/svg+xml",
        headers={"Content-Security-Policy": "default-src 'none'; img-src data:; sandbox"},
    )


@get("/wallet/{card_id:uuid}/data.json")
async def data(node: NamedDependency[Node], actor: NamedDependency[Actor], card_id: FromPath[UUID]) -> Response[Any]:
    """The fields, digest, issuer's signature and status place, for machines that check (证照数据)."""
    actor.require(LEVEL)
    card = await card_of(node, actor, str(card_id))
    body = {
        "identifier": card.identifier, "type": card.type_code, "issuer": card.issuer, "organisation": card.org_code,
        "digest": card.digest, "data": {key: value.reveal() for key, value in card.data.items()},
    }  # fmt: skip
    return Response(body, headers={"Content-Disposition": f'attachment; filename="credential-{card.id[:8]}.json"'})


@get("/wallet/{card_id:uuid}/receipt.json")
async def receipt(node: NamedDependency[Node], actor: NamedDependency[Actor], card_id: FromPath[UUID]) -> Response[Any]:
    """存证回执: the receipt of the issue with its inclusion proof; `docs/check_receipt.py` checks it."""
    actor.require(LEVEL)
    found = await card_receipt(node, actor, str(card_id))
    return Response(found, headers={"Content-Disposition": f'attachment; filename="receipt-{str(card_id)[:8]}.json"'})


@post("/wallet/{card_id:uuid}/print")
async def ask_print(
    request: Request[Any, Any, Any], node: NamedDependency[Node], actor: NamedDependency[Actor], card_id: FromPath[UUID]
) -> Response[Any]:
    """预约领纸质证: choose a hall; the pick-up code appears when the issuer has ordered."""
    actor.require(LEVEL)
    form = await ui.form(request)
    async with node.db.transaction() as tx:
        made = await prints.ask_print(tx, node, actor, str(card_id), form["hall"])
    if isinstance(made, tuple):
        return await _card_page(request, node, actor, str(card_id), errors=made)
    return ui.see_other(f"/wallet/{card_id}#paper")


routes = [cards, add, one_card, document, picture, data, receipt, ask_print]
