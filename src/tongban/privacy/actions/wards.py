"""Whose rights are used 替谁: oneself, or a child whose guardian asks (identity.md 2; 个人信息保护法 31 [K]).

A child with an account is asked about at its home, is told of everything and can stop it; a child under 14 without one is asked
about at the guardian's home, and every node asks the register whether that is the guardian (T-32, T-88).
"""

from __future__ import annotations

from tongban import identity
from tongban.kernel.actor import Actor
from tongban.kernel.db import Tx
from tongban.kernel.errors import SelfOnly
from tongban.kernel.node import Node
from tongban.privacy.errors import ChildElsewhere, CopyElsewhere

LEVEL = 3


def acts_as_guardian(actor: Actor) -> bool:
    """Whether this is somebody who acts for a child by law 监护人."""
    return bool(actor.for_subject) and actor.basis == "guardian"


def asker(actor: Actor) -> str:
    """The guardian who asks; empty for who asks for oneself."""
    return actor.subject if actor.for_subject else ""


async def whose(tx: Tx, node: Node, actor: Actor, what: str) -> str:
    """The subject whose rights are used here 替谁办. Raises SelfOnly for an agent, CopyElsewhere, ChildElsewhere, and as `identity.child_of`."""
    if not actor.for_subject:
        if actor.home not in {"", node.id}:
            raise CopyElsewhere
        return actor.subject
    if not acts_as_guardian(actor):
        raise SelfOnly(what)
    child = await identity.child_of(tx, node, actor, what)
    if (child.home or actor.home) not in {"", node.id}:
        raise ChildElsewhere
    if not child.home and not child.alone:
        raise SelfOnly(what)  # 14 and more, without an account: the child opens one and asks
    return child.subject
