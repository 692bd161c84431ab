"""HTML door of the desk (办件): the list by the clock, one case in two panes. Each look at a case is in the person's ledger."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date
from typing import Any

import msgspec
from litestar import get, post
from litestar.response import Response

from tongban import catalogue, evidence, federation, identity, ui
from tongban.cases.actions import documents
from tongban.cases.errors import CaseUnknown
from tongban.cases.model import Case, Clock, FoundCard, HistoryLine, Offer, QueueRow, Remedy
from tongban.cases.pages import asked
from tongban.cases.pages.door import Asking, HereNode, Part, Req
from tongban.cases.pages.mine import attachment
from tongban.cases.queries import desk as lists
from tongban.cases.queries import readings, records
from tongban.cases.queries.calendar import calendar
from tongban.cases.rules import clocks as ticking
from tongban.cases.rules import desk, forms, licences, moves, promise
from tongban.cases.rules.process import PROCESS
from tongban.evidence import Material
from tongban.kernel.actor import Actor
from tongban.kernel.db import Tx
from tongban.kernel.errors import Refusals
from tongban.kernel.ids import CaseNumber
from tongban.kernel.node import Node

BASIS = "行政许可法第三十四条"
HIDDEN = frozenset({"id_number", "mobile", "bank_account", "credit_code"})


class DeskPage(msgspec.Struct, frozen=True):
    """What /desk draws (收件箱)."""

    title: str
    views: tuple[dict[str, Any], ...]
    rows: tuple[DeskRow, ...]
    offers: tuple[Offer, ...]
    number: str
    view: str
    may_receive: bool


class DeskRow(msgspec.Struct, frozen=True):
    """One row of the list with its clock in words (收件箱的一行)."""

    row: QueueRow
    grouped: str
    clock: str
    clock_state: str
    state: str
    place: str


class AnswerRow(msgspec.Struct, frozen=True):
    """One answer with its source; numbers are masked until a separate, logged act (答案)."""

    name: str
    label: str
    value: str
    source: str
    source_kind: str
    hidden: bool


class MaterialRow(msgspec.Struct, frozen=True):
    """One material with how it came (材料); `copy`: a licence stands for it, and whoever looks may ask for its copy."""

    code: str
    title: str
    how: str
    files: tuple[Material, ...]
    copy: bool


class DeskCasePage(msgspec.Struct, frozen=True):
    """What /desk/{id} draws: answers and sources left, evidence, actions right (办件处理)."""

    title: str
    heading: str
    case: Case
    seen: str
    grouped: str
    state_words: str
    clock_text: str
    clock_state: str
    answers: tuple[AnswerRow, ...]
    materials: tuple[MaterialRow, ...]
    history: tuple[HistoryLine, ...]
    clocks: tuple[Clock, ...]
    acts: frozenset[str]
    remedies: tuple[Remedy, ...]
    reasons: tuple[ui.Option, ...]
    transfer_reasons: tuple[ui.Option, ...]
    void_reasons: tuple[ui.Option, ...]
    receipts: tuple[ui.Option, ...]
    specials: tuple[ui.Option, ...]
    nodes: tuple[ui.Option, ...]
    why_not: str
    typed: Mapping[str, str]
    errors: Refusals = ()
    back: str = "/desk"
    back_label: str = "返回办件列表"


@get("/desk")
async def listed(request: Req, node: HereNode, actor: Asking) -> Response[Any]:
    """办件列表: the first row is the one about to be late."""
    actor.require_staff()
    view = request.query_params.get("view", "open")
    view = view if view in lists.VIEWS else "open"
    number = "".join(char for char in request.query_params.get("q", "") if char.isdigit())[:22]
    today = node.clock.today()
    async with node.db.reading() as tx:
        found = await lists.queue(tx, actor, view, today, number=number)
        counted = await lists.counts(tx, actor, today)
        offers = await lists.offers(tx, actor)
        names = await catalogue.division_names(tx)
    views = tuple(
        {"text": f"{words} {counted[key]}", "href": f"/desk?view={key}", "current": key == view}
        for key, words in lists.VIEWS.items()
    )
    made = tuple(_desk_row(row, today, names) for row in found)
    may_receive = any("cases.window" in one.actions for one in actor.assignments)
    page = DeskPage("办件", views, made, offers, number, view, may_receive)
    return ui.page(request, "cases/desk.html", page)


@get("/desk/{case_id:str}")
async def show(request: Req, node: HereNode, actor: Asking, case_id: Part) -> Response[Any]:
    """One case; looking at it is written into the person's ledger, with the reason."""
    async with node.db.transaction() as tx:
        case = await opened(tx, node, actor, case_id)
        page = await case_page(tx, node, actor, case, (), {})
    return ui.page(request, "cases/desk_case.html", page)


@post("/desk/{case_id:str}/reveal")
async def reveal(request: Req, node: HereNode, actor: Asking, case_id: Part) -> Response[Any]:
    """看全号: a separate act, with its own line in the ledger."""
    form = await ui.form(request)
    async with node.db.transaction() as tx:
        case = await allowed(tx, node, actor, case_id)
        item = await catalogue.item(tx, case.task_code, int(case.item_version))
        field = item.form.field(form["field"]) if item else None
        if field is None:
            raise CaseUnknown
        await note_access(tx, node, actor, case, (f"{field.label}全号",))
        page = await case_page(tx, node, actor, case, (), {}, shown=frozenset({field.name}))
    return ui.page(request, "cases/desk_case.html", page)


@get("/desk/{case_id:str}/materials/{material_id:str}")
async def material(node: HereNode, actor: Asking, case_id: Part, material_id: Part) -> Response[bytes]:
    """The original of a material, as an attachment; the look is logged."""
    async with node.db.transaction() as tx:
        case = await allowed(tx, node, actor, case_id)
        files = [one for kept in (await records.materials(tx, node, case)).values() for one in kept]
        wanted = next((one for one in files if one.id == material_id), None)
        if wanted is None:
            raise CaseUnknown
        opened_file = await evidence.read(tx, node, case.subject, material_id)
        await note_access(tx, node, actor, case, (f"材料原件：{wanted.kind}",))
    return attachment(opened_file.content, wanted.name.reveal(), wanted.media_type)


async def allowed(tx: Tx, node: Node, actor: Actor, case_id: str) -> Case:
    """The case, if this staff member may see it. Raises StaffNeeded, CaseUnknown, NotYourCounty, OwnCase.

    An emergency that names the person opens the case for looking, wherever it is; every act still asks for its right.
    """
    actor.require_staff()
    case = await records.held(tx, node, case_id)
    if case is None:
        raise CaseUnknown
    if await identity.emergency_naming(tx, node, actor, case.subject) is None:
        desk.must(actor, desk.SEE, case)
    return case


async def opened(tx: Tx, node: Node, actor: Actor, case_id: str) -> Case:
    """As `allowed`, and the look is written down first: if that fails, nothing is shown (privacy.md 6)."""
    case = await allowed(tx, node, actor, case_id)
    item = await catalogue.item(tx, case.task_code, int(case.item_version))
    labels = [field.label for field in item.form.fields if field.name in case.file.submission.answers] if item else []
    await note_access(tx, node, actor, case, tuple(labels) or ("申请内容",))
    return case


async def note_access(tx: Tx, node: Node, actor: Actor, case: Case, fields: tuple[str, ...]) -> None:
    """The reason and one line in the person's ledger (记台账): unit, not the clerk's name. Raises `identity.reason_needed`."""
    kind: identity.ReasonKind = "case" if case.worker == actor.staff_id else "queue"
    ref, about = case.id, f"case:{case.id}"
    if not desk.may(actor, desk.SEE, case):
        kind, ref = "emergency", await identity.emergency_naming(tx, node, actor, case.subject) or ""
        about = f"emergency:{ref}"
    elif not readings.readable(node, case) and not desk.acts_of(actor, case):
        kind = "none"
    await identity.reading_reason(
        tx, node, actor, case.subject, kind, ref, fields=fields, basis=BASIS, about=about,
        purpose=f"办理{case.item_name}" if kind != "emergency" else f"紧急访问，看{case.item_name}",
    )  # fmt: skip


async def case_page(
    tx: Tx,
    node: Node,
    actor: Actor,
    case: Case,
    wrong: Refusals,
    typed: Mapping[str, str],
    *,
    shown: frozenset[str] = frozenset(),
) -> DeskCasePage:
    """The two-pane page of a case (办件处理的页面)."""
    item = await catalogue.item(tx, case.task_code, int(case.item_version))
    names = await catalogue.division_names(tx)
    clocks = await records.clocks(tx, case.subject, case.id)
    today = node.clock.today()
    known = await federation.present(node) if desk.may(actor, "cases.transfer", case) else None
    clock = ticking.running(clocks)
    text = promise.of_clock(clock, case.file.correction, calendar(node))
    number = CaseNumber.parse(case.number).grouped
    return DeskCasePage(
        title=f"{case.item_name}，{number}", heading=case.item_name, case=case, seen=f"{case.term}.{case.rev}", grouped=number,
        state_words=PROCESS.states[case.state].zh, clock_text=text, clock_state=_light(clock, today),
        answers=_answers(item, case, names, shown), materials=await _materials(tx, node, actor, item, case),
        history=await records.history(tx, node, case.subject, case.id), clocks=clocks, acts=desk.acts_of(actor, case),
        remedies=documents.remedies_of(item, item.organisation.name if item else node.settings.name),
        reasons=_options(moves.NOT_ACCEPTED_REASONS), transfer_reasons=_options(moves.TRANSFER_REASONS),
        void_reasons=_options(moves.VOID_REASONS),
        receipts=_options({key: words for key, words in moves.RECEIPTS.items() if key != "opened"}),
        specials=tuple(ui.Option(one, one) for one in PROCESS.suspension_types),
        nodes=tuple(ui.Option(one.id, one.name) for one in (known.active() if known else ()) if one.id != node.id and one.divisions),
        why_not=_why_not(case, clocks, today), typed=typed, errors=wrong,
    )  # fmt: skip


def _answers(
    item: catalogue.Item | None, case: Case, names: dict[str, str], shown: frozenset[str]
) -> tuple[AnswerRow, ...]:
    sent = case.file.submission
    made = []
    for field in item.form.fields if item else ():
        if field.name not in sent.answers or field.kind in forms.AT_THE_END:
            continue
        source = sent.sources.get(field.name)
        hidden = (field.kind in HIDDEN or asked.has_numbers(field)) and field.name not in shown
        value = asked.said(field, sent.answers, names, hide=hidden)
        made.append(
            AnswerRow(
                name=field.name, label=field.label, value=asked.masked(value) if hidden and field.kind in HIDDEN - {"id_number"} else value,
                source=asked.source_words(source).replace("你的", "本人") or ("补正时改的" if field.name in case.file.corrected else "本人填"),
                source_kind="warn" if source and source.pending else "ok" if source and source.kind in forms.REGISTERED else "",
                hidden=hidden,
            )
        )  # fmt: skip
    return tuple(made)


async def _materials(tx: Tx, node: Node, actor: Actor, item: catalogue.Item | None, case: Case) -> tuple[MaterialRow, ...]:
    files, made, open_copies = await records.materials(tx, node, case), [], desk.in_hand(actor, case)
    for one in licences.needed(item, case.file.submission, node.clock.today()):
        kept = files.get(one.material.name, ())
        card = None if kept else licences.standing_for(one, case.file.submission)
        how = "本人交的" if kept else _licence_words(card) if card else one.how
        if one.material.name in case.file.corrected:
            how = "补正交的"
        made.append(MaterialRow(one.material.name, one.material.title, how, kept, open_copies and card is not None))
    return tuple(made)


def _licence_words(card: FoundCard) -> str:
    """What was known of the licence that stands for a material when the case was handed in (查到的证照)."""
    return f"电子证照：{card.type_name}，{card.org_name}，" + ("正在取" if card.state == "coming" else "提交时查到有效")


def _desk_row(row: QueueRow, today: date, names: Mapping[str, str]) -> DeskRow:
    text, state = "", ""
    if row.paused:
        text, state = "停表", "paused"
    elif row.due_on is not None:
        left = (row.due_on - today).days
        text = f"过期 {-left} 天" if left < 0 else "今天到期" if left == 0 else f"还有 {left} 天"
        state = "paused" if row.due_kind == "correction" else "late" if left < 0 else "soon" if left <= 1 else ""
    grouped, place = CaseNumber.parse(row.number).grouped, names.get(row.division, row.division)
    return DeskRow(row, grouped, text, state, PROCESS.states[row.state].zh, place)


def _light(clock: Clock | None, today: date) -> str:
    return {"ok": "", "yellow": "soon", "red": "late", "stopped": "paused"}[ticking.light(clock, today)]


def _why_not(case: Case, clocks: tuple[Clock, ...], today: date) -> str:
    """Why a correction cannot be asked, said beside where it would stand."""
    if case.state != "received":
        return ""
    if case.asked:
        return "补正已经告知过一次，不能再要求。"
    intake = ticking.of_kind(clocks, "intake")
    return "收件已过 5 个工作日，不能再要求补正。" if intake and today > intake.due_on else ""


def _options(words: Mapping[str, str]) -> tuple[ui.Option, ...]:
    return tuple(ui.Option(key, text) for key, text in words.items())


routes = [listed, show, reveal, material]
ROUTES = [
    ui.Route("/desk", "/desk", who=("staff",)),
    ui.Route("/desk/{case_id:str}", who=("staff",), fixture="a received case"),
]
