"""Builders for ui's tests: a small app with one form page, and how a browser sees it."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import msgspec
from litestar import Litestar, Request, get, post
from litestar.params import FromPath
from litestar.response import Response
from litestar.testing import TestClient

from tongban import ui
from tongban.kernel.actor import Actor
from tongban.kernel.errors import Failure, LevelNeeded, NotAllowed, SignInNeeded, StaffNeeded
from tongban.kernel.gm import Personal
from tongban.ui import pages

HOST = "https://500000.test"
HTML = {"accept": "text/html"}
Req = Request[Any, Any, Any]


class Sent(msgspec.Struct, frozen=True):
    title: str = "一页"


@get("/form")
async def form_page(request: Req) -> Response[bytes]:
    return ui.page(request, "ui/gallery.html", pages.GALLERY)


@post("/form")
async def take_form(request: Req) -> Response[Any]:
    form = await ui.form(request)
    upload = form.file("photo")
    said = {"name": form["name"], "ways": form.all("way"), "photo": upload.data.decode() if upload else None, "names": sorted(form.names())}
    return Response(said, status_code=200)


@get("/desk/form")
async def desk_page(request: Req) -> Response[bytes]:
    return ui.page(request, "ui/gallery.html", pages.GALLERY)


@post("/desk/form")
async def take_desk_form(request: Req) -> Response[Any]:
    await ui.form(request)
    return Response({}, status_code=200)


@get("/boom")
async def boom() -> None:
    raise RuntimeError("secret-inside")


@get("/fail/{what:str}")
async def fail(what: FromPath[str]) -> None:
    raise {
        "signin": SignInNeeded(),
        "level": LevelNeeded(3),
        "staff": StaffNeeded(),
        "later": Failure("demo.later", status=503, sentence="四川省暂时连不上", todo="等一会儿再试", retry_after=30),
    }[what]


@get("/desk/fail")
async def desk_fail() -> None:
    raise NotAllowed


@get("/public")
async def public(request: Req) -> Response[bytes]:
    key = ("public", request.query_params.get("v", "1"))
    return ui.kept(request, key) or ui.keep(request, key, "ui/error.html", pages_error())


def pages_error() -> Any:
    from tongban.ui.errors import ErrorPage

    return ErrorPage("题", 200, "话", "做", "问", "c", "t")


def app(**wiring: Any) -> Litestar:
    """The app of these tests; `actor` makes everybody that actor."""
    actor = wiring.pop("actor", None)

    async def before(request: Req) -> None:
        if actor is not None:
            request.state["actor"] = actor
            request.state["unread"] = 3

    made = Litestar(
        [*pages.routes, form_page, take_form, desk_page, take_desk_form, boom, fail, desk_fail, public],
        before_send=[ui.before_send],
        exception_handlers=ui.exception_handlers,
        before_request=before,
        logging_config=None,
        openapi_config=None,
        request_max_body_size=200_000,
    )
    ui.wire(made, ui.Wiring(**({"secret": b"s" * 32, "demo": True, "site": "重庆市", "organiser": "重庆市", "place": "500000"} | wiring)))
    return made


@contextmanager
def browser(**wiring: Any) -> Iterator[TestClient[Litestar]]:
    """A client that keeps cookies and does not follow redirects."""
    with TestClient(app(**wiring), base_url=HOST, raise_server_exceptions=False) as client:
        client.follow_redirects = False
        yield client


def token(html: str) -> str:
    """The form token a page carries."""
    return re.search(r'name="tb_token" value="([^"]+)"', html)[1]  # type: ignore[index]


def citizen(name: str = "演示甲") -> Actor:
    """Somebody signed in."""
    return Actor(kind="citizen", subject="c-1", acr=2, name=Personal(name), home="500000")
