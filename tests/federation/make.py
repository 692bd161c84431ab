"""What several files here need: invented people, who somebody is at a node, a dispute from its opening to its decision."""

from __future__ import annotations

import itertools
import re
from datetime import date, timedelta
from typing import Any
from urllib.parse import urlencode

import msgspec

from tongban import federation, identity
from tongban.federation.tests.make import deliver
from tongban.identity.providers.register import NewEntry, enter
from tongban.identity.tests.make import Browser, citizen, code_for
from tongban.kernel.actor import Actor
from tongban.kernel.ids import IdNumber, uuid7
from tongban.kernel.node import Node

HOME, AWAY, REGISTER = "500000", "510000", "mps"
_count = itertools.count(1)


def unlike() -> tuple[str, date, str]:
    """The number, birthday and phone of one more invented woman (演示): nobody else of this run has either."""
    count = next(_count)
    born = date(1980, 1, 1) + timedelta(days=count % 9000)
    return IdNumber.make("500199", born, 998).value, born, f"198{count:08d}"  # the demo register itself invents orders below 998


async def invented(mps: Node, name: str = "许海燕") -> Any:
    """A new invented person of the register (演示)."""
    number, born, phone = unlike()
    async with mps.db.transaction() as tx:
        await enter(tx, mps, NewEntry(name=name, number=number, sex="女", born=born, nation="汉族", address="重庆市演示路 1 号（演示）", division="500103"))
    return msgspec.structs.replace(citizen(), name=name, number=number, phone=phone)


async def me(node: Node, browser: Browser) -> Any:
    return await identity.resolve(node, browser.jar.get(node.settings.host, {}), path="/me")


async def roam_in(browser: Browser, away: Node) -> Actor:
    await browser.get(away, f"/login?{urlencode({'next': f'/me/access?from={HOME}'})}")
    return await identity.resolve(away, browser.jar[away.settings.host])


async def clerk(node: Node, staff_no: str) -> Browser:
    """A clerk signed in with the demo certificate."""
    browser = Browser()
    page = await browser.get(node, "/staff/login?next=/staff/disputes")
    page = await browser.submit(node, page, "/staff/login", key=staff_no)
    assert page.path == "/staff/disputes", page.body
    return browser


async def as_staff(node: Node, browser: Browser) -> Actor:
    return await identity.resolve(node, browser.jar[node.settings.host], path="/staff/disputes")


async def decided(nodes: dict[str, Node], dispute: str, *, uphold: bool, reasons: tuple[str, str] = ("看过户口簿，属实", "复核无误，同意")) -> None:
    """Two clerks, one after the other."""
    register = nodes[REGISTER]
    first, second = await clerk(register, "GA-HJ-01"), await clerk(register, "GA-HJ-02")
    page = await first.get(register, f"/staff/disputes/{dispute}")
    await first.submit(register, page, f"/staff/disputes/{dispute}/decide", uphold="yes" if uphold else "no", reason=reasons[0])
    page = await second.get(register, f"/staff/disputes/{dispute}")
    await second.submit(register, page, f"/staff/disputes/{dispute}/confirm", agree="yes", reason=reasons[1])
    await deliver(nodes)


async def opened(nodes: dict[str, Node], browser: Browser, at: Node, attribute: str, claimed: str) -> str:
    page = await browser.get(at, "/me/disputes/new")
    page = await browser.submit(at, page, "/me/disputes", attribute=attribute, claimed=claimed, note="登记的时候写错了")
    assert re.fullmatch(r"/me/disputes/[0-9a-f-]{36}", page.path), page.body
    await deliver(nodes)
    return page.path.rsplit("/", 1)[1]


def letter(origin: str, kind: str, body: dict[str, Any]) -> federation.Letter:
    return federation.Letter(
        id=uuid7(), origin=origin, to="*", epoch=1, seq=1, kind=kind, kind_version=1, about="x", at=0, counts_at=0, body=body
    )


async def alive(node: Node, browser: Browser) -> bool:
    cookies = browser.jar.get(node.settings.host, {})
    return (await identity.resolve(node, cookies, path="/me")).kind == "citizen"


async def written_wrong(register: Node, written: str, right: str) -> dict[str, str]:
    """A new invented person whose name stands wrong in the register."""
    async with register.http.session.post(
        register.settings.base_url + "/demo/people", data=msgspec.json.encode({"name": written}), headers={"Content-Type": "application/json"}
    ) as answer:
        assert answer.status == 201
        return {**msgspec.json.decode(await answer.read()), "right": right}


async def at_name_step(browser: Browser, node: Node, who: Any, phone: str = "") -> Any:
    """From /login to the third step, as somebody this node does not know."""
    phone = phone or who.phone
    page = await browser.get(node, "/login?next=/me/access")
    page = await browser.submit(node, page, "/login", who=phone)
    return await browser.submit(node, page, "/login/code", code=await code_for(browser, node, phone), number=who.number)
