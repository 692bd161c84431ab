"""The keys of blind indexes and which of them are in use 盲索引密钥: one is written under, all that may still stand in rows are searched.

Version 1 is `index.secret` and is used as it is. From version 2 on each column has its own key, made of `index-<n>.secret` and
the column's name, so that what is left of a key that was turned away opens one column and no other. `index.state` says which
are in use; it is one small file that is replaced whole and looked at before each use, so every process of the node sees a turn
at once. Source: privacy.md 2, docs/adr/0015.
"""

from __future__ import annotations

import contextlib
import json
import os
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Final, NamedTuple, Protocol

from tongban.kernel.gm.encoding import b64, unb64
from tongban.kernel.gm.errors import BadKey
from tongban.kernel.gm.hashes import hmac_sm3

_FIRST: Final = "index"
_LABEL: Final = b"blind index of "


class InUse(NamedTuple):
    """Which versions are in use: `write` for new rows, `search` all that a row may stand under, `write` among them, newest first."""

    write: int
    search: tuple[int, ...]


class Shelf(Protocol):
    """What index keys ask of the store they lie in: secrets, and texts sealed like any other key file."""

    def secret(self, name: str) -> bytes: ...
    def has(self, name: str) -> bool: ...
    def forget(self, name: str) -> None: ...
    def kept_text(self, name: str, make: Callable[[], str] | None) -> str: ...


class IndexKeys:
    """The index keys of one node (盲索引密钥). Blocking: a call looks at one file of the key folder."""

    def __init__(self, folder: Path, shelf: Shelf) -> None:
        self._folder = folder
        self._shelf = shelf
        self._path = folder / "index.state"
        self._file = str(self._path)
        self._seen: tuple[int, int, int] | None = None
        self._in_use: InUse | None = None
        self._keys: dict[tuple[int, str], bytes] = {}

    def in_use(self) -> InUse:
        """What is written under and what is searched, as any process of the node last said."""
        try:
            found = os.stat(self._file)  # noqa: PTH116  before every mark: a Path costs twice as much
            seen = (found.st_mtime_ns, found.st_ino, found.st_size)
        except FileNotFoundError:
            seen = (0, 0, 0)
        if seen != self._seen or self._in_use is None:
            self._in_use = self._read() if seen[1] else self._without_state()
            self._seen = seen
        return self._in_use

    def use(self, write: int, search: Iterable[int]) -> None:
        """From now on write under `write` and search `search` (启用). One process at a time may call this."""
        wanted = sorted({write, *search}, reverse=True)
        for version in wanted:
            if not self.held(version) or (self._path.exists() and not self._shelf.has(_FIRST)):
                raise BadKey("gm.index_key", f"there is no index key of version {version}")
        self._shelf.secret(_FIRST)  # made now if it never was: once there is a state, a missing one was lost
        draft = self._path.with_name(f".{self._path.name}.{os.getpid()}")
        handle = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
        with os.fdopen(handle, "w", encoding="ascii") as file:
            json.dump({"write": write, "search": wanted}, file)
            file.flush()
            os.fsync(file.fileno())
        draft.replace(self._path)
        _sync(self._folder)

    def make(self, version: int) -> None:
        """Make the key of that version unless it is there; it is used only when `use` names it."""
        self._shelf.secret(_name(version))

    def held(self, version: int) -> bool:
        """Whether that version is here whole. The first is made when it is first asked for."""
        return version == 1 or self._shelf.has(_name(version))

    def key(self, version: int, label: str) -> bytes:
        """The key of one column in one version. Raises BadKey when it is gone: a key is never made here by mistake."""
        held = self._keys.get((version, label))
        if held is None:
            held = self._keys[version, label] = self._made(version, label)
        return held

    def narrow(self, version: int, labels: Iterable[str]) -> None:
        """Wipe a version and keep of it the keys of these columns alone (收窄), whose rows lead on from it. Version 1 cannot be parted."""
        if version == 1:
            raise BadKey("gm.index_key", "the first index key was used as it is and cannot be parted by columns")
        if version in self.in_use().search:
            raise BadKey("gm.index_key", f"the index key of version {version} is in use")
        if self.held(version):
            kept = json.dumps({label: b64(self.key(version, label)) for label in sorted(labels)})
            self._shelf.kept_text(_link(version), lambda: kept)
            self._shelf.forget(_name(version))
        self._keys = {place: one for place, one in self._keys.items() if place[0] != version}

    def _made(self, version: int, label: str) -> bytes:
        if version == 1:
            if self._path.exists() and not self._shelf.has(_FIRST):
                raise BadKey("gm.index_key", "the first index key is gone")
            return self._shelf.secret(_FIRST)
        if self.held(version):
            return hmac_sm3(self._shelf.secret(_name(version)), _LABEL + label.encode("ascii"))
        try:
            return unb64(json.loads(self._shelf.kept_text(_link(version), None))[label], length=32)
        except (FileNotFoundError, KeyError):
            raise BadKey("gm.index_key", f"the index key of version {version} is gone") from None

    def _read(self) -> InUse:
        stored = json.loads(self._path.read_text("ascii"))
        return InUse(int(stored["write"]), tuple(sorted((int(one) for one in stored["search"]), reverse=True)))

    def _without_state(self) -> InUse:
        """A folder without the file: all keys that are here are searched, the newest is written under."""
        found = {1}
        for path in self._folder.glob(f"{_FIRST}-*.secret"):
            with contextlib.suppress(ValueError):
                found.add(int(path.stem.removeprefix(f"{_FIRST}-")))
        return InUse(max(found), tuple(sorted(found, reverse=True)))


def _name(version: int) -> str:
    return _FIRST if version == 1 else f"{_FIRST}-{version}"


def _link(version: int) -> str:
    return f"{_FIRST}-{version}.link"


def _sync(folder: Path) -> None:
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
