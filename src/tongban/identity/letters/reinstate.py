"""Own letters of identity that come home after a restore 恢复后补回的身份事实 (federation.md 6.2): mandates, and accounts that moved.

What ended stays ended, what was given is there again, and an account that has another home by now is not opened here a second time.
"""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from tongban import federation
from tongban.identity.actions import acting, mandates, mandates_moving, move
from tongban.identity.queries import mandates as queries
from tongban.kernel.db import Tx
from tongban.kernel.gm import Personal
from tongban.kernel.ids import is_uuid
from tongban.kernel.node import Node


async def _found(tx: Tx, node: Node, letter: federation.Letter) -> Any:
    key = str(letter.body.get("id", ""))
    return await queries.by_id(tx, node, key, lock=True) if is_uuid(key) else None


async def offered(tx: Tx, node: Node, letter: federation.Letter) -> None:
    """`mandate.offered`: what was given here; the acceptance is the other node's letter and is read again."""
    if await _found(tx, node, letter) is None:
        await _given_again(tx, node, letter)


async def _given_again(tx: Tx, node: Node, letter: federation.Letter) -> None:
    """Our own `mandate.offered` after a restore: the mandate is there again as it was given 补回给出的授权."""
    body = letter.body
    await mandates.put(tx, node, {
        **{name: str(body[name]) for name in ("id", "grantor", "agent", "basis", "set_name", "granted_by_subject", "granted_staff", "state")},
        "items": tuple(body["items"]), "acts": tuple(body["acts"]), "set_version": int(body["set_version"]), "granted_acr": int(body["granted_acr"]),
        **{name: _at(body[name]) for name in ("from_at", "until_at", "offered_until")}, "wait_until": _at(body["wait_until"]) if body["wait_until"] else None,
        **{name: Personal(str(body[name])) for name in ("grantor_name", "agent_name")}, "granted_node": node.id, "agent_node": letter.to,
    })  # fmt: skip


def _at(ms: Any) -> datetime:
    return datetime.fromtimestamp(int(ms) / 1000, UTC)


async def accepted(tx: Tx, node: Node, letter: federation.Letter) -> None:
    """`mandate.accepted`: our person took it."""
    found = await _found(tx, node, letter)
    if found is not None and found.state == "offered":
        await mandates.accepted(tx, node, found)


async def over(tx: Tx, node: Node, letter: federation.Letter) -> None:
    """`mandate.over`: ended here; nobody may act under it again."""
    found = await _found(tx, node, letter)
    if found is not None:
        state = "refused" if letter.body.get("state") == "refused" else "stopped"
        await acting.end(tx, node, found.id, state, str(letter.body.get("why", "grantor"))[:20])


async def moved(tx: Tx, node: Node, letter: federation.Letter) -> None:
    """`account.moved` to the new home: the account left; the other letters of the same move only told it."""
    subject, to = letter.body.get("subject"), letter.body.get("to")
    if "release" in letter.body and isinstance(subject, str) and isinstance(to, str) and letter.to == to:
        await move.left_again(tx, node, str(letter.body.get("id", "")), subject, to)


# sent again as they are: who heard them knows them by their id, and there is nothing to put back here
REINSTATE: dict[tuple[str, int], Any] = {
    ("mandate.offered", 1): offered,
    ("mandate.accepted", 1): accepted,
    ("mandate.over", 1): over,
    ("mandate.gone", 1): None,
    ("mandate.acted", 1): None,
    ("account.moved", 1): moved,
    ("account.opened", 1): None,
    ("account.move_stopped", 1): None,
    (mandates_moving.KIND, 1): None,
    ("session.ended", 1): None,
    ("session.left", 1): None,
}
