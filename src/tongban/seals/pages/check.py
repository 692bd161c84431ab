"""验章: anybody checks whether a sealed OFD or PDF holds. The file is looked at and forgotten; nothing of it is shown."""

from __future__ import annotations

from typing import Any

import msgspec
from litestar import Request, get, post
from litestar.di import NamedDependency
from litestar.response import Response

from tongban import ui
from tongban.kernel.errors import Refusal, Refusals
from tongban.kernel.gm import digest
from tongban.kernel.node import Node
from tongban.seals import queries
from tongban.seals.model import SealUse, Verdict
from tongban.seals.rules.paper import verify_pdf
from tongban.seals.rules.verify import check_ofd

STEPS = {
    "container": "文件能不能打开", "format": "盖没盖章", "maker_signature": "印章有没有被改过", "maker": "印章是谁做的",
    "seal_validity": "盖章时印章能不能用", "signature": "签名", "signer": "盖章人", "document": "文件有没有被改过", "time": "盖章的时间",
}  # fmt: skip


_AGAIN = "文件可能没有传完整。重新下载一次，或者请对方发原文件，不要截图、转换或者另存；还不行，打 12345。"
_ASK = "先不要用这份文件。请盖章的单位重新出一份，或者打 12345 问。"
WHAT_TO_DO = {"container": _AGAIN, "format": _AGAIN}


class CheckPage(msgspec.Struct, frozen=True):
    """What /check-seal draws, before and after."""

    title: str
    verdict: Verdict | None = None
    step: str = ""
    todo: str = ""
    recorded: bool = False
    errors: Refusals = ()


@get("/check-seal")
async def show(request: Request[Any, Any, Any]) -> Response[Any]:
    """验章: choose a file."""
    return ui.page(request, "seals/check.html", CheckPage("查一份文件的印章"))


@post("/check-seal")
async def check(request: Request[Any, Any, Any], node: NamedDependency[Node]) -> Response[Any]:
    """The verdict on the file; it is kept nowhere."""
    form = await ui.form(request)
    file = form.file("file")
    if file is None or not file.data:
        wrong = (Refusal("seals.file", "选一份盖了章的 OFD 或 PDF 文件", "file"),)
        return ui.page(request, "seals/check.html", CheckPage("查一份文件的印章", errors=wrong), status=422)
    async with node.db.reading() as tx:
        trusted = await queries.anchors(tx)
        use: SealUse | None = await queries.use_of(tx, digest(file.data))
    verify = verify_pdf if file.data.startswith(b"%PDF") else check_ofd
    found = await verify(file.data, trusted)
    return ui.page(
        request, "seals/check.html", _judged(found, recorded=use is not None)
    )


def _judged(found: Verdict, *, recorded: bool) -> CheckPage:
    """What the page says of a verdict, and what to do when it is a bad one."""
    todo = "" if found.ok else WHAT_TO_DO.get(found.step or "", _ASK)
    return CheckPage("查一份文件的印章", found, STEPS.get(found.step or "", ""), todo, recorded)


routes = [show, check]
