"""A package of large files (R-407, T-39): made, finished, given and judged with little memory; sealed in pieces that hold together;
killed in the middle, on a full disk, beside packages of before."""

from __future__ import annotations

import asyncio
import io
import os
import resource
import subprocess
import sys
import tracemalloc
import zipfile
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta

import msgspec
import pytest

from tongban import evidence, transparency
from tongban.evidence import queries
from tongban.evidence.actions import archive, finish, sweep
from tongban.evidence.actions.materials import _keep, put
from tongban.evidence.actions.sealing import Sealing
from tongban.evidence.errors import ContentDamaged, NoRoomToPack, PackageTooLarge
from tongban.evidence.providers import path_of
from tongban.evidence.providers.s3 import S3Content
from tongban.evidence.queries import archives as looking
from tongban.evidence.rules import package as packing
from tongban.evidence.rules import pieces
from tongban.evidence.rules.limits import ARCHIVING
from tongban.kernel.gm import Sm2PublicKey, digest

from .make import ME, dossier, s3, whole
from .test_archive import run, script, unzipped

MIB = 1024 * 1024


def large(size):
    """A PDF of that size which nothing makes smaller: chance stands in a stream, for outside of one some of it reads as `/JS`."""
    begins, ends = b"%PDF-1.7\n1 0 obj\n<<>>\nstream\n", b"\nendstream\nendobj\n%%EOF\n"
    return begins + os.urandom(size - len(begins) - len(ends)) + ends


async def case_of(tx, node, *sizes, **more):
    """The dossier of a case with files of these sizes, and their content."""
    contents = [large(size) for size in sizes]
    kept = [await _keep(tx, node, ME, "合同.pdf", "application/pdf", one, "paper", "upload") for one in contents]
    return dossier(tuple(evidence.Enclosed("document", f"paper{n}", "合同", one.id) for n, one in enumerate(kept)), **more), contents


async def ready(tx, node):
    """Receipts are there, and nobody's signature is waited for; the fingerprint of the key."""
    while await transparency.sequence(tx):
        pass
    head = await transparency.sign_head(tx, node)
    await tx.execute("UPDATE archive SET made_at = made_at - interval '10 minutes' WHERE state = 'waiting'")
    return Sm2PublicKey.from_spki(head.key).fingerprint.hex()


@contextmanager
def held():
    """What is held at most meanwhile, in bytes: the last of the list."""
    most = []
    tracemalloc.start()
    try:
        before = tracemalloc.get_traced_memory()[0]
        yield most
        most.append(tracemalloc.get_traced_memory()[1] - before)
    finally:
        tracemalloc.stop()


def lying(node):
    """Files of the store, and of where it is written."""
    folder = node.settings.data_dir / "evidence"
    return {one.relative_to(folder).as_posix() for one in folder.rglob("*") if one.is_file()}


async def test_a_large_package_is_made_finished_and_given_with_the_memory_of_a_small_one(make_node, tmp_path):
    """48 MiB in three files; what is held at most is a few pieces, and while it is judged one file with what is looked for in it."""
    node = await make_node("500000")
    async with node.db.transaction() as tx:
        told, _ = await case_of(tx, node, *[16 * MIB] * 3)
        with held() as making:
            made = await archive(tx, node, told)
        key = await ready(tx, node)
    with held() as finishing:
        assert await finish(node) == 1
    with (tmp_path / "package.zip").open("wb") as out, held() as giving:
        async with node.db.reading() as tx:
            given = await looking.package(tx, node, made.id)
        async for piece in given.pieces:
            out.write(piece)
    assert (tmp_path / "package.zip").stat().st_size == given.byte_count > 48 * MIB
    code, said = await asyncio.to_thread(run, tmp_path, None, "--key", key)
    assert code == 0, said
    with held() as judging:
        book, *_ = script().check(tmp_path / "package.zip", script().load_receipts(), key=key, root=None)
    assert book.whole
    for what, most, bound in (("made", making, 12), ("finished", finishing, 12), ("given", giving, 12), ("judged", judging, 26)):
        assert most[0] < bound * MIB, f"{what}: {most[0]} bytes held at most"


async def test_each_piece_opens_in_its_place_of_its_file_alone(node, tx):
    """Cut, changed places, of another file, of an earlier writing: refused before anything goes out, and also by who changed the row too."""
    store = queries.content_store(node)
    size = pieces.PIECE + pieces.TAG
    files = []
    for _ in range(2):
        sealing, content = Sealing(store), os.urandom(3 * pieces.PIECE + 1000)
        sealing.write(content)
        files.append((sealing.close(), content))
    (lies, content), (other, _) = files
    assert await whole(await queries.given(node, lies.address, lies.secret)) == content
    stored, strange = store.get(lies.address), store.get(other.address)
    parts = [stored[at : at + size] for at in range(0, len(stored), size)]
    assert len(parts) == 4
    changed = {
        "the last piece gone": b"".join(parts[:3]),
        "two pieces gone": b"".join(parts[:2]),
        "cut in a piece": stored[: 2 * size + 500],
        "cut in a tag": stored[: 2 * size + 7],
        "two changed places": b"".join([parts[1], parts[0], *parts[2:]]),
        "one twice": b"".join([parts[0], parts[0], *parts[1:]]),
        "one of another file": b"".join([parts[0], strange[size : 2 * size], *parts[2:]]),
        "the end of another file": b"".join([*parts[:3], strange[3 * size :]]),
        "another file": strange,
        "one bit": stored[:5] + bytes([stored[5] ^ 1]) + stored[6:],
        "more behind it": stored + parts[0],
        "nothing": b"",
    }
    for what, bad in changed.items():
        store.put(lies.address, bad)
        assert await refused(node, lies.address, lies.secret) == b"", f"{what}: it was not looked at whole first"
        address = digest(bad)
        store.put(address, bad)  # and the row says this address now
        out = await refused(node, address, lies.secret)
        assert out is not None, f"{what}: taken for the file"
        assert content.startswith(out), f"{what}: something else was given out"
        with pytest.raises(ContentDamaged):
            await asyncio.to_thread(lambda at=address: io.BufferedReader(queries.Reading(store, at, lies.secret)).read())


async def refused(node, address, secret):
    """What went out before it was refused; None when it was not."""
    out = b""
    try:
        given = await queries.given(node, address, secret)
        async for piece in given.pieces:
            out += piece
    except ContentDamaged:
        return out
    return None


def test_a_file_of_pieces_is_read_from_any_place_on(node):
    """At the borders of pieces and over them, from the end, past it; also a file whose last piece is as long as the others, and an empty one."""
    store = queries.content_store(node)
    for size in (0, 1, pieces.PIECE, 2 * pieces.PIECE, 2 * pieces.PIECE + 1):
        sealing, content = Sealing(store), os.urandom(size)
        for at in range(0, size, 700_001):
            sealing.write(memoryview(content)[at : at + 700_001])
        lies = sealing.close()
        file = io.BufferedReader(queries.Reading(store, lies.address, lies.secret))
        assert (lies.byte_count, file.read()) == (size, content)
        for start in (0, 1, pieces.PIECE - 1, pieces.PIECE, size - 1, size, size + 5):
            file.seek(max(start, 0))
            assert file.read(2000) == content[max(start, 0) :][:2000]
        file.seek(-min(size, 22), io.SEEK_END)
        assert file.read() == content[size - min(size, 22) :]


async def test_the_zip_is_one_that_others_read_from_the_front(node, tx):
    """No file in it is stored without its length before it: readers that do not go to the list at the end cannot find where it stops."""
    told, contents = await case_of(tx, node, 2 * MIB)
    made = await archive(tx, node, told)
    package = await whole(await looking.package(tx, node, made.id))
    with zipfile.ZipFile(io.BytesIO(package)) as box:
        assert box.testzip() is None
        for one in box.infolist():
            assert not (one.compress_type == zipfile.ZIP_STORED and one.flag_bits & 8), one.filename
        assert box.read("documents/001.pdf") == contents[0]
        assert box.getinfo("documents/001.pdf").compress_size < len(contents[0]) * 1.01


async def test_a_package_of_before_is_finished_and_given_as_it_was(make_node):
    """Stored whole under one key and nonce, as the release before did."""
    node = await make_node("510000")
    async with node.db.transaction() as tx:
        told, contents = await case_of(tx, node, 2 * MIB)
        made = await archive(tx, node, told)
        plain = await whole(await looking.package(tx, node, made.id))
        address, secret = await put(node, plain)
        sealed = await node.person_keys.seal(tx, ME, "file", "archive.content_key", made.id, secret)
        await tx.execute("UPDATE archive SET address = $2, content_key = $3, byte_count = $4 WHERE id = $1", made.id, address, sealed, len(plain))
        assert await whole(await looking.package(tx, node, made.id)) == plain
        await ready(tx, node)
    assert await finish(node) == 1
    async with node.db.reading() as tx:
        parts = unzipped(await whole(await looking.package(tx, node, made.id)))
    assert parts["documents/001.pdf"] == contents[0]
    assert "receipts/manifest.json" in parts
    stored = queries.content_store(node)
    stored.put(address, stored.get(address)[:-1] + b"x")
    async with node.db.transaction() as tx:
        await tx.execute("UPDATE archive SET address = $2, content_key = $3 WHERE id = $1", made.id, address, sealed)
        with pytest.raises(ContentDamaged):
            await looking.package(tx, node, made.id)


DIES = """
import asyncio, msgspec, os, signal, sys
from pathlib import Path
from tongban.evidence.actions import archive, sealing
from tongban.evidence.model import Enclosed
from tongban.evidence.tests.make import dossier
from tongban.kernel.node import Node
from tongban.kernel.settings import Settings
Sealing, where, written = sealing.Sealing, sys.argv[2], []
def dies(*_):
    os.kill(os.getpid(), signal.SIGKILL)
if where == "between pieces":
    out = Sealing._out
    def some(self, plain, *, last):
        out(self, plain, last=last)
        self._file.flush()
        written.append(1)
        if len(written) == 2:
            dies()
    Sealing._out = some
else:
    close = Sealing.close
    Sealing.close = lambda self: (close(self), dies())
async def main():
    settings = msgspec.json.decode(Path(sys.argv[1]).read_bytes(), type=Settings, dec_hook=lambda kind, one: kind(one))
    async with Node.open(settings) as node, node.db.transaction() as tx:
        await archive(tx, node, dossier((Enclosed("document", "paper0", "x", sys.argv[3]),), case=sys.argv[4]))
asyncio.run(main())
"""


@pytest.mark.parametrize("where", ["between pieces", "between pieces and row"])
async def test_killed_while_it_is_written_no_package_is_listed_and_the_sweep_takes_the_pieces(make_node, tmp_path, where):
    node = await make_node("500000" if where == "between pieces" else "510000")
    async with node.db.transaction() as tx:
        told, contents = await case_of(tx, node, 4 * MIB)
    before = lying(node)
    (tmp_path / "settings.json").write_bytes(msgspec.json.encode(node.settings, enc_hook=str))
    command = [sys.executable, "-c", DIES, str(tmp_path / "settings.json"), where, told.enclosed[0].material, told.case]
    ended = await asyncio.to_thread(subprocess.run, command, capture_output=True, check=False)
    assert ended.returncode == -9, ended.stderr.decode()[-600:]
    async with node.db.reading() as tx:
        assert await tx.fetchval("SELECT count(*) FROM archive") == 0, "half a package is listed"
    (left,) = lying(node) - before
    assert left.startswith("arriving/making-") is (where == "between pieces")
    folder = node.settings.data_dir / "evidence"
    assert contents[0][:32] not in (folder / left).read_bytes()
    assert await sweep(node) == 0  # it may still be written
    old = (node.clock.now() - timedelta(days=2)).timestamp()
    os.utime(folder / left, (old, old))
    assert await sweep(node) == 1
    assert lying(node) == before
    async with node.db.transaction() as tx:
        made = await archive(tx, node, told)
        assert unzipped(await whole(await looking.package(tx, node, made.id)))["documents/001.pdf"] == contents[0]


@contextmanager
def full_after(count):
    """The operating system takes no file longer than that from this process."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (count, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


async def test_a_disk_that_is_full_makes_no_package_says_so_and_loses_nothing(make_node):
    """While it is made, and while its receipts are added: the case, its files and the package that was there stay as they are."""
    node = await make_node("500000")
    async with node.db.transaction() as tx:
        told, contents = await case_of(tx, node, 3 * MIB)
    before = lying(node)
    with full_after(2 * MIB), pytest.raises(NoRoomToPack) as said:
        async with node.db.transaction() as tx:
            await archive(tx, node, told)
    assert said.value.status == 507
    assert "存不下" in said.value.sentence
    assert lying(node) == before, "something is left of it"
    async with node.db.transaction() as tx:
        assert await tx.fetchval("SELECT count(*) FROM archive") == await tx.fetchval("SELECT count(*) FROM log_leaf WHERE kind = 'archive.packed'") == 0
        made = await archive(tx, node, told)
        await ready(tx, node)
    before = lying(node)
    with full_after(2 * MIB):
        assert await finish(node) == 0
    assert lying(node) == before
    async with node.db.reading() as tx:
        found = await looking.archive(tx, made.id)
        assert found.state == "waiting"
        assert unzipped(await whole(await looking.package(tx, node, made.id)))["documents/001.pdf"] == contents[0]
    assert await finish(node) == 1


async def test_a_file_that_was_changed_or_a_case_that_is_too_large_leaves_nothing(node, tx, monkeypatch):
    told, _ = await case_of(tx, node, 2 * MIB, 2 * MIB)
    before = lying(node)
    monkeypatch.setattr("tongban.evidence.actions.packing.ARCHIVING", msgspec.structs.replace(ARCHIVING, package_bytes=3 * MIB))
    with pytest.raises(PackageTooLarge):
        await archive(tx, node, told)
    assert lying(node) == before
    monkeypatch.undo()
    last = (await queries.material(tx, node, ME, told.enclosed[1].material)).address
    store = queries.content_store(node)
    store.put(last, store.get(last)[:-1] + b"x")
    with pytest.raises(ContentDamaged):
        await archive(tx, node, told)
    assert lying(node) == before
    assert await looking.archive_of(tx, told.case) is None


async def test_an_s3_compatible_store_gets_a_large_file_in_parts(monkeypatch, tmp_path):
    """Written beside it first, sealed, then sent as it is read; nothing of it stays on this computer."""
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "demo")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "demo-secret")
    async with s3() as (server, url):
        bucket, content = S3Content(url, tmp_path), os.urandom(12 * MIB)

        def written():
            sealing = Sealing(bucket)
            sealing.write(content)
            return sealing.close()

        lies = await asyncio.to_thread(written)
        assert list(server.objects) == [f"node/{path_of(lies.address)}"]
        assert server.parts > 1
        assert list(tmp_path.iterdir()) == []
        assert await asyncio.to_thread(lambda: io.BufferedReader(queries.Reading(bucket, lies.address, lies.secret)).read()) == content
        server.mood = "full"
        with pytest.raises(NoRoomToPack):
            await asyncio.to_thread(written)
        assert list(server.objects) == [f"node/{path_of(lies.address)}"]


def test_a_name_is_found_wherever_it_stands_in_a_large_file():
    """The judge looks at a large PDF a little at a time: a name over the border is one name, and a longer one is another."""
    judge = script()
    for border in (judge.AT_ONCE, 2 * judge.AT_ONCE - judge.OVERLAP):
        for before in range(0, 40, 3):
            for name, acts in ((b"/J#61vaScript (x)", True), (b"/#4Caunch/F", True), (b"/LaunchDate (x)", False), (b"/Launch#44ate (x)", False)):
                content = b"%PDF-1.7\n".ljust(border - before, b"\n") + name + b"\n" * judge.AT_ONCE + b"%%EOF\n"
                assert judge.pdf_acts(content) is acts, (border, before, name)


def test_copying_a_package_keeps_every_file():
    """Old ones too, whose files are stored as they are."""
    made, before, after = {"case/a.json": b'{"a": 1}' * 900, "materials/001.jpg": os.urandom(3000)}, io.BytesIO(), io.BytesIO()
    with zipfile.ZipFile(before, "w", zipfile.ZIP_STORED) as box:
        for path, content in made.items():
            box.writestr(path, content)
    into = packing.Packing(after, datetime(2026, 11, 18, tzinfo=UTC))
    packing.copied(before, into)
    into.close()
    assert unzipped(after.getvalue()) == made
