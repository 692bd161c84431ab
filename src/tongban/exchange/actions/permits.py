"""Permits 用证许可: what a service of a room above gives away is counted on a grant of its resource, like any other call (R-401, T-28, T-29).

Resources with the key `licence` are not asked by `exchange.get`: the services of the licences answer for them, and ask here first.
"""

from __future__ import annotations

from tongban.exchange.actions.spend import spend
from tongban.exchange.model import Permitted, Refused
from tongban.exchange.queries import listed
from tongban.exchange.rules import granted, known
from tongban.kernel.node import Node


async def permitted(node: Node, caller: str, *, resource: str, purpose: str, fields: tuple[str, ...]) -> Permitted | Refused:
    """Count one use of a resource of ours and say which of the fields it may see (计一次用证), or why none.

    `Refused.reason`: `not_found` nobody registered the resource, `stopped`, `no_grant`, `quota`. A use that is then not
    answered stays counted. This node itself needs no grant. No transaction may be open.
    """
    if caller == node.id:
        return Permitted(fields, None)
    async with node.db.reading() as tx:
        held = await listed(tx, resource)
    if held is None or held.resource.owner != node.id or held.resource.key != "licence" or (held.resource.demo and not node.settings.demo):
        return Refused(403, "no_grant", ("not_found",))
    if held.state != "active":
        return Refused(403, "no_grant", ("stopped",))
    if held.resource.sharing == "refused":
        return Refused(403, "no_grant")
    grant = await spend(node, resource=resource, caller=caller, purpose=purpose, per_day=held.resource.per_day)
    if isinstance(grant, Refused):
        return grant
    given = granted(grant, known(held.resource, fields))
    return Permitted(given, grant.id) if given else Refused(403, "no_grant")
