"""Legal holds 法定保留: those in force, who and what they touch."""

from __future__ import annotations

from typing import Any

from tongban.kernel.db import Tx
from tongban.kernel.holdings import Term
from tongban.kernel.node import Node
from tongban.privacy.model.closing import LegalHold
from tongban.privacy.queries.known import holdings

GROUP = "staff"


def not_held(term: Term) -> str:
    """The SQL condition that a row is under no hold; empty when its rows name neither person nor case."""
    if not term.subject and not term.case:
        return "true"
    person = f"{term.subject}::text" if term.subject else "''"
    case = f"{term.case}::text" if term.case else "''"
    return f"NOT on_hold({person}, {case})"


def hold_of(node: Node, row: Any) -> LegalHold:
    """A row as a LegalHold, its words opened."""
    one = str(row["id"])
    return LegalHold(
        id=one, subject=row["subject"], case_number=row["case_number"], basis=node.cipher.open(GROUP, "legal_hold.basis", one, row["basis"]),
        reason=node.cipher.open(GROUP, "legal_hold.reason", one, row["reason"]), until=row["until"], shown=row["shown"], division=row["division"],
        proposed_by=row["proposed_by"], approved_by=row["approved_by"], made_at=row["made_at"], ended_at=row["ended_at"],
    )  # fmt: skip


async def listed(tx: Tx, node: Node, *, most: int = 100) -> tuple[LegalHold, ...]:
    """All holds, those in force first, newest first (保留清单)."""
    rows = await tx.fetch("SELECT * FROM legal_hold ORDER BY ended_at IS NOT NULL, made_at DESC LIMIT $1", most)
    return tuple(hold_of(node, row) for row in rows)


async def one(tx: Tx, node: Node, hold_id: str, *, lock: bool = False) -> LegalHold | None:
    """One hold by its number."""
    row = await tx.fetchrow("SELECT * FROM legal_hold WHERE id = $1" + (" FOR UPDATE" if lock else ""), hold_id)
    return None if row is None else hold_of(node, row)


async def touching(tx: Tx, node: Node, subject: str) -> tuple[LegalHold, ...]:
    """The holds in force that keep something of this person here, by name or by a case of theirs (牵涉这个人的)."""
    rows = await tx.fetch("SELECT * FROM legal_hold WHERE ended_at IS NULL")
    if not rows:
        return ()
    cases = {row["case_number"] for row in rows if row["case_number"]}
    theirs = await _cases_of(tx, subject, cases) if cases else set()
    return tuple(hold_of(node, row) for row in rows if row["subject"] == subject or row["case_number"] in theirs)


async def known_case(tx: Tx, number: str) -> bool:
    """Whether some row here belongs to this case (有没有这件)."""
    for table, _, column in _with_case():
        if await tx.fetchval(f"SELECT EXISTS (SELECT FROM {table} WHERE {column}::text = $1)", number):
            return True
    return False


async def _cases_of(tx: Tx, subject: str, numbers: set[str]) -> set[str]:
    found: set[str] = set()
    for table, whose, column in _with_case():
        if whose:
            rows = await tx.fetch(
                f"SELECT DISTINCT {column}::text AS number FROM {table} WHERE {whose} = $1 AND {column}::text = ANY($2::text[])",
                subject, sorted(numbers),
            )  # fmt: skip
            found |= {row["number"] for row in rows}
    return found


def _with_case() -> list[tuple[str, str, str]]:
    """Tables whose rows belong to a case: the table, whose the rows are, the column with its number."""
    found = [(one.table, one.term.subject if one.term else "subject", one.case or (one.term.case if one.term else "")) for one in holdings()]
    return [one for one in found if one[2]]
