"""查到了哪些: everything a number alone brought for this item, each with its source and its age, and who did not answer (R-405)."""

from __future__ import annotations

from datetime import date
from typing import Any

import msgspec
from litestar import get, post
from litestar.response import Response

from tongban import catalogue, ui
from tongban.cases.actions import agree, drafts, prefill
from tongban.cases.errors import DraftGone
from tongban.cases.model import Draft
from tongban.cases.pages.door import Asking, HereNode, Part, Req
from tongban.cases.rules import forms
from tongban.kernel.actor import Actor

STATES = {
    "valid": ("有效", "ok"), "coming": ("正在取", "warn"), "suspended": ("暂停", "warn"), "revoked": ("已撤销", "bad"), "cancelled": ("已注销", "bad"), "expired": ("过期", "bad"),
}  # fmt: skip


class Row(msgspec.Struct, frozen=True):
    """One field that was found; the value stands in the form."""

    label: str
    source: str
    at: int
    as_of: int
    pending: bool


class Card(msgspec.Struct, frozen=True):
    """One licence that was found."""

    title: str
    org: str
    state_words: str
    state_tag: str
    valid_until: str
    at: int


class Found(msgspec.Struct, frozen=True):
    """What was found, what is left to type, who was silent (查到的、要填的、没答的)."""

    rows: tuple[Row, ...]
    cards: tuple[Card, ...]
    missing: tuple[str, ...]
    silent: tuple[str, ...]
    asked_at: int
    not_granted: tuple[str, ...]
    offers: tuple[agree.Offer, ...] = ()


class FoundPage(msgspec.Struct, frozen=True):
    """What /apply/{draft}/found draws."""

    title: str
    found: Found
    action: str
    next: str
    back: str
    by: str
    back_label: str = "返回填写"


def told(draft: Draft, item: catalogue.Item, today: date) -> Found:
    """The draft's sources as a list (查到了哪些); what is not asked with these answers is not missing."""
    rows, missing, shown = [], [], catalogue.visible(item.form, draft.file.answers, today)
    for planned in catalogue.prefill_plan(item.form):
        source, field = draft.file.sources.get(planned.field), item.form.field(planned.field)
        if field is None:
            continue
        if source is not None and source.kind != "typed" and draft.file.answers.get(planned.field):
            rows.append(Row(field.label, source.name, source.at, source.as_of, source.pending))
        elif not draft.file.answers.get(planned.field) and planned.field in shown:
            missing.append(field.label)
    cards = []
    for one in draft.file.cards:
        words, tag = STATES.get(one.state, ("不能用", "bad"))
        cards.append(Card(one.type_name, one.org_name, words, tag, one.valid_until, one.at))
    return Found(tuple(rows), tuple(cards), tuple(missing), draft.file.silent, draft.file.asked_at, draft.file.not_granted)


@get("/apply/{draft_id:str}/found")
async def show(request: Req, node: HereNode, actor: Asking, draft_id: Part) -> Response[Any]:
    """查到了哪些, from where, how old."""
    actor.require(1)
    async with node.db.reading() as tx:
        draft, item = await drafts.take(tx, node, actor, draft_id)
        agreed = draft.state == "draft" and await agree.agreed(tx, node, draft, item)
    if draft.state == "submitted":
        return ui.see_other(f"/apply/{draft_id}/submitted")
    if agreed:  # back from the page that asked: what may be had now is asked for once more
        await prefill.fill(node, actor, draft, item, again=True)
        async with node.db.reading() as tx:
            draft, item = await drafts.take(tx, node, actor, draft_id)
    async with node.db.reading() as tx:
        offers = await agree.offers(tx, draft, item) if _decides(actor, draft) else ()
    first = f"/apply/{draft.id}/{forms.pages(item, draft.file, node.clock.today())[0]}"
    by = "信用代码" if draft.subject.startswith("o1") else "证件号"
    page = FoundPage("替你查到的", msgspec.structs.replace(told(draft, item, node.clock.today()), offers=offers), f"/apply/{draft.id}/found", first, first, by)
    return ui.page(request, "cases/found.html", page)


@post("/apply/{draft_id:str}/found")
async def again(request: Req, node: HereNode, actor: Asking, draft_id: Part) -> Response[Any]:
    """Ask once more for what is missing (再查一次), or the person first (去看要不要同意); what was typed stays."""
    form = await ui.form(request)
    actor.require(1)
    async with node.db.reading() as tx:
        draft, item = await drafts.take(tx, node, actor, draft_id)
    if draft.state != "draft":
        raise DraftGone
    if form["agree"]:
        actor.require_self("同意把信息给别人用")
        async with node.db.transaction() as tx:
            return ui.see_other(await agree.ask(tx, node, draft, item, form["agree"]))
    await prefill.fill(node, actor, draft, item, again=True)
    return ui.see_other(f"/apply/{draft_id}/found")


def _decides(actor: Actor, draft: Draft) -> bool:
    """Whether it is for this person to agree: for oneself, or for whom one stands by law."""
    return draft.subject == actor.person and (not actor.for_subject or actor.by_law)


routes = [show, again]
