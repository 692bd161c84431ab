"""Pages of the frame itself 界面页面: static files, mode and text size, the component gallery (demo only)."""

from __future__ import annotations

from typing import Any

from litestar import Request, get, post
from litestar.params import FromPath
from litestar.response import Response

from tongban.kernel.errors import NotFound
from tongban.ui.forms import form
from tongban.ui.frame import MODES, YEAR_SECONDS, display_cookies, own_path, size_of
from tongban.ui.gallery import GALLERY
from tongban.ui.rendering import page, see_other, takes_gzip
from tongban.ui.static import files, worker
from tongban.ui.wiring import wiring


@get("/static/{name:str}", sync_to_thread=False, include_in_schema=False)
def static_file(request: Request[Any, Any, Any], name: FromPath[str]) -> Response[bytes]:
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


@get("/sw.js", sync_to_thread=False, include_in_schema=False)
def service_worker() -> Response[bytes]:
    """The service worker (离线外壳); asked for anew each time, so that a new version is there at once."""
    return Response(worker(), headers={"Cache-Control": "no-cache"}, media_type="text/javascript")


@post("/mode", status_code=303, include_in_schema=False)
async def switch_mode(request: Request[Any, Any, Any]) -> Response[Any]:
    """Change how pages look (换版本、换字号) and come back to the same page.

    No token: the worst a stranger's page could do is make the letters larger; the origin is checked all the same, and
    so public pages stay the same for everybody and can be kept.
    """
    sent = await form(request, token=False)
    answer = see_other(own_path(sent["back"]))
    mode = (sent["mode"] if sent["mode"] in MODES else "") if "mode" in sent else None
    size = size_of(sent["size"]) if "size" in sent else None
    for cookie in display_cookies(mode=mode, size=size):
        answer.set_cookie(cookie)
    return answer


@get("/dev/components", sync_to_thread=False, include_in_schema=False)
def components(request: Request[Any, Any, Any]) -> Response[bytes]:
    """Every component in every state on one page (组件陈列), for people and for checks; demo nodes only."""
    if not wiring(request).demo:
        raise NotFound
    return page(request, "ui/gallery.html", GALLERY)


routes = [static_file, service_worker, switch_mode, components]
