"""Grants for licences 用证授权: another node's licences are used under a grant of the node that issued them (R-401, T-28, T-29).

The item must need the licence as well (`share.permit`): a grant says who may use which types at all, the need what this case may.
Who asks this node itself needs no grant. Looking whether a licence or a file is genuine needs none either: recognising
each other's licences (R-403) is for everybody, and tells a state and nothing that stands on them.
"""

from __future__ import annotations

from tongban import exchange
from tongban.credentials.model import CredentialType
from tongban.credentials.model.sharing import UseAsked
from tongban.credentials.queries import credentials as queries
from tongban.credentials.queries.types import type_named, type_of
from tongban.credentials.rules import resources
from tongban.kernel.actor import Actor
from tongban.kernel.db import Tx
from tongban.kernel.errors import Refusals
from tongban.kernel.ids import is_uuid
from tongban.kernel.node import Node

Allowed = exchange.Permitted | exchange.Refused


async def to_search(node: Node, caller: str) -> Allowed:
    """Whether this caller may ask which licences a holder has here (检索授权); counts it. No transaction may be open."""
    return await exchange.permitted(
        node, caller, resource=resources.search_id(node.id), purpose=exchange.LICENCE_USE, fields=(resources.HELD,)
    )


async def to_read(node: Node, caller: str, asked: UseAsked, *, by_holder: bool) -> Allowed | None:
    """Which fields of the type asked for this caller may have (数据授权), by their keys; None when it is no type of licence."""
    kind = await _kind(node, asked, by_holder=by_holder)
    if kind is None:
        return None
    wanted = tuple(one.key for one in kind.fields if not one.derive and (not asked.fields or one.name in asked.fields))
    return await _of(node, caller, kind, wanted)


async def to_copy(node: Node, caller: str, asked: UseAsked, *, by_holder: bool) -> Allowed | None:
    """As `to_read`, for a copy of the whole document (文件授权)."""
    kind = await _kind(node, asked, by_holder=by_holder)
    return None if kind is None else await _of(node, caller, kind, (resources.COPY,))


async def _of(node: Node, caller: str, kind: CredentialType, fields: tuple[str, ...]) -> Allowed:
    return await exchange.permitted(node, caller, resource=resources.resource_id(node.id, kind), purpose=exchange.LICENCE_USE, fields=fields)


async def _kind(node: Node, asked: UseAsked, *, by_holder: bool) -> CredentialType | None:
    if by_holder:
        return type_named(node, asked.types[0]) if asked.types else None
    if not is_uuid(asked.credential):
        return None
    async with node.db.reading() as tx:
        found = await queries.issued_here(tx, node, asked.credential)
    return type_of(node, found.type_code) if found else None


async def offer_type(tx: Tx, node: Node, actor: Actor, kind: CredentialType) -> exchange.Listed | Refusals:
    """Draft the resource of a type this node issues, as its template is now (登记证照资源); a second person publishes it at 资源目录."""
    return await exchange.draft_resource(tx, node, actor, resources.type_resource(kind, node.id, node.settings.name, demo=node.settings.demo))


async def offer_search(tx: Tx, node: Node, actor: Actor) -> exchange.Listed | Refusals:
    """As `offer_type`, for asking which licences a holder has here (登记证照检索)."""
    return await exchange.draft_resource(tx, node, actor, resources.search_resource(node.id, node.settings.name, demo=node.settings.demo))


async def offered(tx: Tx, node: Node, kind: CredentialType | None) -> exchange.Listed | None:
    """What the catalogue has of a type of this node, or with None of its search (登记了没有); a draft does not count."""
    return await exchange.listed(tx, resources.resource_id(node.id, kind) if kind else resources.search_id(node.id))
