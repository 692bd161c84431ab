"""HTML door of the desk's acts (办件动作): each POST is one verb; what stands against it is drawn on the same page."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any

from litestar import post
from litestar.response import Response

from tongban import catalogue, ui
from tongban.cases.actions import decide, documents, intake, review, transfer, void
from tongban.cases.errors import CaseUnknown, ChangedMeanwhile
from tongban.cases.model import Case, Defect, Reason, Remedy
from tongban.cases.pages import desk as drawn
from tongban.cases.pages.door import Asking, HereNode, Number, Part, Req
from tongban.cases.queries import records
from tongban.cases.rules import desk
from tongban.cases.rules.process import PROCESS
from tongban.kernel.actor import Actor
from tongban.kernel.db import Tx
from tongban.kernel.errors import Failure, Refusal, Refusals
from tongban.kernel.ids import is_uuid
from tongban.kernel.node import Node

Act = Callable[[Tx, Node, Actor, Case, ui.Form], Awaitable[Case | Refusals]]


class Undo(Exception):
    """Takes back what a refused act began (a notice already drawn), so that refusing leaves nothing behind."""

    def __init__(self, wrong: Refusals) -> None:
        super().__init__("refused")
        self.wrong = wrong


@post("/desk/{case_id:str}/{act:str}")
async def act(request: Req, node: HereNode, actor: Asking, case_id: Part, act: Part) -> Response[Any]:
    """One act on one case, with the state the clerk saw: if it moved meanwhile, nothing is done and the page says so."""
    form = await ui.form(request)
    actor.require_staff()
    if act not in _ACTS:
        raise CaseUnknown
    try:
        async with node.db.transaction() as tx:
            await _do(tx, node, actor, case_id, act, form)
    except Undo as refused:
        async with node.db.transaction() as tx:
            case = await drawn.opened(tx, node, actor, case_id)
            typed = {name: values[0] for name, values in form.fields.items() if values}
            page = await drawn.case_page(tx, node, actor, case, refused.wrong, typed)
        return ui.page(request, "cases/desk_case.html", page, status=422)
    return ui.see_other(f"/desk/{case_id}")


async def _do(tx: Tx, node: Node, actor: Actor, case_id: str, act: str, form: ui.Form) -> None:
    case = await records.locked(tx, node, case_id)
    if case is None:
        raise CaseUnknown
    desk.must(actor, desk.SEE, case)
    if form["_seen"] and form["_seen"] != f"{case.term}.{case.rev}":
        raise ChangedMeanwhile(f"现在是“{PROCESS.states[case.state].zh}”")
    done = await _ACTS[act](tx, node, actor, case, form)
    if not isinstance(done, Case):
        raise Undo(done)


@post("/desk/offers/{case_id:str}/{term:int}/{answer:str}")
async def answer_offer(request: Req, node: HereNode, actor: Asking, case_id: Part, term: Number, answer: Part) -> Response[Any]:
    """接收或退回移交."""
    form = await ui.form(request)
    actor.require_staff()
    if answer not in {"take", "decline"} or not is_uuid(case_id):
        raise CaseUnknown
    async with node.db.transaction() as tx:
        given = await records.offer(tx, case_id, term, "in", lock=True)
        if given is None:
            raise CaseUnknown
        if answer == "take":
            done = await transfer.take(tx, node, actor, given)
            if isinstance(done, Case):
                return ui.see_other(f"/desk/{case_id}")
        else:
            done = await transfer.decline(tx, node, actor, given, reason=form["reason"])
            if not done:
                return ui.see_other("/desk")
    raise Failure(done[0].code, status=409, sentence=done[0].sentence, todo="回到列表看一看")


async def _correct(tx: Tx, node: Node, actor: Actor, case: Case, form: ui.Form) -> Case | Refusals:
    item = await catalogue.item(tx, case.task_code, int(case.item_version))
    titles = {f"field:{field.name}": field.label for field in item.form.fields} if item else {}
    titles |= {f"material:{one.name}": one.title for one in item.materials} if item else {}
    defects = tuple(
        Defect(what="field" if key.startswith("field:") else "material", code=key.split(":", 1)[1], title=titles[key],
               why=form[f"why-{key}"])
        for key in form.all("defect")
        if key in titles
    )  # fmt: skip
    return await intake.ask_correction(tx, node, actor, case, defects)


async def _accept(tx: Tx, node: Node, actor: Actor, case: Case, form: ui.Form) -> Case | Refusals:
    return await intake.accept(tx, node, actor, case, complete=form["complete"] == "yes")


async def _not_accept(tx: Tx, node: Node, actor: Actor, case: Case, form: ui.Form) -> Case | Refusals:
    return await intake.refuse_acceptance(
        tx, node, actor, case, reason=form["reason"], reasons=_reasons(form), competent_body=form["competent_body"],
        remedies=await _remedies(tx, node, case),
    )  # fmt: skip


async def _reinstate(tx: Tx, node: Node, actor: Actor, case: Case, form: ui.Form) -> Case | Refusals:
    return await intake.reinstate(tx, node, actor, case, reason=form["reason"])


async def _review(tx: Tx, node: Node, actor: Actor, case: Case, _form: ui.Form) -> Case | Refusals:
    return await review.start_review(tx, node, actor, case)


async def _opinion(tx: Tx, node: Node, actor: Actor, case: Case, form: ui.Form) -> Case | Refusals:
    if form["favourable"] not in {"yes", "no"}:
        return (Refusal("cases.opinion.which", "请选建议通过还是不通过", "favourable"),)
    return await review.give_opinion(tx, node, actor, case, form["opinion"], favourable=form["favourable"] == "yes")


async def _special(tx: Tx, node: Node, actor: Actor, case: Case, form: ui.Form) -> Case | Refusals:
    days = int(form["special_days"]) if form["special_days"].isdigit() and len(form["special_days"]) < 4 else 0
    return await review.start_special(tx, node, actor, case, kind=form["special_kind"], reason=form["reason"], days=days)


async def _end_special(tx: Tx, node: Node, actor: Actor, case: Case, form: ui.Form) -> Case | Refusals:
    return await review.end_special(tx, node, actor, case, result=form["result"])


async def _extend(tx: Tx, node: Node, actor: Actor, case: Case, form: ui.Form) -> Case | Refusals:
    return await review.extend(tx, node, actor, case, reason=form["reason"])


async def _grant(tx: Tx, node: Node, actor: Actor, case: Case, _form: ui.Form) -> Case | Refusals:
    return await decide.grant(tx, node, actor, case)


async def _refuse(tx: Tx, node: Node, actor: Actor, case: Case, form: ui.Form) -> Case | Refusals:
    return await decide.refuse(
        tx, node, actor, case, reasons=_reasons(form), remedies=await _remedies(tx, node, case)
    )


async def _finish(tx: Tx, node: Node, actor: Actor, case: Case, _form: ui.Form) -> Case | Refusals:
    return await decide.finish(tx, node, actor, case)


async def _deliver(tx: Tx, node: Node, actor: Actor, case: Case, form: ui.Form) -> Case | Refusals:
    return await decide.deliver(tx, node, actor, case, receipt=form["receipt"])


async def _transfer(tx: Tx, node: Node, actor: Actor, case: Case, form: ui.Form) -> Case | Refusals:
    return await transfer.offer(
        tx, node, actor, case, to=form["to"], org_code=form["org_code"], division=form["division"], reason=form["reason"]
    )


async def _void(tx: Tx, node: Node, actor: Actor, case: Case, form: ui.Form) -> Case | Refusals:
    if case.file.void_proposed_by:
        return await void.confirm(tx, node, actor, case)
    return await void.propose(
        tx, node, actor, case, reason=form["reason"], reasons=_reasons(form), remedies=await _remedies(tx, node, case)
    )


def _reasons(form: ui.Form) -> tuple[Reason, ...]:
    """Facts and law, row by row; an empty row is none (理由)."""
    pairs = zip(form.all("fact"), form.all("basis"), strict=False)
    return tuple(Reason(fact=fact.strip(), basis=basis.strip()) for fact, basis in pairs if fact.strip() or basis.strip())


async def _remedies(tx: Tx, node: Node, case: Case) -> tuple[Remedy, ...]:
    item = await catalogue.item(tx, case.task_code, int(case.item_version))
    return documents.remedies_of(item, item.organisation.name if item else node.settings.name)


_ACTS: dict[str, Act] = {
    "correct": _correct, "accept": _accept, "not_accept": _not_accept, "reinstate": _reinstate, "review": _review,
    "opinion": _opinion, "special": _special, "end_special": _end_special, "extend": _extend, "grant": _grant,
    "refuse": _refuse, "finish": _finish, "deliver": _deliver, "transfer": _transfer, "void": _void,
}  # fmt: skip

routes = [act, answer_offer]
