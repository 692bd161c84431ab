"""Personal columns at rest (字段加密): sealed values, and an index that finds them without opening.

A sealed value is bound to its table, row and column: moved elsewhere, it does not open. Layout: 2 bytes key version ‖
12 bytes nonce ‖ ciphertext ‖ 16 bytes tag; 18 bytes become 48. An index is 16 bytes, with 2 bytes key version in front from
version 2 on. Source: privacy.md 2, docs/adr/0015.
"""

from __future__ import annotations

import secrets
import unicodedata
from typing import Final

from tongban.kernel.gm.errors import CannotOpen
from tongban.kernel.gm.hashes import hmac_sm3
from tongban.kernel.gm.keystore import KeyStore
from tongban.kernel.gm.sm4 import NONCE_BYTES, TAG_BYTES, sm4_gcm_decrypt, sm4_gcm_encrypt

GROUPS: Final = frozenset({"identity", "sensitive", "case", "contact", "staff"})
"""The key groups (密钥组): one data key each and 90 days. Source: privacy.md 2."""

MARK_BYTES: Final = 16
"""Length of a blind index without its version. Source: privacy.md 2."""
_OVERHEAD: Final = 2 + NONCE_BYTES + TAG_BYTES


class Personal:
    """A value about a person (个人信息) that does not show itself in logs, errors or templates.

    >>> Personal("张三")
    ‹personal›
    >>> f"hello {Personal('张三')}"
    'hello ‹personal›'
    """

    __slots__ = ("_value",)

    def __init__(self, value: str) -> None:
        self._value = value

    def reveal(self) -> str:
        """The value itself. Every call is a decision: to whom does it go, and is that in the ledger?"""
        return self._value

    def __repr__(self) -> str:
        return "‹personal›"

    __str__ = __repr__

    def __format__(self, _spec: str) -> str:
        return "‹personal›"

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Personal) and other._value == self._value

    def __hash__(self) -> int:
        return hash(self._value)

    def __bool__(self) -> bool:
        return bool(self._value)

    def __reduce__(self) -> tuple[object, ...]:
        raise TypeError("a personal value is not pickled")


class FieldCipher:
    """Seals and opens the personal columns of one node, and makes their blind indexes (字段密码机)."""

    def __init__(self, keys: KeyStore) -> None:
        self._keys = keys
        self._groups: dict[str, dict[int, bytes]] = {}

    def seal(self, group: str, column: str, row: str, text: str | Personal) -> bytes:
        """`text` sealed for `column` ("table.column") of the row with id `row`, under the newest key of `group`."""
        value = text.reveal() if isinstance(text, Personal) else text
        return self.seal_bytes(group, column, row, value.encode("utf-8"))

    def open(self, group: str, column: str, row: str, blob: bytes) -> Personal:
        """What `seal` sealed for exactly this place. Raises CannotOpen."""
        return Personal(self.open_bytes(group, column, row, blob).decode("utf-8"))

    def seal_bytes(self, group: str, column: str, row: str, plain: bytes) -> bytes:
        """As `seal`, for bytes: documents, keys of files."""
        versions = self._versions(group)
        version = max(versions)
        nonce = secrets.token_bytes(NONCE_BYTES)
        body, tag = sm4_gcm_encrypt(versions[version], nonce, plain, place_of(column, row))
        return version.to_bytes(2, "big") + nonce + body + tag

    def open_bytes(self, group: str, column: str, row: str, blob: bytes) -> bytes:
        """As `open`, for bytes. Raises CannotOpen."""
        if len(blob) < _OVERHEAD:
            raise CannotOpen("gm.field_short", "not a sealed value")
        key = self._key(group, self.version(blob))
        nonce, body, tag = blob[2 : 2 + NONCE_BYTES], blob[2 + NONCE_BYTES : -TAG_BYTES], blob[-TAG_BYTES:]
        return sm4_gcm_decrypt(key, nonce, body, tag, place_of(column, row))

    @staticmethod
    def version(blob: bytes) -> int:
        """The key version a value was sealed under."""
        return int.from_bytes(blob[:2], "big")

    def index(self, column: str, value: str | Personal) -> bytes:
        """The mark by which equal values of one column are found at this node and nowhere else (盲索引): the one to write.

        Full-width forms, letter case and blanks do not matter. Never for columns of few values (sex, birth, district).
        Rows are looked for by `marks`: while the key turns, some stand under the key before.
        """
        return self._mark(self._keys.indexes.in_use().write, column, value)

    def marks(self, column: str, value: str | Personal) -> list[bytes]:
        """Every mark a row with this value may stand under now (查找用的全部盲索引); the first is the one to write."""
        write, search = self._keys.indexes.in_use()
        return [self._mark(version, column, value) for version in (write, *(one for one in search if one != write))]

    def linked_marks(self, column: str, value: str | Personal) -> list[bytes]:
        """As `marks`, for a column whose values are not kept (接续索引): each version's mark is made of the mark before.

        So its rows go on to a new key without anybody knowing what they stand for.
        """
        write, search = self._keys.indexes.in_use()
        chain = [self._mark(1, column, value)]
        for version in range(2, max(search) + 1):
            chain.append(self._linked(version, column, chain[-1]))
        return [chain[version - 1] for version in (write, *(one for one in search if one != write))]

    def led_on(self, column: str, mark: bytes) -> bytes:
        """The mark of a row of `linked_marks` under the version that is written now (续到新密钥)."""
        for version in range(mark_version(mark) + 1, self._keys.indexes.in_use().write + 1):
            mark = self._linked(version, column, mark)
        return mark

    def _mark(self, version: int, column: str, value: str | Personal) -> bytes:
        text = value.reveal() if isinstance(value, Personal) else value
        normal = "".join(unicodedata.normalize("NFKC", text).split()).upper()
        key = self._keys.indexes.key(version, column)
        return _versioned(version, hmac_sm3(key, column.encode("ascii") + b"\x00" + normal.encode("utf-8"))[:MARK_BYTES])

    def _linked(self, version: int, column: str, before: bytes) -> bytes:
        return _versioned(version, hmac_sm3(self._keys.indexes.key(version, column), b"\x01" + before)[:MARK_BYTES])

    def current(self, group: str) -> int:
        """The key version that new values are sealed under."""
        return max(self._versions(group))

    def rotate(self, group: str) -> int:
        """Makes a new data key; new values use it, old ones stay readable (密钥轮换). Returns its version."""
        version = max(self._keys.data_keys(group)) + 1
        self._keys.new_data_key(group, version)
        self._groups[group] = self._keys.data_keys(group)
        return version

    def refresh(self) -> None:
        """Forget the data keys held in memory: the next value is sealed under the newest, whoever made it (换新钥)."""
        self._groups.clear()

    def _versions(self, group: str) -> dict[int, bytes]:
        if group not in self._groups:
            if group not in GROUPS:
                raise CannotOpen("gm.field_group", f"{group} is no key group")
            self._groups[group] = self._keys.data_keys(group)
        return self._groups[group]

    def _key(self, group: str, version: int) -> bytes:
        versions = self._versions(group)
        if version not in versions:  # another process may have rotated
            versions = self._groups[group] = self._keys.data_keys(group)
        if version not in versions:
            raise CannotOpen("gm.field_version", f"no key version {version} in group {group}")
        return versions[version]


def mark_version(mark: bytes) -> int:
    """The key version a mark stands under: two bytes in front from version 2 on, none before."""
    return int.from_bytes(mark[:2], "big") if len(mark) > MARK_BYTES else 1


def _versioned(version: int, body: bytes) -> bytes:
    return body if version == 1 else version.to_bytes(2, "big") + body


def place_of(column: str, row: str) -> bytes:
    """The associated data `table:row:column` of "table.column" and a row id."""
    table, _, name = column.partition(".")
    if not table or not name:
        raise CannotOpen("gm.field_column", 'a column is written "table.column"')
    return f"{table}:{row}:{name}".encode()
