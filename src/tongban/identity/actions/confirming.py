"""A guardian confirms 监护人点头: somebody of 14 to 17 signs in, but a level-3 act waits for a guardian's yes (T-88, identity.md 2).

The minor's home asks the guardians it knows from the register, at their homes; a visited node asks through the minor's home.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import msgspec

from tongban import federation, notifications
from tongban.identity.actions.guardians import Guardian, ask_guardian, ask_guardians_of
from tongban.identity.actions.home_proof import is_home
from tongban.identity.actions.subjects import statement_of
from tongban.identity.errors import failure
from tongban.identity.model import Person
from tongban.identity.queries.persons import current_subject, person
from tongban.identity.queries.sessions import visits
from tongban.identity.rules.ages import needs_confirming
from tongban.identity.rules.mandates import book
from tongban.kernel import jobs
from tongban.kernel.actor import Actor
from tongban.kernel.db import Tx
from tongban.kernel.ids import is_uuid, uuid7
from tongban.kernel.log import log
from tongban.kernel.node import Node

CHECK = "identity.check_guardian_asked"
LEVEL = 3
"""Acts of this level and more ask a guardian."""
_AGAIN = {
    "draft": ("现在可以提交了，填过的都在", "/apply/{key}/check"), "closing": ("现在可以申请注销了", "/me/closing"),
    "mandate": ("照原样再授权一次就行", "/me/agents/new"), "move": ("到要搬去的地方再点一次搬账号", "/me/home"),
}  # fmt: skip
"""How a minor goes on once a guardian said yes, by the kind of thing that was asked about: the words and the page."""


async def confirmed(tx: Tx, node: Node, actor: Actor, *, level: int, about: str, what: str) -> bool:
    """Whether a level-3 act of this person may go on: an adult, or a guardian said yes to this very thing 监护人点头了吗.

    While no question waits it asks the guardians (by a job) and answers False; nothing is raised, so that the asking stays.
    A question whose days are over, answered or not, may be asked again.
    """
    if level < LEVEL or actor.for_subject:
        return True
    me = await person(tx, node, actor.subject)
    if me is None or not await _of_age_to_ask(tx, node, me):
        return True
    now = node.clock.now()
    rows = await tx.fetch("SELECT answer FROM guardian_ask WHERE subject = $1 AND about = $2 AND until_at > $3", actor.subject, about, now)
    if any(row["answer"] == "yes" for row in rows):
        return True
    if not rows:
        name = me.name.reveal() if me.name else ""
        sealed = node.cipher.seal("identity", "guardian_ask.job", actor.subject, f"{name}\x1f{what}")
        payload = {"subject": actor.subject, "about": about, "words": sealed.hex(), "home": me.home if me.home != node.id else ""}
        await jobs.enqueue(tx, "identity.ask_guardians", payload, once=f"guardian:{about}")
    return False


async def _of_age_to_ask(tx: Tx, node: Node, me: Person) -> bool:
    """14 to 17: by the number at home; at a visited node by what the home said at the sign-in (T-88)."""
    if me.number is not None:
        return needs_confirming(me.number.reveal(), node.clock.today())
    blob: bytes | None = await tx.fetchval("SELECT confirm_until FROM person WHERE subject = $1", me.subject)
    return blob is not None and int(node.cipher.open("identity", "person.confirm_until", me.subject, blob).reveal()) > node.clock.now().timestamp()


async def ask_guardians(node: Node, payload: dict[str, Any]) -> None:
    """Job: who the guardians are, and a message to each, at home here or by letter 请监护人确认."""
    subject, about = str(payload["subject"]), str(payload["about"])
    words = node.cipher.open("identity", "guardian_ask.job", subject, bytes.fromhex(payload["words"])).reveal()
    name, _, what = words.partition("\x1f")
    if payload.get("home"):
        await _ask_by_home(node, str(payload["home"]), subject, about, what)
        return
    found = await ask_guardians_of(node, subject)
    await _put_asks(node, found, subject, about, what, name)


async def _put_asks(node: Node, found: tuple[Guardian, ...], subject: str, about: str, what: str, name: str) -> None:
    now = node.clock.now()
    async with node.db.transaction() as tx:
        proof = await statement_of(tx, node, subject) or ""
        for one in found:
            if not one.home:
                continue
            made = uuid7()
            body = {
                "id": made, "subject": subject, "guardian": one.subject, "about": about, "what": what, "name": name,
                "home": one.home, "until": int((now + timedelta(days=book().limits.ask_days)).timestamp() * 1000),
            }  # fmt: skip
            await put_ask(tx, node, body, node.id)
            if one.home != node.id:
                await federation.send(tx, node, to=one.home, kind="guardian.asked", about=f"guardian-ask:{made}", body={**body, "proof": proof})


async def _ask_by_home(node: Node, home: str, subject: str, about: str, what: str) -> None:
    """A visiting minor: the home asks the guardians, and has the word about what they say here 请归属地去问监护人."""
    answer = await federation.call(node, home, "identity.ask_guardians", {"v": 1, "subject": subject, "about": about, "what": what})
    async with node.db.transaction() as tx:
        await put_ask(tx, node, {
            "id": str(answer["id"]), "subject": subject, "guardian": subject, "about": about, "what": what, "name": "", "home": home,
            "until": int(answer["until"]),
        }, node.id)  # fmt: skip


async def ask_for_visited(node: Node, caller: str, subject: str, about: str, what: str) -> dict[str, Any]:
    """The home's part: a node where this minor is signed in now wants the guardians to confirm an act there 替到访的节点去问.

    One id for the visited node, whichever guardian answers. Raises CallRefused 403 when the minor is not there.
    """
    asked = f"visit:{caller}:{about}"
    async with node.db.transaction() as tx:
        subject = await current_subject(tx, node, subject)
        me = await person(tx, node, subject)
        if me is None or not await visits(tx, node, subject, caller):
            raise federation.CallRefused(403, "no_grant")
        made = await tx.fetchval(
            "INSERT INTO guardian_visit (subject, id, about, node, asked_at) VALUES ($1, $2, $3, $4, $5)"
            " ON CONFLICT (subject, about) DO UPDATE SET asked_at = guardian_visit.asked_at RETURNING id",
            subject, uuid7(), asked, caller, node.clock.now(),
        )  # fmt: skip
        waits = "SELECT true FROM guardian_ask WHERE subject = $1 AND about = $2 AND until_at > $3 LIMIT 1"
        known = await tx.fetchval(waits, subject, asked, node.clock.now())
    until = node.clock.now() + timedelta(days=book().limits.ask_days)
    if not known:
        await _put_asks(node, await ask_guardians_of(node, subject), subject, asked, what, me.name.reveal() if me.name else "")
    return {"id": str(made), "until": int(until.timestamp() * 1000)}


async def heard(tx: Tx, node: Node, letter: federation.Letter) -> None:
    """`guardian.asked` at a guardian's home: kept aside until a job has proven that a minor of the sender's asks, and whom it asks."""
    body = {name: str(letter.body.get(name, "")) for name in ("id", "subject", "guardian", "about", "what", "name", "home", "until", "proof")}
    if not is_uuid(body["id"]) or not body["until"].isdigit() or len(body["what"] + body["name"] + body["about"]) > 400:
        log("identity.letter_malformed", peer=letter.origin, kind=letter.kind)
        return
    sealed = node.cipher.seal("identity", "guardian_ask.letter", body["id"], msgspec.json.encode(body).decode()).hex()
    await jobs.enqueue(tx, CHECK, {"id": body["id"], "origin": letter.origin, "body": sealed}, once=f"guardian-ask:{body['id']}")


async def check(node: Node, payload: dict[str, Any]) -> None:
    """Job: is the sender the minor's home, and does the register name this guardian? What proves false asks nobody (T-22, T-32)."""
    made, origin = str(payload["id"]), str(payload["origin"])
    body = msgspec.json.decode(node.cipher.open("identity", "guardian_ask.letter", made, bytes.fromhex(payload["body"])).reveal())
    true = await is_home(node, body["subject"], origin, body["proof"])
    guards = await ask_guardian(node, body["guardian"], body["subject"]) if true else False
    if guards is None:
        raise failure("identity.mandate_news")
    if not guards:
        log("identity.letter_not_theirs", peer=origin, kind="guardian.asked")
        return
    async with node.db.transaction() as tx:
        await put_ask(tx, node, body, origin)


async def put_ask(tx: Tx, node: Node, body: dict[str, Any], child_node: str) -> None:
    """Keep one ask and, at the guardian's home, tell the guardian 留下这次请求."""
    made = str(body["id"])
    done = await tx.fetchval(
        "INSERT INTO guardian_ask AS g (subject, id, guardian_subject, about, what, asked_at, until_at, child_node, child_name,"
        " guardian_node) VALUES ($1,$2,$3,$4,$5,$6,$7,$8,$9,$10) ON CONFLICT (subject, about, guardian_subject) DO UPDATE SET id = excluded.id,"
        " what = excluded.what, asked_at = excluded.asked_at, until_at = excluded.until_at, child_name = excluded.child_name,"
        " guardian_node = excluded.guardian_node, answer = NULL, answered_at = NULL"
        " WHERE g.until_at <= excluded.asked_at AND g.child_node = excluded.child_node RETURNING true",
        body["subject"], made, body["guardian"], body["about"], node.cipher.seal("identity", "guardian_ask.what", made, str(body["what"])),
        node.clock.now(), datetime.fromtimestamp(int(body["until"]) / 1000, UTC), child_node,
        node.cipher.seal("identity", "guardian_ask.child_name", made, str(body["name"])), str(body["home"]),
    )  # fmt: skip
    here = await tx.fetchval("SELECT true FROM account WHERE subject = $1", body["guardian"])
    if done and here and body["guardian"] != body["subject"]:
        await notifications.notify(
            tx, node, subject=str(body["guardian"]), kind="guardian.asked", title=f"{body['name']}要办“{body['what']}”，请你点头",
            text="孩子不满 18 岁，这一步要监护人确认。你不点头，孩子就提交不了。", link=f"/me/agents/confirm/{made}", link_words="去看看",
            about=f"guardian-ask:{made}", group="家人",
        )  # fmt: skip


class Ask(msgspec.Struct, frozen=True, kw_only=True):
    """One ask as the guardian sees it 一次确认."""

    id: str
    subject: str
    guardian: str
    about: str
    name: str
    what: str
    until_at: datetime
    answer: str | None
    child_node: str


async def ask_of(tx: Tx, node: Node, guardian: str, ask_id: str, *, lock: bool = False) -> Ask | None:
    """An ask to this guardian, None for anybody else (T-42)."""
    row = await tx.fetchrow(
        "SELECT * FROM guardian_ask WHERE id = $1 AND guardian_subject = $2" + (" FOR UPDATE" if lock else ""), ask_id, guardian
    )
    if row is None:
        return None
    return Ask(
        id=row["id"], subject=row["subject"], guardian=row["guardian_subject"], about=row["about"],
        name=node.cipher.open("identity", "guardian_ask.child_name", row["id"], row["child_name"]).reveal(),
        what=node.cipher.open("identity", "guardian_ask.what", row["id"], row["what"]).reveal(), until_at=row["until_at"],
        answer=row["answer"], child_node=row["child_node"],
    )  # fmt: skip


async def answer(tx: Tx, node: Node, actor: Actor, ask_id: str, *, agrees: bool) -> Ask:
    """The guardian says yes or no, once 监护人答复; level 2. Raises Failure `identity.mandate_ended` when it is not there or too late."""
    actor.require(2)
    found = await ask_of(tx, node, actor.subject, ask_id, lock=True)
    if found is None or found.until_at <= node.clock.now():
        raise failure("identity.mandate_ended", name="对方")
    if found.answer is None:
        said = "yes" if agrees else "no"
        await answered(tx, node, found.id, found.guardian, said, by=node.id)
        if found.child_node != node.id:
            body = {"id": found.id, "guardian": found.guardian, "answer": said}
            await federation.send(tx, node, to=found.child_node, kind="guardian.answered", about=f"guardian-ask:{found.id}", body=body)
        found = msgspec.structs.replace(found, answer=said)
    return found


async def answered(tx: Tx, node: Node, ask_id: str, guardian: str, said: str, *, by: str) -> None:
    """Keep the answer and, at the minor's home, tell the minor 记下答复; only the guardian's home `by` has the word."""
    row = await tx.fetchrow(
        "UPDATE guardian_ask SET answer = $3, answered_at = $4 WHERE id = $1 AND guardian_subject = $2 AND answer IS NULL"
        " AND guardian_node = $5 RETURNING subject, about, child_node, what",
        ask_id, guardian, said, node.clock.now(), by,
    )  # fmt: skip
    if row is None or row["child_node"] != node.id:
        return
    what = node.cipher.open("identity", "guardian_ask.what", ask_id, row["what"]).reveal()
    visit = await tx.fetchrow("SELECT id, node FROM guardian_visit WHERE subject = $1 AND about = $2", row["subject"], row["about"])
    if visit is not None:
        waiting = "SELECT true FROM guardian_ask WHERE subject = $1 AND about = $2 AND answer IS NULL AND until_at > $3 LIMIT 1"
        if said == "no" and await tx.fetchval(waiting, row["subject"], row["about"], node.clock.now()):
            return  # the other guardian may still agree
        body = {"id": str(visit["id"]), "guardian": row["subject"], "answer": said}
        await federation.send(tx, node, to=visit["node"], kind="guardian.answered", about=f"guardian-ask:{visit['id']}", body=body)
        return
    kind, _, key = str(row["about"]).partition(":")
    again, where = _AGAIN.get(kind, ("现在可以接着办了", "/messages"))
    await notifications.notify(
        tx, node, subject=row["subject"], kind="guardian.answered", title="监护人点头了" if said == "yes" else "监护人没有同意",
        text=f"{what}。{again if said == 'yes' else '和监护人商量好再办'}。", link=where.format(key=key),
        about=f"guardian-ask:{ask_id}", group="家人",
    )  # fmt: skip
