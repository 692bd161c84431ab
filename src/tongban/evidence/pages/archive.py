"""HTML door of 归档: the archive desk (pack, hand over, receipts), the stand-alone checker, and a person's archived cases."""

from __future__ import annotations

import binascii
from pathlib import Path
from typing import Any, Final

import msgspec
from litestar import Request, get, post
from litestar.di import NamedDependency
from litestar.params import FromPath
from litestar.response import Response, Stream

from tongban import identity, ui
from tongban.evidence.actions import archive as pack_case
from tongban.evidence.actions import case_of_number, dossier_of, hand_over
from tongban.evidence.errors import NoSuchArchive
from tongban.evidence.model import Archive, Batch
from tongban.evidence.queries import archives as looking
from tongban.kernel.actor import Actor
from tongban.kernel.errors import NotAllowed, Refusal, Refusals
from tongban.kernel.gm import Sm2PublicKey
from tongban.kernel.ids import is_uuid
from tongban.kernel.node import Node

Req = Request[Any, Any, Any]
HereNode = NamedDependency[Node]
Asking = NamedDependency[Actor]
Part = FromPath[str]
CHECKER: Final = Path(__file__).resolve().parents[4] / "docs" / "check_archive.py"
PACK = "evidence.archive_pack"
_STATES = (("", "全部"), ("waiting", "等回执"), ("packed", "可移交"), ("approved", "移交中"), ("handed_over", "已移交"), ("cleared", "本地已删"))
_BATCH_STATES = {"proposed": ("等另一个人批准", "warn"), "approved": ("可以取走", "ok"), "received": ("对方已签收", "ok"), "dropped": ("没有办成，已退回", "mute")}


class DeskPage(msgspec.Struct, frozen=True, kw_only=True):
    """What /staff/archive draws."""

    title: str = "归档和移交"
    archives: tuple[Archive, ...]
    batches: tuple[tuple[Batch, str, str], ...]
    chips: tuple[dict[str, Any], ...]
    next: str
    may_pack: bool
    may_hand_over: bool
    packed: str = ""
    typed: dict[str, str] = {}
    errors: Refusals = ()


class BatchPage(msgspec.Struct, frozen=True, kw_only=True):
    """What /staff/archive/batches/{id} draws."""

    title: str
    batch: Batch
    state: str
    state_kind: str
    fingerprint: str
    archives: tuple[Archive, ...]
    errors: Refusals = ()
    back: str = "/staff/archive"


class MyArchivesPage(msgspec.Struct, frozen=True):
    """What /me/archives draws: the link that remains."""

    title: str
    mine: tuple[tuple[Archive, str], ...]
    back: str = "/me/materials"
    back_label: str = "返回我的材料"


@get("/staff/archive")
async def desk(request: Req, node: HereNode, actor: Asking) -> Response[Any]:
    """Packages of the own area and department, a page of 50, and the newest hand-overs."""
    return await _desk(request, node, actor)


async def _desk(request: Req, node: Node, actor: Actor, errors: Refusals = (), typed: dict[str, str] | None = None) -> Response[Any]:
    areas = _areas(actor)
    state, before = request.query_params.get("state", ""), request.query_params.get("before", "")
    async with node.db.reading() as tx:
        found = await looking.archives(tx, areas, state=state, before=before if is_uuid(before) else "")
        handed = [one for one in await looking.batches(tx) if actor.may(hand_over.SEE, division=one.division, org=one.org_code)]
    shown = found[: looking.PAGE]
    page = DeskPage(
        archives=shown, batches=tuple((one, *_BATCH_STATES[one.state]) for one in handed),
        chips=tuple({"href": f"/staff/archive?state={code}" if code else "/staff/archive", "text": words, "current": code == state} for code, words in _STATES),
        next=f"/staff/archive?state={state}&before={shown[-1].id}" if len(found) > looking.PAGE else "",
        may_pack=_holds(actor, PACK), may_hand_over=_holds(actor, hand_over.HAND_OVER), packed=request.query_params.get("packed", ""),
        typed=typed or {}, errors=errors,
    )  # fmt: skip
    return ui.page(request, "evidence/archive.html", page, status=422 if errors else 200)


@post("/staff/archive/pack", status_code=200)
async def pack(request: Req, node: HereNode, actor: Asking) -> Response[Any]:
    """Pack one ended case now, by its number."""
    form = await ui.form(request)
    _areas(actor)
    number = "".join(form["number"].split())
    async with node.db.transaction() as tx:
        case = await case_of_number(tx, number) if number else None
        found = await dossier_of(tx, node, case) if case else None
        if found is None or not actor.may(PACK, division=found.division, org=found.org_code):
            wrong: Refusals = (Refusal("evidence.no_ended_case", "没有找到这个编号的、已经结束的件，核对一下 22 位编号", "number"),)
        else:
            wrong = ()
            await pack_case(tx, node, found)
    return await _desk(request, node, actor, wrong, {"number": number}) if wrong else ui.see_other("/staff/archive?packed=1")


@post("/staff/archive/batches", status_code=200)
async def propose(request: Req, node: HereNode, actor: Asking) -> Response[Any]:
    """Put chosen packages before another archivist, for one receiver."""
    form = await ui.form(request)
    _areas(actor)
    async with node.db.transaction() as tx:
        made = await hand_over.propose(tx, node, actor, form.all("packages"), receiver=form["receiver"], key=form["key"])
    if isinstance(made, Batch):
        return ui.see_other(f"/staff/archive/batches/{made.id}")
    return await _desk(request, node, actor, made, {"receiver": form["receiver"], "key": form["key"]})


@get("/staff/archive/batches/{batch_id:str}")
async def one_batch(request: Req, node: HereNode, actor: Asking, batch_id: Part) -> Response[Any]:
    """A hand-over: its packages, what the receiver signs, its receipt."""
    return await _batch(request, node, actor, batch_id)


async def _batch(request: Req, node: Node, actor: Actor, batch_id: str, errors: Refusals = ()) -> Response[Any]:
    async with node.db.reading() as tx:
        batch = await _seen(tx, actor, batch_id)
        inside = await looking.in_batch(tx, batch.id)
    state, kind = _BATCH_STATES[batch.state]
    page = BatchPage(
        title=f"移交给{batch.receiver}", batch=batch, state=state, state_kind=kind, archives=inside, errors=errors,
        fingerprint=Sm2PublicKey.from_spki(batch.receiver_key).fingerprint.hex(),
    )  # fmt: skip
    return ui.page(request, "evidence/batch.html", page, status=422 if errors else 200)


@get("/staff/archive/batches/{batch_id:str}/to-sign.json")
async def to_sign(node: HereNode, actor: Asking, batch_id: Part) -> Response[bytes]:
    """What the receiver signs, byte for byte."""
    async with node.db.reading() as tx:
        content = await hand_over.to_sign(tx, await _seen(tx, actor, batch_id))
    return _file(content, "application/json", f"to-sign-{batch_id}.json")


@post("/staff/archive/batches/{batch_id:str}/receipt", status_code=200)
async def receipt(request: Req, node: HereNode, actor: Asking, batch_id: Part) -> Response[Any]:
    """Take the receiver's signature; hexadecimal, 64 bytes or DER."""
    form = await ui.form(request)
    _areas(actor)
    try:
        signature = binascii.unhexlify("".join(form["receipt"].split()))
    except (binascii.Error, ValueError):
        return await _batch(request, node, actor, batch_id, (Refusal("evidence.receipt_form", "签名要写成十六进制，只有数字和 a 到 f", "receipt"),))
    async with node.db.transaction() as tx:
        done = await hand_over.take_receipt(tx, node, actor, batch_id if is_uuid(batch_id) else "", signature)
    return ui.see_other(f"/staff/archive/batches/{batch_id}") if isinstance(done, Batch) else await _batch(request, node, actor, batch_id, done)


@post("/staff/archive/{archive_id:str}/take", status_code=200)
async def take(request: Req, node: HereNode, actor: Asking, archive_id: Part) -> Stream:
    """A package on its way to the receiver, piece by piece; its person's ledger says so. A POST, since it writes."""
    await ui.form(request)
    actor.require_staff()
    async with node.db.transaction() as tx:
        found = await looking.archive(tx, archive_id)
        given = await hand_over.take(tx, node, actor, archive_id)
    headers = _headers(f"archive-{found.number if found else archive_id}.zip")
    return Stream(given.pieces, media_type="application/zip", headers={**headers, "Content-Length": str(given.byte_count)})


@get("/me/archives")
async def my_archives(request: Req, node: HereNode, actor: Asking) -> Response[Any]:
    """已归档的办件: what of mine lies in the archive, how long, and who has it now."""
    actor.require(1)
    actor.require_self("看归档的办件")
    async with node.db.reading() as tx:
        mine = await looking.archives_of_person(tx, actor.person)
    return ui.page(request, "evidence/my_archives.html", MyArchivesPage(title="已归档的办件", mine=mine))


@get("/transparency/check_archive.py")
async def checker() -> Response[bytes]:
    """核对脚本: the stand-alone script that judges a package."""
    if not CHECKER.is_file():
        raise NoSuchArchive
    return _file(CHECKER.read_bytes(), "text/x-python; charset=utf-8", "check_archive.py")


async def _seen(tx: Any, actor: Actor, batch_id: str) -> Batch:
    actor.require_staff()
    batch = await looking.batch(tx, batch_id)
    if batch is None or not actor.may(hand_over.SEE, division=batch.division, org=batch.org_code):
        raise NoSuchArchive
    return batch


def _areas(actor: Actor) -> tuple[tuple[str, str], ...]:
    actor.require_staff()
    found = identity.scopes(actor, "evidence.archive_see")
    if not found:
        raise NotAllowed
    return found


def _holds(actor: Actor, action: str) -> bool:
    return bool(identity.scopes(actor, action))


def _file(content: bytes, media_type: str, name: str) -> Response[bytes]:
    return Response(content, media_type=media_type, headers=_headers(name))


def _headers(name: str) -> dict[str, str]:
    return {"Content-Disposition": f'attachment; filename="{name}"', "Cache-Control": "no-store", "X-Content-Type-Options": "nosniff"}


ROUTES: list[Any] = [desk, pack, propose, one_batch, to_sign, receipt, take, my_archives, checker]
PATHS = [ui.Route("/staff/archive", "/staff/archive", who=("staff",)), ui.Route("/me/archives", "/me/archives", who=("citizen",))]
