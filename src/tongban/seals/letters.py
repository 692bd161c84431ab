"""Letters about seals 印章信件: every node tells its root of seal makers and its revoked seals."""

from __future__ import annotations

from datetime import UTC, datetime

from tongban import federation
from tongban.kernel.db import Tx
from tongban.kernel.node import Node
from tongban.seals import actions


async def anchor(tx: Tx, node: Node, letter: federation.Letter) -> None:
    """`seals.anchor` 1: root certificates and revoked seals of the origin."""
    if letter.origin != node.id:
        await actions.learn(tx, letter.origin, datetime.fromtimestamp(letter.at / 1000, UTC), letter.body)


LETTERS = {("seals.anchor", 1): anchor}


async def anchor_came_home(tx: Tx, node: Node, letter: federation.Letter) -> None:
    """Our own `seals.anchor` after a restore: seals that were ended or suspended since the backup are so again."""
    await actions.told_again(tx, node, datetime.fromtimestamp(letter.at / 1000, UTC), letter.body)


REINSTATE = {("seals.anchor", 1): anchor_came_home}
