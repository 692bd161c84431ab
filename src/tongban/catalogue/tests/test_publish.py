"""Publishing: what is refused, what is written, what other nodes believe."""

from __future__ import annotations

import asyncpg
import msgspec
import pytest

from tongban import catalogue, federation
from tongban.catalogue.actions import ItemNotBelieved, Published, Withdrawn, take_away, take_over
from tongban.catalogue.model import Visits
from tongban.catalogue.rules import body_of
from tongban.catalogue.tests.make import ACTOR, COMPANY, PERMIT, item
from tongban.kernel.errors import Refusal


@pytest.fixture(autouse=True, scope="module")
async def shelves(node):
    await catalogue.set_up(node)


def letter(one, rev=1, channels=("h5",), **more):
    return msgspec.convert(
        {"task_code": one.task_code, "digest": one.digest, "channels": channels, "rev": rev, "app": "a", "item": body_of(one)} | more,
        Published,
    )




async def test_only_own_definitions_stand_on_the_shelf(tx, node) -> None:
    drafts = await catalogue.drafts(tx)
    assert {one.owner_node for one in drafts} == {"500000"}
    assert len(drafts) == 3
    assert await catalogue.item(tx, PERMIT) is None
    assert (await catalogue.item(tx, PERMIT, 1)).name == "居住证签注"


async def test_publishing_opens_the_item_writes_a_leaf_and_tells_everybody(tx, node) -> None:
    published = await catalogue.publish(tx, node, ACTOR, PERMIT, 1, channels=("h5", "pc"), app="app-1")
    assert published.digest == item().digest
    state = await catalogue.listing(tx, PERMIT)
    assert (state.status, state.channels, state.rev) == ("published", ("h5", "pc"), 1)
    body = await tx.fetchval("SELECT body FROM outbox WHERE kind = 'item.published'")
    sent = body if isinstance(body, dict) else msgspec.json.decode(body)
    assert sent["digest"] == published.digest
    assert await tx.fetchval("SELECT count(*) FROM log_leaf WHERE kind = 'item.published'") == 1


async def test_publishing_again_with_other_channels_keeps_the_digest(tx, node) -> None:
    first = await catalogue.publish(tx, node, ACTOR, PERMIT, 1, channels=("h5", "pc"))
    again = await catalogue.publish(tx, node, ACTOR, PERMIT, 1, channels=("h5",))
    assert first.digest == again.digest
    state = await catalogue.listing(tx, PERMIT)
    assert (state.channels, state.rev) == (("h5",), 2)


async def test_item_without_basic_item_is_refused_with_the_mend(tx, node) -> None:
    await tx.execute("DELETE FROM basic_item WHERE catalog_code = '000799902000'")
    refused = await catalogue.publish(tx, node, ACTOR, PERMIT, 1, channels=("h5",))
    assert isinstance(refused[0], Refusal)
    assert refused[0].code == "catalogue.no_basic_item"
    assert "基本目录里没有 000799902000" in refused[0].sentence
    assert await catalogue.item(tx, PERMIT) is None


@pytest.mark.parametrize(
    ("task_code", "version", "channels", "code"),
    [
        (COMPANY, 1, ("h5",), "catalogue.no_definition"),
        (PERMIT, 9, ("h5",), "catalogue.no_definition"),
        (PERMIT, 1, (), "catalogue.channel"),
        (PERMIT, 1, ("third_party",), "catalogue.channel"),
    ],
)
async def test_what_is_refused(tx, node, task_code, version, channels, code) -> None:
    refused = await catalogue.publish(tx, node, ACTOR, task_code, version, channels=channels)
    assert refused[0].code == code


async def test_finding_of_severity_error_blocks(tx, node) -> None:
    broken = item(visits=Visits(times=1, reason="无"), version=2)
    await catalogue.shelve(tx, node, [broken])
    refused = await catalogue.publish(tx, node, ACTOR, PERMIT, 2, channels=("h5",))
    assert [one.code for one in refused] == ["catalogue.C-01"]


async def test_published_version_never_changes(tx, node) -> None:
    await catalogue.publish(tx, node, ACTOR, PERMIT, 1, channels=("h5",))
    assert await catalogue.shelve(tx, node, [item(plain_name="换了说法")]) == 0
    assert (await catalogue.item(tx, PERMIT)).plain_name == "居住证一年一签"
    with pytest.raises(asyncpg.PostgresError, match="never changes"):
        async with tx.transaction():
            await tx.execute("UPDATE item SET digest = 'sm3:x' WHERE task_code = $1", PERMIT)
    with pytest.raises(asyncpg.PostgresError, match="never deleted"):
        async with tx.transaction():
            await tx.execute("DELETE FROM item WHERE task_code = $1", PERMIT)


async def test_a_new_version_supersedes_and_the_old_stays_readable(tx, node) -> None:
    await catalogue.publish(tx, node, ACTOR, PERMIT, 1, channels=("h5",))
    await catalogue.shelve(tx, node, [item(plain_name="居住证每年签一次", version=2)])
    await catalogue.publish(tx, node, ACTOR, PERMIT, 2, channels=("h5",))
    assert (await catalogue.item(tx, PERMIT)).version == 2
    assert (await catalogue.item(tx, PERMIT, 1)).plain_name == "居住证一年一签"
    refused = await catalogue.publish(tx, node, ACTOR, PERMIT, 1, channels=("h5",))
    assert refused[0].code == "catalogue.older_version"


async def test_withdrawing_closes_once_and_says_why(tx, node) -> None:
    await catalogue.publish(tx, node, ACTOR, PERMIT, 1, channels=("h5",))
    state = await catalogue.withdraw(tx, node, ACTOR, PERMIT, reason="系统升级")
    assert (state.status, state.channels) == ("withdrawn", ())
    assert await catalogue.item(tx, PERMIT) is None
    assert await catalogue.withdraw(tx, node, ACTOR, PERMIT) == state
    assert await tx.fetchval("SELECT count(*) FROM outbox WHERE kind = 'item.withdrawn'") == 1


async def test_demo_codes_are_refused_on_a_production_node(tx, node, monkeypatch) -> None:
    monkeypatch.setattr(node, "settings", msgspec.structs.replace(node.settings, demo=False))
    refused = await catalogue.publish(tx, node, ACTOR, PERMIT, 1, channels=("h5",))
    assert refused[0].code == "catalogue.demo_codes"


class Known:
    """A directory that knows the province 510000 and its division prefix."""

    def __init__(self, divisions=("51",)) -> None:
        self.divisions = divisions

    def node(self, node_id):
        return self if node_id == "510000" else None


@pytest.fixture
def directory(monkeypatch):
    async def known(_tx):
        return Known()

    monkeypatch.setattr(federation, "directory", known)


async def test_another_province_s_item_is_taken_over_with_the_same_digest(tx, node, directory) -> None:
    company = item(COMPANY)
    assert await take_over(tx, node, "510000", letter(company))
    assert not await take_over(tx, node, "510000", letter(company)), "the same letter twice changes nothing"
    found = await catalogue.item(tx, COMPANY)
    assert found.digest == company.digest
    assert found == company


async def test_an_older_letter_changes_nothing(tx, node, directory) -> None:
    company = item(COMPANY)
    await take_over(tx, node, "510000", letter(company, rev=3))
    gone = Withdrawn(task_code=COMPANY, digest=company.digest, version=1, rev=2, reason="")
    assert not await take_away(tx, node, "510000", gone)
    assert (await catalogue.listing(tx, COMPANY)).status == "published"
    assert await take_away(tx, node, "510000", msgspec.structs.replace(gone, rev=4))
    assert (await catalogue.listing(tx, COMPANY)).status == "withdrawn"


@pytest.mark.parametrize(
    ("origin", "change", "reason"),
    [
        ("510000", {"digest": "sm3:forged"}, "digest"),
        ("330000", {}, "not_owner"),
    ],
)
async def test_what_is_not_believed(tx, node, directory, origin, change, reason) -> None:
    sent = msgspec.structs.replace(letter(item(COMPANY)), **change)
    with pytest.raises(ItemNotBelieved, match=reason):
        await take_over(tx, node, origin, sent)


async def test_a_province_cannot_publish_for_another_s_division(tx, node, directory) -> None:
    with pytest.raises(ItemNotBelieved, match="division"):
        await take_over(tx, node, "510000", letter(item(COMPANY, division="330100")))


async def test_the_same_version_with_other_content_is_not_believed(tx, node, directory) -> None:
    await take_over(tx, node, "510000", letter(item(COMPANY)))
    with pytest.raises(ItemNotBelieved, match="version_changed"):
        await take_over(tx, node, "510000", letter(item(COMPANY, plain_name="别的"), rev=2))


async def test_a_stranger_cannot_withdraw(tx, node, directory) -> None:
    company = item(COMPANY)
    await take_over(tx, node, "510000", letter(company))
    with pytest.raises(ItemNotBelieved, match="not_owner"):
        await take_away(tx, node, "330000", Withdrawn(task_code=COMPANY, digest=company.digest, version=1, rev=9, reason=""))


async def test_a_place_sees_its_own_and_what_is_open_across_provinces(tx, node, directory) -> None:
    await catalogue.publish(tx, node, ACTOR, PERMIT, 1, channels=("h5",))
    await take_over(tx, node, "510000", letter(item(COMPANY)))
    at = [one.task_code for one in await catalogue.items(tx, division="500103")]
    assert at == [PERMIT]
    wide = {one.task_code for one in await catalogue.items(tx, division="500103", elsewhere=True)}
    assert wide == {PERMIT, COMPANY}
    assert {one.task_code for one in await catalogue.items(tx, audience="organisation")} == {COMPANY}
    assert [one.task_code for one in await catalogue.items(tx, theme="natural:090")] == [PERMIT]
    assert [one.task_code for one in await catalogue.items(tx, life_event="company_start", channel="h5")] == [COMPANY]
    assert await catalogue.items(tx, channel="kiosk") == ()
    assert ("公安部", 1) in await catalogue.departments(tx)
    assert ("natural:090", "证件办理", 1) in await catalogue.themes(tx)
    events = {code: many for code, _name, many in await catalogue.life_events(tx)}
    assert events["company_start"] == 1
