"""Materials of a dispute 纠错材料: kept by the room `evidence`, which stands above identity and plugs in here.

`evidence` calls `use_evidence` when it is loaded; until then a dispute goes without files, and says so.
"""

from __future__ import annotations

from typing import Any, Protocol

import msgspec

from tongban.kernel.actor import Actor
from tongban.kernel.db import Tx
from tongban.kernel.errors import Refusals
from tongban.kernel.node import Node


class Carried(msgspec.Struct, frozen=True):
    """A material as the desk lists it 一份材料: its id, name in words and size; `held` when its content has come."""

    id: str
    name: str
    media_type: str
    held: bool


class EvidenceRoom(Protocol):
    """Where files are kept 材料的去处."""

    async def keep(self, tx: Tx, node: Node, actor: Actor, upload: Any, field: str) -> str | Refusals:
        """Check and keep an upload of this person; its id, or what is wrong with it."""
        ...

    async def send(self, tx: Tx, node: Node, subject: str, material: str, *, used_in: str, to: str) -> dict[str, Any]:
        """A kept material as a letter to `to` carries it: by digest and key."""
        ...

    async def receive(self, tx: Tx, node: Node, subject: str, carried: dict[str, Any], *, used_in: str, origin: str) -> None:
        """Take a material that came in a letter from `origin`; its content follows by call."""
        ...

    async def listed(self, tx: Tx, node: Node, subject: str, materials: tuple[str, ...]) -> tuple[Carried, ...]:
        """These materials of a person, those that are gone left out."""
        ...

    async def content(self, tx: Tx, node: Node, subject: str, material: str) -> tuple[str, str, bytes]:
        """Name, media type and plain content of one material, for one answer."""
        ...


_room: list[EvidenceRoom] = []


def use_evidence(room: EvidenceRoom) -> None:
    """Plug in the room that keeps files 接上材料库; the last one counts."""
    _room[:] = [room]


def evidence_room() -> EvidenceRoom | None:
    """The room that keeps files, None where it was not loaded."""
    return _room[0] if _room else None
