"""Per-person erasure keys 人员密钥: what a person left in drafts, cases and materials can be made unreadable, also in backups.

A key is made of two halves: a row of `person_key`, sealed by the node, and a place in the key folder (`gm/person_halves.py`).
A dump has the row and not the place, the key folder has the place and not the row; wiping the place ends what every dump still
holds. A person has two keys: `own` for what goes when the account is closed, `file` for what the archive duty keeps. A sealed
value names its key, so rows may follow a person whose subject changes: 2 bytes zero ‖ 16 bytes key id ‖ 12 bytes nonce ‖
ciphertext ‖ 16 bytes tag. Values from before stand under the key group and open as ever. Source: privacy.md 2, 7.
"""

from __future__ import annotations

import asyncio
import secrets
import time
import uuid
from collections.abc import Iterable
from typing import Any, Final, Literal

import msgspec

from tongban.kernel import jobs
from tongban.kernel.db import Tx
from tongban.kernel.gm import CannotOpen, FieldCipher, KeyStore, hmac_sm3, sm4_gcm_decrypt, sm4_gcm_encrypt
from tongban.kernel.gm.fields import place_of
from tongban.kernel.ids import uuid7
from tongban.kernel.log import log

Purpose = Literal["own", "file"]
GROUP: Final = "case"
WIPE: Final = "main.wipe_person_half"
_NAMED: Final = b"\x00\x00"
"""In front of a value under a person's key, where others have their key version: versions begin at 1."""
_ID, _NONCE, _TAG = 16, 12, 16
_HEAD: Final = len(_NAMED) + _ID
_FRESH: Final = 30.0
_MOST: Final = 4096
_HALF: Final = "person_key.half"


class Kept(msgspec.Struct, frozen=True):
    """A column whose values stand under person keys (人员密钥的列). `place` and `purpose` are SQL over its row."""

    table: str
    column: str
    place: str = "id::text"
    purpose: str = "'file'"


_kept: dict[tuple[str, str], Kept] = {}


def kept_under(*columns: Kept) -> None:
    """Say which columns stand under person keys 登记: what forgets a key and what seals old rows anew looks at all of them."""
    _kept.update({(one.table, one.column): one for one in columns})


class PersonKeys:
    """The person keys of one node: seal, open, forget (人员密钥). Opened keys are held half a minute in memory."""

    def __init__(self, keys: KeyStore, cipher: FieldCipher) -> None:
        self._halves = keys.halves
        self._cipher = cipher
        self._held: dict[bytes, tuple[float, bytes]] = {}

    async def seal(self, tx: Tx, subject: str, purpose: Purpose, column: str, row: str, plain: bytes) -> bytes:
        """`plain` sealed for `column` of the row with id `row` under this person's key, made on first use.

        The key's row is locked until the transaction ends: nobody forgets a key while something new is sealed under it.
        """
        name, key = await self._current(tx, subject, purpose)
        nonce = secrets.token_bytes(_NONCE)
        body, tag = sm4_gcm_encrypt(key, nonce, plain, place_of(column, row))
        return _NAMED + name + nonce + body + tag

    async def open(self, tx: Tx, column: str, row: str, blob: bytes) -> bytes:
        """What `seal` sealed for exactly this place, or what older rows have under the key group. Raises CannotOpen."""
        if blob[: len(_NAMED)] != _NAMED:
            return self._cipher.open_bytes(GROUP, column, row, blob)
        if len(blob) < _HEAD + _NONCE + _TAG:
            raise CannotOpen("gm.field_short", "not a sealed value")
        key = await self._named(tx, blob[len(_NAMED) : _HEAD])
        return sm4_gcm_decrypt(key, blob[_HEAD : _HEAD + _NONCE], blob[_HEAD + _NONCE : -_TAG], blob[-_TAG:], place_of(column, row))

    async def forget(self, tx: Tx, subject: str, *purposes: Purpose) -> int:
        """Delete the keys of a person that no stored value needs any more (忘掉密钥); how many.

        The row goes in this transaction, the other half by a job after the commit: a rollback loses nothing. Called when an
        account was closed, and with `file` when the last file of a person left the house; what the archive duty keeps keeps its
        key. A wiped `own` key says for ever that its account was closed (`erased`), so nothing else forgets one.
        """
        rows = await tx.fetch(
            "SELECT id, place FROM person_key WHERE subject = $1 AND purpose = ANY($2::text[]) FOR UPDATE", subject, list(purposes or ("own", "file"))
        )
        gone = 0
        for row in rows:
            if await _needed(tx, subject, uuid.UUID(row["id"]).bytes):
                continue
            await tx.execute("DELETE FROM person_key WHERE subject = $1 AND id = $2", subject, row["id"])
            await jobs.enqueue(tx, WIPE, {"place": row["place"]})
            self._held.pop(uuid.UUID(row["id"]).bytes, None)
            gone += 1
        if gone:
            log("kernel.person_keys_forgotten", count=gone)
        return gone

    async def retire(self, tx: Tx, subject: str) -> None:
        """Seal nothing new under the keys a person has now (停用): whoever comes back after closing an account gets others."""
        await tx.execute("UPDATE person_key SET retired = true WHERE subject = $1 AND NOT retired", subject)

    async def renew(self, tx: Tx, subject: str) -> None:
        """What a legal hold keeps gets a fresh `own` key (另换一把), so that the one it stood under goes with all the rest."""
        rows = await tx.fetch("SELECT id FROM person_key WHERE subject = $1 AND purpose = 'own' AND retired FOR UPDATE", subject)
        for row in rows:
            name = uuid.UUID(row["id"]).bytes
            if await _needed(tx, subject, name):
                await self._seal_anew(tx, subject, name)

    async def hand_over(self, tx: Tx, old: str, new: str) -> None:
        """The keys of values that just went from `old` to `new` go along; where both still need one, the moved values get another (随案卷走)."""
        rows = await tx.fetch("SELECT id FROM person_key WHERE subject = $1 FOR UPDATE", old)
        for row in rows:
            name = uuid.UUID(row["id"]).bytes
            if not await _needed(tx, new, name):
                continue
            if await _needed(tx, old, name):
                await self._seal_anew(tx, new, name)
            else:
                await tx.execute("UPDATE person_key SET subject = $3 WHERE subject = $1 AND id = $2", old, row["id"], new)

    async def wipe(self, place: int) -> None:
        """Zeros over the half in the key folder (抹掉半份). Twice is as good as once."""
        await asyncio.to_thread(self._halves.wipe, place)

    async def erased(self, tx: Tx, limit: int = 200) -> list[str]:
        """Subjects whose key came back with an old backup although its other half was wiped (备份带回来的): close them again."""
        rows = await tx.fetch("SELECT subject, place FROM person_key WHERE purpose = 'own' ORDER BY subject, id")
        found = await asyncio.to_thread(lambda: [row["subject"] for row in rows if self._halves.wiped(row["place"])])
        return list(dict.fromkeys(found))[:limit]

    async def seal_old(self, tx: Tx, column: Kept, batch: int = 200) -> int:
        """Seal values of one column anew that still stand under the key group (改封旧行), a batch; how many.

        A value that changed meanwhile is left to whoever changed it.
        """
        await tx.execute("SET LOCAL tongban.resealing = 'on'")  # the history of a case lets its sealed texts change for this alone
        table, name = column.table, column.column
        rows = await tx.fetch(
            f"SELECT subject, {column.place} AS place, {column.purpose} AS purpose, {name} AS sealed FROM {table}"
            f" WHERE octet_length({name}) >= 30 AND substring({name} FROM 1 FOR 2) <> $1 LIMIT $2",
            _NAMED, batch,
        )  # fmt: skip
        done = 0
        for row in rows:
            try:
                plain = self._cipher.open_bytes(GROUP, f"{table}.{name}", row["place"], row["sealed"])
            except CannotOpen:
                continue
            fresh = await self.seal(tx, row["subject"], row["purpose"], f"{table}.{name}", row["place"], plain)
            told = await tx.execute(
                f"UPDATE {table} SET {name} = $1 WHERE subject = $2 AND {column.place} = $3 AND {name} = $4",
                fresh, row["subject"], row["place"], row["sealed"],
            )  # fmt: skip
            done += int(told.split()[-1])
        return done

    async def _seal_anew(self, tx: Tx, subject: str, name: bytes) -> None:
        await tx.execute("SET LOCAL tongban.resealing = 'on'")
        for one in _uses():
            column = f"{one.table}.{one.column}"
            rows = await tx.fetch(
                f"SELECT {one.place} AS place, {one.purpose} AS purpose, {one.column} AS sealed FROM {one.table}"
                f" WHERE subject = $1 AND substring({one.column} FROM 1 FOR {_HEAD}) = $2",
                subject, _NAMED + name,
            )  # fmt: skip
            for row in rows:
                plain = await self.open(tx, column, row["place"], row["sealed"])
                fresh = await self.seal(tx, subject, row["purpose"], column, row["place"], plain)
                await tx.execute(f"UPDATE {one.table} SET {one.column} = $1 WHERE subject = $2 AND {one.place} = $3", fresh, subject, row["place"])

    async def _current(self, tx: Tx, subject: str, purpose: Purpose) -> tuple[bytes, bytes]:
        newest = "SELECT id, half, place FROM person_key WHERE subject = $1 AND purpose = $2 AND NOT retired ORDER BY id DESC LIMIT 1 FOR KEY SHARE"
        row = await tx.fetchrow(newest, subject, purpose)
        if row is None:
            await tx.execute("SELECT pg_advisory_xact_lock(hashtext($1))", f"person_key:{subject}:{purpose}")
            row = await tx.fetchrow(newest, subject, purpose) or await self._make(tx, subject, purpose)
        name = uuid.UUID(row["id"]).bytes
        return name, self._joined(name, row)

    async def _make(self, tx: Tx, subject: str, purpose: Purpose) -> dict[str, Any]:
        place = await asyncio.to_thread(self._halves.add)  # on the disk before the row commits
        made = uuid7()
        sealed = self._cipher.seal_bytes(GROUP, _HALF, made, secrets.token_bytes(32))
        await tx.execute(
            "INSERT INTO person_key (subject, id, purpose, half, place) VALUES ($1, $2, $3, $4, $5)", subject, made, purpose, sealed, place
        )
        return {"id": made, "half": sealed, "place": place}

    async def _named(self, tx: Tx, name: bytes) -> bytes:
        held = self._held.get(name)
        if held is not None and held[0] > time.monotonic():
            return held[1]
        row = await tx.fetchrow("SELECT id, half, place FROM person_key WHERE id = $1", str(uuid.UUID(bytes=name)))
        if row is None:
            raise CannotOpen("gm.person_key_gone", "the key of this person was forgotten")
        return self._joined(name, row)

    def _joined(self, name: bytes, row: Any) -> bytes:
        half = self._halves.read(row["place"])
        if half is None:
            raise CannotOpen("gm.person_key_gone", "the key of this person was forgotten")
        key = hmac_sm3(self._cipher.open_bytes(GROUP, _HALF, row["id"], row["half"]), half)[:16]
        if len(self._held) >= _MOST:
            self._held.clear()
        self._held[name] = (time.monotonic() + _FRESH, key)
        return key


async def _needed(tx: Tx, subject: str, name: bytes) -> bool:
    """Whether a stored value of this person names that key. Asked after the key's row is locked: nothing new can come."""
    return bool(await tx.fetchval(
        "SELECT " + " OR ".join(
            f"EXISTS (SELECT 1 FROM {one.table} WHERE subject = $1 AND substring({one.column} FROM 1 FOR {_HEAD}) = $2)" for one in _uses()
        ),
        subject, _NAMED + name,
    ))  # fmt: skip


def _uses() -> Iterable[Kept]:
    return tuple(_kept.values())


async def seal_all_old(database: Any, keys: PersonKeys) -> int:
    """Every column, batch by batch, a transaction each, until nothing old is left (全部改封); how many rows."""
    done = 0
    for column in _uses():
        while True:
            async with database.transaction() as tx:
                count = await keys.seal_old(tx, column)
            done += count
            if not count:
                break
    if done:
        log("kernel.person_keys_sealed", count=done)
    return done
