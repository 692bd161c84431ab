"""Kept pages 存页: a public page is rendered once for each look, and served as bytes until its version changes.

For pages that say the same to everybody who is not signed in: the entrance, a guide. The caller's key names the page and
the version of what it shows (a digest, a counter); mode, text size, channel and place are added here.

    answer = ui.kept(request, ("guide", item.digest))
    if answer is None:
        answer = ui.keep(request, ("guide", item.digest), "catalogue/guide.html", GuidePage(...))
"""

from __future__ import annotations

import hashlib
from collections import OrderedDict
from typing import Any

import msgspec
from litestar import Request
from litestar.response import Response

from tongban.ui.frame import Frame, arrival_cookies, frame
from tongban.ui.rendering import compressed, render, takes_gzip

MOST_KEPT = 1000
LONGEST_PATH = 300
Key = tuple[str, ...]


class Kept(msgspec.Struct, frozen=True):
    """One rendered page (存下的一页), plain and packed."""

    plain: bytes
    packed: bytes
    etag: str


def shelf(request: Request[Any, Any, Any]) -> OrderedDict[tuple[object, ...], Kept]:
    """The kept pages of this app, the ones used longest ago first."""
    pages: OrderedDict[tuple[object, ...], Kept] = request.app.state.setdefault("ui_kept", OrderedDict())
    return pages


def full_key(look: Frame, key: Key) -> tuple[object, ...]:
    """The caller's key and everything of the frame that the page shows."""
    return (*key, look.path, look.mode, look.size, look.channel, look.place)


def kept(request: Request[Any, Any, Any], key: Key) -> Response[bytes] | None:
    """The kept page under that key, None when it has to be made (取存页)."""
    pages = shelf(request)
    whole = full_key(frame(request), key)
    found = pages.get(whole)
    if found is None:
        return None
    pages.move_to_end(whole)
    return answer(request, found)


def keep(request: Request[Any, Any, Any], key: Key, template: str, page: object) -> Response[bytes]:
    """Render a public page, keep it and answer with it (存页). The template may carry no form token (LookupError)."""
    look = frame(request)
    if look.signed_in or look.staff:
        raise LookupError("a page of somebody signed in is not kept: answer it with ui.page")
    html = render(template, page, look).encode()
    made = Kept(html, compressed(html, level=9), f'"{hashlib.sha256(html).hexdigest()[:20]}"')
    if len(look.path) <= LONGEST_PATH:
        pages = shelf(request)
        pages[full_key(look, key)] = made
        if len(pages) > MOST_KEPT:
            pages.popitem(last=False)
    return answer(request, made)


def answer(request: Request[Any, Any, Any], found: Kept) -> Response[bytes]:
    """The kept bytes; 304 when the browser has them."""
    headers = {"ETag": found.etag, "Cache-Control": "no-cache", "Vary": "Accept-Encoding, Cookie"}
    cookies = arrival_cookies(request)
    if request.headers.get("if-none-match") == found.etag:
        return Response(b"", status_code=304, headers=headers, media_type="text/html")
    if not takes_gzip(request):
        return Response(found.plain, headers=headers, cookies=cookies, media_type="text/html")
    return Response(found.packed, headers=headers | {"Content-Encoding": "gzip"}, cookies=cookies, media_type="text/html")
