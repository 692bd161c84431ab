"""Walking a form and a desk 走表单: what every item has in common for a person with a browser, used by the tour and the tests."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from tongban.main.demo.tour.desk import act
from tongban.main.demo.tour.person import _declare, _files, face, sign_in_with
from tongban.main.demo.tour.story import Story
from tongban.main.demo.visitor import Form, NotAsExpected, Page, Visitor

Typed = Mapping[str, str | list[str]]
_PAGES_AT_MOST = 16


async def begin(story: Story, words: str, task_code: str) -> Page:
    """Find an item by everyday words on the home page, open its guide, sign in if nobody is, and begin (找到、登录、开始)."""
    her = story.browser("her")
    page = await her.get(f"{story.home}/search?q={words}")
    found = [href for _, href in page.links if href.startswith("/s/")]
    if not any(task_code in href for href in found):
        raise NotAsExpected(f"“{words}” finds {found[:5]}, not {task_code}")
    page = await her.get(f"{story.home}/s/{task_code}")
    if not any("/apply" in one.action for one in page.forms):  # nobody is signed in: the button leads there first
        page = await sign_in_with(her, await her.follow("/login?next=/s/"), story.person)
        page.must("开始办理")
    page = await her.submit(page.form(action="/apply"))
    if "/apply/" not in page.url:
        raise NotAsExpected(f"beginning {task_code} led to {page.url}: {page.text[:400]}")
    return page


async def fill_pages(her: Visitor, page: Page, answers: Callable[[Form], Typed]) -> Page:
    """Press 继续 from page to page until the check page; `answers` gives what is typed on one page (填表)."""
    for _ in range(_PAGES_AT_MOST):
        if page.url.endswith("/check"):
            return page
        form = next((one for one in page.forms if any(name == "_act" for name, _ in one.buttons)), None)
        if form is None:
            raise NotAsExpected(f"no form at {page.url}: {page.text[:400]}")
        page = await her.submit(form, dict(answers(form)), button=("_act", "next"), files=_files(form))
        if page.status == 422:
            raise NotAsExpected(f"refused at {page.url}: {page.text[:700]}")
    raise NotAsExpected(f"more than {_PAGES_AT_MOST} pages; now at {page.url}: {page.text[:300]}")


def only_empty(typed: Typed) -> Callable[[Form], Typed]:
    """Answers for the fields of a page that nothing has filled yet (只填空的)."""

    def answers(form: Form) -> Typed:
        filled = {name for name, value in form.fields if value}
        return {name: value for name, value in typed.items() if name in form.names() and name not in filled}

    return answers


async def hand_in(her: Visitor, check: Page) -> str:
    """Declare and submit, with the face check when the item asks it; the id of the case (提交)."""
    page = await _declare(her, check)
    if "/step-up" in page.url:
        await face(her, page)
        page = await _declare(her, await her.get(check.url))
    if not page.url.endswith("/submitted"):
        raise NotAsExpected(f"not submitted, at {page.url} ({page.status}): {page.text[:700]}")
    page.must("办件号")
    return page.url.rsplit("/", 2)[1]


async def desk_step(story: Story, clerk: tuple[str, str], case: str, name: str, values: Typed) -> Page:
    """One act of one clerk (node, staff number) on a case, as soon as the desk offers it (办一步)."""
    node, key = clerk
    browser = await story.staff(f"staff-{key}", node, key)
    url = f"{story.addresses[node]}/desk/{case}"

    async def look() -> Page:
        page = await browser.get(url)
        page.text += " OFFERED" if any(one.action.rstrip("/").endswith("/" + name) for one in page.forms) else ""
        return page

    await story.until(look, "OFFERED", seconds=15)
    page = await browser.submit(act(browser.page, name), dict(values))
    if page.status >= 400:
        raise NotAsExpected(f"{key} could not {name}: {page.status} {page.text[:600]}")
    return page
