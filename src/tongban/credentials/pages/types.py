"""证照类型和状态清单: every type with how sure we are of it, one template, and the lists this node holds with their age."""

from __future__ import annotations

from datetime import datetime
from typing import Any

import msgspec
from litestar import Request, get, post
from litestar.di import NamedDependency
from litestar.params import FromPath
from litestar.response import Response

from tongban import federation, identity, ui
from tongban.credentials.actions import granted
from tongban.credentials.errors import OfferRefused
from tongban.credentials.model import CredentialType
from tongban.credentials.queries import lists
from tongban.credentials.queries.types import listed, type_of, types
from tongban.credentials.rules import record, templates
from tongban.kernel.actor import Actor
from tongban.kernel.errors import NotFound
from tongban.kernel.node import Node

SEE = "credentials.types"
OFFER = "exchange.propose"
SEARCH = "search"
CODES = {
    "sourced": ("多处来源一致", "ok"), "single_source": ("一处来源，待确认", "warn"), "inferred": ("推断，待确认", "warn"),
    "demo": ("没找到，用演示代码", "mute"),
}  # fmt: skip
FIELDS = {"yes": ("核对过", "ok"), "partly": ("部分核对过", "warn"), "no": ("没核对过", "mute")}
HOLDERS = {"natural": "个人", "legal": "单位", "both": "个人或单位"}
KINDS = {"text": "文字", "name": "姓名或名称", "date": "日期", "number": "号码", "long_text": "长文字", "money": "金额", "code": "代码"}
RULES = {"long_term": "长期", "days": "{days} 天", "years": "{years} 年", "age": "按年龄", "field": "按“{field}”"}


class Count(msgspec.Struct, frozen=True):
    """A number with its word (一个数)."""

    label: str
    value: str


class TypeRow(msgspec.Struct, frozen=True):
    """One type in the list (一种证照)."""

    code: str
    name: str
    department: str
    holder: str
    template: str
    code_words: str
    code_kind: str
    field_words: str
    field_kind: str


class TypesPage(msgspec.Struct, frozen=True):
    """What /staff/licence-types draws."""

    title: str
    rows: tuple[TypeRow, ...]
    counts: tuple[Count, ...]
    only_own: bool
    may_offer: bool
    offered: bool
    back: str = "/staff/credentials"


class FieldRow(msgspec.Struct, frozen=True):
    """One field of a template (一个照面要素)."""

    name: str
    kind: str
    required: str
    masked: str


class TypePage(msgspec.Struct, frozen=True):
    """What /staff/licence-types/{code} draws: the whole template, with its marks."""

    title: str
    row: TypeRow
    kind: CredentialType
    facts: tuple[tuple[str, str], ...]
    fields: tuple[FieldRow, ...]
    acts: tuple[tuple[str, str], ...]
    sets: tuple[tuple[str, str], ...]
    may_offer: bool
    offered: bool
    back: str = "/staff/licence-types"


class ListRow(msgspec.Struct, frozen=True):
    """One status list held here (一份清单)."""

    issuer: str
    list_no: int
    period: str
    at: datetime
    age: str
    fresh: bool
    exceptions: int
    cards: int
    past: int


class ListsPage(msgspec.Struct, frozen=True):
    """What /staff/status-lists draws."""

    title: str
    rows: tuple[ListRow, ...]
    hours: int
    back: str = "/staff/credentials"


def _must(actor: Actor) -> None:
    if not identity.scopes(actor, SEE):
        actor.require_may(SEE, division="000000")


def _must_see(actor: Actor) -> None:
    """Types are also for those who offer them to other nodes."""
    if not identity.scopes(actor, OFFER):
        _must(actor)


def _row(kind: CredentialType) -> TypeRow:
    code, code_kind = CODES[kind.code_status]
    words, field_kind = FIELDS[kind.attributes.verified]
    return TypeRow(
        kind.code, kind.name, kind.defined_by, HOLDERS[kind.holder], "专门" if kind.template == "own" else "通用", code, code_kind, words,
        field_kind,
    )  # fmt: skip


@get("/staff/licence-types")
async def all_types(
    request: Request[Any, Any, Any], node: NamedDependency[Node], actor: NamedDependency[Actor]
) -> Response[Any]:
    """证照类型: all rows of the list, in its order, and the types beside it; what nobody checked says so."""
    _must_see(actor)
    only_own = request.query_params.get("show") == "own"
    order = {row.name: at for at, row in enumerate(listed(node))}
    found = sorted(types(node), key=lambda one: (order.get(one.name, len(order)), one.name))
    counts = (
        Count("种类", str(len(found))), Count("有专门模板", str(sum(one.template == "own" for one in found))),
        Count("代码有来源", str(sum(one.code_status != "demo" for one in found))),
        Count("可以当官方内容", str(sum(one.official for one in found))),
    )  # fmt: skip
    rows = tuple(_row(one) for one in found if not only_own or one.template == "own")
    return ui.page(request, "credentials/types.html", TypesPage("证照类型", rows, counts, only_own, bool(identity.scopes(actor, OFFER)), await _offered(node, None)))


@get("/staff/licence-types/{code:str}")
async def one_type(
    request: Request[Any, Any, Any], node: NamedDependency[Node], actor: NamedDependency[Actor], code: FromPath[str]
) -> Response[Any]:
    """一种证照: its fields, validity, paper, acts and what may be shown."""
    _must_see(actor)
    kind = type_of(node, code)
    if kind is None:
        raise NotFound("没有这种证照")
    rule = kind.validity
    field = kind.field(rule.field)
    words = RULES[rule.kind].format(days=rule.days, years=rule.years, field=field.name if field else "")
    if rule.kind == "age":
        words += "：" + "，".join(
            f"{f'{one.below} 周岁以下' if one.below else '其他'} {f'{one.years} 年' if one.years else '长期'}" for one in rule.bands
        )
    facts = (
        ("类型代码", kind.code), ("定义机构", kind.defined_by), ("持证主体", HOLDERS[kind.holder]), ("说明", kind.words),
        ("有效期", f"{words}（{FIELDS[rule.verified][0]}）"), ("照面要素的依据", kind.attributes.source), ("来源", kind.source),
        ("哪里的登记库知道", "、".join(federation.name_of(node, one) for one in kind.gathered_from) or "办件发证"),
    )  # fmt: skip
    acts = tuple(
        (known[0].words, (known[1].basis or "依据由经办人写明") + ("，要两个人" if known[0].four_eyes else ""))
        for name in templates.acts()
        if name != "expire" and (known := templates.act_of(kind, name)) is not None
    )
    fields = tuple(
        FieldRow(one.name, KINDS[one.kind], "派生" if one.derive else "必填" if one.required else "选填", "是" if one.personal else "否")
        for one in kind.fields
    )
    sets = tuple((one.name, "、".join(shown.name for key in one.fields if (shown := kind.field(key)))) for one in kind.disclosures)
    page = TypePage(kind.name, _row(kind), kind, facts, fields, acts, sets, bool(identity.scopes(actor, OFFER)), await _offered(node, kind))
    return ui.page(request, "credentials/type.html", page)


async def _offered(node: Node, kind: CredentialType | None) -> bool:
    async with node.db.reading() as tx:
        return await granted.offered(tx, node, kind) is not None


@post("/staff/licence-types/{code:str}")
async def offer(
    request: Request[Any, Any, Any], node: NamedDependency[Node], actor: NamedDependency[Actor], code: FromPath[str]
) -> Response[Any]:
    """登记共享: this type, or with `search` the search for licences, becomes a draft in the catalogue of resources."""
    actor.require_staff()
    await ui.form(request)
    kind = type_of(node, code)
    if kind is None and code != SEARCH:
        raise NotFound("没有这种证照")
    async with node.db.transaction() as tx:
        made = await (granted.offer_type(tx, node, actor, kind) if kind else granted.offer_search(tx, node, actor))
    if isinstance(made, tuple):
        raise OfferRefused(made[0].sentence)
    return ui.see_other(f"/staff/sharing/resources/{made.resource.id}")


@get("/staff/status-lists")
async def status_lists(
    request: Request[Any, Any, Any], node: NamedDependency[Node], actor: NamedDependency[Actor]
) -> Response[Any]:
    """状态清单: whose, of which quarter, how old; one older than 24 hours confirms nothing any more (D-14)."""
    _must(actor)
    async with node.db.reading() as tx:
        found = await lists.held(tx, node.id)
    now = node.clock.now()
    rows = tuple(
        ListRow(
            federation.name_of(node, one.issuer), one.list_no, one.period, one.at, _age(int((now - one.at).total_seconds())),
            (now - one.at).total_seconds() <= record.LIST_HOURS * 3600, one.exceptions, one.cards, one.past,
        )
        for one in found
    )  # fmt: skip
    return ui.page(request, "credentials/status_lists.html", ListsPage("状态清单", rows, record.LIST_HOURS))


def _age(seconds: int) -> str:
    if seconds < 3600:
        return f"{max(0, seconds) // 60} 分钟前"
    return f"{seconds // 3600} 小时前" if seconds < 48 * 3600 else f"{seconds // 86400} 天前"


routes = [all_types, one_type, offer, status_lists]
