"""The entrance, all services and the place: what is published here, seen at once, filtered without dead ends."""

from __future__ import annotations

import re
from datetime import date

import pytest

from tongban import cases, catalogue
from tongban.kernel.actor import SYSTEM
from tongban.kernel.errors import Failure
from tongban.space import pages, queries
from tongban.space.model import Todo
from tongban.space.pages import cache
from tongban.space.queries import places
from tongban.space.tests.make import PERMIT, browser, citizen


@pytest.fixture(scope="module", autouse=True)
async def shelves(node):
    await catalogue.set_up(node)
    await places.load_places(node)


async def publish(node, **channels):
    async with node.db.transaction() as tx:
        done = await catalogue.publish(tx, node, SYSTEM, PERMIT, 1, channels=("h5", "pc"))
        assert not isinstance(done, tuple), done


async def withdraw(node):
    async with node.db.transaction() as tx:
        await catalogue.withdraw(tx, node, SYSTEM, PERMIT)


@pytest.fixture
async def published(node):
    await publish(node)
    cache.shelf(node).checked = float("-inf")
    yield
    await withdraw(node)
    cache.shelf(node).checked = float("-inf")


async def test_an_empty_catalogue_says_so_and_offers_a_way(node):
    async with browser(node) as client:
        page = (await client.get("/")).text
    assert "还没有发布能在网上办的事" in page
    assert "12345" in page


async def test_the_entrance_shows_what_is_published(node, published):
    async with browser(node) as client:
        answer = await client.get("/")
    assert answer.status_code == 200
    assert f'href="/s/{PERMIT}"' in answer.text
    assert answer.text.count("<h1") == 1
    assert 'href="/login?next=/"' in answer.text
    assert "tb_token" not in answer.text
    assert "set-cookie" not in answer.headers
    assert len(answer.content) < 60_000


async def test_a_change_of_the_catalogue_is_seen_within_a_second(node, published, monkeypatch):
    async with browser(node) as client:
        first = await client.get("/")
        assert PERMIT in first.text
        await withdraw(node)
        now = cache.time.monotonic() + cache.FRESH_SECONDS
        monkeypatch.setattr(cache.time, "monotonic", lambda: now)
        assert PERMIT not in (await client.get("/")).text
        monkeypatch.undo()
        await publish(node)


async def test_the_kept_entrance_asks_the_database_nothing(node, published, monkeypatch):
    async with browser(node) as client:
        await client.get("/")

        async def never(*_):
            raise AssertionError("asked the database for a kept page")

        monkeypatch.setattr(queries, "public_part", never)
        cache.shelf(node).checked = cache.time.monotonic()
        monkeypatch.setattr(queries, "catalogue_changes", never)
        answer = await client.get("/")
        assert answer.status_code == 200
        again = await client.get("/", headers={"if-none-match": answer.headers["etag"]})
        assert again.status_code == 304


async def test_elder_entrance_has_at_most_seven_things(node, published):
    async with browser(node) as client:
        client.cookies.set("tb_mode", "elder")
        page = (await client.get("/")).text
    main = page.split("<main")[1].split("</main>")[0]
    assert "您好" in main
    assert len(re.findall(r"<a |<form", main)) <= 7


async def test_filters_carry_counts_and_dead_ones_are_not_offered(node, published):
    async with browser(node) as client:
        page = (await client.get("/services")).text
        assert f'href="/s/{PERMIT}"' in page
        assert "who=person" in page
        assert "who=organisation" not in page
        person = await client.get("/services?who=person")
        assert PERMIT in person.text
        nothing = await client.get("/services?department=没有这个部门")
    assert "这里还没有这一类的事" in nothing.text
    assert nothing.status_code == 200


async def test_a_place_is_looked_at_without_being_taken(node, published):
    async with browser(node) as client:
        page = await client.get("/region")
        assert "set-cookie" not in page.headers
        assert "渝中区" in page.text
        below = (await client.get("/region?under=500103")).text
        assert "用这里" in below
        assert "能办 1 项" in below
        taken = await client.post("/region", data={"place": "500103", "next": "/services"})
        assert (taken.status_code, taken.headers["location"]) == (303, "/services")
        assert "渝中区" in (await client.get("/")).text


@pytest.mark.parametrize(("place", "status"), [("999999", 404), ("", 404), ("500103'; --", 404)])
async def test_only_a_place_that_exists_can_be_taken(node, place, status):
    async with browser(node) as client:
        assert (await client.post("/region", data={"place": place})).status_code == status


async def test_a_place_is_found_by_name(node):
    async with browser(node) as client:
        assert "渝中区" in (await client.get("/region?q=渝中")).text
        assert "没有找到" in (await client.get("/region?q=不存在的地方")).text


async def test_going_back_from_the_place_never_leads_elsewhere(node):
    async with browser(node) as client:
        answer = await client.post("/region", data={"place": "500103", "next": "//evil.test"})
    assert answer.headers["location"] == "/"


@pytest.mark.parametrize("path", ["/help", "/privacy", "/accessibility", "/about"])
@pytest.mark.parametrize("mode", ["", "elder"])
async def test_pages_of_words(node, path, mode):
    async with browser(node) as client:
        client.cookies.set("tb_mode", mode)
        page = (await client.get(path)).text
    assert page.count("<h1") == 1
    assert ("您" in page) == (mode == "elder") or path in {"/accessibility", "/about"}


async def test_the_notice_says_where_to_mend_and_what_the_hub_sees(node):
    """R-409, federation.md N-15: a wrong value is mended here, and who writes to whom is visible to the hub."""
    async with browser(node) as client:
        page = (await client.get("/privacy")).text
    assert 'href="/me/disputes"' in page
    assert "看不到信里写什么" in page
    async with browser(node) as client:
        helped = (await client.get("/help")).text
    assert 'href="/transparency"' in helped, "no page leads to where a receipt is checked"
    assert 'href="/check-seal"' in helped


async def test_the_site_can_be_put_on_a_home_screen(node):
    async with browser(node) as client:
        manifest = (await client.get("/manifest.webmanifest")).json()
        assert manifest["start_url"] == "/"
        for icon in manifest["icons"]:
            assert (await client.get(icon["src"])).headers["content-type"] == "image/png"


async def test_ones_own_page_needs_a_sign_in(node):
    async with browser(node) as client:
        answer = await client.get("/me")
    assert (answer.status_code, answer.headers["location"]) == (303, "/login?next=/me")


async def test_ones_own_page_has_every_number_with_its_list(node):
    async with browser(node, citizen()) as client:
        answer = await client.get("/me")
    assert answer.status_code == 200
    for href in ("/cases", "/wallet", "/messages", "/me/data-use", "/me/consents"):
        assert f'href="{href}"' in answer.text
    assert "演示甲" in answer.text
    assert answer.headers["cache-control"] == "no-store"


async def test_one_room_away_leaves_the_rest_and_says_so(node, monkeypatch):
    async def away(*_args, **_kw):
        raise Failure("demo.away", status=503)

    monkeypatch.setattr(cases, "mine", away)
    async with browser(node, citizen()) as client:
        page = (await client.get("/me")).text
    assert "办件现在看不到，别的照常" in page
    assert 'href="/wallet"' in page


async def test_looks_travel_to_the_next_device(node):
    async with browser(node, citizen()) as client:
        client.cookies.set("tb_mode", "elder")
        page = (await client.get("/me")).text
        token = re.search(r'name="tb_token" value="([^"]+)"', page)[1]
        kept = await client.post("/me/display", data={"tb_token": token})
        assert kept.status_code == 303
    async with node.db.reading() as tx:
        sealed = await tx.fetchval("SELECT chosen FROM display_preference WHERE subject = $1", "c1space")
        assert b"elder" not in sealed
        found = await pages.display_of(tx, node, "c1space")
    assert found.mode == "elder"


async def test_a_stranger_cannot_keep_looks_for_somebody(node):
    async with browser(node, citizen("c1other")) as client:
        answer = await client.post("/me/display", data={}, headers={"sec-fetch-site": "cross-site"})
    assert answer.status_code == 403


def test_the_nearest_deadline_comes_first():
    later, sooner, none = (Todo(name, "", "去办", "/", due) for name, due in (("b", date(2026, 12, 1)), ("a", date(2026, 11, 25)), ("c", None)))
    assert queries.in_order((none, later, sooner)) == (sooner, later, none)
