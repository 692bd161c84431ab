"""Making the file of a copy 做成文件: data, their schemas, pages for reading, ledger, receipts, files; locked by a word that is told once.

The word stands in the row, sealed, until it was shown; then nobody here can open the file any more (docs/adr/0012).
"""

from __future__ import annotations

import asyncio
import re
from datetime import timedelta

import msgspec

from tongban import identity, notifications, seals, transparency
from tongban.kernel.clock import CHINA
from tongban.kernel.gm import jcs
from tongban.kernel.log import log
from tongban.kernel.node import Node
from tongban.privacy.actions.pieces import Pieces, drop_pieces
from tongban.privacy.errors import CopyBroken
from tongban.privacy.model.copies import Copy, Gathered
from tongban.privacy.queries.copies import FILE, GROUP, pieces
from tongban.privacy.queries.known import holdings
from tongban.privacy.rules import contents
from tongban.privacy.rules.limits import COPIES
from tongban.privacy.rules.locked_zip import LockedZip, new_word
from tongban.privacy.rules.parts import FIRST, records

WORD = "copy_request.word"
LEAF = "privacy.copy_made"
_LARGEST = 64 * 1024 * 1024
_SUFFIX = re.compile(r"\.([A-Za-z0-9]{1,5})$")


class _Out:
    """The ZIP on its way into sealed pieces."""

    def __init__(self, node: Node, copy: Copy, word: str) -> None:
        self._zip = LockedZip(word, node.clock.now().astimezone(CHINA))
        self._pieces = Pieces(node, copy.subject, copy.id, FILE)

    async def put(self, name: str, content: bytes) -> None:
        await self._pieces.write(await asyncio.to_thread(self._zip.add, name, content))

    async def end(self) -> int:
        await self._pieces.write(self._zip.end())
        return await self._pieces.end()


async def make(node: Node, copy: Copy) -> None:
    """Make the file out of what has come, and tell the person (做副本). Killed in between, it is made anew, with another word."""
    async with node.db.transaction() as tx:
        await drop_pieces(tx, copy.subject, copy.id, FILE)
        person = await identity.person(tx, node, copy.subject)
    word = new_word()
    out = _Out(node, copy, word)
    paths: dict[tuple[str, str], str] = {}
    gathered = [await _part(node, copy, part.node, out, paths) for part in copy.parts if part.state == "here"]
    about = contents.About(
        number=copy.id, name=person.name.reveal() if person and person.name else "", asked_at=copy.asked_at, made_at=node.clock.now(), whole=copy.whole,
        missing=tuple(one.name for one in copy.parts if one.state != "here"),
        not_copied=tuple(dict.fromkeys((one.title, one.not_copied) for one in holdings() if one.not_copied)),
        log_page=node.settings.base_url + "/transparency",
    )  # fmt: skip
    kinds = contents.by_kind(gathered, paths)
    for name, content in contents.files(about, gathered, kinds):
        await out.put(name, content)
    reading = await asyncio.to_thread(contents.reading, about, gathered, kinds, node.settings.name)
    await out.put("阅读版.pdf", await seals.compose_pdf(reading))
    await _finish(node, copy, word, await out.end(), contents.counted(gathered, paths))


async def _part(node: Node, copy: Copy, of: str, out: _Out, paths: dict[tuple[str, str], str]) -> Gathered:
    """What one node gave: its files go into the ZIP as they come."""
    found: Gathered | None = None
    async for key, body in records(pieces(node, copy.subject, copy.id, of), largest=_LARGEST):
        if key == FIRST:
            found = msgspec.json.decode(body, type=Gathered)
        elif found is not None:
            named = next((one for kind in found.kinds for one in kind.files if one.key == key), None)
            if named is None:
                raise CopyBroken
            suffix = _SUFFIX.search(named.name)
            path = f"文件/{contents.file_name(found.name)}/{len(paths) + 1:04}{('.' + suffix.group(1).lower()) if suffix else ''}"
            paths[of, key] = path
            await out.put(path, body)
    if found is None or found.node != of:
        raise CopyBroken
    return found


async def _finish(node: Node, copy: Copy, word: str, size: int, counted: contents.Counted) -> None:
    now = node.clock.now()
    async with node.db.transaction() as tx:
        state = await tx.fetchval("SELECT state FROM copy_request WHERE subject = $1 AND id = $2 FOR UPDATE", copy.subject, copy.id)
        if state != "gathering":  # stopped while it was being made
            await drop_pieces(tx, copy.subject, copy.id)
            return
        fact = jcs({"v": 1, "copy": copy.id, "at": node.clock.ms(), "bytes": size})
        leaf = await transparency.append(tx, LEAF, fact)
        await tx.execute(
            "UPDATE copy_request SET state = 'ready', made_at = $3, ends_at = $4, byte_count = $5, rows_told = $6, files_told = $7,"
            " left_out = $8, word = $9, leaf = $10 WHERE subject = $1 AND id = $2",
            copy.subject, copy.id, now, now + timedelta(hours=COPIES.link_hours), size, counted.rows, counted.files, counted.left_out,
            node.cipher.seal(GROUP, WORD, copy.id, word), leaf.id,
        )  # fmt: skip
        await tx.execute(
            "UPDATE copy_part SET state = 'missing' WHERE subject = $1 AND request = $2 AND state <> 'here'", copy.subject, copy.id
        )
        for part in copy.parts:
            await drop_pieces(tx, copy.subject, copy.id, part.node)
        await notifications.notify(
            tx, node, subject=copy.subject, kind="privacy.copy_ready", title="你要的信息副本做好了",
            text=f"{COPIES.link_hours} 小时内可以取，只能取一次。不是你要的，点进去可以马上删掉。", link=f"/me/copies/{copy.id}",
            about=f"copy:{copy.id}", link_words="去取",
        )  # fmt: skip
        if copy.guardian:
            await notifications.notify(
                tx, node, subject=copy.guardian, kind="privacy.copy_ready", title="孩子的信息副本做好了", text="先切到替孩子办，再来取。只能取一次。",
                link=f"/me/copies/{copy.id}", about=f"copy:{copy.id}", link_words="去取", group="家人",
            )  # fmt: skip
    log("privacy.copy_made", bytes=size, count=counted.rows)


async def give_up(node: Node, subject: str, request: str) -> None:
    """End a copy that could not be made within its longest time and an hour (做不成), and say so."""
    async with node.db.transaction() as tx:
        gone = await tx.fetchval(
            "UPDATE copy_request SET state = 'failed', word = NULL WHERE subject = $1 AND id = $2 AND state = 'gathering' AND asked_at < $3 RETURNING 1",
            subject, request, node.clock.now() - timedelta(hours=COPIES.longest_hours + 1),
        )  # fmt: skip
        if gone is None:
            return
        await drop_pieces(tx, subject, request)
        await notifications.notify(
            tx, node, subject=subject, kind="privacy.copy_failed", title="信息副本没有做成", text="是系统这边出了错，请再要一次，这次不算次数。",
            link="/me/copies", about=f"copy:{request}", link_words="再要一次",
        )  # fmt: skip
    log("privacy.copy_given_up")
