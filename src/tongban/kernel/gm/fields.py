"""Personal columns at rest (字段加密): sealed values, and an index that finds them without opening.

A sealed value is bound to its table, row and column: moved elsewhere, it does not open. Layout: 2 bytes key version ‖
12 bytes nonce ‖ ciphertext ‖ 16 bytes tag; 18 bytes become 48. Source: privacy.md 2.
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
        self._index_key: bytes | None = None

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
        """16 bytes by which equal values of one column are found at this node and nowhere else (盲索引).

        Full-width forms, letter case and blanks do not matter. Never for columns of few values (sex, birth, district).
        """
        if self._index_key is None:
            self._index_key = self._keys.secret("index")
        text = value.reveal() if isinstance(value, Personal) else value
        normal = "".join(unicodedata.normalize("NFKC", text).split()).upper()
        return hmac_sm3(self._index_key, column.encode("ascii") + b"\x00" + normal.encode("utf-8"))[:16]

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


def place_of(column: str, row: str) -> bytes:
    """The associated data `table:row:column` of "table.column" and a row id."""
    table, _, name = column.partition(".")
    if not table or not name:
        raise CannotOpen("gm.field_column", 'a column is written "table.column"')
    return f"{table}:{row}:{name}".encode()
