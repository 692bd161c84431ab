"""kill -9 at each arrow of signing in, roaming, stepping up, signing out, moving and correcting (identity.md 6; R-301, R-303, R-304).

At every arrow the node that works on it is killed while the request is on its way; then the person does what people
do: looks again, and tries again. Counted before and after: one account, one session for each redeemed code, no
session of anybody else, and after signing out none alive anywhere.
"""

from __future__ import annotations

import asyncio
import os
import signal
import time
from collections import Counter
from urllib.parse import quote, urljoin, urlsplit

import aiohttp
import asyncpg
import pytest

from tongban.identity.queries.sessions import hashed
from tongban.main.demo.tour import person
from tongban.main.demo.tour.story import one_time_code
from tongban.main.demo.visitor import read_page

HOME, AWAY, HUB, REGISTER = "500000", "510000", "cn", "mps"
LOST = (aiohttp.ClientError, OSError, TimeoutError)
MOMENT = 0.02
"""Seconds after a request left at which its node is killed."""
COOKIE = "__Host-tb_s"


async def rows(nation, node, sql, *values):
    connection = await asyncpg.connect(nation.settings(node).database_url)
    try:
        return await connection.fetch(sql, *values)
    finally:
        await connection.close()


async def count(nation, node, sql, *values):
    (row,) = await rows(nation, node, f"SELECT count(*) AS n FROM {sql}", *values)
    return row["n"]


async def killed(nation, node, *presses, also=()):
    """What acts gave although a node was killed under all of them at once, None where the answer was lost.

    Several people at several arrows share one kill: a node is away for seconds, and they are what counts.
    """
    sending = [asyncio.create_task(press()) for press in presses]
    await asyncio.sleep(MOMENT)  # the moment of the kill is the fault that is tried
    await asyncio.gather(*(nation.kill(one) for one in (node, *also)))
    given = await asyncio.gather(*sending, return_exceptions=True)
    for one in given:
        if isinstance(one, BaseException) and not isinstance(one, LOST):
            raise one
    return [None if isinstance(one, BaseException) else one for one in given]


async def hop(browser, url):
    """One request of a browser without following where it leads: (status, next address)."""
    jar = browser.cookies.setdefault(urlsplit(url).hostname or "", {})
    headers = {"Accept": "text/html", "Cookie": "; ".join(f"{name}={value}" for name, value in jar.items())}
    async with browser._http.session.get(url, headers=headers, allow_redirects=False) as answer:
        content = await answer.read()
        browser._keep(jar, answer)
        browser.page = read_page(url, answer.status, {name.lower(): value for name, value in answer.headers.items()}, content)
        return answer.status, urljoin(url, answer.headers.get("Location", ""))


async def subject_of(nation, node, browser):
    value = browser.cookies.get(f"{node}.localhost", {}).get(COOKIE, "")
    found = await rows(nation, node, "SELECT subject FROM session WHERE cookie_hash = $1", hashed(value))
    return found[0]["subject"] if found else None


async def finish(browser, home, who, page):
    """From whatever page of signing in to the end, as a person would."""
    for _ in range(6):
        if page is None or page.status >= 500:
            page = await browser.get(home + "/login?next=/cases")
        names = {name for form in page.forms for name in form.names()}
        if page.url == home + "/cases":
            return page
        if "who" in names:
            page = await browser.submit(page.form(has="who"), {"who": who.phone})
        elif "code" in names:
            typed = {"code": one_time_code(page)}
            if "number" in page.form(has="code").names():
                typed["number"] = who.number
            page = await browser.submit(page.form(has="code"), typed)
        elif "name" in names:
            page = await browser.submit(page.form(has="name"), {"name": who.name, "number": who.number})
        else:
            page = await browser.get(home + "/login?next=/cases")
    raise AssertionError(f"not signed in: {browser.page.url} {browser.page.text[:300]}")


@pytest.mark.parametrize(("arrows", "node"), [(("who", "code", "name"), HOME), (("name",), REGISTER)])
async def test_first_sign_in_opens_one_account_whatever_is_killed(nation, story, arrows, node):
    """6.1: the phone, the code, the name; home and register. Three new people, each at another arrow when it dies."""
    home, before, people, presses = story.home, await count(nation, HOME, "account"), [], []
    for arrow in arrows:
        who = await story.invent()
        browser = story.browser(f"{arrow}-{node}")
        people.append((browser, who))
        page = await browser.get(home + "/login?next=/cases")
        for name in ("who", "code", "name"):
            form = page.form(has=name)
            values = {"who": {"who": who.phone}, "name": {"name": who.name, "number": who.number}}.get(name)
            if values is None:
                values = {"code": one_time_code(page), "number": who.number}
            if name == arrow:
                presses.append(lambda browser=browser, form=form, values=values: browser.submit(form, values))
                break
            page = await browser.submit(form, values)
    pressed = await killed(nation, node, *presses)
    for (browser, who), page in zip(people, pressed, strict=True):
        await finish(browser, home, who, page)
        subject = await subject_of(nation, HOME, browser)
        if subject.startswith("n"):
            (entry,) = await rows(nation, REGISTER, "SELECT home FROM register_entry WHERE subject = $1", subject)
            assert entry["home"] == HOME
        assert await count(nation, HOME, "person WHERE subject = $1", subject) == 1
    assert await count(nation, HOME, "account") == before + len(arrows), "one account each"


@pytest.fixture
async def signed(nation, story):
    """Her browser, signed in at home, and her subject."""
    her = story.browser("her")
    await person.sign_in_with(her, await her.get(story.home + "/login?next=/cases"), story.person)
    subject = await subject_of(nation, HOME, her)
    assert subject is not None
    assert subject.startswith("n")
    return her, subject


async def alive(nation, node, subject):
    return await count(nation, node, "session WHERE subject = $1 AND revoked_at IS NULL", subject)


async def visit_fits(nation, subject, *, most):
    """Every session there is hers, came from a session here, and there are no more than codes were redeemed."""
    there = await rows(nation, AWAY, "SELECT home, home_sid::text AS sid FROM session WHERE subject = $1", subject)
    here = {str(row["id"]) for row in await rows(nation, HOME, "SELECT id FROM session WHERE subject = $1", subject)}
    codes = await rows(nation, HOME, "SELECT used_at FROM oidc_code WHERE subject = $1 AND client = $2", subject, AWAY)
    assert {row["home"] for row in there} == {HOME}
    assert {row["sid"] for row in there} <= here
    assert 1 <= len(there) <= sum(row["used_at"] is not None for row in codes) <= most


@pytest.mark.parametrize(("node", "arrows"), [(HOME, ("start", "authorize", "callback")), (AWAY, ("start", "callback"))])
async def test_silent_roaming_goes_on_after_a_kill_at_each_arrow(nation, story, signed, node, arrows):
    """6.2: V pushes to A, the browser at A, the browser back at V, V redeems at A. Her browsers stand at each arrow when it dies."""
    her, subject = signed
    start = f"{story.owner}/login?next={quote('/me/access?from=' + HOME, safe='')}"
    hops, browsers = [], []
    for arrow in arrows:
        browser = story.browser(f"visit-{arrow}-{node}")
        browser.cookies["500000.localhost"] = her.cookies["500000.localhost"]
        url = start
        for name in ("start", "authorize", "callback"):
            if name == arrow:
                break
            status, url = await hop(browser, url)
            assert status == 303, f"{name}: {browser.page.text[:300]}"
        browsers.append(browser)
        hops.append(lambda browser=browser, url=url: hop(browser, url))
    await killed(nation, node, *hops)
    for arrow, browser in zip(arrows, browsers, strict=True):
        page = await browser.get(start)
        if "/login" in page.url:  # a home that was away a moment ago is not asked again silently; she presses 去登录
            browser.cookies["510000.localhost"].pop("__Host-tb_noroam", None)
            page = await browser.get(f"{story.owner}/login/go?home={HOME}&next=/me/access")
        assert page.url.startswith(story.owner + "/me/access"), f"after {arrow} {node}: {page.url} {page.text[:300]}"
    await visit_fits(nation, subject, most=2 * len(arrows))


async def test_finding_the_home_goes_on_after_the_hub_is_killed_at_each_arrow(nation, story, signed):
    """6.2, the home unknown: the hub's page, the number typed there, the handle V redeems. Two browsers when the hub dies."""
    (her, subject), discover = signed, f"{story.addresses[HUB]}/discover?v={AWAY}&to=/me/access"
    before = [await count(nation, HOME, "account"), await count(nation, HUB, "home_index")]
    looking, typing = both = story.browser("looking"), story.browser("typing")
    looking.cookies["500000.localhost"] = typing.cookies["500000.localhost"] = her.cookies["500000.localhost"]
    form = (await typing.get(discover)).form(has="who")
    await killed(nation, HUB, lambda: hop(looking, discover), lambda: typing.submit(form, {"who": story.person.phone}))
    for one in both:
        page = await one.get(discover)
        if "/discover" in page.url:
            page = await one.submit(page.form(has="who"), {"who": story.person.phone})
        if not page.url.startswith(story.owner + "/me/access"):  # V has no word of the hub yet: she chooses the place (6.4)
            page = await one.get(f"{story.owner}/login/go?home={HOME}&next=/me/access")
        assert page.url.startswith(story.owner + "/me/access"), f"{page.url} {page.text[:300]}"
    await visit_fits(nation, subject, most=4)
    assert before == [await count(nation, HOME, "account"), await count(nation, HUB, "home_index")]


async def test_step_up_of_a_visitor_keeps_one_session_whatever_is_killed(nation, story, signed):
    """6.3: the face check at A, the way back at V: one session there, at level 3, and what was open is kept."""
    her, subject = signed
    her.cookies.pop("510000.localhost", None)
    await her.get(f"{story.owner}/me/access?from={HOME}")
    before = await alive(nation, AWAY, subject)
    for node in (HOME, AWAY):
        page = await her.get(f"{story.owner}/step-up?level=3&next=/me/access")
        if "/step-up" in page.url:
            await killed(nation, node, lambda page=page: person.face(her, page))
        page = await her.get(f"{story.owner}/step-up?level=3&next=/me/access")
        if "/step-up" in page.url:
            page = await person.face(her, page)
        assert page.url == story.owner + "/me/access", f"{node}: {page.url} {page.text[:300]}"
        await rows(nation, AWAY, "UPDATE session SET acr = 2 WHERE subject = $1", subject)
        await rows(nation, HOME, "UPDATE session SET acr = 2 WHERE subject = $1", subject)
    assert await alive(nation, AWAY, subject) == before == 1, "one session there, raised and not doubled"


async def everywhere_out(nation, her, subject, *, seconds):
    """Seconds until no session of hers is alive at either node, by their own tables."""
    started = time.monotonic()
    while time.monotonic() - started < seconds:
        if not await alive(nation, HOME, subject) and not await alive(nation, AWAY, subject):
            return time.monotonic() - started
        await asyncio.sleep(0.05)
    raise AssertionError(f"alive after {seconds} s: home {await alive(nation, HOME, subject)}, away {await alive(nation, AWAY, subject)}")


async def press_sign_out(her, url):
    page = await her.get(url + "/me")
    form = next((one for one in page.forms if one.action.endswith("/logout")), None)
    return None if form is None else lambda: her.submit(form)


@pytest.mark.parametrize("node", [AWAY, HOME])
async def test_signing_out_at_the_visited_node_ends_all_whatever_is_killed(nation, story, signed, node):
    """6.5: V is killed under the button, or A while V tells it; all is ended in five seconds after both are back."""
    her, subject = signed
    await her.get(f"{story.owner}/me/access?from={HOME}")
    assert await alive(nation, AWAY, subject) >= 1
    press = await press_sign_out(her, story.owner)
    assert press is not None
    await killed(nation, node, press)
    again = await press_sign_out(her, story.owner)
    if again is not None:
        await again()
    assert "/login" in (await her.get(story.owner + "/me/devices")).url, "the cookie here is dead whatever happens after"
    await everywhere_out(nation, her, subject, seconds=5)


async def push_given_up(nation):
    """All tries of the home to push the end are over: its job is ended."""
    return not await count(nation, HOME, "pgqueuer WHERE entrypoint = 'identity.push_logout' AND status IN ('queued', 'picked')")


async def test_an_end_at_home_reaches_a_node_that_was_cut_off_within_five_seconds(nation, story, signed):
    """6.5, R-303: V hears nothing while she signs out at A, neither push nor letter; the moment it hears again she is out there."""
    her, subject = signed
    await her.get(f"{story.owner}/me/access?from={HOME}")
    assert await alive(nation, AWAY, subject) >= 1
    process = nation.members[AWAY].process
    os.kill(process.pid, signal.SIGSTOP)
    try:
        press = await press_sign_out(her, story.home)
        await press()
        assert await alive(nation, HOME, subject) == 0
        assert await alive(nation, AWAY, subject) >= 1, "it cannot have heard"
        await soon(lambda: push_given_up(nation))  # from then on the letter alone can bring it
    finally:
        os.kill(process.pid, signal.SIGCONT)
    spent = await everywhere_out(nation, her, subject, seconds=5)
    assert "/login" in (await her.get(story.owner + "/me/access")).url
    assert spent < 5


async def soon(look, *, seconds=30):
    """The first true answer of `look`."""
    started = time.monotonic()
    while time.monotonic() - started < seconds:
        if found := await look():
            return found
        await asyncio.sleep(0.05)
    raise AssertionError(f"not within {seconds} s: {await look()}")


async def ring(nation, node, bell):
    await rows(nation, node, "SELECT pg_notify('tongban_bell', $1)", bell)


async def kill_all(nation, *nodes):
    """Several at once, each started again by its watcher."""
    await asyncio.gather(*(nation.kill(node) for node in nodes))


async def test_a_move_arrives_once_whatever_is_killed(nation, story, signed):
    """6.6: B asks A, A lets go, the hub carries the letter, the register turns, B opens, the hub's index turns."""
    her, subject = signed
    await her.get(f"{story.owner}/me/access?from={HOME}")
    page = await her.get(f"{story.owner}/step-up?level=3&next=/me/home")
    if "/step-up" in page.url:
        await person.face(her, page)

    async def asking():
        page = await her.get(story.owner + "/me/home")
        form = next((one for one in page.forms if one.action.endswith("/me/home/move")), None)
        return None if form is None else lambda: her.submit(form)

    await killed(nation, HOME, await asking())  # A, while B asks it
    again = await asking()
    if again is not None:
        await again()
    assert await asking() is None, "asked, and answered"
    assert await count(nation, HOME, "account_move WHERE subject = $1 AND side = 'from' AND state = 'waiting'", subject) == 1
    await rows(nation, HOME, "UPDATE account_move SET due_at = now() - interval '1 second' WHERE subject = $1", subject)
    await ring(nation, HOME, "identity.moves")
    await kill_all(nation, HOME, REGISTER, HUB)  # A while it lets go, the hub with the letter, the register before it is asked

    async def let_go():
        await ring(nation, HOME, "identity.moves")
        return await count(nation, HOME, "account WHERE subject = $1 AND status = 'moved'", subject)

    await soon(let_go)
    await nation.kill(AWAY)  # B, with the parcel or just before it

    async def opened():
        await ring(nation, AWAY, "identity.moves")
        return await count(nation, AWAY, "account WHERE subject = $1 AND status = 'open'", subject)

    await soon(opened)
    (entry,) = await rows(nation, REGISTER, "SELECT home FROM register_entry WHERE subject = $1", subject)
    assert entry["home"] == AWAY
    assert await count(nation, HOME, "account WHERE subject = $1 AND status <> 'moved'", subject) == 0, "one account in the nation"
    assert await count(nation, HOME, 'outbox WHERE kind = \'account.moved\' AND "to" = $1', AWAY) == 1, "let go once"
    assert await alive(nation, HOME, subject) == 0
    states = {row["state"] for node in (HOME, AWAY) for row in await rows(nation, node, "SELECT state FROM account_move WHERE subject = $1", subject)}
    assert states == {"released", "opened"}

    async def indexed():
        return await count(nation, HUB, "home_index WHERE home = $1", AWAY) >= 2

    assert await soon(indexed), "number and phone lead to the new home"


async def test_a_correction_arrives_once_whatever_is_killed(nation, story, signed):
    """6.7: opened at A, carried by the hub, confirmed at the register's owner, told to every node."""
    her, subject = signed
    await her.get(f"{story.owner}/me/access?from={HOME}")
    page = await her.get(story.home + "/me/disputes/new")
    form, right = page.form(has="claimed"), story.person.name + "彤"
    await killed(nation, HOME, lambda: her.submit(form, {"attribute": "name", "claimed": right, "note": "登记时写错了（演示）"}), also=(HUB,))
    if not await count(nation, HOME, "dispute WHERE subject = $1", subject):
        page = await her.get(story.home + "/me/disputes/new")
        await her.submit(page.form(has="claimed"), {"attribute": "name", "claimed": right, "note": "登记时写错了（演示）"})
    (opened,) = await rows(nation, HOME, "SELECT id FROM dispute WHERE subject = $1", subject)
    dispute = str(opened["id"])
    await soon(lambda: count(nation, REGISTER, "dispute_desk WHERE id = $1", dispute))
    page_of = f"{story.addresses[REGISTER]}/staff/disputes/{dispute}"
    first, second = await story.staff("first", REGISTER, "GA-HJ-01"), await story.staff("second", REGISTER, "GA-HJ-02")
    await first.submit((await first.get(page_of)).form(has="uphold"), {"uphold": "yes", "reason": "看过户口簿，属实（演示）"})
    agree = {"agree": "yes", "reason": "复核无误（演示）"}
    page = await second.get(page_of)
    await killed(nation, REGISTER, lambda: second.submit(page.form(has="agree"), agree))
    page = await second.get(page_of)
    form = next((one for one in page.forms if "agree" in one.names()), None)
    if form is not None:
        await second.submit(form, agree)
    await kill_all(nation, HUB, AWAY)  # with the news

    def applied(node):
        return lambda: count(nation, node, "correction WHERE subject = $1 AND attribute = 'name'", subject)

    await soon(applied(HOME))
    await soon(applied(AWAY))
    assert await count(nation, REGISTER, "register_version WHERE subject = $1", subject) == 1, "one new version"
    assert [await applied(node)() for node in (HOME, AWAY)] == [1, 1]
    (decided,) = await rows(nation, HOME, "SELECT state FROM dispute WHERE subject = $1", subject)
    assert decided["state"] == "upheld"
    told = await rows(nation, HOME, "SELECT kind FROM message WHERE subject = $1 AND kind = 'identity.corrected'", subject)
    assert len(told) == 1


async def test_a_home_that_is_away_is_said_plainly(nation, story, signed):
    """identity.md 11 `home_away`, in the weather itself: the home is dead, whoever wants to go there to sign in reads why."""
    await nation.kill(HOME, again=False)
    visitor = story.browser("stranger")
    page = await visitor.get(f"{story.owner}/login/go?home={HOME}&next=/me")
    assert page.status == 503
    page.must("重庆市暂时连不上", "不用重填")


async def test_nobody_was_made_twice_and_every_code_was_redeemed_once(nation, story):
    """Counts over all that these tests did: no two accounts of a person, no two visitors of a session of home at once."""
    accounts = await rows(nation, HOME, "SELECT subject FROM account")
    assert max(Counter(row["subject"] for row in accounts).values()) == 1
    phones = await rows(nation, HOME, "SELECT bi_phone FROM account WHERE status = 'open' AND bi_phone IS NOT NULL")
    assert max(Counter(row["bi_phone"] for row in phones).values()) == 1, "two accounts of one phone"
    used = await rows(nation, HOME, "SELECT code_hash FROM oidc_code WHERE used_at IS NOT NULL")
    assert len({row["code_hash"] for row in used}) == len(used)
    assert await count(nation, HUB, "session WHERE kind = 'citizen'") == 0, "the hub keeps no session for anybody"
