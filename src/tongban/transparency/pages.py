"""HTML door of 存证: what the log is, its newest head, who watches it, and how to check a receipt oneself."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Final
from uuid import UUID

import msgspec
from litestar import Request, get
from litestar.di import NamedDependency
from litestar.params import FromPath
from litestar.response import Response

from tongban import ui
from tongban.kernel.actor import Actor
from tongban.kernel.gm import Sm2PublicKey
from tongban.kernel.node import Node
from tongban.transparency import queries
from tongban.transparency.errors import NoSuchLeaf
from tongban.transparency.model import Head, Witnessed, named

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
    forks: tuple[Witnessed, ...]
    checker: bool
    nav_title: str = "办事留痕"
    back: str = "/"
    back_label: str = "返回首页"


ROUTES = (ui.Route("/transparency", "/transparency"),)


@get("/transparency")
async def show(
    request: Request[Any, Any, Any],
    node: NamedDependency[Node],
    actor: NamedDependency[Actor],  # noqa: ARG001  asked for, so that the frame knows who looks
) -> Response[bytes]:
    """办事留痕: the newest signed head and how anybody checks a receipt."""
    async with node.db.reading() as tx:
        head = await queries.head(tx)
        others, forks = await queries.witnessed(tx), await queries.forks(tx)
    page = LogPage(
        title="办事留痕，改了就能查出来",
        head=head,
        signer=head.kid.partition("/")[0] if head else "",
        key=head.kid.partition("/")[2] if head else "",
        root=named(head.root) if head else "",
        fingerprint=Sm2PublicKey.from_spki(head.key).fingerprint.hex() if head else "",
        others=others,
        forks=forks,
        checker=CHECKER.is_file(),
    )
    return ui.page(request, "transparency/log.html", page)


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


routes: list[Any] = [show, download, checker]
