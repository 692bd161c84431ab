"""Proofs from rows: that a leaf is in, that a tree was only continued, and the receipt that carries it."""

from __future__ import annotations

from collections.abc import Sequence

from tongban.kernel.db import Tx
from tongban.kernel.gm import sm3
from tongban.transparency.errors import NoSuchLeaf, NoSuchProof, NotWhatWasLogged, ReceiptNotReady
from tongban.transparency.model import CoSigned, Leaf, Receipt
from tongban.transparency.queries.heads import cosigned
from tongban.transparency.queries.heads import head as newest_head
from tongban.transparency.rules import Range, consistency_ranges, cover, fold, inclusion_ranges


async def prove(tx: Tx, ranges: Sequence[Range]) -> tuple[bytes, ...]:
    """The hash of each range of leaves, by one look at the rows. Raises NoSuchProof if the tree does not reach so far."""
    covers = [cover(start, end) for start, end in ranges]
    wanted = {place for places in covers for place in places}
    rows = await tx.fetch(
        "SELECT n.level, n.index, n.hash FROM unnest($1::smallint[], $2::bigint[]) AS w (level, index)"
        " JOIN log_node n ON n.level = w.level AND n.index = w.index",
        [level for level, _ in wanted],
        [index for _, index in wanted],
    )
    found = {(row["level"], row["index"]): row["hash"] for row in rows}
    if len(found) != len(wanted):
        raise NoSuchProof
    return tuple(fold([found[place] for place in places]) for places in covers)


async def inclusion(tx: Tx, index: int, size: int) -> tuple[bytes, ...]:
    """The proof that leaf `index` is in the tree of `size` (包含证明). Raises NoSuchProof."""
    if not 0 <= index < size <= await tx.fetchval("SELECT size FROM log_tree"):
        raise NoSuchProof
    return await prove(tx, inclusion_ranges(index, size))


async def consistency(tx: Tx, first: int, second: int) -> tuple[bytes, ...]:
    """The proof that the tree of `second` continues that of `first` (一致性证明); empty for 0 and for equal sizes.

    Raises NoSuchProof.
    """
    size = await tx.fetchval("SELECT size FROM log_tree")
    if not 0 <= first <= second <= size:
        raise NoSuchProof
    if first in {0, second}:
        return ()
    return await prove(tx, consistency_ranges(first, second))


async def receipt(tx: Tx, leaf_id: str, *, statement: bytes | None = None) -> Receipt:
    """The receipt of a leaf (存证回执), under the newest signed head.

    `statement`: the fact itself, if the receipt is to carry it. Raises NoSuchLeaf, ReceiptNotReady (no signed head
    covers the leaf yet), NotWhatWasLogged if the statement is not the fact of this leaf.
    """
    row = await tx.fetchrow(
        "SELECT l.kind, l.at_ms, l.commitment, l.salt, l.fact, e.index FROM log_leaf l"
        " LEFT JOIN log_entry e ON e.leaf_id = l.id WHERE l.id = $1",
        leaf_id,
    )
    if row is None or row["salt"] is None:
        raise NoSuchLeaf
    if statement is not None and sm3(statement) != row["fact"]:
        raise NotWhatWasLogged
    head = None if row["index"] is None else await newest_head(tx, covering=row["index"] + 1)
    if head is None:
        raise ReceiptNotReady
    certificate = await tx.fetchrow("SELECT certificate, anchor FROM log_certificate WHERE kid = $1", head.kid)
    return Receipt(
        leaf=Leaf(leaf_id, row["kind"], row["at_ms"], row["commitment"]),
        salt=row["salt"],
        fact=row["fact"],
        index=row["index"],
        proof=await inclusion(tx, row["index"], head.size),
        head=head,
        certificate=certificate["certificate"] if certificate else None,
        anchor=certificate["anchor"] if certificate else None,
        statement=statement,
        witnessed=await _witnessed(tx, row["index"] + 1, head.size),
    )


async def _witnessed(tx: Tx, covering: int, size: int) -> CoSigned | None:
    """The co-signed head over the leaf and the proof that the newest head continues it; None before anybody co-signed one."""
    found = await cosigned(tx, covering=covering)
    if found is None or found[0].size > size:
        return None
    certificate = await tx.fetchval("SELECT certificate FROM log_certificate WHERE kid = $1", found[0].kid)
    return CoSigned(found[0], found[1], await consistency(tx, found[0].size, size), certificate)
