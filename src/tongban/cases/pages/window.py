"""HTML door of the window (窗口代收, 收受分离): identity and form only; the owner decides. One page, one submission."""

from __future__ import annotations

from typing import Any

import msgspec
from litestar import get, post
from litestar.response import Response

from tongban import catalogue, identity, ui
from tongban.cases.actions import drafts, gather, prefill
from tongban.cases.actions.numbers import reserve
from tongban.cases.actions.submit import submit
from tongban.cases.errors import DraftGone, ItemNotOffered, VisitOver
from tongban.cases.model import Draft, Mirror
from tongban.cases.pages import asked, found
from tongban.cases.pages.apply import materials_page
from tongban.cases.pages.door import Asking, HereNode, Part, Req
from tongban.cases.pages.views import MaterialsPage
from tongban.cases.queries import mirrors
from tongban.cases.rules import forms
from tongban.kernel.actor import Actor
from tongban.kernel.db import Tx
from tongban.kernel.errors import NotAllowed, Refusal, Refusals
from tongban.kernel.ids import CaseNumber
from tongban.kernel.node import Node

ACTION = "cases.window"


class ReceivePage(msgspec.Struct, frozen=True):
    """What /desk/receive draws (代收): who and what."""

    title: str
    items: tuple[ui.Option, ...]
    task_code: str
    number: str
    name: str
    done: str
    errors: Refusals = ()
    back: str = "/desk"
    back_label: str = "返回办件列表"


class ReceiveFormPage(msgspec.Struct, frozen=True):
    """What /desk/receive/{draft} draws (代收填表): all questions and materials on one page."""

    title: str
    heading: str
    draft: Draft
    questions: tuple[asked.Asked, ...]
    materials: MaterialsPage
    action: str
    found: found.Found
    errors: Refusals = ()
    back: str = "/desk/receive"
    back_label: str = "返回代收"


@get("/desk/receive")
async def start(request: Req, node: HereNode, actor: Asking) -> Response[Any]:
    """代收: choose the item, type the number from the card at the counter."""
    _must(actor)
    return await _start_page(request, node, "", "", "", (), 200, request.query_params.get("done", ""))


@post("/desk/receive")
async def begin(request: Req, node: HereNode, actor: Asking) -> Response[Any]:
    """Number and name from the card at the counter open a visit of half an hour, which the person is told of; a stranger is
    registered first. Nothing about a person is answered before the ledger has the line (T-60).
    """
    form = await ui.form(request)
    _must(actor)
    number, name = form["number"].replace(" ", "").upper(), form["name"]
    wrong: list[Refusal] = []
    async with node.db.transaction() as tx:
        item = await catalogue.item(tx, form["task_code"]) if form["task_code"] else None
        if item is None:
            wrong.append(Refusal("cases.window.item", "请选要办的事项", "task_code"))
        elif "person" not in item.audience:  # before anybody is looked up
            said = "这件事要替企业办，窗口还不能代收：请法定代表人或者代办人登录后切换到企业在网上办，办不了打指南上的电话"
            wrong.append(Refusal("cases.window.company", said, "task_code"))
        else:
            visit = await identity.open_visit(tx, node, actor, number, name)
            if isinstance(visit, tuple):
                wrong += visit
            else:
                draft = await drafts.begin(tx, node, actor, item.task_code, subject=visit.subject)
    if not wrong and item is not None:
        # one document is enough: everything the item needs is looked for before the clerk asks anything
        await prefill.fill(node, actor, draft, item)
        return ui.see_other(f"/desk/receive/{draft.id}")
    return await _start_page(request, node, form["task_code"], number, name, tuple(wrong), 422, "")


@get("/desk/receive/{draft_id:str}")
async def fill(request: Req, node: HereNode, actor: Asking, draft_id: Part) -> Response[Any]:
    """代收填表."""
    _must(actor)
    async with node.db.reading() as tx:
        draft, item = await _draft(tx, node, actor, draft_id)
        page = await _form_page(tx, node, draft, item, ())
    return ui.page(request, "cases/receive_form.html", page)


@post("/desk/receive/{draft_id:str}")
async def hand_in(request: Req, node: HereNode, actor: Asking, draft_id: Part) -> Response[Any]:
    """T01 by the window: 形式审查 only, a number and a receipt for the person."""
    form = await ui.form(request)
    _must(actor)
    async with node.db.transaction() as tx:
        draft, item = await _draft(tx, node, actor, draft_id, lock=True)
        if draft.state == "submitted":
            return ui.see_other("/desk/receive")
        for step in item.form.steps:
            draft, _ = await drafts.save(tx, node, draft, item, step.name, form.fields)
        draft, _ = await drafts.save(tx, node, draft, item, forms.CHECK, form.fields)
        wrong: list[Refusal] = []
        for one in forms.uploads(item, draft.file, node.clock.today()):
            upload = form.file(f"material-{one.material.name}")
            if upload is not None:
                draft, refused = await drafts.attach(tx, node, actor, draft, item, one.material.name, upload)
                wrong += refused
    if not wrong:
        number = await reserve(node)
        async with node.db.transaction() as tx:
            done = await submit(
                tx, node, actor, draft_id, number=number, posted=form.fields, subject=draft.subject,
                window=actor.unit or node.settings.name,
            )  # fmt: skip
        if isinstance(done, Mirror):
            return ui.see_other(f"/desk/receive?done={done.number}")
        wrong = list(done)
    async with node.db.reading() as tx:
        draft, item = await _draft(tx, node, actor, draft_id)
        page = await _form_page(tx, node, draft, item, tuple(wrong))
    return ui.page(request, "cases/receive_form.html", page, status=422)


def _must(actor: Actor) -> None:
    actor.require_staff()
    if not any(ACTION in one.actions for one in actor.assignments):
        raise NotAllowed("代收要窗口岗位来做")


async def _draft(
    tx: Tx, node: Node, actor: Actor, draft_id: str, *, lock: bool = False
) -> tuple[Draft, catalogue.Item]:
    draft = await mirrors.draft_by(tx, node, actor.subject, draft_id, lock=lock)
    if draft is None:
        raise DraftGone
    if draft.state != "submitted" and await identity.visit_now(tx, node, actor, draft.subject) is None:
        raise VisitOver
    item = await catalogue.item(tx, draft.task_code, int(draft.item_version))
    if item is None:
        raise ItemNotOffered
    return (await gather.looked_again(tx, node, actor, draft, item) if draft.state == "draft" else draft), item


async def _form_page(tx: Tx, node: Node, draft: Draft, item: catalogue.Item, wrong: Refusals) -> ReceiveFormPage:
    shown = catalogue.visible(item.form, draft.file.answers, node.clock.today())
    fields = tuple(field for field in item.form.fields if field.name in shown)
    action = f"/desk/receive/{draft.id}"
    return ReceiveFormPage(
        title=f"代收 {item.name}", heading=f"代收：{item.name}", draft=draft,
        questions=await asked.questions(tx, draft.file, fields),
        materials=await materials_page(tx, node, draft, item, wrong, action, "", ""), action=action, errors=wrong,
        found=found.told(draft, item, node.clock.today()),
    )  # fmt: skip


async def _start_page(
    request: Req, node: Node, task_code: str, number: str, name: str, wrong: Refusals, status: int, done: str
) -> Response[Any]:
    async with node.db.reading() as tx:
        found = await catalogue.items(tx)
    items = tuple(ui.Option(one.task_code, f"{one.name}（{one.organisation}）") for one in found if "person" in one.audience)
    said = ""
    if done.isdigit() and len(done) == 22:
        said = CaseNumber.parse(done).grouped
    page = ReceivePage("窗口代收", items, task_code, number, name, said, wrong)
    return ui.page(request, "cases/receive.html", page, status=status)


routes = [start, begin, fill, hand_in]
