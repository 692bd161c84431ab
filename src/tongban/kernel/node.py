"""Node 节点: one running installation, passed to the verbs that need its keys, its clock or the way out."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from tongban.kernel.bell import Bell
from tongban.kernel.clock import Clock, SystemClock
from tongban.kernel.db import Database
from tongban.kernel.gm import FieldCipher, FileKeyStore, KeyStore
from tongban.kernel.http import HttpClient
from tongban.kernel.settings import Settings


class Node:
    """This installation (本节点): one name, one database, one set of keys, one role. Read-only after `open`."""

    def __init__(
        self, settings: Settings, db: Database, keys: KeyStore, *, clock: Clock | None = None, http: HttpClient | None = None
    ) -> None:
        self.settings = settings
        self.db = db
        self.keys = keys
        self.cipher = FieldCipher(keys)
        self.clock: Clock = clock or SystemClock()
        self.http = http or HttpClient()
        self.bell = Bell()

    @property
    def id(self) -> str:
        """The node id, for example `510000`."""
        return self.settings.node

    @classmethod
    @asynccontextmanager
    async def open(cls, settings: Settings, *, clock: Clock | None = None) -> AsyncIterator[Node]:
        """A node with its database connected and its keys at hand; closed at the end (打开节点)."""
        settings.data_dir.mkdir(parents=True, exist_ok=True)
        db = await Database.open(settings.database_url, size=settings.pool_size)
        node = cls(settings, db, FileKeyStore(settings.data_dir / "keys", settings.node), clock=clock)
        try:
            yield node
        finally:
            await node.http.close()
            await db.close()
