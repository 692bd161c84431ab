"""Steps 1–4 找到、登录、填表、提交: a resident of 重庆 sets up a company in 成都 from her own province's page."""

from __future__ import annotations

import secrets
from datetime import timedelta

from tongban.kernel.clock import SystemClock
from tongban.main.demo.tour.story import Invented, Step, Story, one_time_code
from tongban.main.demo.visitor import Form, NotAsExpected, Page, Visitor

WORDS = ("注册公司", "zhuce gongsi", "开公司")
_STEPS_AT_MOST = 16


async def find(story: Story) -> None:
    """Everyday words and pinyin find 四川's item first; its page says how long, how much, how many trips."""
    her = story.browser("her")
    await story.until(lambda: her.get(f"{story.home}/search?q={WORDS[0]}"), "开始办理", seconds=5)
    for words in WORDS:
        page = await her.get(f"{story.home}/search?q={words}")
        first = next((href for _, href in page.links if href.startswith("/s/")), "")
        if story.kept["item"] not in first:
            raise NotAsExpected(f"“{words}” finds {first or 'nothing'} first, not {story.kept['item']}")
    page = await her.get(f"{story.home}/s/{story.kept['item']}")
    page.must("成都", "多久", "趟")


async def sign_in(story: Story) -> None:
    """Name and number against the register at `mps`, a one-time code: level 2, and back where she was."""
    await story.invent()
    page = await story.browser("her").follow("/login")
    page = await sign_in_with(story.browser("her"), page, story.person)
    if story.kept["item"] not in page.url:
        raise NotAsExpected(f"signed in, but at {page.url} and not back at the item")


async def sign_in_with(browser: Visitor, page: Page, who: Invented) -> Page:
    """Phone, code with the number, and for a first time name and number (首次登录)."""
    page = await browser.submit(page.form(has="who"), {"who": who.phone})
    form = page.form(has="code")
    values: dict[str, str | list[str]] = {"code": one_time_code(page)}
    if "number" in form.names():
        values["number"] = who.number
    page = await browser.submit(form, values)
    if any("name" in one.names() for one in page.forms):
        page = await browser.submit(page.form(has="name"), {"name": who.name, "number": who.number})
    return page


async def fill(story: Story) -> None:
    """The form knows what the registers know and says from where; she types only what nobody knows."""
    her = story.browser("her")
    page = await her.submit(her.page.form(action="/apply"))
    for _ in range(_STEPS_AT_MOST):
        if page.url.endswith("/check"):
            break
        form = next((one for one in page.forms if any(name == "_act" for name, _ in one.buttons)), None)
        if form is None:
            raise NotAsExpected(f"no form at {page.url}: {page.text[:400]}")
        page = await her.submit(form, answers(story, form), button=("_act", "next"), files=_files(form))
        if page.status == 422:
            raise NotAsExpected(f"refused at {page.url}: {page.text[:700]}")
    else:
        raise NotAsExpected(f"more than {_STEPS_AT_MOST} pages; now at {page.url}: {page.text[:300]}")
    sources = page.text.count("人口登记") + page.text.count("电子证照：居民身份证")
    if sources < 3:
        raise NotAsExpected(f"only {sources} answers name register or card; name, number and address should: {page.text[:900]}")
    page.must(story.person.name[0])
    story.kept["check"] = page.url


def answers(story: Story, form: Form) -> dict[str, str | list[str]]:
    """What she types: only for fields of this page that are empty."""
    who = story.person
    story.kept.setdefault("company", f"成都{secrets.choice('锦云川江蜀天')}{secrets.choice('石林泉舟帆岚')}{secrets.randbelow(9000) + 1000}演示科技有限公司")
    names = form.names()
    typed: dict[str, str | list[str]] = {
        "company_name": story.kept["company"], "company_type": "limited", "business_scope": ["软件开发", "技术服务"],
        "needs_permit": "false", "capital": "50",
        "capital_due": (SystemClock().today() + timedelta(days=1500)).isoformat(),
        "members.0.name": who.name, "members.0.number": who.number, "members.0.amount": "30" if "members.1.name" in names else "50",
        "members.1.name": "演示乙", "members.1.number": "510104198811200338", "members.1.amount": "20",
        "officers.0.role": "director", "officers.0.name": who.name, "officers.0.number": who.number,
        "officers.1.role": "supervisor", "officers.1.name": "演示乙", "officers.1.number": "510104198811200338",
        "finance_name": "", "district": "510104", "address": "演示路 18 号 3 幢 502 室", "premises": "other",
        "mobile": who.phone, "delivery": "electronic", "hall": "500103",
    }  # fmt: skip
    filled = {name for name, value in form.fields if value}
    found = {name: value for name, value in typed.items() if name in names and name not in filled}
    for name, options in form.choices.items():
        value = found.get(name)
        if isinstance(value, str) and options and value not in options:
            found[name] = options[0]
    return found


def _files(form: Form) -> dict[str, tuple[str, bytes, str]]:
    return {name: ("材料（演示）.png", PICTURE, "image/png") for name in form.choices if name.startswith("material-")}


async def submit(story: Story) -> None:
    """Level 3 is asked before she submits, only the difference; then a case number at once."""
    her = story.browser("her")
    page = await _declare(her, her.page)
    if "/step-up" in page.url:
        page = await face(her, page)
        page = await _declare(her, await her.get(story.kept["check"]))
    if not page.url.endswith("/submitted"):
        raise NotAsExpected(f"not submitted, at {page.url} ({page.status}): {page.text[:700]}")
    story.kept["case"] = page.url.rsplit("/", 2)[1]
    page.must("办件号")
    story.kept["submitted_text"] = page.text[:300]


async def _declare(her: Visitor, page: Page) -> Page:
    form = next((one for one in page.forms if ("_act", "submit") in one.buttons), None)
    if form is None:
        raise NotAsExpected(f"nothing to submit at {page.url} ({page.status}): {page.text[:500]}")
    return await her.submit(form, {"declared": "true"}, button=("_act", "submit"))


async def face(her: Visitor, page: Page) -> Page:
    """The demo face check: one button, and back to where she came from (演示人脸核验)."""
    form = next((one for one in page.forms if "/step-up" in one.action), None)
    if form is None:
        raise NotAsExpected(f"no way to step up at {page.url}: {page.text[:500]}")
    values: dict[str, str | list[str]] = {}
    for name, options in form.choices.items():
        values[name] = "works" if "works" in options else options[0] if options else "on"
    return await her.submit(form, values, button=form.buttons[0] if form.buttons else None)


async def delivered(story: Story) -> None:
    """The letter reaches 四川; her page says 已送达."""
    her = story.browser("her")
    spent = await story.until(lambda: her.get(f"{story.home}/cases/{story.kept['case']}"), "受理部门收到了", seconds=10)
    story.kept["delivered_seconds"] = f"{spent:.2f}"


async def submit_again(story: Story) -> None:
    """Back and a second submit: the same case, the same number."""
    her = story.browser("her")
    page = await her.get(story.kept["check"])
    if not page.url.endswith("/submitted"):
        page = await _declare(her, page)
    if story.kept["case"] not in page.url:
        raise NotAsExpected(f"a second submit led to {page.url}")


# a real 1×1 PNG is refused as too small to read, so this draws a small readable picture
def _draw() -> bytes:
    import io

    from PIL import Image, ImageDraw

    picture = Image.new("RGB", (900, 640), "white")
    pen = ImageDraw.Draw(picture)
    pen.rectangle((20, 20, 880, 620), outline="black", width=3)
    pen.text((60, 60), "DEMO DOCUMENT", fill="black")
    out = io.BytesIO()
    picture.save(out, "PNG")
    return out.getvalue()


PICTURE = _draw()

STEPS: tuple[Step, ...] = (
    ("1  注册公司、zhuce gongsi、开公司都能找到成都的公司设立登记", find),
    ("2  姓名证号对上户籍登记，验证码登录", sign_in),
    ("3  表单已经填好知道的，只填没人知道的", fill),
    ("4a 要三级就只补人脸，提交马上有编号", submit),
    ("4b 信送到四川，显示已送达", delivered),
    ("4c 再交一次还是同一件", submit_again),
)
