"""Staff pages of clients 接入应用的后台页面: who may sign people in here, proposed by one and approved by another (identity.md 5, 9)."""

from __future__ import annotations

from datetime import date
from typing import Any
from uuid import UUID

import msgspec
from litestar import get, post
from litestar.params import FromPath

from tongban import ui
from tongban.identity.actions import clients as verbs
from tongban.identity.pages.browser import AnyRequest, AnyResponse, Asking, HereNode
from tongban.identity.queries import clients as queries
from tongban.identity.queries.clients import Change, ClientKey
from tongban.identity.rules import clients as rules
from tongban.identity.rules.clients import Client, Grant
from tongban.identity.rules.roles import holds
from tongban.kernel.actor import Actor
from tongban.kernel.errors import NotAllowed, Refusal, Refusals
from tongban.kernel.node import Node

STATUS = {"active": ("在用", "ok"), "suspended": ("停用", "bad"), "ended": ("注销", "mute")}
WHAT = {"register": "登记新应用", "change": "改登记内容", "add_key": "加公钥", "end_key": "停公钥", "resume": "恢复使用"}
PROFILES = {"fapi2": "完整方式（FAPI 2）", "plain": "简化方式（外部单位登录用）"}
WORDS = {
    "name": "名称", "kind": "种类", "profile": "接入方式", "org": "单位信用代码", "division": "地区", "sector": "域名", "redirect_uris": "登录后回跳",
    "post_logout_uris": "退出后回跳", "backchannel_uri": "退出通知", "scopes": "能要的范围", "required": "必需的信息", "purpose": "用来做什么", "keeps": "留多久",
    "consent_days": "授权天数", "id_alg": "签名算法", "token_aud": "断言可写令牌地址", "grants": "特许", "kid": "公钥编号", "alg": "算法", "jwk": "公钥",
}  # fmt: skip


class Option(msgspec.Struct, frozen=True):
    """One choice of a form."""

    value: str
    label: str


class Row(msgspec.Struct, frozen=True):
    """One client of the list."""

    id: str
    name: str
    kind: str
    host: str
    status: str
    tag: str


class ChangeRow(msgspec.Struct, frozen=True):
    """One proposed change of the list."""

    change: Change
    what: str
    name: str


class ClientsPage(msgspec.Struct, frozen=True, kw_only=True):
    """What /staff/clients draws."""

    title: str = "接入应用"
    rows: tuple[Row, ...]
    changes: tuple[ChangeRow, ...]
    refused: tuple[ChangeRow, ...]
    may_propose: bool


class ClientPage(msgspec.Struct, frozen=True, kw_only=True):
    """What /staff/clients/{id} draws."""

    title: str
    client: Client
    status: str
    tag: str
    facts: tuple[tuple[str, str], ...]
    keys: tuple[ClientKey, ...]
    changes: tuple[ChangeRow, ...]
    may_propose: bool
    may_suspend: bool
    errors: Refusals = ()
    kid: str = ""
    jwk: str = ""
    back: str = "/staff/clients"


class FormPage(msgspec.Struct, frozen=True, kw_only=True):
    """What /staff/clients/new and …/edit draw."""

    title: str
    action: str
    typed: dict[str, str]
    chosen: tuple[str, ...]
    kinds: tuple[Option, ...]
    profiles: tuple[Option, ...]
    scopes: tuple[Option, ...]
    errors: Refusals = ()
    back: str = "/staff/clients"


class ChangePage(msgspec.Struct, frozen=True, kw_only=True):
    """What /staff/clients/changes/{id} draws: what is proposed, beside what holds now."""

    title: str
    change: Change
    facts: tuple[tuple[str, str, str], ...]
    own: bool
    may_decide: bool
    errors: Refusals = ()
    reason: str = ""
    back: str = "/staff/clients"


def _see(actor: Actor) -> None:
    actor.require_staff()
    if not holds(actor, "identity.client_see"):
        raise NotAllowed


def _text(name: str, value: Any) -> str:
    """A registered value in words."""
    if name == "kind":
        return rules.kinds()[value].words
    if name == "profile":
        return PROFILES[value]
    if name == "required":
        return "、".join(rules.words_of(value)) or "没有"
    if name == "token_aud":
        return "可以" if value else "不可以"
    if name == "grants":
        return "；".join(f"{one}：{each['number']}，{each['basis']}，到 {each['until']}" for one, each in value.items()) or "没有"
    if isinstance(value, list | tuple):
        return "，".join(str(one) for one in value) or "没有"
    if isinstance(value, dict):
        return "，".join(f"{one} {each}" for one, each in sorted(value.items()))
    return str(value) or "没有"


def _facts(request: AnyRequest, body: dict[str, Any]) -> dict[str, str]:
    found = {name: _text(name, body[name]) for name in WORDS if name in body}
    if place := ui.wiring(request).place_name(str(body.get("division", ""))):
        found["division"] = place
    return found


@get("/staff/clients")
async def listed(request: AnyRequest, node: HereNode, actor: Asking) -> AnyResponse:
    """All registered clients, and what waits for a second pair of eyes."""
    _see(actor)
    async with node.db.reading() as tx:
        found, waiting, refused = await queries.clients(tx), await queries.changes(tx, open_only=True), await queries.refused(tx)
    names = {one.id: one.name for one in found}
    page = ClientsPage(
        rows=tuple(Row(one.id, one.name, one.rules.words, one.sector or "没填", *STATUS[one.status]) for one in found),
        changes=tuple(_change_row(one, names.get(one.client, "")) for one in waiting),
        refused=tuple(_change_row(one, names.get(one.client, "")) for one in refused), may_propose=holds(actor, "identity.client_propose"),
    )  # fmt: skip
    return ui.page(request, "identity/clients.html", page)


def _change_row(change: Change, name: str) -> ChangeRow:
    return ChangeRow(change, WHAT[change.what], name or str(change.body.get("name", change.client)))


@get("/staff/clients/{client_id:str}")
async def one(request: AnyRequest, node: HereNode, actor: Asking, client_id: FromPath[str]) -> AnyResponse:
    """One client: what is registered, its keys, what was proposed."""
    _see(actor)
    return await _one(request, node, actor, client_id)


async def _one(
    request: AnyRequest, node: Node, actor: Actor, client_id: str, errors: Refusals = (), kid: str = "", jwk: str = ""
) -> AnyResponse:
    async with node.db.reading() as tx:
        client = await queries.registered(tx, client_id)
        if client is None:
            return ui.see_other("/staff/clients")
        keys, changes = await queries.keys_of(tx, client_id), await queries.changes(tx, client_id)
    words, tag = STATUS[client.status]
    reason = {"": "", verbs.BY_APP: "，它的应用停了"}.get(client.reason, f"，{client.reason}")
    page = ClientPage(
        title=client.name, client=client, status=words + reason, tag=tag,
        facts=tuple((WORDS[name], value) for name, value in _facts(request, msgspec.to_builtins(client)).items()), keys=tuple(keys),
        changes=tuple(_change_row(each, client.name) for each in changes), may_propose=actor.may("identity.client_propose", division=client.division),
        may_suspend=actor.may("identity.client_suspend", division=client.division), errors=errors, kid=kid, jwk=jwk,
    )  # fmt: skip
    return ui.page(request, "identity/client.html", page, status=422 if errors else 200)


@post("/staff/clients/{client_id:str}", status_code=200)
async def act(request: AnyRequest, node: HereNode, actor: Asking, client_id: FromPath[str]) -> AnyResponse:
    """Suspend, end a key (one person, at once); propose a key or the resuming (two persons)."""
    form = await ui.form(request)
    _see(actor)
    done: object = ()
    async with node.db.transaction() as tx:
        match form["act"]:
            case "suspend":
                done = await verbs.suspend(tx, node, actor, client_id, form["reason"])
            case "end_key":
                await verbs.end_key(tx, node, actor, client_id, form["kid"])
            case "resume":
                done = await verbs.propose_resume(tx, node, actor, client_id)
            case "add_key":
                done = await verbs.propose_key(tx, node, actor, client_id, form["kid"], _jwk(form["jwk"]))
            case _:
                pass
    if isinstance(done, tuple) and done:
        return await _one(request, node, actor, client_id, done, form["kid"], form["jwk"])
    return ui.see_other(f"/staff/clients/changes/{done.id}" if isinstance(done, Change) else f"/staff/clients/{client_id}")


def _jwk(text: str) -> dict[str, Any]:
    try:
        return msgspec.json.decode(text, type=dict[str, Any])
    except (msgspec.DecodeError, msgspec.ValidationError):
        return {}


@get("/staff/clients/new")
async def new(request: AnyRequest, actor: Asking) -> AnyResponse:
    """The form of a new client, for the registrar's own area until another is typed."""
    _see(actor)
    own = next((one.division for one in actor.assignments if verbs.PROPOSE in one.actions), "")
    typed = {"kind": "outside", "profile": "plain", "consent_days": "180", "id_alg": "ES256", "keeps": "", "division": own}
    return _form(request, typed, ("openid",), "")


@get("/staff/clients/{client_id:str}/edit")
async def edit(request: AnyRequest, node: HereNode, actor: Asking, client_id: FromPath[str]) -> AnyResponse:
    """The form with what is registered now."""
    _see(actor)
    async with node.db.reading() as tx:
        client = await queries.registered(tx, client_id)
    if client is None:
        return ui.see_other("/staff/clients")
    typed = {name: str(getattr(client, name)) for name in ("name", "kind", "profile", "org", "division", "sector", "backchannel_uri", "purpose", "keeps", "consent_days")}
    typed |= {name: "\n".join(getattr(client, name)) for name in ("redirect_uris", "post_logout_uris")}
    typed["required"] = " ".join(client.required)
    typed["token_aud"] = "yes" if client.token_aud else ""
    typed["grants"] = "\n".join(f"{name} | {each.number} | {each.basis} | {each.until}" for name, each in client.grants.items())
    return _form(request, typed, client.scopes, client.id)


def _form(request: AnyRequest, typed: dict[str, str], chosen: tuple[str, ...], client_id: str, errors: Refusals = ()) -> AnyResponse:
    page = FormPage(
        title="改登记内容" if client_id else "登记应用", action=f"/staff/clients/{client_id}/edit" if client_id else "/staff/clients/new",
        typed={name: typed.get(name, "") for name in (*WORDS, "grants")}, chosen=chosen,
        kinds=tuple(Option(name, each.words) for name, each in rules.kinds().items() if name != "node"),
        profiles=tuple(Option(name, words) for name, words in PROFILES.items()),
        scopes=tuple(
            Option(name, f"{name}：{'、'.join(rules.words_of(claims)) or '保持登录'}") for name, claims in rules.scopes().items() if name != "node"
        ),
        errors=errors, back=f"/staff/clients/{client_id}" if client_id else "/staff/clients",
    )  # fmt: skip
    return ui.page(request, "identity/client_form.html", page, status=422 if errors else 200)


@post("/staff/clients/new", status_code=200)
async def propose_new(request: AnyRequest, node: HereNode, actor: Asking) -> AnyResponse:
    """Propose a new client."""
    return await _propose(request, node, actor, "")


@post("/staff/clients/{client_id:str}/edit", status_code=200)
async def propose_edit(request: AnyRequest, node: HereNode, actor: Asking, client_id: FromPath[str]) -> AnyResponse:
    """Propose another content for a client."""
    return await _propose(request, node, actor, client_id)


async def _propose(request: AnyRequest, node: Node, actor: Actor, client_id: str) -> AnyResponse:
    form = await ui.form(request)
    _see(actor)
    chosen = tuple(dict.fromkeys(("openid", *form.all("scopes"))))
    typed = {name: form[name] for name in (*WORDS, "grants")}
    async with node.db.transaction() as tx:
        known = await queries.registered(tx, client_id) if client_id else None
        wanted = _read(typed, chosen, known)
        made = wanted if isinstance(wanted, tuple) else await verbs.propose(tx, node, actor, wanted)
    if isinstance(made, tuple):
        return _form(request, typed, chosen, client_id, made)
    return ui.see_other(f"/staff/clients/changes/{made.id}")


def _read(typed: dict[str, str], chosen: tuple[str, ...], known: Client | None) -> Client | Refusals:
    """What was typed as a Client; the id, the app and what is fixed stay those of the known one."""
    grants: dict[str, Grant] = {}
    for line in typed["grants"].splitlines():
        parts = [part.strip() for part in line.split("|")]
        if line.strip():
            try:
                grants[parts[0]] = Grant(parts[1], parts[2], date.fromisoformat(parts[3]))
            except (IndexError, ValueError):
                return (Refusal("identity.client_grants", "特许一行一个：信息 | 文号 | 依据 | 最后一天（2027-12-31）", "grants"),)
    base = {} if known is None else {"id": known.id, "app": known.app, "pairwise_version": known.pairwise_version}
    try:
        return msgspec.convert({
            "id": "", **base, **{name: typed[name].strip() for name in ("name", "kind", "profile", "org", "division", "sector", "backchannel_uri", "purpose", "keeps")},
            "redirect_uris": typed["redirect_uris"].split(), "post_logout_uris": typed["post_logout_uris"].split(), "scopes": chosen,
            "required": typed["required"].split(), "consent_days": int(typed["consent_days"] or 0),
            "token_aud": typed["token_aud"] == "yes",  # noqa: S105  a setting, no secret
            "id_alg": typed["id_alg"] or (known.id_alg if known else "ES256"), "grants": grants,
        }, Client)  # fmt: skip
    except (msgspec.ValidationError, ValueError):
        return (Refusal("identity.client_kind", "选好种类、接入方式，天数写数字", "kind"),)


@get("/staff/clients/changes/{change_id:uuid}")
async def change(request: AnyRequest, node: HereNode, actor: Asking, change_id: FromPath[UUID]) -> AnyResponse:
    """One proposed change, whole, with the digest that an approval pins."""
    _see(actor)
    return await _change(request, node, actor, str(change_id))


async def _change(request: AnyRequest, node: Node, actor: Actor, change_id: str, errors: Refusals = (), reason: str = "") -> AnyResponse:
    async with node.db.reading() as tx:
        found = await queries.change(tx, change_id)
        client = None if found is None else await queries.registered(tx, found.client)
    if found is None:
        return ui.see_other("/staff/clients")
    now = _facts(request, msgspec.to_builtins(client)) if client is not None and found.what == "change" else {}
    page = ChangePage(
        title=f"申请：{WHAT[found.what]}", change=found, facts=tuple((WORDS[name], value, now.get(name, "")) for name, value in _facts(request, found.body).items()),
        own=found.proposed_by == actor.staff_id, errors=errors, reason=reason,
        may_decide=actor.may("identity.client_approve", division=client.division if client else str(found.body.get("division", ""))),
        back=f"/staff/clients/{found.client}" if client is not None else "/staff/clients",
    )  # fmt: skip
    return ui.page(request, "identity/client_change.html", page, status=422 if errors else 200)


@post("/staff/clients/changes/{change_id:uuid}", status_code=200)
async def decide(request: AnyRequest, node: HereNode, actor: Asking, change_id: FromPath[UUID]) -> AnyResponse:
    """The decision of another member of staff on the digest the page showed."""
    form = await ui.form(request)
    _see(actor)
    async with node.db.transaction() as tx:
        refused = await verbs.decide(tx, node, actor, str(change_id), agree=form["act"] == "agree", seen=form["digest"], reason=form["reason"])
    if refused:
        return await _change(request, node, actor, str(change_id), refused, form["reason"])
    return ui.see_other(f"/staff/clients/changes/{change_id}")


ROUTES = [listed, new, propose_new, one, act, edit, propose_edit, change, decide]
