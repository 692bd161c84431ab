"""Nodes as providers and relying parties, providers that lie, and the judges that others wrote.

One household for the whole folder: every test brings its own browser, person or client.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import pytest
import uvicorn
from joserfc.jwk import ECKey
from litestar import Litestar

from tongban import federation
from tongban.federation import letters as federation_letters
from tongban.federation.tests.make import enrol, free_port, make_member
from tongban.federation.tests.make import serving as serving_node
from tongban.identity import letters as identity_letters
from tongban.identity.actions import keys
from tongban.identity.rules import clients as client_rules
from tongban.identity.rules import home as home_rules
from tongban.identity.tests.make import Browser, MakeNode, citizen, household, sign_in
from tongban.identity.tests.make_hostile import Liar
from tongban.identity.tests.make_judges import Door, Judge, Pipe, node_process, stop
from tongban.identity.tests.make_wire import Wire, fapi_wire
from tongban.kernel.node import Node

HOME, AWAY, LYING = "500000", "510000", "440000"


@pytest.fixture(autouse=True)
def faster_than_one_client(monkeypatch: pytest.MonkeyPatch) -> None:
    """Hundreds of modules share a few clients and come faster than one may; that limit has a test of its own."""
    monkeypatch.setattr(client_rules, "per_second", lambda: 10_000)


@pytest.fixture(scope="session")
async def nodes(make_lasting_node: MakeNode) -> AsyncIterator[dict[str, Node]]:
    """Hub, register and two provinces, enrolled for real, with identity's doors."""
    async with household(make_lasting_node, HOME, AWAY) as found:
        for one in found.values():  # of their own: another file that runs in between may put other handlers at every node's disposal
            federation.register(
                {**federation_letters.LETTERS, **identity_letters.LETTERS}, {**federation_letters.CALLS, **identity_letters.CALLS}, node=one
            )
        yield found


@pytest.fixture(scope="session")
async def liars(nodes: dict[str, Node], make_lasting_node: MakeNode) -> AsyncIterator[dict[str, Liar]]:
    """Two providers that can lie: `node`, a genuine node of the directory, and `outside`, an issuer of the file."""
    away, mps = nodes[AWAY], nodes["mps"]
    member = await make_member(make_lasting_node, LYING)
    async with member.db.transaction() as tx:
        own = await keys.signing_key(tx, member, "Ed25519")
    sub = "n1" + "a" * 32
    node = Liar(member.settings.base_url, id_=LYING, client=AWAY, key=own.private, kid=own.kid, sub=sub, node=True)
    async with mps.db.transaction() as tx:
        register = await keys.signing_key(tx, mps, "Ed25519")
    node.home_stmt = register.sign(home_rules.statement(sub, LYING, "mps", mps.clock.now()), typ=home_rules.STATEMENT_TYP)
    port = free_port()
    outside = Liar(
        f"http://liar.localhost:{port}", id_="x-liar", client="tongban-demo", key=ECKey.generate_key("P-256"), kid="liar-1",
        sub="somebody", node=False,
    )  # fmt: skip
    (away.settings.data_dir / "outside-issuers.toml").write_text(
        f'[x-liar]\nname = "演示外部登录"\nurl = "{outside.url}"\nclient_id = "tongban-demo"\nalg = "ES256"\n', "utf-8"
    )
    async with serving_node(member, routes=node.routes()), serving(Litestar(outside.routes(), openapi_config=None, logging_config=None), port):
        await enrol(nodes["cn"], member)
        await federation.refresh(away)
        yield {"node": node, "outside": outside}


@pytest.fixture(scope="session")
async def home(nodes: dict[str, Node]) -> Node:
    return nodes[HOME]


@pytest.fixture(scope="module")
async def browser(home: Node) -> Browser:
    """A browser signed in at level 2."""
    made = Browser()
    await sign_in(made, home, citizen())
    return made


class serving:
    """An app on a loopback port, for the length of a block."""

    def __init__(self, app: Any, port: int) -> None:
        config = uvicorn.Config(app, host="127.0.0.1", port=port, log_level="warning", access_log=False, lifespan="off", ws="none",
                                timeout_graceful_shutdown=1, http="httptools")  # fmt: skip
        self._server = uvicorn.Server(config)

    async def __aenter__(self) -> None:
        self._running = asyncio.create_task(self._server._serve())
        while not self._server.started:  # noqa: ASYNC110  uvicorn has no event for it
            await asyncio.sleep(0.01)

    async def __aexit__(self, *_: object) -> None:
        self._server.should_exit = True
        await self._running


@pytest.fixture(scope="session")
def serve() -> type[serving]:
    """`async with serve(app, port)`."""
    return serving


@pytest.fixture(scope="session")
async def door() -> AsyncIterator[Door]:
    """The address of every client in this folder."""
    port = free_port()
    made = Door(port)
    async with serving(Litestar(made.routes(), openapi_config=None, logging_config=None), port):
        yield made


@pytest.fixture(scope="module")
async def wire(home: Node, door: Door) -> Wire:
    """A client of the FAPI 2.0 profile."""
    return await fapi_wire(home, door)


@pytest.fixture(scope="module")
async def other(home: Node, door: Door) -> Wire:
    """A second client."""
    return await fapi_wire(home, door, "Ed25519")


@pytest.fixture(scope="session")
async def pipe() -> AsyncIterator[Pipe]:
    process = await node_process("judge.mjs")
    yield Pipe(process)
    await stop(process)


@pytest.fixture(params=["openid-client", "oauth4webapi"])
def judge(request: pytest.FixtureRequest, pipe: Pipe) -> Judge:
    """Each of the npm clients in turn."""
    return Judge(pipe, request.param)
