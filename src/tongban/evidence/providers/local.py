"""Content in a folder of this computer (本地存储), through obstore, and synced: obstore itself never calls fsync."""

from __future__ import annotations

import os
from pathlib import Path

import obstore
from obstore.store import LocalStore


class LocalContent:
    """Files under `folder`, named by their address (本地内容库): `sm3:AbCd…` lies in `Ab/AbCd…`."""

    def __init__(self, folder: Path) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self._folder = folder
        self._store = LocalStore(prefix=folder)

    def put(self, address: str, content: bytes) -> None:
        """Write once and sync file and folders: the row may commit after this returns. Blocking."""
        path = _path(address)
        obstore.put(self._store, path, content)
        whole = self._folder / path
        _sync(whole)
        _sync(whole.parent)
        _sync(self._folder)

    def get(self, address: str) -> bytes | None:
        """The ciphertext, or None when it is not here. Blocking."""
        try:
            return bytes(obstore.get(self._store, _path(address)).bytes())
        except FileNotFoundError:
            return None

    def drop(self, address: str) -> None:
        """Remove it; already gone is fine. Blocking."""
        (self._folder / _path(address)).unlink(missing_ok=True)


def _path(address: str) -> str:
    name = address.removeprefix("sm3:")
    if not name or not all(char.isalnum() or char in "-_" for char in name):
        raise ValueError("not a content address")
    return f"{name[:2]}/{name}"


def _sync(path: Path) -> None:
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
