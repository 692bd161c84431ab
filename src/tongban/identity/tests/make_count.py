"""Counting what is sent to the database: every statement of the nodes of this process, without BEGIN and COMMIT.

    count = Count.of(monkeypatch)
    with count.at_most(2):
        await browser.get(node, path)
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest

from tongban.kernel import db

_FRAME = {"BEGIN", "COMMIT", "ROLLBACK"}


class Count:
    """The statements sent since it was made, in order."""

    def __init__(self) -> None:
        self.sent: list[str] = []

    @classmethod
    def of(cls, monkeypatch: pytest.MonkeyPatch) -> Count:
        """Count at every pool of the process until the test ends."""
        found = cls()
        for name in ("fetch", "fetchrow", "fetchval", "execute"):
            monkeypatch.setattr(db._Plain, name, found._counted(getattr(db._Plain, name)), raising=False)
        return found

    def _counted(self, real: Any) -> Any:
        async def call(connection: Any, query: str, *args: Any, **more: Any) -> Any:
            if query.strip(" ;").split(" ", 1)[0].rstrip(";") not in _FRAME:
                self.sent.append(query)
            return await real(connection, query, *args, **more)

        return call

    @contextmanager
    def at_most(self, most: int) -> Iterator[None]:
        """No more than so many inside; when there are more, they are shown."""
        before = len(self.sent)
        yield
        new = self.sent[before:]
        assert len(new) <= most, f"{len(new)} statements:\n" + "\n\n".join(new)
