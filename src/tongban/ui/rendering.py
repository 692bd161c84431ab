"""Rendering 排版: one template environment for the house; a Struct and a frame become HTML, compressed and guarded."""

from __future__ import annotations

import functools
import html
import zlib
from pathlib import Path
from typing import Any

import minijinja
from litestar import Request
from litestar.datastructures import Cookie
from litestar.response import Response
from litestar.response.redirect import Redirect

from tongban.ui import filters
from tongban.ui.forms import FORM_COOKIE, token_issuer
from tongban.ui.frame import Frame, arrival_cookies
from tongban.ui.frame import frame as frame_of
from tongban.ui.static import asset

PACKAGE = Path(__file__).resolve().parent.parent
SMALLEST_TO_COMPRESS = 512


def load_template(name: str) -> str | None:
    """The source of `room/x.html` from that room's own templates folder; None when there is none."""
    room, _, rest = name.partition("/")
    if not room.isidentifier() or not rest.endswith(".html") or ".." in rest:
        return None
    source = PACKAGE / room / "templates" / room / rest
    return source.read_text("utf-8") if source.is_file() else None


def printable(value: object) -> object:
    """What a template prints: text escaped for HTML with `/` left readable, nothing for None, the rest as it is.

    Runs on every `{{ }}`; values already safe (macros, `|safe`) arrive as Markup and pass.
    """
    if value is None:
        return ""
    return minijinja.Markup(html.escape(value)) if type(value) is str else value


def polite_template(name: str) -> str | None:
    """The same source as elders read it: 您 where it says 你 (ux.md 5). Only our own words are touched, never what is shown."""
    source = load_template(name)
    return None if source is None else source.replace("你", "您")


@functools.cache
def environment(*, elder: bool = False) -> minijinja.Environment:
    """The template environment of a mode (模板环境): autoescape for .html, strict about names, templates kept parsed.

    Templates stay in the subset that Jinja2 renders too, so that it can take over (stack.md 1). `|said` is for sentences
    of ours that come from code or data: in elder mode they say 您. Never for what a person typed.
    """
    return minijinja.Environment(
        loader=polite_template if elder else load_template,
        filters=filters.FILTERS | {"said": filters.polite if elder else filters.same},
        globals={"asset": asset},
        undefined_behavior="strict",
        auto_escape_callback=lambda _name: "html",
        trim_blocks=True,
        lstrip_blocks=True,
        finalizer=printable,
    )


def render(template: str, page: object, frame: Frame) -> str:
    """The HTML of one page Struct in one frame (排版); raises minijinja.TemplateError for unknown names."""
    with filters.in_year(frame.year):
        return environment(elder=frame.elder).render_template(template, page=page, frame=frame)


def compressed(body: bytes, *, level: int = 5) -> bytes:
    """The body as gzip (压缩): quickly for pages that differ each time, `level=9` for what is kept."""
    packer = zlib.compressobj(level, zlib.DEFLATED, 31)
    return packer.compress(body) + packer.flush()


def takes_gzip(request: Request[Any, Any, Any]) -> bool:
    """Whether the browser reads gzip (能不能解压)."""
    return "gzip" in request.headers.get("accept-encoding", "")


def page(request: Request[Any, Any, Any], template: str, page: object, *, status: int = 200) -> Response[bytes]:
    """Answer with one page (出页面): `page` is a Struct with `title`; the template reads `page` and `frame`.

    Personal or tokened pages are `no-store`; a page nobody is signed in for and without a form may be revalidated.
    """
    token, fresh = token_issuer(request)
    frame = frame_of(request, token)
    body = render(template, page, frame).encode()
    headers = {"Vary": "Accept-Encoding, Cookie", "Cache-Control": "no-cache"}
    cookies: list[Cookie] = list(arrival_cookies(request))
    if frame.token_used or frame.signed_in or frame.staff:
        headers["Cache-Control"] = "no-store"
    if status == 429 and (waits := [one.wait for one in getattr(page, "errors", ()) if one.wait is not None]):
        headers["Retry-After"] = str(max(waits))
    if frame.token_used and fresh is not None:
        cookies.append(Cookie(key=FORM_COOKIE, value=fresh, path="/", secure=True, httponly=True, samesite="lax"))
    if len(body) > SMALLEST_TO_COMPRESS and takes_gzip(request):
        headers["Content-Encoding"] = "gzip"
        body = compressed(body)
    return Response(body, status_code=status, headers=headers, cookies=cookies, media_type="text/html")


def see_other(to: str) -> Redirect:
    """Answer 303: after a POST, look there (去看那一页). `to` is a path of ours or a checked address."""
    return Redirect(to, status_code=303, headers={"Cache-Control": "no-store"})
