"""What may happen and what follows (I-2, I-3, I-4, I-10, I-12, I-13), by cases and by chance."""

from __future__ import annotations

from datetime import date, timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tongban.cases.model import Defect, Reason
from tongban.cases.rules import clocks as ticking
from tongban.cases.rules import moves
from tongban.cases.rules.moves import Facts, Grounds, after, may_happen
from tongban.cases.rules.process import PROCESS
from tongban.cases.tests.make import DEFECTS, LIMITS, REASONS, REMEDIES, TODAY, calendar

DECIDED = {"granted", "refused"}
OUTCOMES = {"granted", "refused", "withdrawn", "correction_lapsed", "not_accepted"}


def started(today: date = TODAY) -> Facts:
    return after(Facts(state="submitted", public_state="待受理"), "T03", Grounds(today=today), LIMITS, calendar())


def at(state: str, **more) -> Facts:
    """Facts of a case that reached `state`, clocks as they would be."""
    way = {
        "received": [], "to_correct": ["T04"], "accepted": ["T06"], "under_review": ["T06", "T10"],
        "special_procedure": ["T06", "T10", "T11"], "granted": ["T06", "T10", "T14"], "refused": ["T06", "T10", "T15"],
        "finished": ["T06", "T10", "T14", "T16"], "delivered": ["T06", "T10", "T14", "T16", "T17"],
        "correction_lapsed": ["T04", "T08"], "transferring": ["T21"],
    }  # fmt: skip
    facts = started()
    for step in way[state]:
        facts = after(facts, step, good(step), LIMITS, calendar())
    assert facts.state == state
    return type(facts)(**{**{name: getattr(facts, name) for name in Facts.__struct_fields__}, **more})


def good(step: str, today: date = TODAY) -> Grounds:
    """Grounds on which the transition may be made."""
    return Grounds(
        today=today, form_valid=True, level_reached=True, key_unused=True, own_draft=True, defects=DEFECTS,
        answers_asking=True, sent_on=today, complete=True, competent=True, mail_complete=True,
        reason={"T09": "not_eligible", "T21": "first_review", "T26": "duplicate"}.get(step, "理由"), reasons=REASONS,
        remedies=REMEDIES, worker="S-1", special_kind="鉴定", special_days=10, result="结果", opinion=True, document_made=True,
        credential_done=True, receipt="opened", from_applicant=True, first_review=True, delivered_days=31, archived=True,
        target="510000", offer_term=1, offer_state="received", offer_open=True, taken_term=2, second_person=True, revoked=True,
    )  # fmt: skip


def code(facts: Facts, step: str, by: str, grounds: Grounds) -> str:
    found = may_happen(facts, step, by, grounds)
    return found[0].code if found else ""


REFUSED = [
    ("T01", Facts(state="draft"), "applicant", {"key_unused": False}, "again"),
    ("T01", Facts(state="draft"), "applicant", {"level_reached": False}, "level"),
    ("T01", Facts(state="draft"), "applicant", {"form_valid": False}, "form"),
    ("T02", Facts(state="draft"), "applicant", {"own_draft": False}, "not_yours"),
    ("T02", Facts(state="draft"), "clock", {"own_draft": False, "untouched_days": 90, "told": False}, "not_yours"),
    ("T03", Facts(state="submitted"), "peer", {"known_case": True}, "known"),
    ("T03", Facts(state="submitted", term=2), "peer", {}, "known"),
    ("T04", at("received", asked=True), "officer", {}, "asked_before"),
    ("T04", at("received"), "officer", {"today": date(2026, 11, 26)}, "too_late"),
    ("T04", at("received"), "officer", {"defects": ()}, "nothing_named"),
    ("T04", at("received"), "officer", {"defects": (Defect("field", "a", "a", " "),)}, "why_missing"),
    ("T05", at("to_correct"), "peer", {"answers_asking": False}, "other_asking"),
    ("T05", at("to_correct", clocks=()), "peer", {}, "no_clock"),
    ("T06", at("received"), "officer", {"complete": False}, "incomplete"),
    ("T06", at("received"), "officer", {"competent": False}, "not_competent"),
    ("T07", at("received", asked=True), "clock", {"today": date(2026, 12, 1)}, "asked"),
    ("T07", at("received"), "clock", {"today": date(2026, 11, 25)}, "early"),
    ("T08", at("to_correct"), "clock", {}, "early"),
    ("T08", at("to_correct"), "clock", {"today": date(2027, 3, 1), "mail_complete": False, "second_person": False}, "mail_open"),
    ("T09", at("received"), "officer", {"reason": "因为"}, "reason"),
    ("T09", at("received"), "officer", {"reasons": ()}, "reasons"),
    ("T09", at("received"), "officer", {"reasons": (Reason("事实", " "),)}, "reasons"),
    ("T09", at("received"), "officer", {"remedies": ()}, "remedies"),
    ("T09", at("received"), "officer", {"reason": "not_competent"}, "body"),
    ("T10", at("accepted"), "officer", {"worker": ""}, "worker"),
    ("T11", at("under_review"), "officer", {"special_kind": "午休"}, "kind"),
    ("T11", at("under_review"), "officer", {"special_days": 0}, "days"),
    ("T11", at("under_review"), "officer", {"reason": " "}, "reason"),
    ("T12", at("special_procedure"), "officer", {"result": ""}, "result"),
    ("T13", at("under_review", extended=True), "head", {}, "again"),
    ("T13", at("under_review"), "head", {"today": date(2027, 2, 1)}, "too_late"),
    ("T13", at("under_review"), "head", {"reason": ""}, "reason"),
    ("T13", at("under_review"), "officer", {}, "actor"),
    ("T14", at("accepted"), "officer", {}, "not_reviewed"),
    ("T14", at("under_review"), "officer", {"opinion": False}, "opinion"),
    ("T14", at("under_review"), "officer", {"withdrawal_open": True}, "withdrawal"),
    ("T15", at("under_review"), "officer", {"reasons": ()}, "reasons"),
    ("T15", at("under_review"), "officer", {"remedies": ()}, "remedies"),
    ("T15", at("accepted"), "officer", {}, "not_reviewed"),
    ("T15", at("under_review"), "officer", {"withdrawal_open": True}, "withdrawal"),
    ("T16", at("granted"), "clock", {"document_made": False}, "document"),
    ("T16", at("granted"), "clock", {"credential_done": False}, "credential"),
    ("T17", at("finished"), "officer", {"receipt": "hearsay"}, "receipt"),
    ("T18", at("delivered"), "peer", {"from_applicant": False}, "not_theirs"),
    ("T18", at("delivered"), "peer", {"first_review": False}, "again"),
    ("T19", at("delivered"), "clock", {"delivered_days": 29}, "early"),
    ("T19", at("delivered"), "clock", {"archived": False}, "archive"),
    ("T20", at("under_review"), "peer", {"from_applicant": False}, "not_theirs"),
    ("T20", at("granted"), "peer", {}, "state"),
    ("T20", at("under_review", decided="granted"), "peer", {}, "decided"),
    ("T21", at("received", offered_term=1), "officer", {}, "again"),
    ("T21", at("received"), "officer", {"reason": "烦"}, "reason"),
    ("T21", at("received"), "officer", {"target": ""}, "target"),
    ("T21", at("to_correct"), "officer", {}, "state"),
    ("T22", at("transferring"), "peer", {"taken_term": 3}, "term"),
    ("T23", at("transferring", state_before="under_review"), "peer", {}, "before"),
    ("T24", at("transferring", state_before="received"), "peer", {}, "before"),
    ("T25", at("transferring"), "officer", {"offer_open": False}, "answered"),
    ("T25", at("transferring"), "officer", {"offer_term": 2}, "answered"),
    ("T25", at("transferring"), "officer", {"offer_state": "accepted"}, "state"),
    ("T28", at("transferring"), "officer", {"offer_state": "received"}, "state"),
    ("T26", at("delivered"), "supervisor", {"second_person": False}, "two_persons"),
    ("T26", at("delivered"), "supervisor", {"reason": "不想要了"}, "reason"),
    ("T26", at("delivered"), "supervisor", {"remedies": ()}, "remedies"),
    ("T26", at("delivered"), "supervisor", {"revoked": False}, "credential"),
    ("T27", at("correction_lapsed"), "officer", {"answers_asking": False, "reason": ""}, "reason"),
]


@pytest.mark.parametrize(("step", "facts", "by", "less", "said"), REFUSED, ids=lambda one: one if isinstance(one, str) else "")
def test_every_guard_refuses(step, facts, by, less, said):
    grounds = good(step)
    missing = type(grounds)(**{**{name: getattr(grounds, name) for name in Grounds.__struct_fields__}, **less})
    assert code(facts, step, by, missing) == f"cases.{PROCESS.transition(step).name}.{said}"


def test_the_list_above_refuses_in_every_transition():
    assert {one[0] for one in REFUSED} == {one.id for one in PROCESS.transitions}


def test_every_sentence_says_something():
    for step, facts, by, less, _ in REFUSED:
        grounds = type(good(step))(**{**{n: getattr(good(step), n) for n in Grounds.__struct_fields__}, **less})
        assert len(may_happen(facts, step, by, grounds)[0].sentence) >= 6


def test_deemed_acceptance_counts_from_the_day_of_receipt():
    facts = after(at("received"), "T07", good("T07", date(2026, 11, 27)), LIMITS, calendar())
    clock = ticking.running(facts.clocks)
    assert (clock.kind, clock.started_on, clock.due_on) == ("decision", TODAY, date(2026, 11, 25))


def test_a_pause_moves_the_due_day_by_its_working_days():
    facts = at("special_procedure")
    back = after(facts, "T12", good("T12", date(2026, 11, 25)), LIMITS, calendar())  # 19, 20, 23, 24, 25 = 5 days
    before = ticking.of_kind(facts.clocks, "decision")
    now = ticking.of_kind(back.clocks, "decision")
    assert now.due_on == calendar().after(before.due_on, 5).day
    assert now.statutory_due_on == calendar().after(before.statutory_due_on, 5).day


def test_opening_the_notice_starts_the_clock_earlier_and_never_later():
    clocks = at("to_correct").clocks
    presumed = ticking.of_kind(clocks, "correction")
    assert presumed.started_on == TODAY + timedelta(days=3)
    early = ticking.of_kind(ticking.opened(clocks, TODAY, calendar()), "correction")
    assert early.started_on == TODAY
    assert early.due_on < presumed.due_on
    assert ticking.opened(clocks, TODAY + timedelta(days=9), calendar()) == clocks


def test_lights():
    clock = ticking.of_kind(at("accepted").clocks, "decision")
    assert ticking.light(clock, TODAY) == "ok"
    assert ticking.light(clock, clock.due_on) == "yellow"
    assert ticking.light(clock, clock.statutory_due_on + timedelta(days=1)) == "red"
    assert ticking.light(ticking.of_kind(at("special_procedure").clocks, "decision"), date(2030, 1, 1)) == "stopped"


STEPS = st.lists(
    st.tuples(st.sampled_from([one.id for one in PROCESS.transitions]), st.integers(0, 20), st.booleans()), max_size=40
)


@settings(max_examples=300, deadline=None)
@given(STEPS)
def test_no_walk_breaks_the_invariants(steps):
    """Any order of any transitions on any days, right grounds or wrong ones."""
    facts, today, asked, decisions, withdrawn, told = started(), TODAY, 0, 0, False, set()
    for step, days, right in steps:
        today += timedelta(days=days)
        grounds = good(step, today) if right else Grounds(today=today)
        grounds = type(grounds)(
            **{
                **{name: getattr(grounds, name) for name in Grounds.__struct_fields__},
                "offer_term": facts.term, "taken_term": facts.term + 1,
                "offer_state": facts.state_before or "received",
            }
        )  # fmt: skip
        by = PROCESS.transition(step).by[0]
        if may_happen(facts, step, by, grounds):
            continue
        new = after(facts, step, grounds, LIMITS, calendar())
        # every transition adds one to rev, a new owner starts at (term + 1, 1)
        assert (new.term, new.rev) in {(facts.term, facts.rev + 1), (facts.term + 1, 1)}
        if facts.state == "transferring":  # I-13
            assert step in {"T22", "T23", "T24", "T25", "T28"}
        asked += step == "T04"
        decisions += step in {"T14", "T15"}
        if step in {"T14", "T15"}:
            assert not withdrawn  # I-3
        if step == "T20":
            assert decisions == 0  # I-3
            withdrawn = True
        if new.state in OUTCOMES:
            told.add((new.term, new.state))
        for old in facts.clocks:  # I-10
            now = next(one for one in new.clocks if (one.kind, one.round) == (old.kind, old.round))
            if step not in {"T11", "T12", "T13"}:
                assert (now.due_on, now.statutory_due_on) == (old.due_on, old.statutory_due_on)
        facts = new
    assert asked <= 1  # I-4
    assert decisions <= 1
    if "T27" not in {step for step, _, _ in steps}:  # I-2: void and T27 apart
        for term in {term for term, _ in told}:
            assert len({state for one, state in told if one == term}) <= 1


@given(st.integers(0, 60), st.integers(0, 60))
def test_limits_of_the_law_hold(promised, statutory):
    from tongban.catalogue import Limit
    from tongban.catalogue.tests.make import item

    thing = item(promised_limit=Limit(days=promised), statutory_limit=Limit(days=statutory))
    limits = ticking.limits_of(thing)
    assert limits.promised <= limits.statutory == statutory


def test_without_figures_the_law_counts():
    limits = ticking.limits_of(None)
    assert (limits.promised, limits.statutory, limits.correction, limits.extension) == (20, 20, 30, 10)
    joint = ticking.limits_of(None, joint=True)
    assert (joint.statutory, joint.extension) == (45, 15)


def test_the_reasons_are_named():
    assert moves.NOT_ACCEPTED_REASONS.keys() == {"not_needed", "not_competent", "not_eligible", "duplicate"}
