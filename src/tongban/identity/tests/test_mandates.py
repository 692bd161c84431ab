"""Mandates, pure: who may do what for whom, as a table (R-301; T-85, T-86, T-87, T-88, T-94)."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta

import msgspec
import pytest

from tongban.identity.actions.mandates import Wanted, is_granted, judge
from tongban.identity.rules import ages
from tongban.identity.rules import mandates as rules
from tongban.identity.rules.mandates import Deed, Mandate, book
from tongban.kernel.gm import Personal
from tongban.kernel.ids import IdNumber

NOW = datetime(2026, 11, 18, 2, 0, tzinfo=UTC)
MEDICAL = "12500000DEM00003002002099903000"
OTHER = "11500103DEM000022Q4000799902000"


def mandate(**more):
    plain = {
        "grantor": "n1" + "a" * 32, "id": "0", "agent": "n1" + "b" * 32, "basis": "family", "items": ("002099903000",),
        "acts": ("view", "draft", "submit", "receive"), "from_at": NOW - timedelta(days=2), "until_at": NOW + timedelta(days=30), "granted_acr": 3,
        "granted_node": "500000", "agent_node": "500000", "state": "active", "offered_until": NOW, "news_at": NOW, "made_at": NOW,
        "grantor_name": Personal("演示甲"), "agent_name": Personal("演示乙"),
    }  # fmt: skip
    return Mandate(**{**plain, **more})


def deed(act="submit", item=MEDICAL, **more):
    return Deed(act=act, item=item, audience=frozenset({"person"}), **more)


ORG = "o191500103madem2002l"
TABLE = [
    ("within acts and items", mandate(), deed(), ""),
    ("looking", mandate(), deed("view"), ""),
    ("another item", mandate(), deed(item=OTHER), "identity.mandate_scope"),
    ("an act not given", mandate(acts=("view", "draft")), deed(), "identity.mandate_scope"),
    ("paying not given", mandate(), deed("pay"), "identity.mandate_scope"),
    ("stopped a moment ago", mandate(state="stopped"), deed(), "identity.mandate_ended"),
    ("only offered", mandate(state="offered"), deed("view"), "identity.mandate_ended"),
    ("run out", mandate(until_at=NOW), deed("view"), "identity.mandate_ended"),
    ("not begun", mandate(from_at=NOW + timedelta(hours=1)), deed("view"), "identity.mandate_ended"),
    ("T-94 waits 24 h before submitting", mandate(wait_until=NOW + timedelta(hours=1)), deed(), "identity.mandate_wait"),
    ("and fills in meanwhile", mandate(wait_until=NOW + timedelta(hours=1)), deed("draft"), ""),
    ("after the wait", mandate(wait_until=NOW), deed(), ""),
    ("T-85 a house", mandate(items=(MEDICAL,)), deed(item_name="不动产抵押权首次登记"), "identity.never_delegable"),
    ("T-85 marriage, even when named", mandate(items=(MEDICAL,)), deed(item_name="结婚登记（预约）"), "identity.never_delegable"),
    ("T-85 phone", mandate(), deed("phone.change", item=""), "identity.never_delegable"),
    ("T-85 grant on", mandate(), deed("mandate.grant", item=""), "identity.never_delegable"),
    ("a guardian neither sells the house", mandate(basis="guardian"), deed(item_name="不动产转移登记"), "identity.never_delegable"),
    ("guardian: every item for persons", mandate(basis="guardian", items=()), deed(item=OTHER), ""),
    ("guardian: no company's item", mandate(basis="guardian", items=()), Deed(act="submit", item=OTHER, audience=frozenset({"organisation"})),
     "identity.mandate_scope"),
    ("legal representative: the company's items", mandate(basis="legal_rep", grantor=ORG, items=()),
     Deed(act="submit", item=OTHER, audience=frozenset({"organisation"})), ""),
    ("legal representative: no person's item", mandate(basis="legal_rep", grantor=ORG, items=()), deed(item=OTHER), "identity.mandate_scope"),
    ("the company may mortgage through its own hand", mandate(basis="legal_rep", grantor=ORG, items=()),
     Deed(act="submit", item=OTHER, item_name="不动产抵押权首次登记", audience=frozenset({"organisation"})), ""),
    ("company agent: only what is named", mandate(basis="org_agent", grantor=ORG), Deed(act="submit", item=OTHER, audience=frozenset({"organisation"})),
     "identity.mandate_scope"),
]  # fmt: skip


@pytest.mark.parametrize(("given", "wanted", "code"), [row[1:] for row in TABLE], ids=[row[0] for row in TABLE])
def test_who_may_do_what(given, wanted, code):
    assert rules.may_act(given, wanted, book().never, NOW) == code


def test_an_empty_never_list_would_let_the_house_be_mortgaged():
    """The list is data handed in: without it the deed passes, so the list is what stops it (T-85)."""
    assert rules.may_act(mandate(items=(MEDICAL,)), deed(item_name="不动产抵押权首次登记"), (), NOW) == ""


FRESH = [
    ("own word", mandate(), 3, timedelta(days=300), "500000", True),
    ("another node's word, 14 min", mandate(), 2, timedelta(minutes=14), "510000", True),
    ("another node's word, 16 min", mandate(), 2, timedelta(minutes=16), "510000", False),
    ("register, level 3, a minute", mandate(basis="legal_rep", grantor=ORG, granted_node="samr"), 3, timedelta(seconds=60), "500000", True),
    ("T-87 register, level 3, 5 min", mandate(basis="legal_rep", grantor=ORG, granted_node="samr"), 3, timedelta(minutes=5), "500000", False),
    ("T-88 guardian, level 3, 5 min", mandate(basis="guardian", granted_node="mps"), 3, timedelta(minutes=5), "500000", False),
    ("T-87 given here for a company, level 3", mandate(basis="org_agent", grantor=ORG, granted_by_subject="n1x"), 3, timedelta(minutes=5), "500000", False),
    ("given here for a company, level 2", mandate(basis="org_agent", grantor=ORG, granted_by_subject="n1x"), 2, timedelta(days=5), "500000", True),
]  # fmt: skip


@pytest.mark.parametrize(("given", "level", "old", "here", "fresh"), [row[1:] for row in FRESH], ids=[row[0] for row in FRESH])
def test_how_young_the_news_must_be(given, level, old, here, fresh):
    aged = msgspec.structs.replace(given, news_at=NOW - old)
    assert rules.fresh(aged, Deed(act="submit", level=level), NOW, here=here, limits=book().limits) is fresh
    assert rules.fresh(aged, Deed(act="view", level=level), NOW, here=here, limits=book().limits), "looking never waits"


def test_terms_and_waits_are_data():
    assert rules.longest("org_agent", NOW, 5000) == NOW + timedelta(days=365)
    assert rules.longest("family", NOW, 5000) == NOW + timedelta(days=730)
    assert rules.waits("family", NOW) == NOW + timedelta(hours=24)
    assert rules.waits("hall", NOW) is None
    assert all(one.source for one in (*book().basis, *book().set, *book().never)), "every value says where it comes from"


NAMES = {MEDICAL: "异地就医备案", OTHER: "居住证签注", "x" * 19 + "000000000001": "离婚登记"}


def test_never_all_items_and_never_a_forbidden_one():
    acts = ("draft", "submit")
    assert not is_granted(judge(Wanted(acts=acts, days=30), kind="person", names=NAMES)), "nothing chosen is not everything"
    assert not is_granted(judge(Wanted(items=("*",), acts=acts, days=30), kind="person", names=NAMES))
    refused = judge(Wanted(items=("x" * 19 + "000000000001",), acts=acts, days=30), kind="person", names=NAMES)
    assert [one.code for one in refused] == ["identity.item_never"]
    assert "亲自到场" in refused[0].sentence
    items, version = judge(Wanted(set_name="养老常办", acts=acts, days=30), kind="person", names=NAMES)
    assert version == 1, "the version of the set is fixed at the grant"
    assert "002099903000" in items
    assert not is_granted(judge(Wanted(items=(MEDICAL,), acts=("rob",), days=30), kind="person", names=NAMES))
    assert not is_granted(judge(Wanted(items=(MEDICAL,), acts=acts, days=0), kind="person", names=NAMES))


def test_ages_count_to_the_birthday():
    """T-88: 13 only the guardian, 14 signs in, 17 is asked for, 18 is grown up; 29 February becomes 1 March."""
    number = IdNumber.make("500199", date(2012, 11, 19), 12).value
    assert ages.too_young(number, date(2026, 11, 18))
    assert not ages.too_young(number, date(2026, 11, 19))
    assert ages.needs_confirming(number, date(2026, 11, 19))
    assert ages.needs_confirming(number, date(2030, 11, 18))
    assert not ages.needs_confirming(number, date(2030, 11, 19))
    assert ages.grown_up_at(date(2008, 2, 29)) == datetime(2026, 2, 28, 16, 0, tzinfo=UTC)
    assert not ages.too_young("A1234567", date(2026, 11, 18))
