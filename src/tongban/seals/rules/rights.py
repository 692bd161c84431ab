"""Who may do what with the seals of a department (印章的权限): an officer's assignment against this node's area (T-61)."""

from __future__ import annotations

from tongban.kernel.actor import Actor
from tongban.kernel.node import Node


def area(node: Node) -> str:
    """The division this node's seals lie in, six digits (本节点区划)."""
    return (node.settings.divisions[0] if node.settings.divisions else "").ljust(6, "0")


def allowed_for(node: Node, actor: Actor, action: str, org: str) -> bool:
    """Whether the officer may do the action with a seal of that department (是否有权)."""
    return actor.may(action, division=area(node), org=org)


def require_for(node: Node, actor: Actor, action: str, org: str) -> None:
    """As `allowed_for`, else NotAllowed or StaffNeeded (要求有权)."""
    actor.require_may(action, division=area(node), org=org)
