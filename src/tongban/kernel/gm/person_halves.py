"""The half of each person's key that no database and no dump of one has 人员密钥的一半, so that a backup can be made unreadable.

One file beside the other keys, one place of 64 bytes a half: 4 bytes mark, then the half sealed by the store for exactly that
place. A half is added at the end and never moved; wiping writes zeros over it. So the newest copy of this file is the only one
to keep: an older one would bring back what was wiped. Source: privacy.md 2, per-person erasure key.
"""

from __future__ import annotations

import fcntl
import os
import secrets
from collections.abc import Callable
from pathlib import Path
from typing import Final

from tongban.kernel.gm.errors import BadKey, CannotOpen
from tongban.kernel.gm.sm4 import NONCE_BYTES, TAG_BYTES, sm4_gcm_decrypt, sm4_gcm_encrypt

HALF_BYTES: Final = 32
_MARK: Final = b"TBP1"
_PLACE_BYTES: Final = len(_MARK) + NONCE_BYTES + HALF_BYTES + TAG_BYTES
_WIPED: Final = bytes(_PLACE_BYTES)


class PersonHalves:
    """The file of halves of one node (人员密钥半份). Blocking: a call may wait for the disk."""

    def __init__(self, path: Path, wrapping_key: Callable[[], bytes]) -> None:
        """`wrapping_key`: 16 bytes of the store that seal each half."""
        self._path = path
        self._wrapping_key = wrapping_key

    def add(self) -> int:
        """A new random half on the disk before this returns; its place."""
        handle = self._open(os.O_RDWR | os.O_CREAT)
        try:
            fcntl.flock(handle, fcntl.LOCK_EX)
            size = os.fstat(handle).st_size
            place = -(-size // _PLACE_BYTES)  # after a write that was cut off, the next whole place
            nonce = secrets.token_bytes(NONCE_BYTES)
            body, tag = sm4_gcm_encrypt(self._wrapping_key(), nonce, secrets.token_bytes(HALF_BYTES), _bound(place))
            os.pwrite(handle, _MARK + nonce + body + tag, place * _PLACE_BYTES)
            os.fsync(handle)
            if size == 0:
                _sync_folder(self._path.parent)
            return place
        finally:
            os.close(handle)

    def read(self, place: int) -> bytes | None:
        """The half at a place, None when it was wiped. Raises CannotOpen when the file does not reach so far or is another's."""
        stored = self._stored(place)
        if stored == _WIPED:
            return None
        nonce, body = stored[len(_MARK) : len(_MARK) + NONCE_BYTES], stored[len(_MARK) + NONCE_BYTES : -TAG_BYTES]
        return sm4_gcm_decrypt(self._wrapping_key(), nonce, body, stored[-TAG_BYTES:], _bound(place))

    def wiped(self, place: int) -> bool:
        """Whether that half was wiped; a file that does not reach so far has wiped nothing."""
        try:
            return self._stored(place) == _WIPED
        except CannotOpen:
            return False

    def wipe(self, place: int) -> None:
        """Zeros over one half, on the disk before this returns (抹掉). Twice is as good as once."""
        self._stored(place)  # never beyond the end: that would lengthen the file
        handle = self._open(os.O_RDWR)
        try:
            fcntl.flock(handle, fcntl.LOCK_EX)
            os.pwrite(handle, _WIPED, place * _PLACE_BYTES)
            os.fsync(handle)
        finally:
            os.close(handle)

    def _stored(self, place: int) -> bytes:
        try:
            handle = self._open(os.O_RDONLY)
        except FileNotFoundError:
            raise CannotOpen("gm.person_half", "the file of halves is missing: put the newest copy back") from None
        try:
            stored = os.pread(handle, _PLACE_BYTES, place * _PLACE_BYTES)
        finally:
            os.close(handle)
        if len(stored) != _PLACE_BYTES:
            raise CannotOpen("gm.person_half", "the file of halves ends before that place: put the newest copy back")
        return stored

    def _open(self, flags: int) -> int:
        handle = os.open(self._path, flags | os.O_CLOEXEC, 0o600)
        if os.fstat(handle).st_mode & 0o077:
            os.close(handle)
            raise BadKey("gm.key_open_to_others", f"{self._path.name} can be read by others: chmod 600")
        return handle


def _bound(place: int) -> bytes:
    return f"person half:{place}".encode()


def _sync_folder(folder: Path) -> None:
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
