"""A ZIP locked by a word 带口令的压缩包: AES-256 after WinZip's AE-2, which ordinary unpackers open (docs/adr/0012).

Each entry has its own salt, so no key is used twice; HMAC-SHA1-80 after the ciphertext tells a changed byte. The names of
entries stand in the clear: that is the format, so they say what kind of thing is in, and nothing of the person.
Source: WinZip, AES Encryption Information, version 1.04; PKWARE APPNOTE 6.3.
"""

from __future__ import annotations

import hashlib
import hmac
import secrets
import struct
import zlib
from collections.abc import Callable
from datetime import datetime
from typing import Final

import msgspec
from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes

ALPHABET: Final = "23456789abcdefghjkmnpqrstuvwxyz"
"""What a person can read aloud and type: no 0 and o, no 1, i and l."""
_GROUPS, _GROUP = 4, 4
ROUNDS: Final = 1000
"""Fixed by the format. The word is random (79 bits), so nobody guesses it however few the rounds are."""
_SALT, _KEY, _CHECK, _MAC = 16, 32, 2, 10
_NEEDS, _FLAGS, _METHOD, _DEFLATED, _STORED = 51, 0x0801, 99, 8, 0
_EXTRA = struct.Struct("<HHH2sBH")
_LOCAL = struct.Struct("<IHHHHHIIIHH")
_CENTRAL = struct.Struct("<IHHHHHHIIIHHHHHII")
_END = struct.Struct("<IHHHHIIH")
_BLOCKS = 4096
_MOST = 0xFFFF
_LARGEST = 0xFFFFFFFF


class _Entry(msgspec.Struct, frozen=True):
    name: bytes
    method: int
    packed: int
    plain: int
    offset: int


def new_word(choose: Callable[[str], str] = secrets.choice) -> str:
    """A word for one file (一次口令): four groups of four, about 79 bits."""
    return "-".join("".join(choose(ALPHABET) for _ in range(_GROUP)) for _ in range(_GROUPS))


class LockedZip:
    """A ZIP that is written from front to end (边做边写). `add` and `end` give the next bytes; nothing is kept but the list."""

    def __init__(self, word: str, at: datetime) -> None:
        self._word = word.encode("ascii")
        self._time = at.hour << 11 | at.minute << 5 | at.second // 2
        self._day = (at.year - 1980) << 9 | at.month << 5 | at.day
        self._entries: list[_Entry] = []
        self._offset = 0

    def add(self, name: str, content: bytes) -> bytes:
        """One entry, packed and locked (加一个文件). Takes time for large ones: call it in a thread. Raises OverflowError."""
        packed, method = _packed(content)
        body = _locked(packed, self._word)
        entry = _Entry(name.encode(), method, len(body), len(content), self._offset)
        if len(self._entries) >= _MOST or self._offset + len(body) > _LARGEST:
            raise OverflowError("a copy that does not fit into one ZIP")
        self._entries.append(entry)
        head = _LOCAL.pack(
            0x04034B50, _NEEDS, _FLAGS, _METHOD, self._time, self._day, 0, entry.packed, entry.plain, len(entry.name), _EXTRA.size
        )
        made = head + entry.name + _extra(method) + body
        self._offset += len(made)
        return made

    def end(self) -> bytes:
        """The list of entries that closes the file (收尾)."""
        listed = b"".join(
            _CENTRAL.pack(
                0x02014B50, _NEEDS, _NEEDS, _FLAGS, _METHOD, self._time, self._day, 0, one.packed, one.plain, len(one.name),
                _EXTRA.size, 0, 0, 0, 0, one.offset,
            ) + one.name + _extra(one.method)
            for one in self._entries
        )  # fmt: skip
        count = len(self._entries)
        return listed + _END.pack(0x06054B50, 0, 0, count, count, len(listed), self._offset, 0)


def _extra(method: int) -> bytes:
    return _EXTRA.pack(0x9901, 7, 2, b"AE", 3, method)


def _packed(content: bytes) -> tuple[bytes, int]:
    packer = zlib.compressobj(6, zlib.DEFLATED, -15)
    smaller = packer.compress(content) + packer.flush()
    return (smaller, _DEFLATED) if len(smaller) < len(content) else (content, _STORED)


def _locked(plain: bytes, word: bytes) -> bytes:
    salt = secrets.token_bytes(_SALT)
    keys = hashlib.pbkdf2_hmac("sha1", word, salt, ROUNDS, 2 * _KEY + _CHECK)
    body = counted(plain, keys[:_KEY])
    mac = hmac.new(keys[_KEY : 2 * _KEY], body, "sha1").digest()[:_MAC]
    return salt + keys[2 * _KEY :] + body + mac


def counted(data: bytes, key: bytes) -> bytes:
    """AES in counter mode as the format has it: the counter starts at 1 and its low byte stands first (计数模式)."""
    cipher = Cipher(algorithms.AES(key), modes.ECB()).encryptor()  # noqa: S305  only the counters go through it
    out = bytearray()
    for start in range(0, len(data), 16 * _BLOCKS):
        piece = data[start : start + 16 * _BLOCKS]
        first = start // 16 + 1
        counters = b"".join(number.to_bytes(16, "little") for number in range(first, first + (len(piece) + 15) // 16))
        stream = cipher.update(counters)[: len(piece)]
        out += (int.from_bytes(piece, "big") ^ int.from_bytes(stream, "big")).to_bytes(len(piece), "big")
    return bytes(out)
