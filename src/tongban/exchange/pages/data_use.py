"""谁用过我的信息: every use of my data over all nodes, in plain sentences, each with its proof."""

from __future__ import annotations

from typing import Any
from urllib.parse import urlencode
from uuid import UUID

import msgspec
from litestar import Request, get
from litestar.di import NamedDependency
from litestar.params import FromPath
from litestar.response import Response

from tongban import consent, federation, ui
from tongban.consent import Line
from tongban.exchange.model import Before, Use
from tongban.exchange.pages.door import guardian_of
from tongban.exchange.queries import LATEST, complained, data_use, proof
from tongban.exchange.rules import grouped
from tongban.kernel.actor import Actor
from tongban.kernel.errors import NotFound
from tongban.kernel.ids import is_uuid
from tongban.kernel.node import Node

KINDS = {"": "全部", "share": "取用", "present": "亮证", "view": "查看", "check": "核对"}


class Row(msgspec.Struct, frozen=True):
    """One line as the page tells it."""

    sentence: str
    why: str
    at: Any
    agrees: bool | None
    kind: str
    case_id: str
    consent: str
    receipt: str
    complaint: str
    complained: bool
    fields: str
    where: str
    times: int
    more: tuple[Row, ...] = ()


class Kind(msgspec.Struct, frozen=True):
    """One filter link."""

    href: str
    text: str
    count: int
    current: bool


class DataUsePage(msgspec.Struct, frozen=True):
    """What /me/data-use draws."""

    title: str
    rows: tuple[Row, ...]
    count: int
    odd: int
    unsure: int
    silent: tuple[str, ...]
    home: str
    home_url: str
    kinds: tuple[Kind, ...]
    older: str = ""
    newest: str = ""
    back: str = "/me"
    back_label: str = "返回我的"


def _before(text: str) -> Before | None:
    """The line an address asks what came before (`<Unix ms>-<number>`), None for the newest or for what is none."""
    at, _, number = text.partition("-")
    sound = at.isascii() and at.isdigit() and len(at) < 15 and int(at) < LATEST and is_uuid(number)
    return (consent.moment(int(at)), number) if sound else None


def _address(kind: str, before: Before | None) -> str:
    asked = ({"kind": kind} if kind else {}) | ({"before": f"{consent.milliseconds(before[0])}-{before[1]}"} if before else {})
    return "/me/data-use" + (f"?{urlencode(asked)}" if asked else "")


@get("/me/data-use")
async def show(request: Request[Any, Any, Any], node: NamedDependency[Node], actor: NamedDependency[Actor]) -> Response[bytes]:
    """谁用过我的信息: gathered from every node now; a silent node is named."""
    actor.require(level=1)
    actor.require_self("看谁用过信息")
    kind = request.query_params.get("kind", "")
    kind = kind if kind in KINDS else ""
    before = _before(request.query_params.get("before", ""))
    found = await data_use(node, actor.person, before=before, guardian=guardian_of(actor))
    async with node.db.reading() as tx:
        said = await complained(tx, actor.person)
    listed = await federation.present(node)
    places = {one.id: one.base_url for one in listed.nodes} if listed else {}
    places[node.id] = ""
    shown = [use for use in found.uses if kind in ("", use.line.kind)]
    kinds = tuple(
        Kind(
            href=_address(code, before),
            text=words,
            count=sum(1 for use in found.uses if code in ("", use.line.kind)),
            current=code == kind,
        )
        for code, words in KINDS.items()
    )
    page = DataUsePage(
        title="谁用过我的信息",
        rows=tuple(_group(uses, said, places) for uses in grouped(shown)),
        count=sum(use.line.count for use in shown),
        odd=sum(1 for use in shown if use.agrees is False),
        unsure=sum(1 for use in shown if use.agrees is None),
        silent=found.silent,
        home=found.home,
        home_url=found.home_url + "/me/data-use",
        kinds=tuple(one for one in kinds if one.count or one.current),
        older=_address(kind, found.older) if found.older else "",
        newest=_address(kind, None) if before else "",
    )
    return ui.page(request, "exchange/data_use.html", page)


def _group(uses: tuple[Use, ...], said: frozenset[str], places: dict[str, str]) -> Row:
    first = _row(uses[0], said, places)
    if len(uses) == 1:
        return first
    return msgspec.structs.replace(
        first, times=sum(use.line.count for use in uses), more=tuple(_row(use, said, places) for use in uses)
    )


def consent_at(line: Line, places: dict[str, str]) -> str:
    """Where the consent a line rests on is taken back: at the node it was given to, or, for an app, at the one that gave; "" when unknown."""
    place = places.get(line.receiver, places.get(line.source))
    return f"{place}/me/consents/{line.consent_id}" if line.consent_id and place is not None else ""


def _row(use: Use, said: frozenset[str], places: dict[str, str]) -> Row:
    line = use.line
    case_id = line.about.removeprefix("case:") if line.about.startswith("case:") else ""
    held = f"。这一条依据{line.delay_basis}推迟到现在才显示" if line.delay_basis else ""
    return Row(
        sentence=consent.headline(line),
        why=f"用来{line.purpose}，凭{line.basis}{held}",
        at=line.at,
        agrees=use.agrees,
        kind=KINDS[line.kind],
        case_id=case_id,
        consent=consent_at(line, places),
        receipt=f"/me/data-use/{line.id}/receipt?node={line.node}&side={line.side}",
        complaint=f"/me/data-use/{line.id}/complaint?at={consent.milliseconds(line.at)}",
        complained=line.id in said,
        fields="、".join(line.fields) if len(line.fields) > 1 else "",
        where=line.node,
        times=line.count,
    )


@get("/me/data-use/{line_id:uuid}/receipt")
async def receipt(request: Request[Any, Any, Any], node: NamedDependency[Node], actor: NamedDependency[Actor], line_id: FromPath[UUID]) -> Response[bytes]:
    """查看凭证: the receipt of one line with its inclusion proof, to be checked without us (R-408)."""
    actor.require(level=1)
    actor.require_self("看谁用过信息")
    side = request.query_params.get("side", "local")
    found = await proof(node, actor.person, str(line_id), side, request.query_params.get("node", node.id), guardian=guardian_of(actor))
    if found is None:
        raise NotFound("这条记录的凭证还没有做好，过一分钟再下载")
    return Response(
        found,
        media_type="application/json",
        headers={
            "Content-Disposition": f'attachment; filename="data-use-{line_id}.json"',
            "Cache-Control": "no-store",
        },
    )


routes = [show, receipt]
