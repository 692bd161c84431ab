"""JSON door of the verifier 核对接口: POST /api/verify for machines, with the unit key as a bearer token."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any

import msgspec
from litestar import Request, post
from litestar.di import NamedDependency
from litestar.response import Response

from tongban.credentials.actions import verifiers, verify
from tongban.credentials.model import Verdict
from tongban.kernel.errors import Failure
from tongban.kernel.gm import parse_object
from tongban.kernel.node import Node

LARGEST = 8 * 1024
Text = Annotated[str, msgspec.Meta(max_length=3000)]


class Asked(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A check (一次核对): the scanned `code`, or `digits` with the holder's `home` node."""

    code: Text = ""
    digits: Text = ""
    home: Text = ""


class Answered(msgspec.Struct, frozen=True):
    """What the machine gets; the same as the page, in words and in codes."""

    verdict: str
    code: str
    headline: str
    reason: str
    type_name: str
    type_code: str
    issuer: str
    fields: dict[str, str]
    online: bool
    registered: bool
    checked_at: datetime | None
    state_at: datetime | None


class BadQuestion(Failure):
    """A body that is not a check (请求不合规)."""

    code = "credentials.bad_question"
    status = 400

    def __init__(self) -> None:
        super().__init__(sentence="请求内容不对", todo="按 docs/presentation.md 的格式发送 code 或 digits")


class UnknownWindow(Failure):
    """A unit key that is unknown or stopped (查验方没有登记)."""

    code = "credentials.unknown_window"
    status = 401

    def __init__(self) -> None:
        super().__init__(sentence="这个查验窗口没有登记，或者已经停用", todo="请本单位联系人重新登记")


@post("/api/verify", status_code=200)
async def check(request: Request[Any, Any, Any], node: NamedDependency[Node]) -> Response[bytes]:
    """One check. Without a key it is an unregistered one: the verdict and the type, no field."""
    raw = await request.body()
    if len(raw) > LARGEST:
        raise BadQuestion
    try:
        asked = msgspec.convert(parse_object(raw), Asked)
    except (ValueError, msgspec.ValidationError):
        raise BadQuestion from None
    scheme, _, key = request.headers.get("authorization", "").partition(" ")
    window = None
    if scheme:
        async with node.db.reading() as tx:
            window = await verifiers.browser(tx, key.strip()) if scheme.lower() == "bearer" else None
        if window is None:
            raise UnknownWindow
    if asked.code:
        found = await verify.verify_presentation(node, asked.code, window)
    elif asked.digits and window is not None:
        found = await verify.verify_digits(node, asked.digits, asked.home, window)
    else:
        raise BadQuestion
    return Response(
        msgspec.json.encode(_answer(found)), media_type="application/json", headers={"Cache-Control": "no-store"}
    )


def _answer(found: Verdict) -> Answered:
    return Answered(
        found.kind, found.code, found.headline, found.reason, found.type_name, found.type_code, found.issuer, dict(found.fields),
        found.online, found.registered, found.checked_at, found.state_at,
    )  # fmt: skip


routes = [check]
