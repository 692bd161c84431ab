"""Builders of 办件 tests: invented people and clerks (演示), nodes with published items, a case in any state."""

from __future__ import annotations

import functools
import io
import tomllib
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import httpx
import msgspec
from litestar import Litestar, Request
from litestar.di import Provide
from PIL import Image

from tongban import catalogue, ui
from tongban.cases import pages
from tongban.cases.actions import decide, drafts, intake, numbers, review, submit
from tongban.cases.model import Case, Defect, Mirror, Reason, Remedy
from tongban.cases.queries import mirrors, records
from tongban.cases.rules.calendar import Calendar, parse
from tongban.cases.rules.clocks import Limits
from tongban.evidence import pages as material_pages
from tongban.kernel.actor import NOBODY, SYSTEM, Actor, Assignment
from tongban.kernel.clock import SetClock
from tongban.kernel.gm import Personal
from tongban.kernel.ids import uuid7
from tongban.kernel.node import Node
from tongban.main.set_up import set_up

ROOT = Path(__file__).resolve().parents[4]
XIAOYU = "n1" + "a" * 32  # 演示人
OTHER = "n1" + "b" * 32  # 演示人
PERMIT = "11500103DEM000022Q4000799902000"
REMOTE = "12500000DEM00003002002099903000"
COMPANY = "11510100DEM000014N3000199901000"
CHANGE = "11510100DEM000014N3000199908000"
NUMBER = "500103199003074528"
WEDNESDAY = datetime(2026, 11, 18, 2, 0, tzinfo=UTC)
REASONS = (Reason(fact="住址和登记的不一样", basis="居住证暂行条例第十条"),)
REMEDIES = (Remedy(kind="行政复议", body="渝中区人民政府", within="60 日内"),)
DEFECTS = (Defect(what="field", code="address", title="现在住的地址", why="写到门牌号"),)
LIMITS = Limits(promised=5, promised_unit="working", statutory=20, statutory_unit="working", correction=30, extension=10)


@functools.cache
def calendar() -> Calendar:
    return parse(one.read_text("utf-8") for one in sorted((ROOT / "items" / "calendar").glob("*.yaml")))


def citizen(subject: str = XIAOYU, acr: int = 3, **more: Any) -> Actor:
    return Actor(kind="citizen", subject=subject, acr=acr, sid="s", home="500000", name=Personal("演示陈晓雨"), **more)


@functools.cache
def roles() -> dict[str, Any]:
    return tomllib.loads((ROOT / "src/tongban/identity/roles.toml").read_text("utf-8"))


def clerk(*names: str, division: str = "500103", org: str = "", staff_id: str = "", **more: Any) -> Actor:
    """A clerk with roles of roles.toml over a division."""
    given = names or ("acceptor", "examiner", "approver")
    staff = staff_id or "S-" + "-".join(given)
    assignments = tuple(Assignment(name, frozenset(roles()[name]["actions"]), division, org) for name in given)
    return Actor(
        kind="staff", subject="s1" + staff.lower(), staff_id=staff, unit="渝中区分局（演示）", assignments=assignments,
        name=Personal("演示周敏"), **more,
    )  # fmt: skip


async def ready(node: Node, *task_codes: str) -> Node:
    """A node as it stands before its first request, with items published, also another node's (as if by letter)."""
    await set_up(node)
    async with node.db.transaction() as tx:
        for definition in catalogue.load_folder(ROOT / "items"):
            if definition.item.task_code in (task_codes or (PERMIT, REMOTE)):
                await publish(tx, node, definition.item)
    return node


async def publish(tx: Any, node: Node, item: catalogue.Item) -> None:
    """Open an item of this node for everybody."""
    done = await catalogue.publish(tx, node, SYSTEM, item.task_code, item.version, channels=("h5", "pc"))
    assert isinstance(done, catalogue.Item), done


ANSWERS: dict[str, dict[str, tuple[str, ...]]] = {
    PERMIT: {
        "name": ("演示陈晓雨",), "number": (NUMBER,), "permit_number": ("500103000000000001",), "mobile": ("13800138000",),
        "address": ("重庆市渝中区演示路 2 号 3 单元",), "moved": ("false",), "reason": ("work",), "declared": ("true",),
    },
    REMOTE: {
        "name": ("演示陈晓雨",), "number": (NUMBER,), "mobile": ("13800138000",), "insured_at": ("500100",),
        "insurance": ("employee",), "kind": ("trip",), "province": ("510000",), "city": ("510100",), "starts": ("2026-11-20",),
        "ends": ("2026-12-20",), "declared": ("true",),
    },
}  # fmt: skip


async def filled(node: Node, actor: Actor, task_code: str = PERMIT, **changed: str) -> str:
    """A draft with every answer typed; its id."""
    async with node.db.transaction() as tx:
        draft = await drafts.begin(tx, node, actor, task_code)
        item = await catalogue.item(tx, task_code)
        posted = {**ANSWERS[task_code], **{name: (value,) for name, value in changed.items()}}
        for step in item.form.steps:
            draft, _ = await drafts.save(tx, node, draft, item, step.name, posted)
        draft, _ = await drafts.save(tx, node, draft, item, "check", posted)
    return draft.id


async def sent(node: Node, actor: Actor | None = None, task_code: str = PERMIT, **changed: str) -> Mirror:
    """A submitted case."""
    who = actor or citizen()
    draft_id = await filled(node, who, task_code, **changed)
    number = await numbers.reserve(node)
    async with node.db.transaction() as tx:
        done = await submit.submit(tx, node, who, draft_id, number=number, posted=TICKED)
        assert isinstance(done, Mirror), done
        return done


async def act(node: Node, case_id: str, verb: Any, actor: Actor, **more: Any) -> Case:
    """A desk verb on a locked case, in a transaction; it must succeed."""
    done = await tried(node, case_id, verb, actor, **more)
    assert isinstance(done, Case), done
    return done


async def tried(node: Node, case_id: str, verb: Any, actor: Actor, *args: Any, **more: Any) -> Any:
    """A desk verb on a locked case; what it answers."""
    async with node.db.transaction() as tx:
        case = await records.locked(tx, node, case_id)
        return await verb(tx, node, actor, case, *args, **more)


async def held(node: Node, case_id: str) -> Case:
    async with node.db.reading() as tx:
        found = await records.held(tx, node, case_id)
    assert found is not None
    return found


async def mirror(node: Node, case_id: str, subject: str = XIAOYU) -> Mirror:
    async with node.db.reading() as tx:
        found = await mirrors.of_person(tx, node, subject, case_id)
    assert found is not None
    return found


async def brought(node: Node, state: str, **more: Any) -> Case:
    """A case brought to `state` by the verbs of the desk."""
    case_id = (await sent(node, **more)).id
    if state == "received":
        return await held(node, case_id)
    if state == "to_correct":
        return await corrected_asked(node, case_id)
    await act(node, case_id, intake.accept, clerk("acceptor"), complete=True)
    if state == "accepted":
        return await held(node, case_id)
    await act(node, case_id, review.start_review, clerk("examiner"))
    if state == "special_procedure":
        return await act(node, case_id, review.start_special, clerk("examiner"), kind="鉴定", reason="要鉴定签名", days=10)
    await tried(node, case_id, review.give_opinion, clerk("examiner"), "各项条件都符合", favourable=True)
    if state == "under_review":
        return await held(node, case_id)
    if state in {"refused", "refused_finished"}:
        await act(node, case_id, decide.refuse, clerk("approver"), reasons=REASONS, remedies=REMEDIES)
    else:
        await act(node, case_id, decide.grant, clerk("approver"))
    if state in {"granted", "refused"}:
        return await held(node, case_id)
    await act(node, case_id, decide.finish, SYSTEM)
    if state in {"finished", "refused_finished"}:
        return await held(node, case_id)
    assert state == "delivered", state
    return await act(node, case_id, decide.deliver, clerk("approver"), receipt="signed")


async def corrected_asked(node: Node, case_id: str, defects: tuple[Defect, ...] = DEFECTS) -> Case:
    done = await tried(node, case_id, intake.ask_correction, clerk("acceptor"), defects)
    assert isinstance(done, Case), done
    return done


def photo(shade: int = 200) -> bytes:
    """A small JPEG."""
    box = io.BytesIO()
    Image.new("RGB", (60, 80), (shade, shade, shade)).save(box, "JPEG")
    return box.getvalue()


def upload(data: bytes | None = None, name: str = "证件照.jpg", content_type: str = "image/jpeg") -> ui.Upload:
    return ui.Upload(name, content_type, photo() if data is None else data)


def app(node: Node, actor: Actor = NOBODY) -> Litestar:
    """The doors of cases and evidence around a node, asked by `actor`."""

    async def provide_node() -> Node:
        return node

    async def provide_actor(request: Request[Any, Any, Any]) -> Actor:
        request.state["actor"] = actor
        return actor

    made = Litestar(
        [*pages.routes, *material_pages.routes],
        dependencies={"node": Provide(provide_node), "actor": Provide(provide_actor)},
        exception_handlers=ui.exception_handlers, before_send=[ui.before_send], openapi_config=None, logging_config=None,
        request_max_body_size=12 * 1024 * 1024,
    )  # fmt: skip
    ui.wire(made, ui.Wiring(secret=b"s" * 32, site="重庆市", place="500000", organiser="重庆市", demo=True))
    return made


class Browser:
    """A browser that reads the token of a page and posts it back."""

    def __init__(self, node: Node, actor: Actor = NOBODY) -> None:
        self.client = httpx.AsyncClient(
            transport=httpx.ASGITransport(app(node, actor)), base_url="https://500000.localhost",
            headers={"accept": "text/html"}, follow_redirects=False,
        )  # fmt: skip

    async def get(self, path: str) -> httpx.Response:
        return await self.client.get(path)

    async def post(self, path: str, data: dict[str, Any], *, page: str, files: Any = None) -> httpx.Response:
        found = await self.client.get(page)
        assert 'name="tb_token"' in found.text, found.text[:300]
        token = found.text.split('name="tb_token" value="', 1)[1].split('"', 1)[0]
        return await self.client.post(path, data={**data, "tb_token": token}, files=files)


def later(clock: SetClock, **by: int) -> None:
    clock.move(timedelta(**by))


def fresh() -> str:
    return uuid7()


def changed(thing: Any, **more: Any) -> Any:
    return msgspec.structs.replace(thing, **more)


TODAY = date(2026, 11, 18)
TICKED = {"declared": ("true",)}


async def shelve(tx: Any, node: Node, item: catalogue.Item) -> None:
    """A published item's row at any node, as the owner's letter leaves it."""
    from tongban.catalogue.actions.publish import columns

    await tx.execute(
        "INSERT INTO item (task_code, version, digest, catalog_code, owner_node, division, name, plain_name, department,"
        " organisation, audience, themes, life_events, body, status, channels, rev, app, published_at, changed_at)"
        " VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, 'published', $15, 1, '', $16, $16)",
        *columns(item), ["h5", "pc"], node.clock.now(),
    )
