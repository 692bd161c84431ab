"""The directory as this node trusts it 节点目录 (federation.md 3)."""

from __future__ import annotations

from functools import lru_cache
from typing import Any
from urllib.parse import urlsplit

from tongban.federation.actions.office import office, read_directory
from tongban.federation.errors import NotMember
from tongban.federation.model import Alarm, Directory, Revoked
from tongban.federation.rules.directory import Held, HeldAnchor, HeldKey, parse
from tongban.kernel.copying import Field
from tongban.kernel.db import Tx
from tongban.kernel.gm import Sm2PublicKey, digest, x509
from tongban.kernel.node import Node


async def directory(tx: Tx) -> Directory:
    """The directory this node trusts 节点目录: `.node("510000")`, `.for_division("510104")`, `.active()`.

    Raises NotMember before the node is enrolled.
    """
    row = await tx.fetchrow("SELECT version, trusted FROM directory_version ORDER BY version DESC LIMIT 1")
    if row is None:
        raise NotMember
    return read_directory(row["trusted"])


async def present(node: Node) -> Directory | None:
    """As `directory`, from memory and without a transaction; None before the node is enrolled."""
    return await office(node).look(node)


async def signing_key(tx: Tx, kid: str) -> Sm2PublicKey | None:
    """The public signing key of that id 验签公钥, also a retired one; None when it was never taken or is revoked."""
    row = await tx.fetchrow(
        "SELECT k.cert FROM node_key k WHERE k.kid = $1 AND k.use = 'sign'"
        " AND NOT EXISTS (SELECT FROM key_revocation r WHERE r.kid = k.kid)",
        kid,
    )
    if row is None or (await directory(tx)).revoked_since(kid) is not None:
        return None
    return x509.read(row["cert"]).public


def origins(node: Node) -> tuple[str, ...]:
    """The web origins of all known nodes, for a page's form-action (各节点网址); this node alone before it is enrolled."""
    found = office(node).directory
    urls = [listed.base_url for listed in (found.nodes if found else ()) if listed.base_urls and listed.status != "gone"]
    return _origins((*urls, node.settings.base_url))


@lru_cache(maxsize=64)
def _origins(urls: tuple[str, ...]) -> tuple[str, ...]:
    """Remembered: every answer of a node names them."""
    return tuple(sorted({_origin(url) for url in urls}))


def name_of(node: Node, node_id: str) -> str:
    """What people call a node (节点名称): 重庆市 for 500000. The id itself when this node does not know it, "" for ""."""
    if node_id == node.id:
        return node.settings.name
    found = office(node).directory
    listed = found.node(node_id) if found else None
    return listed.name if listed else node_id


def place(heading: str, column: str) -> Field:
    """A node's name in a person's copy of a row (副本里的地方): 重庆市 for 500000."""
    return Field(heading, lambda node, row: name_of(node, row[column] or ""))


def _origin(url: str) -> str:
    parts = urlsplit(url)
    return f"{parts.scheme}://{parts.netloc}"


async def served(tx: Tx) -> tuple[int, bytes, str] | None:
    """(version, bytes, ETag) of the directory to serve, or None."""
    row = await tx.fetchrow("SELECT version, signed, digest FROM directory_version ORDER BY version DESC LIMIT 1")
    return None if row is None else (row["version"], row["signed"], f'"{row["version"]}-{row["digest"][4:20]}"')


async def held(tx: Tx, hub: str) -> Held:
    """What this node believes before it looks at a new directory."""
    row = await tx.fetchrow("SELECT version, digest, trusted FROM directory_version ORDER BY version DESC LIMIT 1")
    anchors = await tx.fetch("SELECT cert, counts_from, since_version FROM directory_anchor")
    keys = await tx.fetch("SELECT kid, node, use, cert, spki_fingerprint, retired_at FROM node_key")
    words = await tx.fetch("SELECT node, fingerprint FROM node_trust")
    revoked = await tx.fetch("SELECT kid, at, reason FROM key_revocation")
    return Held(
        hub=hub,
        version=row["version"] if row else 0,
        digest=row["digest"] if row else digest(b""),
        directory=read_directory(row["trusted"]) if row else None,
        anchors=tuple(HeldAnchor(one["cert"], one["counts_from"], one["since_version"]) for one in anchors),
        keys={
            one["kid"]: HeldKey(
                one["kid"], one["node"], one["use"], one["cert"], one["spki_fingerprint"], one["retired_at"]
            )
            for one in keys
        },
        words=frozenset((one["node"], one["fingerprint"]) for one in words),
        self_revoked=tuple(Revoked(one["kid"], one["at"], one["reason"]) for one in revoked),
    )


async def alarms(tx: Tx) -> list[Alarm]:
    """What a person must look at, newest first (未处理的告警)."""
    rows = await tx.fetch(
        "SELECT id, kind, node, sentence, at FROM federation_alarm WHERE resolved_at IS NULL ORDER BY at DESC LIMIT 100"
    )
    return [
        Alarm(
            id=row["id"],
            kind=row["kind"],
            node=row["node"],
            sentence=row["sentence"],
            since_ms=int(row["at"].timestamp() * 1000),
        )
        for row in rows
    ]


async def unlisted_revocations(tx: Tx) -> list[Any]:
    """Self-revocations heard here that the newest directory, as the hub signed it, does not name yet (未列入目录的撤销)."""
    rows = await tx.fetch("SELECT kid, at, reason, signed FROM key_revocation ORDER BY at, kid")
    signed = await tx.fetchval("SELECT signed FROM directory_version ORDER BY version DESC LIMIT 1") if rows else None
    if signed is None:
        return []
    listed = {one.kid for one in parse(signed).directory.revoked}
    return [row for row in rows if row["kid"] not in listed]
