"""From draft to withdrawn on one node: the gate over real HTTP, four eyes, pinned digests, figures."""

from __future__ import annotations

from datetime import timedelta

import asyncpg
import msgspec
import pytest

from tongban import catalogue, service_apps
from tongban.federation.tests.make import free_port
from tongban.kernel.errors import NotAllowed
from tongban.service_apps import queries
from tongban.service_apps.actions.count import flush
from tongban.service_apps.model import STATE_WORDS, ServiceApp
from tongban.service_apps.rules import transitions
from tongban.service_apps.tests.make import (
    REGISTRAR,
    REVIEWER,
    changed,
    company,
    html,
    officer,
    pages,
    shelved,
    until_checked,
    until_reviewed,
    wanted,
)


@pytest.fixture
async def node(make_node):
    port = free_port()
    made = await make_node("510000", base_url=f"http://127.0.0.1:{port}", bind_port=port)
    await shelved(made)
    return made


@pytest.fixture
async def draft(node):
    return wanted(await company(node))


async def published_item(node, task_code):
    async with node.db.reading() as tx:
        return await catalogue.item(tx, task_code)


async def client_status(tx, app):
    return await tx.fetchval("SELECT status FROM client WHERE app = $1", app.id)


async def test_the_whole_life(node, draft):
    async with pages(node.settings.bind_port) as asked:
        app, report = await until_checked(node, draft)
    assert report.passes, report.failed
    code = draft.items[0].task_code
    assert asked.count(f"/s/{code}") == 1
    assert asked.count(f"/s/{code} elder") == 1
    assert (app.state, app.checked_digest) == ("checked", app.digest)
    assert app.draft.items[0].digest.startswith("sm3:")
    async with node.db.transaction() as tx:
        app = await service_apps.review(tx, node, REVIEWER, app.id, agree=True, reason="走了一遍", digest=app.digest)
        app = await service_apps.publish(tx, node, REVIEWER, app.id, channels=("h5",))
        assert (app.state, app.published_channels) == ("published", ("h5",))
        assert (await catalogue.listing(tx, code)).channels == ("h5",)
        assert await service_apps.carried(tx, code, "h5")
        assert not await service_apps.carried(tx, code, "pc")
        assert await client_status(tx, app) == "active", "a published app has its client"
        app = await service_apps.publish(tx, node, REVIEWER, app.id, channels=("h5", "pc"))
        assert (await catalogue.listing(tx, code)).channels == ("h5", "pc")
    assert await published_item(node, code) is not None
    async with node.db.transaction() as tx:
        app = await service_apps.suspend(tx, node, REVIEWER, app.id, reason="页面出错")
        assert await client_status(tx, app) == "suspended", "its client signs people in after the app was suspended"
    assert await published_item(node, code) is None
    async with node.db.transaction() as tx:
        app = await service_apps.resume(tx, node, REVIEWER, app.id)
        assert await client_status(tx, app) == "active"
    assert (await published_item(node, code)).digest == app.draft.items[0].digest
    async with node.db.transaction() as tx:
        app = await service_apps.withdraw(tx, node, REVIEWER, app.id, reason="并入新应用")
        assert await client_status(tx, app) == "suspended"
        assert (await queries.published_apps(tx)) == ()
        steps = [one.name for one in await queries.history(tx, app.id)]
    assert await published_item(node, code) is None
    assert steps == ["draft", "register", "pass", "approve", "publish", "publish", "suspend", "resume", "withdraw"]
    async with node.db.reading() as tx:
        assert await tx.fetchval("SELECT count(*) FROM log_leaf WHERE kind = 'app.step'") == len(steps)


async def test_a_bad_app_is_stopped_and_told_how_to_mend_it(node, draft):
    bad = changed(draft, contact_phone="", service_level=None)
    async with pages(node.settings.bind_port, lambda mode: html(mode, body="<img src='/a.png'><input name='x'>")):
        app, report = await until_checked(node, bad)
    assert app.state == "check_failed"
    assert {one.rule for one in report.failed} == {"A5", "A7", "O1", "O2"}
    assert all(one.fix for one in report.failed)
    async with node.db.transaction() as tx:
        refused = await service_apps.review(tx, node, REVIEWER, app.id, agree=True, reason="x", digest=app.digest)
        assert refused[0].code == "service_apps.state"
        refused = await service_apps.publish(tx, node, REVIEWER, app.id, channels=("h5",))
        assert refused[0].code == "service_apps.state"
        assert (await queries.report(tx, app.id)) == report
    assert await published_item(node, draft.items[0].task_code) is None


async def test_a_node_that_does_not_answer_stops_it_too(node, draft):
    app, report = await until_checked(node, draft)
    assert "R1" in {one.rule for one in report.failed}
    assert app.state == "check_failed"


async def test_four_eyes_and_the_pinned_digest(node, draft):
    both = officer("registrar")
    async with pages(node.settings.bind_port):
        app, _ = await until_checked(node, draft)
    async with node.db.transaction() as tx:
        own = await service_apps.review(tx, node, both, app.id, agree=True, reason="我自己看过", digest=app.digest)
        assert own[0].code == "service_apps.four_eyes"
        other = await service_apps.review(tx, node, REVIEWER, app.id, agree=True, reason="看过", digest="sm3:old")
        assert other[0].code == "service_apps.changed"
        silent = await service_apps.review(tx, node, REVIEWER, app.id, agree=False, reason=" ", digest=app.digest)
        assert silent[0].field == "reason"
        app = await service_apps.review(tx, node, REVIEWER, app.id, agree=True, reason="看过", digest=app.digest)
        own = await service_apps.publish(tx, node, both, app.id, channels=("h5",))
        assert own[0].code == "service_apps.four_eyes"
    with pytest.raises(NotAllowed):
        async with node.db.transaction() as tx:
            await service_apps.publish(tx, node, officer("x", "publish", division="500000"), app.id, channels=("h5",))


async def test_a_definition_changed_after_review_is_not_published(node, draft):
    async with pages(node.settings.bind_port):
        app = await until_reviewed(node, draft)
    ref = draft.items[0]
    async with node.db.transaction() as tx:
        item = await catalogue.item(tx, ref.task_code, ref.version)
        swapped = msgspec.structs.replace(item, plain_name="换过的名字")
        await catalogue.shelve(tx, node, [msgspec.structs.replace(swapped, digest=catalogue.digest_of(swapped))])
        refused = await service_apps.publish(tx, node, REVIEWER, app.id, channels=("h5",))
    assert refused[0].code == "service_apps.changed"
    assert await published_item(node, ref.task_code) is None


async def test_editing_starts_again_and_what_runs_goes_on(node, draft):
    async with pages(node.settings.bind_port):
        app = await until_reviewed(node, draft)
    async with node.db.transaction() as tx:
        app = await service_apps.publish(tx, node, REVIEWER, app.id, channels=("h5",))
        app = await service_apps.edit(tx, node, REGISTRAR, app.id, changed(app.draft, contact_unit="新窗口"))
        assert (app.state, app.version, app.reviewed_digest) == ("draft", 2, "")
        running = (await queries.published_apps(tx))[0]
        assert (running.version, running.contact_unit) == (1, "企业开办专区")
        refused = await service_apps.publish(tx, node, REVIEWER, app.id, channels=("h5",))
        assert refused[0].code == "service_apps.state"


async def test_one_item_one_app_and_only_registered_channels(node, draft):
    async with pages(node.settings.bind_port):
        first = await until_reviewed(node, draft)
        second = await until_reviewed(node, changed(draft, name="另一个应用"))
        async with node.db.transaction() as tx:
            stray = await service_apps.publish(tx, node, REVIEWER, first.id, channels=("kiosk",))
            assert stray[0].code == "service_apps.channel"
            await service_apps.publish(tx, node, REVIEWER, first.id, channels=("h5",))
            taken = await service_apps.publish(tx, node, REVIEWER, second.id, channels=("h5",))
            assert taken[0].code == "service_apps.carried"
        _, report = await until_checked(node, changed(draft, name="第三个应用"))
    assert [one.text for one in report.failed if one.rule == "D3"]


async def test_a_changed_app_is_not_judged_by_an_old_run(node, draft):
    async with node.db.transaction() as tx:
        app = await service_apps.draft(tx, node, REGISTRAR, draft)
        app = await service_apps.register(tx, node, REGISTRAR, app.id)

    async def edited_meanwhile(mode):
        async with node.db.transaction() as tx:
            if (await service_apps.app(tx, app.id)).state == "registered":
                await service_apps.edit(tx, node, REGISTRAR, app.id, changed(draft, contact_unit="改了"))
        return html(mode)

    async with pages(node.settings.bind_port, edited_meanwhile):
        found = await service_apps.check(node, REGISTRAR, app.id)
    assert found[0].code == "service_apps.changed"


async def test_history_stays(node, draft):
    async with node.db.transaction() as tx:
        app = await service_apps.draft(tx, node, REGISTRAR, draft)
        with pytest.raises(asyncpg.RestrictViolationError):
            async with tx.transaction():
                await tx.execute("DELETE FROM service_app_history WHERE app_id = $1", app.id)


async def test_figures_are_counted_by_app_and_strangers_are_dropped(node, draft):
    async with pages(node.settings.bind_port):
        app = await until_reviewed(node, draft)
    async with node.db.transaction() as tx:
        await service_apps.publish(tx, node, REVIEWER, app.id, channels=("h5",))
    code = draft.items[0].task_code
    for number in range(20):
        service_apps.count(node, path=f"/s/{code}", channel="h5", status=500 if number == 0 else 200, ms=number)
    service_apps.count(node, path="/s/11510100DEM000014N3000199901999", channel="h5", status=200, ms=1)
    service_apps.count(node, path="/login", channel="h5", status=200, ms=1)
    service_apps.count(node, path="/apply/1", task_code=code, channel="strange", status=200, ms=5000)
    await flush(node)
    await flush(node)
    service_apps.count(node, path=f"/s/{code}", channel="h5", status=200, ms=3)
    await flush(node)
    async with node.db.reading() as tx:
        rows = await service_apps.figures(tx, since=node.clock.now() - timedelta(hours=1))
    assert [(one.app, one.channel, one.visits, one.errors) for one in rows] == [(app.id, "h5", 22, 1)]
    assert rows[0].p95_ms == 20


async def test_counts_survive_a_database_that_is_away(node, draft, monkeypatch):
    async with pages(node.settings.bind_port):
        app = await until_reviewed(node, draft)
    async with node.db.transaction() as tx:
        await service_apps.publish(tx, node, REVIEWER, app.id, channels=("h5",))
    service_apps.count(node, path=f"/s/{draft.items[0].task_code}", channel="h5", status=200, ms=1)

    class Gone(OSError):
        pass

    async def away(*_args):
        raise Gone

    with monkeypatch.context() as patch:
        patch.setattr("tongban.service_apps.actions.count._write", away)
        with pytest.raises(Gone):
            await flush(node)
    await flush(node)
    async with node.db.reading() as tx:
        assert (await service_apps.figures(tx, since=node.clock.now(), app_id=app.id))[0].visits == 1


async def test_a_demo_node_takes_its_apps_through_the_same_gate(node):
    from tongban.service_apps.actions import seed_demo

    await seed_demo(node)
    async with node.db.reading() as tx:
        assert await service_apps.apps(tx) == ()  # nothing while the node does not answer
    async with pages(node.settings.bind_port):
        await seed_demo(node)
        await seed_demo(node)
    async with node.db.reading() as tx:
        apps = await service_apps.apps(tx)
    assert sorted(one.name for one in apps) == ["企业变更", "企业开办", "养老保险转移", "出生户口登记", "社保卡服务"]
    assert {one.state for one in apps} == {"published"}


async def test_a_prefill_from_a_register_nobody_owns_is_refused_by_name(node, draft):
    from tongban.service_apps.actions.check import unknown_prefills

    shipped = catalogue.load_folder(node.settings.items_dir)
    async with node.db.reading() as tx:
        found = [f"{one.item.plain_name} {name}" for one in shipped for name in await unknown_prefills(tx, one.item)]
        assert found == [], "an item asks a register that no catalogue of resources knows"
        item = await catalogue.item(tx, draft.items[0].task_code, draft.items[0].version)
        assert item is not None
        step, *rest = item.form.steps
        first = step.fields[0]
        asked = tuple(catalogue.Prefill(source="register", resource=one, field=two) for one, two in (("nobody.insured", "kind"), ("mps.population", "x")))
        form = msgspec.structs.replace(item.form, steps=(msgspec.structs.replace(step, fields=(msgspec.structs.replace(first, prefill=asked),)), *rest))
        unknown = await unknown_prefills(tx, msgspec.structs.replace(item, form=form))
    assert [one for one in unknown if first.label in one] == [
        f"“{first.label}”要的 nobody.insured 的 kind", f"“{first.label}”要的 mps.population 的 x"
    ]


def test_the_table_names_only_known_states():
    for row in transitions().values():
        assert {*row.from_states, row.to} <= set(STATE_WORDS)
        assert row.action.startswith("service_apps.")


@pytest.mark.parametrize(
    ("more", "field"), [({"name": ""}, "name"), ({"owner_name": ""}, "owner_name"), ({"pages": ("https://x",)}, "pages")]
)
async def test_a_draft_says_what_is_missing(node, draft, more, field):
    async with node.db.transaction() as tx:
        refused = await service_apps.draft(tx, node, REGISTRAR, changed(draft, **more))
    assert not isinstance(refused, ServiceApp)
    assert refused[0].field == field
