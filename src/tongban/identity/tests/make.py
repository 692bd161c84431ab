"""Builders for tests of identity: invented people, a served node with pages, and a browser that keeps cookies by host.

    async with household(make_node, "500000", "510000") as nodes:
        browser = Browser()
        page = await browser.get(nodes["500000"], "/login")
"""

from __future__ import annotations

import asyncio
import html
import re
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from http.cookies import SimpleCookie
from typing import Any
from urllib.parse import urlencode, urljoin, urlsplit

import msgspec
import uvicorn
from litestar import Litestar, Request
from litestar.datastructures import State
from litestar.di import Provide

from tongban import federation, identity, ui
from tongban.federation import api as federation_api
from tongban.federation import letters as federation_letters
from tongban.federation.tests.make import enrol, make_member
from tongban.identity import api, letters, pages, tasks
from tongban.identity.actions.set_up import DemoCitizen, people
from tongban.kernel import jobs
from tongban.kernel.actor import Actor
from tongban.kernel.node import Node
from tongban.ui import pages as ui_pages

MakeNode = Callable[..., Awaitable[Node]]
PHONE_AGENT = "Mozilla/5.0 (Linux; Android 15) Mobile Chrome/156"
PC_AGENT = "Mozilla/5.0 (X11; Linux x86_64) Chrome/156"


def citizen(name: str = "陈晓雨") -> DemoCitizen:
    """An invented citizen of people.yaml (演示)."""
    return next(one for one in people().citizens if one.name == name)


class Page(msgspec.Struct):
    """What a browser ended up with."""

    status: int
    url: str
    body: str
    headers: dict[str, str]
    trail: list[str]

    @property
    def path(self) -> str:
        return urlsplit(self.url).path

    def fields(self, action: str) -> dict[str, str]:
        """The fields of the first form with this action, as the page has them filled."""
        for form in re.findall(r"<form\b.*?</form>", self.body, re.DOTALL):
            if f'action="{action}"' in form:
                return {
                    html.unescape(name): html.unescape(value)
                    for name, value in re.findall(r'<input[^>]*?name="([^"]+)"[^>]*?value="([^"]*)"', form)
                }
        raise AssertionError(f"no form {action} on {self.url}:\n{self.body[:2000]}")

    def links(self) -> list[str]:
        return [html.unescape(one) for one in re.findall(r'href="([^"]+)"', self.body)]


class Browser:
    """A browser as strict as needed: cookies by host and name, `Secure` taken on .localhost, redirects by top-level GET.

    With `accept` left as it is a failure comes as problem+json; with "text/html" it comes as people see it.
    """

    accept = "*/*"

    def __init__(self, agent: str = PHONE_AGENT) -> None:
        self.agent = agent
        self.jar: dict[str, dict[str, str]] = {}

    async def get(self, node: Node, path: str, *, follow: bool = True) -> Page:
        return await self._go(node, "GET", urljoin(node.settings.base_url, path), None, follow)

    async def post(self, node: Node, path: str, data: dict[str, str], *, follow: bool = True) -> Page:
        return await self._go(node, "POST", urljoin(node.settings.base_url, path), urlencode(data).encode(), follow)

    async def submit(self, node: Node, page: Page, action: str, follow: bool = True, **typed: str) -> Page:
        """Fill the form of a page and send it."""
        return await self.post(node, action, {**page.fields(action), **typed}, follow=follow)

    async def _go(self, node: Node, method: str, url: str, body: bytes | None, follow: bool) -> Page:
        trail: list[str] = []
        for _ in range(12):
            parts = urlsplit(url)
            cookies = self.jar.setdefault(parts.hostname or "", {})
            headers = {"User-Agent": self.agent, "Accept": self.accept, "Cookie": "; ".join(f"{k}={v}" for k, v in cookies.items())}
            if body is not None:
                headers["Content-Type"] = "application/x-www-form-urlencoded"
                headers["Origin"] = f"{parts.scheme}://{parts.netloc}"
            async with node.http.session.request(method, url, headers=headers, data=body, allow_redirects=False) as answer:
                text = (await answer.read()).decode()
                for line in answer.headers.getall("Set-Cookie", []):
                    self._keep(cookies, line)
                trail.append(url)
                if answer.status in (302, 303, 307) and follow:
                    assert answer.status == 303 or not url.startswith(node.settings.base_url), "only 303 is ever answered"
                    url, method, body = urljoin(url, answer.headers["Location"]), "GET", None
                    continue
                return Page(answer.status, url, text, {k.lower(): v for k, v in answer.headers.items()}, trail)
        raise AssertionError("redirect loop: " + " → ".join(trail))

    def _keep(self, cookies: dict[str, str], line: str) -> None:
        for name, morsel in SimpleCookie(line).items():
            if name.startswith("__Host-"):
                found = (bool(morsel["secure"]), morsel["path"], morsel["domain"], bool(morsel["httponly"]), morsel["samesite"].lower())
                assert found == (True, "/", "", True, "lax"), line
            if morsel["max-age"] == "0":
                cookies.pop(name, None)
            else:
                cookies[name] = morsel.value


def app_of(node: Node, routes: tuple[Any, ...] = ()) -> Litestar:
    """A node with the doors of identity and federation (and `routes`), the real actor and the real frame."""

    async def provide_node() -> Node:
        return node

    async def provide_actor(request: Request[Any, Any, Any]) -> Actor:
        arrival = await identity.arrive(node, request.cookies, path=request.url.path, turn=request.method == "GET")
        state = request.scope.setdefault("state", {})
        state["actor"] = arrival.actor
        state["sign_in"] = ui.SignInState(left=arrival.left, warn=arrival.warn, note=arrival.note)
        if arrival.cookie is not None:
            request.cookies[arrival.cookie[0]] = arrival.cookie[1]
            state["turned_cookie"] = arrival.cookie
        return arrival.actor

    app = Litestar(
        [*pages.routes, *api.routes, *federation_api.routes, *ui_pages.routes, *routes],
        dependencies={"node": Provide(provide_node), "actor": Provide(provide_actor)}, state=State({"node": node}),
        exception_handlers=ui.exception_handlers, before_send=[ui.before_send], openapi_config=None, logging_config=None,
    )  # fmt: skip
    ui.wire(app, ui.Wiring(
        secret=node.keys.secret("form-token"), site=node.settings.name, base_url=node.settings.base_url, demo=node.settings.demo,
        form_action=lambda: (*federation.origins(node), *identity.leaving_to(node)),
    ))  # fmt: skip
    return app


@asynccontextmanager
async def serving(node: Node, routes: tuple[Any, ...] = ()) -> AsyncIterator[Node]:
    """The node on its own port, with its bell and identity's jobs running."""
    config = uvicorn.Config(
        app_of(node, routes), host="127.0.0.1", port=node.settings.bind_port, log_level="warning", access_log=False, lifespan="off",
        timeout_graceful_shutdown=1, http="httptools", ws="none",
    )  # fmt: skip
    server, stop = uvicorn.Server(config), asyncio.Event()
    running = [
        asyncio.create_task(server._serve()),
        asyncio.create_task(node.db.listen("tongban_bell", node.bell.ring, stop)),
        asyncio.create_task(jobs.work(node, tasks.JOBS, stop)),
    ]
    while not server.started:  # noqa: ASYNC110  uvicorn has no event for it
        await asyncio.sleep(0.01)
    try:
        yield node
    finally:
        stop.set()
        federation.hang_up(node)
        server.should_exit = True
        node.bell.ring("*")
        _, late = await asyncio.wait(running, timeout=5)
        for task in late:
            task.cancel()
        await asyncio.gather(*running, return_exceptions=True)


@asynccontextmanager
async def household(
    make_node: MakeNode, *node_ids: str, routes: tuple[Any, ...] = (), letters_too: dict[tuple[str, int], Any] | None = None,
    calls: dict[str, Any] | None = None,
) -> AsyncIterator[dict[str, Node]]:  # fmt: skip
    """Hub, register and the named provinces, enrolled for real and served with identity's pages, and the given ones."""
    federation.register(
        {**federation_letters.LETTERS, **letters.LETTERS, **(letters_too or {})},
        {**federation_letters.CALLS, **letters.CALLS, **(calls or {})},
    )
    async with AsyncExitStack() as stack:
        nodes: dict[str, Node] = {}
        for node_id in ("cn", "mps", *node_ids):
            node = await make_member(make_node, node_id)
            if node_id == "cn":
                await federation.make_hub(node)
            await stack.enter_async_context(serving(node, routes))
            if node_id != "cn":
                await enrol(nodes["cn"], node)
            nodes[node_id] = node
            await identity.set_up(node)
        for node in nodes.values():
            if node.id != "cn":
                await federation.refresh(node)
        yield nodes


async def code_for(browser: Browser, node: Node, phone: str) -> str:
    """The code of the last invented text message to a number."""
    page = await browser.get(node, f"/demo/sms?phone={phone}")
    return str(msgspec.json.decode(page.body)[0]["code"])


async def sign_in(browser: Browser, node: Node, who: DemoCitizen, *, next_path: str = "/me/access") -> Page:
    """Sign in at home, for the first time or again; ends on `next_path`."""
    page = await browser.get(node, "/login?" + urlencode({"next": next_path}))
    return await go_on(browser, node, page, who)


async def go_on(browser: Browser, node: Node, page: Page, who: DemoCitizen) -> Page:
    """From the first sign-in page to its end."""
    if page.path == "/login":
        page = await browser.submit(node, page, "/login", who=who.phone)
    assert page.path == "/login/code", page.body
    typed = {"number": who.number} if 'name="number"' in page.body else {}
    page = await browser.submit(node, page, "/login/code", code=await code_for(browser, node, who.phone), **typed)
    if page.path == "/login/name":
        page = await browser.submit(node, page, "/login/name", name=who.name, number=who.number)
    return page


async def step_up(browser: Browser, node: Node, page: Page, *, demo: str = "works", agree: str = "yes") -> Page:
    """Take the face check on a step-up page."""
    assert page.path == "/step-up", page.url
    form = next(one for one in re.findall(r"<form\b.*?</form>", page.body, re.DOTALL) if 'value="face"' in one)
    fields = dict(re.findall(r'<input[^>]*?type="hidden"[^>]*?name="([^"]+)"[^>]*?value="([^"]*)"', form))
    data = {name: html.unescape(value) for name, value in fields.items()}
    return await browser.post(node, "/step-up", {**data, "demo": demo, "agree": agree})
