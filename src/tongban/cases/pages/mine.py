"""HTML door of a person's own cases (我的办件): the list, one case, correcting, withdrawing, documents, receipts."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any
from urllib.parse import quote

import msgspec
from litestar import get, post
from litestar.response import Response

from tongban import catalogue, evidence, federation, identity, transparency, ui
from tongban.cases.actions import ask, at_home, mirror
from tongban.cases.errors import CaseUnknown, DocumentAway
from tongban.cases.model import DocumentRef, DraftFile, Mirror, Past, Summary, Unfinished
from tongban.cases.pages import asked
from tongban.cases.pages.door import Asking, HereNode, Part, Req
from tongban.cases.pages.there import There, there
from tongban.cases.queries import mirrors
from tongban.cases.queries.calendar import calendar
from tongban.cases.rules import clocks as ticking
from tongban.cases.rules import promise, wording
from tongban.cases.rules.process import PROCESS
from tongban.evidence import ContentAway
from tongban.kernel.db import Tx
from tongban.kernel.errors import Refusals
from tongban.kernel.ids import CaseNumber
from tongban.kernel.node import Node

DONE = frozenset(name for name, state in PROCESS.states.items() if state.final) | {"finished", "delivered"}
"""States in which nobody has to do anything any more: the last line is not "now", and no day is promised."""


class CasesPage(msgspec.Struct, frozen=True):
    """What /cases draws (办件): what waits for you first; for a visitor, `there` is what the home has."""

    title: str
    waiting: tuple[Summary, ...]
    open: tuple[Summary, ...]
    done: tuple[Summary, ...]
    drafts: tuple[Unfinished, ...]
    saved: bool
    there: There | None = None
    past: tuple[Past, ...] = ()
    tab: str = "cases"


class CasePage(msgspec.Struct, frozen=True):
    """What /cases/{id} draws (办件详情): where it is, in plain words with dates, and the one thing to do."""

    title: str
    nav_title: str
    mirror: Mirror
    grouped: str
    heading: str
    heard: str
    due: str
    overdue: bool
    steps: tuple[dict[str, str], ...]
    correction_due: str
    correction_sent: bool
    rated: bool
    can_withdraw: bool
    withdraw_words: str
    receipts: tuple[tuple[str, str], ...]
    documents: tuple[DocumentRef, ...]
    public: str
    back: str = "/cases"
    back_label: str = "返回办件"


class CorrectPage(msgspec.Struct, frozen=True):
    """What /cases/{id}/correct draws (补材料): only the named items."""

    title: str
    nav_title: str
    mirror: Mirror
    due: str
    questions: tuple[asked.Asked, ...]
    uploads: tuple[dict[str, Any], ...]
    whys: tuple[tuple[str, str], ...]
    errors: Refusals = ()
    back: str = ""
    back_label: str = "返回办件"


class WithdrawPage(msgspec.Struct, frozen=True):
    """What /cases/{id}/withdraw draws (撤回): what it means first, then the act."""

    title: str
    mirror: Mirror
    errors: Refusals = ()
    back: str = ""
    back_label: str = "返回办件"


@get("/cases")
async def cases(request: Req, node: HereNode, actor: Asking) -> Response[Any]:
    """办件: all of mine, what waits for me first. A visitor sees those at home too, each leading there."""
    actor.require(1)
    async with node.db.reading() as tx:
        found = await mirrors.mine(tx, node, actor.person, actor)
        drafts = await mirrors.unfinished(tx, node, actor.person, actor)
        past = await mirrors.past(tx, actor.person, actor)
    says = await at_home.at_home(node, actor)
    page = CasesPage(
        title="办件",
        waiting=tuple(one for one in found if one.waiting),
        open=tuple(one for one in found if not one.waiting and one.open),
        done=tuple(one for one in found if not one.waiting and not one.open),
        drafts=drafts,
        saved="saved" in request.query_params,
        there=there(node, says) if says else None,
        past=past,
    )
    return ui.page(request, "cases/cases.html", page)


@get("/cases/{case_id:str}")
async def case(request: Req, node: HereNode, actor: Asking, case_id: Part) -> Response[Any]:
    """办件详情. Looking at a notice or at the result here tells the owner that it was opened (D-7)."""
    actor.require(1)
    async with node.db.transaction() as tx:
        found = await mirrors.for_actor(tx, node, actor, case_id)
        if found is None:
            raise CaseUnknown
        what = _opens(found) if not actor.for_subject or "receive" in actor.acts else ""
        if what and await mirror.opened(tx, node, found, what):
            found = await mirrors.for_actor(tx, node, actor, case_id) or found
        page = await case_page(tx, node, found)
    return ui.page(request, "cases/case.html", page)


@get("/cases/{case_id:str}/correct")
async def correct_form(request: Req, node: HereNode, actor: Asking, case_id: Part) -> Response[Any]:
    """补材料: the named items with why, what was handed in, and nothing else."""
    actor.require(1)
    async with node.db.reading() as tx:
        found = await mirrors.for_actor(tx, node, actor, case_id)
        if found is None:
            raise CaseUnknown
        if found.state != "to_correct":
            return ui.see_other(f"/cases/{case_id}")
        page = await correct_page(tx, node, found, (), {})
    return ui.page(request, "cases/correct.html", page)


@post("/cases/{case_id:str}/correct")
async def correct(request: Req, node: HereNode, actor: Asking, case_id: Part) -> Response[Any]:
    """Send the correction; what is wrong is drawn with what was typed."""
    form = await ui.form(request)
    actor.require(1)
    names = [name.removeprefix("material-") for name in form.files if name.startswith("material-")]
    reused = {name.removeprefix("_reuse-"): form[name] for name in form.fields if name.startswith("_reuse-")}
    await identity.freshen(node, actor, level=actor.acr)
    async with node.db.transaction() as tx:
        done = await ask.correct(
            tx, node, actor, case_id, posted=form.fields, files={code: form.file(f"material-{code}") for code in names},
            reused=reused,
        )  # fmt: skip
    if isinstance(done, Mirror):
        return ui.see_other(f"/cases/{case_id}")
    async with node.db.reading() as tx:
        found = await mirrors.for_actor(tx, node, actor, case_id)
        if found is None:
            raise CaseUnknown
        page = await correct_page(tx, node, found, done, form.fields)
    return ui.page(request, "cases/correct.html", page, status=422)


@get("/cases/{case_id:str}/withdraw")
async def withdraw_form(request: Req, node: HereNode, actor: Asking, case_id: Part) -> Response[Any]:
    """撤回: a page that says what it means."""
    actor.require(1)
    async with node.db.reading() as tx:
        found = await mirrors.for_actor(tx, node, actor, case_id)
    if found is None:
        raise CaseUnknown
    page = WithdrawPage(title=f"撤回 - {found.item_name}", mirror=found, back=f"/cases/{case_id}")
    return ui.page(request, "cases/withdraw.html", page)


@post("/cases/{case_id:str}/withdraw")
async def withdraw(request: Req, node: HereNode, actor: Asking, case_id: Part) -> Response[Any]:
    """Ask for it; the owner answers."""
    await ui.form(request)
    actor.require(1)
    await identity.freshen(node, actor, level=actor.acr)
    async with node.db.transaction() as tx:
        done = await ask.withdraw(tx, node, actor, case_id)
    if isinstance(done, Mirror):
        return ui.see_other(f"/cases/{case_id}")
    async with node.db.reading() as tx:
        found = await mirrors.for_actor(tx, node, actor, case_id)
    if found is None:
        raise CaseUnknown
    page = WithdrawPage(title=f"撤回 - {found.item_name}", mirror=found, errors=done, back=f"/cases/{case_id}")
    return ui.page(request, "cases/withdraw.html", page, status=409)


@get("/cases/{case_id:str}/documents/{document_id:str}")
async def document(node: HereNode, actor: Asking, case_id: Part, document_id: Part) -> Response[bytes]:
    """A sealed document, fetched from its owner when it is opened, and not kept here (cases.md 7)."""
    actor.require(1)
    async with node.db.reading() as tx:
        found = await mirrors.for_actor(tx, node, actor, case_id)
    wanted = next((one for one in found.view.documents if one.id == document_id), None) if found and found.view else None
    if found is None or wanted is None:
        raise CaseUnknown
    try:
        about = {"case": case_id, "document": document_id}
        content = await evidence.open_travelling(node, wanted.material, "cases.document", about)
    except ContentAway as away:
        raise DocumentAway from away
    async with node.db.transaction() as tx:
        await mirror.opened(tx, node, found, f"document:{document_id}")
    return attachment(content, f"{wanted.title}.ofd", "application/ofd")


@get("/cases/{case_id:str}/proof/{leaf:str}")
async def proof(node: HereNode, actor: Asking, case_id: Part, leaf: Part) -> Response[bytes]:
    """The log receipt of one step with its inclusion proof (存证回执): docs/check_receipt.py checks it without us."""
    actor.require(1)
    async with node.db.reading() as tx:
        found = await mirrors.for_actor(tx, node, actor, case_id)
        if found is None or leaf not in _leaves(found):
            raise CaseUnknown
        if leaf == found.receipt.leaf or found.owner_node == node.id:
            body: Any = (await transparency.receipt(tx, leaf)).to_json()
            return attachment(msgspec.json.encode(body), f"proof-{leaf[:8]}.json", "application/json")
    try:
        body = await federation.call(node, found.owner_node, "cases.proof.get", {"case": case_id, "leaf": leaf})
    except (federation.CallFailed, federation.CallRefused) as away:
        raise DocumentAway from away
    return attachment(msgspec.json.encode(body), f"proof-{leaf[:8]}.json", "application/json")


@post("/cases/{case_id:str}/refresh")
async def refresh(request: Req, node: HereNode, actor: Asking, case_id: Part) -> Response[Any]:
    """Ask the owner now (再问一次): the mirror is brought up to date when it answers."""
    await ui.form(request)
    actor.require(1)
    async with node.db.reading() as tx:
        found = await mirrors.for_actor(tx, node, actor, case_id)
    if found is None:
        raise CaseUnknown
    await mirror.rebuild(node, found)
    return ui.see_other(f"/cases/{case_id}")


async def case_page(tx: Tx, node: Node, found: Mirror) -> CasePage:
    """The page of one case, from the mirror only (办件详情的页面)."""
    view, today = found.view, node.clock.today()
    requests = await mirrors.requests(tx, found.subject, found.id)
    item = await catalogue.item(tx, found.task_code, int(found.item_version))
    waits = {one.kind for one in requests if not one.answer}
    refused = any(one.kind == "withdraw" and one.answer == "refused" for one in requests)
    words = "撤回申请已提交，等受理部门答复" if "withdraw" in waits else "没有撤回成：决定已经作出" if refused else ""
    due = correcting = ""
    if view is not None and found.state == "to_correct" and view.correction:
        correcting = await _correction_words(tx, node, found, item)
    elif view is None or found.state == "received":
        due = promise.of_case(promise.handed_in(found), ticking.limits_of(item), calendar(node)).words
    elif view is not None and found.due_on is not None and found.state not in DONE:
        unsure = wording.UNSURE if view.provisional else ""
        due = f"最晚 {wording.day(found.due_on)}{wording.CLOCK_WORDS[found.due_kind]}{unsure}"
    elif view is not None and view.paused:
        due = "时限停着，恢复后接着算"
    overdue = found.due_on is not None and today > found.due_on and found.due_kind != "correction"
    return CasePage(
        title=f"{found.item_name}，{wording.state(found.state)}", mirror=found, grouped=CaseNumber.parse(found.number).grouped,
        heading=wording.SAID_NOW[found.state], nav_title=found.item_name,
        heard=f"截至 {wording.moment(found.heard_at)}" if found.heard_at else "还没有送到，正在送往",
        due=due, overdue=overdue, steps=_timeline(found), correction_due=correcting, correction_sent="correct" in waits,
        rated=await mirrors.rated(tx, found.subject, found.id),
        can_withdraw=found.state in ask.WITHDRAWABLE and "withdraw" not in waits, withdraw_words=words,
        receipts=_receipts(found), documents=view.documents if view else (), public=found.public_state,
    )  # fmt: skip


async def correct_page(
    tx: Tx, node: Node, found: Mirror, wrong: Refusals, typed: Mapping[str, tuple[str, ...]]
) -> CorrectPage:
    """The page of a correction: the named items, with what was typed now or handed in before (补材料的页面)."""
    item = await catalogue.item(tx, found.task_code, int(found.item_version))
    due = await _correction_words(tx, node, found, item)
    asking = found.view.correction if found.view else None
    if item is None or asking is None:
        raise CaseUnknown
    fields = [item.form.field(one.code) for one in asking.defects if one.what == "field"]
    kept = [one for one in fields if one is not None]
    answers = {**found.submission.answers, **catalogue.parse_answers(item.form, typed)} if typed else found.submission.answers
    questions = await asked.questions(tx, DraftFile(answers=answers), tuple(kept))
    mine = await evidence.materials(tx, node, found.subject)
    uploads = []
    for one in asking.defects:
        if one.what == "material":
            material = next((m for m in item.materials if m.name == one.code), None)
            accepts = material.accepts if material else tuple(evidence.KINDS)
            used = {carried.id for carried in found.submission.materials.get(one.code, ())}
            other = tuple(file for file in mine if file.kind == one.code and file.id not in used)
            uploads.append({"code": one.code, "title": one.title, "why": one.why, "accept": ",".join(accepts), "reusable": other[:3]})
    return CorrectPage(
        title=f"补材料 - {found.item_name}", nav_title=found.item_name, mirror=found, due=due,
        questions=questions, uploads=tuple(uploads), whys=tuple((one.title, one.why) for one in asking.defects),
        errors=wrong, back=f"/cases/{found.id}",
    )  # fmt: skip


async def _correction_words(tx: Tx, node: Node, found: Mirror, item: catalogue.Item | None) -> str:
    asked_for = found.view.correction if found.view else None
    if asked_for is None:
        return ""
    opened = await mirrors.notice_opened(tx, found.subject, found.id, asked_for.asking)
    return promise.of_correction(asked_for, opened, ticking.limits_of(item).correction, calendar(node))


def attachment(content: bytes, name: str, media_type: str) -> Response[bytes]:
    """A file to save, never to show in our origin (只作附件): sandboxed, unguessed, not stored."""
    headers = {
        "Content-Disposition": f"attachment; filename*=UTF-8''{quote(name)}",
        "X-Content-Type-Options": "nosniff",
        "Content-Security-Policy": "sandbox; default-src 'none'",
        "Cache-Control": "no-store",
    }
    return Response(content, media_type=media_type, headers=headers)


def _opens(found: Mirror) -> str:
    if found.state == "to_correct" and found.view and found.view.correction:
        return f"correction:{found.view.correction.asking}"
    return "result" if found.state == "finished" else ""


def _timeline(found: Mirror) -> tuple[dict[str, str], ...]:
    steps = [{"title": "你提交了申请", "hint": wording.moment(found.submitted_at), "state": "done"}]
    told = found.view.told if found.view else ()
    for n, line in enumerate(told):
        last = n == len(told) - 1 and found.state not in DONE
        hint = "，".join(part for part in (_at(line.at), line.unit) if part)
        steps.append({"title": line.title, "hint": f"{hint}。{line.text}" if line.text else hint, "state": "now" if last else "done"})
    if not told:
        steps.append({"title": f"正在送往{found.owner_name}", "hint": "送到了这里会变", "state": "now"})
    return tuple(steps)


def _at(ms: int) -> str:
    return wording.moment(datetime.fromtimestamp(ms / 1000, UTC))


def _leaves(found: Mirror) -> set[str]:
    told = found.view.told if found.view else ()
    return {found.receipt.leaf, *(line.leaf for line in told if line.leaf)}


def _receipts(found: Mirror) -> tuple[tuple[str, str], ...]:
    told = found.view.told if found.view else ()
    return (("提交", found.receipt.leaf), *((line.title, line.leaf) for line in told if line.leaf))


routes = [cases, case, correct_form, correct, withdraw_form, withdraw, document, proof, refresh]
ROUTES = [
    ui.Route("/cases", "/cases", who=("citizen",)),
    ui.Route("/cases/{case_id:str}", who=("citizen",), fixture="a submitted case"),
    ui.Route("/cases/{case_id:str}/correct", who=("citizen",), fixture="a case that is to be corrected"),
    ui.Route("/cases/{case_id:str}/withdraw", who=("citizen",), fixture="a submitted case"),
]
