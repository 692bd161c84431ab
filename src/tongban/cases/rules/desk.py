"""Who may do what at the desk (岗位和范围): role × division × department × item, own cases refused. Pure."""

from __future__ import annotations

from tongban.cases.errors import NotYourCounty, OwnCase
from tongban.cases.model import Case, Offer
from tongban.cases.rules.process import PROCESS
from tongban.kernel.actor import Actor
from tongban.kernel.errors import NotAllowed

SEE = "cases.see"
ACTS: dict[str, tuple[str, frozenset[str]]] = {
    "correct": ("cases.correct", frozenset({"received"})),
    "accept": ("cases.accept", frozenset({"received"})),
    "not_accept": ("cases.accept", frozenset({"received"})),
    "reinstate": ("cases.accept", frozenset({"correction_lapsed"})),
    "review": ("cases.review", frozenset({"accepted"})),
    "opinion": ("cases.review", frozenset({"under_review"})),
    "special": ("cases.review", frozenset({"under_review"})),
    "end_special": ("cases.review", frozenset({"special_procedure"})),
    "extend": ("cases.extend", frozenset({"under_review"})),
    "grant": ("cases.decide", frozenset({"under_review"})),
    "refuse": ("cases.decide", frozenset({"under_review"})),
    "finish": ("cases.decide", frozenset({"granted", "refused"})),
    "deliver": ("cases.decide", frozenset({"finished"})),
    "transfer": ("cases.transfer", frozenset({"received", "accepted", "under_review"})),
    "void": ("cases.void", frozenset(PROCESS.transition("T26").from_)),
}
"""Each act of the desk: the staff action it needs and the states it is offered in."""
AT_WORK = frozenset({"correct", "accept", "not_accept", "reinstate", "review", "opinion", "special", "end_special", "extend", "grant", "refuse"})
"""The acts that judge a case: whoever may do one of them now has it in hands. Delivering, handing over and voiding judge nothing of it."""


def must(actor: Actor, action: str, case: Case) -> None:
    """The staff member may do `action` on this case, else an error with a sentence (T-61, T-62).

    Raises StaffNeeded, NotYourCounty (403, another county or department), OwnCase (403), NotAllowed (403, another role).
    """
    actor.require_staff()
    if not actor.may(SEE, division=case.division, org=case.org_code, item=case.task_code):
        raise NotYourCounty
    if actor.own_or_family(case.subject, case.file.submission.actor_subject):
        raise OwnCase
    if not actor.may(action, division=case.division, org=case.org_code, item=case.task_code):
        raise NotAllowed("这一步要别的岗位来做")


def must_offer(actor: Actor, action: str, offer: Offer, task_code: str) -> None:
    """As `must`, for a hand-over that was offered to this node (接收移交)."""
    actor.require_staff()
    if not actor.may(action, division=offer.division, org=offer.org_code, item=task_code):
        raise NotYourCounty
    if actor.own_or_family(offer.subject):
        raise OwnCase


def must_hold(actor: Actor, case: Case) -> None:
    """The case is in this member's hands now (在手上): theirs by role, division, department and item, and the next judgement is theirs.

    Raises as `must`; NotAllowed also when the case is decided, ended, handed over or at another post's step (T-61).
    """
    must(actor, SEE, case)
    if not in_hand(actor, case):
        raise NotAllowed("这件现在不在你手上，看不了证照副本")


def in_hand(actor: Actor, case: Case) -> bool:
    """Whether the next judgement of the case is this member's (该谁办)."""
    return bool(acts_of(actor, case) & AT_WORK)


def acts_of(actor: Actor, case: Case) -> frozenset[str]:
    """What this staff member may do with the case now (能做什么)."""
    found = {name for name, (action, states) in ACTS.items() if case.state in states and may(actor, action, case)}
    if case.immediate and case.state == "accepted" and may(actor, "cases.decide", case):
        found |= {"grant", "refuse"}
    if case.asked:
        found.discard("correct")
    if case.extended:
        found.discard("extend")
    return frozenset(found)


def may(actor: Actor, action: str, case: Case) -> bool:
    """Whether an assignment of this member covers the action on this case (有没有这项权限)."""
    return actor.may(action, division=case.division, org=case.org_code, item=case.task_code)
