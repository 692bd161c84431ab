"""Materials of a dispute 纠错材料 (R-304): this room behind identity's Protocol, since identity stands below."""

from __future__ import annotations

from typing import Any

import msgspec

from tongban import identity
from tongban.evidence import actions, queries
from tongban.evidence.model import Travelling
from tongban.kernel.actor import Actor
from tongban.kernel.db import Tx
from tongban.kernel.errors import Refusals
from tongban.kernel.node import Node

KIND = "dispute"


class DisputeMaterials:
    """What identity asks of this room when a person disputes an attribute (纠错材料)."""

    async def keep(self, tx: Tx, node: Node, actor: Actor, upload: Any, field: str) -> str | Refusals:
        """The id of a kept upload, or what is wrong with it, in words beside `field`."""
        kept = await actions.store(tx, node, actor, upload, kind=KIND, field=field)
        return kept if isinstance(kept, tuple) else kept.id

    async def send(self, tx: Tx, node: Node, subject: str, material: str, *, used_in: str, to: str) -> dict[str, Any]:
        """A material as a letter carries it; MaterialUnknown for another person's."""
        carried: dict[str, Any] = msgspec.to_builtins(await actions.travel(tx, node, subject, material, used_in=used_in, to=to))
        return carried

    async def receive(self, tx: Tx, node: Node, subject: str, carried: dict[str, Any], *, used_in: str, origin: str) -> None:
        """The row now, the content by call from `origin` and from nowhere else (T-32). ValueError for a wrong shape."""
        told = msgspec.structs.replace(msgspec.convert(carried, Travelling), origin_node=origin)
        await actions.arrive(tx, node, subject, told, used_in=used_in)

    async def listed(self, tx: Tx, node: Node, subject: str, materials: tuple[str, ...]) -> tuple[identity.Carried, ...]:
        """These materials of a person, in the order given."""
        found = [await queries.material(tx, node, subject, one) for one in materials]
        return tuple(
            identity.Carried(id=one.id, name=f"{one.name.reveal()}（{one.type_words}，{one.size_words}）", media_type=one.media_type, held=one.held)
            for one in found if one is not None
        )  # fmt: skip

    async def content(self, tx: Tx, node: Node, subject: str, material: str) -> tuple[str, str, bytes]:
        """Name, type and content. Raises MaterialUnknown, ContentAway."""
        opened = await queries.read(tx, node, subject, material)
        return opened.material.name.reveal(), opened.material.media_type, opened.content
