"""证照管理: issuing at the desk, renewing, moving to another holder. Each asks for a reason, the law, and a second person."""

from __future__ import annotations

from typing import Any
from uuid import UUID

import msgspec
from litestar import Request, get, post
from litestar.di import NamedDependency
from litestar.params import FromPath
from litestar.response import Response

from tongban import identity, seals, ui
from tongban.credentials.actions import office as verbs
from tongban.credentials.model import Credential, CredentialType, TypeField
from tongban.credentials.queries import credentials as queries
from tongban.credentials.queries.types import type_of, types
from tongban.kernel.actor import Actor
from tongban.kernel.db import Tx
from tongban.kernel.errors import NotFound, Refusals
from tongban.kernel.node import Node

SEE, ISSUE = "credentials.see", "credentials.issue"
WORDS = {
    "issue": ("颁发证照", "提交复核", "照登记内容填，带“选填”的可以不填"),
    "renew": ("换发新证", "提交复核", "只填有变化的，没变的不用填；旧证同时换成“已换新”"),
    "transfer": ("转给新的持证人", "提交复核", "填新持证人的和有变化的；旧证同时换成“已转出”，新证写明是从哪一张转来的"),
}  # fmt: skip


class Question(msgspec.Struct, frozen=True):
    """One field of the form (一项)."""

    name: str
    label: str
    value: str
    hint: str
    optional: bool
    long: bool


class ChoicePage(msgspec.Struct, frozen=True):
    """What /staff/licences/new draws before a type is chosen."""

    title: str
    own: tuple[ui.Option, ...]
    general: tuple[ui.Option, ...]
    back: str = "/staff/credentials"


class FormPage(msgspec.Struct, frozen=True):
    """What the three forms draw."""

    title: str
    operation: str
    action: str
    button: str
    hint: str
    kind: CredentialType
    holder: bool
    bodies: tuple[ui.Option, ...]
    questions: tuple[Question, ...]
    typed: dict[str, str]
    basis: str
    doubt: str
    errors: Refusals = ()
    back: str = "/staff/credentials"


@get("/staff/licences/new")
async def new(request: Request[Any, Any, Any], node: NamedDependency[Node], actor: NamedDependency[Actor]) -> Response[Any]:
    """颁发证照: choose a type, then fill its fields."""
    _must(actor)
    kind = type_of(node, request.query_params.get("type", ""))
    if kind is not None:
        return await _form(request, node, actor, "issue", kind, "/staff/licences/new")
    found = sorted(types(node), key=lambda one: one.name)
    page = ChoicePage(
        "颁发证照", tuple(ui.Option(one.code, one.name, one.words) for one in found if one.template == "own"),
        tuple(ui.Option(one.code, one.name) for one in found if one.template == "general"),
    )  # fmt: skip
    return ui.page(request, "credentials/licence_choice.html", page)


def _must(actor: Actor) -> None:
    if not identity.scopes(actor, ISSUE):
        actor.require_may(ISSUE, division="000000")


@post("/staff/licences/new")
async def make(request: Request[Any, Any, Any], node: NamedDependency[Node], actor: NamedDependency[Actor]) -> Response[Any]:
    """Propose the issue; a second person carries it out."""
    _must(actor)
    form = await ui.form(request)
    kind = type_of(node, form["type"])
    if kind is None:
        raise NotFound("没有这种证照")
    code, _, name = form["body"].partition("|")
    wanted = verbs.Wanted(
        "issue", form["reason"][:300], form["basis"][:200], type_code=kind.code, org_code=code, org_name=name,
        holder_name=form["holder_name"][:80], holder_number=form["holder_number"][:40], data=_given(kind, form),
    )  # fmt: skip
    async with node.db.transaction() as tx:
        # only bodies that have a seal here, or the node's own: nobody types one in
        if form["body"] not in {one.value for one in await _bodies(tx, node, actor)}:
            raise NotFound("没有这个颁发机构")
        done = await verbs.act(tx, node, actor, wanted)
    if isinstance(done, tuple):
        return await _form(request, node, actor, "issue", kind, "/staff/licences/new", form, done)
    return ui.see_other(f"/staff/proposals/{done.proposal}" if done.proposal else f"/staff/credentials/{done.credential}")


@get("/staff/credentials/{credential_id:uuid}/{operation:str}")
async def again(
    request: Request[Any, Any, Any], node: NamedDependency[Node], actor: NamedDependency[Actor], credential_id: FromPath[UUID],
    operation: FromPath[str],
) -> Response[Any]:  # fmt: skip
    """换发 or 转移: what changes."""
    one, kind = await _found(node, actor, str(credential_id), operation)
    return await _form(request, node, actor, operation, kind, f"/staff/credentials/{one.id}/{operation}")


@post("/staff/credentials/{credential_id:uuid}/{operation:str}")
async def do_again(
    request: Request[Any, Any, Any], node: NamedDependency[Node], actor: NamedDependency[Actor], credential_id: FromPath[UUID],
    operation: FromPath[str],
) -> Response[Any]:  # fmt: skip
    """Propose it; a second person carries it out."""
    one, kind = await _found(node, actor, str(credential_id), operation)
    form = await ui.form(request)
    wanted = verbs.Wanted(
        operation, form["reason"][:300], form["basis"][:200], credential=str(one.id), holder_name=form["holder_name"][:80],
        holder_number=form["holder_number"][:40], data=_given(kind, form),
    )  # fmt: skip
    async with node.db.transaction() as tx:
        done = await verbs.act(tx, node, actor, wanted)
    if isinstance(done, tuple):
        return await _form(request, node, actor, operation, kind, f"/staff/credentials/{one.id}/{operation}", form, done)
    return ui.see_other(f"/staff/proposals/{done.proposal}" if done.proposal else f"/staff/credentials/{done.credential}")


async def _found(node: Node, actor: Actor, credential_id: str, operation: str) -> tuple[Credential, CredentialType]:
    actor.require_staff()
    if operation not in {"renew", "transfer"}:
        raise NotFound("没有这个页面")
    async with node.db.reading() as tx:
        one = await queries.issued_here(tx, node, credential_id)
    kind = type_of(node, one.type_code) if one else None
    if one is None or kind is None or not actor.may(SEE, division=verbs.place(node, one), org=one.org_code):
        raise NotFound("没有这张证照，或者不是本地本部门发的")
    if verbs.allowed_act(node, actor, one, kind, operation) is None:
        actor.require_may(ISSUE, division=verbs.place(node, one), org=one.org_code)
        raise NotFound("这张证照现在不能这样办")
    return one, kind


async def _bodies(tx: Tx, node: Node, actor: Actor) -> tuple[ui.Option, ...]:
    """Bodies in whose name this member of staff may issue: those with a living seal here, and the node's own."""
    known = {one.org_code: one.org_name for one in await seals.seals_of(tx) if one.state == "active"}
    known.setdefault(node.settings.organisation, node.settings.name)
    return tuple(
        ui.Option(f"{code}|{name}", name) for code, name in sorted(known.items(), key=lambda one: one[1])
        if actor.may(ISSUE, division=verbs.area(node), org=code)
    )  # fmt: skip


def _given(kind: CredentialType, form: ui.Form) -> dict[str, str]:
    return {field.key: form[f"d-{field.key}"][:500] for field in kind.fields if not field.derive and form[f"d-{field.key}"].strip()}


def _hint(field: TypeField, operation: str) -> str:
    if operation == "transfer" and field.holder:
        return "不填就写新的持证人" if field.kind == "name" else "原来的不会带过去，写新持证人的"
    return "写成 2026-11-22 这样" if field.kind == "date" else ""


async def _form(
    request: Request[Any, Any, Any], node: Node, actor: Actor, operation: str, kind: CredentialType, action: str,
    form: ui.Form | None = None, errors: Refusals = (),
) -> Response[Any]:  # fmt: skip
    title, button, hint = WORDS[operation]
    async with node.db.reading() as tx:
        bodies = await _bodies(tx, node, actor) if operation == "issue" else ()
    typed = {name: form[name] for name in ("reason", "basis", "holder_name", "holder_number", "body")} if form else {}
    questions = tuple(
        Question(
            f"d-{field.key}", field.name, form[f"d-{field.key}"] if form else "", _hint(field, operation),
            operation != "issue" or not field.required, field.kind == "long_text",
        )
        for field in kind.fields
        if not field.derive
    )  # fmt: skip
    own = kind.acts.get(operation)
    basis = (own.basis if own else "") or next((one.basis for one in kind.acts.values() if one.basis), "")
    doubt = "" if kind.official else "这类证照的代码和内容项没有和国家标准核对过，只能演示用"
    page = FormPage(
        f"{title}：{kind.name}", operation, action, button, hint, kind, operation != "renew", bodies, questions, typed, basis, doubt, errors
    )
    return ui.page(request, "credentials/licence_form.html", page, status=422 if errors else 200)


routes = [new, make, again, do_again]
