"""Feeding the index 更新索引: everything once, then only what changed since, from the rows of the catalogue."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from datetime import datetime, timedelta
from pathlib import Path

import msgspec

from tongban import catalogue
from tongban.kernel.db import Tx, ring
from tongban.kernel.gm import digest
from tongban.kernel.log import log
from tongban.kernel.node import Node
from tongban.search.errors import WordsBroken
from tongban.search.model import Document
from tongban.search.queries import SCHEMA_VERSION, index_of
from tongban.search.rules import text
from tongban.search.rules.documents import OwnPage, of_entry, of_item, of_page, without_doubles

BELL = "search.index"
"""Rung when the index has taken in what changed in the catalogue."""
OVERLAP = timedelta(seconds=10)
"""Rows are read again this far back: a transaction that began earlier may commit later."""


class State(msgspec.Struct, frozen=True):
    """What the index was made of (索引状态), kept beside it: a mark over everything but the items, and how far it read."""

    mark: str
    since: datetime | None = None
    seen: dict[str, int] = msgspec.field(default_factory=dict)


def everyday_words(items_dir: Path) -> dict[str, tuple[str, ...]]:
    """The dictionary of everyday words (日常说法词典); empty without the file. Raises WordsBroken."""
    path = items_dir / "reference" / "everyday_words.yaml"
    if not path.is_file():
        return {}
    try:
        return msgspec.convert(msgspec.yaml.decode(path.read_text("utf-8"))["words"], dict[str, tuple[str, ...]])
    except (msgspec.DecodeError, KeyError, TypeError) as error:
        raise WordsBroken(f"{path}: {error}. Write `words:` and below it `formal: [everyday, …]`.") from None


def own_pages(items_dir: Path) -> tuple[OwnPage, ...]:
    """The platform's own pages that can be searched for (自己的页面). Raises WordsBroken."""
    path = items_dir / "reference" / "pages.yaml"
    if not path.is_file():
        return ()
    try:
        return msgspec.convert(msgspec.yaml.decode(path.read_text("utf-8"))["pages"], tuple[OwnPage, ...])
    except (msgspec.DecodeError, KeyError, TypeError) as error:
        raise WordsBroken(f"{path}: {error}. Write `pages:` and below it id, name, says, href or mode.") from None


def _state_path(node: Node) -> Path:
    return node.settings.data_dir / "search" / "state.json"


def _state(node: Node) -> State | None:
    try:
        return msgspec.json.decode(_state_path(node).read_bytes(), type=State)
    except (OSError, msgspec.DecodeError):
        return None


def _mark(node: Node, entries: tuple[catalogue.Entry, ...]) -> str:
    """A mark over the tokenizer, the schema, the dictionary, the pages and the entries: another mark, another index."""
    parts = [str((SCHEMA_VERSION, text.VERSION)).encode(), msgspec.json.encode(entries)]
    for name in ("everyday_words.yaml", "pages.yaml"):
        path = node.settings.items_dir / "reference" / name
        parts.append(path.read_bytes() if path.is_file() else b"")
    return digest(b"\0".join(parts))


async def _place(tx: Tx, division: str) -> str:
    return "".join(one.name for one in await catalogue.division_path(tx, division))


def covers(node: Node, offered: Mapping[str, int]) -> bool:
    """Whether the index holds these items at these revisions or later ones (收录了没有): task code → rev."""
    state = _state(node)
    return state is not None and all(state.seen.get(code, -1) >= rev for code, rev in offered.items())


async def _taken_in(node: Node) -> None:
    async with node.db.transaction() as tx:
        await ring(tx, BELL)


async def rebuild(node: Node) -> int:
    """Make the whole index again from the catalogue (重建索引); how many documents stand in it."""
    async with node.db.reading() as tx:
        # the mark is read before the rows, so that a change meanwhile is read again
        entries = await catalogue.entries(tx)
        listings = [one for one in await catalogue.changed_since(tx, None) if one.status == "published"]
        items = [(one, await catalogue.item(tx, one.task_code, one.version)) for one in listings]
        places = {one.division: await _place(tx, one.division) for one in listings}
    words = everyday_words(node.settings.items_dir)
    documents: list[Document] = [of_page(page) for page in own_pages(node.settings.items_dir)]
    documents += [of_entry(entry, words) for entry in without_doubles(entries)]
    for listed, item in items:
        if item is not None:
            documents += of_item(item, listed.channels, places[listed.division], words)
    count = await asyncio.to_thread(index_of(node).write, documents, fresh=True)
    since = max((one.changed_at for one in listings), default=None)
    state = State(_mark(node, entries), since, {one.task_code: one.rev for one in listings})
    _state_path(node).write_bytes(msgspec.json.encode(state))
    await _taken_in(node)
    log("search.rebuilt", count=count)
    return count


async def refresh(node: Node) -> int:
    """Bring the index in step with the catalogue (更新索引); how many items changed. Builds it anew when it must.

    Another process of this node may be writing: then nothing is done here, it does the same work.
    """
    state = _state(node)
    async with node.db.reading() as tx:
        entries = await catalogue.entries(tx)
        if state is None or state.mark != _mark(node, entries):
            changed = None
        else:
            since = state.since - OVERLAP if state.since else None
            changed = [one for one in await catalogue.changed_since(tx, since) if state.seen.get(one.task_code, -1) < one.rev]
            newest = {one.task_code: await catalogue.listing(tx, one.task_code) for one in changed}
            items = {code: await catalogue.item(tx, code) for code in newest}
            places = {one.division: await _place(tx, one.division) for one in changed}
    try:
        if changed is None or state is None:
            return await rebuild(node)
        if not changed:
            return 0
        words = everyday_words(node.settings.items_dir)
        documents: list[Document] = []
        for code, listed in newest.items():
            item = items[code]
            if listed is not None and item is not None and listed.status == "published":
                documents += of_item(item, listed.channels, places[listed.division], words)
        await asyncio.to_thread(index_of(node).write, documents, drop_items=list(newest), fresh=False)
    except ValueError as error:
        if "Lock" not in str(error):
            raise
        return 0
    seen = state.seen | {code: listed.rev for code, listed in newest.items() if listed is not None}
    latest = max((one.changed_at for one in changed), default=state.since)
    _state_path(node).write_bytes(msgspec.json.encode(State(state.mark, latest, seen)))
    await _taken_in(node)
    log("search.refreshed", count=len(newest))
    return len(newest)
