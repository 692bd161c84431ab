"""People with browsers for the journeys: a citizen who signs in and fills a form by hand, a member of staff, a camera."""

from __future__ import annotations

import io
import os
import re
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest
from PIL import Image, ImageDraw

from tongban.main.demo.nation import Nation
from tongban.main.demo.tour.person import answers
from tongban.main.demo.tour.story import Invented, Story
from tongban.main.demo.visitor import Visitor, read_page

COMPANY, MEDICAL, RESIDENCE = "内资公司设立登记", "异地就医结算备案", "居住证签注"


if os.environ.get("TONGBAN_RUNNING_NATION"):  # a folder and a first port, `/tmp/x:19400`: a quick loop while writing journeys

    @pytest.fixture(scope="session")
    async def nation() -> Nation:
        folder, _, port = os.environ["TONGBAN_RUNNING_NATION"].partition(":")
        return Nation(Path(folder), port_base=int(port))


def photo(words: str = "DEMO DOCUMENT", size: tuple[int, int] = (900, 640)) -> bytes:
    """A readable picture of an invented document."""
    picture = Image.new("RGB", size, "white")
    pen = ImageDraw.Draw(picture)
    pen.rectangle((20, 20, size[0] - 20, size[1] - 20), outline="black", width=3)
    pen.text((60, 60), words, fill="black")
    out = io.BytesIO()
    picture.save(out, "PNG")
    return out.getvalue()


async def lend(page: Any, visitor: Visitor) -> None:
    """Give a browser page the cookies of a visitor, so that it goes on where the visitor stands."""
    devtools = await page.context.new_cdp_session(page)
    for host, jar in visitor.cookies.items():
        for name, value in jar.items():
            await devtools.send(
                "Network.setCookie",
                {"name": name, "value": value, "url": f"https://{host}/", "secure": name.startswith("__Host-"), "path": "/"},
            )
    await devtools.detach()


class Person:
    """Somebody at one browser page."""

    def __init__(self, page: Any) -> None:
        self.page = page
        page.set_default_timeout(15_000)

    @property
    def main(self) -> Any:
        return self.page.locator("main")

    async def text(self) -> str:
        """Every word on the page."""
        return str(await self.page.locator("body").inner_text())

    async def press(self, name: str) -> None:
        """Press the first button or link that shows exactly these words and wait for the next page."""
        said = re.compile(rf"^\s*{re.escape(name)}\s*$")
        await self.page.locator("main :is(button, a):not(.vh):visible").filter(has_text=said).first.click()
        await self.page.wait_for_load_state()

    async def until(self, url: str, words: str, *, seconds: float = 20) -> None:
        """Reload as a person would until the page says `words`."""
        for _ in range(int(seconds / 0.25)):
            await self.page.goto(url)
            if words in await self.text():
                return
            await self.page.wait_for_timeout(250)
        raise AssertionError(f"{url} does not say “{words}” in {seconds} s: {await self.text()}")


class Citizen(Person):
    """One invented person at one phone."""

    def __init__(self, page: Any, story: Story) -> None:
        super().__init__(page)
        self.story = story

    @property
    def who(self) -> Invented:
        return self.story.person

    @property
    def home(self) -> str:
        return self.story.home

    async def code(self) -> str:
        """The one-time code in the demo text message shown on the page."""
        shown = re.search(r"验证码 ?(\d{6})", await self.text())
        assert shown, await self.text()
        return shown[1]

    async def sign_in(self) -> None:
        """From /login to wherever `next` leads: phone, code, number, name."""
        await self.page.get_by_label("手机号，或者身份证号").fill(self.who.phone)
        await self.press("发验证码")
        await self.page.get_by_label("短信验证码").fill(await self.code())
        number = self.page.get_by_label("身份证号")
        if await number.count():
            await number.fill(self.who.number)
        await self.press("登录")
        if "/login/name" in self.page.url:
            await self.page.get_by_label("姓名").fill(self.who.name)
            await self.press("核对并登录")

    async def face(self) -> None:
        """The demo face check."""
        await self.page.get_by_label("我同意这一次用人脸照片核验本人").check()
        await self.press("刷脸核验")

    async def put(self, name: str, value: str) -> None:
        """Answer one question as a person does: choose, tick or type."""
        radio = self.main.locator(f'input[name="{name}"][value="{value}"]')
        if await radio.count():
            await radio.check()
        elif await self.main.locator(f'select[name="{name}"]').count():
            await self.main.locator(f'select[name="{name}"]').select_option(value)
        else:
            await self.main.locator(f'[name="{name}"]').fill(value)

    async def missing(self) -> dict[str, str | list[str]]:
        """What this page asks that no register knew: the tour's own answers for its empty fields."""
        read = read_page(self.page.url, 200, {"content-type": "text/html"}, (await self.page.content()).encode())
        form = next(one for one in read.forms if ("_act", "next") in one.buttons)
        return answers(self.story, form)

    async def fill_page(self, more: dict[str, str] | None = None) -> int:
        """Type what is missing on this page of the form; how many answers it took."""
        typed = {**await self.missing(), **(more or {})}
        for name, value in typed.items():
            for one in [value] if isinstance(value, str) else value:
                if one:
                    await self.put(name, one)
        files = self.main.locator('input[type="file"]')
        for at in range(await files.count()):
            await files.nth(at).set_input_files([{"name": "材料（演示）.png", "mimeType": "image/png", "buffer": photo()}])
        return len(typed)

    async def fill(self, more: dict[str, str] | None = None, *, until: str = "/check") -> int:
        """Page by page to the check page; how many answers were typed."""
        count = 0
        for _ in range(16):
            if self.page.url.endswith(until):
                return count
            at = self.page.url
            count += await self.fill_page(more)
            await self.press("继续")
            assert self.page.url != at, await self.main.inner_text()
        raise AssertionError(f"the form does not end, now at {self.page.url}")


class Clerk(Person):
    """A member of staff at one desk."""

    def __init__(self, page: Any, base: str) -> None:
        super().__init__(page)
        self.base = base

    async def sign_in(self, key: str) -> None:
        """With a demo certificate."""
        await self.page.goto(self.base + "/staff/login?next=/desk")
        await self.page.locator(f'input[name="key"][value="{key}"]').check()
        await self.press("用证书登录")
        assert "/staff/login" not in self.page.url, await self.text()

    async def act(self, name: str) -> None:
        """Press a button at the desk; nothing may be refused."""
        await self.press(name)
        assert not (await self.page.title()).startswith("出错了"), await self.main.inner_text()


@pytest.fixture
async def invent(nation: Nation) -> AsyncIterator[Callable[[], Awaitable[Story]]]:
    """`await invent()`: a story with a newly invented person and this nation's addresses; no two of a test have one name."""
    made: list[Story] = []

    async def make() -> Story:
        addresses = {node: nation.settings(node).base_url for node in nation.members}
        story = Story(addresses, as_json=True, number=1, folder=nation.folder)
        taken = {one.person.name for one in made}
        made.append(story)
        while (await story.invent()).name in taken:
            pass
        return story

    yield make
    for story in made:
        await story.__aexit__(None, None, None)


@pytest.fixture
async def citizen(phone: Any, invent: Callable[[], Awaitable[Story]]) -> Callable[..., Awaitable[Citizen]]:
    """`await citizen(javascript=False)`: a new invented person at a phone of their own, not yet signed in."""

    async def make(**how: Any) -> Citizen:
        return Citizen(await phone(**how), await invent())

    return make


@pytest.fixture
async def clerk(phone: Any, nation: Nation) -> Callable[..., Awaitable[Clerk]]:
    """`await clerk("CD-SJ-01")`: a member of staff of 四川, or of another node, signed in at a desk."""

    async def make(key: str, node: str = "510000") -> Clerk:
        one = Clerk(await phone(width=1280, height=800), nation.settings(node).base_url)
        await one.sign_in(key)
        return one

    return make


@pytest.fixture
def lending() -> Callable[[Any, Visitor], Awaitable[None]]:
    return lend


@pytest.fixture
async def stranger() -> AsyncIterator[Visitor]:
    """A browser without JavaScript of nobody in particular."""
    async with Visitor() as one:
        yield one
