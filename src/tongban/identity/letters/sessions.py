"""Sessions between nodes 会话的信件和调用: session.ended, session.left; identity.jwks, identity.end, identity.session."""

from __future__ import annotations

from typing import Any

from tongban import federation
from tongban.identity.actions import ending, keys, sessions
from tongban.identity.letters.words import Calls, Letters, text
from tongban.identity.queries.sessions import alive, by_id
from tongban.kernel.db import Tx
from tongban.kernel.node import Node


async def session_ended(tx: Tx, node: Node, letter: federation.Letter) -> None:
    """A home says that a session ended 退出的准信. Only sessions of the letter's own origin can end by it (T-32)."""
    sid = letter.body.get("sid")
    if isinstance(sid, str):
        await ending.ended_at(tx, node, letter.origin, sid, "logout_elsewhere")


async def session_left(tx: Tx, node: Node, letter: federation.Letter) -> None:
    """A visited node says that its person left 对方节点说已退出, for a home that was away when it called. Only a node the session visited may (T-32)."""
    sid = letter.body.get("sid")
    if isinstance(sid, str):
        await ending.end_for(tx, node, letter.origin, sid)


async def jwks(node: Node, _caller: str, _body: dict[str, Any]) -> dict[str, Any]:
    """Call `identity.jwks` 取公钥: this node's token keys, over the signed channel."""
    async with node.db.transaction() as tx:
        return await keys.jwks(tx, node)


async def end(node: Node, caller: str, body: dict[str, Any]) -> dict[str, Any]:
    """Call `identity.end` at the home 对方已退出: ends the session the caller was visited from."""
    async with node.db.transaction() as tx:
        known = await ending.end_for(tx, node, caller, text(body, "sid"))
    if not known:
        raise federation.CallRefused(404, "not_found")
    node.bell.ring(sessions.BELL)
    return {"ended": True}


async def session(node: Node, caller: str, body: dict[str, Any]) -> dict[str, Any]:
    """Call `identity.session` at the home 会话还在吗: only to a node the session visited; no word about the person."""
    async with node.db.reading() as tx:
        found = await by_id(tx, text(body, "sid"))
    if found is None or caller not in found.visited:
        raise federation.CallRefused(404, "not_found")
    return {"alive": alive(found, node.clock.now())}


LETTERS: Letters = {("session.ended", 1): session_ended, ("session.left", 1): session_left}
CALLS: Calls = {"identity.jwks": jwks, "identity.end": end, "identity.session": session}
