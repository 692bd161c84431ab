"""Components: right names for assistive technology, words beside colours, everything escaped (ux.md 4, A10, A13)."""

from __future__ import annotations

import doctest
import re
from datetime import date
from html.parser import HTMLParser
from types import SimpleNamespace

import minijinja
import pytest

from tongban.kernel.errors import Refusal
from tongban.kernel.gm import Personal
from tongban.ui import filters, rendering
from tongban.ui.tests.make import browser


class Tags(HTMLParser):
    """The elements of a page and the values of their attributes, as a browser reads them."""

    def __init__(self) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.attributes: list[str] = []

    def handle_starttag(self, tag, attrs):
        self.tags.append(tag)
        self.attributes += [value for _, value in attrs if value]


def drawn(source: str, **values) -> str:
    return rendering.environment().render_str(source, "test.html", **values)


FORMS = '{% from "ui/components/forms.html" import field, radios, checkbox, error_summary %}'
PARTS = '{% from "ui/components/parts.html" import button, check_rows, timeline, todo, tag %}'


def test_a_wrong_field_is_tied_to_its_words_and_to_the_summary():
    wrong = (Refusal("x.short", "手机号少了 1 位", "phone"),)
    html = drawn(FORMS + '{{ error_summary(e) }}{{ field("phone", "手机号", "138", hint="短信", errors=e) }}', e=wrong)
    assert 'href="#f-phone"' in html
    assert 'id="f-phone"' in html
    assert 'aria-describedby="f-phone-h f-phone-e"' in html
    assert 'aria-invalid="true"' in html
    assert html.count("手机号少了 1 位") == 2
    assert 'role="alert"' in html


def test_the_link_of_a_wrong_group_lands_on_its_first_choice():
    wrong = (Refusal("x.none", "选一种", "way"),)
    html = drawn(FORMS + '{{ radios("way", "怎么领", o, errors=e) }}', o=[{"value": "a", "label": "甲"}, {"value": "b", "label": "乙"}], e=wrong)
    assert html.count('id="f-way"') == 1
    assert "checked" not in html


def test_the_name_of_a_change_link_begins_with_the_thing():
    html = drawn(PARTS + "{{ check_rows(r) }}", r=[{"label": "手机号", "value": "", "href": "/x"}])
    assert 'aria-label="手机号，修改"' in html
    assert "没填，可以不填" in html


def test_a_timeline_says_its_state_in_words():
    html = drawn(PARTS + "{{ timeline(t) }}", t=[{"title": "收到", "state": "done"}, {"title": "补照片", "state": "now"}])
    assert "现在：" in html


def test_what_people_typed_is_escaped_everywhere():
    evil = '"><script>alert(1)</script>'
    html = drawn(
        FORMS + PARTS + '{{ field("n", x, x, hint=x) }}{{ button(x, href=x) }}{{ tag(x) }}{{ todo(x, x, x, x) }}{{ check_rows(r) }}',
        x=evil, r=[{"label": evil, "value": evil, "source": evil, "href": evil}],
    )
    seen = Tags()
    seen.feed(html)
    assert "script" not in seen.tags
    assert seen.attributes.count(evil) == 4  # value, two addresses of links, the address of the change link
    assert html.count("alert(1)") == html.count("&lt;script&gt;alert(1)")


def test_a_personal_value_shows_only_when_a_filter_says_so():
    assert drawn("{{ x }}", x=Personal("陈晓雨")) == "‹personal›"
    assert drawn("{{ x|masked }}", x=Personal("陈晓雨")) == "陈*雨"
    assert drawn("{{ x|plain }}", x=Personal("陈晓雨")) == "陈晓雨"


def every_template() -> list[str]:
    root = rendering.PACKAGE
    return sorted(str(one.relative_to(one.parents[len(one.relative_to(root).parts) - 3])) for one in root.glob("*/templates/**/*.html"))


def test_templates_are_found_by_their_room():
    assert "ui/frame.html" in every_template()
    assert "ui/components/parts.html" in every_template()
    assert all(rendering.load_template(name) for name in every_template())


@pytest.mark.parametrize("name", every_template())
def test_every_template_of_the_house_compiles(name):
    """Syntax, and every macro it imports exists."""
    rendering.environment().undeclared_variables_in_template(name)
    source = rendering.load_template(name)
    for component, names in re.findall(r'\{%-? from "([^"]+)" import ([^%]+?)-?%\}', source):
        offered = set(re.findall(r"\{%-? macro (\w+)\(", rendering.load_template(component) or ""))
        wanted = {one.split(" as ")[0].strip() for one in names.split(",")}
        assert wanted <= offered, f"{name}: {component} has no {sorted(wanted - offered)}"
    assert not re.search(r"<[^>]+ (style|on\w+)=", source), f"{name}: the policy forbids inline style and script"


def test_an_unknown_name_is_an_error():
    with pytest.raises(minijinja.TemplateError):
        drawn("{{ page.nothing }}", page=object())


def test_a_template_outside_the_rooms_is_not_found():
    for name in ("../ui/frame.html", "ui/../../x.html", "ui/frame.txt", "nowhere/x.html", "frame.html"):
        assert rendering.load_template(name) is None


@pytest.mark.parametrize(
    ("filter_", "value", "words"),
    [
        ("date", "2026-11-25", "11 月 25 日（周三）"),
        ("day", "2026-01-05", "1 月 5 日"),
        ("full_date", "2036-05-11", "2036 年 5 月 11 日"),
        ("datetime", "2026-11-18T16:30:00+00:00", "11 月 19 日 00:30"),
        ("clock", 1763456500000, "17:01:40"),
        ("date", None, ""),
        ("date", "", ""),
        ("money", 12050, "120.50 元"),
        ("blocks", "2611160034281", "2611 1600 3428 1"),
        ("phone", "13800138000", "138 0013 8000"),
        ("masked", "A", "A"),
        ("masked", "张三", "张*"),
    ],
)
def test_filters_say_it_as_people_read_it(filter_, value, words):
    assert filters.FILTERS[filter_](value) == words


def test_a_day_of_another_year_says_its_year(monkeypatch):
    """A grant that ends next November, a promise for February and a use of last year are not told by month and day alone."""
    days = ("2026-11-23", "2027-11-23", "2025-01-05")
    drawn = SimpleNamespace(render_template=lambda *_, **__: "；".join(filters.short_day(one) for one in days) + "；" + filters.day_time("2025-11-23T00:00:00+00:00"))
    monkeypatch.setattr(rendering, "environment", lambda **_: drawn)
    with browser(today=lambda: date(2026, 11, 23)) as client:
        assert client.get("/form").text == "11 月 23 日；2027 年 11 月 23 日；2025 年 1 月 5 日；2025 年 11 月 23 日 08:00"
    assert filters.short_day("2027-11-23") == "11 月 23 日", "kept beyond the page"
    with filters.in_year(2026):
        assert filters.weekday_day("2027-02-02") == "2027 年 2 月 2 日（周二）"
        assert filters.full_day("2036-05-11") == "2036 年 5 月 11 日"


def test_examples_in_docstrings_run():
    assert doctest.testmod(filters).failed == 0


def test_the_gallery_is_for_demo_nodes_only():
    with browser(demo=False) as client:
        assert client.get("/dev/components").status_code == 404
    with browser() as client:
        assert client.get("/dev/components").status_code == 200
