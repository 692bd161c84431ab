"""Time's door of identity 身份的定时和任务: asking the register again, purging, key rotation, logout by job."""

from __future__ import annotations

from datetime import datetime, timedelta
from weakref import WeakKeyDictionary

from tongban import federation, notifications
from tongban.identity.actions import (
    audit,
    client_logout,
    confirming,
    corrections,
    emergency,
    ending,
    first_time,
    guardians,
    indexed,
    keys,
    mandate_terms,
    mandate_word,
    mandates,
    mandates_moving,
    move,
    notices,
    organisations,
    other_guardians,
    phone_waiting,
    plans,
    proposals,
    register,
    sessions,
    step_up,
    subjects,
    theft,
    voice,
)
from tongban.identity.actions.sessions import BELL
from tongban.identity.holdings import HOLDINGS
from tongban.identity.model import MatchAsked
from tongban.identity.queries import persons, staff
from tongban.kernel import jobs
from tongban.kernel.db import Tx
from tongban.kernel.log import log
from tongban.kernel.node import Node

_RENEW_BEFORE = timedelta(days=7)
_RENEW_AGAIN = timedelta(hours=1)
_RENEW_AT_ONCE = 300
_in_vain: WeakKeyDictionary[Node, dict[str, datetime]] = WeakKeyDictionary()
"""Whose statement the register did not renew, and when it is asked again."""


async def match_again(node: Node) -> None:
    """Ask the register again for people it could not tell about 再查登记, and tell them the result."""
    async with node.db.reading() as tx:
        rows = await tx.fetch(
            "SELECT subject, name, number, tries FROM match_pending WHERE next_at <= $1 ORDER BY next_at LIMIT 50", node.clock.now()
        )
    for row in rows:
        subject = row["subject"]
        name = node.cipher.open("identity", "match_pending.name", subject, row["name"]).reveal()
        number = node.cipher.open("sensitive", "match_pending.number", subject, row["number"]).reveal()
        answer = await register.ask(node, MatchAsked(number=number, name=name, purpose="open_account"))
        async with node.db.transaction() as tx:
            if answer is None:
                await tx.execute(
                    "UPDATE match_pending SET tries = tries + 1, next_at = $2 WHERE subject = $1",
                    subject, node.clock.now() + min(timedelta(minutes=2) * 2 ** min(row["tries"], 6), timedelta(hours=2)),
                )  # fmt: skip
                continue
            await tx.execute("DELETE FROM match_pending WHERE subject = $1", subject)
            good = answer.matched and answer.home in (None, node.id)
            taken = answer.subject is not None and await tx.fetchval("SELECT true FROM account WHERE subject = $1", answer.subject)
            if good and not taken:
                await step_up.matched(tx, node, subject, answer, name, number)
                await first_time.tell_hub(tx, node, str(answer.subject))
                subject = str(answer.subject)
            if answer.matched and (taken or not good):
                await _tell_elsewhere(tx, node, subject, str(answer.home or node.id))
                continue
            await _tell(tx, node, subject, good=good)


async def _tell(tx: Tx, node: Node, subject: str, *, good: bool) -> None:
    await notifications.notify(
        tx, node, subject=subject, kind="identity.matched" if good else "identity.not_matched", about=f"account:{subject}",
        title="身份核对好了" if good else "身份还没核对上",
        text="姓名和证件号已经和登记对上，可以接着办了。" if good else "姓名和证件号与登记对不上。再填一次，或带身份证去大厅。",
        link="/me" if good else "/step-up?level=2&next=/me",
    )  # fmt: skip


async def _tell_elsewhere(tx: Tx, node: Node, subject: str, home: str) -> None:
    """The register answers at last that there is an account already, there or here: never doubled, said with the place (identity.md 2)."""
    listed = (await federation.directory(tx)).node(home)
    place = listed.name if listed else home
    await notifications.notify(
        tx, node, subject=subject, kind="identity.account_exists", about=f"account:{subject}", title=f"你在{place}已有账号",
        text=f"用{place}的账号登录就行，不用再注册。这里存的草稿，登录后重新填一份。", link=f"/login/go?home={home}&next=/me", link_words="去登录",
    )  # fmt: skip


async def renew_statements(node: Node) -> None:
    """Renew home statements that run out within a week 续账号所在地证明, so that roaming never stops for it.

    At once only half of what the register answers a node in a minute, so that people at the sign-in are answered too. Whoever
    it does not know under this name any more is asked about again after an hour, and holds up nobody; a register that is away
    ends the run.
    """
    now = node.clock.now()
    vain = _in_vain.setdefault(node, {})
    for subject in [one for one, until in vain.items() if until <= now]:
        del vain[subject]
    async with node.db.reading() as tx:
        rows = await tx.fetch(
            "SELECT a.subject, p.name, p.number FROM account a JOIN person p ON p.subject = a.subject"
            " WHERE a.statement_until < $1 AND a.status = 'open' AND a.subject <> ALL($2::text[]) ORDER BY a.statement_until LIMIT $3",
            now + _RENEW_BEFORE, list(vain), _RENEW_AT_ONCE,
        )  # fmt: skip
    for row in rows:
        subject = row["subject"]
        answer = await register.ask(node, MatchAsked(
            name=node.cipher.open("identity", "person.name", subject, row["name"]).reveal(),
            number=node.cipher.open("sensitive", "person.number", subject, row["number"]).reveal(), purpose="open_account",
        ))  # fmt: skip
        if answer is None:
            return
        if not answer.statement:
            vain[subject] = now + _RENEW_AGAIN
            continue
        async with node.db.transaction() as tx:
            await subjects.put_statement(tx, node, subject, answer.statement)


async def rotate_keys(node: Node) -> None:
    """Publish the next token keys a day before they sign 令牌密钥轮换."""
    async with node.db.transaction() as tx:
        made = await keys.rotate(tx, node)
    if made:
        log("identity.keys_published", count=made)


async def weigh_codes(node: Node) -> None:
    """Write the counts of codes and look for spread guessing 看有没有撒网猜码 (T-17)."""
    async with node.db.transaction() as tx:
        await plans.weigh(tx, node)


async def recovery_due(node: Node) -> None:
    """Numbers whose 72 hours passed, accounts whose restriction is over 到期的换号和限制 (identity.md 8)."""
    if await phone_waiting.finish_due(node):
        node.bell.ring(BELL)
    async with node.db.transaction() as tx:
        await theft.lapse(tx, node)


AT_ONCE = timedelta(days=2)
"""Terms up to this end by the clock here, every ten minutes; longer ones by the daily run of `privacy` (privacy.md 4)."""


async def purge(node: Node) -> None:
    """Delete what passes while somebody signs in, as soon as its time is over 到期删除; nothing under a legal hold."""
    async with node.db.transaction() as tx:
        for one in HOLDINGS:
            if one.term is not None and one.term.kept <= AT_ONCE:
                free = f"NOT on_hold({one.term.subject}, '')" if one.term.subject else "true"
                await tx.execute(f"DELETE FROM {one.table} WHERE ({one.term.past}) AND {free}", node.clock.now() - one.term.kept)


async def staff_duties(node: Node) -> None:
    """Close proposals nobody decided, and say which emergencies nobody reviewed 待批过期、复核过期 (identity.md 9)."""
    async with node.db.transaction() as tx:
        await proposals.expire(tx, node)
        await emergency.remind(tx, node)


async def link_staff(node: Node) -> None:
    """Link clerks to their own citizen subject 关联本人, to refuse own cases wherever they come from (T-62).

    By this node's own people first; else the register is asked once, with the number given at the invitation, which is then
    forgotten. Who lives in another province is known by this too.
    """
    async with node.db.transaction() as tx:
        rows = await tx.fetch(
            "SELECT s.subject, p.subject AS citizen FROM staff s JOIN person p ON p.bi_number = s.bi_citizen WHERE s.linked_subject IS NULL"
        )
        for row in rows:
            await _link(tx, node, row["subject"], row["citizen"])
        await _link_by_number(tx, node)
        asked = await tx.fetch(
            "SELECT subject, name, citizen_number FROM staff WHERE linked_subject IS NULL AND citizen_number IS NOT NULL AND ended_at IS NULL LIMIT 20"
        )
    for row in asked:
        subject = row["subject"]
        answer = await register.ask(node, MatchAsked(
            name=node.cipher.open("staff", "staff.name", subject, row["name"]).reveal(),
            number=node.cipher.open("staff", "staff.citizen_number", subject, row["citizen_number"]).reveal(), purpose="staff_link",
        ))  # fmt: skip
        if answer is not None and answer.matched and answer.subject:
            async with node.db.transaction() as tx:
                await _link(tx, node, subject, answer.subject)
        elif answer is not None and answer.why in {"name_differs", "not_found"}:
            async with node.db.transaction() as tx:  # asking again would only use up the register's patience
                await tx.execute("UPDATE staff SET citizen_number = NULL WHERE subject = $1", subject)
                member = await staff.staff_member(tx, node, subject)
                if member is not None:
                    await notices.tell_holders(
                        tx, node, action="identity.staff_invite", division=member.division, org=member.org, kind="staff.not_linked",
                        words=f"工号 {member.staff_no} 的证件号和姓名对不上，回避自己的事还没有生效", link=f"/staff/people/{subject}",
                    )  # fmt: skip


async def _link_by_number(tx: Tx, node: Node) -> None:
    """The same by the number itself: while the index key turns, a clerk's row and the person's may stand under different versions."""
    for row in await tx.fetch("SELECT subject, citizen_number FROM staff WHERE linked_subject IS NULL AND citizen_number IS NOT NULL LIMIT 200"):
        number = node.cipher.open("staff", "staff.citizen_number", row["subject"], row["citizen_number"]).reveal()
        citizen = await tx.fetchval("SELECT subject FROM person WHERE bi_number = ANY($1::bytea[])", persons.number_marks(node, number))
        if citizen is not None:
            await _link(tx, node, row["subject"], citizen)


async def _link(tx: Tx, node: Node, subject: str, citizen: str) -> None:
    await tx.execute(
        "UPDATE staff SET linked_subject = $2, citizen_number = NULL WHERE subject = $1",
        subject, node.cipher.seal("staff", "staff.linked_subject", subject, citizen),
    )  # fmt: skip


JOBS: dict[str, jobs.Handler] = {
    "identity.end_at_home": ending.end_at_home,
    "identity.push_logout": ending.push_logout,
    client_logout.TELL: client_logout.tell_clients,
    "identity.rewrite_subjects": subjects.rewrite,
    "identity.ask_successors": corrections.ask_successors,
    "identity.check_offer": mandates.check_offer,
    "identity.mandate_gone": mandate_word.push_gone,
    mandates_moving.CHECK: mandates_moving.check,
    "identity.check_guardian_acted": guardians.check_acted,
    other_guardians.TELL: other_guardians.tell,
    other_guardians.CHECK: other_guardians.check,
    "identity.ask_guardians": confirming.ask_guardians,
    confirming.CHECK: confirming.check,
    voice.FORGET: voice.forget_at_provider,
}
INDEXES = indexed.INDEXES
CLOCKS: list[jobs.Clockwork] = [
    jobs.Clockwork("identity.match_again", 30, match_again),
    jobs.Clockwork("identity.renew_statements", 600, renew_statements),
    jobs.Clockwork("identity.rotate_keys", 3600, rotate_keys),
    jobs.Clockwork("identity.purge", 600, purge),
    jobs.Clockwork("identity.exports", 3600, audit.forget_exports),
    jobs.Clockwork("identity.weigh_codes", 30, weigh_codes),
    jobs.Clockwork("identity.recovery_due", 60, recovery_due),
    jobs.Clockwork("identity.tell_clients", 20, client_logout.tell_clients, sessions.BELL),
    jobs.Clockwork("identity.leaving", 20, client_logout.remember_leaving),
    jobs.Clockwork("identity.let_go", 60, move.let_go, bell=move.BELL),
    jobs.Clockwork("identity.moved_in", 60, move.finish, bell=move.BELL),
    jobs.Clockwork("identity.link_staff", 60, link_staff),
    jobs.Clockwork("identity.staff_duties", 60, staff_duties),
    jobs.Clockwork("identity.representatives", 60, organisations.find_representatives, organisations.BELL),
    jobs.Clockwork("identity.mandates", 600, mandate_terms.tidy),
    jobs.Clockwork("identity.follow_late", 300, subjects.rewrite_late),
]
