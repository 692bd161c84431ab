"""Drafts (草稿): begun once, saved at every page, also with what is still wrong in it; kept 90 days where it was made."""

from __future__ import annotations

from collections.abc import Mapping

import msgspec

from tongban import catalogue, evidence, identity
from tongban.cases.actions import gather, power
from tongban.cases.errors import DraftGone, ItemNotOffered
from tongban.cases.model import Draft, DraftFile
from tongban.cases.queries import mirrors, rows
from tongban.cases.rules import forms
from tongban.kernel.actor import Actor
from tongban.kernel.db import Tx
from tongban.kernel.errors import Refusal, Refusals
from tongban.kernel.ids import uuid7
from tongban.kernel.log import log
from tongban.kernel.node import Node


async def begin(tx: Tx, node: Node, actor: Actor, task_code: str, *, subject: str = "") -> Draft:
    """A draft of an item that is published here (开始办理); an unfinished one of the same item is taken up again.

    `subject`: for whom a window fills it in. Raises SignInNeeded, ItemNotOffered, CompanyOnly.
    """
    if not subject:
        actor.require(1)
    owner = subject or actor.person
    item = await catalogue.item(tx, task_code)
    if item is None or not item.online:
        raise ItemNotOffered
    power.must_be_for(owner, item)
    if not subject:
        await power.needs(tx, node, actor, "draft", item)
    # one draft an item and person: two taps on 开始办理 meet at this lock
    await tx.execute("SELECT pg_advisory_xact_lock(hashtext($1))", f"draft:{owner}:{task_code}")
    row = await tx.fetchrow(
        "SELECT * FROM draft WHERE subject = $1 AND task_code = $2 AND item_version = $3 AND state = 'draft'"
        " AND actor_subject = $4 ORDER BY touched_at DESC LIMIT 1",
        owner,
        task_code,
        str(item.version),
        actor.subject,
    )
    if row is not None:
        return await rows.draft_of(tx, node, row)
    now, made = node.clock.now(), uuid7()
    row = await tx.fetchrow(
        "INSERT INTO draft (subject, id, actor_subject, task_code, item_version, item_digest, step, file, made_at, touched_at)"
        " VALUES ($1, $2, $3, $4, $5, $6, '', $7, $8, $8) RETURNING *",
        owner,
        made,
        actor.subject,
        task_code,
        str(item.version),
        item.digest,
        await rows.seal(tx, node, owner, "draft.file", made, DraftFile()),
        now,
    )
    assert row is not None
    if not subject:
        await identity.record_act(tx, node, actor, "draft", what=item.name, about=f"case:{made}")
    log("cases.draft_begun", case_id=made, item=task_code)
    return await rows.draft_of(tx, node, row)


async def take(tx: Tx, node: Node, actor: Actor, draft_id: str, *, lock: bool = False) -> tuple[Draft, catalogue.Item]:
    """The draft to go on with and its item (接着填), when it is this person's or within the mandate. Raises DraftGone, ItemNotOffered."""
    draft = await mirrors.draft(tx, node, actor.person, draft_id, lock=lock)
    if draft is None and actor.acting_ended:
        await identity.require_act(tx, node, actor, identity.Deed(act="draft"))
    if draft is None or draft.state == "discarded":
        raise DraftGone
    item = await catalogue.item(tx, draft.task_code, int(draft.item_version))
    if item is None:
        raise ItemNotOffered
    await power.needs(tx, node, actor, "view" if draft.state == "submitted" else "draft", item)
    return (await gather.looked_again(tx, node, actor, draft, item) if draft.state == "draft" else draft), item


async def save(
    tx: Tx, node: Node, draft: Draft, item: catalogue.Item, step: str, posted: Mapping[str, tuple[str, ...]],
    *, only: frozenset[str] = frozenset(),
) -> tuple[Draft, Refusals]:
    """Keep a posted page (保存一页), right or wrong, and say what is wrong with it. Two tabs each keep their own page.

    `only`: the questions that the page asked, when it was not all of its step; others that came along are kept too.
    """
    strange = forms.undeclared(item, posted)
    file = forms.merged(item, draft.file, posted, step, only=only)
    saved = await write(tx, node, draft, file, step=step)
    return saved, strange + forms.wrong(item, file, step, node.clock.today(), only=only)


async def attach(
    tx: Tx, node: Node, actor: Actor, draft: Draft, item: catalogue.Item, code: str, upload: evidence.Sent | None
) -> tuple[Draft, Refusals]:
    """A file for a material of the item (上传材料); a wrong one is refused in words and what was there stays."""
    wanted = next((one.material for one in forms.uploads(item, draft.file, node.clock.today()) if one.material.name == code), None)
    field = f"material-{code}"
    if wanted is None:
        return draft, (Refusal("cases.material_unknown", "这份材料不用交", field),)
    kept = await evidence.store(
        tx, node, actor, upload, kind=code, accepts=wanted.accepts, max_bytes=wanted.max_bytes, subject=draft.subject, field=field
    )
    if not isinstance(kept, evidence.Material):
        return draft, kept
    return await _with_material(tx, node, draft, code, kept.id), ()


async def reuse(tx: Tx, node: Node, draft: Draft, code: str, material_id: str) -> tuple[Draft, Refusals]:
    """A file handed in before, used again (复用材料). Another person's is not found."""
    found = await evidence.material(tx, node, draft.subject, material_id)
    if found is None or found.origin == "document":
        return draft, (Refusal("cases.material_gone", "没有找到以前那份，请再选一次或者重新上传", f"material-{code}"),)
    return await _with_material(tx, node, draft, code, found.id), ()


async def detach(tx: Tx, node: Node, draft: Draft, code: str, material_id: str) -> Draft:
    """Take a file out of the draft again (移除材料); the file itself stays in 我的材料."""
    left = tuple(one for one in draft.file.materials.get(code, ()) if one != material_id)
    file = msgspec.structs.replace(draft.file, materials={**draft.file.materials, code: left})
    return await write(tx, node, draft, file, step=draft.step)


async def write(tx: Tx, node: Node, draft: Draft, file: DraftFile, *, step: str) -> Draft:
    """Write a locked draft back (写草稿). Raises DraftGone when it is not a draft any more."""
    now = node.clock.now()
    done = await tx.execute(
        "UPDATE draft SET file = $3, step = $4, touched_at = $5, told_at = NULL WHERE subject = $1 AND id = $2 AND state = 'draft'",
        draft.subject,
        draft.id,
        await rows.seal(tx, node, draft.subject, "draft.file", draft.id, file),
        step,
        now,
    )
    if done != "UPDATE 1":
        raise DraftGone
    return msgspec.structs.replace(draft, file=file, step=step, touched_at=now)


async def discard(tx: Tx, node: Node, actor: Actor, draft_id: str) -> bool:
    """T02 by the person: the draft is deleted with everything in it (删除草稿). False when there is none."""
    draft = await mirrors.draft(tx, node, actor.person, draft_id, lock=True)
    if draft is None or draft.state != "draft":
        return False
    item = await catalogue.item(tx, draft.task_code, int(draft.item_version))
    if actor.for_subject and item is not None:
        await power.needs(tx, node, actor, "draft", item)
        await identity.record_act(tx, node, actor, "discard", what=item.name, about=f"case:{draft.id}")
    await tx.execute("DELETE FROM draft WHERE subject = $1 AND id = $2", draft.subject, draft.id)
    log("cases.moved", case_id=draft.id, kind="T02", state="discarded")
    return True


async def follow(tx: Tx, _node: Node, old: str, new: str) -> None:
    """A person was matched with the register and has another subject now: drafts follow (identity.md 1) (草稿随人)."""
    await tx.execute("UPDATE draft SET subject = $2 WHERE subject = $1", old, new)
    await tx.execute("UPDATE draft SET actor_subject = $2 WHERE actor_subject = $1", old, new)


async def _with_material(tx: Tx, node: Node, draft: Draft, code: str, material_id: str) -> Draft:
    kept = tuple(one for one in draft.file.materials.get(code, ()) if one != material_id)
    file = msgspec.structs.replace(draft.file, materials={**draft.file.materials, code: (*kept, material_id)})
    return await write(tx, node, draft, file, step=draft.step)
