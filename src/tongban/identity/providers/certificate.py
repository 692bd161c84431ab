"""Staff certificates 工作证书 on a UKey or a co-signing app: chain and status checked by the provider."""

from __future__ import annotations

from typing import Protocol

from tongban.identity.model import StaffMember
from tongban.identity.queries import staff
from tongban.kernel.db import Tx
from tongban.kernel.node import Node


class Certificates(Protocol):
    """Who says which member of staff a presented certificate belongs to."""

    async def holder(self, tx: Tx, node: Node, presented: str) -> StaffMember | None:
        """The holder of a presented, checked certificate; None when it is unknown, revoked or run out."""
        ...


class DemoCertificates:
    """The demo's UKey 演示 UKey: the staff number stands for the certificate; only invented staff have one."""

    async def holder(self, tx: Tx, node: Node, presented: str) -> StaffMember | None:
        member = await staff.staff_by_number(tx, node, presented)
        return member if member is not None and member.demo else None
