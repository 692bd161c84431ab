"""交换日志 with its alarms, and 纠错: what was exchanged, whether both ends agree, what is wrong in the data."""

from __future__ import annotations

from typing import Any
from uuid import UUID

import msgspec
from litestar import get, post
from litestar.params import FromPath
from litestar.response import Response

from tongban import ui
from tongban.exchange.actions import ask_correction, check_correction, close_alarm, confirm_correction
from tongban.exchange.actions.post import division
from tongban.exchange.errors import CorrectionGone
from tongban.exchange.model import Alarm, Checked, Correction, Message
from tongban.exchange.pages.door import (
    ALARM_WORDS,
    CORRECTION_WORDS,
    FILE_WORDS,
    OUTCOME_WORDS,
    Asking,
    Chip,
    HereNode,
    Req,
    chips,
    may,
    require_steward,
)
from tongban.exchange.queries import alarms, checked, correction, corrections, listed, messages, whole
from tongban.exchange.tasks import compare
from tongban.kernel.actor import Actor
from tongban.kernel.db import Tx
from tongban.kernel.errors import Refusals
from tongban.kernel.node import Node

LOG, CORRECTIONS = "/staff/sharing/log", "/staff/sharing/corrections"


class MessageRow(msgspec.Struct, frozen=True):
    """One call in words."""

    message: Message
    name: str
    field_words: str
    outcome: str


class AlarmRow(msgspec.Struct, frozen=True):
    """One alarm in words."""

    alarm: Alarm
    words: str


class LogPage(msgspec.Struct, frozen=True):
    """What /staff/sharing/log draws."""

    title: str
    chips: tuple[Chip, ...]
    rows: tuple[MessageRow, ...]
    alarms: tuple[AlarmRow, ...]
    checked: tuple[Checked, ...]
    may_close: bool
    errors: Refusals = ()


class CorrectionRow(msgspec.Struct, frozen=True):
    """One correction request in words; the value itself stands on its own page only."""

    correction: Correction
    name: str
    field_words: str
    state_words: str
    state_tag: str
    late: bool


class CorrectionsPage(msgspec.Struct, frozen=True):
    """What /staff/sharing/corrections draws."""

    title: str
    chips: tuple[Chip, ...]
    ours: tuple[CorrectionRow, ...]
    theirs: tuple[CorrectionRow, ...]
    options: tuple[ui.Option, ...]
    typed: dict[str, str]
    may_ask: bool
    errors: Refusals = ()


class CorrectionPage(msgspec.Struct, frozen=True):
    """What one correction request draws."""

    title: str
    row: CorrectionRow
    claimed: str
    grounds: str
    act: str
    errors: Refusals = ()
    back: str = CORRECTIONS
    back_label: str = "返回纠错"


@get(LOG)
async def log_page(request: Req, node: HereNode, actor: Asking) -> Response[bytes]:
    """交换日志: the newest calls, the alarms, how far both ends were compared."""
    actor.require_may("exchange.audit", division=division(node))
    return await _log(request, node, actor, ())


async def _log(request: Req, node: Node, actor: Actor, errors: Refusals) -> Response[bytes]:
    async with node.db.reading() as tx:
        found = await messages(tx, "", "", limit=100, newest=True)
        names = {one.resource.id: one.resource for one in await whole(tx)}
        open_alarms, progress = await alarms(tx), await checked(tx)
    rows = []
    for one in found:
        held = names.get(one.resource)
        words = {field.name: field.words for field in held.fields} if held else {}
        rows.append(
            MessageRow(
                one, held.name if held else FILE_WORDS.get(one.resource, one.resource), "、".join(words.get(name, name) for name in one.fields),
                OUTCOME_WORDS.get(one.outcome, "没给"),
            )
        )  # fmt: skip
    page = LogPage(
        "交换日志", chips(LOG), tuple(rows), tuple(AlarmRow(one, ALARM_WORDS[one.kind]) for one in open_alarms), progress,
        may(actor, node, "audit"), errors,
    )  # fmt: skip
    return ui.page(request, "exchange/log.html", page, status=422 if errors else 200)


@post(LOG)
async def compare_now(request: Req, node: HereNode, actor: Asking) -> Response[Any]:
    """Compare with every node now (现在对账)."""
    await ui.form(request)
    actor.require_may("exchange.audit", division=division(node))
    await compare(node)
    return ui.see_other(LOG)


@post(LOG + "/alarms/{alarm_id:uuid}")
async def close(request: Req, node: HereNode, actor: Asking, alarm_id: FromPath[UUID]) -> Response[Any]:
    """Close an alarm with what was found out."""
    form = await ui.form(request)
    async with node.db.transaction() as tx:
        made = await close_alarm(tx, node, actor, str(alarm_id), note=form["note"])
    return await _log(request, node, actor, made) if isinstance(made, tuple) else ui.see_other(LOG)


async def _row(tx: Tx, node: Node, one: Correction) -> CorrectionRow:
    held = await listed(tx, one.resource)
    names = {field.name: field.words for field in held.resource.fields} if held else {}
    words, tag = CORRECTION_WORDS[one.state]
    late = one.due_on < node.clock.today() and one.state in {"sent", "checked"}
    return CorrectionRow(one, held.resource.name if held else one.resource, names.get(one.field, one.field), words, tag, late)


@get(CORRECTIONS)
async def all_corrections(request: Req, node: HereNode, actor: Asking) -> Response[bytes]:
    """纠错: what we asked others to correct, and what others ask us."""
    require_steward(actor, node)
    return await _corrections(request, node, actor, {"line": request.query_params.get("line", "")}, ())


async def _corrections(request: Req, node: Node, actor: Actor, typed: dict[str, str], errors: Refusals) -> Response[bytes]:
    async with node.db.reading() as tx:
        ours, theirs = [tuple([await _row(tx, node, one) for one in await corrections(tx, node, side)]) for side in ("asker", "owner")]
        others = [one.resource for one in await whole(tx) if one.resource.owner != node.id and one.resource.key == "subject"]
    options = tuple(ui.Option(f"{one.id}:{field.name}", f"{one.name}：{field.words}（{one.owner_name}）") for one in others for field in one.fields)
    page = CorrectionsPage("纠错", chips(CORRECTIONS), ours, theirs, options, typed, may(actor, node, "propose"), errors)
    return ui.page(request, "exchange/corrections.html", page, status=422 if errors else 200)


@post(CORRECTIONS)
async def ask(request: Req, node: HereNode, actor: Asking) -> Response[Any]:
    """申请纠错."""
    form = await ui.form(request)
    resource, _, name = form["field"].partition(":")
    async with node.db.transaction() as tx:
        made = await ask_correction(
            tx, node, actor, resource=resource, field=name, line=form["line"].strip(), claimed=form["claimed"], grounds=form["grounds"]
        )
    if isinstance(made, tuple):
        return await _corrections(request, node, actor, {one: form[one] for one in form.names()}, made)
    return ui.see_other(f"{CORRECTIONS}/{made.id}")


@get(CORRECTIONS + "/{correction_id:uuid}")
async def one_correction(request: Req, node: HereNode, actor: Asking, correction_id: FromPath[UUID]) -> Response[bytes]:
    """One correction request."""
    require_steward(actor, node)
    return await _correction(request, node, actor, str(correction_id), ())


async def _correction(request: Req, node: Node, actor: Actor, correction_id: str, errors: Refusals) -> Response[bytes]:
    async with node.db.reading() as tx:
        found = await correction(tx, node, correction_id)
        if found is None:
            raise CorrectionGone
        row = await _row(tx, node, found)
    act_now = ""
    if found.side == "owner" and found.state == "sent" and may(actor, node, "propose"):
        act_now = "check"
    elif found.side == "owner" and found.state == "checked":
        act_now = "own_check" if found.checked_by == actor.staff_id else "confirm" if may(actor, node, "approve") else ""
    page = CorrectionPage(f"{row.name}：纠错", row, found.claimed.reveal(), found.grounds.reveal(), act_now, errors)
    return ui.page(request, "exchange/correction.html", page, status=422 if errors else 200)


@post(CORRECTIONS + "/{correction_id:uuid}")
async def act(request: Req, node: HereNode, actor: Asking, correction_id: FromPath[UUID]) -> Response[Any]:
    """核查、确认."""
    form = await ui.form(request)
    name = str(correction_id)
    async with node.db.transaction() as tx:
        match form["act"]:
            case "corrected" | "kept":
                made = await check_correction(tx, node, actor, name, corrects=form["act"] == "corrected", answer=form["answer"])
            case "confirm":
                made = await confirm_correction(tx, node, actor, name, agrees=True)
            case _:
                made = await confirm_correction(tx, node, actor, name, agrees=False)
    return await _correction(request, node, actor, name, made) if isinstance(made, tuple) else ui.see_other(f"{CORRECTIONS}/{name}")


routes = [log_page, compare_now, close, all_corrections, ask, one_correction, act]
