"""`tongban log verify` (日志审计): the whole log recomputed from its rows, and the row named that does not fit.

Who can change rows can also recompute hashes, so four things are compared: each leaf with its commitment, each leaf
with the tree's bottom row, each inner row with the rows below it, and each signed head, which needs the node's key, with
the tree of its size. Heads held by other nodes (`witness`) catch even an operator with the key.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Iterable, Mapping
from typing import Any, Final

from tongban.kernel.db import Tx
from tongban.kernel.gm import Sm2PublicKey, jcs
from tongban.kernel.node import Node
from tongban.transparency.model import Audit, Finding, Head, Leaf, commit
from tongban.transparency.queries.heads import as_head
from tongban.transparency.rules import fold, grow, leaf_hash

_PAGE: Final = 2000
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
    Memory stays small whatever the size; time is about 40 s a million leaves.
    """
    heads = [as_head(row) for row in await tx.fetch("SELECT * FROM log_head ORDER BY size, at_ms")]
    known = own_signers(signers, {head.kid for head in heads}) if isinstance(signers, Node) else signers
    size: int = await tx.fetchval("SELECT size FROM log_tree")
    findings = _Findings(await _counts(tx))
    tree = _Tree(heads)
    async for page in _pages(tx, size):
        await _check_page(tx, page, tree, findings)
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


async def _pages(tx: Tx, size: int) -> AsyncIterator[list[Any]]:
    """The entries in order with leaf and bottom hash, whatever of the three is still there, page by page."""
    for start in range(0, size, _PAGE):
        yield await tx.fetch(
            "SELECT s AS index, e.leaf_id, l.id, l.kind, l.at_ms, l.salt, l.fact, l.commitment, n.hash"
            " FROM generate_series($1::bigint, $2::bigint) AS s LEFT JOIN log_entry e ON e.index = s"
            " LEFT JOIN log_leaf l ON l.id = e.leaf_id LEFT JOIN log_node n ON n.level = 0 AND n.index = s ORDER BY s",
            start,
            min(start + _PAGE, size) - 1,
        )


async def _check_page(tx: Tx, page: list[Any], tree: _Tree, findings: _Findings) -> None:
    computed: list[tuple[int, int, bytes]] = []
    for row in page:
        leaf = await _check_leaf(tx, row, findings)
        computed += [place for place in tree.add(leaf) if place[0] > 0]
    stored = await _stored(tx, computed)
    for level, index, found in computed:
        held = stored.get((level, index))
        if held is None:
            findings.add("deleted", f"log_node {level}/{index}", "an inner row of the tree is missing")
        elif held != found:
            findings.add("edited", f"log_node {level}/{index}", "does not follow from the leaves below it")


async def _check_leaf(tx: Tx, row: Any, findings: _Findings) -> bytes:
    """The leaf hash to go on with: the stored one where there is one, so that one fault is one finding."""
    index, stored = row["index"], row["hash"]
    computed = _computed(row)
    if stored is None:
        findings.add("deleted", f"log_node 0/{index}", "the leaf hash is missing")
    if row["leaf_id"] is None:
        findings.add("deleted", f"log_entry {index}", "the place of a leaf is missing")
    elif row["id"] is None:
        findings.add("deleted", f"log_leaf {row['leaf_id']}", f"the leaf at {index} is missing")
    elif row["salt"] is not None and commit(row["salt"], row["fact"]) != row["commitment"]:
        findings.add("edited", f"log_leaf {row['id']}", f"salt, fact and commitment at {index} do not fit")
    elif stored is not None and computed != stored:
        other = await tx.fetchval("SELECT index FROM log_node WHERE level = 0 AND hash = $1", computed)
        if other is None:
            findings.add("edited", f"log_leaf {row['id']}", f"the leaf at {index} is not the one that was logged")
        else:
            findings.add("reordered", f"log_entry {index}", f"the leaf logged at {other} stands at {index}")
    return bytes(stored or computed or leaf_hash(b""))


def _computed(row: Any) -> bytes | None:
    if row["id"] is None:
        return None
    return leaf_hash(Leaf(row["id"], row["kind"], row["at_ms"], row["commitment"]).entry)


async def _stored(tx: Tx, wanted: list[tuple[int, int, bytes]]) -> dict[tuple[int, int], bytes]:
    rows = await tx.fetch(
        "SELECT n.level, n.index, n.hash FROM unnest($1::smallint[], $2::bigint[]) AS w (level, index)"
        " JOIN log_node n ON n.level = w.level AND n.index = w.index",
        [level for level, _, _ in wanted],
        [index for _, index, _ in wanted],
    )
    return {(row["level"], row["index"]): row["hash"] for row in rows}


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
