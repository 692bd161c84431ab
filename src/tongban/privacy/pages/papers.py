"""凭条取副本: who was at a desk opens the copy with the address and the code on the paper, at any computer, without signing in."""

from __future__ import annotations

from typing import Any
from urllib.parse import quote

import msgspec
from litestar import Request, get, post
from litestar.di import NamedDependency
from litestar.params import FromPath
from litestar.response import Response, Stream

from tongban import ui
from tongban.kernel.actor import Actor
from tongban.kernel.errors import Refusal, Refusals
from tongban.kernel.node import Node
from tongban.privacy.actions import asking, papers
from tongban.privacy.errors import CopyGone
from tongban.privacy.model.copies import Copy
from tongban.privacy.pages.copies import STATES, download_headers
from tongban.privacy.queries.copies import copy_of
from tongban.privacy.rules.limits import COPIES

Req = Request[Any, Any, Any]
Here = NamedDependency[Node]


class PaperPage(msgspec.Struct, frozen=True, kw_only=True):
    """What /copies/{link} draws: the code asked for, then how far the copy is. `code` goes along from page to page and stands nowhere else."""

    title: str = "凭条取副本"
    action: str
    code: str = ""
    copy: Copy | None = None
    state: tuple[str, str, str] = ("", "", "")
    word: str = ""
    hours: int = COPIES.link_hours
    errors: Refusals = ()


def _page(request: Req, page: PaperPage, status: int = 200) -> Response[Any]:
    answer = ui.page(request, "privacy/copy_paper.html", page, status=status)
    answer.headers["Cache-Control"] = "no-store"
    return answer


@get("/copies/{link:str}")
async def show(request: Req, link: FromPath[str]) -> Response[Any]:
    """The page asks for the code; without it nothing is told, not even whether there is such a page."""
    return _page(request, PaperPage(action=f"/copies/{quote(link, safe='')}"))


@post("/copies/{link:str}", status_code=200)
async def opened(request: Req, node: Here, link: FromPath[str]) -> Response[Any] | Stream:
    """How far it is, the word once, the file once; each for whoever has address and code."""
    form = await ui.form(request)
    action, act = f"/copies/{quote(link, safe='')}", form["act"]
    whose, copy = await _whose(node, link, form["code"])
    if whose is None:
        wrong = Refusal("privacy.copy_paper", "地址和取件码对不上，或者过了时间。照凭条再输一次；连错 5 次要等一小时", "code")
        return _page(request, PaperPage(action=action, errors=(wrong,)), 422)
    word = ""
    if act == "file":
        async with node.db.transaction() as tx:
            download = await asking.begin_download(tx, node, whose, copy)
        return Stream(download.content, media_type="application/zip", headers=download_headers(node, download))
    if act == "word":
        async with node.db.transaction() as tx:
            _, word = await asking.show_word(tx, node, whose, copy)
    async with node.db.reading() as tx:
        found = await copy_of(tx, node, whose.subject, copy)
    if found is None:
        raise CopyGone
    return _page(request, PaperPage(action=action, code=form["code"], copy=found, state=STATES[found.state], word=word))


async def _whose(node: Node, link: str, code: str) -> tuple[Actor | None, str]:
    """Whom address and code stand for; a transaction of its own, so that a wrong try counts."""
    async with node.db.transaction() as tx:
        copy = await papers.opened(tx, node, "copy_page", link, code) or ""
        return (await papers.bearer(tx, node, copy) if copy else None), copy


ROUTES: list[Any] = [show, opened]
