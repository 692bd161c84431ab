"""Clocks that belong to no single room 总装的定时: log heads out, what was witnessed, forks named, log certificates in."""

from __future__ import annotations

from tongban import federation, identity, transparency
from tongban.kernel import jobs, person_keys
from tongban.kernel.gm import BadEncoding, unb64
from tongban.kernel.log import log
from tongban.kernel.node import Node
from tongban.main import memory, reindexing, resealing, rooms

_HEAD_SECONDS = 10
_WITNESSED_SECONDS = 60
_FORK_SECONDS = 20
_CERTIFICATE_SECONDS = 30
_DATA_KEY_SECONDS = 3600
_INDEX_KEY_SECONDS = 60
_OLD_ROWS_SECONDS = 86_400
_MEMORY_SECONDS = 600


async def send_head(node: Node) -> None:
    """Tell the other nodes the newest signed head of this node's log, when it has grown (通告树头)."""
    if await federation.recovering(node):
        return  # what others are told of a restored log bears a time after its new epoch
    async with node.db.transaction() as tx:
        if await federation.own_status(tx, node.id) != "active":
            return
        told = await transparency.announce(tx)
        if told is not None:
            await federation.send(tx, node, to="*", kind="log.head", about=f"log:{node.id}", body=told.to_json(), open=True)


async def keep_certificate(node: Node) -> None:
    """Give the log the certificate of this node's signing key, so that receipts carry it (登记签名证书)."""
    async with node.db.transaction() as tx:
        if await federation.own_status(tx, node.id) in {"none", "asked"}:
            return
        found = await federation.directory(tx)
        me = found.node(node.id)
        if me is None:
            return
        anchor = unb64(found.anchors[0].cert)
        for key in me.keys:
            if key.use == "sign" and key.status == "current":
                await transparency.certify(
                    tx, kid=key.kid, certificate=unb64(key.cert), anchor=anchor, since_ms=found.issued_at
                )


async def close_log_gap(node: Node, payload: jobs.Payload) -> None:
    """Ask a node to join two sizes of its log by a signed call, and judge its answer (补证). A silent node is asked again."""
    gap = transparency.Gap(
        node=str(payload["node"]), size=int(payload["size"]), root=transparency.unnamed(str(payload["root"])), held=int(payload["held"]),
        told_by=str(payload["told_by"]),
    )  # fmt: skip
    first, second = gap.sizes
    answer = await federation.call(node, gap.node, "log.proof", {"from": first, "to": second}, budget_ms=10_000)
    async with node.db.transaction() as tx:
        seen = await transparency.settle(tx, node, gap, _proof(answer.get("proof")))
    log("main.log_gap_closed", origin=gap.node, state=seen.state)


async def send_witnessed(node: Node) -> None:
    """Tell all nodes which heads of others this node has been shown and signed (互相对照): how two histories meet."""
    async with node.db.transaction() as tx:
        if await federation.own_status(tx, node.id) != "active":
            return
        good, _ = await transparency.witness_statements(tx)
        if good:
            await federation.send(
                tx, node, to="*", kind="log.witnessed", about=f"witness:{node.id}", body={"v": 1, "witnessed": list(good)}, open=True
            )


async def tell_forks(node: Node) -> None:
    """Show every other node, the hub among them, both heads of a log with two histories, and tell the officers here (通告)."""
    async with node.db.transaction() as tx:
        for fork in await transparency.fork_list(tx, untold=True, own=node.id):
            if await federation.own_status(tx, node.id) == "active":
                await federation.send(tx, node, to="*", kind="log.fork", about=f"log:{fork.node}", body=fork.to_json(), open=True)
            await transparency.fork_told(tx, node, fork.node, fork.mark)
            division = (node.settings.divisions[0] if node.settings.divisions else "").ljust(6, "0")
            await identity.tell_holders(
                tx, node, action="transparency.see", division=division, kind="alert.log_fork",
                words=f"{federation.name_of(node, fork.node)}的存证{'恢复过备份，从那里重新接上' if fork.restored_ms else '有两份不一样的历史'}",
                link="/staff/log",
            )  # fmt: skip


def _proof(told: object) -> tuple[bytes, ...]:
    """The hashes of a proof; what is none of them proves nothing, and is then no proof."""
    try:
        return tuple(transparency.unnamed(str(one)) for one in told) if isinstance(told, list) else ()
    except BadEncoding:
        return ()


async def seal_old_rows(node: Node) -> None:
    """Values from before the person keys get under them (改封旧行); after the first day nothing is left to do."""
    await person_keys.seal_all_old(node.db, node.person_keys)


async def close_again(node: Node) -> int:
    """Accounts that were closed and came back with an old backup are erased again (再次删除); how many. Rows under a legal hold wait."""
    async with node.db.reading() as tx:
        back = await node.person_keys.erased(tx)
    done = 0
    for subject in back:
        async with node.db.transaction() as tx:
            if await tx.fetchval("SELECT on_hold($1, '')", subject):
                continue
            await tx.execute("SET LOCAL tongban.retention = 'on'")
            for one in rooms.holdings():
                if one.erase is not None:
                    await one.erase(tx, node, subject)
        done += 1
    if done:
        log("main.closed_again", count=done)
    return done


async def keep_closed(node: Node) -> None:
    """By the clock: what an old backup brought back goes again."""
    await close_again(node)


async def wipe_person_half(node: Node, payload: jobs.Payload) -> None:
    """`main.wipe_person_half {place}`: the other half of a forgotten key, once its row is gone for good."""
    await node.person_keys.wipe(int(payload["place"]))


CLOCKS = [
    jobs.Clockwork("main.log_heads", _HEAD_SECONDS, send_head),
    jobs.Clockwork("main.log_witnessed", _WITNESSED_SECONDS, send_witnessed),
    jobs.Clockwork("main.log_forks", _FORK_SECONDS, tell_forks),
    jobs.Clockwork("main.log_certificate", _CERTIFICATE_SECONDS, keep_certificate, bell="federation.directory"),
    jobs.Clockwork("main.data_keys", _DATA_KEY_SECONDS, resealing.turn, bell=resealing.BELL),
    jobs.Clockwork("main.index_keys", _INDEX_KEY_SECONDS, reindexing.turn, bell=reindexing.BELL),
    jobs.Clockwork("main.old_rows", _OLD_ROWS_SECONDS, seal_old_rows),
    jobs.Clockwork("main.closed_again", _OLD_ROWS_SECONDS, keep_closed),
    jobs.Clockwork("main.memory", _MEMORY_SECONDS, memory.tidy),
]
JOBS = {"main.close_log_gap": close_log_gap, person_keys.WIPE: wipe_person_half}
