"""A copy of everything on a phone 要一份副本 (R-409): five nodes answer, the word is shown once, the file opens with it."""

from __future__ import annotations

import pytest

from tongban.privacy.tests.make import unlock

pytestmark = [pytest.mark.browser, pytest.mark.nation]


async def test_a_whole_copy_from_five_nodes(citizen, tmp_path):
    """A person asks, is known by the face, waits, writes the word down and fetches the file, all without JavaScript."""
    her = await citizen(javascript=False)
    await her.page.goto(her.home + "/login?next=/me/rights")
    await her.sign_in()
    await her.main.get_by_role("link", name="要一份副本").click()
    await her.press("要全部的")
    await her.face()  # and what was pressed is done: nobody presses twice
    assert "正在收齐" in await her.text()
    page = her.page.url
    await her.until(page, "做好了，可以取", seconds=60)
    assert await her.main.get_by_text("取到了").count() == 5
    await her.press("看打开口令，再取文件")
    word = (await her.main.locator(".copyrow b").inner_text()).strip()
    async with her.page.expect_download() as coming:
        await her.main.get_by_role("button", name="抄好了，取文件").click()
    await (await coming.value).save_as(tmp_path / "copy.zip")
    files = unlock((tmp_path / "copy.zip").read_bytes(), word)
    everything = b"\n".join(files.values())
    for hers in (her.who.name, her.who.number, her.who.phone):
        assert hers.encode() in everything
    await her.page.goto(page)
    assert "取走了" in await her.text()
    assert word not in await her.text()
