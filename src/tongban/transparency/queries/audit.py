"""`tongban log verify` (日志审计): the whole log recomputed from its rows, and the row named that does not fit.

Who can change rows can also recompute hashes, so four things are compared: each leaf with its commitment, each leaf
with the tree's bottom row, each inner row with the rows below it, and each signed head, which needs the node's key, with
the tree of its size. Heads held by other nodes (`witness`) catch even an operator with the key.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Iterable, Mapping
from typing import Any, Final

from tongban.kernel.db import Tx
from tongban.kernel.gm import Sm2PublicKey, jcs
from tongban.kernel.node import Node
from tongban.transparency.model import Audit, Finding, Head, commit, entry
from tongban.transparency.queries.heads import as_head
from tongban.transparency.rules import fold, grow, leaf_hash

_PAGE: Final = 5000
_MOST: Final = 100
"""After so many findings it is clear enough."""


def own_signers(node: Node, kids: Iterable[str]) -> dict[str, Sm2PublicKey]:
    """The public keys that this node's KeyStore holds of these key ids."""
    names = {kid: kid.partition("/")[2] for kid in kids if kid.partition("/")[0] == node.keys.node}
    return {kid: node.keys.signer(name).public for kid, name in names.items() if node.keys.has(name)}


async def verify_log(
    tx: Tx, signers: Mapping[str, Sm2PublicKey] | Node, *, progress: Callable[[int, int], None] | None = None
) -> Audit:
    """The audit of this database's log: size, root, and every row that was edited, deleted, reordered or put in.

    `signers`: public keys by key id, or the node whose KeyStore knows them. `progress` is called with (done, all).
    Memory stays small whatever the size. While a page of rows is recomputed the database reads the next.
    """
    heads = [as_head(row) for row in await tx.fetch("SELECT * FROM log_head ORDER BY size, at_ms")]
    known = own_signers(signers, {head.kid for head in heads}) if isinstance(signers, Node) else signers
    size: int = await tx.fetchval("SELECT size FROM log_tree")
    findings = _Findings(await _counts(tx))
    tree = _Tree(heads)
    async for page in _pages(tx, size):
        await _explain(tx, await page.check(tree, findings), findings)
        if progress:
            progress(min(tree.size, size), size)
        if findings.enough:
            break
    for head in heads:
        _check_head(head, known, tree, findings)
    return Audit(size, len(heads), tree.root, tuple(findings.found))


class _Findings:
    def __init__(self, found: Iterable[Finding]) -> None:
        self.found = list(found)

    def add(self, kind: Any, place: str, text: str) -> None:
        self.found.append(Finding(kind, place, text))

    @property
    def enough(self) -> bool:
        return len(self.found) >= _MOST


class _Tree:
    """The tree as it grows from the leaves' own rows; remembers the root at the size of each head."""

    def __init__(self, heads: Iterable[Head]) -> None:
        self.size = 0
        self.edge: dict[int, bytes] = {}
        self.sizes = {head.size for head in heads}
        self.roots: dict[int, bytes] = {0: self.root}
        self.bad: set[int] = set()

    @property
    def root(self) -> bytes:
        return fold([self.edge[level] for level in sorted(self.edge, reverse=True)])

    def add(self, leaf: bytes) -> list[tuple[int, int, bytes]]:
        rows = list(grow(self.size, self.edge, [leaf]))
        self.size += 1
        if self.size in self.sizes:
            self.roots[self.size] = self.root
        return rows


async def _counts(tx: Tx) -> list[Finding]:
    """What the number of rows shows before any hash is computed."""
    homeless = await tx.fetch(
        "SELECT l.id FROM log_leaf l LEFT JOIN log_entry e ON e.leaf_id = l.id LEFT JOIN log_pending p ON p.leaf_id = l.id"
        " WHERE e.leaf_id IS NULL AND p.leaf_id IS NULL LIMIT 10"
    )
    beyond = await tx.fetch(
        # the size of this very statement: the sequencer may have gone on meanwhile
        "SELECT 'log_entry ' || index AS place FROM log_entry WHERE index >= (SELECT size FROM log_tree) UNION ALL"
        " SELECT 'log_node ' || level || '/' || index FROM log_node"
        " WHERE (index + 1) << level > (SELECT size FROM log_tree) LIMIT 10"
    )
    return [
        *(
            Finding("deleted", f"log_entry of leaf {row['id']}", "the leaf has no place in the tree")
            for row in homeless
        ),
        *(Finding("inserted", row["place"], "beyond the end of the tree") for row in beyond),
    ]


class _Page:
    """So many leaves from `start` with every stored hash that became complete under them, as far as they are still there."""

    def __init__(self, start: int, end: int, entries: list[Any], nodes: list[Any]) -> None:
        self.start, self.end = start, end
        self.entries = {row[0]: row for row in entries}
        self.nodes = {(row[0], row[1]): row[2] for row in nodes}
        self.next: asyncio.Future[_Page] | None = None

    async def check(self, tree: _Tree, findings: _Findings) -> list[tuple[int, str, bytes]]:
        """Recompute the page; answers the leaves that are not the ones logged: (index, id, hash). The next page is being read."""
        doubtful: list[tuple[int, str, bytes]] = []
        for index in range(self.start, self.end):
            stored = self.nodes.get((0, index))
            leaf = _check_leaf(self.entries.get(index), index, stored, findings, doubtful)
            for level, place, found in tree.add(leaf):
                if level and self.nodes.get((level, place)) != found:
                    _inner(findings, level, place, missing=(level, place) not in self.nodes)
        if self.next is not None:
            await asyncio.wait([self.next])  # the connection is free again
        return doubtful


async def _pages(tx: Tx, size: int) -> AsyncIterator[_Page]:
    """All pages in order; while one is looked at, the next is read."""
    reading = asyncio.ensure_future(_read(tx, 0, min(_PAGE, size))) if size else None
    try:
        while reading is not None:
            page = await reading
            reading = asyncio.ensure_future(_read(tx, page.end, min(page.end + _PAGE, size))) if page.end < size else None
            page.next = reading
            await asyncio.sleep(0)  # the question leaves before the page is recomputed
            yield page
    finally:
        if reading is not None and not reading.done():
            reading.cancel()


async def _read(tx: Tx, start: int, end: int) -> _Page:
    """Two looks at ranges of keys. OFFSET 0 keeps each row's look a look by its key: joined freely, the planner prefers reading the
    whole table, once for every page.
    """
    entries = await tx.fetch(
        "SELECT e.index, e.leaf_id, l.id, l.kind, l.at_ms, l.salt, l.fact, l.commitment FROM log_entry e LEFT JOIN LATERAL"
        " (SELECT * FROM log_leaf WHERE id = e.leaf_id OFFSET 0) AS l ON true WHERE e.index >= $1 AND e.index < $2",
        start,
        end,
    )
    levels = [level for level in range(63) if (end >> level) > (start >> level)]
    nodes = await tx.fetch(
        "SELECT n.level, n.index, n.hash FROM unnest($1::smallint[], $2::bigint[], $3::bigint[]) AS w (level, first, past) CROSS JOIN LATERAL"
        " (SELECT level, index, hash FROM log_node WHERE level = w.level AND index >= w.first AND index < w.past OFFSET 0) AS n",
        levels,
        [start >> level for level in levels],
        [end >> level for level in levels],
    )
    return _Page(start, end, entries, nodes)


def _check_leaf(
    row: Any, index: int, stored: bytes | None, findings: _Findings, doubtful: list[tuple[int, str, bytes]]
) -> bytes:
    """The leaf hash to go on with: the stored one where there is one, so that one fault is one finding."""
    if stored is None:
        findings.add("deleted", f"log_node 0/{index}", "the leaf hash is missing")
    if row is None:
        findings.add("deleted", f"log_entry {index}", "the place of a leaf is missing")
        return stored or leaf_hash(b"")
    _, leaf_id, found, kind, at_ms, salt, fact, commitment = row
    if found is None:
        findings.add("deleted", f"log_leaf {leaf_id}", f"the leaf at {index} is missing")
        return stored or leaf_hash(b"")
    computed = leaf_hash(entry(found, kind, at_ms, commitment))
    if salt is not None and commit(salt, fact) != commitment:
        findings.add("edited", f"log_leaf {found}", f"salt, fact and commitment at {index} do not fit")
    elif stored is not None and computed != stored:
        doubtful.append((index, found, computed))
    return stored or computed


def _inner(findings: _Findings, level: int, place: int, *, missing: bool) -> None:
    if missing:
        findings.add("deleted", f"log_node {level}/{place}", "an inner row of the tree is missing")
    else:
        findings.add("edited", f"log_node {level}/{place}", "does not follow from the leaves below it")


async def _explain(tx: Tx, doubtful: list[tuple[int, str, bytes]], findings: _Findings) -> None:
    """A leaf that is not the one logged here was edited, or it was logged at another place."""
    for index, leaf_id, computed in doubtful[:_MOST]:
        other = await tx.fetchval("SELECT index FROM log_node WHERE level = 0 AND hash = $1", computed)
        if other is None:
            findings.add("edited", f"log_leaf {leaf_id}", f"the leaf at {index} is not the one that was logged")
        else:
            findings.add("reordered", f"log_entry {index}", f"the leaf logged at {other} stands at {index}")


def _check_head(head: Head, signers: Mapping[str, Sm2PublicKey], tree: _Tree, findings: _Findings) -> None:
    place = f"log_head {head.size}"
    if head.kid not in signers:
        findings.add("signature", place, f"signed by an unknown key {head.kid}")
    elif not signers[head.kid].verify(jcs(head.signed), head.signature):
        findings.add("signature", place, "the signature does not hold: the head was edited")
        return
    root = tree.roots.get(head.size)
    if root is None and not findings.enough:
        findings.add("deleted", place, f"the tree ends at {tree.size}, before the signed size")
    elif root is not None and root != head.root:
        good = max((size for size in tree.roots if size < head.size and size not in tree.bad), default=0)
        tree.bad.add(head.size)
        findings.add("head", place, f"signed over other leaves: one of {good} to {head.size - 1} was rewritten")
