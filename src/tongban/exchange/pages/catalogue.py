"""资源目录: every resource of the nation, and the owner's desk for its own."""

from __future__ import annotations

from typing import Any, cast

import msgspec
from litestar import get, post
from litestar.response import Response

from tongban import ui
from tongban.exchange.actions import (
    draft_resource,
    publish_resource,
    resume_resource,
    suspend_resource,
    turn_down_resource,
    withdraw_resource,
)
from tongban.exchange.actions.post import division
from tongban.exchange.errors import ResourceGone
from tongban.exchange.model import CLASS_WORDS, Field, Listed, Resource, SharingClass
from tongban.exchange.pages.door import (
    RESOURCE_WORDS,
    Asking,
    Chip,
    HereNode,
    Part,
    Req,
    address,
    chips,
    may,
    number,
    require_steward,
)
from tongban.exchange.queries import listed, versions, whole
from tongban.kernel.actor import Actor
from tongban.kernel.errors import Refusals
from tongban.kernel.node import Node

HERE = "/staff/sharing/resources"
KEYS = {"subject": "按人或企业问", "asked": "按内容问", "list": "成批取", "licence": "按证照使用"}


class Row(msgspec.Struct, frozen=True):
    """One resource of the catalogue."""

    listed: Listed
    href: str
    field_words: str
    state_words: str
    state_tag: str
    own: bool


class CataloguePage(msgspec.Struct, frozen=True):
    """What /staff/sharing/resources draws."""

    title: str
    chips: tuple[Chip, ...]
    rows: tuple[Row, ...]
    class_words: dict[str, str]
    q: str
    may_propose: bool


class ResourcePage(msgspec.Struct, frozen=True):
    """What one resource draws: its attributes, its versions, what may be done."""

    title: str
    row: Row
    answers: tuple[ui.Option, ...]
    versions: tuple[Row, ...]
    own: bool
    may_propose: bool
    may_approve: bool
    waiting: Row | None
    own_draft: bool
    own_stop: bool
    errors: Refusals = ()
    back: str = HERE
    back_label: str = "返回资源目录"


class EditPage(msgspec.Struct, frozen=True):
    """What the form of a resource draws."""

    title: str
    typed: dict[str, str]
    fixed_id: str
    classes: tuple[ui.Option, ...]
    keys: tuple[ui.Option, ...]
    errors: Refusals = ()
    back: str = HERE
    back_label: str = "返回资源目录"


def _row(node: Node, one: Listed) -> Row:
    words, tag = RESOURCE_WORDS[one.state]
    return Row(
        one, address(one.resource.id), "、".join(field.words for field in one.resource.fields), words, tag, one.resource.owner == node.id
    )


@get(HERE)
async def catalogue(request: Req, node: HereNode, actor: Asking) -> Response[bytes]:
    """资源目录: what anybody in the nation provides."""
    require_steward(actor, node)
    q = request.query_params.get("q", "").strip()[:40]
    async with node.db.reading() as tx:
        found = await whole(tx, words=q)
    page = CataloguePage(
        title="资源目录", chips=chips(HERE), rows=tuple(_row(node, one) for one in found), class_words=CLASS_WORDS, q=q,
        may_propose=may(actor, node, "propose"),
    )  # fmt: skip
    return ui.page(request, "exchange/resources.html", page)


async def _one(request: Req, node: Node, actor: Actor, resource_id: str, errors: Refusals = ()) -> Response[bytes]:
    async with node.db.reading() as tx:
        all_versions = await versions(tx, resource_id)
        now = await listed(tx, resource_id)
    shown = now or (all_versions[0] if all_versions else None)
    if shown is None:
        raise ResourceGone
    found, draft = shown.resource, next((one for one in all_versions if one.state == "draft"), None)
    told = (
        ("提供单位", found.owner_name), ("牵头采集部门", found.collector), ("内容", found.summary),
        ("数据项", "、".join(field.words for field in found.fields)), ("共享方式", CLASS_WORDS[found.sharing]),
        ("共享条件或不予共享的依据", found.sharing_reason), ("凭什么提供", found.basis), ("要本人同意吗", "要" if found.consent else "不要"),
        ("怎么问", KEYS[found.key]), ("多久更新", found.update_cycle), ("向社会开放", "开放" if found.open else "不开放"), ("网络", found.network),
        ("是不是证照", "是" if found.is_licence else "不是"), ("使用场景", "、".join(found.scenes)), ("相关事项", "、".join(found.items)),
        ("每天总次数", str(found.per_day) if found.per_day else "不限"),
    )  # fmt: skip
    page = ResourcePage(
        title=found.name,
        row=_row(node, shown),
        answers=tuple(ui.Option(value or "没有写", label) for label, value in told),
        versions=tuple(_row(node, one) for one in all_versions),
        own=found.owner == node.id,
        may_propose=may(actor, node, "propose"),
        may_approve=may(actor, node, "approve"),
        waiting=_row(node, draft) if draft else None,
        own_draft=draft is not None and draft.proposed_by == actor.staff_id,
        own_stop=shown.state == "suspended" and shown.stopped_by == actor.staff_id,
        errors=errors,
    )
    return ui.page(request, "exchange/resource.html", page, status=422 if errors else 200)


@get(HERE + "/new")
async def edit(request: Req, node: HereNode, actor: Asking) -> Response[bytes]:
    """登记资源, or its next version with `of`."""
    actor.require_may("exchange.propose", division=division(node))
    of = request.query_params.get("of", "")
    typed: dict[str, str] = {"sharing": "conditional", "key": "subject", "owner_name": node.settings.name, "network": "政务外网"}
    if of:
        async with node.db.reading() as tx:
            found = await listed(tx, of)
        if found is None or found.resource.owner != node.id:
            raise ResourceGone
        typed = _typed(found.resource)
    return _form(request, typed, of)


def _typed(one: Resource) -> dict[str, str]:
    return {
        "id": one.id.partition(".")[2], "name": one.name, "owner_name": one.owner_name, "sharing": one.sharing,
        "sharing_reason": one.sharing_reason, "basis": one.basis, "update_cycle": one.update_cycle, "key": one.key,
        "consent": "yes" if one.consent else "", "open": "yes" if one.open else "", "is_licence": "yes" if one.is_licence else "",
        "summary": one.summary, "collector": one.collector, "network": one.network, "scenes": "、".join(one.scenes),
        "items": "、".join(one.items), "per_day": str(one.per_day or ""),
        "fields": "\n".join(f"{field.name} {field.words}{' 敏感' if field.sensitive else ''}" for field in one.fields),
    }  # fmt: skip


def _form(request: Req, typed: dict[str, str], of: str, errors: Refusals = ()) -> Response[bytes]:
    page = EditPage(
        title="修改资源" if of else "登记资源", typed=typed, fixed_id=of,
        classes=tuple(ui.Option(code, words) for code, words in CLASS_WORDS.items()),
        keys=tuple(ui.Option(code, words) for code, words in KEYS.items()), errors=errors,
    )  # fmt: skip
    return ui.page(request, "exchange/resource_edit.html", page, status=422 if errors else 200)


@post(HERE + "/new")
async def keep(request: Req, node: HereNode, actor: Asking) -> Response[Any]:
    """Keep what was typed as a draft; a second person publishes it."""
    form = await ui.form(request)
    of = form["of"]
    name = of or f"{node.id}.{form['id'].strip()}"
    async with node.db.transaction() as tx:
        base = await listed(tx, of) if of else None
        made = await draft_resource(tx, node, actor, _resource(node, name, form, base), reason=form["reason"])
    if isinstance(made, tuple):
        return _form(request, {one: form[one] for one in form.names()}, of, made)
    return ui.see_other(address(name))


def _resource(node: Node, name: str, form: ui.Form, base: Listed | None) -> Resource:
    fields = []
    for line in form["fields"].splitlines():
        parts = line.split()
        if parts:
            fields.append(Field(parts[0], parts[1] if len(parts) > 1 else "", "敏感" in parts[2:]))
    return Resource(
        id=name, name=form["name"].strip(), owner=node.id, owner_name=form["owner_name"].strip() or node.settings.name,
        sharing=cast("SharingClass", form["sharing"]), basis=form["basis"].strip(), update_cycle=form["update_cycle"].strip(),
        fields=tuple(fields), key=cast("Any", form["key"] if form["key"] in KEYS else "subject"), consent=form["consent"] == "yes",
        demo=base.resource.demo if base else node.settings.demo, sharing_reason=form["sharing_reason"].strip(), summary=form["summary"].strip(),
        collector=form["collector"].strip(), open=form["open"] == "yes", network=form["network"].strip() or "政务外网",
        is_licence=form["is_licence"] == "yes", scenes=_words(form["scenes"]), items=_words(form["items"]),
        per_day=number(form["per_day"]) if form["per_day"].strip() else None,
    )  # fmt: skip


def _words(text: str) -> tuple[str, ...]:
    return tuple(one.strip() for one in text.replace("，", "、").split("、") if one.strip())


@get(HERE + "/{resource_id:str}")
async def one(request: Req, node: HereNode, actor: Asking, resource_id: Part) -> Response[bytes]:
    """One resource with its versions."""
    require_steward(actor, node)
    return await _one(request, node, actor, resource_id)


@post(HERE + "/{resource_id:str}")
async def act(request: Req, node: HereNode, actor: Asking, resource_id: Part) -> Response[Any]:
    """发布、不发布、暂停、恢复、撤销."""
    form = await ui.form(request)
    async with node.db.transaction() as tx:
        match form["act"]:
            case "publish":
                made = await publish_resource(tx, node, actor, resource_id)
            case "turn_down":
                made = await turn_down_resource(tx, node, actor, resource_id, reason=form["reason"])
            case "suspend":
                made = await suspend_resource(tx, node, actor, resource_id, reason=form["reason"])
            case "resume":
                made = await resume_resource(tx, node, actor, resource_id)
            case _:
                made = await withdraw_resource(tx, node, actor, resource_id, reason=form["reason"])
    if isinstance(made, tuple):
        return await _one(request, node, actor, resource_id, made)
    return ui.see_other(address(resource_id))


routes = [catalogue, edit, keep, one, act]
