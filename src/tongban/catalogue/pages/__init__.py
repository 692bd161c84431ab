"""HTML doors of the catalogue 页面: the guide, general information about services, the back office's reference lists.

A signed-out guide is the same for everybody: it is drawn once for each definition, state and look, kept by `ui` and
answered without a template or a query (architecture.md 16: ≥ 1,500 a second a core).
"""

from __future__ import annotations

from typing import Any
from urllib.parse import quote

import msgspec
from litestar import Request, get
from litestar.di import NamedDependency
from litestar.params import FromPath
from litestar.response import Response

from tongban import ui
from tongban.catalogue.errors import ChannelClosed, ItemGone, ItemUnknown, PreviewStale
from tongban.catalogue.model import Entry, ReferenceRow
from tongban.catalogue.pages.guide import GuidePage, guide_of, open_on
from tongban.catalogue.queries import (
    Current,
    current,
    division_names,
    drafts,
    entry,
    item,
    listing,
    preview_valid,
    reference_lists,
    reference_rows,
)
from tongban.kernel.actor import Actor
from tongban.kernel.node import Node

TEMPLATE = "catalogue/guide.html"
_names: dict[str, dict[str, str]] = {}


async def _division_names(node: Node) -> dict[str, str]:
    """Names of divisions, read once a process: they change with a new edition of the list only."""
    found = _names.get(node.db.url)
    if not found:
        async with node.db.reading() as tx:
            found = _names[node.db.url] = await division_names(tx)
    return found


@get("/s/{task_code:str}")
async def guide(request: Request[Any, Any, Any], node: NamedDependency[Node], actor: NamedDependency[Actor], task_code: FromPath[str]) -> Response[bytes]:
    """办事指南. 404 with other ways when the item is unknown, withdrawn, or closed on this channel."""
    token = request.query_params.get("preview")
    if token is not None:
        return await _preview(request, node, task_code, token)
    found = await current(node, task_code)
    if found is None:
        raise ItemUnknown
    if found.listing.status == "withdrawn":
        raise ItemGone(await _reason(node, task_code))
    if not open_on(found.listing, ui.frame(request).channel):
        raise ChannelClosed
    answer = await _drawn(request, node, found, public=actor.kind == "nobody")
    answer.headers["Item-Digest"] = found.item.digest
    return answer


async def _reason(node: Node, task_code: str) -> str:
    async with node.db.reading() as tx:
        return str(await tx.fetchval("SELECT reason FROM item WHERE task_code = $1 ORDER BY rev DESC LIMIT 1", task_code) or "")


async def _drawn(request: Request[Any, Any, Any], node: Node, found: Current, *, public: bool) -> Response[bytes]:
    """The guide in this look; as everybody sees it who is not signed in, from memory when it was drawn before."""
    key = ("guide", node.id, found.item.digest, str(found.listing.rev))
    kept = ui.kept(request, key) if public else None
    if kept is not None:
        return kept
    page = guide_of(found.item, await _division_names(node))
    return ui.keep(request, key, TEMPLATE, page) if public else ui.page(request, TEMPLATE, page)


async def _preview(request: Request[Any, Any, Any], node: Node, task_code: str, token: str) -> Response[bytes]:
    """The newest draft, else the newest version whatever its state, for the bearer of a preview link."""
    if not preview_valid(node, task_code, token):
        raise PreviewStale
    async with node.db.reading() as tx:
        waiting = [one for one in await drafts(tx) if one.task_code == task_code]
        known = waiting[-1] if waiting else await listing(tx, task_code)
        found = await item(tx, task_code, known.version) if known is not None else None
    if found is None:
        raise ItemUnknown
    return ui.page(request, TEMPLATE, guide_of(found, await _division_names(node), preview=True))


class InfoPage(msgspec.Struct, frozen=True):
    """General facts about a service that is not handled here (目录信息)."""

    title: str
    entry: Entry
    marks: tuple[tuple[str, str], ...]
    searched: str
    nav_title: str = "服务信息"
    back: str = "/services"
    back_label: str = "返回办事"


MARKS = {"yes": "已核实", "partly": "部分核实", "no": "未核实", "not_found": "没有查到", "not_applicable": "不适用"}
GROUPS = {
    "identity": "名称和部门", "legal_basis": "依据", "conditions": "条件", "materials": "材料", "steps": "流程",
    "statutory_days": "法定时限", "fee": "收费", "kuasheng": "跨省通办", "result": "结果", "faq": "问答",
}  # fmt: skip


@get("/info/{entry_id:str}")
async def info(request: Request[Any, Any, Any], node: NamedDependency[Node], entry_id: FromPath[str]) -> Response[bytes]:
    """目录信息: what is generally known of a service, each part with how sure it is; never shown as official."""
    async with node.db.reading() as tx:
        found = await entry(tx, entry_id)
    if found is None:
        raise ItemUnknown
    marks = tuple((GROUPS[group], MARKS.get(mark, "未核实")) for group, mark in found.verified.items() if group in GROUPS)
    return ui.page(request, "catalogue/info.html", InfoPage(found.name, found, marks, "/search?q=" + quote(found.name)))


class ReferencePage(msgspec.Struct, frozen=True):
    """National lists as imported (参考数据), for the back office."""

    title: str
    heading: str
    lists: tuple[tuple[str, int, int, str], ...]
    chosen: str
    rows: tuple[ReferenceRow, ...]
    following: str


PAGE_ROWS = 200


@get("/staff/reference")
async def reference(request: Request[Any, Any, Any], node: NamedDependency[Node], actor: NamedDependency[Actor]) -> Response[bytes]:
    """清单与代码: every imported row with its mark; what is not confirmed says so in its own row."""
    actor.require_staff()
    chosen = request.query_params.get("list", "")
    after = request.query_params.get("after", "")
    async with node.db.reading() as tx:
        lists = await reference_lists(tx)
        rows = await reference_rows(tx, chosen, after=after, limit=PAGE_ROWS) if chosen else ()
    drawn = tuple((name, many, sure, "/staff/reference?list=" + quote(name)) for name, many, sure in lists)
    following = f"/staff/reference?list={quote(chosen)}&after={quote(rows[-1].code)}" if len(rows) == PAGE_ROWS else ""
    title = f"{chosen}，参考数据" if chosen else "清单与代码"
    return ui.page(
        request, "catalogue/reference.html", ReferencePage(title, title, drawn, chosen, rows, following)
    )


routes = [guide, info, reference]
ROUTES = [
    ui.Route("/s/{task_code:str}", "/s/11510100DEM000014N3000199901000", ("nobody", "citizen"), kiosk=True),
    ui.Route("/info/{entry_id:str}", "/info/driver_renew", ("nobody",)),
    ui.Route("/staff/reference", "/staff/reference", ("staff",)),
]
__all__ = ["ROUTES", "GuidePage", "routes"]
