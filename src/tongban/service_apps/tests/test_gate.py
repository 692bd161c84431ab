"""Each rule of the access standard fails on its own bad page and on nothing else."""

from __future__ import annotations

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as some

from tongban.service_apps.model import Figures, ServiceLevel
from tongban.service_apps.rules import contrast, failing, judge, read_page, read_tokens, rules
from tongban.service_apps.rules.standard import CHECKS, ItemFacts, Trouble
from tongban.service_apps.tests.make import CSS, HEADERS, facts, fetched, html, wanted


def failed(found):
    return {one.rule for one in judge(found) if not one.passed}


def both(text):
    """A page of both modes made from one builder."""
    return fetched(text=text("")), fetched("elder", text=text("elder"))


def test_a_good_app_passes_every_rule():
    found = judge(facts())
    assert [one.rule for one in found if not one.passed] == []
    assert {one.rule for one in found} == {one.id for one in rules()}


@pytest.mark.parametrize(
    ("rule", "text"),
    [
        ("A1", lambda mode: html(mode).replace('lang="zh-CN"', "")),
        ("A2", lambda mode: html(mode).replace("<title>企业开办</title>", "")),
        ("A3", lambda mode: html(mode, body="<h1>又一个</h1>")),
        ("A4", lambda mode: html(mode, body="<h2>材料</h2><h4>跳了一级</h4>")),
        ("A4", lambda mode: html(mode, body="<h2></h2>")),
        ("A5", lambda mode: html(mode, body="<form><input name='company'></form>")),
        ("A5", lambda mode: html(mode, body="<form><label for='x'>名称</label><textarea id='y'></textarea></form>")),
        ("A6", lambda mode: html(mode, body="<a href='/x'><svg><use href='#i'/></svg></a>")),
        ("A6", lambda mode: html(mode, body="<button></button>")),
        ("A7", lambda mode: html(mode, body="<img src='/a.png'>")),
        ("A8", lambda mode: html(mode).replace("<main", "<div").replace("</main>", "</div>")),
        ("A8", lambda mode: html(mode).replace('href="#main"', 'href="/"')),
        ("A9", lambda mode: html(mode, body="<p id='a'>1</p><p id='a'>2</p>")),
        ("A10", lambda mode: html(mode).replace("initial-scale=1", "initial-scale=1, user-scalable=no")),
        ("A14", lambda mode: html("")),
        ("S2", lambda mode: html(mode, head="<script>alert(1)</script>")),
        ("S2", lambda mode: html(mode, body="<p style='color:red'>x</p>")),
        ("S2", lambda mode: html(mode, body="<a href='javascript:x()'>点</a>")),
        ("S3", lambda mode: html(mode, body="<img alt='' src='https://cdn.example.org/a.png'>")),
        ("W1", lambda mode: html(mode, body="<p>温馨提示：请带好材料</p>")),
    ],
)
def test_a_bad_page_is_found_by_its_own_rule(rule, text):
    assert failed(facts(*both(text))) == {rule}


@pytest.mark.parametrize(
    "body",
    [
        "<label>名称<input name='a'></label>", "<label for='a'>名称</label><input id='a'>", "<input aria-label='名称'>",
        "<input type='hidden' name='t'>", "<a href='/x' aria-label='返回'><svg></svg></a>", "<a href='/x'><img alt='返回' src='/a.png'></a>",
        "<button><svg></svg>提交</button>", "<img alt='' src='/a.png'>", "<script type='module' src='/static/a.js'></script>",
    ],
)  # fmt: skip
def test_good_markup_is_not_found(body):
    assert failed(facts(*both(lambda mode: html(mode, body=body)))) == set()


@pytest.mark.parametrize(
    ("rule", "css"),
    [
        ("A11", CSS.replace("#586577", "#989799")),
        ("A11", CSS.replace("--surface: #fff;", "")),
        ("A12", CSS.replace("--hit: 60px", "--hit: 48px")),
        ("A12", CSS.replace("--tap: 48px", "--tap: 40px")),
        ("A13", CSS.replace("--fs-xs: .875rem", "--fs-xs: .75rem")),
    ],
)
def test_colours_and_sizes_by_tokens(rule, css):
    assert failed(facts(fetched(stylesheet=css), fetched("elder", stylesheet=css))) == {rule}


def test_headers_each_missing_one_is_named():
    for name in HEADERS:
        headers = {key: value for key, value in HEADERS.items() if key != name}
        found = [one for one in judge(facts(fetched(headers=headers), fetched("elder"))) if not one.passed]
        assert {one.rule for one in found} == {"S1"}
        assert any(name in one.text for one in found)
    loose = {**HEADERS, "content-security-policy": "default-src 'self' 'unsafe-inline'; frame-ancestors 'none'"}
    assert failed(facts(fetched(headers=loose), fetched("elder"))) == {"S1"}


def test_weight_and_silence():
    assert failed(facts(fetched(bytes_sent=50_001), fetched("elder"))) == {"P1"}
    assert failed(facts(fetched(status=500), fetched("elder"))) == {"R1"}
    assert failed(facts(fetched())) == {"A14"}


@pytest.mark.parametrize(
    ("rule", "more"),
    [
        ("O1", {"contact_phone": "12345678"}), ("O1", {"contact_unit": " "}), ("O2", {"service_level": None}),
        ("O2", {"service_level": ServiceLevel(0, 0, "")}), ("D4", {"channels": ()}), ("D4", {"channels": ("h5", "kiosk")}),
    ],
)  # fmt: skip
def test_what_the_operator_left_out(rule, more):
    from tongban.service_apps.model import ItemRef

    found = failed(facts(draft=wanted(ItemRef("T", 1), **more)))
    assert rule in found
    assert found <= {rule, "O3"}


def test_items_absent_foreign_carried_or_unsound():
    item = ItemFacts("T", 1, "企业开办", present=True, ours=True, channels=("h5", "pc"))
    change = lambda **more: (msgspec.structs.replace(item, **more),)  # noqa: E731
    assert failed(facts(items=())) == {"D2"}
    assert failed(facts(items=change(present=False))) == {"D2"}
    assert failed(facts(items=change(ours=False))) == {"D2"}
    assert failed(facts(items=change(other_app="别的应用"))) == {"D3"}
    unknown = judge(facts(items=change(unknown_prefills=("“参加哪种医保”要的 nobody.insured 的 kind",))))
    assert [(one.rule, one.severity, one.text) for one in unknown if not one.passed] == [
        ("D5", "error", "没有登记部门提供 “参加哪种医保”要的 nobody.insured 的 kind")
    ]
    bad = Trouble("C-03 收费没有依据", "item.yaml fee", "写上收费依据")
    found = [one for one in judge(facts(items=change(findings=(bad,)))) if not one.passed]
    assert [(one.rule, one.fix, one.place) for one in found] == [("D1", "写上收费依据", "item.yaml fee")]


def test_every_rule_has_a_check_a_fix_and_a_source():
    assert {one.check for one in rules()} == set(CHECKS)
    assert all(one.fix and one.title and one.source for one in rules())
    assert len({one.id for one in rules()}) == len(rules())


def test_tokens_outside_the_root_do_not_count():
    assert read_tokens(CSS, "")["--hit"] == "44px"
    assert read_tokens(CSS, "elder")["--hit"] == "60px"
    assert round(contrast("#16202e", "#fff"), 1) == 16.4


@given(some.text(alphabet="<>/\"'= abhimnputg1&;!-", max_size=80))
def test_reading_never_fails(text):
    read_page(text)


def test_an_app_that_starts_failing_is_marked():
    figures = Figures(app="a", channel="h5", visits=20, errors=1, mean_ms=1, p95_ms=1)
    assert failing(figures)
    assert not failing(msgspec.structs.replace(figures, visits=19))
    assert not failing(msgspec.structs.replace(figures, visits=21))
