"""Papers 凭条: an address nobody can guess and a code of eight digits, taken along from a desk or printed before an account closes.

Both tables of pages have the same columns. Five wrong codes an hour a page; an address nobody was given gets the same answer.
"""

from __future__ import annotations

import hmac
import secrets
from base64 import b32encode
from datetime import datetime, timedelta
from typing import Literal

from tongban.kernel.actor import Actor
from tongban.kernel.db import Tx
from tongban.kernel.node import Node
from tongban.privacy.actions import asking
from tongban.privacy.actions.pieces import drop_pieces
from tongban.privacy.model.closing import Paper
from tongban.privacy.queries import closing as queries
from tongban.privacy.rules.limits import COPIES
from tongban.privacy.rules.times import times

Table = Literal["closing_page", "copy_page"]


async def make(tx: Tx, node: Node, table: Table, page: str, *, until: datetime) -> Paper:
    """A new paper for this page (给一张凭条); only hashes of it are kept."""
    paper = Paper(link=b32encode(secrets.token_bytes(20)).decode().lower(), code=f"{secrets.randbelow(10**8):08d}")
    await tx.execute(
        f"INSERT INTO {table} (id, link_hash, code_hash, made_at, until) VALUES ($1, $2, $3, $4, $5)",
        page, queries.link_hash(paper.link), queries.code_hash(node, page, paper.code), node.clock.now(), until,
    )  # fmt: skip
    return paper


async def opened(tx: Tx, node: Node, table: Table, link: str, code: str) -> str | None:
    """The number of the page that this address and code open 看凭条; None when they do not. Commit also then: the try counts."""
    row = await tx.fetchrow(f"SELECT * FROM {table} WHERE link_hash = $1 AND until > $2 FOR UPDATE", queries.link_hash(link), node.clock.now())
    if row is None:
        return None
    page, now = str(row["id"]), node.clock.now()
    running = row["wrong_at"] is not None and row["wrong_at"] > now - timedelta(hours=1)
    if running and row["wrong"] >= times().closing.tries_an_hour:
        return None
    if hmac.compare_digest(row["code_hash"], queries.code_hash(node, page, "".join(one for one in code if one.isdigit()))):
        return page
    await tx.execute(
        f"UPDATE {table} SET wrong = $2, wrong_at = $3 WHERE id = $1", row["id"], row["wrong"] + 1 if running else 1, row["wrong_at"] if running else now
    )
    return None


async def copy_for(tx: Tx, node: Node, whose: Actor) -> tuple[str, Paper] | str:
    """Ask for a whole copy of this person, with the paper that opens it later (要副本，给凭条); why not, when it is too often.

    A second paper for a copy that is still being gathered ends the first. Raises CopyElsewhere.
    """
    made = await asking.ask(tx, node, whose, whole=True)
    if isinstance(made, tuple):
        return made[0].sentence
    await tx.execute("DELETE FROM copy_page WHERE id = $1", made.id)
    until = node.clock.now() + timedelta(hours=COPIES.longest_hours + COPIES.link_hours)
    return made.id, await make(tx, node, "copy_page", made.id, until=until)


async def take_back(tx: Tx, subject: str) -> None:
    """Whoever was taken for dead is alive: no copy that was asked for meanwhile is fetched any more, papers or not (收回凭条)."""
    for row in await tx.fetch(
        "UPDATE copy_request SET state = 'stopped', word = NULL WHERE subject = $1 AND state IN ('gathering', 'ready') RETURNING id", subject
    ):
        await tx.execute("DELETE FROM copy_page WHERE id = $1", row["id"])
        await drop_pieces(tx, subject, str(row["id"]))


async def bearer(tx: Tx, node: Node, copy: str) -> Actor | None:
    """Whoever holds the paper of this copy, as the one it is about 持凭条的人: at the level the copy was asked at, for this copy alone."""
    subject: str | None = await tx.fetchval("SELECT subject FROM copy_request WHERE id = $1", copy)
    return None if subject is None else Actor(kind="citizen", subject=subject, acr=asking.WHOLE, home=node.id)
