"""谁用过我的信息: every use of my data over all nodes, in plain sentences, each with its proof."""

from __future__ import annotations

from typing import Any
from uuid import UUID

import msgspec
from litestar import Request, get
from litestar.di import NamedDependency
from litestar.params import FromPath
from litestar.response import Response

from tongban import consent, ui
from tongban.exchange.model import Use
from tongban.exchange.queries import complained, data_use, proof
from tongban.exchange.rules import grouped
from tongban.kernel.actor import Actor
from tongban.kernel.errors import NotFound
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
    consent_id: str | None
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
    silent: tuple[str, ...]
    home: str
    home_url: str
    kinds: tuple[Kind, ...]
    back: str = "/me"
    back_label: str = "返回我的"


@get("/me/data-use")
async def show(request: Request[Any, Any, Any], node: NamedDependency[Node], actor: NamedDependency[Actor]) -> Response[bytes]:
    """谁用过我的信息: gathered from every node now; a silent node is named."""
    actor.require(level=1)
    actor.require_self("看谁用过信息")
    kind = request.query_params.get("kind", "")
    kind = kind if kind in KINDS else ""
    found = await data_use(node, actor.person)
    async with node.db.reading() as tx:
        said = await complained(tx, actor.person)
    shown = [use for use in found.uses if kind in ("", use.line.kind)]
    kinds = tuple(
        Kind(
            href="/me/data-use" + (f"?kind={code}" if code else ""),
            text=words,
            count=sum(1 for use in found.uses if code in ("", use.line.kind)),
            current=code == kind,
        )
        for code, words in KINDS.items()
    )
    page = DataUsePage(
        title="谁用过我的信息",
        rows=tuple(_group(uses, said) for uses in grouped(shown)),
        count=sum(use.line.count for use in shown),
        odd=sum(1 for use in shown if use.agrees is False),
        silent=found.silent,
        home=found.home,
        home_url=found.home_url + "/me/data-use",
        kinds=tuple(one for one in kinds if one.count or one.current),
    )
    return ui.page(request, "exchange/data_use.html", page)


def _group(uses: tuple[Use, ...], said: frozenset[str]) -> Row:
    first = _row(uses[0], said)
    if len(uses) == 1:
        return first
    return msgspec.structs.replace(
        first, times=sum(use.line.count for use in uses), more=tuple(_row(use, said) for use in uses)
    )


def _row(use: Use, said: frozenset[str]) -> Row:
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
        consent_id=line.consent_id,
        receipt=f"/me/data-use/{line.id}/receipt?node={line.node}&side={line.side}",
        complaint=f"/me/data-use/{line.id}/complaint",
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
    found = await proof(node, actor.person, str(line_id), side, request.query_params.get("node", node.id))
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
