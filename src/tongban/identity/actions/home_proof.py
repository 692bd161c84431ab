"""Who is the home of a person 谁是归属地: shown by the home, checked by whoever is asked for something only a home may have.

The proof is the register's home statement (identity.md 1), so neither the hub nor the caller is taken at its word (T-22).
"""

from __future__ import annotations

from datetime import datetime
from typing import Any

from tongban import federation
from tongban.identity import tokens
from tongban.identity.actions import keys, subjects
from tongban.identity.actions.register import state_home
from tongban.identity.errors import TokenRefused
from tongban.identity.queries.persons import home_of
from tongban.identity.queries.register import register_home
from tongban.identity.rules import home as rules
from tongban.kernel.log import log
from tongban.kernel.node import Node


async def home_proof(node: Node, subject: str) -> str:
    """The register's statement that this node is the home of `subject`, empty when there is none (账号所在地证明)."""
    async with node.db.reading() as tx:
        return await subjects.statement_of(tx, node, subject) or ""


async def is_home(node: Node, subject: str, home: str, proof: str = "") -> bool:
    """Whether `home` is the home of this person (是不是归属地): by the register itself, by what was proven when the person
    came here, or by the statement that is shown. No transaction may be open: keys of the register may be fetched.
    """
    async with node.db.reading() as tx:
        if node.id == rules.REGISTER_NODE:
            return await register_home(tx, subject) == home
        if await home_of(tx, subject) == home:
            return True
    if not proof or len(proof) > 4000:
        return False
    register = rules.REGISTER_NODE
    try:
        words = tokens.read(proof, await keys.keys_of(node, register, proof), typ=rules.STATEMENT_TYP)
        rules.judge_statement(words, subject=subject, home=home, register=register, now=node.clock.now())
    except TokenRefused:
        return False
    return True


async def turn(node: Node, caller: str, body: dict[str, Any]) -> dict[str, Any]:
    """Turn the home of a person on both signatures 变更账号所在地 (identity.md 6.6), at the register's node.

    The old home releases, the new home accepts; asked again by the node that is home already, a fresh statement is the answer:
    the same move twice has one effect. Raises CallRefused 403 `no_grant`. No transaction may be open.
    """
    subject = str(body.get("subject", ""))
    async with node.db.reading() as tx:
        row = await tx.fetchrow("SELECT home, home_since FROM register_entry WHERE subject = $1", subject)
    if row is None or row["home"] is None:
        raise federation.CallRefused(404, "not_found")
    try:
        await _judge_turn(node, caller, subject, row["home"], row["home_since"], body)
    except TokenRefused as error:
        log("identity.move_not_believed", peer=caller, reason=error.why)
        raise federation.CallRefused(403, "no_grant") from None
    async with node.db.transaction() as tx:
        return {"v": 1, "home": caller, "statement": await state_home(tx, node, subject, before=row["home"], home=caller)}


async def _judge_turn(node: Node, caller: str, subject: str, home: str, since: datetime, body: dict[str, Any]) -> None:
    """Both signatures, about this person and this move; a release from before the account came to its home is void."""
    release, accept, now = str(body.get("release", "")), str(body.get("accept", "")), node.clock.now()
    said = tokens.read(accept, await keys.keys_of(node, caller, accept), typ=rules.ACCEPT_TYP)
    rules.judge_release(said, subject=subject, issuer=caller, to=caller, now=now)
    if home == caller:
        return
    given = tokens.read(release, await keys.keys_of(node, home, release), typ=rules.RELEASE_TYP)
    rules.judge_release(given, subject=subject, issuer=home, to=caller, now=now)
    if given.get("move") != said.get("move"):
        raise TokenRefused("two moves")
    if tokens.number(given, "iat") < int(since.timestamp()):
        raise TokenRefused("released before the account came home")
