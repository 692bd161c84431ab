"""验证照文件: a clerk chooses a licence file that somebody handed in and reads in plain words whether it may be taken (actions/file_desk.py)."""

from __future__ import annotations

from typing import Any

import msgspec
from litestar import Request, get, post
from litestar.di import NamedDependency
from litestar.response import Response

from tongban import identity, ui
from tongban.credentials.actions import file_desk
from tongban.credentials.model.sharing import FileJudged
from tongban.kernel.actor import Actor
from tongban.kernel.errors import Refusals
from tongban.kernel.node import Node

CHECK = "credentials.check_file"
HERE = "/staff/licences/check"
HEADLINES = {
    "valid": ("是真的，现在有效", "ok"), "ended": ("是真的，现在不能用", "bad"), "not_issued": ("不是证照", "bad"), "broken": ("不能收", "bad"),
    "unknown": ("现在不能确认", "warn"),
}  # fmt: skip
NEXT = {
    "valid": "看一眼持证人是不是本人，对得上就能用。", "ended": "“这张证现在不能用了。请您问问发证的地方，或者带别的材料。”",
    "not_issued": "“这份文件不是发证的地方给的证照，请您从手机里重新下载一份。”", "broken": "“这份文件核对不上，请您从手机里重新下载一份。”别扣对方的东西。",
    "unknown": "“发证的地方暂时查不到，不是您的问题。”过几分钟再验，或者请对方用手机亮证。",
}  # fmt: skip


class FilePage(msgspec.Struct, frozen=True):
    """What /staff/licences/check draws, before and after."""

    title: str
    judged: FileJudged | None = None
    headline: str = ""
    look: str = ""
    text: str = ""
    lines: tuple[tuple[str, str], ...] = ()
    say: str = ""
    reason: str = ""
    errors: Refusals = ()


def _must(actor: Actor) -> None:
    if not identity.scopes(actor, CHECK):
        actor.require_may(CHECK, division="000000")


def _text(found: FileJudged) -> str:
    if found.kind == "valid":
        return "每枚印章都有效，盖章以后没有改过，发证的地方有这份文件。"
    if found.kind == "ended" and found.told is not None:
        return f"文件没有改过，但发证的地方说这张证{found.told.state_words}。"
    if found.kind == "not_issued":
        return f"印章是真的，但{found.where}没有发过这样一份证照。"
    if found.kind == "broken":
        return found.why
    return f"印章没有问题，{found.where}没有答复：{found.why}。"


def _lines(found: FileJudged) -> tuple[tuple[str, str], ...]:
    told = found.told
    if told is None:
        return ()
    return (
        ("证照", told.type_name), ("谁发的", f"{told.org_name}，{found.where}"), ("现在的状态", told.state_words), ("证照标识", told.identifier),
    )  # fmt: skip


@get(HERE)
async def show(request: Request[Any, Any, Any], actor: NamedDependency[Actor]) -> Response[Any]:
    """验证照文件: choose a file and say why."""
    _must(actor)
    return ui.page(request, "credentials/file_check.html", FilePage("验证照文件"))


@post(HERE)
async def check(request: Request[Any, Any, Any], node: NamedDependency[Node], actor: NamedDependency[Actor]) -> Response[Any]:
    """The verdict on the file; it is kept nowhere, so there is no address to come back to."""
    _must(actor)
    form = await ui.form(request)
    file = form.file("file")
    found = await file_desk.judge_file(node, actor, file=file.data if file else b"", reason=form["reason"])
    if isinstance(found, tuple):
        page = FilePage("验证照文件", reason=form["reason"], errors=found)
        return ui.page(request, "credentials/file_check.html", page, status=422)
    headline, look = HEADLINES[found.kind]
    page = FilePage("验证照文件", found, headline, look, _text(found), _lines(found), NEXT[found.kind], form["reason"])
    return ui.page(request, "credentials/file_check.html", page)


routes = [show, check]
