"""Builders: a log with so many leaves in its tree, a head over them, and the room's own doors."""

import httpx
from litestar import Litestar
from litestar.datastructures import State
from litestar.di import Provide

from tongban import transparency, ui
from tongban.kernel.actor import NOBODY, Actor
from tongban.kernel.node import Node
from tongban.transparency import api, pages


def doors(node, actor=NOBODY):
    """A client of this room's pages and API at `node`; nobody is signed in unless `actor` is."""

    async def provide_node() -> Node:
        return node

    async def provide_actor() -> Actor:
        return actor

    app = Litestar(
        route_handlers=[*pages.routes, *api.routes],
        dependencies={"node": Provide(provide_node), "actor": Provide(provide_actor)},
        state=State(),
        exception_handlers=ui.exception_handlers,
        before_send=[ui.before_send],
        openapi_config=None,
        logging_config=None,
    )
    ui.wire(app, ui.Wiring(secret=bytes(32), site="重庆市", base_url=node.settings.base_url, demo=True))
    return httpx.AsyncClient(
        transport=httpx.ASGITransport(app), base_url=node.settings.base_url
    )  # on the loop of the test


async def leaves(tx, count, *, kind="cases.decided", start=0):
    """`count` leaves over invented facts, with places in the tree."""
    made = [await transparency.append(tx, kind, b"fact %d" % (start + number)) for number in range(count)]
    while await transparency.sequence(tx):
        pass
    return made


async def signed(tx, node, count, *, start=0):
    """A head over `count` more leaves."""
    await leaves(tx, count, start=start)
    return await transparency.sign_head(tx, node)
