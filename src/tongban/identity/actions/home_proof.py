"""Who is the home of a person 谁是归属地: shown by the home, checked by whoever is asked for something only a home may have.

The proof is the register's home statement (identity.md 1), so neither the hub nor the caller is taken at its word (T-22).
"""

from __future__ import annotations

from tongban.identity import tokens
from tongban.identity.actions import keys, subjects
from tongban.identity.errors import TokenRefused
from tongban.identity.queries.persons import home_of
from tongban.identity.queries.register import register_home
from tongban.identity.rules import home as rules
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
