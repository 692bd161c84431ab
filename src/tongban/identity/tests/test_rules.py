"""Judgements without a database: levels and their decay, what people type, limits, the matrix of roles."""

from __future__ import annotations

import secrets
from datetime import UTC, date, datetime, timedelta

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tongban.identity import errors
from tongban.identity.actions.set_up import people
from tongban.identity.actions.step_up import ways
from tongban.identity.model import Person
from tongban.identity.pages import demo
from tongban.identity.rules import levels, roles, throttle, typed
from tongban.identity.rules.clients import pairwise_sub
from tongban.kernel.actor import NOBODY, Actor, Assignment
from tongban.kernel.errors import NotAllowed, StaffNeeded
from tongban.kernel.ids import IdNumber

NOW = datetime(2026, 11, 18, 2, 0, tzinfo=UTC)
KNOWN = people().citizens[0].number


@pytest.mark.parametrize(
    ("acr", "since_raised", "since_seen", "worth"),
    [
        (4, 14, 0, 4), (4, 16, 0, 3), (4, 121, 0, 2), (3, 29, 29, 3), (3, 31, 31, 2), (3, 119, 1, 3), (3, 121, 1, 2),
        (2, 60 * 24 * 20, 60, 2), (1, 10**5, 10**5, 1),
    ],
)  # fmt: skip
def test_levels_decay_and_sessions_stay(acr: int, since_raised: int, since_seen: int, worth: int) -> None:
    found = levels.decayed(
        acr, raised_at=NOW - timedelta(minutes=since_raised), seen_at=NOW - timedelta(minutes=since_seen), now=NOW
    )
    assert found == worth


@settings(deadline=None)
@given(st.integers(1, 4), st.sampled_from(sorted(levels.CEILINGS)), st.integers(1, 4))
def test_a_sign_in_never_reaches_more_than_proof_way_and_binding(proof: int, way: str, bound: int) -> None:
    found = levels.reached(proof, way, bound_acr=bound)
    assert 1 <= found <= max(1, proof)
    assert found <= levels.CEILINGS[way]
    if way == "passkey":
        assert found <= bound, "T-95: a passkey bound at level 2 never counts as 3"


def test_visitors_need_news_of_home_for_level_three_only() -> None:
    old, young = NOW - timedelta(minutes=16), NOW - timedelta(minutes=14)
    assert levels.home_news_wanted(3, "500000", old, NOW)
    assert not levels.home_news_wanted(3, "500000", young, NOW)
    assert not levels.home_news_wanted(2, "500000", old, NOW)
    assert not levels.home_news_wanted(4, None, None, NOW)


@pytest.mark.parametrize(
    "target",
    ["//evil.example", "/\\evil.example", "https://evil.example", "javascript:alert(1)", "/a\nb", "/a b", "", "me", "/ /evil",
     "/login", "/login?x", "/logout", "/staff/login", "/oidc/callback/500000", "/step-up?level=3", "\t/me", "/" + "a" * 2000],
)  # fmt: skip
def test_only_paths_of_this_host_are_returned_to(target: str) -> None:
    assert typed.own_path(target, "/me") == "/me"


@settings(deadline=None)
@given(st.text(max_size=60))
def test_whatever_is_asked_the_answer_is_a_path_of_this_host(text: str) -> None:
    found = typed.own_path(text, "/me")
    assert found.startswith("/")
    assert not found.startswith(("//", "/\\"))
    assert found.isascii()


@settings(deadline=None)
@given(st.text(alphabet="0123456789X", min_size=18, max_size=18))
def test_one_changed_digit_is_noticed(text: str) -> None:
    number = KNOWN
    assert typed.check_number(number) is None
    for place in range(17):
        changed = number[:place] + str((int(number[place]) + 1) % 10) + number[place + 1 :]
        assert typed.check_number(changed) is not None
    found = typed.check_number(text)
    assert found is None or found.sentence


def test_numbers_and_names_are_read_as_people_write_them() -> None:
    assert typed.kind_of("138 0000 8000") == "phone"
    assert typed.kind_of("１３８００００８０００") == "phone"
    assert typed.kind_of("500199 1991 0612 0024") == "number"
    assert typed.kind_of("12345") is None
    assert typed.normal_name("阿依努尔•买买提") == typed.normal_name("阿依努尔 · 买买提")
    assert typed.masked_name("陈晓雨") == "陈**"


def test_limits_of_section_8() -> None:
    assert throttle.codes(known_device=True, demo=False) == ((3600, 5), (86400, 20))
    assert throttle.codes(known_device=False, demo=False) == ((3600, 3), (86400, 10))
    assert [throttle.pause_minutes(wrong) for wrong in (0, 14, 15, 29, 30, 45, 500)] == [0, 0, 2, 2, 8, 30, 30]
    assert throttle.address_block("203.0.113.9") == throttle.address_block("203.0.113.200")
    assert throttle.address_block("2001:db8:1:2::1") == throttle.address_block("2001:db8:1:ffff::1")


def test_the_face_is_never_the_only_way() -> None:
    known = Person(subject="n1", home="500000", proof=2, photo_held=True, matched_at=NOW)
    assert ways(known, 3, passkeys=1).ways == ("passkey", "face", "certificate", "counter", "hall")
    for person in (known, None, Person(subject="l", home="500000", proof=1)):
        for level in (2, 3, 4):
            assert ways(person, level, passkeys=0).ways[-1] == "hall"


# ---- roles: the matrix --------------------------------------------------------------------------------------------

AREAS = {"510104": {"510104"}, "510100": {"510100", "510104", "510107"}, "500000": {"500000", "500103"}}
COUNTIES = ("510104", "510107", "510100", "500103", "500000")
ALL_ACTIONS = sorted({action for role in roles.roles().values() for action in role.actions} | {"cases.nothing", "identity.read_all"})


def clerk(role: str, division: str, org: str = "", until: datetime | None = None) -> Actor:
    return Actor(kind="staff", subject="s1", staff_id="1", assignments=(roles.assignment(role, division, org=org, until=until),))


@pytest.mark.parametrize("role", sorted(roles.roles()))
@pytest.mark.parametrize("division", sorted(AREAS))
def test_matrix_of_roles_divisions_and_actions(role: str, division: str) -> None:
    """Every role × area × action × object: allowed exactly when the role has the action and the area holds the object."""
    holder = clerk(role, division)
    for action in ALL_ACTIONS:
        for county in COUNTIES:
            wanted = action in roles.roles()[role].actions and county in AREAS[division]
            assert roles.allowed(holder, action, division=county, now=NOW) is wanted, (role, action, division, county)


def test_nothing_is_allowed_by_default() -> None:
    everything = Actor(kind="staff", subject="s1", staff_id="1", assignments=(Assignment("all", frozenset(ALL_ACTIONS), "000000"),))
    for action in ALL_ACTIONS:
        assert roles.allowed(everything, action, division="510104", now=NOW)
        assert not roles.allowed(NOBODY, action, division="510104", now=NOW)
        assert not roles.allowed(Actor(kind="staff", subject="s1", staff_id="1"), action, division="510104", now=NOW)
        assert not roles.allowed(msgspec.structs.replace(everything, staff_id=""), action, division="510104", now=NOW), "staff without a number"
        assert not roles.allowed(Actor(kind="citizen", subject="n1", acr=4), action, division="510104", now=NOW)
        assert not roles.allowed(clerk("acceptor", "510100"), action, division="", now=NOW), "an object of nowhere is nobody's"
        assert not roles.allowed(clerk("no_such_role", "510100"), action, division="510104", now=NOW)


def test_organisation_items_and_end_of_an_assignment_count() -> None:
    own = clerk("acceptor", "510100", org="11510100DEM000014N")
    assert roles.allowed(own, "cases.accept", division="510104", org="11510100DEM000014N", now=NOW)
    assert not roles.allowed(own, "cases.accept", division="510104", org="11510104DEM000057X", now=NOW)
    assert not roles.allowed(clerk("acceptor", "510100", until=NOW), "cases.accept", division="510104", now=NOW)
    only = Actor(kind="staff", subject="s", staff_id="1", assignments=(roles.assignment("acceptor", "510100", items=frozenset({"A"})),))
    assert roles.allowed(only, "cases.accept", division="510104", item="A", now=NOW)
    assert not roles.allowed(only, "cases.accept", division="510104", item="B", now=NOW)


def test_guards_say_what_is_missing() -> None:
    with pytest.raises(StaffNeeded):
        roles.require_staff(NOBODY)
    with pytest.raises(NotAllowed):
        roles.require_staff(clerk("acceptor", "510107"), "cases.accept", division="510104")
    roles.require_staff(clerk("acceptor", "510104"), "cases.accept", division="510104")


def test_four_eyes_are_two_roles_nobody_holds_together() -> None:
    known = roles.roles()
    assert not known["app_registrar"].actions & {"service_apps.review", "service_apps.publish"}
    assert "service_apps.register" not in known["app_reviewer"].actions
    assert not any(action.startswith(("cases.", "evidence.")) for action in known["node_administrator"].actions)
    for node in people().staff.values():
        for member in node:
            assert not {"app_registrar", "app_reviewer"} <= set(member.roles)
            assert set(member.roles) <= known.keys()


# ---- data ---------------------------------------------------------------------------------------------------------


def test_invented_people_are_whole_and_nobodys() -> None:
    known = people()
    assert len(known.citizens) >= 8
    assert len({one.number for one in known.citizens}) == len(known.citizens)
    for one in known.citizens:
        assert typed.check_number(one.number) is None
        assert typed.kind_of(one.phone) == "phone"
        assert one.number[:6] in ("500199", "510199"), "a county code that was never given out"
        assert "演示" in one.address
        assert one.number[6:14] == one.born.strftime("%Y%m%d")
        assert (int(one.number[16]) % 2 == 1) == (one.sex == "男")
    staff = [member for members in known.staff.values() for member in members]
    assert len({one.staff_no for one in staff}) == len(staff)
    assert all("演示" in one.unit for one in staff)
    assert {"510000", "500000", "mps", "samr", "cn"} <= known.staff.keys()


def test_every_code_has_a_plain_sentence() -> None:
    for code, (status, sentence, _) in errors.SENTENCES.items():
        assert code.startswith("identity.")
        assert 200 <= status <= 511
        assert not sentence.isascii()
        assert not any(word in sentence for word in ("！", "尊敬", "敬请", "系统繁忙"))
    assert errors.failure("identity.account_exists", place="四川省").sentence == "你在四川省已有账号，用它登录就行，不用再注册"
    with pytest.raises(KeyError):
        errors.refusal("identity.nothing")


def test_t76_a_person_is_another_in_every_sector():
    """T-76: no two sectors know a person by the same word, however their names are cut; the same sector always does."""
    known = {pairwise_sub(b"k" * 32, sector, subject) for sector, subject in (("a", "n1x"), ("b", "n1x"), ("a", "n1y"), ("an1", "x"))}
    assert len(known) == 4, "two sectors can compare notes"
    assert pairwise_sub(b"k" * 32, "a", "n1x") in known


@pytest.mark.parametrize("today", [date(2026, 1, 1), date(2026, 11, 23), date(2026, 12, 31), date(2028, 2, 29)])
def test_an_invented_person_is_as_old_as_asked_whatever_the_day_and_the_draw(today: date, monkeypatch: pytest.MonkeyPatch) -> None:
    for drawn in range(330):
        monkeypatch.setattr(secrets, "randbelow", lambda _n, drawn=drawn: drawn)
        for age in (0, 8, 14, 18, 34, 70):
            assert IdNumber.make("500199", demo.born(today, age), 2).age(today) == age, (drawn, age)


def test_no_two_invented_people_have_one_phone() -> None:
    """Birthday and order make a number; both are in the phone."""
    days = [date(1926, 1, 1) + timedelta(days=one) for one in range(0, 37_000, 37)]
    assert len({demo.phone(day, order) for day in days for order in (0, 1, 996, 997)}) == 4 * len(days)
    assert all(typed.kind_of(demo.phone(day, 997)) == "phone" for day in days)
