"""Step 5 办理: a clerk of 成都 asks once for a correction; she corrects only that; three officers decide."""

from __future__ import annotations

from tongban.main.demo.tour.person import PICTURE
from tongban.main.demo.tour.story import Step, Story
from tongban.main.demo.visitor import Form, NotAsExpected, Page

ACCEPTOR, EXAMINER, APPROVER, STRANGER = "CD-SJ-01", "CD-SJ-02", "CD-SJ-03", "WH-SJ-01"


def act(page: Page, name: str) -> Form:
    """The form of the act `name`, NotAsExpected when it is not offered."""
    for form in page.forms:
        if form.action.rstrip("/").endswith("/" + name):
            return form
    raise NotAsExpected(f"{page.url} offers no “{name}”; it offers {[one.action for one in page.forms]}; {page.text[:300]}")


async def stranger(story: Story) -> None:
    """A clerk of another county gets a sentence, not the case."""
    other = await story.staff("stranger", "510000", STRANGER)
    page = await other.get(f"{story.owner}/desk/{story.kept['case']}")
    if page.status != 403 or story.person.number in page.text:
        raise NotAsExpected(f"another county's clerk got {page.status}: {page.text[:200]}")


async def ask_correction(story: Story) -> None:
    """The clerk sees the case, finds one material wrong and asks once, with the exact item."""
    clerk = await story.staff("acceptor", "510000", ACCEPTOR)
    page = await clerk.get(f"{story.owner}/desk?view=open")
    page.must("内资公司设立登记")
    page = await _wait_for_act(story, "acceptor", f"{story.owner}/desk/{story.kept['case']}", "correct")
    form = act(page, "correct")
    materials = [value for value in form.choices.get("defect", []) if value.startswith("material:")]
    chosen = next((one for one in materials if "premises" in one), materials[0] if materials else form.choices["defect"][0])
    story.kept["defect"] = chosen
    values: dict[str, str | list[str]] = {"defect": chosen}
    for name in form.names():
        if name.startswith("why-") and name == f"why-{chosen}":
            values[name] = "照片看不清门牌号，请重拍一张"
    page = await clerk.submit(form, values)
    if page.status == 422:
        raise NotAsExpected(f"the correction was refused: {page.text[:600]}")


async def correct(story: Story) -> None:
    """Her page shows the one thing; she corrects only that."""
    her, case = story.browser("her"), story.kept["case"]
    await story.until(lambda: her.get(f"{story.home}/cases/{case}"), "补", seconds=10)
    page = await her.get(f"{story.home}/cases/{case}/correct")
    form = next((one for one in page.forms if one.multipart), None)  # what was asked for is a material: the form takes files
    if form is None:
        raise NotAsExpected(f"nothing to correct at {page.url}: {page.text[:400]}")
    files = {name: ("房产证明（演示）.png", PICTURE, "image/png") for name in form.choices if name.startswith("material-")}
    values: dict[str, str | list[str]] = {"mobile": story.person.phone} if "mobile" in form.names() else {}
    page = await her.submit(form, values, files=files or None)
    if page.status == 422:
        raise NotAsExpected(f"her correction was refused: {page.text[:600]}")
    page.must("补的材料已交上去")


async def decide(story: Story) -> None:
    """The clerk accepts, the examiner reviews, the approver grants; each only their own part."""
    case = f"{story.owner}/desk/{story.kept['case']}"
    clerk = await story.staff("acceptor", "510000", ACCEPTOR)
    page = await _wait_for_act(story, "acceptor", case, "accept")
    page = await clerk.submit(act(page, "accept"), {"complete": "yes"})
    examiner = await story.staff("examiner", "510000", EXAMINER)
    page = await examiner.get(case)
    page = await examiner.submit(act(page, "review"))
    page = await examiner.get(case)
    form = act(page, "opinion")
    await examiner.submit(form, {"favourable": "yes", "opinion": "材料齐全，符合登记条件（演示）"})
    approver = await story.staff("approver", "510000", APPROVER)
    page = await approver.get(case)
    page = await approver.submit(act(page, "grant"))
    if page.status == 422:
        raise NotAsExpected(f"granting was refused: {page.text[:600]}")


async def _wait_for_act(story: Story, role: str, url: str, name: str) -> Page:
    browser = story.browser(role)

    async def look() -> Page:
        page = await browser.get(url)
        offered = any(one.action.rstrip("/").endswith("/" + name) for one in page.forms)
        page.text += " OFFERED" if offered else ""
        return page

    await story.until(look, "OFFERED", seconds=10)
    return browser.page


STEPS: tuple[Step, ...] = (
    ("5a 别的区县的工作人员看不到", stranger),
    ("5b 一次性告知，只点出一处", ask_correction),
    ("5c 她只改这一处", correct),
    ("5d 受理、审查、批准，三个岗位", decide),
)
