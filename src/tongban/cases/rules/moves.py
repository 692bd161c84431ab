"""What may happen to a case and what it is after (可否流转). Pure: facts and time are arguments.

`may_happen` answers with what stands against a transition, in words an officer can act on; `after` gives the facts that
follow. Every guard of process.yaml has a function here, by its id; a transition without one is a KeyError at import.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import date

import msgspec

from tongban.cases.model import Case, Clock, Decision, Defect, Reason, Remedy
from tongban.cases.rules import clocks as ticking
from tongban.cases.rules.calendar import Calendar
from tongban.cases.rules.process import PROCESS, By
from tongban.kernel.errors import Refusal, Refusals

DRAFT_DAYS = 90
TOLD_BEFORE_DAYS = 7
REVIEW_DAYS = 30
AWAY_WORKING_DAYS = 10
"""How long an officer waits for the silent node of the applicant before two signatures may end a correction (cases.md 5)."""

NOT_ACCEPTED_REASONS: dict[str, str] = {
    "not_needed": "依法不需要取得许可",
    "not_competent": "不归本部门管",
    "not_eligible": "申请人不符合法定条件",
    "duplicate": "同一件事已在办理",
}
TRANSFER_REASONS: dict[str, str] = {"first_review": "初审完毕，报上级决定", "not_competent": "不归本部门管，移交有权部门"}
VOID_REASONS: dict[str, str] = {"duplicate": "重复办件", "made_in_error": "录入有误", "ordered": "法院或上级机关要求"}
RECEIPTS: dict[str, str] = {"opened": "本人在网上打开", "signed": "本人签收", "posted": "邮寄并签收"}


class Facts(msgspec.Struct, frozen=True):
    """What decides about a case (判断所依的事实)."""

    state: str
    public_state: str = ""
    term: int = 1
    rev: int = 0
    state_before: str = ""
    asked: bool = False
    extended: bool = False
    immediate: bool = False
    joint: bool = False
    offered_term: int = 0
    decided: Decision = ""
    worker: str = ""
    received_on: date = date.min
    clocks: tuple[Clock, ...] = ()


class Grounds(msgspec.Struct, frozen=True):
    """What is brought forward for a transition (本次流转的依据). Each guard looks at its own few."""

    today: date
    form_valid: bool = False
    level_reached: bool = False
    key_unused: bool = False
    own_draft: bool = False
    untouched_days: int = 0
    told: bool = False
    known_case: bool = False
    defects: tuple[Defect, ...] = ()
    answers_asking: bool = False
    sent_on: date | None = None
    complete: bool = False
    competent: bool = False
    mail_complete: bool = False
    reason: str = ""
    competent_body: str = ""
    reasons: tuple[Reason, ...] = ()
    remedies: tuple[Remedy, ...] = ()
    worker: str = ""
    special_kind: str = ""
    special_days: int = 0
    result: str = ""
    opinion: bool = False
    withdrawal_open: bool = False
    document_made: bool = False
    credential_done: bool = False
    receipt: str = ""
    from_applicant: bool = False
    first_review: bool = False
    delivered_days: int = 0
    archived: bool = False
    target: str = ""
    offer_term: int = 0
    offer_state: str = ""
    offer_open: bool = False
    taken_term: int = 0
    second_person: bool = False
    revoked: bool = False
    days_past_due: int = 0


def facts_of(case: Case, clocks: tuple[Clock, ...]) -> Facts:
    """The facts of a case as its rows say."""
    return Facts(
        state=case.state, public_state=case.public_state, term=case.term, rev=case.rev, state_before=case.state_before,
        asked=case.asked, extended=case.extended, immediate=case.immediate, joint=case.joint,
        offered_term=case.offered_term, decided=case.decided, worker=case.worker, received_on=case.received_on, clocks=clocks,
    )  # fmt: skip


def may_happen(facts: Facts, transition_id: str, by: By, grounds: Grounds) -> Refusals:
    """What stands against the transition (可否), empty when it may be made: state, actor, guard, in this order."""
    move = PROCESS.transition(transition_id)
    if facts.state not in move.from_:
        now = PROCESS.states[facts.state].zh
        return (Refusal(f"cases.{move.name}.state", f"这件现在是“{now}”，不能做这一步。刷新看看有什么变化"),)
    if by not in move.by:
        return (Refusal(f"cases.{move.name}.actor", "这一步不归你做，请转给有权的同事"),)
    against = _GUARDS[transition_id](facts, grounds)
    return (Refusal(f"cases.{move.name}.{against[0]}", against[1], against[2] if len(against) > 2 else None),) if against else ()


def after(facts: Facts, transition_id: str, grounds: Grounds, limits: ticking.Limits, calendar: Calendar) -> Facts:
    """The facts after a transition that may happen (流转之后): one more `rev`, always; a new term only at the new owner."""
    move = PROCESS.transition(transition_id)
    taken = transition_id in {"T25", "T28"}
    return Facts(
        state=move.to,
        public_state=PROCESS.public(move.to, facts.public_state),
        term=facts.term + 1 if taken else facts.term,
        rev=1 if taken else facts.rev + 1,
        state_before=facts.state if transition_id == "T21" else "",
        asked=facts.asked or transition_id == "T04",
        extended=facts.extended or transition_id == "T13",
        immediate=facts.immediate,
        joint=facts.joint,
        offered_term=facts.term if transition_id == "T21" else facts.offered_term,
        decided="granted" if transition_id == "T14" else "refused" if transition_id == "T15" else facts.decided,
        worker=grounds.worker if transition_id == "T10" else facts.worker,
        received_on=grounds.today if transition_id == "T03" else facts.received_on,
        clocks=ticking.apply(
            transition_id,
            facts.clocks,
            today=grounds.today,
            received_on=facts.received_on,
            limits=limits,
            calendar=calendar,
        ),
    )


Against = tuple[str, str] | tuple[str, str, str] | None
_Guard = Callable[[Facts, Grounds], Against]


def _submit(_: Facts, g: Grounds) -> Against:
    if not g.key_unused:
        return "again", "这份申请已经交过了"
    if not g.level_reached:
        return "level", "交之前要先核验本人"
    return None if g.form_valid else ("form", "还有没填好的地方")


def _discard(_: Facts, g: Grounds) -> Against:
    if g.own_draft or (g.untouched_days >= DRAFT_DAYS and g.told):
        return None
    return "not_yours", "只能删自己的草稿"


def _receive(f: Facts, g: Grounds) -> Against:
    return ("known", "这件已经收过") if g.known_case or f.term != 1 else None


def _ask_correction(f: Facts, g: Grounds) -> Against:
    if f.asked:
        return "asked_before", "补正只能一次性告知，这件已经告知过。后来发现的问题在审查中解决"
    intake = ticking.of_kind(f.clocks, "intake")
    if intake is None or g.today > intake.due_on:
        return "too_late", "收件已过 5 个工作日，不能再要求补正"
    if not g.defects:
        return "nothing_named", "请选出要补的每一项，再写明怎么补", "defects"
    if any(not one.why.strip() for one in g.defects):
        return "why_missing", "每一项都要写明哪里不对、怎么补", "defects"
    return None


def _correct(f: Facts, g: Grounds) -> Against:
    if not g.answers_asking:
        return "other_asking", "这份补正对不上这次告知"
    clock = ticking.of_kind(f.clocks, "correction")
    # sent after the last day counts too, as long as the time-out has not been made: the state says that it has not
    return None if clock is not None and g.sent_on is not None else ("no_clock", "现在没有等待补正")


def _accept(_: Facts, g: Grounds) -> Against:
    if not g.competent:
        return "not_competent", "这件不归本部门管，请移交或不予受理"
    return None if g.complete else ("incomplete", "请先确认材料齐全、符合形式", "complete")


def _deem_accepted(f: Facts, g: Grounds) -> Against:
    intake = ticking.of_kind(f.clocks, "intake")
    if f.asked:
        return "asked", "告知过补正的不适用视为受理"
    return None if intake is not None and g.today > intake.due_on else ("early", "收件时限还没有到")


def _lapse(f: Facts, g: Grounds) -> Against:
    clock = ticking.of_kind(f.clocks, "correction")
    if clock is None or g.today <= clock.due_on:
        return "early", "补正的最后一天还没有过"
    if g.mail_complete or (g.second_person and g.days_past_due >= AWAY_WORKING_DAYS):
        return None
    return "mail_open", "申请人所在节点的信还没有收齐，不能按超时处理"


def _refuse_acceptance(_: Facts, g: Grounds) -> Against:
    if g.reason not in NOT_ACCEPTED_REASONS:
        return "reason", "请选一个不予受理的理由", "reason"
    if not _reasoned(g):
        return "reasons", "请写明事实和法律依据", "reasons"
    if g.reason == "not_competent" and not g.competent_body.strip():
        return "body", "请写明应当去的部门", "competent_body"
    return None if g.remedies else ("remedies", "请写明怎么复议、怎么起诉", "remedies")


def _start_review(f: Facts, g: Grounds) -> Against:
    return None if g.worker or f.worker else ("worker", "还没有定承办人")


def _start_special(_: Facts, g: Grounds) -> Against:
    if g.special_kind not in PROCESS.suspension_types:
        return "kind", "只有法定的特别程序才能停表，请选一种", "special_kind"
    if g.special_days <= 0:
        return "days", "请写明大约要几个工作日", "special_days"
    return None if g.reason.strip() else ("reason", "请写明为什么要走这个程序，会书面告诉申请人", "reason")


def _end_special(_: Facts, g: Grounds) -> Against:
    return None if g.result.strip() else ("result", "请写明程序的结果", "result")


def _extend(f: Facts, g: Grounds) -> Against:
    if f.extended:
        return "again", "只能延长一次，这件已经延长过"
    clock = ticking.of_kind(f.clocks, "decision")
    if clock is None or g.today > clock.statutory_due_on:
        return "too_late", "法定时限已过，不能再延长"
    return None if g.reason.strip() else ("reason", "请写明延长的理由，会告诉申请人", "reason")


def _decide(f: Facts, g: Grounds) -> Against:
    if g.withdrawal_open:
        return "withdrawal", "申请人已要求撤回，先处理撤回"
    if f.state == "accepted" and not f.immediate:
        return "not_reviewed", "不是即办件，要先审查再决定"
    return None


def _grant(f: Facts, g: Grounds) -> Against:
    against = _decide(f, g)
    if against:
        return against
    return None if g.opinion else ("opinion", "还没有审查意见，请先由审查人写明各项条件是否符合", "opinion")


def _refuse(f: Facts, g: Grounds) -> Against:
    against = _decide(f, g)
    if against:
        return against
    if not _reasoned(g):
        return "reasons", "不通过必须写明事实和法律依据", "reasons"
    return None if g.remedies else ("remedies", "不通过必须写明怎么复议、怎么起诉", "remedies")


def _finish(f: Facts, g: Grounds) -> Against:
    if not g.document_made:
        return "document", "决定文书还没有盖章"
    return None if g.credential_done or f.decided == "refused" else ("credential", "证照还没有发出")


def _deliver(_: Facts, g: Grounds) -> Against:
    return None if g.receipt in RECEIPTS else ("receipt", "请选送达凭据：打开、签收或邮寄签收", "receipt")


def _review(_: Facts, g: Grounds) -> Against:
    if not g.from_applicant:
        return "not_theirs", "只有办这件事的人能评价"
    return None if g.first_review else ("again", "这件已经评价过")


def _close(_: Facts, g: Grounds) -> Against:
    if g.delivered_days < REVIEW_DAYS:
        return "early", "送达还不到 30 天"
    return None if g.archived else ("archive", "档案还没有整理好")


def _withdraw(f: Facts, g: Grounds) -> Against:
    if not g.from_applicant:
        return "not_theirs", "只有申请人自己能撤回"
    return ("decided", "已经作出决定，不能撤回") if f.decided else None


def _offer_transfer(f: Facts, g: Grounds) -> Against:
    if f.offered_term == f.term:
        return "again", "这件在本部门已经移交过一次"
    if g.reason not in TRANSFER_REASONS:
        return "reason", "请选移交的理由", "reason"
    return None if g.target else ("target", "对方没有这个事项，请换一个部门", "target")


def _taken(f: Facts, g: Grounds) -> Against:
    return None if g.taken_term == f.term + 1 else ("term", "对方接的不是这一次移交")


def _declined_received(f: Facts, _: Grounds) -> Against:
    return None if f.state_before == "received" else ("before", "移交前已经受理")


def _declined_accepted(f: Facts, _: Grounds) -> Against:
    return None if f.state_before in {"accepted", "under_review"} else ("before", "移交前还没有受理")


def _take(f: Facts, g: Grounds) -> Against:
    return _take_of(f, g, {"received"})


def _take_accepted(f: Facts, g: Grounds) -> Against:
    return _take_of(f, g, {"accepted", "under_review"})


def _take_of(f: Facts, g: Grounds, states: set[str]) -> Against:
    if not g.offer_open or g.offer_term != f.term:
        return "answered", "这次移交已经答复过"
    return None if g.offer_state in states else ("state", "移交时的状态对不上")


def _make_void(_: Facts, g: Grounds) -> Against:
    if g.reason not in VOID_REASONS:
        return "reason", "请选作废的理由", "reason"
    if not g.second_person:
        return "two_persons", "作废要两个人：一人提出，另一人确认"
    if not (g.reasons and g.remedies):
        return "remedies", "请写明理由和救济途径", "reasons"
    return None if g.revoked else ("credential", "发出的证照要同时吊销")


def _reinstate(_: Facts, g: Grounds) -> Against:
    if g.answers_asking or g.reason.strip():
        return None
    return "reason", "没有找到按时寄出的补正。若是超时判断有误，请写明理由", "reason"


def _reasoned(g: Grounds) -> bool:
    return bool(g.reasons) and all(one.fact.strip() and one.basis.strip() for one in g.reasons)


_BY_NAME: dict[str, _Guard] = {
    "submit": _submit, "discard": _discard, "receive": _receive, "ask_correction": _ask_correction, "correct": _correct,
    "accept": _accept, "deem_accepted": _deem_accepted, "lapse": _lapse, "refuse_acceptance": _refuse_acceptance,
    "start_review": _start_review, "start_special": _start_special, "end_special": _end_special, "extend": _extend,
    "grant": _grant, "refuse": _refuse, "finish": _finish, "deliver": _deliver, "review": _review, "close": _close,
    "withdraw": _withdraw, "offer_transfer": _offer_transfer, "transfer_taken": _taken,
    "transfer_declined": _declined_received, "transfer_declined_accepted": _declined_accepted, "take": _take,
    "take_accepted": _take_accepted, "make_void": _make_void, "reinstate_lapsed": _reinstate,
}  # fmt: skip
_GUARDS: dict[str, _Guard] = {one.id: _BY_NAME[one.name] for one in PROCESS.transitions}
