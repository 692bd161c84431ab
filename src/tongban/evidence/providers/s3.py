"""Content in an S3-compatible store (对象存储), through obstore. Keys come from the environment, never from a settings file.

`s3://bucket/prefix?endpoint=https://…&region=…`; AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY as every S3 tool reads them.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import obstore
from obstore.exceptions import BaseError
from obstore.store import S3Store

from tongban.evidence.providers import Kept, StoreTrouble, address_of, path_of


class S3Content:
    """Ciphertext in a bucket, named as in a folder (对象内容库). An object is there whole or not at all."""

    def __init__(self, url: str, incoming: Path) -> None:
        self.incoming = incoming
        parts = urlsplit(url)
        asked = {name: values[0] for name, values in parse_qs(parts.query).items()}
        if parts.scheme != "s3" or not parts.netloc or set(asked) - {"endpoint", "region"}:
            raise ValueError("evidence_store is s3://bucket/prefix?endpoint=https://…&region=…")
        endpoint = asked.get("endpoint")
        self._store = S3Store(
            parts.netloc,
            prefix=parts.path.strip("/") or None,
            config={"region": asked.get("region", "us-east-1"), **({"endpoint": endpoint} if endpoint else {})},
            client_options={"allow_http": bool(endpoint and endpoint.startswith("http://")), "timeout": "10s", "connect_timeout": "3s"},
            retry_config={"max_retries": 2, "retry_timeout": timedelta(seconds=10)},
        )

    def put(self, address: str, content: bytes) -> None:
        """Write it; the store answers when it is safe. Blocking. Raises StoreTrouble."""
        try:
            obstore.put(self._store, path_of(address), content)
        except (OSError, BaseError) as error:
            raise StoreTrouble from error

    def get(self, address: str) -> bytes | None:
        """The ciphertext, or None when it is not there or the store is away. Blocking."""
        try:
            return bytes(obstore.get(self._store, path_of(address)).bytes())
        except (OSError, BaseError):
            return None

    def take(self, address: str, arrived: Path) -> None:
        """A file that has arrived whole, sent in parts as it is read (收入). Blocking. Raises StoreTrouble."""
        try:
            obstore.put(self._store, path_of(address), arrived)
        except (OSError, BaseError) as error:
            raise StoreTrouble from error
        arrived.unlink(missing_ok=True)

    def size(self, address: str) -> int | None:
        """Its bytes, or None when it is not there or the store is away. Blocking."""
        try:
            return obstore.head(self._store, path_of(address))["size"]
        except (OSError, BaseError):
            return None

    def part(self, address: str, start: int, length: int) -> bytes:
        """So many bytes from `start` on; b"" when they cannot be had. Blocking."""
        try:
            return bytes(obstore.get_range(self._store, path_of(address), start=start, length=length))
        except (OSError, BaseError):
            return b""

    def drop(self, address: str) -> None:
        """Remove it; already gone is fine. Blocking. Raises StoreTrouble."""
        self.sweep(path_of(address))

    def listed(self) -> Iterator[Kept]:
        """Everything under the prefix. Blocking."""
        for page in obstore.list(self._store):
            for one in page:
                yield Kept(address_of(one["path"]), one["path"], one["size"], one["last_modified"])

    def sweep(self, path: str) -> None:
        """Remove what `listed` named. Blocking. Raises StoreTrouble."""
        try:
            obstore.delete(self._store, path)
        except FileNotFoundError:
            return
        except (OSError, BaseError) as error:
            raise StoreTrouble from error
