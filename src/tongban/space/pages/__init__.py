"""HTML door of the space 页面: entrance, one's own page, place, all services, plain words, the installable app."""

from __future__ import annotations

from typing import Any

from litestar import Request, get, post
from litestar.di import NamedDependency
from litestar.response import Response

from tongban import ui
from tongban.kernel.actor import Actor
from tongban.kernel.errors import NotFound
from tongban.kernel.node import Node
from tongban.space import queries
from tongban.space.actions import display_of, remember_display
from tongban.space.model import Display, Home, Mine, Tile, Words
from tongban.space.pages import scanner
from tongban.space.pages.cache import shelf
from tongban.space.pages.who import who
from tongban.space.queries.places import place_name
from tongban.space.rules import LEVELS, greeting, in_order

QUICK = (
    Tile("扫一扫", "/scanner", "scan"),
    Tile("谁看过我", "/me/data-use", "eye"),
    Tile("授权记录", "/me/consents", "lock"),
    Tile("打 12345", "tel:12345", "phone"),
)
ELDER_QUICK = (
    Tile("出示证件", "/wallet", "id"),
    Tile("办到哪里了", "/cases", "list", "w"),
    Tile("能办什么", "/services", "grid", "t"),
    Tile("看消息", "/messages", "bell", "r"),
)
WORDS = {
    "help": ("help.html", "帮助"),
    "privacy": ("privacy.html", "隐私：你的信息怎么用"),
    "accessibility": ("accessibility.html", "无障碍声明"),
    "about": ("about.html", "关于通办"),
}

Req = Request[Any, Any, Any]
Here = NamedDependency[Node]
Asking = NamedDependency[Actor]


@get("/", include_in_schema=False)
async def home(request: Req, node: Here) -> Response[Any]:
    """The entrance (首页): one's own next act first, then what can be done here."""
    actor = await who(request, node)
    version = await shelf(node).refresh(node)
    if actor.kind != "nobody":
        return await own_home(request, node, actor)
    key = ("home", version)
    kept = ui.kept(request, key)
    if kept is not None:
        return kept
    frame = ui.frame(request)
    part = await shelf(node).part(node, frame.place)
    page = Home("首页", greeting("", elder=frame.elder), part, quick=ELDER_QUICK if frame.elder else QUICK)
    return ui.keep(request, key, "space/home.html", page)


async def own_home(request: Req, node: Node, actor: Actor) -> Response[Any]:
    """The entrance of somebody signed in: the kept public part under what waits for this person."""
    habit = await habit_of(request, node, actor)
    if habit is not None:
        return habit
    missing: list[str] = []
    frame = ui.frame(request)
    page = Home(
        title="首页",
        greeting=greeting(frame.name, elder=frame.elder),
        public=await shelf(node).part(node, frame.place),
        todos=await queries.todos(node, actor, missing) if actor.kind == "citizen" else (),
        missing=tuple(missing),
        quick=ELDER_QUICK if frame.elder else QUICK,
    )
    return ui.page(request, "space/home.html", page)


async def habit_of(request: Req, node: Node, actor: Actor) -> Response[Any] | None:
    """On a device without display cookies: the habit kept elsewhere becomes its cookies, once (F6)."""
    if actor.kind != "citizen" or any(name in request.cookies for name in ui.DISPLAY_COOKIES):
        return None
    async with node.db.reading() as tx:
        habit = await display_of(tx, node, actor.subject)
    if habit is None:
        return None
    answer = ui.see_other(request.url.path)
    for cookie in ui.display_cookies(mode=habit.mode, size=habit.size, place=habit.place):
        answer.set_cookie(cookie)
    return answer


@post("/me/display", status_code=303, include_in_schema=False)
async def keep_display(request: Req, node: Here, actor: Asking) -> Response[Any]:
    """Keep the looks of this device for the others too (记住显示习惯)."""
    actor.require(1)
    await ui.form(request)
    frame = ui.frame(request)
    async with node.db.transaction() as tx:
        await remember_display(tx, node, actor, Display(frame.mode, frame.size, frame.place))
    return ui.see_other("/me?kept=1")


@get("/me", include_in_schema=False)
async def me(request: Req, node: Here, actor: Asking) -> Response[Any]:
    """One's own page (我的): who I am, what waits, and every number with its list behind it; a visitor's home counts in."""
    actor.require(1)
    missing: list[str] = []
    person = await queries.myself(node, actor, missing)
    there = await queries.at_home(node, actor)
    page = Mine(
        title="我的",
        name=person.name.reveal() if person.name else "",
        number=person.number.reveal() if person.number else "",
        level=LEVELS.get(actor.acr, ""),
        home_name=place_name(actor.home) or actor.home,
        counts=await queries.counts(node, actor, missing, there),
        todos=in_order((await queries.todos(node, actor, missing)) + (there.todos if there else ())),
        missing=tuple(dict.fromkeys(missing)),
        away=there.words if there else "", whole=not actor.for_subject or actor.by_law,
    )
    return ui.page(request, "space/me.html", page)


@get("/services", include_in_schema=False)
async def services(request: Req, node: Here) -> Response[Any]:
    """All services of the chosen place (办事): by person or business, theme, department, life event."""
    await who(request, node)
    asked = {name: request.query_params.get(name, "") for name in ("who", "theme", "department", "event")}
    page = await queries.services(node, ui.frame(request).place, **asked)
    return ui.page(request, "space/services.html", page)


@get("/region", include_in_schema=False)
async def region(request: Req, node: Here) -> Response[Any]:
    """Choose the place (选地区): look around without changing anything."""
    await who(request, node)
    query = request.query_params
    frame = ui.frame(request)
    under = query.get("under", area_of(frame.place) if "q" not in query else "")
    under = under if under.isdigit() and len(under) == 6 else ""
    page = await queries.region(
        node, under=under, chosen=frame.place, query=query.get("q", "").strip()[:30], back=ui.own_path(query.get("next", "/"))
    )
    return ui.page(request, "space/region.html", page)


def area_of(place: str) -> str:
    """Where the choosing starts: the province of the place."""
    return place[:2] + "0000" if place else ""


@post("/region", status_code=303, include_in_schema=False)
async def choose_region(request: Req) -> Response[Any]:
    """Take a place (用这里). A display choice like the text size: no token, the origin is checked."""
    sent = await ui.form(request, token=False)
    code = sent["place"]
    if not place_name(code):
        raise NotFound("没有找到这个地区")
    answer = ui.see_other(ui.own_path(sent["next"]))
    for cookie in ui.display_cookies(place=code):
        answer.set_cookie(cookie)
    return answer


async def words(request: Req, node: Node, name: str) -> Response[Any]:
    """A page of plain words (文字页)."""
    await who(request, node)
    template, title = WORDS[name]
    return ui.page(request, f"space/{template}", Words(title, node_name=node.settings.name, description=title))


@get("/help", include_in_schema=False)
async def help_page(request: Req, node: Here) -> Response[Any]:
    """How to do the usual things, how to complain (帮助)."""
    return await words(request, node, "help")


@get("/privacy", include_in_schema=False)
async def privacy(request: Req, node: Here) -> Response[Any]:
    """What is done with personal data, in plain words first (隐私)."""
    return await words(request, node, "privacy")


@get("/accessibility", include_in_schema=False)
async def accessibility(request: Req, node: Here) -> Response[Any]:
    """What was checked, by machine and by people, and the known gaps (无障碍声明)."""
    return await words(request, node, "accessibility")


@get("/about", include_in_schema=False)
async def about(request: Req, node: Here) -> Response[Any]:
    """Who runs this and of what it is made (关于)."""
    return await words(request, node, "about")


@get("/manifest.webmanifest", include_in_schema=False)
async def manifest(node: Here) -> Response[Any]:
    """What a phone needs to put the site on its home screen (应用清单)."""
    body = {
        "name": node.settings.name + "通办", "short_name": "通办", "lang": "zh-CN", "start_url": "/", "display": "standalone",
        "background_color": "#f1f4f8", "theme_color": "#0a4d9e",
        "icons": [
            {"src": ui.asset(f"icon-{size}.png"), "sizes": f"{size}x{size}", "type": "image/png", "purpose": "any maskable"}
            for size in (192, 512)
        ],
        "shortcuts": [{"name": "亮证", "url": "/wallet"}, {"name": "办件", "url": "/cases"}],
    }  # fmt: skip
    return Response(body, headers={"Cache-Control": "public, max-age=3600"}, media_type="application/manifest+json")


routes = [home, me, keep_display, services, region, choose_region, help_page, privacy, accessibility, about, manifest, *scanner.routes]

ROUTES = [
    ui.Route("/", "/", ("nobody", "citizen"), kiosk=True),
    ui.Route("/me", "/me", ("citizen",)),
    ui.Route("/services", "/services"),
    ui.Route("/region", "/region"),
    ui.Route("/help", "/help"),
    ui.Route("/privacy", "/privacy"),
    ui.Route("/accessibility", "/accessibility"),
    ui.Route("/about", "/about"),
    ui.Route("/scanner", "/scanner"),
]
