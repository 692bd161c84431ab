"""核对 the verifier's window: a browser bound to its unit, a purpose, one code at a time, a verdict that goes away."""

from __future__ import annotations

from typing import Any
from uuid import UUID

import msgspec
from litestar import Request, get, post
from litestar.datastructures import Cookie
from litestar.di import NamedDependency
from litestar.params import FromPath
from litestar.response import Response

from tongban import federation, ui
from tongban.credentials.actions import verifiers, verify
from tongban.credentials.errors import BadPicture
from tongban.credentials.model import Browser, Verdict
from tongban.credentials.queries.prints import Paper, paper
from tongban.credentials.queries.types import purpose as find_purpose
from tongban.credentials.queries.types import type_of
from tongban.kernel.errors import NotFound, Refusal, Refusals
from tongban.kernel.node import Node

KEY_COOKIE = "__Host-tb_window"
CLEAR_SECONDS = 30
LOOKS = {
    "valid": "valid",
    "expired": "expired",
    "used": "expired",
    "revoked": "revoked",
    "unknown": "unknown",
    "false": "invalid",
}


class VerifyPage(msgspec.Struct, frozen=True):
    """What /verify draws: one field for the gun, a photo, eight digits."""

    title: str
    unit: str
    purpose: str
    registered: bool
    many: bool
    homes: tuple[ui.Option, ...]
    home: str
    errors: Refusals = ()


class VerdictPage(msgspec.Struct, frozen=True):
    """What a check draws: the word, the fields, what to say; gone after thirty seconds."""

    title: str
    unit: str
    purpose: str
    verdict: Verdict
    look: str
    registered: bool
    clear_seconds: int = CLEAR_SECONDS


class RegisterPage(msgspec.Struct, frozen=True):
    """What /verify/register draws."""

    title: str
    code: str
    label: str
    errors: Refusals = ()
    unit: str = ""


class PurposePage(msgspec.Struct, frozen=True):
    """What /verify/purpose draws: what this unit is registered for, with the law behind each."""

    title: str
    unit: str
    purpose: str
    options: tuple[ui.Option, ...]
    chosen: str


class PaperPage(msgspec.Struct, frozen=True):
    """What /verify/paper draws: whether a printed paper stands."""

    title: str
    name: str
    paper: Paper
    word: str
    good: bool
    unit: str = ""
    purpose: str = ""


async def window(request: Request[Any, Any, Any], node: Node) -> Browser | None:
    """The registered window this browser is, or None (查验窗口)."""
    key = request.cookies.get(KEY_COOKIE, "")
    if not key:
        return None
    async with node.db.reading() as tx:
        return await verifiers.browser(tx, key)


def _unit(one: Browser | None) -> str:
    return f"{one.verifier.name}，{one.label}" if one else ""


def _purpose(node: Node, one: Browser | None) -> str:
    found = find_purpose(node, one.purpose) if one else None
    return found.name if found else ""


async def _page(
    request: Request[Any, Any, Any],
    node: Node,
    one: Browser | None,
    *,
    errors: Refusals = (),
    home: str = "",
    status: int = 200,
) -> Response[Any]:
    found = await federation.present(node)
    homes = (
        tuple(ui.Option(listed.id, listed.name) for listed in found.active() if listed.role == "province")
        if found
        else ()
    )
    page = VerifyPage(
        title="核对证照", unit=_unit(one), purpose=_purpose(node, one), registered=one is not None,
        many=one is not None and len(one.verifier.purposes) > 1, homes=homes or (ui.Option(node.id, node.settings.name),),
        home=home or node.id, errors=errors,
    )  # fmt: skip
    return ui.page(request, "credentials/verify.html", page, status=status)


@get("/verify")
async def start(request: Request[Any, Any, Any], node: NamedDependency[Node]) -> Response[Any]:
    """核对证照: ready for the next code."""
    return await _page(request, node, await window(request, node))


@post("/verify")
async def check(request: Request[Any, Any, Any], node: NamedDependency[Node]) -> Response[Any]:
    """Check what was scanned, photographed or said; the verdict is drawn at once and kept nowhere."""
    form = await ui.form(request)
    one = await window(request, node)
    text, digits, photo = form["code"], form["digits"], form.file("photo")
    if one is not None and verify.SPOKEN.fullmatch(text.replace(" ", "")):  # said aloud and typed where the gun types
        text, digits = "", text
    if photo is not None and photo.data and not text:
        try:
            text = await verify.decode_picture(photo.data)
        except BadPicture as why:
            return await _page(
                request, node, one, errors=(Refusal("credentials.bad_picture", why.sentence, "photo"),), status=422
            )
    if not text and not digits:
        refusal = Refusal("credentials.nothing", "扫一下对方的码，或者输 8 位数字", "code")
        return await _page(request, node, one, errors=(refusal,), status=422)
    if text:
        verdict = await verify.verify_presentation(node, text, one)
    elif one is None:
        refusal = Refusal("credentials.digits_registered", "数字码只给登记过的查验方用，请先登记，或者扫码", "digits")
        return await _page(request, node, one, errors=(refusal,), status=422)
    else:
        verdict = await verify.verify_digits(node, digits, form["home"], one)
    page = VerdictPage(
        title=f"{verdict.headline}，{verdict.type_name}" if verdict.type_name else verdict.headline, unit=_unit(one),
        purpose=_purpose(node, one), verdict=verdict, look=LOOKS[verdict.kind], registered=one is not None,
    )  # fmt: skip
    response = ui.page(request, "credentials/verdict.html", page)
    response.headers["Cache-Control"] = "no-store"
    return response


@get("/verify/register")
async def register_form(request: Request[Any, Any, Any]) -> Response[Any]:
    """登记窗口: the enrolment code of the unit and which window this is."""
    return ui.page(request, "credentials/register.html", RegisterPage("登记查验窗口", "", ""))


@post("/verify/register")
async def register(request: Request[Any, Any, Any], node: NamedDependency[Node]) -> Response[Any]:
    """Bind this browser: its unit key lives in a cookie and nowhere else."""
    form = await ui.form(request)
    async with node.db.transaction() as tx:
        made = await verifiers.bind(tx, node, code=form["code"], label=form["label"])
    if isinstance(made, tuple):
        page = RegisterPage("登记查验窗口", form["code"], form["label"], made)
        return ui.page(request, "credentials/register.html", page, status=422)
    response: Response[Any] = ui.see_other("/verify/purpose" if len(made.browser.verifier.purposes) > 1 else "/verify")
    response.set_cookie(
        Cookie(
            key=KEY_COOKIE, value=made.key, path="/", max_age=365 * 86400, secure=True, httponly=True, samesite="strict"
        )
    )
    return response


@get("/verify/purpose")
async def purposes(request: Request[Any, Any, Any], node: NamedDependency[Node]) -> Response[Any]:
    """换用途: the purpose fixes which fields can ever be asked."""
    one = await window(request, node)
    if one is None:
        return ui.see_other("/verify/register")
    known = [found for purpose_id in one.verifier.purposes if (found := find_purpose(node, purpose_id)) is not None]
    options = tuple(
        ui.Option(found.id, found.name, f"依据《{found.basis}》，能看：{_fields(node, found.fields)}")
        for found in known
    )
    page = PurposePage("选核对用途", _unit(one), _purpose(node, one), options, one.purpose)
    return ui.page(request, "credentials/purpose.html", page)


def _fields(node: Node, fields: Any) -> str:
    from tongban.credentials.queries.types import type_named

    words = []
    for name, keys in fields.items():
        kind = type_named(node, name)
        shown = [field.name for key in keys if kind is not None and (field := kind.field(key)) is not None]
        words.append(f"{name}（{'、'.join(shown)}）")
    return "；".join(words)


@post("/verify/purpose")
async def choose(request: Request[Any, Any, Any], node: NamedDependency[Node]) -> Response[Any]:
    """Keep the chosen purpose for this window."""
    form = await ui.form(request)
    one = await window(request, node)
    if one is not None:
        async with node.db.transaction() as tx:
            await verifiers.choose_purpose(tx, one, form["purpose"])
    return ui.see_other("/verify")


PAPER_WORDS = {
    "handed_over": "已经交给持证人", "printed": "打印了，还没交给持证人", "spoilt": "报废了，这张纸不算数", "expired": "没有领取，已过期",
    "cancelled": "已经停了，这张纸不算数", "returned": "没有打印", "ordered": "还没打印", "accepted": "还没打印",
}  # fmt: skip


@get("/verify/paper/{order_id:uuid}")
async def check_paper(
    request: Request[Any, Any, Any], node: NamedDependency[Node], order_id: FromPath[UUID]
) -> Response[Any]:
    """核对纸质证: the code on a printed paper leads here; no person is named."""
    async with node.db.reading() as tx:
        found = await paper(tx, str(order_id))
    if found is None:
        raise NotFound("没有这张纸质证照的记录")
    kind = type_of(node, found.type_code)
    good = found.valid and found.state == "handed_over"
    word = PAPER_WORDS.get(found.state, "状态不明") if found.valid else "证照已经不是有效状态"
    return ui.page(
        request, "credentials/paper.html", PaperPage("核对纸质证照", kind.name if kind else "证照", found, word, good)
    )


routes = [start, check, register_form, register, purposes, choose, check_paper]
