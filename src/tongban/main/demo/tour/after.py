"""Steps 8–10 评价、漫游、退出、存证: a review nobody can trace, no second sign-in, sign-out everywhere, a receipt to check."""

from __future__ import annotations

import asyncio
import json
import sys
import tempfile
from pathlib import Path

from tongban.kernel.gm import unb64
from tongban.kernel.settings import CODE_ROOT
from tongban.main.demo.tour.licence import LATER
from tongban.main.demo.tour.story import Step, Story
from tongban.main.demo.visitor import NotAsExpected, Page

CHECKER = CODE_ROOT / "docs" / "check_receipt.py"


async def review(story: Story) -> None:
    """Five levels, none chosen; counted once."""
    her = story.browser("her")
    url = f"{story.home}/review/{story.kept['case']}"
    page = await her.get(url)
    form = page.form(has="grade")
    if any(name == "grade" for name, _ in form.fields):
        raise NotAsExpected("a grade is chosen already")
    if len(form.choices["grade"]) != 5:
        raise NotAsExpected(f"grades are {form.choices['grade']}")
    await her.submit(form, {"grade": "5", "text": "很快（演示）"})
    page = await her.get(url)
    page.must("评过了")


async def clerk_cannot_see(story: Story) -> None:
    """The clerk's pages do not say who gave the review."""
    lead = await story.staff("feedback", "510000", "SC-PJ-01")
    page = await lead.get(story.owner + "/staff/reviews")
    for secret in (story.person.name, story.person.number, story.person.phone, story.kept["case"]):
        if secret in page.text:
            raise NotAsExpected("the review desk shows who gave the review")


async def roam(story: Story) -> None:
    """A link to 四川's own page: signed in without a prompt, same cases, same wallet."""
    her = story.browser("her")
    page = await her.get(f"{story.owner}/me?from=500000")
    if not page.url.startswith(story.owner + "/me"):
        raise NotAsExpected(f"roaming led to {page.url}: {page.text[:300]}")
    page.must(story.person.name[0])
    page = await her.get(story.owner + "/cases")
    page.must("内资公司设立登记")
    page = await her.get(story.owner + "/wallet")
    page.must("营业执照")


async def receipt(story: Story) -> None:
    """The receipt of the decision with its inclusion proof; a script that imports nothing of ours verifies it."""
    her = story.browser("her")
    case = f"{story.home}/cases/{story.kept['case']}"
    page = await her.get(case)
    proofs = [href for _, href in page.links if "/proof/" in href]
    if not proofs:
        raise NotAsExpected(f"no proof link on {case}: {[text for text, _ in page.links]}")
    answer = page
    for _ in range(20):
        answer = await her.get(proofs[-1])
        if answer.status != 503:
            break
        await asyncio.sleep(1)  # the page itself says: come back when the head is signed
    if answer.status != 200:
        raise NotAsExpected(f"the receipt is not to be had: {answer.status} {answer.body[:300]!r}")
    _, told = await story.json(story.addresses["cn"] + "/federation/directory")
    anchors = told.get("directory", {})
    root = unb64(anchors["anchors"][0]["cert"]) if isinstance(anchors, dict) else b""
    with tempfile.TemporaryDirectory() as folder:
        file, anchor = Path(folder) / "receipt.json", Path(folder) / "root.der"
        file.write_bytes(answer.body)
        anchor.write_bytes(root)
        process = await asyncio.create_subprocess_exec(
            sys.executable, "-I", "-S", str(CHECKER), str(file), "--root", str(anchor),
            stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.STDOUT,
        )  # fmt: skip
        said, _ = await process.communicate()
    if process.returncode != 0:
        raise NotAsExpected(f"the outside check says {process.returncode}: {said.decode()[-500:]}")
    story.kept["receipt"] = str(json.loads(answer.body).get("leaf", {}).get("kind", ""))


async def sign_out(story: Story) -> None:
    """She signs out at 四川; it ends at 重庆 too."""
    her = story.browser("her")
    page = await her.get(story.owner + "/me")
    form = next((one for one in page.forms if one.action.endswith("/logout")), None)
    if form is None:
        raise NotAsExpected(f"no way to sign out at {page.url}: {[one.action for one in page.forms]}")
    await her.submit(form)

    async def look() -> Page:
        page = await her.get(story.home + "/me")
        page.text += " SIGNED-OUT" if "/login" in page.url else ""
        return page

    await story.until(look, "SIGNED-OUT", seconds=8)


STEPS: tuple[Step, ...] = (
    ("8a 评价，五级，没有替她选", review),
    ("8b 工作人员看不到谁评的", clerk_cannot_see),
    ("9a 点到四川的页面，不用再登录", roam),
    ("10 决定的存证回执，用外面的脚本核对", receipt),
    *LATER,
    ("9b 退出，处处都退出", sign_out),
)
