"""Two histories of one log are caught and named (两份历史, T-40): by comparing what different nodes were shown.

A node that lies shows each neighbour a history that is whole in itself. So the witnesses tell each other which heads they
hold: one size with two roots is a proof that needs nobody's word. Two sizes are joined by a proof from the node itself,
asked for by a *signed* call: an answer that does not join them is its own admission. Nobody is believed: whoever is told of
two heads checks both signatures and judges alone.
"""

from __future__ import annotations

from collections.abc import Sequence

from tongban.kernel.db import Tx
from tongban.kernel.gm import BadEncoding, Sm2PublicKey, digest, jcs, unb64
from tongban.kernel.log import log
from tongban.kernel.node import Node
from tongban.transparency.actions.restores import restore_between, restored_since
from tongban.transparency.actions.witness import check_signature, countersign, read_head
from tongban.transparency.errors import HeadRefused
from tongban.transparency.model import ForkWay, Gap, Head, Witnessed, witness_statement
from tongban.transparency.rules import consistent


def statement_of(body: dict[str, object]) -> tuple[Head, str, bytes]:
    """A witness's statement as `witness_statements` gives it: the head, the witness's key id, its signature. Raises HeadRefused."""
    said = body.get("witness")
    if not isinstance(said, dict):
        raise HeadRefused("no witness")
    try:
        return read_head(body), str(said["kid"]), unb64(str(said["value"]), length=64)
    except (KeyError, BadEncoding) as why:
        raise HeadRefused("malformed") from why


async def take_cosignature(
    tx: Tx, node: Node, *, witness: str, key: Sm2PublicKey, certificate: bytes, body: dict[str, object]
) -> Witnessed:
    """Keep another node's signature under a head of this log (收下联署). `key`: the witness's, from the directory.

    A head that this node's key has signed but this log never had is a fork of its own: somebody uses the key, or rows were
    rewritten. Raises HeadRefused.
    """
    head, kid, signature = statement_of(body)
    if head.log != node.keys.node or kid.partition("/")[0] != witness:
        raise HeadRefused("another node's")
    if not key.verify(witness_statement(witness, head), signature):
        raise HeadRefused("the witness's signature does not hold")
    own = await tx.fetchrow("SELECT root, at_ms FROM log_head WHERE size = $1 ORDER BY at_ms DESC LIMIT 1", head.size)
    if own is None or own["root"] != head.root:
        await _own_fork(tx, node, head, witness)
        return Witnessed(head.log, "fork", head.size, head.root, head.size)
    await tx.execute(
        "INSERT INTO log_cosignature (size, witness, root, at_ms, kid, key, certificate, signature, seen_at)"
        " SELECT size, $2, root, at_ms, $3, $4, $5, $6, $7 FROM log_head WHERE size = $1 AND at_ms = $8 AND root = $9"
        " ON CONFLICT DO NOTHING",
        head.size, witness, kid, key.spki, certificate, signature, node.clock.now(), head.at_ms, head.root,
    )  # fmt: skip
    return Witnessed(head.log, "consistent", head.size, head.root, head.size)


async def overheard(tx: Tx, node: Node, *, told_by: str, key: Sm2PublicKey, body: dict[str, object]) -> Gap | None:
    """Compare a head that another node was shown with those shown here (对照): a Gap when a proof is wanted, else None.

    `key`: the key of the head's own log. The same size with another root is a fork, kept with both heads. Raises HeadRefused.
    """
    head = read_head(body)
    check_signature(head, head.log, key)
    known = await tx.fetch("SELECT root, state, head FROM log_witnessed WHERE node = $1 AND size = $2", head.log, head.size)
    if any(row["root"] == head.root and row["state"] in ("first", "consistent", "before") for row in known):
        return None
    other = next((row for row in known if row["root"] != head.root and row["state"] != "fork"), None)
    if other is not None:
        await record_fork(tx, node, read_head(other["head"]), node.keys.node, head, told_by, "same_size")
        return None
    held = await tx.fetchrow(
        "SELECT size, at_ms FROM log_witnessed WHERE node = $1 AND state IN ('first', 'consistent') ORDER BY size DESC LIMIT 1", head.log
    )
    if held is None:
        return None  # nothing to compare with yet: the log's own letter will come
    if await restore_between(tx, head.log, held["at_ms"], head.at_ms):
        return None  # of another life of that log: its own letter is judged, and what was held before is kept to compare
    await tx.execute(
        "INSERT INTO log_witnessed (node, size, at_ms, root, state, head, seen_at) VALUES ($1, $2, $3, $4, 'gap', $5, $6)"
        " ON CONFLICT DO NOTHING",
        head.log, head.size, head.at_ms, head.root, head.to_json(), node.clock.now(),
    )  # fmt: skip
    return Gap(head.log, head.size, head.root, held["size"], told_by)


async def settle(tx: Tx, node: Node, gap: Gap, proof: Sequence[bytes]) -> Witnessed:
    """Judge a gap by the proof that the log's own node gave in a signed answer (补证): consistent, or a fork with both heads."""
    told = await tx.fetchrow(
        "SELECT head, state FROM log_witnessed WHERE node = $1 AND size = $2 AND root = $3 FOR UPDATE", gap.node, gap.size, gap.root
    )
    held = await tx.fetchrow(
        "SELECT head FROM log_witnessed WHERE node = $1 AND size = $2 AND state IN ('first', 'consistent') LIMIT 1", gap.node, gap.held
    )
    if told is None or held is None or told["state"] != "gap":
        return Witnessed(gap.node, told["state"] if told else "gap", gap.size, gap.root, gap.held)
    mine, theirs = read_head(held["head"]), read_head(told["head"])
    early, late = sorted((mine, theirs), key=lambda one: one.size)
    if consistent(early.size, late.size, early.root, late.root, proof):
        kid, signature = await countersign(tx, node, theirs)
        await tx.execute(
            "UPDATE log_witnessed SET state = 'consistent', seen_at = $4, kid = $5, countersignature = $6"
            " WHERE node = $1 AND size = $2 AND root = $3",
            gap.node, gap.size, gap.root, node.clock.now(), kid, signature,
        )  # fmt: skip
        return Witnessed(gap.node, "consistent", gap.size, gap.root, gap.held)
    if await restored_since(tx, gap.node, max(mine.at_ms, theirs.at_ms)):
        return Witnessed(gap.node, "gap", gap.size, gap.root, gap.held)  # it answered from its new history: that joins nothing of the old one
    await record_fork(tx, node, mine, node.keys.node, theirs, gap.told_by, "no_proof")
    return Witnessed(gap.node, "fork", gap.size, gap.root, gap.held)


async def accused(tx: Tx, node: Node, *, told_by: str, keys: Sequence[Sm2PublicKey], heads: Sequence[dict[str, object]]) -> tuple[Gap, ...]:
    """Another node says that a log has two histories (听说两份历史): both heads are checked, its word counts for nothing.

    Two roots of one size are a fork here too; of two sizes each is compared with what this node holds. Raises HeadRefused.
    """
    first, second = (read_head(one) for one in heads)
    for head, key in zip((first, second), keys, strict=True):
        check_signature(head, head.log, key)
    if first.log != second.log:
        raise HeadRefused("two logs")
    if first.size == second.size:
        if first.root != second.root:
            await record_fork(tx, node, first, told_by, second, told_by, "same_size")
        return ()
    found = [
        await overheard(tx, node, told_by=told_by, key=key, body=head.to_json()) for head, key in zip((first, second), keys, strict=True)
    ]
    return tuple(one for one in found if one is not None)


async def record_fork(tx: Tx, node: Node, first: Head, first_from: str, second: Head, second_from: str, way: ForkWay) -> bool:
    """Keep two heads of one log for ever (记下两份历史); False when this pair is known. Told to all nodes by a clock of `main`."""
    early, late = sorted(((first, first_from), (second, second_from)), key=lambda one: (one[0].size, one[0].root))
    done = await tx.execute(
        "INSERT INTO log_fork (node, mark, way, first, second, first_from, second_from, found_at)"
        " VALUES ($1, $2, $3, $4, $5, $6, $7, $8) ON CONFLICT DO NOTHING",
        first.log, digest(jcs([early[0].signed, late[0].signed])), way, early[0].to_json(), late[0].to_json(), early[1], late[1],
        node.clock.now(),
    )  # fmt: skip
    await tx.execute(
        "INSERT INTO log_witnessed (node, size, at_ms, root, state, head, seen_at) VALUES ($1, $2, $3, $4, 'fork', $5, $6)"
        " ON CONFLICT (node, size, root) DO UPDATE SET state = 'fork', kid = NULL, countersignature = NULL"
        " WHERE log_witnessed.state = 'gap'",
        second.log, second.size, second.at_ms, second.root, second.to_json(), node.clock.now(),
    )  # fmt: skip
    if done == "INSERT 0 1":
        log("transparency.fork", origin=first.log, count=second.size, kind=way)
    return done == "INSERT 0 1"


async def fork_told(tx: Tx, node: Node, log_node: str, mark: str) -> None:
    """All nodes have been told of this fork (已通告)."""
    await tx.execute("UPDATE log_fork SET told_at = $3 WHERE node = $1 AND mark = $2", log_node, mark, node.clock.now())


async def fork_seen(tx: Tx, node: Node, staff: str, log_node: str, mark: str) -> bool:
    """A member of staff has looked into it (已核查); the fork itself stays for ever. False when there is none."""
    done = await tx.execute(
        "UPDATE log_fork SET seen_by = $3, seen_at = $4 WHERE node = $1 AND mark = $2 AND seen_by = ''",
        log_node, mark, staff, node.clock.now(),
    )  # fmt: skip
    return done == "UPDATE 1"


async def _own_fork(tx: Tx, node: Node, head: Head, witness: str) -> None:
    """A head under this node's name that is not of this log: against the newest own one of at most its size."""
    row = await tx.fetchrow("SELECT size, at_ms, root, kid, key, signature FROM log_head ORDER BY abs(size - $1), at_ms DESC LIMIT 1", head.size)
    if row is None:
        return
    name = head.kid.partition("/")[2]
    if not node.keys.has(name) or not node.keys.signer(name).public.verify(jcs(head.signed), head.signature):
        raise HeadRefused("not signed by a key of ours")
    own = Head(node.keys.node, row["size"], row["at_ms"], row["root"], row["kid"], row["signature"], row["key"])
    await record_fork(tx, node, own, node.keys.node, head, witness, "same_size" if own.size == head.size else "no_proof")
