"""Nouns of the post between nodes 节点互联的名词: letters, the directory, keys, answers. Shapes: federation.md 2-5."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from functools import cached_property
from typing import TYPE_CHECKING, Any, Literal

import msgspec

if TYPE_CHECKING:
    from tongban.kernel.db import Tx
    from tongban.kernel.node import Node

NodeStatus = Literal["joining", "active", "leaving", "suspended", "gone"]
KeyStatus = Literal["current", "retired"]
KeyUse = Literal["sign", "encrypt"]

SIGN_ALG = "sm2-sm3"
ENCRYPT_ALG = "sm2-sm4-gcm"


class Letter(msgspec.Struct, frozen=True, kw_only=True):
    """One letter as a handler sees it 信件: checked, decrypted, in order for its (origin, about).

    `at` is Unix milliseconds at the origin; never order by it (federation.md 6.4). `counts_at` is the time the letter
    counts with: later than `at` when it was back-dated (5.2). `id` is the same however often the letter comes; a
    reaction names it as `cause` to `derived_id`.
    """

    id: str
    origin: str
    to: str
    epoch: int
    seq: int
    kind: str
    kind_version: int
    about: str
    at: int
    counts_at: int
    body: dict[str, Any]


LetterHandler = Callable[["Tx", "Node", Letter], Awaitable[None]]
CallHandler = Callable[["Node", str, dict[str, Any]], Awaitable[dict[str, Any]]]


class Handlers(msgspec.Struct, frozen=True):
    """What this node can answer and apply 收件与应答的登记: filled once by `main` from every room's LETTERS and CALLS."""

    letters: Mapping[tuple[str, int], LetterHandler] = {}
    calls: Mapping[str, CallHandler] = {}
    reinstate: Mapping[tuple[str, int], LetterHandler | None] = {}
    replaces: frozenset[str] = frozenset()


# ---- the directory (federation.md 3) -------------------------------------------------------------------------


class KeyProof(msgspec.Struct, frozen=True):
    """An earlier key of the node speaks for a new one (`by`); `value` signs the new key's SubjectPublicKeyInfo."""

    kid: str
    value: str


class NodeKey(msgspec.Struct, frozen=True, omit_defaults=True):
    """One listed key 节点密钥; `cert` is base64url DER, `retired_at` Unix ms when it stopped being current."""

    kid: str
    use: KeyUse
    alg: str
    cert: str
    status: KeyStatus
    by: KeyProof | None = None
    retired_at: int | None = None


class ListedNode(msgspec.Struct, frozen=True):
    """One node as the directory names it 目录中的节点."""

    id: str
    name: str
    role: str
    status: NodeStatus
    divisions: tuple[str, ...]
    organisation: str
    base_urls: tuple[str, ...]
    connect: str | None
    direct: bool
    relay: bool
    protocol: tuple[int, ...]
    epoch: int
    keys: tuple[NodeKey, ...]

    @property
    def base_url(self) -> str:
        """The first base URL without its closing slash, e.g. `http://510000.localhost:8104`."""
        return self.base_urls[0].rstrip("/") if self.base_urls else ""

    def current(self, use: KeyUse) -> NodeKey | None:
        """The newest current key for `use` (the directory lists newest first)."""
        return next((key for key in self.keys if key.use == use and key.status == "current"), None)


class Anchor(msgspec.Struct, frozen=True):
    cert: str
    not_after: int


class Revoked(msgspec.Struct, frozen=True):
    """From `at` (Unix ms) the key signs nothing."""

    kid: str
    at: int
    reason: str


class Emergency(msgspec.Struct, frozen=True):
    isolate: tuple[str, ...] = ()
    read_only: tuple[str, ...] = ()


class Directory(msgspec.Struct, frozen=True, dict=True):
    """The hub's signed list of nodes 节点目录, as this node trusts it: keys without continuity are left out.

    `version` only rises; `not_after` is Unix ms, past it the node is in stale trust.
    """

    hub: str
    version: int
    issued_at: int
    not_after: int
    previous: str | None
    anchors: tuple[Anchor, ...]
    nodes: tuple[ListedNode, ...]
    revoked: tuple[Revoked, ...] = ()
    emergency: Emergency = Emergency()

    @cached_property
    def _by_id(self) -> dict[str, ListedNode]:
        return {node.id: node for node in self.nodes}

    @cached_property
    def _by_kid(self) -> dict[str, tuple[ListedNode, NodeKey]]:
        return {key.kid: (node, key) for node in self.nodes for key in node.keys}

    def node(self, node_id: str) -> ListedNode | None:
        """The node of that id, whatever its status, or None."""
        return self._by_id.get(node_id)

    def for_division(self, code: str) -> ListedNode | None:
        """The node whose division prefix fits the GB/T 2260 code best (510104 → 510000), or None; gone nodes are skipped."""
        best: tuple[int, ListedNode] | None = None
        for node in self.nodes:
            if node.status == "gone":
                continue
            for prefix in node.divisions:
                if prefix and code.startswith(prefix) and (best is None or len(prefix) > best[0]):
                    best = (len(prefix), node)
        return best[1] if best else None

    def active(self) -> tuple[ListedNode, ...]:
        return tuple(node for node in self.nodes if node.status == "active")

    def listed_key(self, kid: str) -> tuple[ListedNode, NodeKey] | None:
        return self._by_kid.get(kid)

    def revoked_since(self, kid: str) -> int | None:
        """Unix ms from which the key signs nothing, or None."""
        return next((entry.at for entry in self.revoked if entry.kid == kid), None)


class DirectorySignature(msgspec.Struct, frozen=True):
    kid: str
    alg: str
    cert: str
    value: str


# ---- enrolment (federation.md 2) -----------------------------------------------------------------------------


class Invited(msgspec.Struct, frozen=True, kw_only=True):
    """What a hub officer promises a candidate 入网邀请: the identity it will have, nothing about its keys."""

    node: str
    name: str
    role: Literal["hub", "ministry", "province"]
    divisions: tuple[str, ...]
    organisation: str
    direct: bool = True
    relay: bool = False


class Invitation(msgspec.Struct, frozen=True, kw_only=True):
    """Shown once to the inviter. `code` and `root_fingerprint` are handed over outside the network."""

    id: str
    node: str
    code: str
    root_fingerprint: str
    expires: int


class Enrolment(msgspec.Struct, frozen=True, kw_only=True):
    """A candidate's application at the hub 入网申请; `digits` are the eight groups both screens show."""

    id: str
    node: str
    name: str
    status: Literal["pending", "approved", "refused", "active"]
    digits: tuple[str, ...]
    base_url: str
    software: str
    invited_by: str
    asked_at: int
    reason: str | None = None


# ---- looking at the post (federation.md 11) ------------------------------------------------------------------


class Parked(msgspec.Struct, frozen=True, kw_only=True):
    """A letter that waits 暂存信件, and how many wait behind it about the same thing."""

    id: str
    origin: str
    about: str
    epoch: int
    seq: int
    kind: str
    kind_version: int
    reason: str
    error: str | None
    since_ms: int
    attempts: int
    behind: int


class Mail(msgspec.Struct, frozen=True, kw_only=True):
    """How far this node has read one origin 收件进度."""

    origin: str
    epoch: int
    seq: int
    head_epoch: int | None
    head_seq: int | None
    head_at: int | None
    parked: int
    stopped: str | None
    moved_ms: int


class Outbox(msgspec.Struct, frozen=True, kw_only=True):
    """The sender's side 发件: rows not stamped yet, and the end of this node's log."""

    epoch: int
    seq: int
    unstamped: int
    oldest_unstamped_ms: int | None
    stopped: str | None


class ComeHome(msgspec.Struct, frozen=True, kw_only=True):
    """An own letter that others held and this node had lost 回来的信, and what became of its fact."""

    id: str
    epoch: int
    seq: int
    to: str
    kind: str
    about: str
    by: str
    state: str
    error: str | None
    at_ms: int


class Recovery(msgspec.Struct, frozen=True, kw_only=True):
    """A restore of this node 恢复: who has answered, what came home, and until when there is doubt."""

    id: str
    why: str
    begun_ms: int
    epoch: int
    seq: int
    last_at: int | None
    answered: dict[str, int]
    opened: int | None
    ended_ms: int | None
    states: dict[str, int]


class Proposal(msgspec.Struct, frozen=True, kw_only=True):
    """What one officer asks and another must decide 两人决定的事项."""

    id: str
    kind: str
    about: str
    value: str
    reason: str
    asked_by: str
    asked_ms: int


class Alarm(msgspec.Struct, frozen=True, kw_only=True):
    """Something a person must look at 告警: fork, key without continuity, gap that a relay cannot close."""

    id: str
    kind: str
    node: str
    sentence: str
    since_ms: int
