"""Looking, for the space 查询: what is published for a place, and everything of one person, through front doors only."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from datetime import datetime, timedelta
from typing import TypeVar
from urllib.parse import quote, urlencode

from tongban import cases, catalogue, consent, credentials, exchange, identity, notifications
from tongban.kernel.actor import Actor
from tongban.kernel.db import Tx
from tongban.kernel.errors import Failure
from tongban.kernel.log import log_failure
from tongban.kernel.node import Node
from tongban.space.model import AtHome, Count, Filter, Person, Place, Region, ServiceRow, Services, Themes, Tile, Todo
from tongban.space.queries.places import place_name
from tongban.space.rules import area, given_in, in_order, short_theme, theme_look

T = TypeVar("T")
TILES, SERVICES, EVENTS = 8, 5, 4
LATE = timedelta(minutes=5)
WHO = {"person": "个人", "organisation": "企业和单位"}
EVENT_ICONS = (("出生", "baby"), ("宝宝", "baby"), ("企业", "shop"), ("公司", "shop"), ("店", "shop"), ("退休", "sun"), ("就业", "case"), ("房", "house"), ("婚", "family"),
               ("教育", "list"), ("车", "car"), ("医", "heart"))  # fmt: skip


async def gather(what: str, ask: Callable[[], Awaitable[T]], missing: list[str], empty: T) -> T:
    """What one room answers; when it cannot, its name goes to `missing`, the page says so and the rest stays (R-701)."""
    try:
        return await ask()
    except Failure as failure:
        log_failure("space.room_away", failure, service=what)
        missing.append(what)
        return empty


def row_of(listing: catalogue.Listing) -> ServiceRow:
    """One published item as a list shows it: its everyday name, then who does it and where."""
    place = place_name(listing.division)
    hint = "，".join(part for part in (listing.name if listing.plain_name != listing.name else "", place) if part)
    return ServiceRow(name=listing.plain_name or listing.name, hint=hint, href=f"/s/{quote(listing.task_code)}")


async def public_part(node: Node, place: str) -> Themes:
    """What the entrance shows to everybody at a place (首页公共部分): themes with services, a few services, life events."""
    async with node.db.reading() as tx:
        found = await catalogue.items(tx, division=place, elsewhere=True)
        names = {code: name for code, name, _ in await catalogue.themes(tx)}
        events = await catalogue.life_events(tx)
    many: dict[str, int] = {}
    for one in found:
        for theme in one.themes:
            many[theme] = many.get(theme, 0) + 1
    tiles: list[Tile] = []
    for theme in sorted(many, key=lambda code: (-many[code], code)):
        if theme in names and len(tiles) < TILES:
            icon, tone = theme_look(names[theme])
            tiles.append(Tile(short_theme(names[theme]), f"/services?theme={quote(theme)}", icon, tone))
    return Themes(
        tiles=tuple(tiles),
        services=tuple(row_of(one) for one in found[:SERVICES]),
        count=len(found),
        events=tuple(
            Tile(name, f"/services?event={quote(code)}", event_icon(name))
            for code, name, count in events[:EVENTS] if count
        ),
    )


def event_icon(name: str) -> str:
    """Icon of a life event by the words of its name."""
    return next((icon for word, icon in EVENT_ICONS if word in name), "flag")


async def catalogue_changes(node: Node, since: datetime | None) -> tuple[tuple[str, ...], datetime | None]:
    """What changed in the catalogue after a moment (清单变化): a mark of each change, and the moment of the last one.

    Changes of the last minutes before it count again, because a slower transaction may show up late.
    """
    async with node.db.reading() as tx:
        changes = await catalogue.changed_since(tx, since - LATE if since else None)
    marks = tuple(f"{one.task_code} {one.version} {one.rev} {one.status}" for one in changes)
    return marks, changes[-1].changed_at if changes else since


async def services(node: Node, place: str, *, who: str = "", theme: str = "", department: str = "", event: str = "") -> Services:
    """All services met at a place (办事), with filters that carry counts; a filter without services is not offered."""
    async with node.db.reading() as tx:
        found = await catalogue.items(tx, division=place, elsewhere=True)
        theme_names = {code: name for code, name, _ in await catalogue.themes(tx)}
        events = {code: name for code, name, _ in await catalogue.life_events(tx)}
        of_event = {one.task_code for one in await catalogue.items(tx, life_event=event)} if event else set()
    chosen = {"who": who, "theme": theme, "department": department, "event": event}

    def fits(one: catalogue.Listing, **instead: str) -> bool:
        wanted = chosen | instead
        return (
            (not wanted["who"] or wanted["who"] in one.audience)
            and (not wanted["theme"] or wanted["theme"] in one.themes)
            and (not wanted["department"] or wanted["department"] == one.department)
            and (not wanted["event"] or one.task_code in of_event)
        )

    def filters(name: str, values: dict[str, str], every: str) -> tuple[Filter, ...]:
        offered = [(value, words, sum(fits(one, **{name: value}) for one in found)) for value, words in values.items()]
        links = [Filter(words, address(chosen | {name: value}), count, chosen[name] == value) for value, words, count in offered if count]
        everything = Filter(every, address(chosen | {name: ""}), sum(fits(one, **{name: ""}) for one in found), not chosen[name])
        return (everything, *links)

    shown = tuple(row_of(one) for one in found if fits(one))
    heading = events.get(event) or theme_names.get(theme) or department or "全部服务"
    return Services(
        title=f"{heading}，{len(shown)} 项",
        heading=heading,
        who=filters("who", WHO, "全部"),
        themes=filters("theme", {t: theme_names[t] for one in found for t in one.themes if t in theme_names}, "全部主题"),
        departments=filters("department", {one.department: one.department for one in found}, "全部部门"),
        services=shown,
    )


def address(chosen: dict[str, str]) -> str:
    """The address of /services with these filters."""
    query = "&".join(f"{name}={quote(value)}" for name, value in chosen.items() if value)
    return f"/services?{query}" if query else "/services"


async def region(node: Node, *, under: str, chosen: str, query: str, back: str) -> Region:
    """Choosing the place (选地区): where one looks, what lies below, or what a name finds; each with its count."""
    async with node.db.reading() as tx:
        everything = await catalogue.items(tx, limit=5000)
        path = await catalogue.division_path(tx, under) if under else ()
        below = await catalogue.children(tx, under)
        found = await catalogue.find_divisions(tx, query) if query else ()
    divisions = [one.division for one in everything]

    def placed(one: catalogue.Division) -> Place:
        count = sum(given_in(division, one.code) for division in divisions)
        return Place(one.code, one.name, count, has_children=area(one.code) != one.code)

    places = tuple(placed(one) for one in path)
    return Region(
        title="在哪里办", here=places[-1] if places else None, path=places[:-1], below=tuple(placed(one) for one in below),
        chosen=chosen, query=query, found=tuple(placed(one) for one in found), next=back,
    )


async def todos(node: Node, actor: Actor, missing: list[str]) -> tuple[Todo, ...]:
    """What waits for this person (等你处理): cases to correct or go on with, drafts; the nearest deadline first."""

    async def of_cases() -> tuple[Todo, ...]:
        async with node.db.reading() as tx:
            held = await cases.mine(tx, node, actor.person, actor)
            drafts = await cases.unfinished(tx, node, actor.person, actor)
        waiting = tuple(
            Todo(f"{one.item_name}：{one.waiting}", "", "去办", one.href, one.due_on) for one in held if one.waiting
        )
        begun = tuple(Todo(f"{one.item_name}还没填完", "填过的都在", "接着填", one.href, icon="list") for one in drafts)
        return waiting + begun

    return in_order(await gather("办件", of_cases, missing, ()))


async def at_home(node: Node, actor: Actor) -> AtHome | None:
    """What a visitor has at home, asked now and not kept (在归属地的); None for somebody whose home is here."""
    works, cards = await asyncio.gather(cases.at_home(node, actor), credentials.at_home(node, actor))
    if works is None or cards is None:
        return None
    found = works.answer.cases if works.answer else ()
    came = urlencode({"from": node.id})
    if not (works.reached and cards.reached):
        words = f"{works.place}暂时连不上，那里的办件和证照稍后再看"
    elif works.answer is None or cards.answer is None:
        words = f"{works.place}的办件和证照，要到{works.place}的页面上看全"
    else:
        words = ""
    return AtHome(
        place=works.place, cases=len(found), running=sum(1 for one in found if one.open),
        cards=len(cards.answer.cards) if cards.answer else 0, words=words,
        todos=tuple(
            Todo(f"{one.item_name}：{one.waiting}", f"在{works.place}", "去办", f"{works.url}/cases/{one.id}?{came}", one.due_on)
            for one in found if one.waiting
        ),
    )  # fmt: skip


async def counts(node: Node, actor: Actor, missing: list[str], there: AtHome | None = None) -> tuple[Count, ...]:
    """The numbers of one's own page (我的), each opening its list; a room that cannot answer is named in `missing`.

    What a visitor has at home is counted in, and the hint says how much of it is there.
    """
    subject = actor.person
    whole = not actor.for_subject or actor.by_law  # an agent under a grant is not shown who looked, nor what was consented

    async def case_count() -> tuple[int, int]:
        async with node.db.reading() as tx:
            held = await cases.mine(tx, node, subject, actor)
        return len(held), sum(1 for one in held if one.open)

    async def cards() -> int:
        async with node.db.reading() as tx:
            return len([one for one in await credentials.of_holder(tx, node, subject) if await credentials.within(tx, actor, one.id)])

    async def unread() -> int:
        async with node.db.reading() as tx:
            return await notifications.unread(tx, actor.subject)

    async def uses() -> str:
        if not whole:
            return "0 次"
        found = await exchange.data_use(node, subject, guardian=actor.subject if actor.for_subject else "")
        return f"{sum(use.line.count for use in found.uses)} 次{'以上' if found.older else ''}"

    async def allowed() -> int:
        now = node.clock.now()
        async with node.db.reading() as tx:
            return sum(1 for one in await consent.consents(tx, subject) if one.holds(now))

    every, running = await gather("办件", case_count, missing, (0, 0))
    held = await gather("电子证照", cards, missing, 0)
    new = await gather("消息", unread, missing, 0)
    used = await gather("信息使用记录", uses, missing, "0 次")
    given = await gather("授权记录", allowed, missing, 0)
    if there is not None:
        every, running, held = every + there.cases, running + there.running, held + there.cards
    own = (
        Count("谁用过我的信息", used, "/me/data-use", "eye", "每一次都写明谁、为什么"),
        Count("授权记录", f"{given} 份在用", "/me/consents", "lock", "随时能撤回"),
    )  # fmt: skip
    return (
        Count("办件", f"{every} 件", "/cases", "list", _also(f"{running} 件在办" if running else "没有在办的", there, there.cases if there else 0, "件")),
        Count("电子证照", f"{held} 张", "/wallet", "id", _also("亮证、看谁看过", there, there.cards if there else 0, "张")),
        Count("消息", f"{new} 条未读" if new else "没有未读", "/messages", "bell"),
        *(own if whole else ()),
    )


def _also(hint: str, there: AtHome | None, many: int, unit: str) -> str:
    return f"{hint}，{many} {unit}在{there.place}" if there and many else hint


async def myself(node: Node, actor: Actor, missing: list[str]) -> Person:
    """Name and number of the signed-in person, from the account at hand (本人)."""

    async def look() -> Person:
        async with node.db.reading() as tx:
            if actor.for_subject:
                return await _represented(tx, node, actor)
            found = await identity.person(tx, node, actor.person)
        return Person(found.name or found.name_masked, found.number) if found else Person(actor.name)

    return await gather("姓名和证号", look, missing, Person(actor.for_name or actor.name))


async def _represented(tx: Tx, node: Node, actor: Actor) -> Person:
    """Whom the actor acts for now; a number only where the law gives the power (被代办的人)."""
    found = await identity.party(tx, node, actor.for_subject)
    return Person(actor.for_name, found.number if found and actor.by_law else None)


async def offered(tx: Tx, _node: Node, kind: str) -> dict[str, str]:
    """What a person or an organisation can apply for here (能请人代办的事), code to name."""
    found = await catalogue.items(tx, limit=500)
    return {one.task_code: one.plain_name or one.name for one in found if kind in one.audience}


identity.offer_items(offered)
