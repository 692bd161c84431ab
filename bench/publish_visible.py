"""Publish a service app in 四川 → all five nodes show its item with one digest, and withdraw → none does: seconds, five times.
Measured from pressing the button, its answer inside.
"""

import asyncio
import statistics
import time

from _line import line
from _nation import nation, story

from tongban.main.demo.tour import apps
from tongban.main.demo.tour.story import Story
from tongban.main.demo.visitor import Page

TIMES, WANTED = 5, 5.0  # seconds


async def until_all(one: Story, started: float, *, published: bool) -> float:
    """Seconds until all five nodes agree."""
    while True:
        answers = await asyncio.gather(*(one.json(f"{base}/api/items/{one.kept['item']}") for base in one.addresses.values()))
        shown = [body.get("digest") for status, body in answers if status == 200 and body.get("status") == "published"]
        if (published and len(shown) == len(answers) and len(set(shown)) == 1) or (not published and not shown):
            return time.perf_counter() - started
        if time.perf_counter() - started > 30:
            said = {node: (status, body.get("status")) for node, (status, body) in zip(one.addresses, answers, strict=True)}
            raise RuntimeError(f"after 30 s the nodes say {said}")
        await asyncio.sleep(0.05)


def done(page: Page) -> None:
    """The act went through: RuntimeError with what the page says instead."""
    if page.status != 200 or "出错了" in page.text:
        raise RuntimeError(f"{page.url} ({page.status}): {page.text[:600]}")


async def publish(one: Story) -> float:
    """Registered, checked, approved by another; the clock runs from the button that publishes."""
    registrar = await one.staff("registrar", "510000", apps.REGISTRAR)
    page = await registrar.get(one.owner + "/staff/apps/new")
    form = page.form(has="items")
    page = await registrar.submit(form, apps.app_fields(form, one.kept["item"], apps.APP), button=("act", "register"))
    page = await apps.machine_check(page, one)
    reviewer = await one.staff("reviewer", "510000", apps.REVIEWER)
    one.kept["app"] = page.url
    page = await reviewer.get(page.url)
    page = await reviewer.submit(apps.button_form(page, "approve"), {"reason": "演示"}, button=("act", "approve"))
    form, started = apps.button_form(page, "publish"), time.perf_counter()
    done(await reviewer.submit(form, {"channels": ["h5", "pc"]}, button=("act", "publish")))
    return await until_all(one, started, published=True)


async def withdraw(one: Story) -> float:
    """The clock runs from the button that withdraws."""
    reviewer = await one.staff("reviewer", "510000", apps.REVIEWER)
    form = apps.button_form(await reviewer.get(one.kept["app"]), "withdraw")
    started = time.perf_counter()
    done(await reviewer.submit(form, {"reason": "演示"}, button=("act", "withdraw")))
    return await until_all(one, started, published=False)


async def main() -> None:
    async with nation(19800) as made, story(made) as one:
        await apps.withdraw(one)  # and names the item
        out, back = [], []
        for _ in range(TIMES):
            out.append(await publish(one))
            back.append(await withdraw(one))
        print("published everywhere after", [round(each, 2) for each in out], "s; gone after", [round(each, 2) for each in back], "s")
        print(f"medians {statistics.median(out):.2f} s and {statistics.median(back):.2f} s; the lines below give the worst")
        print(line("publish-visible", max(out), "s", max(out) / WANTED, "5-s-publish-to-all-five-nodes", 1.0, at_most=True))
        print(line("withdraw-visible", max(back), "s", max(back) / WANTED, "5-s-withdraw-to-all-five-nodes", 1.0, at_most=True))


asyncio.run(main())
