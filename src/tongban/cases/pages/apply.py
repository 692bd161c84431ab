"""HTML door of filling and submitting (填写、核对、提交): POST saves, answers 303; what is wrong is drawn with what was typed."""

from __future__ import annotations

from typing import Any

import msgspec
from litestar import get, post
from litestar.response import Response

from tongban import catalogue, evidence, identity, ui
from tongban.cases.actions import drafts, prefill
from tongban.cases.actions.numbers import reserve
from tongban.cases.actions.submit import LEAST_LEVEL, submit
from tongban.cases.errors import CaseUnknown, DraftGone, ItemNotOffered
from tongban.cases.model import Draft, Mirror
from tongban.cases.pages import asked, one_by_one
from tongban.cases.pages.door import Asking, HereNode, Part, Req
from tongban.cases.pages.views import (
    AgainPage,
    CheckPage,
    CheckRow,
    CheckSection,
    MaterialsPage,
    StepPage,
    SubmittedPage,
    Wanted,
)
from tongban.cases.queries import mirrors
from tongban.cases.queries.calendar import calendar
from tongban.cases.rules import clocks as ticking
from tongban.cases.rules import forms, promise, wording
from tongban.kernel.actor import Actor
from tongban.kernel.db import Tx
from tongban.kernel.errors import Refusals
from tongban.kernel.ids import CaseNumber
from tongban.kernel.node import Node

FORM = "multipart/form-data"
LEVEL_WORDS = {2: "二级，姓名和证号", 3: "三级，刷一次脸", 4: "四级，到窗口当面核对"}


@post("/apply")
async def begin(request: Req, node: HereNode, actor: Asking) -> Response[Any]:
    """开始办理: a draft, filled from the registers, and its first page."""
    form = await ui.form(request)
    actor.require(1)
    async with node.db.transaction() as tx:
        draft = await drafts.begin(tx, node, actor, form["task_code"])
        item = await catalogue.item(tx, draft.task_code, int(draft.item_version))
    if item is None:
        raise ItemNotOffered
    await prefill.fill(node, actor, draft, item)
    step = draft.step or forms.pages(item, draft.file, node.clock.today())[0]
    return ui.see_other(f"/apply/{draft.id}/{step}")


@get("/apply/{draft_id:str}/{step:str}")
async def show(request: Req, node: HereNode, actor: Asking, draft_id: Part, step: Part) -> Response[Any]:
    """One page of the form; after the submission every page leads to the receipt."""
    actor.require(1)
    async with node.db.reading() as tx:
        draft, item = await _draft(tx, node, actor, draft_id)
        if draft.state == "submitted":
            return ui.see_other(f"/apply/{draft_id}/submitted")
        return await _draw(request, tx, node, actor, draft, item, step)


@post("/apply/{draft_id:str}/{step:str}")
async def answer(request: Req, node: HereNode, actor: Asking, draft_id: Part, step: Part) -> Response[Any]:
    """Keep what was typed, then go on, or draw the page again with what is wrong."""
    form = await ui.form(request)
    if actor.kind != "citizen":
        return _again(request, form, draft_id, step)
    if step == forms.CHECK:
        return await _submit(request, node, actor, draft_id, form)
    async with node.db.transaction() as tx:
        draft, item = await _draft(tx, node, actor, draft_id, lock=True)
        if draft.state == "submitted":
            return ui.see_other(f"/apply/{draft_id}/submitted")
        place = one_by_one.posted_place(item, draft, node, step, form["_q"])
        if step == forms.MATERIALS:
            draft, wrong = await _files(tx, node, actor, draft, item, form, place.question if place else "")
        elif item.form.step(step) is None:
            raise DraftGone
        else:
            only = one_by_one.names_at(item, draft, node, place)
            draft, wrong = await drafts.save(tx, node, draft, item, step, form.fields, only=only)
    act = form["_act"]
    if act == "save":
        return ui.see_other("/cases?saved=1")
    if act.startswith(("remove:", "more")) and not wrong:
        again = f"/apply/{draft_id}/{step}"
        return ui.see_other(one_by_one.path(draft_id, place, from_check=form["_from"] == "check") if place else again)
    if wrong:
        async with node.db.reading() as tx:
            return await _draw(request, tx, node, actor, draft, item, step, wrong, form)
    if place is not None and form["_from"] != "check":
        return ui.see_other(one_by_one.next_path(item, draft, node, place))
    to = forms.CHECK if form["_from"] == "check" else forms.after(item, draft.file, step, node.clock.today())
    return ui.see_other(f"/apply/{draft_id}/{to}")


@get("/apply/{draft_id:str}/submitted")
async def submitted(request: Req, node: HereNode, actor: Asking, draft_id: Part) -> Response[Any]:
    """The receipt: a date first, then the number, then what comes next with dates (交上去了)."""
    actor.require(1)
    async with node.db.reading() as tx:
        mirror = await mirrors.for_actor(tx, node, actor, draft_id)
        if mirror is None:
            raise CaseUnknown
        item = await catalogue.item(tx, mirror.task_code, int(mirror.item_version))
    return ui.page(request, "cases/submitted.html", submitted_page(node, mirror, item))


@get("/apply/{draft_id:str}/receipt")
async def receipt(node: HereNode, actor: Asking, draft_id: Part) -> Response[bytes]:
    """The signed receipt as a file (回执): anybody can check it with the node's certificate."""
    actor.require(1)
    async with node.db.reading() as tx:
        mirror = await mirrors.for_actor(tx, node, actor, draft_id)
    if mirror is None:
        raise CaseUnknown
    body = msgspec.json.format(msgspec.json.encode(mirror.receipt), indent=1)
    name = f"receipt-{mirror.number}.json"
    headers = {"Content-Disposition": f'attachment; filename="{name}"', "Cache-Control": "no-store"}
    return Response(body, media_type="application/json", headers=headers)


@post("/apply/{draft_id:str}/discard")
async def discard(request: Req, node: HereNode, actor: Asking, draft_id: Part) -> Response[Any]:
    """删除草稿: T02."""
    await ui.form(request)
    actor.require(1)
    async with node.db.transaction() as tx:
        await drafts.discard(tx, node, actor, draft_id)
    return ui.see_other("/cases?discarded=1")


async def _submit(request: Req, node: Node, actor: Actor, draft_id: str, form: ui.Form) -> Response[Any]:
    # kept first, so that a step-up comes back to a page with everything on it
    async with node.db.transaction() as tx:
        draft, item = await _draft(tx, node, actor, draft_id, lock=True)
        if draft.state == "submitted":
            return ui.see_other(f"/apply/{draft_id}/submitted")
        draft, _ = await drafts.save(tx, node, draft, item, forms.CHECK, form.fields)
    if form["_act"] == "save":
        return ui.see_other("/cases?saved=1")
    wrong = forms.all_wrong(item, draft.file, node.clock.today())
    if not wrong:
        actor.require(max(item.level, LEAST_LEVEL))
        await identity.freshen(node, actor, level=max(item.level, LEAST_LEVEL))
        number = await reserve(node)
        async with node.db.transaction() as tx:
            done = await submit(tx, node, actor, draft_id, number=number, posted=form.fields)
        if isinstance(done, Mirror):
            return ui.see_other(f"/apply/{draft_id}/submitted")
        wrong = done
    async with node.db.reading() as tx:
        return await _draw(request, tx, node, actor, draft, item, forms.CHECK, wrong, form)


async def _files(
    tx: Tx, node: Node, actor: Actor, draft: Draft, item: catalogue.Item, form: ui.Form, only: str = ""
) -> tuple[Draft, Refusals]:
    wrong: list[Any] = []
    act = form["_act"]
    if act.startswith("remove:"):
        _, code, material = (*act.split(":"), "", "")[:3]
        return await drafts.detach(tx, node, draft, code, material), ()
    for one in forms.uploads(item, draft.file, node.clock.today()):
        code = one.material.name
        if only and code != only:
            continue
        upload = form.file(f"material-{code}")
        again = form[f"_reuse-{code}"]
        if upload is not None:
            draft, refused = await drafts.attach(tx, node, actor, draft, item, code, upload)
            wrong += refused
        elif again:
            draft, refused = await drafts.reuse(tx, node, draft, code, again)
            wrong += refused
        elif act not in {"save", "more"} and forms.must_upload(one) and not draft.file.materials.get(code):
            wrong += evidence.check(None, field=f"material-{code}")
    return draft, tuple(wrong)


async def _draft(
    tx: Tx, node: Node, actor: Actor, draft_id: str, *, lock: bool = False
) -> tuple[Draft, catalogue.Item]:
    return await drafts.take(tx, node, actor, draft_id, lock=lock)


async def _draw(
    request: Req, tx: Tx, node: Node, actor: Actor, draft: Draft, item: catalogue.Item, step: str,
    wrong: Refusals = (), form: ui.Form | None = None,
) -> Response[Any]:  # fmt: skip
    today, answers, elder = node.clock.today(), draft.file.answers, ui.frame(request).elder
    status = 422 if wrong else 200
    order = forms.pages(item, draft.file, today)
    question, came = (form["_q"], form["_from"]) if form else (request.query_params.get("q", ""), request.query_params.get("from"))
    earlier = forms.before(item, draft.file, step, today)
    back = f"/apply/{draft.id}/{earlier}" if earlier else f"/s/{item.task_code}"
    action = f"/apply/{draft.id}/{step}"
    if step == forms.CHECK:
        back = one_by_one.back_path(item, draft, node, None) if elder else back
        page = await check_page(tx, node, actor, draft, item, wrong, action, back, by_question=elder)
        return ui.page(request, "cases/check.html", page, status=status)
    place = one_by_one.chosen(item, draft, node, step, question, wrong) if elder else None
    saved = "，已自动保存" if draft.step else ""
    line = f"第 {order.index(step) + 1} 项，共 {len(order)} 项{saved}" if step in order else ""
    if step == forms.MATERIALS:
        page_m = await materials_page(tx, node, draft, item, wrong, action, back, line)
        page_m = one_by_one.material_page(page_m, item, draft, node, place) if place else page_m
        return ui.page(request, "cases/materials.html", msgspec.structs.replace(page_m, from_check=came == "check"), status=status)
    found = item.form.step(step)
    if found is None:
        raise DraftGone
    if place is not None:
        page_q = await one_by_one.question_page(tx, node, draft, item, place, wrong, from_check=came == "check")
        return ui.page(request, "cases/question.html", page_q, status=status)
    fields = forms.asked(found, catalogue.visible(item.form, answers, today))
    page_s = StepPage(
        title=f"{found.title} - {item.name}", nav_title=item.name, step_line=line, heading=found.title, lead=found.lead,
        questions=await asked.questions(tx, draft.file, fields), action=action, back=back, errors=wrong,
        from_check=came == "check", found_href=f"/apply/{draft.id}/found" if draft.file.asked_at and (not earlier or draft.file.to_agree) else "",
        to_agree=bool(draft.file.to_agree),
    )  # fmt: skip
    return ui.page(request, "cases/step.html", page_s, status=status)


async def materials_page(
    tx: Tx, node: Node, draft: Draft, item: catalogue.Item, wrong: Refusals, action: str, back: str, line: str
) -> MaterialsPage:
    """The materials to hand in, what is spared, what can be used again (交材料的页面)."""
    today = node.clock.today()
    mine = await evidence.materials(tx, node, draft.subject)
    wanted = []
    for one in forms.uploads(item, draft.file, today):
        code, ids = one.material.name, draft.file.materials.get(one.material.name, ())
        kept = tuple(file for file in mine if file.id in ids)
        reusable = tuple(
            file for file in mine if file.kind == code and file.id not in ids and file.media_type in one.material.accepts
        )
        types = "、".join(dict.fromkeys(evidence.KINDS[t][:3].strip() for t in one.material.accepts if t in evidence.KINDS))
        limit = min(one.material.max_bytes, evidence.LARGEST) // 1_000_000
        hint = f"{one.how}。{types}都行，最大 {limit} MB"
        wanted.append(
            Wanted(code, one.material.title, hint, ",".join(one.material.accepts), forms.must_upload(one), kept, reusable[:3])
        )
    spared = tuple(
        (one.material.title, one.how)
        for one in forms.needed(item, draft.file, today)
        if one.state in {"free", "licence"}
    )
    words = f"{len(wanted) + len(spared)} 份材料，你只要交 {len(wanted)} 份"
    return MaterialsPage(
        title=f"交材料 - {item.name}", nav_title=item.name, step_line=line, count_words=words, wanted=tuple(wanted),
        spared=spared, action=action, back=back, errors=wrong,
    )  # fmt: skip


async def check_page(
    tx: Tx, node: Node, actor: Actor, draft: Draft, item: catalogue.Item, wrong: Refusals, action: str, back: str,
    *, by_question: bool = False,
) -> CheckPage:
    """Everything before it is sent, a source a row, a way to change each (核对的页面)."""
    today, file = node.clock.today(), draft.file
    shown = catalogue.visible(item.form, file.answers, today)
    names = await catalogue.division_names(tx)
    sections = []
    for n, step in enumerate(item.form.steps):
        fields = forms.asked(step, shown)
        rows = tuple(
            CheckRow(
                label=field.label, value=asked.said(field, file.answers, names, hide=True),
                source=asked.source_words(file.sources.get(field.name)) or "你这次填的",
                source_kind=_badge(file, field.name), href=f"/apply/{draft.id}/{step.name}?{_to(field.name, by_question)}from=check#f-{field.name}",
            )
            for field in fields
        )  # fmt: skip
        if rows:
            sections.append(CheckSection(id=f"c{n}", title=step.title, rows=rows))
    page = await materials_page(tx, node, draft, item, (), "", "", "")
    materials = [
        CheckRow(one.title, f"{len(one.kept)} 份" if one.kept else "", "你这次传的", "", f"/apply/{draft.id}/materials?{_to(one.code, by_question)}from=check")
        for one in page.wanted
    ]
    materials += [CheckRow(title, "不用交", how, "ok", "") for title, how in page.spared]
    late = tuple(field for field in item.form.fields if field.name in shown and field.kind in forms.AT_THE_END)
    return CheckPage(
        title=f"看一遍，再提交 - {item.name}", nav_title=item.name, sections=tuple(sections), materials=tuple(materials),
        material_words=page.count_words, declarations=await asked.questions(tx, file, late),
        promise=promise.of_case(today, ticking.limits_of(item), calendar(node)).words, level_words=_level_words(actor, item), action=action, back=back,
        errors=wrong,
    )  # fmt: skip


def _level_words(actor: Actor, item: catalogue.Item) -> str:
    needed = max(item.level, LEAST_LEVEL)
    return "" if actor.acr >= needed else f"点“提交申请”以后要先核验本人（{LEVEL_WORDS[needed]}），核验完会回到这一页。"


def submitted_page(node: Node, mirror: Mirror, item: catalogue.Item | None) -> SubmittedPage:
    """The page of a submitted case: dates, not 尽快 (交上去了的页面)."""
    limits = ticking.limits_of(item)
    said = promise.of_case(promise.handed_in(mirror), limits, calendar(node))
    arrived = mirror.view is not None
    steps = (
        {"title": "你提交了申请", "hint": wording.moment(mirror.submitted_at), "state": "done"},
        {
            "title": "已送达，受理部门收到了" if arrived else "正在送往受理部门", "hint": mirror.owner_name,
            "state": "done" if arrived else "now",
        },
        {"title": f"最晚 {wording.day(said.answer_by)}，答复收不收", "hint": "缺什么会一次说清", "state": "next"},
        {"title": f"最晚 {wording.day(said.latest)}，审核出结果", "hint": "通过或没通过，都会写明理由", "state": "next"},
    )  # fmt: skip
    length = "当场办" if limits.promised == 0 else wording.length(limits.promised, limits.promised_unit)
    return SubmittedPage(
        title=f"交上去了 - {mirror.item_name}", nav_title=mirror.item_name, mirror=mirror, number=mirror.number,
        grouped=CaseNumber.parse(mirror.number).grouped, when=wording.moment(mirror.submitted_at),
        date_words=wording.day(said.latest), date_hint=f"{length}，从收下的第二天算起", steps=steps,
    )  # fmt: skip


def _to(name: str, by_question: bool) -> str:
    return f"q={name}&" if by_question else ""


def _badge(file: Any, name: str) -> str:
    source = file.sources.get(name)
    if source is not None and source.pending:
        return "warn"
    return "ok" if source is not None and source.kind in forms.REGISTERED else ""


def _again(request: Req, form: ui.Form, draft_id: str, step: str) -> Response[Any]:
    fields = tuple((name, value) for name, values in form.fields.items() for value in values)
    where = f"/apply/{draft_id}/{step}"
    page = AgainPage("登录时间到了", f"/login?next={where}", where, fields, bool(form.files))
    return ui.page(request, "cases/again.html", page, status=401)


routes = [begin, submitted, receipt, discard, show, answer]
ROUTES = [
    ui.Route("/apply/{draft_id:str}/{step:str}", who=("citizen",), fixture="a draft"),
    ui.Route("/apply/{draft_id:str}/submitted", who=("citizen",), fixture="a submitted case"),
]
