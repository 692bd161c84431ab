"""Submit on 重庆's node → the clerk's page of 四川 shows the case: seconds, median and worst of ten. Measured from pressing
the button, with its answer, the letter, its receiving, and the look at the desk, every 50 ms, all inside.
"""

import asyncio
import statistics
import time

from _line import line
from _nation import nation, published, story

from tongban.main.demo.tour import desk, person
from tongban.main.demo.tour.story import Story

TIMES, WANTED = 10, 2.0  # seconds


async def once(one: Story) -> tuple[float, float]:
    """(seconds until her page had a number, seconds until the desk of 四川 has the case)."""
    her = one.browser("her")
    page = await her.get(one.kept["check"])
    form = next(found for found in page.forms if ("_act", "submit") in found.buttons)
    clerk = await one.staff("acceptor", "510000", desk.ACCEPTOR)
    started = time.perf_counter()
    page = await her.submit(form, {"declared": "true"}, button=("_act", "submit"))
    numbered = time.perf_counter() - started
    if not page.url.endswith("/submitted"):
        raise RuntimeError(f"not submitted: {page.url} {page.text[:300]}")
    case = page.url.rsplit("/", 2)[1]
    while True:
        shown = await clerk.get(f"{one.owner}/desk/{case}")
        if shown.status == 200 and one.kept["company"] in shown.text:
            return numbered, time.perf_counter() - started
        if time.perf_counter() - started > 30:
            raise RuntimeError(f"not at the desk after 30 s: {shown.status} {shown.text[:300]}")
        await asyncio.sleep(0.05)


async def main() -> None:
    async with nation(19700) as made, story(made) as one:
        await published(one)
        await person.fill(one)
        await person.submit(one)  # asks for level 3, once
        seen = []
        for _ in range(TIMES):
            one.kept.pop("company")
            await one.browser("her").get(f"{one.home}/s/{one.kept['item']}")
            await person.fill(one)
            seen.append(await once(one))
        print("numbered after", [round(first, 2) for first, _ in seen], "s; at the desk after", [round(second, 2) for _, second in seen], "s")
        median, worst = statistics.median(second for _, second in seen), max(second for _, second in seen)
        print(line("submit-visible-median", median, "s", median / WANTED, "2-s-submit-to-desk", 1.0, at_most=True))
        print(line("submit-visible-worst", worst, "s", worst / WANTED, "2-s-submit-to-desk", 1.0, at_most=True))


asyncio.run(main())
