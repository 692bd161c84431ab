"""注销 over real nodes (R-409, privacy.md 7, T-32, T-48): asked in a browser, told by letter, erased everywhere, one page of receipts."""

from __future__ import annotations

import asyncio
import base64
import re
import time
from collections.abc import AsyncIterator
from typing import Any

import msgspec
import pytest

from tongban import evidence, federation, identity, notifications, privacy, ui
from tongban.federation.tests.make import deliver
from tongban.identity import tasks as identity_tasks
from tongban.identity.tests.make import Browser, MakeNode, citizen, household, sign_in, step_up
from tongban.kernel.actor import Actor
from tongban.kernel.errors import LevelNeeded, SelfOnly
from tongban.kernel.gm import CannotOpen
from tongban.kernel.ids import uuid7
from tongban.kernel.node import Node
from tongban.kernel.person_keys import WIPE
from tongban.main import rooms
from tongban.privacy import letters, pages
from tongban.privacy.actions import closing, leaving
from tongban.privacy.queries import closing as queries

HOME, AWAY, REGISTER = "500000", "510000", "mps"
WHO = citizen()


@pytest.fixture(scope="module")
async def nodes(make_node: MakeNode) -> AsyncIterator[dict[str, Node]]:
    privacy.use_holdings(rooms.holdings())
    async with household(make_node, HOME, AWAY, routes=tuple(pages.routes), letters_too=letters.LETTERS, calls=letters.CALLS) as found:
        yield found
    privacy.use_holdings(())


async def roam(browser: Browser, node: Node) -> None:
    page = await browser.get(node, f"/login/go?home={HOME}&next=/me/access")
    assert page.url == f"{node.settings.base_url}/me/access", page.url


async def signed_in(browser: Browser, node: Node) -> bool:
    actor = await identity.resolve(node, browser.jar.get(node.settings.host, {}), path="/me")
    return actor.kind == "citizen"


async def subject_at(node: Node) -> str:
    async with node.db.reading() as tx:
        person = await identity.person_by_number(tx, node, WHO.number)
    assert person is not None
    return person.subject


async def asked(browser: Browser, node: Node) -> tuple[str, str]:
    """Ask in the browser; address and code of the paper."""
    page = await browser.get(node, "/me/closing")
    page = await browser.submit(node, page, "/me/closing")
    if page.path == "/step-up":
        page = await step_up(browser, node, page)
        assert page.path == "/me/closing", page.url
        page = await browser.submit(node, page, "/me/closing")
    link = re.search(r"/closed/([a-z2-7]+)", page.body)
    code = re.search(r"(\d{4}) (\d{4})", page.body)
    assert link, page.body
    assert code
    return f"/closed/{link.group(1)}", code.group(1) + code.group(2)


async def due(node: Node) -> None:
    async with node.db.transaction() as tx:
        await tx.execute("UPDATE closing SET due_at = $1 WHERE state = 'waiting'", node.clock.now())


async def told(nodes: dict[str, Node], *ids: str) -> None:
    """What the clocks do after the seven days: letters, erasing, receipts."""
    await closing.close_due(nodes[HOME])
    await deliver(nodes)
    for one in ids or nodes:
        await identity_tasks.client_logout.tell_clients(nodes[one])
        await leaving.advance(nodes[one])
    await deliver(nodes)


async def counted(node: Node, table: str, where: str, *args: Any) -> int:
    async with node.db.reading() as tx:
        return int(await tx.fetchval(f"SELECT count(*) FROM {table} WHERE {where}", *args))


async def test_the_whole_way_from_the_button_to_the_last_receipt(nodes: dict[str, Node]) -> None:
    """R-409: ≤ 3 steps, level 3; sessions end everywhere within 5 s; all nodes erase and answer; the hub's index row is gone."""
    home, away, hub = nodes[HOME], nodes[AWAY], nodes["cn"]
    browser, other = Browser(), Browser()
    await sign_in(browser, home, WHO)
    await sign_in(other, home, WHO)
    await roam(browser, away)
    await deliver(nodes)
    subject = await subject_at(home)
    async with away.db.transaction() as tx:
        await notifications.notify(
            tx, away, subject=subject, kind="test", title="演示消息", text="在四川留下的", link="/me", about="test:1"
        )
    assert await counted(hub, "home_index", "home = $1", HOME) == 2
    address, code = await asked(browser, home)
    page = await browser.get(home, "/me/closing")
    assert "等着注销" in page.body
    assert WHO.name not in page.body.split("<main")[1]
    assert await signed_in(browser, home), "for seven days everything goes on"

    await due(home)
    began = time.monotonic()
    await closing.close_due(home)
    assert not await signed_in(browser, home)
    assert not await signed_in(other, home)
    await deliver(nodes)
    await leaving.advance(away)
    assert not await signed_in(browser, away)
    assert time.monotonic() - began < 5
    await told(nodes)
    for node in (home, away):
        for table in ("account", "person", "session", "device", "authenticator", "message", "signin_record", "closing", "leaving"):
            assert await counted(node, table, "subject = $1", subject) == 0, (node.id, table)
    assert await counted(hub, "home_index", "home = $1", HOME) == 0
    assert await counted(nodes[REGISTER], "register_entry", "subject = $1 AND home IS NULL", subject) == 1
    for node in nodes.values():
        assert await counted(node, "log_leaf", "kind = 'privacy.erased'") == 1, node.id

    stranger = Browser()
    page = await stranger.get(home, address)
    assert "四川" not in page.body
    assert (await stranger.submit(home, page, address, code="00000000")).status == 422
    page = await stranger.submit(home, page, address, code=code)
    assert page.body.count("删完了") == len(nodes), page.body
    assert WHO.name not in page.body
    assert subject not in page.body


async def test_the_same_letter_twice_and_a_liar_have_no_effect(nodes: dict[str, Node]) -> None:
    """T-32: only the person's home may say it; what was done is not done again, also when the person came back meanwhile."""
    home, away = nodes[HOME], nodes[AWAY]
    browser = Browser()
    await sign_in(browser, home, WHO)  # a fresh account, after the first was closed
    await roam(browser, away)
    subject = await subject_at(home)
    before = uuid7()
    async with away.db.transaction() as tx:
        await tx.execute("INSERT INTO left_behind (id, origin, result, done_at) VALUES ($1, $2, 'erased', $3)", before, HOME, away.clock.now())
    again = leaving.Told(id=before, subject=subject, at=home.clock.ms())
    lie = leaving.Told(id=uuid7(), subject=subject, at=home.clock.ms())
    for origin, said in ((HOME, again), (REGISTER, lie)):
        async with away.db.transaction() as tx:
            await leaving.keep(tx, away, origin, said, state="heard")
    await leaving.advance(away)
    assert await signed_in(browser, away), "signed out on the word of another node"
    assert await signed_in(browser, home)
    assert await counted(away, "left_behind", "result = 'refused' AND origin = $1", REGISTER) == 1


async def test_one_tap_stops_it_and_a_node_that_was_down_erases_later(nodes: dict[str, Node]) -> None:
    """Seven days to change one's mind; a silent node is named on the page until its receipt comes."""
    home, away = nodes[HOME], nodes[AWAY]
    browser = Browser()
    await sign_in(browser, home, WHO)
    await roam(browser, away)
    subject = await subject_at(home)
    stopped, _ = await asked(browser, home)
    page = await browser.get(home, "/me/closing")
    page = await browser.submit(home, page, "/me/closing/stop")
    assert "不注销了" in page.body
    await due(home)
    await closing.close_due(home)
    assert await signed_in(browser, home)
    address, code = await asked(browser, home)
    assert address != stopped
    await due(home)
    await told(nodes, HOME, "cn", REGISTER)  # 510000 does not get to it
    assert await counted(away, "person", "subject = $1", subject) == 1
    page = await browser.get(home, address)
    page = await browser.submit(home, page, address, code=code)
    assert page.body.count("还没答复") == 1
    await identity_tasks.client_logout.tell_clients(away)
    await leaving.advance(away)
    await deliver(nodes)
    assert await counted(away, "person", "subject = $1", subject) == 0
    page = await browser.submit(home, await browser.get(home, address), address, code=code)
    assert page.body.count("还没答复") == 0


async def test_killed_between_two_steps_nothing_is_lost_or_done_twice(nodes: dict[str, Node], monkeypatch: pytest.MonkeyPatch) -> None:
    """kill -9 at each step: a transaction that does not commit leaves the state before it, and the next turn goes on."""
    home = nodes[HOME]
    browser = Browser()
    await sign_in(browser, home, WHO)
    subject = await subject_at(home)
    await asked(browser, home)
    await due(home)

    async def killed(*_: Any, **__: Any) -> None:
        raise ConnectionError

    with monkeypatch.context() as patch:
        patch.setattr(closing, "keep", killed)
        await closing.close_due(home)
    assert await signed_in(browser, home), "half closed is not closed"
    assert await counted(home, "closing", "subject = $1", subject) == 1
    await closing.close_due(home)
    await identity_tasks.client_logout.tell_clients(home)
    leaves = await counted(home, "log_leaf", "kind = 'privacy.erased'")
    with monkeypatch.context() as patch:
        patch.setattr(leaving, "_done", killed)
        await leaving.advance(home)
    assert await counted(home, "person", "subject = $1", subject) == 1
    assert await counted(home, "log_leaf", "kind = 'privacy.erased'") == leaves
    async with home.db.transaction() as tx:
        await tx.execute("UPDATE leaving SET next_at = $1", home.clock.now())
    await leaving.advance(home)
    assert await counted(home, "person", "subject = $1", subject) == 0
    assert await counted(home, "log_leaf", "kind = 'privacy.erased'") == leaves + 1


async def test_a_home_put_back_to_before_the_closing_closes_again(nodes: dict[str, Node]) -> None:
    """A backup brings the account back; the node's own letter comes home and closes it, once (federation.md 6.2)."""
    home = nodes[HOME]
    browser = Browser()
    await sign_in(browser, home, WHO)
    subject, closed = await subject_at(home), uuid7()
    letter = federation.Letter(
        id=uuid7(), origin=HOME, to=AWAY, epoch=1, seq=1, kind=closing.CLOSED, kind_version=1, about=f"closing:{closed}", at=home.clock.ms(),
        counts_at=home.clock.ms(), body={"v": 1, "id": closed, "subject": subject, "at": home.clock.ms(), "proof": "", "number": "", "phone": ""},
    )  # fmt: skip
    for _ in range(2):
        async with home.db.transaction() as tx:
            await letters.REINSTATE[closing.CLOSED, 1](tx, home, letter)
        await identity_tasks.client_logout.tell_clients(home)
        await leaving.advance(home)
    assert not await signed_in(browser, home)
    assert await counted(home, "person", "subject = $1", subject) == 0
    assert await counted(home, "left_behind", "id = $1 AND result = 'erased'", closed) == 1


async def test_below_level_three_nobody_closes(nodes: dict[str, Node]) -> None:
    """R-409: level 3 or a counter; nobody closes another's account, and not under a mandate."""
    home = nodes[HOME]
    browser = Browser()
    await sign_in(browser, home, WHO)
    me = Actor(kind="citizen", subject=await subject_at(home), acr=2, sid="s", home=HOME)
    async with home.db.transaction() as tx:
        with pytest.raises(LevelNeeded):
            await closing.ask(tx, home, me)
        with pytest.raises(SelfOnly):
            await closing.ask(tx, home, msgspec.structs.replace(me, acr=3, for_subject="n1" + "b" * 32, basis="family"))
        assert await queries.waiting(tx, home, me.subject) is None


# ---- T-48: deletion claimed is deletion done ----------------------------------------------------------------------------

ADDRESS = "重庆市演示区演示路 4711 号"


def encodings(values: tuple[str, ...]) -> list[bytes]:
    """Each value in UTF-8, UTF-16 both ways, base64 and hex."""
    found: list[bytes] = []
    for one in values:
        for raw in (one.encode(), one.encode("utf-16-le"), one.encode("utf-16-be")):
            found += [raw, raw.hex().encode(), raw.hex().upper().encode(), base64.b64encode(raw), base64.urlsafe_b64encode(raw).rstrip(b"=")]
    return found


async def raw_files(node: Node) -> bytes:
    """Every file of this node's own tables and indexes as it lies on the disk, and every row as text."""
    async with node.db.reading() as tx:
        tables = [row["name"] for row in await tx.fetch("SELECT tablename AS name FROM pg_tables WHERE schemaname = 'public'")]
        for _ in range(50):  # what somebody of the server may still see is kept that long
            for table in [row["name"] for row in await tx.fetch("SELECT relname AS name FROM pg_stat_user_tables WHERE n_tup_del + n_tup_upd > 0")]:
                await tx.execute(f"VACUUM FULL {table}")
            if not await tx.fetchval("SELECT sum(n_dead_tup) FROM pg_stat_user_tables"):
                break
            await asyncio.sleep(0.05)
        rows = await tx.fetch(
            "SELECT pg_read_binary_file(current_setting('data_directory') || '/' || pg_relation_filepath(c.oid)) AS raw FROM pg_class c"
            " JOIN pg_namespace n ON n.oid = c.relnamespace WHERE n.nspname IN ('public', 'pg_toast') AND c.relkind IN ('r', 'i', 't', 'm')"
        )
        texts = [str(await tx.fetchval(f"SELECT string_agg(t::text, chr(10)) FROM {table} t") or "") for table in tables]
    return b"".join(row["raw"] for row in rows) + "\n".join(texts).encode()


async def run_jobs(node: Node) -> None:
    """What the worker does: files of deleted materials, halves of forgotten keys."""
    handlers = rooms.job_handlers()
    async with node.db.transaction() as tx:
        rows = await tx.fetch("DELETE FROM pgqueuer WHERE entrypoint IN ('evidence.drop', $1) RETURNING entrypoint, payload", WIPE)
    for row in rows:
        await handlers[row["entrypoint"]](node, msgspec.json.decode(row["payload"]))


async def sealed_of(node: Node, subject: str) -> dict[str, list[bytes]]:
    """The sealed values of a person by table, where closing deletes the rows."""
    found: dict[str, list[bytes]] = {}
    async with node.db.reading() as tx:
        columns = await tx.fetch(
            "SELECT table_name AS t, array_agg(column_name::text) AS cs FROM information_schema.columns c WHERE table_schema = 'public'"
            " AND data_type = 'bytea' AND EXISTS (SELECT FROM information_schema.columns s WHERE s.table_schema = 'public'"
            " AND s.table_name = c.table_name AND s.column_name = 'subject') GROUP BY 1"
        )
        for row in columns:
            for column in row["cs"]:
                values = await tx.fetch(f"SELECT {column} AS v FROM {row['t']} WHERE subject = $1 AND length({column}) >= 16", subject)
                found.setdefault(row["t"], []).extend(bytes(one["v"]) for one in values)
    return {table: values for table, values in found.items() if values}


async def test_t48_after_the_closing_and_a_vacuum_nothing_is_readable(nodes: dict[str, Node]) -> None:
    """T-48: name, number, phone and address in four encodings, and the person's own ciphertexts, are in no table, file or folder."""
    home = nodes[HOME]
    browser = Browser()
    await sign_in(browser, home, WHO)
    subject = await subject_at(home)
    me = Actor(kind="citizen", subject=subject, acr=2, sid="s")
    content = b"%PDF-1.7\n" + f"{WHO.name} {WHO.number} {ADDRESS}".encode() + b"\n%%EOF\n"
    async with home.db.transaction() as tx:
        kept = await evidence.store(tx, home, me, ui.Upload(f"{WHO.name}.pdf", "application/pdf", content), kind="photo")
        assert isinstance(kept, evidence.Material)
        await notifications.notify(tx, home, subject=subject, kind="test", title=WHO.name, text=ADDRESS + WHO.phone, link="/me", about="test:2")
        file = await tx.fetchrow("SELECT id, name, address FROM material WHERE subject = $1", subject)
        keys = await tx.fetch("SELECT * FROM person_key WHERE subject = $1", subject)
        assert (await home.person_keys.open(tx, "material.name", str(file["id"]), file["name"])).decode() == f"{WHO.name}.pdf"
    before = await sealed_of(home, subject)
    assert {"account", "person", "message", "material", "signin_record", "device"} <= set(before)
    await asked(browser, home)
    await due(home)
    await told(nodes)
    await run_jobs(home)
    erased = {one.table for one in rooms.holdings() if one.erase is not None}
    raw = await raw_files(home)
    folder = b"".join(path.read_bytes() for path in home.settings.data_dir.rglob("*") if path.is_file())
    for value in encodings((WHO.name, WHO.number, WHO.phone, ADDRESS)):
        assert value not in raw, "still readable"
        assert value not in folder, "still readable"
    for table, values in before.items():
        if table in erased:
            assert not any(value in raw for value in values), f"{table}: still there"
    assert not (home.settings.data_dir / "evidence" / file["address"][4:]).exists()
    async with home.db.reading() as tx:
        kept_here = await queries.here(tx, subject)
    said = {one.table for one in rooms.holdings() if one.stays or one.not_erased}
    assert kept_here <= said, "a row names the person and the closing page said nothing of it"
    # a dump from before: its rows come back, the other half of the key does not
    async with home.db.transaction() as tx:
        for row in keys:
            names = ", ".join(row.keys())
            marks = ", ".join(f"${number}" for number in range(1, len(row) + 1))
            await tx.execute(f"INSERT INTO person_key ({names}) VALUES ({marks})", *row.values())
        with pytest.raises(CannotOpen):
            await home.person_keys.open(tx, "material.name", str(file["id"]), file["name"])
        await tx.execute("DELETE FROM person_key WHERE subject = $1", subject)
