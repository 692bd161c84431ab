"""R-301 as its row says, on the whole nation: log in, act for a company, submit for it, appoint an agent, remove the agent.

The company is the one she founded herself: the licence of 四川 makes it known to the register by letter.
"""

from __future__ import annotations

import pytest

from tongban.main.demo.tour import desk, person, walk
from tongban.main.demo.tour.story import Story

pytestmark = pytest.mark.nation
OFFICERS = ("510000", "CD-SJ-01")


async def founded(story):
    """She founds a company as in the tour; its name."""
    her = story.browser("her")
    page = await her.get(story.home + "/search?q=内资公司设立登记")
    story.kept["item"] = next(href for _, href in page.links if href.startswith("/s/")).split("/")[2]
    await her.get(f"{story.home}/s/{story.kept['item']}")
    await signed_in(story)
    for step in (person.fill, person.submit):
        await step(story)
    for _, step in desk.STEPS[1:]:
        await step(story)
    return story.kept["company"]


async def signed_in(story):
    her = story.browser("her")
    page = await her.follow("/login")
    await person.sign_in_with(her, page, story.person)


def banner(page):
    return "正在替" in page.text


async def act_for(her, base, words):
    """Through the switch page, one tap; with the face check when level 3 is asked for."""
    page = await her.get(base + "/me/switch")
    if "/login" in page.url:
        raise AssertionError(page.url)
    form = next(one for one in page.forms if one.action.endswith("/me/switch") and dict(one.fields).get("mandate") not in {"self", None})
    page = await her.submit(form)
    if "/step-up" in page.url:
        await person.face(her, page)
        page = await her.get(base + "/me/switch")
        form = next(one for one in page.forms if one.action.endswith("/me/switch") and dict(one.fields).get("mandate") not in {"self", None})
        page = await her.submit(form)
    page.must(words)
    assert banner(page), page.text[:300]
    return page


def typed(story, number):
    """What is typed for a second company: as in the tour, and who will represent it."""

    def answers(form):
        found = person.answers(story, form)
        filled = {name for name, value in form.fields if value}
        more = {
            "company_name": f"成都锦江演示分店{number}有限公司", "legal_name": story.person.name, "legal_number": story.person.number,
            "legal_address": story.person.address,
        }  # fmt: skip
        return {**found, **{name: value for name, value in more.items() if name in form.names() and name not in filled}}

    return answers


async def drafted(browser, base, item, answers):
    """The item begun and filled, up to its check page."""
    page = await browser.get(f"{base}/s/{item}")
    return await walk.fill_pages(browser, await browser.submit(page.form(action="/apply")), answers)


async def test_act_for_a_company_appoint_an_agent_and_remove_the_agent(story, nation):
    company = await founded(story)
    her, home = story.browser("her"), story.home

    async def asked():
        page = await her.get(home + "/me/switch")
        return await her.submit(page.form(action="/me/switch/ask"))

    await story.until(asked, company, seconds=20)
    page = await act_for(her, home, company)
    for path in ("/", "/cases", "/services", "/wallet", "/me/agents", "/help"):
        assert banner(await her.get(home + path)), f"no banner on {path}"
    page = await her.get(home + "/cases")
    assert story.kept["case"] not in str(page.links), "her own case is not the company's"
    check = await drafted(her, home, story.kept["item"], typed(story, story.kept["company"][2:8]))
    case = await walk.hand_in(her, check)
    clerk = await story.staff("staff-CD-SJ-01", *OFFICERS)

    async def at_desk():
        return await clerk.get(f"{story.owner}/desk/{case}")

    await story.until(at_desk, company, seconds=15)
    page = await at_desk()
    page.must(f"由{story.person.name}代{company}提交")

    # an agent, somebody else at the same home
    async with Story(story.addresses, as_json=False, number=2, folder=story.folder) as other:
        await other.invent()
        await other.browser("her").get(home + "/me/agents")
        page = await other.browser("her").get(home + "/login?next=/me/agents")
        await person.sign_in_with(other.browser("her"), page, other.person)
        page = await her.get(home + "/me/agents/new")
        if "/step-up" in page.url:
            page = await person.face(her, page)
            page = await her.get(home + "/me/agents/new")
        page = await her.submit(page.form(has="number"), {"name": other.person.name, "number": other.person.number})
        form = page.form(has="items")
        page = await her.submit(form, {"items": [story.kept["item"]], "acts": ["view", "draft", "submit", "receive"]})
        page = await her.submit(page.form(has="days"), {"days": "30"})
        page.must("看一遍", other.person.name)
        page = await her.submit(page.form(action="/me/agents/new"))
        page.must("发给对方了")
        agent = other.browser("her")
        page = await agent.get(home + "/messages")
        link = next(href for text, href in page.links if "/messages/" in href)
        page = await agent.get(home + link)
        mandate = page.url.rsplit("/", 1)[1]
        page = await agent.submit(page.form(action="/accept"))
        page = await act_for(agent, home, company)
        page = await agent.get(f"{home}/cases/{case}")
        page.must("受理部门")
        check = await drafted(agent, home, story.kept["item"], typed(story, "二号"))
        assert banner(check)
        done = await walk.hand_in(agent, check)
        check = await drafted(agent, home, story.kept["item"], typed(story, "三号"))
        # 停止授权, from the message
        await her.submit((await her.get(home + "/me/switch")).form(has="mandate"))
        page = await her.get(home + "/messages")
        page.must(f"{other.person.name}替{company}提交了申请")
        link = next(href for text, href in page.links if "停止授权" in text)
        page = await her.get(home + link)
        assert page.url.endswith(f"/me/agents/{mandate}/stop")
        page = await her.submit(page.form(action="/stop"))
        page.must("停了")
        page = await person._declare(agent, check)
        assert page.status == 403, f"{page.status} {page.url}"
        page.must("授权已经停了")
        page = await agent.get(f"{home}/cases/{done}")
        assert page.status == 404, "an ex-agent sees nothing of the company (T-87)"
        page = await agent.get(home + "/me")
        assert not banner(page)
        page.must("代办授权已经停了")
