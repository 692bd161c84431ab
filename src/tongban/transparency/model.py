"""Nouns of the log (存证): leaves, heads, proofs, receipts, and what an audit finds."""

from __future__ import annotations

from datetime import datetime
from typing import Literal

import msgspec

from tongban.kernel.gm import b64, digest, jcs, sm3, unb64

HEAD_TYPE = "tongban-log-head-1"
WITNESS_TYPE = "tongban-log-witness-1"
RECEIPT_TYPE = "tongban-receipt-1"


def named(value: bytes) -> str:
    """A 32-byte SM3 value as JSON carries it: `sm3:` and base64url."""
    return "sm3:" + b64(value)


def unnamed(text: str) -> bytes:
    """The 32 bytes of `sm3:…`. Raises BadEncoding."""
    return unb64(text.removeprefix("sm3:"), length=32)


class Leaf(msgspec.Struct, frozen=True):
    """A business fact as the tree holds it (存证叶子): nothing about a person can be read from it."""

    id: str
    kind: str
    at_ms: int
    commitment: bytes
    """SM3(salt ‖ SM3(fact)), 32 bytes."""

    @property
    def entry(self) -> bytes:
        """The bytes whose leaf hash stands in the tree."""
        return entry(self.id, self.kind, self.at_ms, self.commitment)


def commit(salt: bytes, fact: bytes) -> bytes:
    """What stands for a fact in its leaf: SM3(salt ‖ SM3 of the fact). `fact`: the 32-byte SM3."""
    return sm3(salt + fact)


def entry(leaf_id: str, kind: str, at_ms: int, commitment: bytes) -> bytes:
    """The canonical bytes of a leaf: the JCS form of `{v, id, kind, at, commitment}`.

    Written out, since a log is a great many of them: every value is ASCII without a sign that JSON escapes (the table
    refuses any other kind), and the names stand in JCS order.

    >>> entry("a", "b.c", 1, bytes(32)) == jcs({"v": 1, "id": "a", "kind": "b.c", "at": 1, "commitment": named(bytes(32))})
    True
    """
    return f'{{"at":{at_ms},"commitment":"{named(commitment)}","id":"{leaf_id}","kind":"{kind}","v":1}}'.encode()


class Head(msgspec.Struct, frozen=True):
    """A signed tree head (签名树头): the promise that the first `size` leaves have this root."""

    log: str
    """The node whose log it is."""
    size: int
    at_ms: int
    root: bytes
    kid: str
    signature: bytes
    key: bytes = b""
    """The signing key as DER SubjectPublicKeyInfo, where known; does not travel with the head."""

    @property
    def signed(self) -> dict[str, object]:
        """The object that the signature covers, in JCS form."""
        return {
            "type": HEAD_TYPE,
            "v": 1,
            "log": self.log,
            "size": self.size,
            "at": self.at_ms,
            "root": named(self.root),
        }

    def to_json(self) -> dict[str, object]:
        """The form that travels: in letters, receipts and the API."""
        return {"head": self.signed, "sig": {"kid": self.kid, "alg": "sm2-sm3", "value": b64(self.signature)}}

    @property
    def digest(self) -> str:
        """The digest of what is signed."""
        return digest(jcs(self.signed))


class CoSignature(msgspec.Struct, frozen=True):
    """Another node's signature under a head of this one (联署): it has checked that nothing before was changed."""

    witness: str
    kid: str
    key: bytes
    certificate: bytes
    signature: bytes

    def to_json(self) -> dict[str, object]:
        """As it stands in a receipt."""
        return {
            "witness": self.witness, "kid": self.kid, "alg": "sm2-sm3", "value": b64(self.signature), "key": b64(self.key),
            "certificate": b64(self.certificate),
        }  # fmt: skip


class CoSigned(msgspec.Struct, frozen=True):
    """A head with the nodes that signed it too, and the way from it to a newer head (联署树头)."""

    head: Head
    signatures: tuple[CoSignature, ...]
    proof: tuple[bytes, ...]
    certificate: bytes | None = None
    """Of the key that signed that head: keys turn, and the newest head may be signed by the next one."""

    def to_json(self) -> dict[str, object]:
        """As it stands in a receipt."""
        return {
            "signed_head": self.head.to_json(), "proof": [named(one) for one in self.proof],
            "signatures": [one.to_json() for one in self.signatures], "key": b64(self.head.key),
            "certificate": b64(self.certificate) if self.certificate is not None else None,
        }  # fmt: skip


def witness_statement(witness: str, head: Head) -> bytes:
    """What a witness signs (见证声明): its name and the head, in JCS form."""
    return jcs({"type": WITNESS_TYPE, "v": 1, "witness": witness, "head": head.signed})


class Receipt(msgspec.Struct, frozen=True):
    """A receipt (存证回执): everything that is needed to check, years later, that a fact stood in the log.

    `proof` are the sibling hashes from the leaf upwards. `salt` and `fact` open the leaf's commitment. `statement` is
    the fact itself where the giver wants the receipt to carry it.
    """

    leaf: Leaf
    salt: bytes
    fact: bytes
    index: int
    proof: tuple[bytes, ...]
    head: Head
    certificate: bytes | None
    anchor: bytes | None
    statement: bytes | None = None
    witnessed: CoSigned | None = None
    """The newest head that other nodes have signed too, and the proof that the head above continues it."""

    def to_json(self) -> dict[str, object]:
        """The self-contained JSON form; `docs/check_receipt.py` reads it."""
        return {
            "type": RECEIPT_TYPE,
            "leaf": {"id": self.leaf.id, "kind": self.leaf.kind, "at": self.leaf.at_ms},
            "salt": b64(self.salt),
            "fact": named(self.fact),
            "statement": b64(self.statement) if self.statement is not None else None,
            "index": self.index,
            "proof": [named(one) for one in self.proof],
            "signed_head": self.head.to_json(),
            "key": b64(self.head.key),
            "certificate": b64(self.certificate) if self.certificate is not None else None,
            "anchor": b64(self.anchor) if self.anchor is not None else None,
            "witnessed": self.witnessed.to_json() if self.witnessed is not None else None,
        }

    def to_bytes(self) -> bytes:
        """The file a person downloads."""
        return jcs(self.to_json())


class Announcement(msgspec.Struct, frozen=True):
    """A head on its way to other nodes (树头通告), with the proof that it continues the one announced before."""

    head: Head
    since: int
    """The size announced before; 0 for the first."""
    proof: tuple[bytes, ...]

    def to_json(self) -> dict[str, object]:
        """The body of a `log.head` letter."""
        return {**self.head.to_json(), "since": self.since, "proof": [named(one) for one in self.proof]}


WitnessState = Literal["first", "consistent", "gap", "fork", "before"]


class Witnessed(msgspec.Struct, frozen=True):
    """What this node knows of another's head (见证). `gap`: a proof from `held` to `size` is still wanted."""

    node: str
    state: WitnessState
    size: int
    root: bytes
    held: int
    """The size this node had witnessed before; 0 for none."""


class Gap(msgspec.Struct, frozen=True):
    """A head of another log that still has to be joined to the one held here (待证): ask `node` for the proof between the two sizes."""

    node: str
    size: int
    root: bytes
    held: int
    told_by: str

    @property
    def sizes(self) -> tuple[int, int]:
        """From and to, the smaller first."""
        return min(self.size, self.held), max(self.size, self.held)


ForkWay = Literal["same_size", "no_proof"]


class Fork(msgspec.Struct, frozen=True):
    """Two heads that one node signed and that cannot both be true (两份历史). `told_at`: when everybody was told.

    `same_size`: two roots for one size, which anybody can check from the two alone; `no_proof`: asked by a signed call to
    join the two, the node answered with a proof that does not.
    """

    node: str
    mark: str
    way: ForkWay
    first: Head
    second: Head
    first_from: str
    second_from: str
    found_at: datetime
    told_at: datetime | None = None
    seen_by: str = ""
    restored_ms: int | None = None
    """When its node began anew after a restore that lies between the two, by its own signed word; None for a fork nothing explains."""

    def to_json(self) -> dict[str, object]:
        """The body of a `log.fork` letter: both heads, so that the reader believes nobody."""
        return {"v": 1, "node": self.node, "way": self.way, "heads": [self.first.to_json(), self.second.to_json()]}


class Finding(msgspec.Struct, frozen=True):
    """One thing wrong in the rows of a log (审计发现)."""

    kind: Literal["edited", "deleted", "reordered", "inserted", "head", "signature"]
    place: str
    """Which row: table and key."""
    text: str


class Audit(msgspec.Struct, frozen=True):
    """The result of recomputing a whole log from its rows (日志审计)."""

    size: int
    heads: int
    root: bytes
    findings: tuple[Finding, ...]

    @property
    def whole(self) -> bool:
        """Whether nothing was found."""
        return not self.findings

    @property
    def sentence(self) -> str:
        """One paragraph for an operator: whole, or each row that does not fit."""
        if self.whole:
            return f"the log is whole: {self.size} leaves, {self.heads} signed heads, root {named(self.root)}"
        lines = "".join(f"\n  {one.kind}: {one.place}: {one.text}" for one in self.findings)
        return f"the log is NOT what was signed, {len(self.findings)} findings:{lines}"
