"""Where content lies (内容存储): a local folder, or any store that obstore knows, behind one small Protocol."""

from __future__ import annotations

from typing import Protocol


class ContentStore(Protocol):
    """Ciphertext by content address (内容存储). What `put` has returned from survives a power cut."""

    def put(self, address: str, content: bytes) -> None: ...

    def get(self, address: str) -> bytes | None: ...

    def drop(self, address: str) -> None: ...
