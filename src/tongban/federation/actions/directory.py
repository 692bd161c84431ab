"""Taking, fetching and issuing the directory 目录的接收、获取与签发 (federation.md 3)."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta

import msgspec

from tongban.federation.actions.alarm import raise_alarm
from tongban.federation.actions.office import BEHIND_BELL, DIRECTORY_BELL, area, office, read_directory
from tongban.federation.actions.revocations import keep_fresh, publish_list
from tongban.federation.actions.send import send
from tongban.federation.actions.way import fetch_open
from tongban.federation.errors import CallFailed, NotMember
from tongban.federation.model import Directory, ListedNode, NodeKey, Revoked
from tongban.federation.queries.directory import held
from tongban.federation.rules import directory as rules
from tongban.federation.rules.wire import Malformed, verify
from tongban.kernel.actor import Actor
from tongban.kernel.db import Tx, ring
from tongban.kernel.gm import BadEncoding, b64, digest, jcs, parse_object, x509
from tongban.kernel.log import log
from tongban.kernel.node import Node

DIRECTORY_KEY = "d1"
EXPIRY_DAYS = 30
_SENTENCES = {
    "key_without_continuity": "新密钥没有旧密钥的签名，仍用旧密钥；请电话核对指纹后再确认",
    "key_id_reused": "同一密钥编号换了密钥，不予采信",
    "key_malformed": "目录里的密钥证书不合规，不予采信",
}


async def accept(tx: Tx, node: Node, raw: bytes, *, source: str) -> rules.Verdict:
    """Look at a directory that came from `source` and take it if it is to be believed (采信目录).

    Anybody may have served it: it proves itself. Doubted keys and forks become alarms; the old ones stay.
    """
    await _one_at_a_time(tx)
    try:
        signed = rules.parse(raw)
    except Malformed:
        return rules.Verdict("refused", "malformed")
    before = await held(tx, node.settings.hub)
    verdict = rules.judge(signed, before, node.clock.ms())
    if verdict.outcome == "fork":
        await raise_alarm(
            tx, "directory_fork", node.settings.hub, f"{signed.directory.version} {signed.digest}",
            "同一版本号出现两份不同的目录，已保留原来的一份", raw,
        )  # fmt: skip
    if verdict.outcome == "accepted" and verdict.trusted is not None:
        await _store(tx, node, signed, verdict, source)
    elif verdict.outcome != "same":
        log(
            "federation.directory_not_taken",
            reason=verdict.why or verdict.outcome,
            peer=source,
            version=signed.directory.version,
        )
    return verdict


async def _one_at_a_time(tx: Tx) -> None:
    await tx.execute("SELECT pg_advisory_xact_lock(hashtextextended('federation.directory', 0))")


async def _store(tx: Tx, node: Node, signed: rules.Signed, verdict: rules.Verdict, source: str) -> None:
    found = signed.directory
    assert verdict.trusted is not None
    await tx.execute(
        "INSERT INTO directory_version (version, signed, digest, trusted, issued_at, not_after, source)"
        " VALUES ($1, $2, $3, $4, $5, $6, $7)",
        found.version, signed.raw, signed.digest, msgspec.json.encode(verdict.trusted), found.issued_at,
        found.not_after, source,
    )  # fmt: skip
    for key in verdict.keys:
        await tx.execute(
            "INSERT INTO node_key (kid, node, use, cert, spki_fingerprint, how, since_version, retired_at)"
            " VALUES ($1, $2, $3, $4, $5, $6, $7, $8)"
            " ON CONFLICT (kid) DO UPDATE SET cert = excluded.cert, retired_at = excluded.retired_at",
            key.kid, key.node, key.use, key.cert, key.fingerprint, verdict.how[key.kid], found.version, key.retired_at,
        )  # fmt: skip
    for anchor in verdict.anchors:
        await tx.execute(
            "INSERT INTO directory_anchor (fingerprint, cert, not_after, since_version, counts_from, how)"
            " VALUES ($1, $2, $3, $4, $5, 'listed') ON CONFLICT DO NOTHING",
            digest(anchor.cert), anchor.cert, int(x509.read(anchor.cert).not_after.timestamp() * 1000),
            anchor.since_version, anchor.counts_from,
        )  # fmt: skip
        await raise_alarm(
            tx,
            "new_root",
            node.settings.hub,
            digest(anchor.cert),
            "目录里出现新的根证书，24 小时后生效，请向枢纽核实",
            anchor.cert,
        )
    for doubt in verdict.doubts:
        await raise_alarm(
            tx, doubt.kind, doubt.node, f"{doubt.kid} {doubt.fingerprint}", f"{doubt.kid}：{_SENTENCES[doubt.kind]}",
            jcs({"kid": doubt.kid, "fingerprint": doubt.fingerprint}),
        )  # fmt: skip
    await _new_cursors(tx, node, verdict.trusted)
    await ring(tx, DIRECTORY_BELL)
    log("federation.directory_taken", version=found.version, peer=source, count=len(verdict.doubts))


async def _new_cursors(tx: Tx, node: Node, found: Directory) -> None:
    """Every other node's letters are read from the beginning of its epoch."""
    for listed in found.nodes:
        if listed.id != node.id and listed.status != "joining":
            await tx.execute(
                "INSERT INTO letter_cursor (origin, epoch, seq, streams) VALUES ($1, $2, 0, '{}') ON CONFLICT DO NOTHING",
                listed.id, listed.epoch,
            )  # fmt: skip


async def take(node: Node, raw: bytes, *, source: str) -> rules.Verdict:
    """As `accept`, in a transaction of its own; wakes this process at once."""
    async with node.db.transaction() as tx:
        verdict = await accept(tx, node, raw, source=source)
    if verdict.outcome == "accepted":
        node.bell.ring(DIRECTORY_BELL)
        await office(node).look(node)
    return verdict


async def refresh(node: Node, *, peer: str | None = None) -> bool:
    """Fetch the directory from the hub, else from `peer` (更新目录); True when a new version was taken.

    Raises CallFailed when neither answers. The hub itself has nothing to fetch.
    """
    found = await office(node).need(node)
    if node.id == found.hub:
        return False
    failed: CallFailed | None = None
    for name in dict.fromkeys(one for one in (found.hub, peer) if one and one != node.id):
        listed = found.node(name)
        if listed is None or not listed.base_urls:
            continue
        try:
            raw = await fetch_open(node, listed.base_url, listed.connect, "/federation/directory")
        except CallFailed as error:
            failed = error
            continue
        verdict = await take(node, raw, source=name)
        if verdict.outcome == "accepted":
            return True
    if failed is not None:
        raise failed
    return False


async def trust(tx: Tx, node: Node, actor: Actor, node_id: str, fingerprint: str) -> None:
    """An operator compared a new key by telephone and believes it (人工确认密钥); counts from the next directory on.

    `fingerprint` is `sm3:…` of the SubjectPublicKeyInfo. Raises NotAllowed without the role `federation.trust`.
    """
    if actor.kind != "system":
        actor.require_may("federation.trust", division=area(node))
    await tx.execute(
        "INSERT INTO node_trust (node, fingerprint, by_staff) VALUES ($1, $2, $3) ON CONFLICT DO NOTHING",
        node_id, fingerprint, actor.staff_id or actor.subject,
    )  # fmt: skip
    await tx.execute(
        "UPDATE federation_alarm SET resolved_at = now(), resolved_by = $3"
        " WHERE resolved_at IS NULL AND kind = 'key_without_continuity' AND node = $1 AND dedupe LIKE '%' || $2",
        node_id, fingerprint, actor.staff_id or actor.subject,
    )  # fmt: skip


async def look_again(tx: Tx, node: Node) -> bool:
    """Judge the newest directory anew after `trust`, so that a confirmed key counts at once (重新判断目录)."""
    row = await tx.fetchrow(
        "DELETE FROM directory_version WHERE version = (SELECT max(version) FROM directory_version) RETURNING signed, source"
    )
    if row is None:
        return False
    verdict = await accept(tx, node, row["signed"], source=row["source"])
    return verdict.outcome == "accepted"


# ---- the hub's side --------------------------------------------------------------------------------------------


async def issue(tx: Tx, node: Node, change: Callable[[Directory], Directory | None]) -> Directory:
    """Write and sign the next directory (签发目录): `change` makes it from the present one, or None for no change.

    The hub alone. One at a time: two officers at once make two versions, never two directories of one version.

    `version` = max(previous + 1, Unix seconds), so a hub put back from a backup overtakes itself. Told to all by the
    letter `federation.directory_changed` in the same transaction.
    """
    await _one_at_a_time(tx)
    row = await tx.fetchrow("SELECT signed, digest, trusted FROM directory_version ORDER BY version DESC LIMIT 1")
    if row is None:
        raise NotMember
    before = rules.parse(row["signed"]).directory
    changed = change(before)
    if changed is None:
        return read_directory(row["trusted"])
    now = node.clock.ms()
    after = msgspec.structs.replace(
        changed, version=max(before.version + 1, now // 1000), issued_at=now, not_after=now + rules.VALID_MS,
        previous=row["digest"],
    )  # fmt: skip
    raw = sign(node, after, await _own_cert(tx, node, row["signed"]))
    verdict = await accept(tx, node, raw, source=node.id)
    if verdict.outcome != "accepted" or verdict.trusted is None:
        raise CallFailed("directory_" + (verdict.why or verdict.outcome), retryable=False)
    if changed.revoked != before.revoked:
        await publish_list(tx, node, verdict.trusted)
    await send(
        tx,
        node,
        to="*",
        kind="federation.directory_changed",
        about="directory",
        body={"version": after.version},
        open=True,
    )
    return verdict.trusted


def parse_cert(raw: bytes) -> str:
    """The directory signer's certificate in a directory as served."""
    return rules.parse(raw).sig.cert


def sign(node: Node, found: Directory, cert: str) -> bytes:
    """The directory with the hub's signature, as served."""
    form = rules.unsigned_form(found)
    signer = node.keys.signer(DIRECTORY_KEY)
    sig = {"kid": signer.kid, "alg": "sm2-sm3", "cert": cert, "value": b64(signer.sign(jcs(form)))}
    return jcs({"v": 1, "directory": form, "sig": sig})


def with_node(found: Directory, listed: ListedNode) -> Directory:
    """The directory with that node added, or put in place of the entry of the same id."""
    others = tuple(one for one in found.nodes if one.id != listed.id)
    return msgspec.structs.replace(found, nodes=tuple(sorted((*others, listed), key=lambda one: one.id)))


def with_keys(listed: ListedNode, fresh: tuple[NodeKey, ...]) -> ListedNode:
    """The node with new current keys first; what was current for the same use is retired."""
    uses = {key.use for key in fresh}
    old = tuple(
        msgspec.structs.replace(key, status="retired", by=key.by) if key.use in uses else key for key in listed.keys
    )
    return msgspec.structs.replace(listed, keys=(*fresh, *old))


async def _own_cert(tx: Tx, node: Node, signed: bytes) -> str:
    """The certificate of the directory key; a new one for the same key when it has less than 30 days (目录密钥证书续期)."""
    from tongban.federation.actions.root import issue_certificate

    held = parse_cert(signed)
    if rules.certificate(held).not_after > node.clock.now() + timedelta(days=EXPIRY_DAYS):
        return held
    root = await tx.fetchval("SELECT cert FROM directory_anchor WHERE how = 'pinned'")
    public = node.keys.signer(DIRECTORY_KEY).public
    return b64(issue_certificate(node, root, public, node.id, node.settings.organisation, "directory"))


async def set_status(tx: Tx, node: Node, node_id: str, status: str) -> Directory:
    """Issue a directory in which the node has another status (改变节点状态). The hub alone."""

    def change(found: Directory) -> Directory:
        listed = found.node(node_id)
        if listed is None:
            raise NotMember
        return with_node(found, msgspec.convert({**msgspec.to_builtins(listed), "status": status}, ListedNode))

    return await issue(tx, node, change)


async def take_self_revocation(tx: Tx, raw: bytes) -> str | None:
    """Keep a revocation that the key itself signed (密钥自行撤销), from whoever brings it; the key id, or None if false.

    The caller passes it on. Works without the hub (federation.md 3).
    """
    try:
        whole = parse_object(raw)
        revoke, sig = whole.get("revoke"), whole.get("sig")
        if not isinstance(revoke, dict) or not isinstance(sig, dict):
            return None
        kid, at, reason = revoke.get("kid"), revoke.get("at"), revoke.get("reason")
        canonical = jcs(revoke)
    except BadEncoding:
        return None
    if not isinstance(kid, str) or not isinstance(at, int) or not isinstance(reason, str) or sig.get("kid") != kid:
        return None
    row = await tx.fetchrow("SELECT node, cert FROM node_key WHERE kid = $1 AND use = 'sign'", kid)
    if row is None or revoke.get("node") != row["node"] or not isinstance(sig.get("value"), str):
        return None
    if not verify(x509.read(row["cert"]).public, canonical, sig["value"]):
        return None
    await _one_at_a_time(tx)  # a directory that is being taken at this moment would be written without it
    fresh = await tx.fetchval(
        "INSERT INTO key_revocation (kid, at, reason, signed) VALUES ($1, $2, $3, $4) ON CONFLICT DO NOTHING RETURNING 1",
        kid, at, reason[:40], raw,
    )  # fmt: skip
    if fresh is None:
        return None
    trusted = await tx.fetchrow("SELECT version, trusted FROM directory_version ORDER BY version DESC LIMIT 1")
    if trusted is not None:
        found = msgspec.json.decode(trusted["trusted"], type=Directory)
        found = msgspec.structs.replace(found, revoked=(*found.revoked, Revoked(kid, at, reason[:40])))
        await tx.execute(
            "UPDATE directory_version SET trusted = $2 WHERE version = $1",
            trusted["version"],
            msgspec.json.encode(found),
        )
    await raise_alarm(tx, "key_revoked", row["node"], kid, f"{kid} 已自行撤销，它签的新内容一律不收", raw)
    await ring(tx, DIRECTORY_BELL)
    return kid


async def catch_up(node: Node) -> None:
    """Fetch when a peer named a higher version, and by the clock (跟上目录). Nothing before the node is enrolled."""
    memory = office(node)
    found = await memory.look(node)
    if found is None:
        return
    if node.id == found.hub:
        if node.clock.ms() > found.issued_at + rules.VALID_MS // 7:
            async with node.db.transaction() as tx:
                await issue(tx, node, lambda present: present)
        async with node.db.transaction() as tx:
            await keep_fresh(tx, node, found)
        return
    hint, memory.hint = memory.hint, None
    if hint is not None and hint.version <= found.version:
        return
    await refresh(node, peer=hint.peer if hint else None)


__all__ = ["BEHIND_BELL", "accept", "catch_up", "issue", "look_again", "refresh", "set_status", "sign", "take", "trust"]
