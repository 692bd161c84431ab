"""Steps 6–7 执照到手、扫码亮证: in her wallet in seconds, printed by a hall of 重庆, shown at a bank, refused a minute later."""

from __future__ import annotations

import asyncio
import re
import time

from tongban.main.demo import control
from tongban.main.demo.tour.desk import act
from tongban.main.demo.tour.picture import photograph
from tongban.main.demo.tour.story import Step, Story
from tongban.main.demo.visitor import NotAsExpected, Page

HALL, HALL_CLERK, REGISTRAR = "CQ-YZ-01", "YZ-DT-01", "CQ-YY-01"
BANK = "演示银行 春晓路支行"
_LIFE_SECONDS = 60


async def in_wallet(story: Story) -> None:
    """四川 issues the licence; within seconds it is in her wallet on 重庆's page, with a sealed document."""
    her = story.browser("her")
    spent = await story.until(lambda: her.get(story.home + "/wallet"), story.kept["company"][:6], seconds=15)
    story.kept["wallet_seconds"] = f"{spent:.2f}"
    story.kept["card"] = her.page.link("营业执照")
    page = await her.get(story.kept["card"])
    page.must("有效", "1.2.156.3005.2.", story.kept["company"])
    document = await her.get(page.link("document.ofd"))
    if document.status != 200 or not document.body.startswith(b"PK") or b"SignedValue.dat" not in document.body:
        raise NotAsExpected(f"the sealed document is not one: {document.status}, {len(document.body)} bytes")


async def printed_in_a_hall(story: Story) -> None:
    """She asks for paper at a hall of 重庆; the clerk checks her, prints once, hands over; both sides keep it."""
    her = story.browser("her")
    page = await her.get(story.kept["card"])
    page = await her.submit(act(page, "print"), {"hall": HALL})
    clerk = await story.staff("hall", "500000", HALL_CLERK)
    async def queue() -> Page:
        page = await clerk.get(story.home + "/desk/prints")
        waiting = [href for text, href in page.links if "/desk/prints/" in href and story.kept["company"][:4] in text]
        page.text += " ARRIVED " + waiting[-1] if waiting else ""
        return page

    spent = await story.until(queue, "ARRIVED", seconds=15)
    story.kept["print_order_seconds"] = f"{spent:.2f}"
    page = await clerk.get(clerk.page.text.rsplit(" ", 1)[1])
    job = page.url
    shown = await story.until(lambda: her.get(story.kept["card"]), "取证码", seconds=10)
    found = re.search(r"取证码\D{0,12}(\d{4} ?\d{4})", her.page.text)
    if found is None:
        raise NotAsExpected(f"her page shows no code after {shown:.1f} s: {her.page.text[:900]}")
    page = await clerk.get(job)
    blank = f"CQ{int(time.time() * 1000) % 10**10:010d}"
    page = await clerk.submit(act(page, "print"), {"identity": "yes", "code": found[1], "blank_no": blank})
    if page.status >= 400:
        raise NotAsExpected(f"printing was refused: {page.text[:500]}")
    page = await clerk.get(job)
    page = await clerk.submit(act(page, "hand-over"), {"received_by": story.person.name})
    if page.status >= 400:
        raise NotAsExpected(f"hand-over was refused: {page.text[:500]}")
    await story.until(lambda: her.get(story.kept["card"]), "领", seconds=10)


async def bank_registers(story: Story) -> None:
    """A bank becomes a verifier unit: its purpose fixes what it may ask; its browser is bound by a code."""
    registrar = await story.staff("cq-registrar", "500000", REGISTRAR)
    page = await registrar.get(story.home + "/staff/verifiers")
    page.must(BANK)
    form = next((one for one in page.forms if ("act", "code") in one.buttons), None)
    if form is None:
        raise NotAsExpected(f"no button for a new enrolment code: {page.text[:400]}")
    page = await registrar.submit(form, {}, button=("act", "code"))
    found = re.search(r"登记码\D*?([0-9A-Za-z]{4}[ -]?[0-9A-Za-z]{4}[ -]?[0-9A-Za-z]{4})", page.text.replace("登记码只显示", ""))
    if found is None:
        raise NotAsExpected(f"no enrolment code: {page.status} {page.text[:700]}")
    bank = story.browser("bank")
    page = await bank.get(story.home + "/verify/register")
    page = await bank.submit(page.form(has="label"), {"code": found[1], "label": "柜台 07（演示）"})
    if page.status >= 400:
        raise NotAsExpected(f"the bank could not register: {page.text[:400]}")
    page = await bank.get(story.home + "/verify")
    page.must(BANK)


async def _show(story: Story) -> bytes:
    her = story.browser("her")
    page = await her.get(story.kept["card"].rstrip("/") + "/show?d=least")
    return photograph(page.body)


async def _verify(story: Story, picture: bytes) -> Page:
    bank = story.browser("bank")
    page = await bank.get(story.home + "/verify")
    return await bank.submit(page.form(has="code"), {"code": ""}, files={"photo": ("photo.png", picture, "image/png")})


async def shown(story: Story) -> None:
    """She chooses what to show; the bank's browser, not signed in, sees just that and a verdict."""
    picture = await _show(story)
    page = await _verify(story, picture)
    page.must("有效", story.kept["company"])
    if story.person.name in page.text or story.person.number in page.text:
        raise NotAsExpected("the bank sees more than was chosen")
    again = await _verify(story, picture)
    if again.status < 400 and "用过" not in again.text:
        raise NotAsExpected(f"the same code was taken twice: {again.text[:300]}")
    story.kept["old_picture_at"] = str(time.time())
    story.kept["old_picture"] = (await _show(story)).hex()


async def owner_away(story: Story) -> None:
    """四川 stopped: 重庆's verifier still checks signature, time and the last known status, and says how old that is."""
    said = await control.ask(story.folder / "control", "stop", "510000")
    if "done" not in said:
        raise NotAsExpected(said)
    try:
        page = await _verify(story, await _show(story))
        page.must("有效", "状态")
    finally:
        said = await control.ask(story.folder / "control", "start", "510000")
    if "done" not in said:
        raise NotAsExpected(said)


async def records(story: Story) -> None:
    """She sees who looked."""
    her = story.browser("her")
    page = await her.get(story.kept["card"].rstrip("/") + "/records")
    page.must(BANK)


async def old_picture(story: Story) -> None:
    """A screenshot more than 60 s old is refused."""
    left = float(story.kept["old_picture_at"]) + _LIFE_SECONDS + 2 - time.time()
    if left > 0:
        await asyncio.sleep(left)  # the claim is about a minute passing
    page = await _verify(story, bytes.fromhex(story.kept["old_picture"]))
    if story.kept["company"] in page.text:
        raise NotAsExpected(f"a screenshot older than a minute was taken: {page.text[:300]}")
    page.must("过期")


STEPS: tuple[Step, ...] = (
    ("6a 执照几秒钟进了重庆的亮证，带电子印章", in_wallet),
    ("6b 重庆的大厅打印交付，异地互发", printed_in_a_hall),
    ("7a 银行登记成查验方", bank_registers),
    ("7b 出示：只给看选的，同一个码不能用第二次", shown),
    ("7c 四川离线，照样核对，说清状态是什么时候的", owner_away),
    ("7d 她看得到谁看过", records),
)
LATER: tuple[Step, ...] = (("7e 过了 60 秒，同一张图不行了", old_picture),)
