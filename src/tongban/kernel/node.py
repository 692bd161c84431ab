"""Node 节点: one running installation, passed to the verbs that need its keys, its clock or the way out."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from tongban.kernel.bell import Bell
from tongban.kernel.clock import Clock, SystemClock
from tongban.kernel.db import Database
from tongban.kernel.gm import BadKey, FieldCipher, FileKeyStore, KeyStore
from tongban.kernel.gm.token import Pkcs11Token
from tongban.kernel.http import HttpClient
from tongban.kernel.person_keys import PersonKeys
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
        self.person_keys = PersonKeys(keys, self.cipher)
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
        keys = FileKeyStore(settings.data_dir / "keys", settings.node, device=device_of(settings))
        db = await Database.open(settings.database_url, size=settings.pool_size)
        node = cls(settings, db, keys, clock=clock)
        try:
            yield node
        finally:
            await node.http.close()
            await db.close()


def device_of(settings: Settings) -> Pkcs11Token | None:
    """The device of the settings, logged in to; None where keys are files. Raises BadKey when it does not open."""
    if not settings.pkcs11_module:
        return None
    pin_file = Path(settings.pkcs11_pin_file)
    if not settings.pkcs11_pin_file or pin_file.stat().st_mode & 0o077:
        raise BadKey("gm.device_pin", "pkcs11_pin_file must name a file that nobody else can read: chmod 600")
    pin = pin_file.read_text("utf-8").strip()
    return Pkcs11Token(
        Path(settings.pkcs11_module), settings.pkcs11_token, pin, sm2_mechanism=settings.pkcs11_sm2_mechanism
    )
