"""后台 the back office: issued credentials, what was done to each, and what may be done now (actions/office.py)."""

from __future__ import annotations

from typing import Any
from uuid import UUID

import msgspec
from litestar import Request, get, post
from litestar.di import NamedDependency
from litestar.params import FromPath
from litestar.response import Response

from tongban import identity, ui
from tongban.credentials.actions import office as verbs
from tongban.credentials.model import STATE_WORD, Credential
from tongban.credentials.model.acts import Event
from tongban.credentials.queries import credentials as queries
from tongban.credentials.queries import issued as histories
from tongban.credentials.queries.types import type_of
from tongban.credentials.rules import layout, showing
from tongban.kernel.actor import Actor
from tongban.kernel.errors import NotFound, Refusal, Refusals
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
    may_issue: bool
    may_types: bool


class EventRow(msgspec.Struct, frozen=True):
    """One act in the history (做过的一次操作)."""

    one: Event
    state: str


class CredentialPage(msgspec.Struct, frozen=True):
    """What /staff/credentials/{id} draws: what stands on it, what was done, and what may be done now."""

    title: str
    row: IssuedRow
    identifier: str
    number: str
    until: str
    fields: tuple[tuple[str, str], ...]
    reason: bool
    acts: tuple[ui.Option, ...]
    forms: tuple[ui.Option, ...]
    history: tuple[EventRow, ...]
    basis: str
    typed: dict[str, str]
    proposed: bool
    errors: Refusals = ()
    back: str = "/staff/credentials"


SEE = "credentials.see"
HERE = ("suspend", "resume", "revoke", "withdraw", "cancel")
"""Acts done on the page of the credential; renewing and moving have pages of their own."""
FORMS = ("renew", "transfer")


def _issued_row(node: Node, one: Credential) -> IssuedRow:
    kind = type_of(node, one.type_code)
    state = showing.state_now(one.state, one.valid_until, node.clock.today())
    return IssuedRow(
        one.id, kind.name if kind else one.type_code, one.number, one.holder_name.reveal() if one.holder_kind == "legal" else "个人",
        one.org_name, one.issued_at, STATE_WORD[state], "ok" if state == "valid" else "bad",
    )  # fmt: skip


@get("/staff/credentials")
async def issued(
    request: Request[Any, Any, Any], node: NamedDependency[Node], actor: NamedDependency[Actor]
) -> Response[Any]:
    """颁发的证照: the newest of my area and departments."""
    if not (scopes := identity.scopes(actor, SEE)):
        actor.require_may(SEE, division="000000")
    async with node.db.reading() as tx:
        found = await queries.issued_list(tx, node, scopes, verbs.area(node))
    return ui.page(
        request, "credentials/issued.html",
        IssuedPage(
            "颁发的证照", tuple(_issued_row(node, one) for one in found), bool(identity.scopes(actor, "credentials.issue")),
            bool(identity.scopes(actor, "credentials.types")),
        ),
    )  # fmt: skip


async def _one(
    request: Request[Any, Any, Any], node: Node, actor: Actor, credential_id: str, errors: Refusals = (), typed: dict[str, str] | None = None
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
        history = await histories.events(tx, credential_id, found.org_name)
    shown = type_of(node, found.type_code)
    fields = tuple(
        (field.name, showing.mask(value.reveal()) if field.personal else value.reveal())
        for field in (shown.fields if shown else ())
        if (value := found.data.get(field.key)) is not None and (kind != "none" or (found.holder_kind == "legal" and not field.personal))
    )
    row = _issued_row(node, found)
    page = CredentialPage(
        title=f"{row.name}，{row.state}", row=row, identifier=found.identifier, number=found.number,
        until="长期" if found.valid_until is None else layout.day_words(found.valid_until), fields=fields, reason=kind != "none",
        acts=_options(node, actor, found, HERE), forms=_options(node, actor, found, FORMS),
        history=tuple(EventRow(one, STATE_WORD.get(one.state, one.state)) for one in history), basis=_basis(node, found),
        typed=typed or {}, proposed=request.query_params.get("done") == "proposed", errors=errors,
    )  # fmt: skip
    return ui.page(request, "credentials/issued_one.html", page, status=422 if errors else 200)


def _options(node: Node, actor: Actor, found: Credential, names: tuple[str, ...]) -> tuple[ui.Option, ...]:
    """The acts this member of staff may do now, in the word the type's law uses."""
    kind = type_of(node, found.type_code)
    known = [(name, verbs.allowed_act(node, actor, found, kind, name)) for name in names]
    return tuple(
        ui.Option(name, one[0].words, "要另一位同事复核" if one[0].four_eyes else "马上生效") for name, one in known if one is not None
    )


def _basis(node: Node, found: Credential) -> str:
    """The law that the type's template names first, to start from (依据)."""
    kind = type_of(node, found.type_code)
    return next((one.basis for one in kind.acts.values() if one.basis), "") if kind else ""


async def _mine(tx: Any, node: Node, actor: Actor, credential_id: str) -> Credential:
    actor.require_staff()
    if not identity.scopes(actor, SEE):
        actor.require_may(SEE, division="000000")
    found = await queries.issued_here(tx, node, credential_id)
    if found is None or not actor.may(SEE, division=verbs.place(node, found), org=found.org_code):
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
    """Suspend, resume, revoke, withdraw or cancel, with reason and legal basis; proposed where two persons are asked."""
    form = await ui.form(request)
    actor.require_staff()
    typed = {"reason": form["reason"], "basis": form["basis"]}
    if form["act"] not in HERE:
        wrong = (Refusal("credentials.act", "选一个处理", "act"),)
        return await _one(request, node, actor, str(credential_id), wrong, typed)
    wanted = verbs.Wanted(form["act"], form["reason"][:300], form["basis"][:200], credential=str(credential_id))
    async with node.db.transaction() as tx:
        await _mine(tx, node, actor, str(credential_id))
        done = await verbs.act(tx, node, actor, wanted)
    if isinstance(done, tuple):
        return await _one(request, node, actor, str(credential_id), done, typed)
    return ui.see_other(f"/staff/credentials/{credential_id}" + ("?done=proposed" if done.proposal else ""))


routes = [issued, one, act]
