"""What the clock does (时钟的动作): deem accepted, lapse, close, tidy. Each case in a transaction of its own.

A job that is late changes no right: days were reckoned when something happened, this only looks for what is over.
"""

from __future__ import annotations

from datetime import datetime, timedelta

from tongban import federation
from tongban.cases.actions import power, requests, step
from tongban.cases.actions.archiving import archive_ended
from tongban.cases.actions.leaving import cut_loose_ended
from tongban.cases.model import Case
from tongban.cases.queries import mirrors, records
from tongban.cases.queries.calendar import calendar
from tongban.cases.rules import clocks as ticking
from tongban.cases.rules import moves, wording
from tongban.kernel.clock import CHINA
from tongban.kernel.db import Tx
from tongban.kernel.log import log, log_failure
from tongban.kernel.node import Node

BATCH = 500
MIRROR_DAYS = 30
"""A mirror of another node's case is kept so long after its final state (privacy.md 4)."""
MIRROR_OVER = "final_at < $1 AND form <> ''::bytea AND id NOT IN (SELECT r.id FROM case_record r)"


async def deem_accepted(node: Node) -> None:
    """T07 for every case that was met with five days of silence (视为受理); also when this node was down meanwhile."""
    for case_id in await _over(node, "intake", "received"):
        async with node.db.transaction() as tx:
            case = await records.locked(tx, node, case_id)
            if case is None or case.state != "received" or case.asked:
                continue
            words = step.Words("到期没有答复，算收下了", "按规定，从收到那天起就算受理，时限也从那天算。")
            done = await step.make(
                tx, node, case, "T07", step.Who("clock"), moves.Grounds(today=node.clock.today()), words
            )
            if not isinstance(done, Case):
                log("cases.not_deemed", case_id=case_id, reason=done[0].code)


async def lapse(node: Node) -> None:
    """T08 where the last day is over and the mail of the applicant's node is complete up to that day (I-7) (补正超时)."""
    for case_id in await _over(node, "correction", "to_correct"):
        async with node.db.transaction() as tx:
            case = await records.locked(tx, node, case_id)
            if case is not None and case.state == "to_correct":
                await _lapse(tx, node, case)


async def _lapse(tx: Tx, node: Node, case: Case) -> None:
    clock = ticking.of_kind(await records.clocks(tx, case.subject, case.id), "correction")
    if clock is None:
        return
    # the last day ends at 24:00 China time
    end = datetime.combine(clock.due_on + timedelta(days=1), datetime.min.time(), tzinfo=CHINA)
    sender = case.window_node or case.applicant_node
    complete = sender == node.id or await federation.mail_complete(tx, sender, end)
    grounds = moves.Grounds(today=node.clock.today(), mail_complete=complete)
    words = step.Words("补材料过了期限", "这次申请到此结束。材料齐了可以重新申请，填过的会带出来。")
    done = await step.make(tx, node, case, "T08", step.Who("clock"), grounds, words)
    if not isinstance(done, Case):
        log("cases.lapse_waits", case_id=case.id, reason=done[0].code)


async def close(node: Node) -> None:
    """T19: 30 days after delivery without a review (归档), once every file of the case is here."""
    async with node.db.reading() as tx:
        rows = await tx.fetch(
            "SELECT id FROM case_record WHERE state = 'delivered' AND changed_at < $1 LIMIT $2",
            node.clock.now() - timedelta(days=moves.REVIEW_DAYS),
            BATCH,
        )
    for row in rows:
        async with node.db.transaction() as tx:
            case = await records.locked(tx, node, row["id"])
            if case is None or case.state != "delivered":
                continue
            files = await records.materials(tx, node, case)
            grounds = moves.Grounds(
                today=node.clock.today(),
                delivered_days=(node.clock.now() - case.changed_at).days,
                archived=all(one.held for kept in files.values() for one in kept),
            )
            await step.make(tx, node, case, "T19", step.Who("clock"), grounds, step.Words("已归档"))


async def tidy_drafts(node: Node) -> None:
    """Tell 7 days before, then T02: drafts untouched for 90 days are deleted (清理草稿)."""
    now = node.clock.now()
    async with node.db.transaction() as tx:
        warned = await tx.fetch(
            "UPDATE draft SET told_at = $1 WHERE state = 'draft' AND told_at IS NULL AND touched_at < $2 RETURNING subject, id",
            now,
            now - timedelta(days=moves.DRAFT_DAYS - moves.TOLD_BEFORE_DAYS),
        )
        for row in warned:
            draft = await mirrors.draft(tx, node, row["subject"], row["id"])
            last = (now + timedelta(days=moves.TOLD_BEFORE_DAYS)).astimezone(CHINA).date()
            await power.tell(
                tx, node, subject=row["subject"], actor_subject=draft.actor_subject if draft else "", item=draft.task_code if draft else "",
                kind="case.draft_ending", title="有一份没填完的申请要删除了",
                text=f"很久没动了，{wording.day(last)}会删除。要办就接着填。",
                link=f"/apply/{row['id']}/{draft.step if draft and draft.step else 'check'}", about=f"draft:{row['id']}",
                dedupe=f"{now:%Y%m%d}",
            )  # fmt: skip
        gone = await tx.fetch(
            "DELETE FROM draft WHERE state = 'draft' AND told_at < $1 AND touched_at < $2 AND NOT on_hold(subject, '') RETURNING id",
            now - timedelta(days=moves.TOLD_BEFORE_DAYS),
            now - timedelta(days=moves.DRAFT_DAYS),
        )
    if gone:
        log("cases.drafts_gone", count=len(gone), kind="T02")


async def tidy_mirrors(node: Node) -> None:
    """Mirrors of other nodes' cases go 30 days after the end (清理镜像); the file stays with its owner."""
    async with node.db.transaction() as tx:
        await end_mirrors(tx, node, node.clock.now() - timedelta(days=MIRROR_DAYS))


async def end_mirrors(tx: Tx, node: Node, before: datetime) -> int:  # noqa: ARG001  the shape of an Ender
    """Empty the mirrors of other nodes' cases that ended before that (清空镜像); the row stays as the link to the office that has the file."""
    gone = await tx.fetch(
        f"UPDATE case_mirror SET view = ''::bytea, form = ''::bytea WHERE {MIRROR_OVER}"
        " AND NOT on_hold(subject, number) RETURNING subject, id",
        before,
    )
    for table in ("case_request", "case_opened", "case_claim", "case_material"):
        await tx.execute(
            f"DELETE FROM {table} t USING unnest($1::text[], $2::uuid[]) AS g (subject, id) WHERE t.subject = g.subject AND t.case_id = g.id",
            [row["subject"] for row in gone], [row["id"] for row in gone],
        )  # fmt: skip
    if gone:
        log("cases.mirrors_gone", count=len(gone))
    return len(gone)


async def reckon_again(node: Node) -> None:
    """Due days reckoned on a provisional year, once that year is published (重算暂定期限): the calendar may move them (I-10)."""
    days = calendar(node)
    async with node.db.reading() as tx:
        rows = await tx.fetch(
            "SELECT DISTINCT case_id FROM case_clock WHERE provisional AND stopped_on IS NULL LIMIT $1", BATCH
        )
    for row in rows:
        async with node.db.transaction() as tx:
            case = await records.locked(tx, node, row["case_id"])
            if case is None:
                continue
            old = await records.clocks(tx, case.subject, case.id)
            new = tuple(ticking.reckon(one, days) if one.stopped_on is None else one for one in old)
            if new == old:
                continue
            words = step.Words("日历公布了，期限重算了一次", f"{wording.due(ticking.running(new))}。")
            await step.note(tx, node, case, "calendar", step.Who("clock"), words, clocks=new, tell=True)


async def answer_standing(node: Node, case_id: str) -> None:
    """Look at the requests of a case that wait (处理待答请求): after every transition, and after every restart."""
    async with node.db.transaction() as tx:
        case = await records.locked(tx, node, case_id)
        if case is not None:
            await requests.answer_one(tx, node, case)


async def look_round(node: Node) -> None:
    """Everything the clock looks for, one after another; one failure does not stop the others (巡查)."""
    for look in (deem_accepted, lapse, close, tidy_drafts, tidy_mirrors, reckon_again, archive_ended, cut_loose_ended, _unfinished):
        try:
            await look(node)
        except (federation.CallFailed, ValueError, OSError) as error:
            log_failure("cases.look_failed", error, kind=look.__name__)


async def _unfinished(node: Node) -> None:
    """Decisions whose finishing job was lost, and requests that wait: nothing rests on a job having run."""
    from tongban.cases.actions.decide import finish_by_clock

    old = node.clock.now() - timedelta(minutes=2)
    async with node.db.reading() as tx:
        decided = await tx.fetch(
            "SELECT id FROM case_record WHERE state IN ('granted', 'refused') AND changed_at < $1 LIMIT $2", old, BATCH
        )
        waiting = await tx.fetch("SELECT DISTINCT case_id FROM case_standing WHERE answer = '' AND came_at < $1", old)
    for row in decided:
        await finish_by_clock(node, row["id"])
    for row in waiting:
        await answer_standing(node, row["case_id"])


async def _over(node: Node, kind: str, state: str) -> list[str]:
    async with node.db.reading() as tx:
        rows = await tx.fetch(
            "SELECT c.case_id FROM case_clock c JOIN case_record r ON r.subject = c.subject AND r.id = c.case_id"
            " WHERE c.kind = $1 AND c.due_on < $2 AND c.stopped_on IS NULL AND r.state = $3 ORDER BY c.due_on LIMIT $4",
            kind,
            node.clock.today(),
            state,
            BATCH,
        )
    return [row["case_id"] for row in rows]

