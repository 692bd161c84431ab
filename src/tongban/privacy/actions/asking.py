"""A person's own acts on a copy 要副本: ask, ask again for what was missing, see the word once, fetch once, give up."""

from __future__ import annotations

from collections.abc import AsyncIterator
from datetime import timedelta

import msgspec

from tongban import consent, federation, identity, notifications
from tongban.kernel.actor import Actor
from tongban.kernel.db import Tx, ring
from tongban.kernel.errors import Refusal, Refusals, SelfOnly
from tongban.kernel.ids import uuid7
from tongban.kernel.log import log
from tongban.kernel.node import Node
from tongban.privacy.actions import wards
from tongban.privacy.actions.making import WORD
from tongban.privacy.actions.pieces import drop_pieces
from tongban.privacy.actions.sharing import BELL, Taken
from tongban.privacy.errors import CopyElsewhere, CopyGone, CopyUnknown
from tongban.privacy.model.copies import Copy
from tongban.privacy.queries.copies import FILE, GROUP, copy_of, pieces
from tongban.privacy.rules.limits import COPIES

SIMPLE, WHOLE = 2, 3
"""The level of a simple copy, and of one with sensitive parts (privacy.md 7)."""
_LOCAL = "l"
_WHAT = "要自己的信息副本"


def level_of(whole: bool) -> int:
    """The level a copy needs, when it is asked for and whenever it is opened (要到几级)."""
    return WHOLE if whole else SIMPLE


async def ask(tx: Tx, node: Node, actor: Actor, *, whole: bool) -> Copy | Refusals:
    """Ask for a copy of everything (要一份副本); the one that is being gathered, when there is one.

    Only for oneself and at home. Raises LevelNeeded, SelfOnly, CopyElsewhere.
    """
    subject, by = await _own(tx, node, actor, level_of(whole)), wards.asker(actor)
    await tx.execute("SELECT pg_advisory_xact_lock(hashtext('privacy-copies:' || $1))", subject)
    running = await tx.fetchval(
        "SELECT id FROM copy_request WHERE subject = $1 AND state = 'gathering' AND whole = $2 AND guardian_subject = $3", subject, whole, by
    )
    if running is None:
        now = node.clock.now()
        row = await tx.fetchrow(
            "SELECT count(*) FILTER (WHERE asked_at > $2) AS today, count(*) AS month FROM copy_request"
            " WHERE subject = $1 AND asked_at > $3 AND again_of IS NULL AND state <> 'failed'",
            subject, now - timedelta(days=1), now - timedelta(days=30),
        )  # fmt: skip
        if row is not None and row["today"] >= COPIES.day_copies:
            return (Refusal("privacy.copies_today", f"一天最多要 {COPIES.day_copies} 份，明天可以再要"),)
        if row is not None and row["month"] >= COPIES.month_copies:
            return (Refusal("privacy.copies_month", f"30 天里最多要 {COPIES.month_copies} 份。急用请打 12345"),)
        running = await _open(tx, node, subject, await _everybody(tx, node, subject), whole=whole, by=by)
        await identity.record_act(tx, node, actor, "copy", what="孩子的信息副本", about=f"copy:{running}")
    return await _found(tx, node, subject, str(running), by)


async def ask_again(tx: Tx, node: Node, actor: Actor, request: str) -> Copy | Refusals:
    """A further copy from the nodes that were missing in one (再取一次缺的). Raises as `ask`, CopyUnknown."""
    subject, by = await _own(tx, node, actor, SIMPLE), wards.asker(actor)
    await tx.execute("SELECT pg_advisory_xact_lock(hashtext('privacy-copies:' || $1))", subject)
    first = await _found(tx, node, subject, request, by)
    await _own(tx, node, actor, level_of(first.whole))
    if not first.missing:
        raise CopyUnknown
    running = await tx.fetchval("SELECT id FROM copy_request WHERE subject = $1 AND state = 'gathering' AND again_of = $2", subject, request)
    if running is None:
        done = await tx.fetchval(
            "SELECT count(*) FROM copy_request WHERE subject = $1 AND again_of IS NOT NULL AND asked_at > $2",
            subject, node.clock.now() - timedelta(days=1),
        )  # fmt: skip
        if done >= COPIES.day_again:
            return (Refusal("privacy.copies_again", "今天已经再取过好几次了，明天再试"),)
        running = await _open(tx, node, subject, [one.node for one in first.missing], whole=first.whole, again_of=request, by=by)
    return await _found(tx, node, subject, str(running), by)


async def stop(tx: Tx, node: Node, actor: Actor, request: str) -> None:
    """Give a copy up and remove what lies here (不要了). Needs no higher level: it only takes away. Raises CopyUnknown."""
    subject = await _own(tx, node, actor, 1)
    found = await _found(tx, node, subject, request, wards.asker(actor) or None, lock=True)  # a child stops also what the guardian asked for
    if found.state in {"gathering", "ready"}:
        await tx.execute("UPDATE copy_request SET state = 'stopped', word = NULL WHERE subject = $1 AND id = $2", subject, request)
        await drop_pieces(tx, subject, request)
        log("privacy.copy_stopped")


async def show_word(tx: Tx, node: Node, actor: Actor, request: str) -> tuple[Copy, str]:
    """The word that opens the file, once (看口令): after this nobody here knows it. Raises LevelNeeded, CopyUnknown, CopyGone."""
    found = await _ready(tx, node, actor, request)
    sealed = await tx.fetchval("SELECT word FROM copy_request WHERE subject = $1 AND id = $2", found.subject, request)
    if sealed is None:
        raise CopyGone
    await tx.execute(
        "UPDATE copy_request SET word = NULL, word_shown_at = $3 WHERE subject = $1 AND id = $2", found.subject, request, node.clock.now()
    )
    word = node.cipher.open(GROUP, WORD, request, sealed).reveal()
    return await _found(tx, node, found.subject, request, found.guardian), word


class Download(msgspec.Struct, frozen=True):
    """A download that was begun (开始下载): its size, and its bytes; the last one read removes the file."""

    byte_count: int
    content: AsyncIterator[bytes]


async def begin_download(tx: Tx, node: Node, actor: Actor, request: str) -> Download:
    """Begin the download of a file whose word was shown (取副本). One that breaks off may be begun again, a few times.

    Raises LevelNeeded, CopyUnknown, CopyGone.
    """
    found = await _ready(tx, node, actor, request)
    if found.word_waits or found.starts >= COPIES.downloads:
        raise CopyGone
    await tx.execute("UPDATE copy_request SET starts = starts + 1 WHERE subject = $1 AND id = $2", found.subject, request)
    return Download(found.byte_count, _content(node, found))


async def _content(node: Node, found: Copy) -> AsyncIterator[bytes]:
    async for piece in pieces(node, found.subject, found.id, FILE):
        yield piece
    async with node.db.transaction() as tx:
        await tx.execute(
            "UPDATE copy_request SET state = 'fetched', fetched_at = $3 WHERE subject = $1 AND id = $2 AND state = 'ready'",
            found.subject, found.id, node.clock.now(),
        )  # fmt: skip
        await drop_pieces(tx, found.subject, found.id)
    log("privacy.copy_fetched", bytes=found.byte_count)


async def _own(tx: Tx, node: Node, actor: Actor, level: int) -> str:
    """Whose copy it is: the own one of who acts for nobody, whose home is here, at that level; or a child's, asked by its guardian."""
    actor.require(1)
    try:
        subject = await wards.whose(tx, node, actor, _WHAT)
    except SelfOnly:
        raise CopyElsewhere(other=True) from None
    actor.require(max(level, wards.LEVEL) if actor.for_subject and level > 1 else level)
    return subject


async def _ready(tx: Tx, node: Node, actor: Actor, request: str) -> Copy:
    subject = await _own(tx, node, actor, 1)
    found = await _found(tx, node, subject, request, wards.asker(actor), lock=True)
    await _own(tx, node, actor, level_of(found.whole))
    if found.state != "ready" or found.ends_at is None or found.ends_at <= node.clock.now():
        raise CopyGone
    return found


async def _found(tx: Tx, node: Node, subject: str, request: str, by: str | None, *, lock: bool = False) -> Copy:
    """One copy of this person, asked for by `by`; None: whoever asked for it."""
    found = await copy_of(tx, node, subject, request, lock=lock)
    if found is None or (by is not None and found.guardian != by):
        raise CopyUnknown
    return found


async def _everybody(tx: Tx, node: Node, subject: str) -> list[str]:
    """This node and every other; a subject that was never matched means nothing elsewhere (identity.md 1)."""
    try:
        listed = (await federation.directory(tx)).nodes
    except federation.NotMember:
        listed = ()
    others = [one.id for one in listed if one.id != node.id and one.status in {"active", "leaving", "suspended"}]
    return [node.id, *([] if subject.startswith(_LOCAL) else others)]


async def _open(tx: Tx, node: Node, subject: str, nodes: list[str], *, whole: bool, again_of: str | None = None, by: str = "") -> str:
    """The rows of a new copy, this node's ledger line, a word to the person: who did not ask for it must hear of it."""
    request, now = uuid7(), node.clock.now()
    now = now.replace(microsecond=now.microsecond // 1000 * 1000)
    await tx.execute(
        "INSERT INTO copy_request (subject, id, state, whole, again_of, guardian_subject, asked_at, next_at)"
        " VALUES ($1, $2, 'gathering', $3, $4, $5, $6, $6)",
        subject, request, whole, again_of, by, now,
    )  # fmt: skip
    for one in nodes:
        line = uuid7()
        await tx.execute(
            "INSERT INTO copy_part (subject, request, node, state, line, line_at) VALUES ($1, $2, $3, 'waiting', $4, $5)",
            subject, request, one, line, now,
        )  # fmt: skip
        if one == node.id:
            await consent.record_access(tx, node, Taken(subject, line, now, node.settings.name, bool(by)).access(node.id, node.id, "local"))
    await notifications.notify(
        tx, node, subject=subject, kind="privacy.copy_asked", title="收到了：要一份你的信息副本",
        text="是监护人要的。不想给，点进去停掉，再和监护人商量。" if by else "做好了再告诉你。不是你要的，点进去马上停掉，再去看看登录设备。", link=f"/me/copies/{request}", about=f"copy:{request}", link_words="去看看",
    )  # fmt: skip
    await ring(tx, BELL)
    log("privacy.copy_asked", count=len(nodes))
    return request
