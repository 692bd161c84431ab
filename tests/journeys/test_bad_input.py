"""Bad input over real HTTP: each gets a clear Chinese sentence, the right status, and nothing typed is lost."""

from __future__ import annotations

import asyncio
import io
import re
from collections.abc import Awaitable, Callable
from typing import Any

import asyncpg
import pytest

from tongban.main.demo.nation import Nation
from tongban.main.demo.tour import desk, person
from tongban.main.demo.tour.story import Story, one_time_code
from tongban.main.demo.visitor import Form, Page, Visitor

pytestmark = pytest.mark.nation
Invent = Callable[[], Awaitable[Story]]
MEGABYTE = 1024 * 1024


def said(page: Page, status: int, *words: str, form: bool = False) -> None:
    """The status, the words, Chinese throughout, and for a form page the title and the summary of ux.md 1.2."""
    assert page.status == status, (page.url, page.status, page.text[:600])
    for word in words:
        assert word in page.text, page.text[:900]
    assert not re.search(r"\b(error|invalid|forbidden|exception|traceback|null|none)\b", page.text, re.IGNORECASE), page.text[:600]
    if form or status == 422:
        assert "<title>出错了：" in page.body.decode(), page.text[:200]
        assert re.search(r"有 \d+ 处要改", page.text), page.text[:400]


def kept(page: Page, **typed: str) -> None:
    """What was typed stands in the form again."""
    fields = {name: value for form in page.forms for name, value in form.fields}
    for name, value in typed.items():
        assert fields.get(name) == value, (name, fields.get(name), value)


def step_form(page: Page) -> Form:
    return next(one for one in page.forms if any(name == "_act" for name, _ in one.buttons))


def files(form: Form, content: Any = person.PICTURE, name: str = "材料（演示）.png", media: str = "image/png") -> dict[str, Any]:
    return {one: (name, content, media) for one in form.choices if one.startswith("material-")}


def noise(megabytes: int) -> Any:
    """A picture by its first bytes, of that size."""
    return io.BytesIO(b"\x89PNG\r\n\x1a\n" + b"x" * (megabytes * MEGABYTE))


async def signed_in(story: Story, who: Visitor | None = None) -> Visitor:
    """Signed in at home, at the guide of the company item."""
    her = who or story.browser("her")
    page = await her.get(f"{story.home}/search?q=内资公司设立登记")
    story.kept["item"] = next(href for _, href in page.links if href.startswith("/s/")).split("/")[2]
    await her.get(f"{story.home}/s/{story.kept['item']}")
    await person.sign_in_with(her, await her.follow("/login"), story.person)
    return her


async def to_the_name_page(story: Story) -> Page:
    """The page that asks for the company's name."""
    her = await signed_in(story)
    page = await her.submit(her.page.form(action="/apply"))
    while "company_name" not in step_form(page).names():
        page = await her.submit(step_form(page), person.answers(story, step_form(page)), button=("_act", "next"))
    return page


async def to_the_materials(story: Story) -> Page:
    page = await to_the_name_page(story)
    for _ in range(12):
        if page.url.endswith("/materials"):
            return page
        page = await story.browser("her").submit(step_form(page), person.answers(story, step_form(page)), button=("_act", "next"))
    raise AssertionError(f"no page for materials, at {page.url}")


async def test_signing_in_with_wrong_things(invent: Invent, nation: Nation) -> None:
    story = await invent()
    who = story.person
    her = story.browser("her")
    page = await her.get(story.home + "/login")
    page = await her.submit(page.form(has="who"), {"who": "1380000"})
    said(page, 422, "11 位")
    kept(page, who="1380000")

    page = await her.submit(page.form(has="who"), {"who": who.phone})
    code = one_time_code(page)
    wrong = who.number[:-1] + ("1" if who.number[-1] != "1" else "2")
    page = await her.submit(page.form(has="number"), {"code": code, "number": wrong})
    said(page, 422, "身份证号")
    kept(page, number=wrong)

    page = await her.submit(page.form(has="number"), {"code": f"{(int(code) + 1) % 10**6:06d}", "number": who.number})
    said(page, 422, "验证码")
    kept(page, number=who.number)

    page = await her.submit(page.form(has="number"), {"code": code, "number": who.number})
    page = await her.submit(page.form(has="name"), {"name": "演示错名", "number": who.number})
    said(page, 422, "姓名")
    kept(page, name="演示错名")
    page = await her.submit(page.form(has="name"), {"name": who.name, "number": who.number})
    assert page.status == 200
    assert "/login" not in page.url, page.text[:300]

    late = story.browser("late")
    page = await late.get(story.home + "/login")
    page = await late.submit(page.form(has="who"), {"who": "13877770009"})
    code = one_time_code(page)
    connection = await asyncpg.connect(nation.settings("500000").database_url)
    try:  # six minutes pass
        await connection.execute("UPDATE login_tx SET code_until = now() - interval '1 second' WHERE step = 'code'")
    finally:
        await connection.close()
    page = await late.submit(page.form(has="code"), {"code": code, "number": who.number})
    said(page, 410, "验证码", "重新", form=True)


async def test_missing_and_undeclared_fields(invent: Invent) -> None:
    story = await invent()
    page = await to_the_name_page(story)
    her, at = story.browser("her"), page.url
    page = await her.submit(step_form(page), {"company_name": "", "favourite_colour": "蓝"}, button=("_act", "next"))
    said(page, 422)
    assert "蓝" not in page.text, "an undeclared field is not taken"
    assert page.url == at

    page = await her.submit(step_form(page), {"company_name": "成"}, button=("_act", "next"))
    if page.status == 422:
        kept(page, company_name="成")
    unknown = await her.get(at.rsplit("/", 1)[0] + "/no-such-step")
    said(unknown, 404)
    early = await her.get(at.rsplit("/", 1)[0] + "/check")
    form = next((one for one in early.forms if ("_act", "submit") in one.buttons), None)
    assert form is not None
    page = await her.submit(form, {"declared": "true"}, button=("_act", "submit"))
    said(page, 422)


async def test_uploads_too_large_or_lying(invent: Invent) -> None:
    story = await invent()
    page = await to_the_materials(story)
    her, at = story.browser("her"), page.url
    form = step_form(page)
    assert files(form), "a material is asked for"
    page = await her.submit(form, {}, button=("_act", "next"), files=files(form, noise(11)))
    assert page.status in {413, 422}, page.status
    assert re.search(r"\d+ ?MB|兆", page.text), page.text[:500]
    page = await her.get(at)
    page = await her.submit(step_form(page), {}, button=("_act", "next"), files=files(form, noise(13)))
    said(page, 413)
    page = await her.get(at)
    page = await her.submit(step_form(page), {}, button=("_act", "next"), files=files(form, b"MZ this is a program" * 200))
    said(page, 422)
    page = await her.submit(step_form(page), {}, button=("_act", "next"), files=files(form, b"<html><script>1</script></html>" * 50, "x.pdf", "application/pdf"))
    said(page, 422)
    page = await her.submit(step_form(page), {}, button=("_act", "next"), files=files(form))
    assert page.status == 200, page.text[:300]
    assert page.url != at


async def test_twice_and_in_two_tabs(invent: Invent) -> None:
    story = await invent()
    await signed_in(story)
    await person.fill(story)
    her = story.browser("her")
    other = story.browser("other tab")  # the same person, the same cookies, another page open
    other.cookies = her.cookies
    first = await her.get(story.kept["check"].replace("/check", "/") + _first_step(story, her))
    stale = await other.get(first.url)

    page = await her.get(story.kept["check"])
    form = next(one for one in page.forms if ("_act", "submit") in one.buttons)
    page = await her.submit(form, {"declared": "true"}, button=("_act", "submit"))
    await person.face(her, page)
    page = await her.get(story.kept["check"])
    form = next(one for one in page.forms if ("_act", "submit") in one.buttons)
    other.page = page
    both = await asyncio.gather(*(tab.submit(form, {"declared": "true"}, button=("_act", "submit")) for tab in (her, other)))
    assert {one.url for one in both} == {story.kept["check"].replace("/check", "/submitted")}, [one.url for one in both]
    assert all(one.status == 200 for one in both)
    cases = await her.get(story.home + "/cases")
    assert cases.text.count("内资公司设立登记") == 1, cases.text

    other.page = stale
    page = await other.submit(step_form(stale), {}, button=("_act", "next"))
    if page.status == 403:  # the sign-in has changed since that page was opened: it says so, and goes on
        page.must("你填的都在")
        page = await other.submit(next(one for one in page.forms if "/apply/" in one.action), {})
    assert page.url.endswith("/submitted"), "a page left open cannot change what was submitted"
    page.must("办件号")
    page = await her.get(story.kept["check"])
    assert page.url.endswith("/submitted")


def _first_step(story: Story, her: Visitor) -> str:
    link = next(href for _, href in her.page.links if f"/apply/{story.kept['check'].split('/')[-2]}/" in href)
    return link.split("?")[0].rsplit("/", 1)[1]


async def test_session_gone_in_the_middle_of_a_form(invent: Invent) -> None:
    story = await invent()
    page = await to_the_name_page(story)
    her, form = story.browser("her"), step_form(page)
    typed = person.answers(story, form)
    her.cookies["500000.localhost"].pop("__Host-tb_s")
    page = await her.submit(form, typed, button=("_act", "next"))
    page.must("你填的都在" if page.status == 403 else "刚才填的都在")
    kept(page, company_name=story.kept["company"])
    for _ in range(4):
        again = page
        if "先登录" in page.text:
            tab = await her.get(page.link("/login"))  # in a new page, as the words say
            await person.sign_in_with(her, tab, story.person)
            her.page = again
        page = await her.submit(again.form(has="company_name"), {}, button=("_act", "next"))
        if page.url != form.action and page.status == 200 and "company_name" not in {name for one in page.forms for name in one.names()}:
            break
        kept(page, company_name=story.kept["company"])
    page = await her.get(form.action)
    assert page.status == 200
    kept(page, company_name=story.kept["company"])


async def test_people_who_are_not_meant(invent: Invent) -> None:
    story, stranger = await invent(), await invent()
    await signed_in(story)
    await person.fill(story)
    await person.submit(story)
    await person.delivered(story)
    other = await signed_in(stranger)
    case = story.kept["case"]
    for path in (f"/cases/{case}", f"/cases/{case}/withdraw", f"/cases/{case}/correct", f"/apply/{case}/check", f"/review/{case}"):
        page = await other.get(story.home + path)
        assert page.status in {403, 404}, (path, page.status)
        assert story.person.name not in page.text
        said(page, page.status)
    await desk.stranger(story)
    clerk = story.browser("stranger")
    said(clerk.page, 403)
    page = await clerk.get(story.owner + "/staff/apps")
    said(page, 403)
    nobody = story.browser("nobody")
    page = await nobody.get(f"{story.owner}/desk/{case}")
    assert "/staff/login" in page.url
    page = await nobody.get(f"{story.home}/cases/{case}")
    assert "/login" in page.url
