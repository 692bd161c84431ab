"""Who may do what at the desk (岗位和范围): role × division × department × item, own cases refused. Pure."""

from __future__ import annotations

from tongban.cases.errors import NotYourCounty, OwnCase
from tongban.cases.model import Case, Offer
from tongban.kernel.actor import Actor
from tongban.kernel.errors import NotAllowed

SEE = "cases.see"


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
