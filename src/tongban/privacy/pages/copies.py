"""要一份副本: ask (what is in it, how long it takes), wait (how far each place is), the word once, the file once, what was asked before."""

from __future__ import annotations

from typing import Any

import msgspec
from litestar import Request, get, post
from litestar.di import NamedDependency
from litestar.params import FromPath
from litestar.response import Response, Stream

from tongban import identity, ui
from tongban.kernel.actor import Actor
from tongban.kernel.clock import CHINA
from tongban.kernel.errors import LevelNeeded, Refusals
from tongban.kernel.node import Node
from tongban.privacy.actions import asking, wards
from tongban.privacy.errors import CopyUnknown
from tongban.privacy.model.copies import Copy, Part
from tongban.privacy.pages.elsewhere import elsewhere
from tongban.privacy.queries.copies import copies_of, copy_of
from tongban.privacy.rules.limits import COPIES

Req = Request[Any, Any, Any]
Here = NamedDependency[Node]
Asking = NamedDependency[Actor]
PLACE, GO = "/me/copies", "go"
_MB = 1024 * 1024
STATES = {
    "gathering": ("正在收齐", "clock", "w"), "ready": ("做好了，可以取", "ok", "g"), "fetched": ("取走了，这里已经删掉", "check", ""),
    "expired": ("过了时间，已经删掉", "clock", ""), "stopped": ("停掉了，已经删掉", "stop", ""), "failed": ("没有做成，可以再要", "warn", "b"),
}  # fmt: skip


class Line(msgspec.Struct, frozen=True):
    """One line of a list (列表的一行)."""

    text: str
    hint: str
    icon: str
    state: str
    href: str = ""


class CopiesPage(msgspec.Struct, frozen=True, kw_only=True):
    """What /me/copies draws (要一份副本)."""

    title: str = "要一份副本"
    back: str = "/me/rights"
    back_label: str = "返回我的信息"
    tab: str = "me"
    now: tuple[Line, ...] = ()
    before: tuple[Line, ...] = ()
    limits: str = ""
    minutes: int = COPIES.patience_minutes
    hours: int = COPIES.longest_hours
    errors: Refusals = ()


class CopyPage(msgspec.Struct, frozen=True, kw_only=True):
    """What /me/copies/{id} draws (一份副本): how far it is, or how to fetch it."""

    title: str
    copy: Copy
    kind: str
    places: tuple[Line, ...]
    again: bool
    size: str
    refresh: int = 15
    word: str = ""
    guardians: bool = False
    hours: int = COPIES.link_hours
    back: str = PLACE
    back_label: str = "返回"
    tab: str = "me"
    errors: Refusals = ()


@get(PLACE)
async def show(request: Req, node: Here, actor: Asking) -> Response[Any]:
    """要一份副本: the two kinds, what waits, what was asked before; or what was pressed before the level was raised goes on, once."""
    await identity.freshen(node, actor, level=3)
    async with node.db.transaction() as tx:
        pressed = await identity.pressed_before(tx, node, actor, PLACE, request.query_params.get(GO, ""))
        made = await asking.ask(tx, node, actor, whole=pressed.get("kind") == "whole") if pressed is not None else None
    if made is None:
        return await _list(request, node, actor)
    return await _list(request, node, actor, made, 422) if isinstance(made, tuple) else ui.see_other(f"{PLACE}/{made.id}")


async def _list(request: Req, node: Node, actor: Actor, errors: Refusals = (), status: int = 200) -> Response[Any]:
    actor.require(1)
    await identity.freshen(node, actor, level=3)
    away = await elsewhere(request, node, actor, PLACE, title="要一份副本", act="要")
    if away is not None:
        return away
    async with node.db.reading() as tx:
        whose = await wards.whose(tx, node, actor, "要自己的信息副本")
        copies = [one for one in await copies_of(tx, whose) if not actor.for_subject or one.guardian == actor.subject]
    lines = [(one.state in {"gathering", "ready"}, _line(one)) for one in copies]
    page = CopiesPage(
        now=tuple(line for open_, line in lines if open_), before=tuple(line for open_, line in lines if not open_),
        limits=f"一天最多要 {COPIES.day_copies} 份，30 天最多 {COPIES.month_copies} 份", errors=errors,
    )  # fmt: skip
    return ui.page(request, "privacy/copies.html", page, status=status)


@post(PLACE, status_code=200)
async def ask(request: Req, node: Here, actor: Asking) -> Response[Any]:
    """Ask for one; for a whole one the person shows once more who it is."""
    form = await ui.form(request)
    await identity.freshen(node, actor, level=3)
    try:
        async with node.db.transaction() as tx:
            made = await asking.ask(tx, node, actor, whole=form["kind"] == "whole")
    except LevelNeeded as needed:
        async with node.db.transaction() as tx:
            return ui.see_other(await identity.step_up_for(tx, node, actor, PLACE, {"kind": form["kind"]}, level=needed.level))
    if isinstance(made, tuple):
        return await _list(request, node, actor, made, 422)
    return ui.see_other(f"{PLACE}/{made.id}")


@get(PLACE + "/{copy_id:str}")
async def one(request: Req, node: Here, actor: Asking, copy_id: FromPath[str]) -> Response[Any]:
    """One copy: waiting, ready, or over."""
    return await _one(request, node, actor, copy_id)


async def _one(
    request: Req, node: Node, actor: Actor, copy_id: str, *, word: str = "", errors: Refusals = (), status: int = 200
) -> Response[Any]:
    actor.require(1)
    await identity.freshen(node, actor, level=3)
    async with node.db.reading() as tx:
        found = await copy_of(tx, node, await wards.whose(tx, node, actor, "要自己的信息副本"), copy_id)
    if found is None or (actor.for_subject and found.guardian != actor.subject):
        raise CopyUnknown
    page = CopyPage(
        title="打开口令" if word else STATES[found.state][0], copy=found, kind="全部的" if found.whole else "简单的",
        places=tuple(_place(one) for one in found.parts), again=found.state in {"ready", "fetched", "expired"} and bool(found.missing),
        size=_size(found.byte_count), word=word, errors=errors, guardians=bool(found.guardian) and not actor.for_subject,
    )  # fmt: skip
    answer = ui.page(request, "privacy/copy.html", page, status=status)
    answer.headers["Cache-Control"] = "no-store"
    return answer


@post(PLACE + "/{copy_id:str}/word", status_code=200)
async def word(request: Req, node: Here, actor: Asking, copy_id: FromPath[str]) -> Response[Any]:
    """The word, on this one answer and never again."""
    await ui.form(request)
    await identity.freshen(node, actor, level=3)
    async with node.db.transaction() as tx:
        _, told = await asking.show_word(tx, node, actor, copy_id)
    return await _one(request, node, actor, copy_id, word=told)


@post(PLACE + "/{copy_id:str}/file", status_code=200)
async def file(request: Req, node: Here, actor: Asking, copy_id: FromPath[str]) -> Stream:
    """The file; once it is through, it is gone here."""
    await ui.form(request)
    await identity.freshen(node, actor, level=3)
    async with node.db.transaction() as tx:
        download = await asking.begin_download(tx, node, actor, copy_id)
    return Stream(download.content, media_type="application/zip", headers=download_headers(node, download))


def download_headers(node: Node, download: asking.Download) -> dict[str, str]:
    """The headers of a copy's file: to be saved, kept by no cache."""
    return {
        "Content-Disposition": f'attachment; filename="wodexinxi-{node.clock.now().astimezone(CHINA):%Y%m%d}.zip"',
        "Content-Length": str(download.byte_count), "X-Content-Type-Options": "nosniff", "Cache-Control": "no-store",
    }  # fmt: skip


@post(PLACE + "/{copy_id:str}/again", status_code=200)
async def again(request: Req, node: Here, actor: Asking, copy_id: FromPath[str]) -> Response[Any]:
    """Fetch what was missing, as a copy of its own."""
    await ui.form(request)
    await identity.freshen(node, actor, level=3)
    async with node.db.transaction() as tx:
        made = await asking.ask_again(tx, node, actor, copy_id)
    if isinstance(made, tuple):
        return await _one(request, node, actor, copy_id, errors=made, status=422)
    return ui.see_other(f"{PLACE}/{made.id}")


@post(PLACE + "/{copy_id:str}/stop", status_code=200)
async def stop(request: Req, node: Here, actor: Asking, copy_id: FromPath[str]) -> Response[Any]:
    """不要了: what lies here is removed at once."""
    await ui.form(request)
    await identity.freshen(node, actor, level=3)
    async with node.db.transaction() as tx:
        await asking.stop(tx, node, actor, copy_id)
    return ui.see_other(f"{PLACE}/{copy_id}")


def _line(copy: Copy) -> Line:
    text, icon, state = STATES[copy.state]
    kind = ("补取的" if copy.again_of else "全部的" if copy.whole else "简单的") + ("，监护人要的" if copy.guardian else "")
    return Line(text, f"{kind}，{copy.asked_at.astimezone(CHINA):%Y-%m-%d %H:%M} 要的", icon, state, f"{PLACE}/{copy.id}")


def _place(part: Part) -> Line:
    match part.state:
        case "here":
            return Line(part.name, "取到了", "ok", "g")
        case "missing":
            return Line(part.name, "没有回话，这次没有取到", "warn", "w")
        case "preparing" if part.byte_count:
            return Line(part.name, f"正在取，到了 {_size(part.had)}，共 {_size(part.byte_count)}", "clock", "w")
        case "preparing":
            return Line(part.name, "收到了，正在找", "clock", "w")
        case _:
            return Line(part.name, "正在问", "clock", "")


def _size(count: int) -> str:
    return f"{count / _MB:.1f} MB" if count >= _MB else f"{max(1, count // 1024)} KB"


ROUTES: list[Any] = [show, ask, one, word, file, again, stop]
