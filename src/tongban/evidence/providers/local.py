"""Content in a folder of this computer (本地存储), through obstore, and synced: obstore itself never calls fsync."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import obstore
from obstore.exceptions import BaseError
from obstore.store import LocalStore

from tongban.evidence.providers import Kept, StoreTrouble, address_of, path_of


class LocalContent:
    """Files under `folder`, named by their address (本地内容库): `sm3:AbCd…` lies in `Ab/AbCd…`."""

    def __init__(self, folder: Path) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self._folder = folder
        self._store = LocalStore(prefix=folder)
        self.incoming = folder / "arriving"

    def put(self, address: str, content: bytes) -> None:
        """Write once and sync file and folders: the row may commit after this returns. Blocking. Raises StoreTrouble."""
        path = path_of(address)
        whole = self._folder / path
        try:
            obstore.put(self._store, path, content)
            _sync(whole)
            _sync(whole.parent)
            _sync(self._folder)
        except (OSError, BaseError) as error:
            with contextlib.suppress(OSError):
                whole.unlink(missing_ok=True)
            raise StoreTrouble from error

    def get(self, address: str) -> bytes | None:
        """The ciphertext, or None when it is not here. Blocking."""
        try:
            return bytes(obstore.get(self._store, path_of(address)).bytes())
        except FileNotFoundError:
            return None

    def take(self, address: str, arrived: Path) -> None:
        """A file that has arrived, synced and whole, under its name (收入). Blocking. Raises StoreTrouble."""
        whole = self._folder / path_of(address)
        try:
            whole.parent.mkdir(exist_ok=True)
            arrived.replace(whole)
            _sync(whole.parent)
            _sync(self._folder)
        except OSError as error:
            raise StoreTrouble from error

    def size(self, address: str) -> int | None:
        """Its bytes, or None when it is not here. Blocking."""
        try:
            return (self._folder / path_of(address)).stat().st_size
        except FileNotFoundError:
            return None

    def part(self, address: str, start: int, length: int) -> bytes:
        """So many bytes from `start` on; b"" when it is not here. Blocking."""
        try:
            with (self._folder / path_of(address)).open("rb") as file:
                file.seek(start)
                return file.read(length)
        except FileNotFoundError:
            return b""

    def drop(self, address: str) -> None:
        """Remove it; already gone is fine. Blocking."""
        (self._folder / path_of(address)).unlink(missing_ok=True)

    def listed(self) -> Iterator[Kept]:
        """Everything in the folder, also what a killed write left behind. Blocking."""
        for found in self._folder.rglob("*"):
            with contextlib.suppress(FileNotFoundError):
                if found.is_file():
                    path, state = found.relative_to(self._folder).as_posix(), found.stat()
                    yield Kept(address_of(path), path, state.st_size, datetime.fromtimestamp(state.st_mtime, UTC))

    def sweep(self, path: str) -> None:
        """Remove what `listed` named. Blocking."""
        (self._folder / path).unlink(missing_ok=True)


def _sync(path: Path) -> None:
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
