"""Rights at a desk 窗口办个人信息的事 (privacy.md 7): for who has no phone, and for close relatives of somebody who died.

A clerk saw the person and the document and receives the request; another clerk looks again and confirms, while the person is
still there. Then it runs as if the person had asked at home, and a paper is printed: nobody at the desk gets the content.
"""

from __future__ import annotations

from datetime import timedelta

import msgspec

from tongban import evidence, identity, notifications, transparency
from tongban.kernel.actor import Actor
from tongban.kernel.db import Tx
from tongban.kernel.errors import NotAllowed, Refusal, Refusals
from tongban.kernel.gm import jcs
from tongban.kernel.ids import uuid7
from tongban.kernel.log import log
from tongban.kernel.node import Node
from tongban.privacy.actions import closing, papers, relatives
from tongban.privacy.actions.relatives import Refused, masked_name
from tongban.privacy.errors import CopyElsewhere, NothingToClose
from tongban.privacy.model.closing import Paper
from tongban.privacy.model.desk import KIND_WORDS, Asked, Told
from tongban.privacy.queries import closing as closing_queries
from tongban.privacy.queries import desk as queries

DESK = "privacy.desk"
ASK, CONFIRM = "privacy.desk_ask", "privacy.desk_confirm"
_PRINTED = timedelta(minutes=30)
_GONE = "人已经离开窗口，或者超过半小时。请本人在场，重新受理"


def division_of(clerk: Actor) -> str:
    """Where this clerk's desk is: the area of the assignment that lets them receive. Raises StaffNeeded, NotAllowed."""
    clerk.require_staff()
    found = next((one.division for one in clerk.assignments if ASK in one.actions), None)
    if found is None:
        raise NotAllowed
    return found.ljust(6, "0")


def may_confirm(actor: Actor, division: str) -> bool:
    """Whether this member of staff may be the second one there 能不能确认."""
    return actor.may(CONFIRM, division=division)


async def own(tx: Tx, node: Node, clerk: Actor, *, kind: str, number: str, name: str) -> str | Refusals:
    """The person is here and asks for their own 本人来办; number of the request, which another clerk confirms.

    Raises NotAllowed, Failure `identity.own_case` (T-62).
    """
    division_of(clerk)
    if kind not in ("copy", "closing", "stop", "alive"):
        return (Refusal("privacy.desk_kind", "选一样要办的", "kind"),)
    visit = await identity.open_visit(tx, node, clerk, number, name)
    if not isinstance(visit, identity.Visit):
        return visit
    account = await identity.account(tx, visit.subject)
    home = await identity.home_of(tx, visit.subject)
    status = account.status if account else ""
    if home not in ("", None, node.id) or (kind != "copy" and status in ("", "closed", "moved")):
        return (Refusal("privacy.desk_elsewhere", "这个人的账号不在这里，请到账号所在地的大厅办", "number"),)
    if (kind == "alive") != (status == "stopped"):
        said = "这个账号没有停用，不用恢复" if kind == "alive" else "这个账号按去世停用了。人还在，就先办恢复"
        return (Refusal("privacy.desk_state", said, "kind"),)
    if kind == "stop" and await closing_queries.waiting(tx, node, visit.subject) is None:
        return (Refusal("privacy.desk_state", "没有等着注销的，不用停", "kind"),)
    if kind == "closing" and status != "open":
        return (Refusal("privacy.desk_state", "账号正在挂失保护，现在不能注销", "kind"),)
    return await propose(tx, node, clerk, visit.subject, visit.subject, kind=kind, way="self")


async def relative(tx: Tx, node: Node, clerk: Actor, asker: str, typed: relatives.Typed) -> str | Refusals:
    """A close relative of somebody who died is here 近亲属来办; number of the request. `asker` is who `find_at_counter` found.

    Raises NotAllowed, Failure `identity.own_case` (T-62).
    """
    division_of(clerk)
    wrong = relatives.check(typed, node.clock.today())
    if wrong:
        return wrong
    visit = await identity.receive(tx, node, clerk, asker, typed.number, typed.name)
    if not isinstance(visit, identity.Visit):
        return visit
    subject = await relatives.whose(tx, node, clerk, asker, typed)
    if not isinstance(subject, str):
        return subject
    kept = await relatives.keep_papers(tx, node, asker, typed)
    if isinstance(kept, Refused):
        return kept.why
    told = msgspec.structs.replace(typed.told, files=kept)
    made = await propose(tx, node, clerk, subject, asker, kind=typed.kind, way="relative", asker_name=masked_name(typed.name), told=told)
    for one in kept:
        await evidence.use(tx, node, asker, one, used_in=f"desk:{made}", to=node.id)
    return made


async def propose(tx: Tx, node: Node, clerk: Actor, subject: str, asker: str, *, kind: str, way: str, asker_name: str = "", told: Told | None = None) -> str:
    """Write the request down and put it before another clerk 受理并请同事确认; its number."""
    made, division = uuid7(), division_of(clerk)
    person = await identity.person(tx, node, subject)
    body = msgspec.convert({
        "id": made, "subject": subject, "asker": asker, "way": way, "kind": kind, "asker_name": asker_name, "told": told or Told(),
        "who": person.name_masked.reveal() if person and person.name_masked else "*",
    }, Asked)  # fmt: skip
    words = f"{KIND_WORDS[body.kind]}，{'本人' if way == 'self' else '近亲属'}在窗口"
    found = await identity.propose(tx, node, clerk, DESK, division=division, words=words, body=msgspec.json.encode(body))
    await tx.execute(
        "INSERT INTO desk_right (subject, id, way, kind, asker_subject, told, division, unit, proposed_by, proposal, asked_at)"
        " VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11)",
        subject, made, way, kind, asker, node.cipher.seal(queries.GROUP, queries.TOLD, made, msgspec.json.encode(body.told).decode()), division,
        clerk.unit, clerk.subject, found.id, node.clock.now(),
    )  # fmt: skip
    log("privacy.desk_asked", kind=kind)
    return made


async def _approved(tx: Tx, node: Node, approver: Actor, found: identity.Proposal, body: bytes) -> str:
    asked = msgspec.json.decode(body, type=Asked)
    if approver.own_or_family(asked.subject, asked.asker):
        raise NotAllowed
    here = await identity.present(tx, node, asked.asker, found.proposed_by)
    if here is None:
        return await _end(tx, node, approver, asked, "refused", _GONE)
    try:
        done = await (_own(tx, node, here, asked) if asked.way == "self" else relatives.carry_out(tx, node, approver, asked))
    except (NothingToClose, CopyElsewhere) as no:
        return await _end(tx, node, approver, asked, "refused", no.sentence)
    if isinstance(done, str):
        return await _end(tx, node, approver, asked, "refused", done)
    number, paper = done
    return await _end(tx, node, approver, asked, "done", number, paper)


async def _own(tx: Tx, node: Node, person: Actor, asked: Asked) -> tuple[str, Paper | None] | str:
    """What the person in front of the desk asked for, with number and paper; or why not."""
    if asked.kind == "copy":
        return await papers.copy_for(tx, node, person)
    if asked.kind == "stop":
        await closing.stop(tx, node, person.subject)
        return "", None
    if asked.kind == "alive":
        await identity.revive_account(tx, person.subject)
        await closing.stop(tx, node, person.subject)
        await papers.take_back(tx, person.subject)
        return "", None
    waiting = await closing.ask(tx, node, person)
    if waiting is None:
        return "已经请监护人确认。监护人点头以后，本人再来一次"
    return waiting.id, waiting.paper


async def _end(tx: Tx, node: Node, approver: Actor, asked: Asked, state: str, result: str, paper: Paper | None = None) -> str:
    now = node.clock.now()
    sealed = node.cipher.seal("identity", queries.PAPER, asked.id, msgspec.json.encode(paper).decode()) if paper else None
    await tx.execute(
        "UPDATE desk_right SET state = $2, result = $3, approved_by = $4, done_at = $5, paper = $6, paper_until = $7 WHERE id = $1",
        asked.id, state, result, approver.subject, now, sealed, now + _PRINTED if paper else None,
    )  # fmt: skip
    await transparency.append(
        tx, "privacy.desk_done", jcs({"id": asked.id, "way": asked.way, "kind": asked.kind, "state": state, "by": approver.subject, "v": 1})
    )
    if state == "refused":
        return result
    if asked.way == "self":
        await notifications.notify(
            tx, node, subject=asked.subject, kind="privacy.desk", about=f"desk:{asked.id}", title=f"在窗口办了：{KIND_WORDS[asked.kind]}",
            text="是本人到窗口办的。你没去过，马上打 12345。", link="/me/data-use", group="我的信息",
        )  # fmt: skip
    return "办好了，请受理的同事打印凭条交给对方" if paper else "办好了"


async def forget_papers(tx: Tx, node: Node) -> None:
    """Papers are gone from here once the person has left the desk, pages of copies when their time is over (清凭条)."""
    now = node.clock.now()
    await tx.execute("UPDATE desk_right SET paper = NULL WHERE paper_until <= $1 AND paper IS NOT NULL", now)
    await tx.execute("DELETE FROM copy_page WHERE until <= $1", now)


def _words(body: bytes) -> tuple[tuple[str, str], ...]:
    asked = msgspec.json.decode(body, type=Asked)
    if asked.way == "self":
        return (("谁的信息", asked.who), ("请你做", "看过本人和证件原件，和受理的同事一起确认"))
    return (("谁的信息", f"{asked.who}（去世）"), *relatives.in_words(asked), ("证明的照片", f"/staff/rights/{asked.id}"), ("请你做", "看过来人、证件和证明原件，对得上再同意"))


identity.carries_out(DESK, _approved, _words)
