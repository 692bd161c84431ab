"""A copy of everything 信息副本 (R-409, privacy.md 7): gathered from every node, locked by a word, fetched once, gone."""

from __future__ import annotations

import json
import random
import subprocess
import sys
from datetime import timedelta
from pathlib import Path

import msgspec
import pytest

from tongban import consent, federation, privacy, transparency
from tongban.kernel.errors import LevelNeeded
from tongban.kernel.ids import uuid7
from tongban.privacy.actions import asking, collecting, gathering, making, sharing, tidying
from tongban.privacy.errors import CopyElsewhere, CopyGone, CopyUnknown
from tongban.privacy.model.copies import Gathered
from tongban.privacy.queries.copies import copy_of
from tongban.privacy.rules import contents
from tongban.privacy.rules.limits import COPIES
from tongban.privacy.tests import make

NAME, NUMBER = "陈小雨演示", "演示证号510104"
OTHER_PEOPLE = ("马大壮演示", "何小满演示", "罗一鸣演示")
PICTURE = random.Random(409).randbytes(700_000)
CHECK = Path(__file__).resolve().parents[4] / "docs" / "check_receipt.py"


@pytest.fixture(scope="module")
async def country(make_node):
    async with make.two_nodes(make_node) as (nodes, subject):
        yield nodes, subject


@pytest.fixture(autouse=True)
def rooms(country):
    _, subject = country

    def rows(node, whose):
        if whose != subject:
            return [{"姓名": one} for one in OTHER_PEOPLE]
        return [{"姓名": NAME, "证件号码": NUMBER, "在哪": node.id, "登记时间": "2026-01-02T03:04:05+08:00", "次数": 2}]

    privacy.use_holdings(
        (
            make.holding("person", "身份", rows, sensitive=frozenset({"证件号码"})),
            make.holding("material", "材料", lambda *_: [{"名称": "照片"}], {"photo.JPG": PICTURE}),
            make.holding("voice", "声纹", lambda *_: [{"结果": "一致演示"}], sensitive=frozenset({"*"})),
        )
    )
    yield
    privacy.use_holdings(())


@pytest.fixture(autouse=True)
async def no_limits(country):
    """Each test asks as if nobody had asked before."""
    nodes, _ = country
    async with nodes[make.HOME].db.transaction() as tx:
        await tx.execute("DELETE FROM copy_request")
    for node in nodes.values():
        async with node.db.transaction() as tx:
            await tx.execute("DELETE FROM copy_share")
            await tx.execute("DELETE FROM copy_chunk")


async def ask(node, actor, *, whole=True):
    async with node.db.transaction() as tx:
        return await asking.ask(tx, node, actor, whole=whole)


async def stands(node, subject, copy):
    async with node.db.reading() as tx:
        return await copy_of(tx, node, subject, copy.id)


async def gathered(nodes, subject, copy):
    """Home asks, the others make theirs, home fetches and makes the file."""
    home = nodes[make.HOME]
    await gathering.step(home, subject, copy.id)
    for name in make.OTHERS:
        await sharing.make_shares(nodes[name])
    await gathering.step(home, subject, copy.id)
    return await stands(home, subject, copy)


async def fetched(home, actor, copy):
    async with home.db.transaction() as tx:
        _, word = await asking.show_word(tx, home, actor, copy.id)
    async with home.db.transaction() as tx:
        download = await asking.begin_download(tx, home, actor, copy.id)
    content = b"".join([piece async for piece in download.content])
    assert len(content) == download.byte_count
    return make.unlock(content, word)


async def test_a_whole_copy_of_every_node(country, tmp_path):
    """R-409: every holding of every node, the ledger with receipts that a stand-alone judge checks, and nobody else."""
    nodes, subject = country
    home, actor = nodes[make.HOME], make.her(subject)
    async with home.db.transaction() as tx:
        at = home.clock.now() - timedelta(days=1)
        line = consent.Access(subject, "演示局", ("姓名",), "演示用途", "mps", make.HOME, "演示依据", at=at, id=uuid7(), side="caller")
        await consent.record_access(tx, home, line)
    async with home.db.transaction() as tx:
        await transparency.sequence(tx)
    async with home.db.transaction() as tx:
        await transparency.sign_head(tx, home)
    done = await gathered(nodes, subject, await ask(home, actor))
    assert done.state == "ready"
    files = await fetched(home, actor, done)
    data = json.loads(files["数据/身份.json"])
    assert {one["条目"][0]["在哪"] for one in data["各处"]} == {make.HOME, *make.OTHERS}
    assert data["各处"][0]["条目"][0]["证件号码"] == NUMBER
    assert "结构/身份.schema.json".encode() in b"\n".join(name.encode() for name in files)
    assert [body for name, body in files.items() if name.startswith("文件/")] == [PICTURE] * 3
    assert files["阅读版.pdf"].startswith(b"%PDF-")
    everything = b"".join([*files.values(), *(name.encode() for name in files)])
    assert not any(name.encode() in everything for name in OTHER_PEOPLE)
    receipts = [name for name in files if name.startswith("回执/")]
    assert receipts
    (tmp_path / "one.json").write_bytes(files[receipts[0]])
    judged = subprocess.run([sys.executable, str(CHECK), str(tmp_path / "one.json")], capture_output=True, text=True, check=False)  # noqa: ASYNC221
    assert judged.returncode == 3, judged.stdout + judged.stderr  # all steps hold; no key was given to compare with
    told = {}
    for node in nodes.values():
        async with node.db.reading() as tx:
            for line in await consent.lines(tx, node.id, subject):
                if line.who == consent.ONESELF and line.id in {one.line for one in done.parts}:
                    told.setdefault(line.id, []).append(line)
    assert sorted(len(lines) for lines in told.values()) == [1, 2, 2], "a line at home, and one at both ends of each call"
    assert all(len({line.digest for line in lines}) == 1 for lines in told.values())
    assert {consent.headline(lines[0]) for lines in told.values()} >= {"你自己取了公安部（演示）存的信息的副本"}


async def test_what_of_the_ledger_is_not_enclosed_is_counted_and_said(country, monkeypatch):
    """Lines and receipts beyond the limits: how many there are, and where they can be seen (privacy.md 7)."""
    nodes, subject = country
    home = nodes[make.HOME]
    async with home.db.transaction() as tx:
        for days in range(2, 7):
            at = home.clock.now() - timedelta(days=days)
            await consent.record_access(tx, home, consent.Access(subject, "演示局", ("姓名",), "演示用途", make.HOME, make.HOME, "演示依据", at=at))
    monkeypatch.setattr(collecting, "COPIES", msgspec.structs.replace(COPIES, lines=2, receipts=1))
    async with home.db.reading() as tx:
        told, beyond = await collecting._ledger(tx, home, subject)
        assert beyond == await tx.fetchval("SELECT count(*) FROM access_record WHERE subject = $1", subject) - 2 >= 3
    about = contents.About(
        number="1", name=NAME, asked_at=home.clock.now(), made_at=home.clock.now(), whole=True, missing=(), not_copied=(), log_page="https://500000.test",
    )  # fmt: skip
    said = dict(contents.files(about, [Gathered(1, home.id, "重庆市", 0, (), told, beyond)], ()))["说明.txt"].decode()
    assert f"最早的 {beyond} 条没有放进来" in said
    assert f"有 {sum(not one.receipt for one in told)} 条记录没有放回执" in said


async def test_it_is_fetched_once_and_leaves_nothing(country):
    nodes, subject = country
    home, actor = nodes[make.HOME], make.her(subject)
    done = await gathered(nodes, subject, await ask(home, actor))
    assert done.word_waits
    async with home.db.transaction() as tx:  # no file before the word was seen: nobody could open it afterwards
        with pytest.raises(CopyGone):
            await asking.begin_download(tx, home, actor, done.id)
    await fetched(home, actor, done)
    for verb in (asking.show_word, asking.begin_download):
        async with home.db.transaction() as tx:
            with pytest.raises(CopyGone):
                await verb(tx, home, actor, done.id)
    for node in nodes.values():
        async with node.db.reading() as tx:
            assert await tx.fetchval("SELECT count(*) FROM copy_chunk") == 0
            assert await tx.fetchval("SELECT count(*) FROM copy_share") == 0
    assert (await stands(home, subject, done)).state == "fetched"


async def on_disk(node):
    """All bytes of the table of pieces as they lie in the database's folder."""
    async with node.db.alone() as tx:
        await tx.execute("CHECKPOINT")
        paths = await tx.fetch(
            "SELECT pg_relation_filepath(oid) AS path FROM pg_class WHERE oid = 'copy_chunk'::regclass"
            " OR oid = (SELECT reltoastrelid FROM pg_class WHERE oid = 'copy_chunk'::regclass)"
        )
        return b"".join([await tx.fetchval("SELECT pg_read_binary_file($1)", row["path"]) for row in paths])


async def test_what_lies_here_is_sealed_and_goes_after_its_day(country):
    """Raw storage: nothing in the clear while it lies here, nothing at all after 24 hours (R-409, T-48)."""
    nodes, subject = country
    home, actor = nodes[make.HOME], make.her(subject)
    copy = await ask(home, actor)
    await gathering.step(home, subject, copy.id)  # the parts lie here, before the ZIP
    raw = await on_disk(home)
    assert len(raw) > len(PICTURE)
    # the database cuts what is long every 2 kB; what is random it does not pack
    assert not any(PICTURE[start : start + 100] in raw for start in range(0, len(PICTURE), 10_000))
    assert NAME.encode() not in raw
    for name in make.OTHERS:
        await sharing.make_shares(nodes[name])
    await gathering.step(home, subject, copy.id)
    async with home.db.reading() as tx:
        sealed = await tx.fetchval("SELECT content FROM copy_chunk ORDER BY number LIMIT 1")
    assert sealed[100:1900] in await on_disk(home)
    assert b"PK\x03\x04" not in sealed
    async with home.db.transaction() as tx:
        await tx.execute("UPDATE copy_request SET ends_at = now() - interval '1 second' WHERE id = $1", copy.id)
        with pytest.raises(CopyGone):
            await asking.show_word(tx, home, actor, copy.id)
    await tidying.tidy(home)
    found = await stands(home, subject, copy)
    assert (found.state, found.word_waits) == ("expired", False)
    assert sealed[100:1900] not in await on_disk(home)


async def test_a_simple_copy_leaves_sensitive_parts_out(country):
    """Level 2 gives a copy without numbers of documents, files and results; level 3 is needed for more, also when it is opened."""
    nodes, subject = country
    home, low = nodes[make.HOME], make.her(subject, level=2)
    with pytest.raises(LevelNeeded):
        await ask(home, low)
    done = await gathered(nodes, subject, await ask(home, low, whole=False))
    files = await fetched(home, low, done)
    everything = b"".join(files.values())
    assert NAME.encode() in everything
    for held in (NUMBER.encode(), "一致演示".encode(), PICTURE[:4096]):
        assert held not in everything
    assert json.loads(files["数据/材料.json"])["各处"][0]["没有放进来"] == ["文件"]
    whole = await gathered(nodes, subject, await ask(home, make.her(subject)))
    async with home.db.transaction() as tx:
        with pytest.raises(LevelNeeded):
            await asking.show_word(tx, home, low, whole.id)


async def test_only_the_person_itself_at_home(country):
    nodes, subject = country
    home = nodes[make.HOME]
    done = await gathered(nodes, subject, await ask(home, make.her(subject)))
    stranger = make.her("n1" + "z" * 32)
    async with home.db.transaction() as tx:
        for verb in (asking.show_word, asking.begin_download, asking.stop, asking.ask_again):
            with pytest.raises(CopyUnknown):
                await verb(tx, home, stranger, done.id)
    agent = make.acting_for(subject)
    with pytest.raises(CopyElsewhere):
        await ask(home, agent)
    with pytest.raises(CopyElsewhere):
        await ask(home, make.her(subject, home="510000"))


async def test_a_node_answers_the_home_only(country):
    """T-22, T-32: who is not the home of a person gets nothing of it, whatever it claims."""
    nodes, subject = country
    hub, home = nodes["cn"], nodes[make.HOME]
    question = {
        "v": 1, "subject": subject, "proof": "", "request": uuid7(), "whole": True, "line": uuid7(), "at": home.clock.ms(), "place": "x", "from": 0, "done": False,
    }  # fmt: skip
    for asker, asked in ((hub, "mps"), (nodes["mps"], "cn"), (home, "cn")):  # the last one is the home and does not show it
        with pytest.raises(federation.CallRefused) as refused:
            await federation.call(asker, asked, sharing.SERVICE, question)
        assert refused.value.problem == "no_grant"
    for wrong in ({"request": "x"}, {"from": "y"}, {"at": 1}):
        with pytest.raises(federation.CallRefused) as refused:
            await federation.call(home, "mps", sharing.SERVICE, {**question, **wrong})
        assert refused.value.problem == "malformed"
    async with nodes["mps"].db.reading() as tx:
        assert await tx.fetchval("SELECT count(*) FROM copy_share") == 0


async def test_a_silent_node_is_named_and_fetched_again(country, monkeypatch):
    nodes, subject = country
    home, actor = nodes[make.HOME], make.her(subject)
    true_call = federation.call

    async def call(node, to, *rest, **more):
        if to == "mps":
            raise federation.CallFailed("transport")
        return await true_call(node, to, *rest, **more)

    monkeypatch.setattr(federation, "call", call)
    copy = await ask(home, actor)
    waiting = await gathered(nodes, subject, copy)
    assert waiting.state == "gathering", "ten minutes are waited"
    async with home.db.transaction() as tx:
        await tx.execute("UPDATE copy_request SET asked_at = asked_at - $2::interval WHERE id = $1", copy.id, timedelta(minutes=COPIES.patience_minutes))
    await gathering.gather_due(home)
    done = await stands(home, subject, copy)
    assert done.state == "ready"
    assert [one.node for one in done.missing] == ["mps"]
    files = await fetched(home, actor, done)
    assert json.loads(files["目录.json"])["这次没有取到的地方"] == ["公安部（演示）"]
    monkeypatch.setattr(federation, "call", true_call)
    async with home.db.transaction() as tx:
        more = await asking.ask_again(tx, home, actor, done.id)
    rest = await gathered(nodes, subject, more)
    assert (rest.state, [one.node for one in rest.parts]) == ("ready", ["mps"])
    assert len(json.loads((await fetched(home, actor, rest))["数据/身份.json"])["各处"]) == 1


async def test_killed_in_the_middle_it_goes_on(country, monkeypatch):
    """A process that dies while it collects, fetches or makes the file: the next one goes on from what is here (R-409)."""
    nodes, subject = country
    home, actor = nodes[make.HOME], make.her(subject)

    class Killed(BaseException):
        pass

    copy = await ask(home, actor)
    true_content, true_call, true_finish = collecting._content, federation.call, making._finish
    asked = []

    async def dies(*_, **__):
        raise Killed

    async def dies_later(node, to, service, body, **more):
        asked.append((to, body["from"], body["done"]))
        if to == "mps" and body["from"] > 0 and len(asked) < 6:
            raise Killed
        return await true_call(node, to, service, body, **more)

    async def due():
        async with home.db.transaction() as tx:
            await tx.execute("UPDATE copy_request SET next_at = now() WHERE id = $1", copy.id)
        await gathering.gather_due(home)

    monkeypatch.setattr(sharing, "AT_ONCE", 1)
    monkeypatch.setattr(collecting, "_content", dies)
    with pytest.raises(Killed):
        await due()
    monkeypatch.setattr(collecting, "_content", true_content)
    for name in ("cn", "mps"):  # one after the other: in a test the rest of a killed step would run on
        await due()
        await sharing.make_shares(nodes[name])
    monkeypatch.setattr(federation, "call", dies_later)
    with pytest.raises(Killed):
        await due()
    had = next(one.had for one in (await stands(home, subject, copy)).parts if one.node == "mps")
    assert 0 < had < len(PICTURE), "some of it has come"
    asked.clear()
    asked.extend([("", 0, False)] * 6)
    monkeypatch.setattr(making, "_finish", dies)
    with pytest.raises(Killed):
        await due()
    assert min(first for to, first, _ in asked if to == "mps") == sharing.AT_ONCE, "what was here was not fetched again"
    monkeypatch.setattr(making, "_finish", true_finish)
    await due()
    done = await stands(home, subject, copy)
    assert done.state == "ready"
    files = await fetched(home, actor, done)
    assert [body for name, body in files.items() if name.startswith("文件/")] == [PICTURE] * 3


async def test_one_room_that_fails_is_named(country):
    nodes, subject = country
    home, actor = nodes[make.HOME], make.her(subject)

    def broken(*_):
        raise RuntimeError("演示故障")

    privacy.use_holdings((make.holding("person", "身份", lambda *_: [{"姓名": NAME}]), make.holding("bad", "坏掉的", broken)))
    done = await gathered(nodes, subject, await ask(home, actor))
    assert (done.state, done.left_out) == ("ready", 3)
    files = await fetched(home, actor, done)
    listed = {one["名称"]: one["没能取出"] for one in json.loads(files["目录.json"])["各类"]}
    assert len(listed["坏掉的"]) == 3
    assert listed["身份"] == []


async def test_limits_and_one_at_a_time(country):
    nodes, subject = country
    home, actor = nodes[make.HOME], make.her(subject)
    first = await ask(home, actor)
    assert (await ask(home, actor)).id == first.id, "the one that is being gathered"
    for _ in range(COPIES.day_copies - 1):
        async with home.db.transaction() as tx:
            await asking.stop(tx, home, actor, (await ask(home, actor)).id)
        assert not isinstance(await ask(home, actor), tuple)
    async with home.db.transaction() as tx:
        for row in await tx.fetch("SELECT id FROM copy_request WHERE state = 'gathering'"):
            await asking.stop(tx, home, actor, str(row["id"]))
    refused = await ask(home, actor)
    assert isinstance(refused, tuple)
    assert refused[0].code == "privacy.copies_today"
    async with home.db.reading() as tx:
        assert await tx.fetchval("SELECT count(*) FROM copy_chunk") == 0
