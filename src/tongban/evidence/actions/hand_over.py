"""Handing packages over to an archive (移交, R-407): proposed by one, approved by another, ended by the receiver's signed receipt.

The receiver is named with the key that will sign its receipt; the key is part of what the second person approves. Every
package taken away is a line in its person's ledger. A receipt names each package by the digest of its manifest.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta

import msgspec

from tongban import consent, identity, transparency
from tongban.evidence import queries
from tongban.evidence.errors import NoSuchArchive, NotHandedOver
from tongban.evidence.model import RECEIPT_TYPE, Archive, Batch
from tongban.evidence.queries import archives as looking
from tongban.evidence.rules.limits import ARCHIVING
from tongban.kernel.actor import Actor
from tongban.kernel.db import Tx
from tongban.kernel.errors import NotAllowed, Refusal, Refusals
from tongban.kernel.gm import BadEncoding, BadKey, Sm2PublicKey, der_to_raw, jcs, unb64
from tongban.kernel.ids import uuid7
from tongban.kernel.log import log
from tongban.kernel.node import Node

KIND = "archive.hand_over"
SEE, HAND_OVER = "evidence.archive_see", "evidence.hand_over"


class Wanted(msgspec.Struct, frozen=True):
    """What the second person approves (移交内容): batch, receiver, its key's fingerprint, each package with its manifest's digest."""

    batch: str
    receiver: str
    fingerprint: str
    packages: tuple[tuple[str, str], ...]


def receiver_key(text: str) -> bytes | None:
    """The DER of an SM2 public key in PEM or base64 as a person pastes it (收件方公钥); None when it is none."""
    body = "".join(line for line in text.splitlines() if "-----" not in line)
    try:
        return Sm2PublicKey.from_spki(unb64("".join(body.split()).replace("+", "-").replace("/", "_").rstrip("="))).spki
    except (BadEncoding, BadKey):
        return None


async def propose(tx: Tx, node: Node, actor: Actor, ids: Sequence[str], *, receiver: str, key: str) -> Batch | Refusals:
    """Put a hand-over before another pair of eyes (提议移交). All packages are of one department of this person's area."""
    name, spki = receiver.strip()[:80], receiver_key(key)
    wrong = []
    if len(name) < 2:
        wrong.append(Refusal("evidence.receiver", "写清楚交给哪家档案馆", "receiver"))
    if spki is None:
        wrong.append(Refusal("evidence.receiver_key", "这不是 SM2 公钥，请贴收件方给的公钥（PEM）", "key"))
    if not ids or len(ids) > ARCHIVING.batch_packages:
        wrong.append(Refusal("evidence.batch_size", f"一次移交选 1 到 {ARCHIVING.batch_packages} 个归档包", "packages"))
    if wrong or spki is None:
        return tuple(wrong)
    found = [await _mine(tx, actor, one, HAND_OVER) for one in sorted(set(ids))]
    if any(one.state != "packed" for one in found) or len({(one.org_code, one.division) for one in found}) != 1:
        return (Refusal("evidence.batch_mixed", "一次只能移交同一部门、已经归档、还没移交的包，请重新选", "packages"),)
    made, first = uuid7(), found[0]
    wanted = Wanted(made, name, Sm2PublicKey.from_spki(spki).fingerprint.hex(), tuple((one.id, one.digest) for one in found))
    proposal = await identity.propose(
        tx, node, actor, KIND, division=first.division, org=first.org_code, words=f"{len(found)} 个归档包移交给{name}",
        body=jcs(msgspec.to_builtins(wanted)),
    )  # fmt: skip
    await tx.execute(
        "INSERT INTO archive_batch (id, receiver, receiver_key, division, org_code, proposal, proposed_by, state, made_at)"
        " VALUES ($1, $2, $3, $4, $5, $6, $7, 'proposed', $8)",
        made, name, spki, first.division, first.org_code, proposal.id, actor.subject, node.clock.now(),
    )  # fmt: skip
    await tx.execute("UPDATE archive SET state = 'proposed', batch = $2 WHERE id = ANY($1::uuid[])", [one.id for one in found], made)
    batch = await looking.batch(tx, made)
    assert batch is not None
    return batch


async def approved(tx: Tx, node: Node, approver: Actor, proposal: object, body: bytes) -> str:  # noqa: ARG001  the shape identity calls
    """The second person approved exactly these packages and this key (批准移交)."""
    wanted = msgspec.json.decode(body, type=Wanted)
    batch = await looking.batch(tx, wanted.batch, lock=True)
    held = tuple((one.id, one.digest) for one in await looking.in_batch(tx, wanted.batch))
    if batch is None or batch.state != "proposed" or held != wanted.packages:
        raise NoSuchArchive
    if Sm2PublicKey.from_spki(batch.receiver_key).fingerprint.hex() != wanted.fingerprint:
        raise NoSuchArchive
    await tx.execute(
        "UPDATE archive_batch SET state = 'approved', approved_by = $2, approved_at = $3 WHERE id = $1",
        batch.id, approver.subject, node.clock.now(),
    )  # fmt: skip
    await tx.execute("UPDATE archive SET state = 'approved' WHERE batch = $1", batch.id)
    return f"可以移交了，共 {len(held)} 个包"


async def take(tx: Tx, node: Node, actor: Actor, archive_id: str) -> queries.Given:
    """The package for the receiver (取包移交), in an approved hand-over only; a line in the person's ledger each time.

    It is looked at whole here and goes out piece by piece after the commit. Raises NoSuchArchive, NotHandedOver, NotAllowed for the own file and the family's (T-62).
    """
    found = await _mine(tx, actor, archive_id, HAND_OVER)
    if actor.own_or_family(found.subject):
        raise NotAllowed("自己和家人的案卷，要请另一位同事移交")
    batch = await looking.batch(tx, found.batch) if found.batch else None
    if batch is None or batch.state != "approved":
        raise NotHandedOver
    given = await looking.package(tx, node, archive_id)
    await identity.note_reading(tx, node, actor, "archive", found.id, consent.Access(
        subject=found.subject, kind="share", who=actor.unit or node.settings.name, fields=("整份案卷",), purpose=f"归档移交给{batch.receiver}",
        source=node.id, receiver=node.id, basis=ARCHIVING.basis, about=f"case:{found.case_id}",
    ))  # fmt: skip
    log("evidence.package_taken", case_id=found.case_id, bytes=given.byte_count)
    return given


async def to_sign(tx: Tx, batch: Batch) -> bytes:
    """What the receiver signs, byte for byte (待签回执): the packages with the digests of their manifests."""
    return jcs({
        "type": RECEIPT_TYPE, "v": 1, "batch": batch.id, "receiver": batch.receiver,
        "packages": [{"id": one.id, "number": one.number, "digest": one.digest} for one in await looking.in_batch(tx, batch.id)],
    })  # fmt: skip


async def take_receipt(tx: Tx, node: Node, actor: Actor, batch_id: str, signature: bytes) -> Batch | Refusals:
    """The receiver's signature over `to_sign` ends the hand-over (收下移交回执); 64 bytes or DER. A second time changes nothing."""
    batch = await looking.batch(tx, batch_id, lock=True)
    if batch is None:
        raise NoSuchArchive
    actor.require_may(HAND_OVER, division=batch.division, org=batch.org_code)
    if batch.state == "received":
        return batch
    if batch.state != "approved":
        raise NotHandedOver
    signed = await to_sign(tx, batch)
    if not Sm2PublicKey.from_spki(batch.receiver_key).verify(signed, _raw(signature)):
        return (Refusal("evidence.receipt", "回执的签名对不上：要用收件方登记的那把钥匙，签这一批的待签回执", "receipt"),)
    leaf = await transparency.append(tx, "archive.handed_over", signed)
    now = node.clock.now()
    await tx.execute(
        "UPDATE archive_batch SET state = 'received', received_at = $2, leaf = $3, receipt = $4 WHERE id = $1",
        batch.id, now, leaf.id, {"signed": signed.decode(), "signature": signature.hex(), "alg": "sm2-sm3"},
    )  # fmt: skip
    await tx.execute("UPDATE archive SET state = 'handed_over', handed_over_at = $2 WHERE batch = $1", batch.id, now)
    done = await looking.batch(tx, batch.id)
    assert done is not None
    return done


async def give_back(tx: Tx, node: Node) -> int:
    """Packages of hand-overs that come to nothing can be proposed again (退回); how many batches.

    Nobody approved in time, or somebody refused; or it was approved and the receiver has not signed for `receipt_days`.
    """
    count = 0
    late = node.clock.now() - timedelta(days=ARCHIVING.receipt_days)
    for row in await tx.fetch(
        "SELECT id, proposal FROM archive_batch WHERE state = 'proposed' OR (state = 'approved' AND approved_at < $1) FOR UPDATE", late
    ):
        proposal = await identity.proposal(tx, row["proposal"])
        if proposal is not None and proposal.state == "open" and proposal.expires_at > node.clock.now():
            continue
        await tx.execute("UPDATE archive_batch SET state = 'dropped' WHERE id = $1", row["id"])
        await tx.execute("UPDATE archive SET state = 'packed', batch = NULL WHERE batch = $1", row["id"])
        count += 1
    return count


def _raw(signature: bytes) -> bytes:
    if len(signature) == 64:
        return signature
    try:
        return der_to_raw(signature)
    except BadEncoding:
        return b""


async def _mine(tx: Tx, actor: Actor, archive_id: str, action: str) -> Archive:
    """A package of this person's area; another's is not found. Raises NoSuchArchive."""
    found = await looking.archive(tx, archive_id, lock=True)
    if found is None or not actor.may(action, division=found.division, org=found.org_code):
        raise NoSuchArchive
    return found


def words_of(body: bytes) -> tuple[tuple[str, str], ...]:
    """What the second person compares (核对内容): the receiver, the fingerprint of its key as it is read out, the page with the packages."""
    wanted = msgspec.json.decode(body, type=Wanted)
    groups = (wanted.fingerprint[at : at + 4] for at in range(0, len(wanted.fingerprint), 4))
    return (("收件方", wanted.receiver), ("对方公钥的指纹", " ".join(groups)), ("这一批的归档包", f"/staff/archive/batches/{wanted.batch}"))


identity.carries_out(KIND, approved, words_of)
