"""One real node with all its doors, two invented people, officers; a browser for each. Nothing is stubbed but the network."""

from __future__ import annotations

import re
from collections.abc import Awaitable, Callable
from typing import Any

import httpx
import pytest

from tongban import credentials, evidence
from tongban.cases.tests import make as cases
from tongban.identity.actions import sessions, staff
from tongban.identity.actions.subjects import put_person
from tongban.identity.queries.persons import phone_index
from tongban.kernel.clock import SetClock
from tongban.kernel.ids import uuid7
from tongban.kernel.node import Node
from tongban.main.app import build_app

HER, HER_NAME, HER_NUMBER, HER_PHONE = cases.XIAOYU, "演示陈晓雨", cases.NUMBER, "13912345678"
HIM, HIS_NAME, HIS_NUMBER, HIS_PHONE = cases.OTHER, "演示刘建国", "500103198507012336", "13787654321"


class Browser:
    """A browser of the attacker's choice: cookies by hand, no JavaScript, redirects shown."""

    def __init__(self, app: Any, base: str, address: str = "127.0.0.1", **cookies: str) -> None:
        self.client = httpx.AsyncClient(
            transport=httpx.ASGITransport(app, raise_app_exceptions=False, client=(address, 40000)), base_url=base, follow_redirects=False,
            headers={"accept": "text/html"},
        )  # fmt: skip
        self.jar = {"__Host-tb_" + name: value for name, value in cookies.items()}

    def _head(self, more: dict[str, str] | None) -> dict[str, str]:
        return {"cookie": "; ".join(f"{name}={value}" for name, value in self.jar.items()), **(more or {})}

    def _keep(self, answer: httpx.Response) -> httpx.Response:
        for line in answer.headers.get_list("set-cookie"):
            name, value = line.split(";")[0].split("=", 1)
            self.jar[name] = value.strip('"')
        return answer

    async def get(self, path: str, **headers: str) -> httpx.Response:
        return self._keep(await self.client.get(path, headers=self._head(headers)))

    async def post(
        self, path: str, data: dict[str, Any] | None = None, *, page: str = "", files: Any = None, headers: dict[str, str] | None = None
    ) -> httpx.Response:
        """Send a form; with `page`, its token is taken from there first."""
        sent = dict(data or {})
        if page:
            sent["tb_token"] = token_of((await self.get(page)).text)
        return self._keep(await self.client.post(path, data=sent, files=files, headers=self._head(headers)))


def token_of(text: str) -> str:
    found = re.search(r'name="tb_token" value="([^"]+)"', text)
    assert found, text[:400]
    return found[1]


class House:
    """The node under attack, and what its people have there."""

    def __init__(self, node: Node) -> None:
        self.node, self.app = node, build_app(node, clocks=False)
        self.ids: dict[str, str] = {}
        self.hers: tuple[str, ...] = ()

    def browser(self, **cookies: str) -> Browser:
        return Browser(self.app, self.node.settings.base_url, **cookies)

    async def person(self, subject: str = HER, acr: int = 3, proof: int = 3) -> Browser:
        """Somebody signed in, on a telephone of their own."""
        async with self.node.db.transaction() as tx:
            opened = await sessions.open_session(tx, self.node, sessions.Opening(
                subject=subject, kind="citizen", proof=proof, acr=acr, amr=("otp",), agent="Mobile Chrome",
            ))  # fmt: skip
        return self.browser(s=opened.cookie)

    async def officer(self, staff_no: str) -> Browser:
        async with self.node.db.transaction() as tx:
            opened = await staff.by_certificate(tx, self.node, staff_no, "Chrome")
        assert not isinstance(opened, tuple), opened
        return self.browser(staff=opened.cookie)

    async def resident(self, subject: str, name: str, number: str, phone: str) -> None:
        """An account of this node."""
        async with self.node.db.transaction() as tx:
            await put_person(tx, self.node, subject, home=self.node.id, proof=3, name=name, number=number, photo_held=True, matched=True)
            await tx.execute(
                "INSERT INTO account (subject, id, phone, bi_phone, proof, proof_method, proof_at, opened_at)"
                " VALUES ($1, $2, $3, $4, 3, 'register', $5, $5)",
                subject, uuid7(), self.node.cipher.seal("contact", "account.phone", subject, phone), phone_index(self.node, phone),
                self.node.clock.now(),
            )  # fmt: skip

    def paths(self, method: str) -> list[str]:
        """Every door of this node for a method, its parameters filled with what is hers."""
        found = []
        for route in self.app.routes:
            if method in getattr(route, "methods", set()):
                found.append(re.sub(r"\{(\w+)(?::\w+)?\}", lambda one: self.ids.get(one[1], "1"), route.path_format))
        return sorted(set(found))

    async def rows(self, *tables: str) -> dict[str, int]:
        async with self.node.db.reading() as tx:
            return {table: await tx.fetchval(f"SELECT count(*) FROM {table}") for table in tables}


@pytest.fixture(scope="session")
def make_house() -> type[House]:
    """`make_house(node)`: a node of the test's own with all its doors."""
    return House


@pytest.fixture(scope="module")
async def house(make_node: Callable[..., Awaitable[Node]]) -> House:
    """重庆 with an item, her case from the first word to the licence, her draft, her file, her card."""
    node = await cases.ready(await make_node("500000", clock=SetClock(cases.WEDNESDAY)))
    made = House(node)
    await made.resident(HER, HER_NAME, HER_NUMBER, HER_PHONE)
    await made.resident(HIM, HIS_NAME, HIS_NUMBER, HIS_PHONE)
    case = await cases.brought(node, "finished")
    received = await cases.brought(node, "received")
    draft = await cases.filled(node, cases.citizen())
    async with node.db.transaction() as tx:
        file = await evidence.store(tx, node, cases.citizen(), cases.upload(name="身份证正面.jpg"), kind="photo")
        assert isinstance(file, evidence.Material)
        card = (await credentials.of_holder(tx, node, HER))[0]
        document = await tx.fetchval("SELECT id FROM case_document WHERE case_id = $1 LIMIT 1", case.id)
        message = await tx.fetchval("SELECT id FROM message WHERE subject = $1 LIMIT 1", HER)
        leaf = await tx.fetchval("SELECT leaf FROM case_history WHERE case_id = $1 AND leaf IS NOT NULL LIMIT 1", case.id)
        line = await tx.fetchval("SELECT id FROM access_record WHERE subject = $1 LIMIT 1", HER)
    made.ids = {
        "case_id": case.id, "draft_id": draft, "step": "check", "material_id": file.id, "card_id": str(card.id), "document_id": str(document),
        "message_id": str(message), "leaf": str(leaf), "leaf_id": str(leaf), "line_id": str(line or uuid7()), "task_code": cases.PERMIT,
        "received": received.id, "credential_id": str(card.id), "act": "accept", "number": case.number,
    }  # fmt: skip
    made.hers = tuple(one for name, one in made.ids.items() if name not in {"step", "act", "task_code", "leaf_id"})
    for name in ("ask_id", "consent_id", "view_id", "authenticator", "job_id", "order_id", "unit_id", "seal_id", "app_id", "grant_id", "review_id"):
        made.ids.setdefault(name, uuid7())
    return made
