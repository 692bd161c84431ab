"""Pages of the frame itself 界面页面: static files, mode and text size, the component gallery (demo only)."""

from __future__ import annotations

from typing import Any
from urllib.parse import urlsplit

from litestar import Request, get, post
from litestar.datastructures import Cookie
from litestar.response import Response

from tongban.kernel.errors import NotFound
from tongban.ui.forms import form
from tongban.ui.frame import MODE_COOKIE, MODES, SIZE_COOKIE, size_of
from tongban.ui.gallery import GALLERY
from tongban.ui.rendering import page, see_other, takes_gzip
from tongban.ui.static import files
from tongban.ui.wiring import wiring

YEAR_SECONDS = 31_536_000


@get("/static/{name:str}", sync_to_thread=False, include_in_schema=False)
def static_file(request: Request[Any, Any, Any], name: str) -> Response[bytes]:
    """One static file by its content name (静态文件): kept for a year, because a change makes another name."""
    found = files().get(name)
    if found is None:
        raise NotFound
    headers = {"Cache-Control": f"public, max-age={YEAR_SECONDS}, immutable", "Vary": "Accept-Encoding"}
    body = found.body
    if found.packed is not None and takes_gzip(request):
        headers["Content-Encoding"] = "gzip"
        body = found.packed
    return Response(body, headers=headers, media_type=found.media)


def own_path(text: str) -> str:
    """The path to come back to when it is one of ours, else the home page: never another host."""
    parts = urlsplit(text)
    ours = text.startswith("/") and not text.startswith(("//", "/\\")) and not parts.netloc
    return text if ours and text.isprintable() and "\\" not in text else "/"


@post("/mode", status_code=303, include_in_schema=False)
async def switch_mode(request: Request[Any, Any, Any]) -> Response[Any]:
    """Change how pages look (换版本、换字号) and come back to the same page.

    No token: the worst a stranger's page could do is make the letters larger; the origin is checked all the same, and
    so public pages stay the same for everybody and can be kept.
    """
    sent = await form(request, token=False)
    answer = see_other(own_path(sent["back"]))
    if "mode" in sent:
        mode = sent["mode"] if sent["mode"] in MODES else ""
        answer.set_cookie(display_cookie(MODE_COOKIE, mode))
    if "size" in sent:
        answer.set_cookie(display_cookie(SIZE_COOKIE, str(size_of(sent["size"]))))
    return answer


def display_cookie(name: str, value: str) -> Cookie:
    """A cookie that only says how pages look; kept a year, readable by no script."""
    return Cookie(key=name, value=value, path="/", max_age=YEAR_SECONDS, httponly=True, samesite="lax")


@get("/dev/components", sync_to_thread=False, include_in_schema=False)
def components(request: Request[Any, Any, Any]) -> Response[bytes]:
    """Every component in every state on one page (组件陈列), for people and for checks; demo nodes only."""
    if not wiring(request).demo:
        raise NotFound
    return page(request, "ui/gallery.html", GALLERY)


routes = [static_file, switch_mode, components]
