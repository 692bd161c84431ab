"""扫一扫: a citizen's scanner. It opens own pages and checks licences; every other code is text (T-59, R-404)."""

from __future__ import annotations

from typing import Any

from litestar import Request, get, post
from litestar.di import NamedDependency
from litestar.response import Response

from tongban import credentials, federation, ui
from tongban.kernel.errors import Refusal, Refusals
from tongban.kernel.node import Node
from tongban.space.model import ScanPage
from tongban.space.pages.who import who
from tongban.space.rules import scanned

TITLE = "扫一扫"
LOOKS = {"valid": "valid", "expired": "expired", "used": "expired", "revoked": "revoked", "unknown": "unknown", "false": "invalid"}

Req = Request[Any, Any, Any]
Here = NamedDependency[Node]


@get("/scanner", include_in_schema=False)
async def start(request: Req, node: Here) -> Response[Any]:
    """The reader: camera or photo where the browser can, a field for what another reader has read."""
    await who(request, node)
    return ui.page(request, "space/scanner.html", ScanPage(TITLE))


@post("/scanner", status_code=200, include_in_schema=False)
async def read(request: Req, node: Here) -> Response[Any]:
    """Say what was scanned. Nothing is opened: a page of ours is a button that the person presses."""
    await who(request, node)
    form = await ui.form(request)
    text, photo = form["code"].strip(), form.file("photo")
    if photo is not None and photo.data and not text:
        try:
            text = await credentials.decode_picture(photo.data)
        except credentials.BadPicture as why:
            return _again(request, (Refusal("space.bad_picture", why.sentence, "photo"),))
    if not text:
        return _again(request, (Refusal("space.nothing_scanned", "拍一张带码的照片，或者把码里的字写进来", "code"),))
    found = scanned(text, await homes(node))
    if found.kind != "card":
        return ui.page(request, "space/scanned.html", ScanPage(TITLE, found))
    verdict = await credentials.verify_presentation(node, found.text)
    return ui.page(request, "space/scanned.html", ScanPage(verdict.headline, found, verdict, LOOKS[verdict.kind]))


def _again(request: Req, errors: Refusals) -> Response[Any]:
    return ui.page(request, "space/scanner.html", ScanPage(TITLE, errors=errors), status=422)


async def homes(node: Node) -> dict[str, str]:
    """The base addresses of this node and of all nodes in force, with the names people know (自己的地址)."""
    found = await federation.present(node)
    listed = {address: one.name for one in found.nodes if one.status in {"active", "leaving"} for address in one.base_urls} if found else {}
    return {node.settings.base_url: node.settings.name, **listed}


routes = [start, read]
