"""What this process remembers of clients 应用簿: read once, and believed only as long as the row is the same.

A registered client is remembered with the version of its row, and each statement that acts for it asks whether the row is
still that one (`SAME`): a suspended client gets nothing from the transaction on that suspended it, and no bell is needed
(T-25). A change of its keys touches the row. Nodes come from the directory, which the federation keeps fresh.
"""

from __future__ import annotations

from typing import Any
from weakref import WeakKeyDictionary

import msgspec

from tongban import federation
from tongban.identity.queries.clients import node_client
from tongban.identity.rules import clients as rules
from tongban.identity.rules.clients import Client, client_of
from tongban.kernel.node import Node
from tongban.kernel.parts import Parts

_MOST = 2000


class Known(msgspec.Struct, frozen=True):
    """A client as remembered 记得的应用: with its public keys in force, and the version of the row, empty for a node."""

    client: Client
    keys: tuple[dict[str, Any], ...] = ()
    version: str = ""


class Turned(Exception):
    """The row of a client is another one by now: judge the request again with what it says today."""


_books: WeakKeyDictionary[Node, dict[str, Known]] = WeakKeyDictionary()


async def find(node: Node, client_id: str) -> Known | None:
    """The client of that id, a node of the directory or a registered one 查应用; None for a stranger. No transaction may be open."""
    if not rules.registered_form(client_id):
        found = await federation.present(node)
        if found is None:
            raise federation.NotMember
        listed = found.node(client_id)
        return None if listed is None else Known(node_client(node, listed))
    known = _books.setdefault(node, {}).get(client_id)
    if known is None or known.client.status != "active":  # what is refused is never refused from memory
        known = await read(node, client_id)
    return known


async def read(node: Node, client_id: str) -> Known | None:
    """A registered client as its row is now, remembered from now on."""
    book = _books.setdefault(node, {})
    book.pop(client_id, None)
    async with node.db.alone() as tx:
        row = await tx.fetchrow(
            "SELECT c.*, c.xmin::text AS version, (SELECT coalesce(jsonb_agg(k.jwk || jsonb_build_object('kid', k.kid, 'alg', k.alg)), '[]')"
            " FROM client_key k WHERE k.client = c.id AND k.ended_at IS NULL) AS keys FROM client c WHERE c.id = $1", client_id,
        )  # fmt: skip
    if row is None:
        return None
    if len(book) >= _MOST:
        book.clear()
    known = book[client_id] = Known(client_of(row), tuple(row["keys"]), row["version"])
    return known


async def turned(node: Node, client_id: str) -> bool:
    """Whether the row is another one than remembered, so that a refusal has to be thought over; then it is read anew."""
    before = _books.setdefault(node, {}).get(client_id)
    if before is None:
        return False
    now = await read(node, client_id)
    return now is None or now.version != before.version


def forget(node: Node, client_id: str) -> None:
    """The row turned out to be another one: read it again next time."""
    _books.setdefault(node, {}).pop(client_id, None)


def same(parts: Parts, known: Known) -> None:
    """The part `same` of a statement: one row while the client is as remembered, else none. What acts for it selects FROM it."""
    parts.add(
        "same", "SELECT true WHERE $1::text = '' OR EXISTS (SELECT FROM client WHERE id = $2 AND xmin::text = $1)",
        known.version, known.client.id,
    )  # fmt: skip


def expect_same(node: Node, known: Known, row: Any) -> None:
    """Raise Turned when the statement found the client changed (`SELECT EXISTS (SELECT FROM same) AS same`)."""
    if not row["same"]:
        forget(node, known.client.id)
        raise Turned
