"""The hub's root 枢纽的根: made once, certificates from it, the first directory (federation.md 2, 3)."""

from __future__ import annotations

import msgspec

from tongban.federation.actions.directory import DIRECTORY_KEY, sign, take, with_keys
from tongban.federation.errors import EnrolmentRefused
from tongban.federation.model import (
    ENCRYPT_ALG,
    SIGN_ALG,
    Anchor,
    Directory,
    Invited,
    KeyProof,
    KeyUse,
    ListedNode,
    NodeKey,
)
from tongban.federation.rules import directory as directory_rules
from tongban.federation.rules import enrolment as rules
from tongban.kernel.db import Tx
from tongban.kernel.gm import Sm2PublicKey, b64, digest, x509
from tongban.kernel.node import Node

ROOT_KEY = "root"
PROTOCOL = (1,)


async def make_hub(node: Node) -> str:
    """Make this node the hub of a nation 建枢纽: root, directory key, own certificates, first directory; once.

    Gives the root's fingerprint (64 hex digits, groups of 4), the same each time. In production the root key lives
    offline and signs at a ceremony; here it is a key of the same KeyStore, which docs/operate says.
    """
    async with node.db.transaction() as tx:
        await tx.execute("SELECT pg_advisory_xact_lock(hashtextextended('federation.directory', 0))")
        settings = node.settings
        root: bytes | None = await tx.fetchval("SELECT cert FROM directory_anchor WHERE how = 'pinned'")
        if root is None:
            root = x509.make_root(
                node.keys.signer(ROOT_KEY), common_name=f"tongban root {node.id}", organisation=settings.organisation,
                at=node.clock.now(),
            )  # fmt: skip
            await pin_root(tx, root)
        if await tx.fetchval("SELECT EXISTS (SELECT FROM directory_version)"):
            return rules.root_fingerprint(root)
    directory_cert = issue_certificate(
        node, root, node.keys.signer(DIRECTORY_KEY).public, node.id, settings.organisation, "directory"
    )
    ms = node.clock.ms()
    invited = Invited(
        node=node.id, name=settings.name, role="hub", divisions=settings.divisions, organisation=settings.organisation,
        direct=True, relay=True,
    )  # fmt: skip
    listed = listing(invited, (settings.base_url,), settings.connect or None, ms // 1000, "active", ())
    sign_cert = issue_certificate(node, root, node.keys.signer("s1").public, node.id, settings.organisation, "sign")
    enc_cert = issue_certificate(
        node, root, node.keys.decrypter("e1").public, node.id, settings.organisation, "encrypt"
    )
    listed = with_keys(
        listed, (current_key(node.id, "s1", "sign", sign_cert), current_key(node.id, "e1", "encrypt", enc_cert))
    )
    first = Directory(
        hub=node.id, version=ms // 1000, issued_at=ms, not_after=ms + directory_rules.VALID_MS, previous=None,
        anchors=(Anchor(b64(root), int(x509.read(root).not_after.timestamp() * 1000)),), nodes=(listed,),
    )  # fmt: skip
    verdict = await take(node, sign(node, first, b64(directory_cert)), source=node.id)
    if verdict.outcome not in ("accepted", "same", "older"):
        raise EnrolmentRefused(verdict.why)
    return rules.root_fingerprint(root)


async def pin_root(tx: Tx, root: bytes) -> None:
    """Hold a hub root for good (信任锚): the officer's fingerprint vouches for it."""
    await tx.execute(
        "INSERT INTO directory_anchor (fingerprint, cert, not_after, since_version, counts_from, how)"
        " VALUES ($1, $2, $3, 0, 0, 'pinned') ON CONFLICT DO NOTHING",
        digest(root), root, int(x509.read(root).not_after.timestamp() * 1000),
    )  # fmt: skip


def issue_certificate(
    node: Node, root: bytes, public: Sm2PublicKey, node_id: str, organisation: str, use: x509.Use
) -> bytes:
    """A certificate of the root for a node's key (签发证书), DER, at most 398 days."""
    return x509.make_leaf(
        x509.read(root), node.keys.signer(ROOT_KEY), public=public, common_name=node_id, organisation=organisation,
        use=use, node=node_id, at=node.clock.now(),
    )  # fmt: skip


def current_key(node_id: str, name: str, use: KeyUse, cert: bytes, by: KeyProof | None = None) -> NodeKey:
    """A current key as the directory lists it."""
    return NodeKey(f"{node_id}/{name}", use, SIGN_ALG if use == "sign" else ENCRYPT_ALG, b64(cert), "current", by)


def listing(
    invited: Invited,
    base_urls: tuple[str, ...],
    connect: str | None,
    epoch: int,
    status: str,
    keys: tuple[NodeKey, ...],
) -> ListedNode:
    """An invited node as the directory lists it."""
    return msgspec.convert(
        {
            "id": invited.node, "name": invited.name, "role": invited.role, "status": status,
            "divisions": invited.divisions, "organisation": invited.organisation, "base_urls": base_urls,
            "connect": connect, "direct": invited.direct, "relay": invited.relay, "protocol": PROTOCOL, "epoch": epoch,
            "keys": keys,
        },
        ListedNode,
    )  # fmt: skip
