"""Step 0 应用上架: withdraw, register, machine gate, a second person, publish; seen on three nodes with one digest."""

from __future__ import annotations

import time

from tongban.main.demo.tour.story import Step, Story
from tongban.main.demo.visitor import Form, NotAsExpected, Page

REGISTRAR, REVIEWER = "SC-YY-01", "SC-YY-02"
APP = "企业开办"
NODES = ("510000", "cn", "500000")


def app_fields(form: Form, item: str, name: str) -> dict[str, str | list[str]]:
    """What the registrar fills in for an app of that item."""
    return {
        "name": name, "owner_name": "成都市市场监督管理局（演示）", "owner_org": item[:18], "division": "510100",
        "items": next(one for one in form.choices["items"] if one.startswith(item)), "channels": ["h5", "pc"],
        "contact_unit": "企业登记科（演示）", "contact_phone": "028-12345678", "available": "99.5", "answer_ms": "2000",
        "support_hours": "工作日 9:00 到 17:00",
    }  # fmt: skip


async def _wait_everywhere(story: Story, *, published: bool) -> float:
    """Seconds until the three nodes agree that the item is (not) to be had; all with one digest."""
    item, started = story.kept["item"], time.perf_counter()
    while True:
        answers = [await story.json(f"{story.addresses[node]}/api/items/{item}") for node in NODES]
        states = {str(body.get("status")) if status == 200 else str(status) for status, body in answers}
        if published and states == {"published"}:
            digests = {str(body.get("digest")) for _, body in answers}
            if len(digests) == 1:
                story.kept["digest"] = digests.pop()
                return time.perf_counter() - started
        if not published and "published" not in states:
            return time.perf_counter() - started
        if time.perf_counter() - started > 15:
            raise NotAsExpected(f"after 15 s the nodes {NODES} say {states}")


async def withdraw(story: Story) -> None:
    """The published app is taken away, everywhere in seconds."""
    found = await story.browser("visitor").get(story.owner + "/search?q=内资公司设立登记")
    registrar = await story.staff("registrar", "510000", REGISTRAR)
    page = await registrar.get(story.owner + "/staff/apps/new")
    form = page.form(has="items")
    story.kept["item"] = next(one for one in form.choices["items"] if one.startswith("11510100")).split(":")[0]
    running = [href for text, href in (await registrar.get(story.owner + "/staff/apps")).links if text == APP]
    reviewer = await story.staff("reviewer", "510000", REVIEWER)
    for href in running:
        page = await reviewer.get(story.owner + href if href.startswith("/") else href)
        forms = [one for one in page.forms if ("act", "withdraw") in one.buttons]
        if forms:
            await reviewer.submit(forms[0], {"reason": "换新版本（演示）"}, button=("act", "withdraw"))
            story.kept["withdraw_seconds"] = f"{await _wait_everywhere(story, published=False):.2f}"
    found.must("内资公司设立登记")


async def bad_app(story: Story) -> None:
    """A bad app is stopped by the gate, with a report that names the rule and its fix."""
    registrar = await story.staff("registrar", "510000", REGISTRAR)
    page = await registrar.get(story.owner + "/staff/apps/new")
    form = page.form(has="items")
    values = app_fields(form, story.kept["item"], f"没有写全的应用 {story.number}（演示）")
    page = await registrar.submit(form, values | {"pages": "/no-such-page-of-ours"}, button=("act", "register"))
    page = await machine_check(registrar_page=page, story=story)
    page.must("怎么改")
    if any(("act", "publish") in one.buttons for one in page.forms):
        raise NotAsExpected("an app that failed the gate can be published")


async def machine_check(registrar_page: Page, story: Story) -> Page:
    """The registrar lets the gate run; the page with its report."""
    registrar = story.browser("registrar")
    return await registrar.submit(button_form(registrar_page, "check"), {}, button=("act", "check"))


def button_form(page: Page, act: str) -> Form:
    """The form with the button of that act, NotAsExpected when it is not offered."""
    for form in page.forms:
        if ("act", act) in form.buttons:
            return form
    raise NotAsExpected(f"{page.url} offers no “{act}”: {page.text[:900]}")


async def register_and_publish(story: Story) -> None:
    """Registered by one, checked by the machine, reviewed and published by another; the registrar may not approve."""
    registrar = await story.staff("registrar", "510000", REGISTRAR)
    page = await registrar.get(story.owner + "/staff/apps/new")
    form = page.form(has="items")
    page = await registrar.submit(form, app_fields(form, story.kept["item"], APP), button=("act", "register"))
    page = await machine_check(page, story)
    if any(("act", "approve") in one.buttons for one in page.forms):
        raise NotAsExpected("the registrar is offered to approve the own app")
    address = page.url
    reviewer = await story.staff("reviewer", "510000", REVIEWER)
    page = await reviewer.get(address)
    page = await reviewer.submit(button_form(page, "approve"), {"reason": "查过指南、表单和两种模式（演示）"}, button=("act", "approve"))
    await reviewer.submit(button_form(page, "publish"), {"channels": ["h5", "pc"]}, button=("act", "publish"))
    story.kept["publish_seconds"] = f"{await _wait_everywhere(story, published=True):.2f}"


STEPS: tuple[Step, ...] = (
    ("0a 旧应用下架，三个节点都看不到", withdraw),
    ("0b 不合格的应用被机器检查拦下", bad_app),
    ("0c 登记、检查、另一人审核、发布，三个节点同一个指纹", register_and_publish),
)
