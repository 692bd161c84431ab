"""Names, grouping, agreement: pure."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import msgspec
import pytest

from tongban.consent import Line
from tongban.exchange.model import Gathered, ShownConsent
from tongban.exchange.pages.data_use import consent_at
from tongban.exchange.queries import resource, resources
from tongban.exchange.rules import consent_covers, grouped, merged, name_verdict, told_down_to, within

AT = datetime(2026, 11, 18, 2, tzinfo=UTC)
LINE = Line(
    id="1", at=AT, kind="share", who="成都市市场监管局", fields=("姓名",), purpose="企业开办", source="mps", receiver="510000",
    basis="国令第809号", about="case:1", consent_id=None, side="owner", digest="d", leaf="l", node="mps",
)  # fmt: skip


def line(**more):
    return msgspec.structs.replace(LINE, **more)


def part(node, *lines, reached=True):
    return Gathered(node=node, name=node, reached=reached, lines=lines)


@pytest.mark.parametrize(
    ("parts", "agrees"),
    [
        ((part("mps", line()), part("510000", line(side="caller"))), True),
        ((part("mps", line()), part("510000", line(side="caller", digest="x"))), False),
        ((part("mps", line()), part("510000")), False),
        ((part("mps", line()), part("510000", reached=False)), None),
        ((part("mps", reached=False), part("510000", line(side="caller"))), None),
        ((part("mps", line(side="local", receiver="mps")),), True),
    ],
)
def test_both_ends(parts, agrees):
    assert [use.agrees for use in merged(parts)] == [agrees]


def test_an_access_that_is_on_its_way_is_not_said_to_disagree():
    parts = (part("mps", line()), part("510000"))
    assert [use.agrees for use in merged(parts, now=AT + timedelta(seconds=1))] == [None]
    assert [use.agrees for use in merged(parts, now=AT + timedelta(minutes=3))] == [False]
    differs = (part("mps", line()), part("510000", line(side="caller", digest="x")))
    assert [use.agrees for use in merged(differs, now=AT)] == [False]


def test_the_owners_line_is_the_one_shown():
    found = merged((part("510000", line(side="caller", who="甲")), part("mps", line(who="甲"))))
    assert found[0].line.side == "owner"


def test_same_things_of_a_day_are_one_line_that_opens():
    uses = merged((part("mps", *[line(id=str(n), side="local", at=AT + timedelta(minutes=n)) for n in range(100)]),))
    assert [len(group) for group in grouped(uses)] == [100]
    odd = merged((part("mps", line(id="a"), line(id="b")), part("510000")))
    assert [len(group) for group in grouped(odd)] == [1, 1]


@pytest.mark.parametrize(
    ("name", "available"),
    [
        ("成都云岭演示科技有限公司", "no"), ("成都 云岭【演示】科技有限公司", "no"), ("中央演示科技有限公司", "no"), ("公司", "no"),
        ("成都青竹演示茶业有限公司", "yes"),
    ],
)  # fmt: skip
def test_company_names(name, available):
    assert name_verdict(name, ["成都云岭演示科技有限公司"])["available"] == available


def test_close_names_are_told_and_left_to_the_office():
    found = name_verdict("成都云岭演示科创有限公司", ["成都云岭演示科技有限公司"])
    assert (found["available"], found["similar"]) == ("yes", "成都云岭演示科技有限公司")


def test_a_consent_covers_its_own_fields_until_it_ends():
    asked = resource("mps.residence")
    shown = ShownConsent(id="c", text="sm3:x", fields=("居住登记地址",), until=int((AT + timedelta(days=1)).timestamp() * 1000))
    assert consent_covers(asked, shown, ("address",), AT)
    assert not consent_covers(asked, shown, ("address", "division"), AT)
    assert not consent_covers(asked, shown, ("address",), AT + timedelta(days=2))
    assert not consent_covers(asked, None, ("address",), AT)
    assert consent_covers(resource("mps.population"), None, ("name",), AT)


def test_every_resource_is_whole():
    for one in resources():
        assert one.id.startswith(one.owner + "."), one.id
        assert one.basis
        assert len({field.name for field in one.fields}) == len(one.fields)


def test_a_page_ends_where_one_node_had_more_than_it_could_tell():
    """A use whose other end is merely older than a page is not one whose ends disagree; on the next page it has both."""
    def at(hour: int, side: str, **more):
        return line(id=str(hour), at=AT + timedelta(hours=hour), side=side, **more)

    busy = msgspec.structs.replace(part("mps", at(9, "owner"), at(8, "owner")), more=True)
    quiet = part("510000", at(9, "caller"), at(8, "caller"), at(2, "caller"))
    down_to = told_down_to((busy, quiet))
    page = merged(within(one, before=None, down_to=down_to) for one in (busy, quiet))
    assert [(use.line.id, use.agrees) for use in page] == [("9", True), ("8", True)]
    rest = merged(within(one, before=down_to, down_to=None) for one in (part("mps", at(9, "owner"), at(2, "owner")), quiet))
    assert [(use.line.id, use.agrees) for use in rest] == [("2", True)], "a node that tells the newest again tells nothing twice"


def test_a_consent_is_taken_back_where_it_was_given():
    """A line of another node leads to that node: the consent is not known here."""
    places = {"500000": "", "510000": "https://510000.test", "mps": "https://mps.test"}
    assert consent_at(line(), places) == "", "no consent, no link"
    assert consent_at(line(consent_id="c"), places) == "https://510000.test/me/consents/c"
    assert consent_at(line(consent_id="c", receiver="500000"), places) == "/me/consents/c"
    assert consent_at(line(consent_id="c", source="500000", receiver="app-of-somebody"), places) == "/me/consents/c"
