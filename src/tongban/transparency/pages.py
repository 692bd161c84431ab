"""HTML door of 存证: what the log is, its newest head, who watches it, and how to check a receipt oneself."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path
from typing import Any, Final
from uuid import UUID

import msgspec
from litestar import Request, get, post
from litestar.di import NamedDependency
from litestar.params import FromPath
from litestar.response import Response

from tongban import ui
from tongban.kernel.actor import Actor
from tongban.kernel.errors import NotAllowed
from tongban.kernel.gm import Sm2PublicKey, sm3
from tongban.kernel.node import Node
from tongban.transparency import queries
from tongban.transparency.actions import fork_seen
from tongban.transparency.errors import NoSuchLeaf
from tongban.transparency.model import Fork, Head, Witnessed, named

CHECKER: Final = Path(__file__).resolve().parents[3] / "docs" / "check_receipt.py"


class LogPage(msgspec.Struct, frozen=True):
    """What /transparency draws. `fingerprint` is SM3 of the key's SubjectPublicKeyInfo, in hex."""

    title: str
    head: Head | None
    signer: str
    key: str
    root: str
    fingerprint: str
    others: tuple[Witnessed, ...]
    forks: tuple[Fork, ...]
    restored: tuple[Fork, ...]
    silent: tuple[Witnessed, ...]
    cosigners: tuple[tuple[str, int, int], ...]
    checker: bool
    root_print: str = ""
    """SM3 of the hub's root certificate, in hex; empty before this node was admitted."""
    nav_title: str = "办事留痕"
    back: str = "/"
    back_label: str = "返回首页"


ROUTES = (ui.Route("/transparency", "/transparency"), ui.Route("/staff/log", "/staff/log", who=("staff",)))
_UNPROVED = timedelta(minutes=30)
_WAYS = {"same_size": "同样的大小，两个不同的根", "no_proof": "它自己签名的回答接不上这两个树头"}


class WatchPage(msgspec.Struct, frozen=True, kw_only=True):
    """What /staff/log draws: who signs with us, whom we sign with, who has two histories, who does not answer."""

    title: str = "存证监看"
    head: Head | None
    cosigners: tuple[tuple[str, int, int], ...]
    others: tuple[Witnessed, ...]
    silent: tuple[Witnessed, ...]
    forks: tuple[tuple[Fork, str, str, str], ...]

    @property
    def unexplained(self) -> int:
        """How many forks no declared restore explains."""
        return sum(one[0].restored_ms is None for one in self.forks)


@get("/transparency")
async def show(
    request: Request[Any, Any, Any],
    node: NamedDependency[Node],
    actor: NamedDependency[Actor],  # noqa: ARG001  asked for, so that the frame knows who looks
) -> Response[bytes]:
    """办事留痕: the newest signed head and how anybody checks a receipt."""
    async with node.db.reading() as tx:
        head, anchor = await queries.head(tx), await queries.root(tx)
        others, forks, cosigners = await queries.witnessed(tx), await queries.fork_list(tx, own=node.id), await queries.cosigners(tx)
        silent = await queries.unproved(tx, since=node.clock.now() - _UNPROVED)
    page = LogPage(
        title="办事留痕，改了就能查出来",
        head=head,
        signer=head.kid.partition("/")[0] if head else "",
        key=head.kid.partition("/")[2] if head else "",
        root=named(head.root) if head else "",
        fingerprint=Sm2PublicKey.from_spki(head.key).fingerprint.hex() if head else "",
        others=others,
        forks=tuple(one for one in forks if one.restored_ms is None),
        restored=tuple(one for one in forks if one.restored_ms is not None),
        silent=silent,
        cosigners=cosigners,
        checker=CHECKER.is_file(),
        root_print=sm3(anchor).hex() if anchor else "",
    )
    return ui.page(request, "transparency/log.html", page)


@get("/staff/log")
async def watch(request: Request[Any, Any, Any], node: NamedDependency[Node], actor: NamedDependency[Actor]) -> Response[bytes]:
    """存证监看: this log's co-signers, the logs watched here, and every fork with both heads, for staff."""
    _may_see(actor)
    async with node.db.reading() as tx:
        head = await queries.head(tx)
        page = WatchPage(
            head=head, cosigners=await queries.cosigners(tx), others=await queries.witnessed(tx),
            silent=await queries.unproved(tx, since=node.clock.now() - _UNPROVED),
            forks=tuple((one, _WAYS[one.way], named(one.first.root), named(one.second.root)) for one in await queries.fork_list(tx, own=node.id)),
        )  # fmt: skip
    return ui.page(request, "transparency/watch.html", page)


@post("/staff/log/forks/{node_id:str}/seen")
async def seen(request: Request[Any, Any, Any], node: NamedDependency[Node], actor: NamedDependency[Actor], node_id: FromPath[str]) -> Response[Any]:
    """已核查: somebody has looked into a fork. It stays, and stays named."""
    form = await ui.form(request)
    _may_see(actor)
    async with node.db.transaction() as tx:
        await fork_seen(tx, node, actor.subject, node_id, form["mark"])
    return ui.see_other("/staff/log")


def _may_see(actor: Actor) -> None:
    actor.require_staff()
    if not any("transparency.see" in one.actions for one in actor.assignments):
        raise NotAllowed


@get("/transparency/receipts/{leaf_id:uuid}")
async def download(node: NamedDependency[Node], leaf_id: FromPath[UUID]) -> Response[bytes]:
    """存证回执: the receipt of one leaf as a file. Whoever has the leaf's number may have it: it names nobody.

    Raises NoSuchLeaf, ReceiptNotReady.
    """
    async with node.db.reading() as tx:
        receipt = await queries.receipt(tx, str(leaf_id))
    return Response(
        receipt.to_bytes(),
        media_type="application/json",
        headers={
            "Content-Disposition": f'attachment; filename="receipt-{leaf_id}.json"',
            "Cache-Control": "no-store",
        },
    )


@get("/transparency/check_receipt.py")
async def checker() -> Response[bytes]:
    """核对脚本: the stand-alone script, to be run on one's own computer."""
    if not CHECKER.is_file():
        raise NoSuchLeaf
    return Response(
        CHECKER.read_bytes(),
        media_type="text/x-python; charset=utf-8",
        headers={"Content-Disposition": 'attachment; filename="check_receipt.py"'},
    )


@get("/transparency/root.cer")
async def root_certificate(node: NamedDependency[Node]) -> Response[bytes]:
    """根证书: the hub's root certificate, DER; with it a receipt of any node is judged. Raises NoSuchLeaf."""
    async with node.db.reading() as tx:
        anchor = await queries.root(tx)
    if anchor is None:
        raise NoSuchLeaf
    return Response(
        anchor,
        media_type="application/pkix-cert",
        headers={"Content-Disposition": 'attachment; filename="root.cer"'},
    )


routes: list[Any] = [show, download, checker, root_certificate, watch, seen]
