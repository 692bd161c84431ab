"""后台 the back office: issued credentials with suspend, resume, revoke, cancel."""

from __future__ import annotations

from typing import Any
from uuid import UUID

import msgspec
from litestar import Request, get, post
from litestar.di import NamedDependency
from litestar.params import FromPath
from litestar.response import Response

from tongban import identity, ui
from tongban.credentials.actions import status
from tongban.credentials.model import STATE_WORD, Credential
from tongban.credentials.queries import credentials as queries
from tongban.credentials.queries.types import type_of
from tongban.credentials.rules import layout, showing
from tongban.kernel.actor import Actor
from tongban.kernel.errors import NotAllowed, NotFound, Refusal, Refusals
from tongban.kernel.node import Node


class IssuedRow(msgspec.Struct, frozen=True):
    """One issued credential (颁发的一张); a company by its public name, a natural person not at all."""

    id: str
    name: str
    number: str
    holder: str
    org: str
    issued_at: Any
    state: str
    state_kind: str


class IssuedPage(msgspec.Struct, frozen=True):
    """What /staff/credentials draws."""

    title: str
    rows: tuple[IssuedRow, ...]


class CredentialPage(msgspec.Struct, frozen=True):
    """What /staff/credentials/{id} draws: what stands on it, and what may be done now."""

    title: str
    row: IssuedRow
    identifier: str
    number: str
    until: str
    fields: tuple[tuple[str, str], ...]
    reason: bool
    acts: tuple[ui.Option, ...]
    errors: Refusals = ()
    back: str = "/staff/credentials"


ACTS = {
    "valid": (("suspend", "暂停使用"), ("revoke", "撤销"), ("cancel", "注销")),
    "suspended": (("resume", "恢复"), ("revoke", "撤销"), ("cancel", "注销")),
}
SEE = "credentials.see"
VERBS = {"suspend": status.suspend, "resume": status.resume, "revoke": status.revoke, "cancel": status.cancel}


def _area(node: Node) -> str:
    return (node.settings.divisions[0] if node.settings.divisions else "").ljust(6, "0")


def _issued_row(node: Node, one: Credential) -> IssuedRow:
    kind = type_of(node, one.type_code)
    state = showing.state_now(one.state, one.valid_until, node.clock.today())
    return IssuedRow(
        one.id, kind.name if kind else one.type_code, one.number, one.holder_name.reveal() if one.holder_kind == "legal" else "个人",
        one.org_name, one.issued_at, STATE_WORD[state], "ok" if state == "valid" else "bad",
    )  # fmt: skip


def _place(node: Node, one: Credential) -> str:
    """Where a credential belongs: its body's division, else the node's whole area (T-61)."""
    return one.division or _area(node)


@get("/staff/credentials")
async def issued(
    request: Request[Any, Any, Any], node: NamedDependency[Node], actor: NamedDependency[Actor]
) -> Response[Any]:
    """颁发的证照: the newest of my area and departments."""
    if not (scopes := identity.scopes(actor, SEE)):
        actor.require_may(SEE, division="000000")
    async with node.db.reading() as tx:
        found = await queries.issued_list(tx, node, scopes, _area(node))
    return ui.page(
        request, "credentials/issued.html", IssuedPage("颁发的证照", tuple(_issued_row(node, one) for one in found))
    )


async def _one(
    request: Request[Any, Any, Any], node: Node, actor: Actor, credential_id: str, errors: Refusals = ()
) -> Response[Any]:
    """The state for everybody of the area; what stands on it only with a reason to read its holder (identity.md 9, T-60)."""
    async with node.db.transaction() as tx:
        found = await _mine(tx, node, actor, credential_id)
        kind, ref = await identity.find_reason(tx, node, actor, found.subject)
        if kind != "none":
            await identity.reading_reason(
                tx, node, actor, found.subject, kind, ref, fields=("证照内容",), purpose="管理颁发的证照", basis="国务院令第716号",
                about=f"credential:{found.id}",
            )  # fmt: skip
    shown = type_of(node, found.type_code)
    fields = tuple(
        (field.name, showing.mask(value.reveal()) if field.personal else value.reveal())
        for field in (shown.fields if shown else ())
        if (value := found.data.get(field.key)) is not None and (kind != "none" or (found.holder_kind == "legal" and not field.personal))
    )
    acts = tuple(ui.Option(act, word) for act, word in ACTS.get(found.state, ()) if _may_change(node, actor, act, found))
    row = _issued_row(node, found)
    until = "长期" if found.valid_until is None else layout.day_words(found.valid_until)
    page = CredentialPage(
        f"{row.name}，{row.state}", row, found.identifier, found.number, until, fields, kind != "none", acts, errors
    )
    return ui.page(request, "credentials/issued_one.html", page, status=422 if errors else 200)


def _may_change(node: Node, actor: Actor, act: str, found: Credential) -> bool:
    """Whether an assignment for that very division and department allows the act: seeing it elsewhere is not enough (T-61)."""
    if act in {"suspend", "resume"}:
        return actor.may("credentials.suspend", division=_place(node, found), org=found.org_code)
    return actor.may("credentials.revoke", division=_place(node, found), org=found.org_code)


async def _mine(tx: Any, node: Node, actor: Actor, credential_id: str) -> Credential:
    actor.require_staff()
    if not identity.scopes(actor, SEE):
        actor.require_may(SEE, division="000000")
    found = await queries.issued_here(tx, node, credential_id)
    if found is None or not actor.may(SEE, division=_place(node, found), org=found.org_code):
        raise NotFound("没有这张证照，或者不是本地本部门发的")
    return found


@get("/staff/credentials/{credential_id:uuid}")
async def one(
    request: Request[Any, Any, Any],
    node: NamedDependency[Node],
    actor: NamedDependency[Actor],
    credential_id: FromPath[UUID],
) -> Response[Any]:
    """一张颁发的证照; reading what stands on it needs a reason and is written down for its holder."""
    return await _one(request, node, actor, str(credential_id))


@post("/staff/credentials/{credential_id:uuid}")
async def act(
    request: Request[Any, Any, Any],
    node: NamedDependency[Node],
    actor: NamedDependency[Actor],
    credential_id: FromPath[UUID],
) -> Response[Any]:
    """Suspend, resume, revoke or cancel, with a ground."""
    form = await ui.form(request)
    actor.require_staff()
    verb = VERBS.get(form["act"])
    wrong: list[Refusal] = []
    if verb is None:
        wrong.append(Refusal("credentials.act", "选一个处理", "act"))
    if len(form["reason"]) < 4:
        wrong.append(Refusal("credentials.reason", "写清依据和理由，至少 4 个字", "reason"))
    if wrong or verb is None:
        return await _one(request, node, actor, str(credential_id), tuple(wrong))
    async with node.db.transaction() as tx:
        found = await _mine(tx, node, actor, str(credential_id))
        if not _may_change(node, actor, form["act"], found):
            raise NotAllowed
        if actor.own_or_family(found.subject):
            raise NotAllowed("这是你自己或家人的证照，要请别的同事办")
        await verb(tx, node, actor, found.subject, found.id, form["reason"])
    return ui.see_other(f"/staff/credentials/{credential_id}")


routes = [issued, one, act]
