"""The HTML door of search 检索页: best answer is an act with its three facts; no result still leads somewhere."""

from __future__ import annotations

from typing import Any
from urllib.parse import urlencode

import msgspec
from litestar import Request, get
from litestar.di import NamedDependency
from litestar.response import Response

from tongban import ui
from tongban.kernel.actor import Actor
from tongban.kernel.node import Node
from tongban.search.model import Found, Hit, Kind
from tongban.search.queries import find

PAGE_HITS = 10
MOST_PAGES = 5
LONGEST_SHOWN = 60
KINDS: tuple[tuple[Kind, str], ...] = (("item", "办事"), ("question", "问答"), ("entry", "目录信息"), ("page", "本站功能"))


class Fact(msgspec.Struct, frozen=True):
    """One of the three facts (事实)."""

    label: str
    value: str
    unit: str = ""


class Chip(msgspec.Struct, frozen=True):
    """A filter as a plain link, with how many it leaves (筛选)."""

    text: str
    href: str
    count: int
    current: bool


class Row(msgspec.Struct, frozen=True):
    """A hit as drawn (一条结果)."""

    title: str
    hint: str
    href: str
    mode: str
    kind: str


class SearchPage(msgspec.Struct, frozen=True):
    """检索结果."""

    title: str
    q: str
    searched: str
    guessed: bool
    best: Hit | None
    best_facts: tuple[Fact, ...]
    close: tuple[Row, ...]
    total: int
    chips: tuple[Chip, ...]
    rows: tuple[Row, ...]
    more: str
    place: str
    nav_title: str = "搜索"
    back: str = "/"
    back_label: str = "返回首页"


def _address(q: str, kind: str = "", page: int = 1) -> str:
    asked = {"q": q} | ({"kind": kind} if kind else {}) | ({"page": str(page)} if page > 1 else {})
    return "/search?" + urlencode(asked)


def _row(hit: Hit) -> Row:
    shown = hit.shown
    parts = [shown.says, shown.place or shown.organisation if shown.kind == "item" else ""]
    if shown.kind == "item" and shown.how_long:
        parts.append(f"{shown.how_long}{shown.how_long_unit}")
    if shown.kind == "entry":
        parts = ["目录信息，以当地公布为准", shown.organisation]
    return Row(shown.title, "，".join(part for part in parts if part), shown.href, shown.mode, shown.kind)


def _facts(hit: Hit | None) -> tuple[Fact, ...]:
    if hit is None or hit.shown.kind != "item":
        return ()
    shown = hit.shown
    return (
        Fact("多久办好", shown.how_long, shown.how_long_unit), Fact("收费", shown.fee), Fact("要跑几趟", shown.visits),
    )


def draw(found: Found, *, kind: str, page: int, place: str) -> SearchPage:
    """The page of an answer (画检索页): the best act on top, the rest as rows with counts a kind."""
    total = sum(found.counts.values())
    best = found.best if page == 1 and not kind else None
    shown = found.hits[(page - 1) * PAGE_HITS : page * PAGE_HITS]
    asked = [hit for hit in found.close if best is None or hit.shown.id != best.shown.id] if page == 1 and not kind else []
    apart = {(hit.shown.kind, hit.shown.id) for hit in (*asked, *((best,) if best else ()))}
    chips = [Chip("全部", _address(found.query), total, not kind)]
    chips += [Chip(name, _address(found.query, one), found.counts[one], kind == one) for one, name in KINDS if found.counts.get(one)]
    title = f"搜“{found.query}”，" + (f"找到 {total} 条" if total else "没有找到") if found.query else "搜索"
    in_view = found.counts.get(kind, 0) if kind else total  # type: ignore[call-overload]
    more = _address(found.query, kind, page + 1) if in_view > page * PAGE_HITS and page < MOST_PAGES else ""
    return SearchPage(
        title=title, q=found.query, searched=found.searched, guessed=found.guessed, best=best, best_facts=_facts(best),
        close=tuple(_row(hit) for hit in asked), total=total, chips=tuple(chips),
        rows=tuple(_row(hit) for hit in shown if (hit.shown.kind, hit.shown.id) not in apart), more=more, place=place,
    )


@get("/search")
async def search(request: Request[Any, Any, Any], node: NamedDependency[Node], actor: NamedDependency[Actor]) -> Response[bytes]:
    """检索: `q` what was typed, `kind` a filter, `page` from 1. The words are neither logged nor kept."""
    _ = actor
    asked = request.query_params
    kind = asked.get("kind", "") if asked.get("kind", "") in {one for one, _name in KINDS} else ""
    page = int(asked["page"]) if asked.get("page", "").isdecimal() and 1 <= int(asked["page"][:4]) <= MOST_PAGES else 1
    frame = ui.frame(request)
    found = find(
        node, asked.get("q", "")[:LONGEST_SHOWN], division=frame.place, channel=frame.channel, kind=kind,
        limit=MOST_PAGES * PAGE_HITS,
    )
    return ui.page(request, "search/search.html", draw(found, kind=kind, page=page, place=frame.place_name))


routes = [search]
ROUTES = [
    ui.Route("/search", "/search?q=%E6%B3%A8%E5%86%8C%E5%85%AC%E5%8F%B8", ("nobody", "citizen"), kiosk=True),
]
