"""Builders of 个人信息权益 tests: invented holdings, two nodes with a person's home, an independent reader of locked ZIPs."""

from __future__ import annotations

import hashlib
import hmac
import struct
import zlib
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from typing import Any

from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes

from tongban.exchange.tests.make import at_home, person_at
from tongban.federation.tests.make import nation
from tongban.identity import letters as identity_letters
from tongban.kernel.actor import Actor
from tongban.kernel.holdings import Files, Holding, KeptFile
from tongban.kernel.node import Node
from tongban.privacy import letters

HOME, OTHERS = "500000", ("mps", "cn")


class WrongWord(Exception):
    """The word does not open it, or a byte was changed."""


def unlock(content: bytes, word: str) -> dict[str, bytes]:
    """Every entry of an AE-2 ZIP, read by the published format alone: names and bytes."""
    count, size, start = struct.unpack("<HII", content[-12:-2])[0], *struct.unpack("<II", content[-10:-2])
    assert content[-22:-18] == b"PK\x05\x06"
    assert start + size + 22 == len(content)
    found, at = {}, start
    for _ in range(count):
        assert content[at : at + 4] == b"PK\x01\x02"
        flags, method, *_ = struct.unpack("<HH", content[at + 8 : at + 12])
        crc, packed, plain = struct.unpack("<III", content[at + 16 : at + 28])
        names, extras = struct.unpack("<HH", content[at + 28 : at + 32])
        (offset,) = struct.unpack("<I", content[at + 42 : at + 46])
        name = content[at + 46 : at + 46 + names].decode()
        extra = content[at + 46 + names : at + 46 + names + extras]
        assert flags & 0x801 == 0x801
        assert (method, crc) == (99, 0)
        kind, _, version, vendor, strength, real = struct.unpack("<HHH2sBH", extra)
        assert (kind, version, vendor, strength) == (0x9901, 2, b"AE", 3)
        assert content[offset : offset + 4] == b"PK\x03\x04"
        skip = sum(struct.unpack("<HH", content[offset + 26 : offset + 30]))
        body = _opened(content[offset + 30 + skip : offset + 30 + skip + packed], word)
        found[name] = zlib.decompress(body, -15) if real == 8 else body
        assert len(found[name]) == plain
        at += 46 + names + extras
    return found


def _opened(locked: bytes, word: str) -> bytes:
    salt, check, body, mac = locked[:16], locked[16:18], locked[18:-10], locked[-10:]
    keys = hashlib.pbkdf2_hmac("sha1", word.encode(), salt, 1000, 66)
    if keys[64:] != check or hmac.new(keys[32:64], body, "sha1").digest()[:10] != mac:
        raise WrongWord
    blocks = (len(body) + 15) // 16
    cipher = Cipher(algorithms.AES(keys[:32]), modes.ECB()).encryptor()
    stream = cipher.update(b"".join(struct.pack("<QQ", number + 1, 0) for number in range(blocks)))[: len(body)]
    return (int.from_bytes(body, "little") ^ int.from_bytes(stream, "little")).to_bytes(len(body), "little")


def her(subject: str, level: int = 3, home: str = HOME) -> Actor:
    return Actor(kind="citizen", subject=subject, acr=level, sid="s", home=home)


def holding(table: str, title: str, rows: Any, files: Mapping[str, bytes] | None = None, **more: Any) -> Holding:
    """A holding that gives `rows(subject)`, and `files` by name."""

    async def copy(_: Any, node: Node, subject: str) -> list[Mapping[str, object]]:
        return list(rows(node, subject))

    async def listed(_: Any, node: Node, subject: str) -> list[KeptFile]:
        return [KeptFile(name, name, "image/jpeg", len(content)) for name, content in (files or {}).items()]

    async def opened(_: Any, node: Node, subject: str, name: str) -> bytes | None:
        return (files or {}).get(name)

    return Holding(
        table=table, title=title, copy=copy, files=Files(listed, opened) if files is not None else None, not_erased="test", no_term="test", **more
    )


@asynccontextmanager
async def two_nodes(make_node: Any, **more: Any) -> AsyncIterator[tuple[dict[str, Node], str]]:
    """A nation in one process: hub, register and the person's home 500000; and the person."""
    calls = {**identity_letters.CALLS, **letters.CALLS}
    async with nation(make_node, "mps", HOME, calls=calls, **more) as nodes:
        subject = await person_at(nodes["mps"])
        await at_home(nodes, HOME, subject)
        yield nodes, subject


def acting_for(subject: str) -> Actor:
    """Somebody whom the person asked to act for them, at the highest level."""
    return Actor(kind="citizen", subject="n1" + "y" * 32, for_subject=subject, acr=3, sid="s", home=HOME, mandate="m", acts=frozenset({"view"}))
