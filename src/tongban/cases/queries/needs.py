"""What licences an item needs (事项用证): materials that a licence replaces, and answers that come from one (R-405, R-406)."""

from __future__ import annotations

from tongban import catalogue, credentials
from tongban.kernel.db import Tx


async def licences_needed(tx: Tx, task_code: str) -> credentials.Need | None:
    """Type names with the fields the item takes of each; a licence that replaces a material is needed whole. None for no such item."""
    item = await catalogue.item(tx, task_code)
    if item is None:
        return None
    needed: dict[str, frozenset[str]] = {}
    for question in item.form.fields:
        for source in question.prefill:
            if source.source == "licence" and source.resource:
                needed[source.resource] = needed.get(source.resource, frozenset()) | {source.field}
    for material in item.materials:
        for one in material.replaceable_by:
            if one.kind == "licence":
                needed[one.name] = frozenset()
    return credentials.Need(item.name, item.owner_node, needed)
