"""When a directory is believed 目录的采信: the hub's signature, a rising version, key continuity (federation.md 3). Pure."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from functools import lru_cache
from typing import Final, Literal

import msgspec

from tongban.federation.model import (
    ENCRYPT_ALG,
    SIGN_ALG,
    Directory,
    DirectorySignature,
    KeyUse,
    ListedNode,
    NodeKey,
    Revoked,
)
from tongban.federation.rules.wire import Malformed, verify
from tongban.kernel.gm import BadEncoding, CertificateRefused, digest, jcs, parse_object, unb64, x509

VALID_MS: Final = 7 * 24 * 3600 * 1000
STALE_MS: Final = 30 * 24 * 3600 * 1000
NEW_ROOT_MS: Final = 24 * 3600 * 1000
AHEAD_MS: Final = 30_000
RETIRED_CALLS_MS: Final = 14 * 24 * 3600 * 1000
_ALG: Final[dict[KeyUse, str]] = {"sign": SIGN_ALG, "encrypt": ENCRYPT_ALG}


class Signed(msgspec.Struct, frozen=True):
    """A directory as served: the list, its canonical bytes and who signed."""

    directory: Directory
    canonical: bytes
    digest: str
    sig: DirectorySignature
    raw: bytes


class HeldAnchor(msgspec.Struct, frozen=True):
    """A hub root this node holds; `counts_from` Unix ms, `since_version` the directory that named it (0 = pinned)."""

    cert: bytes
    counts_from: int
    since_version: int


class HeldKey(msgspec.Struct, frozen=True):
    """A key this node took earlier, with the fingerprint of its SubjectPublicKeyInfo (`sm3:…`)."""

    kid: str
    node: str
    use: KeyUse
    cert: bytes
    fingerprint: str
    retired_at: int | None


class Held(msgspec.Struct, frozen=True):
    """What this node believes before it looks at a new directory; `words` are an operator's (node, fingerprint)."""

    hub: str
    version: int
    digest: str
    directory: Directory | None
    anchors: tuple[HeldAnchor, ...]
    keys: dict[str, HeldKey]
    words: frozenset[tuple[str, str]] = frozenset()
    self_revoked: tuple[Revoked, ...] = ()


class Doubt(msgspec.Struct, frozen=True):
    """A key that was not taken: for an operator to compare by telephone."""

    kind: Literal["key_without_continuity", "key_id_reused", "key_malformed"]
    node: str
    kid: str
    fingerprint: str


class Verdict(msgspec.Struct, frozen=True):
    """What to do with a directory that came. Only `accepted` changes anything but alarms."""

    outcome: Literal["accepted", "same", "older", "fork", "refused"]
    why: str = ""
    trusted: Directory | None = None
    keys: tuple[HeldKey, ...] = ()
    how: dict[str, str] = {}
    doubts: tuple[Doubt, ...] = ()
    anchors: tuple[HeldAnchor, ...] = ()


def parse(raw: bytes) -> Signed:
    """A directory as served; Malformed when it is not one. Unknown fields are kept in `raw` and `canonical`."""
    try:
        whole = parse_object(raw)
        if whole.get("v") != 1 or not isinstance(whole.get("directory"), dict):
            raise Malformed("directory")
        directory = msgspec.convert(whole["directory"], Directory, strict=True)
        sig = msgspec.convert(whole.get("sig"), DirectorySignature, strict=True)
        canonical = jcs(whole["directory"])
    except (BadEncoding, msgspec.ValidationError) as error:
        raise Malformed("directory") from error
    return Signed(directory, canonical, digest(canonical), sig, raw)


def when(ms: int) -> datetime:
    return datetime.fromtimestamp(ms / 1000, UTC)


@lru_cache(maxsize=4096)
def certificate(cert: str) -> x509.Certificate:
    """The certificate of a listed key (base64url DER), read once; CertificateRefused or BadEncoding if it is none."""
    return x509.read(unb64(cert))


def judge(signed: Signed, held: Held, now_ms: int) -> Verdict:
    """Whether this node takes the directory, and with which keys (采信判断).

    In order: the pinned hub, the signature and its chain to an anchor held *before*, not from the future, a version
    above the stored one. Equal version with other bytes is a fork: the old one stays, both are shown.
    """
    found = signed.directory
    if found.hub != held.hub:
        return Verdict("refused", "other_hub")
    why = _signature_fault(signed, held, now_ms)
    if why:
        return Verdict("refused", why)
    if found.issued_at > now_ms + AHEAD_MS:
        return Verdict("refused", "from_the_future")
    if not found.issued_at < found.not_after <= found.issued_at + VALID_MS:
        return Verdict("refused", "validity")
    if found.version == held.version:
        return Verdict("same" if signed.digest == held.digest else "fork")
    if found.version < held.version:
        return Verdict("older")
    if len({node.id for node in found.nodes}) != len(found.nodes):
        return Verdict("refused", "node_twice")
    return _accept(found, held, now_ms)


def _signature_fault(signed: Signed, held: Held, now_ms: int) -> str:
    sig, found = signed.sig, signed.directory
    if sig.alg != SIGN_ALG or not sig.kid.startswith(f"{held.hub}/d"):
        return "signer"
    revoked = held.directory.revoked_since(sig.kid) if held.directory else None
    if revoked is not None and found.issued_at >= revoked:
        return "signer_revoked"
    usable = [
        anchor.cert for anchor in held.anchors if anchor.counts_from <= now_ms and anchor.since_version < found.version
    ]
    try:
        signer = x509.verify_chain(unb64(sig.cert), usable, when(found.issued_at), use="directory", node=held.hub)
    except (CertificateRefused, BadEncoding):
        return "untrusted_signer"
    return "" if verify(signer.public, signed.canonical, sig.value) else "signature"


def _accept(found: Directory, held: Held, now_ms: int) -> Verdict:
    roots = [anchor.cert for anchor in held.anchors]
    taken: dict[str, HeldKey] = {}
    how: dict[str, str] = {}
    doubts: list[Doubt] = []
    nodes: list[ListedNode] = []
    for node in found.nodes:
        keys, new_doubts = _keys_of(node, found, held, roots, now_ms, taken, how)
        doubts += new_doubts
        nodes.append(msgspec.structs.replace(node, keys=keys))
    revoked = {entry.kid: entry for entry in (*held.self_revoked, *found.revoked)}
    trusted = msgspec.structs.replace(found, nodes=tuple(nodes), revoked=tuple(revoked.values()))
    return Verdict(
        "accepted", "", trusted, tuple(taken.values()), how, tuple(doubts), _new_anchors(found, held, now_ms)
    )


def _new_anchors(found: Directory, held: Held, now_ms: int) -> tuple[HeldAnchor, ...]:
    """Roots listed for the first time: they count from the next version on, and 24 h later (threat N-9)."""
    have = {anchor.cert for anchor in held.anchors}
    fresh = [unb64(anchor.cert) for anchor in found.anchors]
    return tuple(HeldAnchor(cert, now_ms + NEW_ROOT_MS, found.version) for cert in fresh if cert not in have)


def _keys_of(
    node: ListedNode, found: Directory, held: Held, roots: list[bytes], now_ms: int,
    taken: dict[str, HeldKey], how: dict[str, str],
) -> tuple[tuple[NodeKey, ...], list[Doubt]]:  # fmt: skip
    """The keys of one node that this reader trusts; where a new one is in doubt, the old ones of that use stay."""
    known = [key for key in held.keys.values() if key.node == node.id]
    doubts: list[Doubt] = []
    kept: list[NodeKey] = []
    for key in node.keys:
        doubt = _doubt(node.id, key, known, held, roots, now_ms)
        if doubt is not None:
            doubts.append(doubt)
            continue
        old = held.keys.get(key.kid)
        cert = unb64(key.cert)
        retired = (old.retired_at if old else None) or (found.issued_at if key.status == "retired" else None)
        taken[key.kid] = HeldKey(key.kid, node.id, key.use, cert, fingerprint(key.cert), retired)
        how[key.kid] = _how(node.id, key, known, held)
        kept.append(msgspec.structs.replace(key, retired_at=retired))
    doubted = {key.use for key in node.keys if any(doubt.kid == key.kid for doubt in doubts)}
    if doubted and held.directory is not None:
        before = held.directory.node(node.id)
        kept = [key for key in kept if key.use not in doubted]
        kept += [key for key in (before.keys if before else ()) if key.use in doubted]
        for key in kept:
            if key.use in doubted and key.kid in taken:
                taken[key.kid] = msgspec.structs.replace(taken[key.kid], retired_at=key.retired_at)
    return tuple(kept), doubts


def fingerprint(cert: str) -> str:
    """SM3 of the key's SubjectPublicKeyInfo, as `tongban node trust` takes it."""
    return digest(certificate(cert).public.spki)


def _doubt(node: str, key: NodeKey, known: list[HeldKey], held: Held, roots: list[bytes], now_ms: int) -> Doubt | None:
    """Why a listed key is not taken, or None."""
    try:
        read = certificate(key.cert)
        at = min(max(when(now_ms), read.not_before), read.not_after)  # a retired key may be past its time
        x509.verify_chain(read.der, roots, at, use=key.use, node=node)
        mark = fingerprint(key.cert)
    except (CertificateRefused, BadEncoding):
        return Doubt("key_malformed", node, key.kid, "")
    if key.alg != _ALG[key.use] or key.kid.split("/", 1)[0] != node:
        return Doubt("key_malformed", node, key.kid, mark)
    before = held.keys.get(key.kid)
    if before is not None:
        return None if before.fingerprint == mark else Doubt("key_id_reused", node, key.kid, mark)
    if not known or (node, mark) in held.words or _spoken_for(key, known, held):
        return None
    return Doubt("key_without_continuity", node, key.kid, mark)


def _spoken_for(key: NodeKey, known: list[HeldKey], held: Held) -> bool:
    """Whether an earlier signing key of the node signed the new key's SubjectPublicKeyInfo."""
    if key.by is None:
        return False
    speaker = next((one for one in known if one.kid == key.by.kid and one.use == "sign"), None)
    if speaker is None or (held.directory is not None and held.directory.revoked_since(speaker.kid) is not None):
        return False
    return verify(x509.read(speaker.cert).public, certificate(key.cert).public.spki, key.by.value)


def _how(node: str, key: NodeKey, known: list[HeldKey], held: Held) -> str:
    if not known or key.kid in held.keys:
        return "first"
    return "operator" if (node, fingerprint(key.cert)) in held.words else "continuity"


# ---- using a directory -----------------------------------------------------------------------------------------


def freshness(directory: Directory, now_ms: int) -> Literal["fresh", "stale", "expired"]:
    """`stale` past `not_after` (known nodes go on 30 days, nothing new is trusted), then `expired` (local use only)."""
    if now_ms <= directory.not_after:
        return "fresh"
    return "stale" if now_ms <= directory.not_after + STALE_MS else "expired"


def call_key_fault(directory: Directory, kid: str, node: str, now_ms: int) -> str | None:
    """Why a key may not sign a call of `node` now: `unknown_key`, `revoked_key`, or None when it may."""
    listed = directory.listed_key(kid)
    if listed is None or listed[0].id != node or listed[1].use != "sign":
        return "unknown_key"
    revoked = directory.revoked_since(kid)
    if revoked is not None and revoked <= now_ms:
        return "revoked_key"
    key = listed[1]
    if key.status == "retired" and now_ms > (key.retired_at or 0) + RETIRED_CALLS_MS:
        return "unknown_key"
    read = certificate(key.cert)
    return None if read.not_before <= when(now_ms + AHEAD_MS) and when(now_ms) <= read.not_after else "unknown_key"


def letter_key_fault(directory: Directory, kid: str, origin: str, at_ms: int) -> str | None:
    """Why a key may not have signed a letter of `origin` that was written at `at_ms`: `unknown_key`, `revoked_key`, or None.

    A letter may be older than its key's certificate: a node writes before it is admitted, and after a restore or a revocation it
    signs its old letters again with the key it has then.
    """
    listed = directory.listed_key(kid)
    if listed is None or listed[0].id != origin or listed[1].use != "sign":
        return "unknown_key"
    if when(at_ms) > certificate(listed[1].cert).not_after:
        return "unknown_key"
    return "revoked_key" if directory.revoked_since(kid) is not None else None


def unsigned_form(directory: Directory) -> dict[str, object]:
    """The directory as the hub writes it; what a reader noted for itself (`retired_at`) is left out."""
    nodes = [
        msgspec.structs.replace(node, keys=tuple(msgspec.structs.replace(key, retired_at=None) for key in node.keys))
        for node in directory.nodes
    ]
    form: dict[str, object] = msgspec.to_builtins(msgspec.structs.replace(directory, nodes=tuple(nodes)))
    return form


def changes(old: Mapping[str, ListedNode], new: Mapping[str, ListedNode]) -> list[str]:
    """What a new version says that the last did not, a short line each, for the operator's page (与上一版的差别)."""
    lines = [f"新增节点 {name}" for name in new.keys() - old.keys()]
    lines += [f"去掉节点 {name}" for name in old.keys() - new.keys()]
    for name in sorted(new.keys() & old.keys()):
        before, after = old[name], new[name]
        if before.status != after.status:
            lines.append(f"{name} 状态 {before.status} → {after.status}")
        fresh = {key.kid for key in after.keys} - {key.kid for key in before.keys}
        lines += [f"{name} 新密钥 {kid}" for kid in sorted(fresh)]
        if before.base_urls != after.base_urls:
            lines.append(f"{name} 地址改变")
    return lines
