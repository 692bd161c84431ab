"""Demo doors 演示用的门: text messages to read, invented people to add. Only where settings.demo says so."""

from __future__ import annotations

import secrets
from datetime import date, timedelta
from typing import Any

import msgspec
from litestar import Request, get, post
from litestar.params import FromQuery
from litestar.response import Response

from tongban.identity.pages.browser import HereNode
from tongban.identity.providers.register import WAYS, NewEntry, choose_way, enter
from tongban.identity.providers.sms import demo_messages
from tongban.identity.rules.home import REGISTER_NODE
from tongban.identity.rules.typed import normal
from tongban.kernel.errors import NotFound
from tongban.kernel.ids import IdNumber
from tongban.kernel.node import Node

_SURNAMES = "陈林周吴郑何罗宋唐许邓冯"
_GIVEN = ("晓雨", "建国", "秀英", "志远", "思涵", "子墨", "桂兰", "海燕", "文博", "雅琴", "德明", "春梅")
_REGION = "500199"
"""A county code that was never given out, so that no invented number is anybody's."""
_FIRST = date(1900, 1, 1)


class Wanted(msgspec.Struct, frozen=True):
    """What the new invented person should be like; everything may be left out."""

    name: str = ""
    sex: str = "女"
    age: int = 34
    division: str = "500103"
    address: str = "重庆市渝中区解放碑街道演示路 1 号（演示）"
    photo_held: bool = True


class Invented(msgspec.Struct, frozen=True):
    """The invented person 演示人员: what the register now knows, and a phone number nobody has."""

    name: str
    number: str
    phone: str
    sex: str
    born: str
    address: str
    division: str


@get("/demo/sms")
async def messages(node: HereNode, phone: FromQuery[str] = "") -> Response[Any]:
    """The last invented text messages to a number, newest first: `[{"at", "text", "code"}]`."""
    _demo(node)
    async with node.db.reading() as tx:
        found = await demo_messages(tx, node, normal(phone))
    return Response([{"at": at.isoformat(), "text": text, "code": text.rsplit("#", 1)[-1]} for at, text in found])


@post("/demo/people", status_code=201)
async def add(request: Request[Any, Any, Any], node: HereNode) -> Response[Invented]:
    """Enter one more invented person into the demo register; `tongban tour` makes a new one each run (D-11)."""
    _demo(node)
    if node.id != REGISTER_NODE:
        raise NotFound
    body = await request.body()
    wanted = msgspec.json.decode(body, type=Wanted) if body else Wanted()
    name = wanted.name or secrets.choice(_SURNAMES) + secrets.choice(_GIVEN)
    birth = born(node.clock.today(), wanted.age)
    async with node.db.transaction() as tx:
        while True:
            order = secrets.randbelow(499) * 2 + (1 if wanted.sex == "男" else 0)
            number = IdNumber.make(_REGION, birth, order).value
            before = await tx.fetchval("SELECT count(*) FROM register_entry")
            await enter(tx, node, NewEntry(
                name=name, number=number, sex=wanted.sex, born=birth, nation="汉族", address=wanted.address, division=wanted.division,
                photo_held=wanted.photo_held,
            ))  # fmt: skip
            if await tx.fetchval("SELECT count(*) FROM register_entry") > before:
                break
    told = Invented(name, number, phone(birth, order), wanted.sex, birth.isoformat(), wanted.address, wanted.division)
    return Response(told, status_code=201)


def born(today: date, age: int) -> date:
    """The birthday of somebody who is that old today, whatever the day of the year (生日)."""
    last = today.replace(year=today.year - age, day=min(today.day, 28))
    return last - timedelta(days=secrets.randbelow(330))


def phone(birth: date, order: int) -> str:
    """A phone number nobody has, and no other invented person: of one birthday and order there is one (手机号)."""
    return f"199{((birth - _FIRST).days * 1000 + order) % 10**8:08d}"


@post("/demo/register", status_code=200)
async def register_way(request: Request[Any, Any, Any], node: HereNode) -> Response[Any]:
    """Let the demo register behave: `{"way": "works" | "slow" | "wrong" | "away"}`; only at the register's node."""
    _demo(node)
    way = msgspec.json.decode(await request.body(), type=dict[str, str]).get("way", "")
    if node.id != REGISTER_NODE or way not in WAYS:
        raise NotFound
    async with node.db.transaction() as tx:
        await choose_way(tx, way)
    return Response({"way": way})


def _demo(node: Node) -> None:
    if not node.settings.demo:
        raise NotFound


ROUTES = [messages, add, register_way]
