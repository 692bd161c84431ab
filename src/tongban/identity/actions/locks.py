"""Gesture as device unlock 手势解锁 (identity.md 3): it opens the live session of one device again and gives no level.

Two things are needed: the device's own key (P-256, cannot leave the browser) signs our challenge, and the gesture agrees.
Without the device there is nothing to guess at: a wrong signature is no try. Argon2id runs in a pool of two threads with a
short queue, so it is never on another person's path.
"""

from __future__ import annotations

import asyncio
import hmac
import secrets
from concurrent.futures import ThreadPoolExecutor

import msgspec
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.utils import encode_dss_signature
from cryptography.hazmat.primitives.kdf.argon2 import Argon2id

from tongban.identity.actions import ending, sessions
from tongban.identity.actions.provider import once
from tongban.identity.errors import failure, refusal
from tongban.identity.model import OpenedSession, Session
from tongban.identity.rules.factors import FACTORS
from tongban.identity.rules.patterns import points
from tongban.kernel.db import Tx
from tongban.kernel.errors import Refusals
from tongban.kernel.gm import b64, hmac_sm3, unb64
from tongban.kernel.ids import uuid7
from tongban.kernel.node import Node

CHALLENGE_SECONDS = 300


class Pool:
    """Argon2id off the event loop 慢算放在一边: two threads, at most fifty waiting, else Failure `identity.gesture_busy`."""

    def __init__(self, threads: int = FACTORS.gesture.threads, queue: int = FACTORS.gesture.queue) -> None:
        self._threads = ThreadPoolExecutor(threads, thread_name_prefix="argon2")
        self._most = threads + queue
        self._inside = 0

    async def derive(self, gesture: str, salt: bytes) -> bytes:
        """32 bytes of Argon2id (t 2, 19 MiB, p 1) over the gesture."""
        if self._inside >= self._most:
            raise failure("identity.gesture_busy", retry_after=2, t="几秒")
        self._inside += 1
        try:
            return await asyncio.get_running_loop().run_in_executor(self._threads, _slow, gesture, salt)
        finally:
            self._inside -= 1


def _slow(gesture: str, salt: bytes) -> bytes:
    data = FACTORS.gesture
    return Argon2id(salt=salt, length=32, iterations=data.iterations, lanes=data.lanes, memory_cost=data.memory_kib).derive(gesture.encode())


POOL = Pool()


class Typed(msgspec.Struct, frozen=True):
    """What the browser sends: the gesture, the challenge and its signature by the device's key (base64, r ‖ s)."""

    gesture: str
    challenge: str
    signature: str


def challenge(node: Node, session: Session) -> str:
    """A challenge for this session's device, five minutes, once."""
    body = secrets.token_bytes(16) + int(node.clock.now().timestamp() + CHALLENGE_SECONDS).to_bytes(8, "big")
    return b64(body + hmac_sm3(node.keys.secret("passkey"), body + f"lock:{session.id}".encode()))


async def _holds(tx: Tx, node: Node, session: Session, typed: Typed, public: bytes) -> bool:
    try:
        made, signature = unb64(typed.challenge), unb64(typed.signature)
        key = serialization.load_der_public_key(public)
    except (ValueError, TypeError):
        return False
    body, mac = made[:24], made[24:]
    good = hmac.compare_digest(mac, hmac_sm3(node.keys.secret("passkey"), body + f"lock:{session.id}".encode()))
    if not good or int.from_bytes(body[16:], "big") <= node.clock.now().timestamp() or len(signature) != 64:
        return False
    if not isinstance(key, ec.EllipticCurvePublicKey) or not isinstance(key.curve, ec.SECP256R1):
        return False
    der = encode_dss_signature(int.from_bytes(signature[:32], "big"), int.from_bytes(signature[32:], "big"))
    try:
        key.verify(der, typed.challenge.encode(), ec.ECDSA(hashes.SHA256()))
    except InvalidSignature:
        return False
    return await once(tx, node, "challenge", made.hex(), seconds=CHALLENGE_SECONDS)


async def put_on(node: Node, session: Session, typed: Typed, public_key: str, agent: str) -> Refusals:
    """Set the gesture of this device 设手势. Its own transactions: the slow hash runs between them."""
    gesture = points(typed.gesture)
    if gesture is None:
        return (refusal("identity.gesture_points", "gesture"),)
    try:
        public = unb64(public_key)
    except ValueError:
        public = b""
    async with node.db.transaction() as tx:
        if session.device is None or not await _holds(tx, node, session, typed, public):
            return (refusal("identity.gesture_points", "gesture"),)
    salt = secrets.token_bytes(16)
    made = await POOL.derive(gesture, salt)
    async with node.db.transaction() as tx:
        await take_off(tx, node, session)
        await tx.execute(
            "INSERT INTO device_lock (subject, id, device, public_key, salt, gesture_hash, lock_after, made_at)"
            " VALUES ($1, $2, $3, $4, $5, $6, $7, $8)",
            session.subject, uuid7(), session.device, public, salt, made, FACTORS.gesture.lock_after_seconds, node.clock.now(),
        )  # fmt: skip
        await sessions.record(tx, node, session.subject, "gesture_set", session.acr, agent)
    return ()


async def take_off(tx: Tx, node: Node, session: Session) -> None:
    """No gesture on this device any more 不用手势了."""
    await tx.execute(
        "UPDATE device_lock SET ended_at = $3 WHERE subject = $1 AND device = $2 AND ended_at IS NULL",
        session.subject, session.device, node.clock.now(),
    )  # fmt: skip


async def has(tx: Tx, session: Session) -> bool:
    """Whether this device has a gesture."""
    found: bool = await tx.fetchval(
        "SELECT EXISTS (SELECT 1 FROM device_lock WHERE subject = $1 AND device = $2 AND ended_at IS NULL)", session.subject, session.device
    )
    return found


async def unlock(node: Node, session: Session, typed: Typed, agent: str) -> OpenedSession | Refusals:
    """Open a locked session again 解锁: signature first, then the gesture; the fifth wrong gesture removes both and ends the session.

    Raises Failure `identity.gesture_busy` when too many are waiting.
    """
    async with node.db.transaction() as tx:
        row = await tx.fetchrow(
            "SELECT id, public_key, salt, gesture_hash FROM device_lock WHERE subject = $1 AND device = $2 AND ended_at IS NULL",
            session.subject, session.device,
        )  # fmt: skip
        if row is None or not await _holds(tx, node, session, typed, row["public_key"]):
            return (refusal("identity.session_ended"),)
    made = await POOL.derive(points(typed.gesture) or "", row["salt"])
    right = hmac.compare_digest(made, row["gesture_hash"])
    async with node.db.transaction() as tx:
        tries: int | None = await tx.fetchval(
            "UPDATE device_lock SET tries = CASE WHEN $3 THEN 0 ELSE tries + 1 END WHERE subject = $1 AND id = $2 AND ended_at IS NULL"
            " AND tries < $4 RETURNING tries",
            session.subject, row["id"], right, FACTORS.gesture.tries,
        )  # fmt: skip
        if right and tries is not None:
            return await sessions.unlock(tx, node, session)
        if tries is not None and tries < FACTORS.gesture.tries:
            return (refusal("identity.gesture_wrong", "gesture", n=FACTORS.gesture.tries - tries),)
        await take_off(tx, node, session)
        await sessions.record(tx, node, session.subject, "gesture_gone", session.acr, agent)
        await ending.leave(tx, node, session.id, "gesture")
    return (refusal("identity.gesture_gone"),)
