"""JSON door of the verifier 核对接口: POST /api/verify for machines, with the unit key as a bearer token."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any

import msgspec
from litestar import Request, asgi, post
from litestar.di import NamedDependency
from litestar.exceptions import MethodNotAllowedException
from litestar.response import Response
from litestar.types import Receive, Scope, Send

from tongban.credentials.actions import checking, many, verifiers, verify
from tongban.credentials.errors import OverAsking
from tongban.credentials.model import Browser, Verdict
from tongban.kernel.errors import Failure
from tongban.kernel.node import Node

LARGEST = 8 * 1024
LARGEST_MANY = 128 * 1024
Text = Annotated[str, msgspec.Meta(max_length=3000)]


class Asked(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A check (一次核对): the scanned `code`, or `digits` with the holder's `home` node.

    `purpose` is one the unit is registered for, the window's own when left out; `ask` the fields it wants to see, all that
    the purpose allows when left out. More than the purpose allows is refused, not cut.
    """

    code: Text = ""
    digits: Text = ""
    home: Text = ""
    purpose: Text = ""
    ask: Annotated[tuple[Text, ...], msgspec.Meta(max_length=40)] = ()


_question = msgspec.json.Decoder(Asked)
_HEADERS = ((b"content-type", b"application/json"), (b"cache-control", b"no-store"))


class AskedMany(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Many checks (批量核对): up to 64 scanned codes."""

    codes: Annotated[tuple[Text, ...], msgspec.Meta(min_length=1, max_length=many.MOST)]
    purpose: Text = ""
    ask: Annotated[tuple[Text, ...], msgspec.Meta(max_length=40)] = ()


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
    offline: bool
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


class WindowNeeded(Failure):
    """Spoken digits without a unit key (数字码要登记). Whoever guesses digits is counted by window."""

    code = "credentials.digits_registered"
    status = 401

    def __init__(self) -> None:
        super().__init__(sentence="数字码只给登记过的查验方用", todo="带上登记窗口的钥匙，或者扫码")


@asgi("/api/verify", copy_scope=False)
async def check(scope: Scope, receive: Receive, send: Send) -> None:
    """One check. Without a key it is an unregistered one: the verdict and the type, no field.

    Bytes in, bytes out: turnstiles ask here as often as a node can check signatures, and the framework's way costs as much as all else.
    """
    if scope.get("method") != "POST":  # a web socket has none
        raise MethodNotAllowedException(headers={"allow": "POST"})
    node: Node = scope["litestar_app"].state.node
    try:
        asked = _question.decode(await _body(receive))
    except msgspec.MsgspecError:
        raise BadQuestion from None
    scheme, _, key = next((value.decode("latin-1") for name, value in scope["headers"] if name == b"authorization"), "").partition(" ")
    window = None
    if scheme:
        window = await checking.window(node, key.strip()) if scheme.lower() == "bearer" else None
        if window is None:
            raise UnknownWindow
        window = _bounded(node, window, asked)
    elif asked.ask or asked.purpose:
        raise OverAsking
    if asked.code:
        found = await checking.verify_presentation(node, asked.code, window, asked.ask)
    elif asked.digits and window is None:
        raise WindowNeeded
    elif asked.digits and window is not None:
        found = await verify.verify_digits(node, asked.digits, asked.home, window, asked.ask)
    else:
        raise BadQuestion
    body = msgspec.json.encode(_answer(found))
    await send({"type": "http.response.start", "status": 200, "headers": [*_HEADERS, (b"content-length", b"%d" % len(body))]})
    await send({"type": "http.response.body", "body": body, "more_body": False})


async def _body(receive: Receive) -> bytes:
    """The question's bytes, read no further than the limit. Raises BadQuestion for more, and when its sender broke off."""
    body = bytearray()
    while True:
        part: Any = await receive()
        if part["type"] != "http.request":
            raise BadQuestion
        body += part.get("body", b"")
        if len(body) > LARGEST:
            raise BadQuestion
        if not part.get("more_body", False):
            return bytes(body)


@post("/api/verify/many", status_code=200)
async def check_many(request: Request[Any, Any, Any], node: NamedDependency[Node]) -> Response[bytes]:
    """Many codes of one registered unit at once; answered in their order, homes told afterwards (docs/presentation.md)."""
    raw = await request.body()
    if len(raw) > LARGEST_MANY:
        raise BadQuestion
    try:
        asked = msgspec.json.decode(raw, type=AskedMany)
    except msgspec.MsgspecError:
        raise BadQuestion from None
    scheme, _, key = request.headers.get("authorization", "").partition(" ")
    async with node.db.reading() as tx:
        window = await verifiers.browser(tx, key.strip()) if scheme.lower() == "bearer" else None
    if window is None:
        raise UnknownWindow
    found = await many.verify_many(node, asked.codes, _bounded(node, window, asked), asked.ask)
    body = msgspec.json.encode({"results": [_answer(one) for one in found]})
    return Response(body, media_type="application/json", headers={"Cache-Control": "no-store"})


def _bounded(node: Node, window: Browser, asked: Asked | AskedMany) -> Browser:
    """The window with the purpose it names. Raises OverAsking beyond what its unit is registered for (T-53)."""
    purpose = asked.purpose or window.purpose
    if purpose not in window.verifier.purposes:
        raise OverAsking
    bound = msgspec.structs.replace(window, purpose=purpose)
    if not verifiers.may_ask(node, bound, asked.ask):
        raise OverAsking
    return bound


def _answer(found: Verdict) -> Answered:
    return Answered(
        found.kind, found.code, found.headline, found.reason, found.type_name, found.type_code, found.issuer, dict(found.fields),
        found.online, found.offline, found.registered, found.checked_at, found.state_at,
    )  # fmt: skip


routes = [check, check_many]
