"""Where content lies (R-407): a folder or an S3-compatible store; full, away, killed in the middle; limits; deletion (T-48, T-92)."""

from __future__ import annotations

import asyncio
import os
import subprocess
import sys
from datetime import timedelta

import pytest

from tongban import evidence, transparency
from tongban.evidence import queries
from tongban.evidence.actions import drop, retain, store, sweep
from tongban.evidence.errors import ContentAway
from tongban.evidence.providers import StoreTrouble
from tongban.evidence.providers.local import LocalContent
from tongban.evidence.providers.s3 import S3Content
from tongban.evidence.rules.limits import LIMITS
from tongban.kernel.gm import digest

from .make import ME, pdf, person, picture, s3, sent

FULL = """
import resource, sys
from pathlib import Path
from tongban.evidence.providers import StoreTrouble
from tongban.evidence.providers.local import LocalContent
from tongban.kernel.gm import digest
store, content = LocalContent(Path(sys.argv[1])), b"x" * 300_000
resource.setrlimit(resource.RLIMIT_FSIZE, (4096, 4096))
try:
    store.put(digest(content), content)
except StoreTrouble:
    print("trouble", store.get(digest(content)))
"""


def test_a_disk_that_takes_no_more_keeps_nothing_half(tmp_path):
    """The operating system refuses the write in the middle; nothing stands under the name, and the sweep finds no rest."""
    done = subprocess.run([sys.executable, "-c", FULL, str(tmp_path)], capture_output=True, text=True, timeout=60, check=False)
    assert done.stdout.strip() == "trouble None", done.stdout + done.stderr
    assert [one.path for one in LocalContent(tmp_path).listed() if one.address] == []


class Full:
    """A store that takes nothing."""

    def put(self, _address, _content):
        raise StoreTrouble

    def get(self, _address):
        return None


async def test_a_full_store_tells_the_person_beside_the_field_and_writes_no_row(node, tx, monkeypatch):
    monkeypatch.setattr(queries, "content_store", lambda _node: Full())
    (refusal,) = await store(tx, node, person(), sent(picture()), kind="photo", field="photo")
    assert (refusal.code, refusal.field) == ("evidence.no_room", "photo")
    assert "填的都在" in refusal.sentence
    assert await tx.fetchval("SELECT count(*) FROM material") == 0
    with pytest.raises(evidence.NoRoom):
        await evidence.keep_document(tx, node, ME, name="a.ofd", media_type="application/ofd", content=b"x")


async def test_an_s3_compatible_store_works_and_fails_in_words(monkeypatch, tmp_path):
    """Put, get, drop, list over the wire, signed; full and away are StoreTrouble for a write and absence for a read."""
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "demo")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "demo-secret")
    async with s3() as (server, url):
        bucket = S3Content(url, tmp_path)
        content = os.urandom(50_000)
        address = digest(content)
        await asyncio.to_thread(bucket.put, address, content)
        assert await asyncio.to_thread(bucket.get, address) == content
        assert list(server.objects) == [f"node/{address[4:6]}/{address[4:]}"]
        assert server.signed >= 2
        assert [one.address for one in await asyncio.to_thread(lambda: list(bucket.listed()))] == [address]
        server.mood = "full"
        with pytest.raises(StoreTrouble):
            await asyncio.to_thread(bucket.put, digest(b"y"), b"y")
        server.mood = "away"
        with pytest.raises(StoreTrouble):
            await asyncio.to_thread(bucket.put, digest(b"y"), b"y")
        assert await asyncio.to_thread(bucket.get, address) is None
        server.mood = ""
        arrived = tmp_path / "arrived"
        arrived.write_bytes(content)
        await asyncio.to_thread(bucket.drop, address)
        await asyncio.to_thread(bucket.take, address, arrived)
        assert not arrived.exists()
        assert await asyncio.to_thread(bucket.size, address) == len(content)
        assert await asyncio.to_thread(bucket.part, address, 40_000, 20_000) == content[40_000:]
        assert await asyncio.to_thread(bucket.size, digest(b"never")) is None
        assert await asyncio.to_thread(bucket.part, digest(b"never"), 0, 5) == b""
        await asyncio.to_thread(bucket.drop, address)
        await asyncio.to_thread(bucket.drop, address)
        assert server.objects == {}
    for wrong in ("file:///x", "s3://", "s3://a?secret=b"):
        with pytest.raises(ValueError, match="evidence_store"):
            S3Content(wrong, tmp_path)


async def test_a_node_with_an_s3_store_keeps_and_opens(make_node, monkeypatch):
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "demo")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "demo-secret")
    async with s3() as (server, url):
        node = await make_node("510000", evidence_store=url)
        async with node.db.transaction() as tx:
            kept = await evidence.store(tx, node, person(), sent(picture()), kind="photo")
            assert (await evidence.read(tx, node, ME, kept.id)).content == picture()
        (held,) = server.objects.values()
        assert picture()[:20] not in held
        server.mood = "away"
        async with node.db.transaction() as tx:
            with pytest.raises(ContentAway):
                await evidence.read(tx, node, ME, kept.id)


async def test_t92_what_a_person_keeps_is_bounded(node, tx, monkeypatch):
    """500 × 10 MB: refused in words at the sum, at the count, and at the count of a day; another person is not concerned."""
    made = await store(tx, node, person(), sent(picture()), kind="photo")
    await tx.execute("UPDATE material SET byte_count = $2 WHERE id = $1", made.id, LIMITS.person_bytes - 10)
    over = await store(tx, node, person(), sent(picture()), kind="photo")
    assert isinstance(over, tuple), "stored over limit"
    assert over[0].code == "evidence.full"
    assert isinstance(await store(tx, node, person("n1" + "b" * 32), sent(picture()), kind="photo"), evidence.Material)
    await tx.execute("UPDATE material SET byte_count = 1 WHERE id = $1", made.id)
    for limits, code in (({"day_files": 2}, "evidence.too_many_today"), ({"person_files": 2}, "evidence.full")):
        monkeypatch.setattr("tongban.evidence.actions.materials.LIMITS", type("L", (), {**{n: getattr(LIMITS, n) for n in LIMITS.__struct_fields__}, **limits}))
        found = [await store(tx, node, person(), sent(picture(100 + n)), kind="photo") for n in range(2)]
        assert isinstance(found[-1], tuple), "stored over limit"
        assert found[-1][0].code == code


async def test_what_nobody_names_is_swept_after_a_day(node, tx):
    """A rollback, a kill between file and row, a write cut off: all go; what a row names and what is young stays."""
    kept = await store(tx, node, person(), sent(picture()), kind="photo")
    content = queries.content_store(node)
    folder = node.settings.data_dir / "evidence"
    content.put(digest(b"orphan"), b"orphan")
    content.put(digest(b"young"), b"young")
    cut = folder / "zz" / "name#1"
    cut.parent.mkdir(exist_ok=True)  # a kept file's name may begin so by chance
    cut.write_bytes(b"half")
    old = (node.clock.now() - timedelta(days=2)).timestamp()
    for path in (cut, folder / "/".join((digest(b"orphan")[4:6], digest(b"orphan")[4:])), folder / kept.address[4:6] / kept.address[4:]):
        os.utime(path, (old, old))

    class Here:
        """This transaction as the node's database, so that the row counts before the commit."""

        settings, clock, db = node.settings, node.clock, None

        @staticmethod
        def reading():
            class Box:
                async def __aenter__(self):
                    return tx

                async def __aexit__(self, *_):
                    return None

            return Box()

    Here.db = Here
    assert await sweep(Here) == 2
    assert content.get(kept.address) is not None
    assert content.get(digest(b"orphan")) is None
    assert content.get(digest(b"young")) == b"young"
    assert not cut.exists()


async def test_t48_a_deleted_material_is_nowhere(make_node):
    """Row, key and ciphertext go, with a leaf; after VACUUM neither name nor content is in the database or the folder."""
    node = await make_node("samr")
    async with node.db.transaction() as tx:
        kept = await store(tx, node, person(), sent(pdf(b"only-here-4711"), "独一无二的名字.pdf"), kind="photo")
        row = await tx.fetchrow("SELECT address, content_key, name FROM material WHERE id = $1", kept.id)
    assert queries.content_store(node).get(row["address"]) is not None
    assert not await drop(node, row["address"])  # a row still names it
    async with node.db.transaction() as tx:
        assert await evidence.remove(tx, node, person(), kept.id)
        job = await tx.fetchval("SELECT payload FROM pgqueuer WHERE entrypoint = 'evidence.drop' ORDER BY id DESC LIMIT 1")
    assert row["address"].encode() in bytes(job)
    assert await drop(node, row["address"])
    assert queries.content_store(node).get(row["address"]) is None, "still readable"
    async with node.db.reading() as tx:
        for _ in range(100):  # what somebody of the server may still see (its own counting of rows, a waiting clock) is kept that long
            await tx.execute("VACUUM FULL material")
            path = await tx.fetchval("SELECT current_setting('data_directory') || '/' || pg_relation_filepath('material')")
            raw = await tx.fetchval("SELECT pg_read_binary_file($1)", path)
            if row["content_key"] not in raw:
                break
            await asyncio.sleep(0.1)
        for column in ("content_key", "name"):
            assert await tx.fetchval(f"SELECT count(*) FROM material WHERE {column} = $1", row[column]) == 0, "still readable"
        assert row["content_key"] not in raw, "still readable"
        assert row["name"] not in raw, "still readable"
        assert await tx.fetchval("SELECT count(*) FROM log_leaf WHERE kind = 'evidence.removed'") == 1
    for file in (node.settings.data_dir / "evidence").rglob("*"):
        assert not file.is_file() or row["address"][4:] != file.name, "still readable"


async def test_uploads_nobody_used_for_a_year_go_with_their_count_in_the_log(make_node, set_clock):
    """R-804, privacy.md 4: the run writes counts and a leaf; what a case uses stays."""
    node = await make_node("510000", clock=set_clock)
    async with node.db.transaction() as tx:
        await store(tx, node, person(), sent(picture()), kind="photo")
        used = await store(tx, node, person(), sent(picture()), kind="photo")
        await evidence.use(tx, node, ME, used.id, used_in="case:1", to=node.id)
    set_clock.move(timedelta(days=LIMITS.unused_days - 1))
    assert await retain(node) == 0
    set_clock.move(timedelta(days=2))
    assert await retain(node) == 1
    async with node.db.transaction() as tx:
        assert [one.id for one in await evidence.materials(tx, node, ME)] == [used.id]
        leaf = await tx.fetchval("SELECT id FROM log_leaf WHERE kind = 'evidence.retained'")
        while await transparency.sequence(tx):
            pass
        await transparency.sign_head(tx, node)
        assert (await transparency.receipt(tx, leaf)).leaf.kind == "evidence.retained"
