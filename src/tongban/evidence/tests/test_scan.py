"""Files are looked into before anybody opens them (T-92): clean, infected, slow, away, and clamd in its own words."""

from __future__ import annotations

import time
import tracemalloc

import msgspec
import pytest

from tongban import evidence
from tongban.evidence import queries
from tongban.evidence.actions import drop, fetch_wanted, judged, scan_waiting, store
from tongban.evidence.actions.materials import _keep
from tongban.evidence.errors import BeingScanned, Infected
from tongban.evidence.providers import ScannerAway
from tongban.evidence.providers.scan import ClamdScanner, DemoScanner, scanner_for

from .make import BAD, ME, clamd, pdf, person, picture, sent

OTHER = "n1" + "c" * 32  # 演示人


async def each(content):
    yield content


async def test_an_infected_file_is_refused_in_words_and_not_kept(node, tx):
    refused = await store(tx, node, person(), sent(pdf(BAD), "合同.pdf"), kind="paper", field="paper")
    assert isinstance(refused, tuple), "infected file stored"
    assert (refused[0].code, refused[0].field) == ("evidence.infected", "paper")
    assert await tx.fetchval("SELECT count(*) FROM material") == 0
    kept = await store(tx, node, person(), sent(picture()), kind="photo")
    assert kept.scan == "clean"


async def test_clamd_speaks_its_own_protocol(tmp_path):
    content = pdf(b"x" * 200_000)
    async with clamd() as url:
        assert await ClamdScanner(url).scan(each(content)) == "clean"
        assert await ClamdScanner(url).scan(each(pdf(BAD))) == "infected"
    for said in (b"INSTREAM size limit exceeded. ERROR\0", b"", b"nonsense\0"):
        async with clamd(said) as url:
            with pytest.raises(ScannerAway):
                await ClamdScanner(url).scan(each(content))
    for nowhere in (url, f"clamd://{tmp_path}/none.sock"):
        with pytest.raises(ScannerAway):
            await ClamdScanner(nowhere).scan(each(content))


def test_which_scanner_a_setting_names():
    assert scanner_for("", demo=False) is None
    assert isinstance(scanner_for("", demo=True), DemoScanner)
    assert isinstance(scanner_for("clamd://h:1", demo=False), ClamdScanner)
    for wrong in ("demo", "http://x"):
        with pytest.raises(ValueError, match="scanner"):
            scanner_for(wrong, demo=False)


@pytest.mark.parametrize("mood", ["slow", "away"])
async def test_a_scanner_that_does_not_answer_lets_the_file_wait_not_the_person(make_node, monkeypatch, mood):
    """The upload is taken within its time; nobody opens it until the scanner has looked; then it opens, or it is gone."""
    node = await make_node("500000")
    scanner = DemoScanner(mood)
    monkeypatch.setattr(queries, "scanner", lambda _node: scanner)
    monkeypatch.setattr("tongban.evidence.actions.scan.judged.__kwdefaults__", {"seconds": 0.1})
    started = time.monotonic()
    async with node.db.transaction() as tx:
        good = await store(tx, node, person(), sent(picture()), kind="photo")
        bad = await store(tx, node, person(), sent(pdf(BAD), "a.pdf"), kind="paper")
        assert (good.scan, bad.scan) == ("waiting", "waiting")
        with pytest.raises(BeingScanned):
            await evidence.read(tx, node, ME, good.id)
    assert time.monotonic() - started < 10
    scanner.mood = ""
    await scan_waiting(node)
    async with node.db.transaction() as tx:
        assert (await evidence.read(tx, node, ME, good.id)).content == picture()
        with pytest.raises(Infected):
            await evidence.read(tx, node, ME, bad.id)
        assert await tx.fetchval("SELECT count(*) FROM message WHERE subject = $1 AND kind = 'evidence.infected'", ME) >= 1


async def test_a_file_that_came_by_letter_waits_for_this_nodes_own_scanner(node, tx):
    kept = await store(tx, node, person(), sent(picture()), kind="photo")
    carried = await evidence.travel(tx, node, ME, kept.id, used_in="case:1", to="510000")
    other = "n1" + "c" * 32
    await evidence.arrive(tx, node, other, carried, used_in="case:1")
    await tx.execute("UPDATE material SET held = true WHERE subject = $1", other)
    with pytest.raises(BeingScanned):
        await evidence.read(tx, node, other, carried.id)


async def test_without_a_scanner_the_file_says_so(node, monkeypatch):
    monkeypatch.setattr(queries, "scanner", lambda _node: None)
    assert await judged(node, (b"x",), 1) == "none"


class Picky(DemoScanner):
    """A scanner that cannot finish some files: too large for it, or packed so that it takes for ever."""

    async def scan(self, content):
        whole = b"".join([piece async for piece in content])
        if b"endless" in whole:
            raise ScannerAway
        return "clean"


async def test_files_the_scanner_cannot_finish_hold_up_nobody(make_node, monkeypatch):
    """They go behind the others; when it is the scanner, a turn ends after three and everything is looked into as soon as it is back."""
    node = await make_node("samr")
    scanner = DemoScanner("away")
    monkeypatch.setattr(queries, "scanner", lambda _node: scanner)
    async with node.db.transaction() as tx:
        for _ in range(4):
            await store(tx, node, person(), sent(pdf(b"endless"), "a.pdf"), kind="paper")
        good = await store(tx, node, person(), sent(picture()), kind="photo")
    await scan_waiting(node)  # away: three are asked about, and the turn ends
    scanner = Picky()
    for _ in range(2):
        await scan_waiting(node)
    async with node.db.reading() as tx:
        assert (await evidence.read(tx, node, ME, good.id)).content == picture(), "held up"
        assert await tx.fetchval("SELECT count(*) FROM material WHERE scan = 'waiting'") == 4
    scanner = DemoScanner()
    await scan_waiting(node)
    async with node.db.reading() as tx:
        assert await tx.fetchval("SELECT count(*) FROM material WHERE scan = 'waiting'") == 0


async def test_a_file_that_went_is_not_asked_for_nor_sent_nor_deleted_twice(make_node, monkeypatch):
    """Infected: its row stays to say so, its content is nowhere; nothing that goes over the rows may stumble over it."""
    node = await make_node("510000")
    scanner = DemoScanner("away")
    monkeypatch.setattr(queries, "scanner", lambda _node: scanner)
    async with node.db.transaction() as tx:
        bad = await store(tx, node, person(), sent(pdf(BAD), "a.pdf"), kind="paper")
        good = await store(tx, node, person(), sent(picture()), kind="photo")
    scanner.mood = ""
    await scan_waiting(node)
    await fetch_wanted(node)
    async with node.db.transaction() as tx:
        with pytest.raises(Infected):
            await evidence.travel(tx, node, ME, bad.id, used_in="case:1", to="500000")
        carried = await evidence.travel(tx, node, ME, good.id, used_in="case:1", to="500000")
        for wrong in ("gone:" + bad.id, "sm3:../../x", ""):
            with pytest.raises(ValueError, match="content address"):
                await evidence.arrive(tx, node, OTHER, msgspec.structs.replace(carried, address=wrong), used_in="case:1")
        gone = await tx.fetchval("SELECT address FROM material WHERE id = $1", bad.id)
        assert await evidence.remove(tx, node, person(), bad.id)
    assert await drop(node, gone)


async def test_a_large_file_is_looked_into_with_the_memory_of_a_small_one(make_node):
    """16 MiB that came by letter, the mark at its end, on the border of two pieces; damaged, there is no verdict."""
    node = await make_node("500000")
    most = []
    for size in (4, 16):
        content = bytearray(size * 1024 * 1024)
        content[:9] = b"%PDF-1.7\n"
        border = (size - 1) * 1024 * 1024 - 10
        content[border : border + len(BAD)] = BAD
        async with node.db.transaction() as tx:
            kept = await _keep(tx, node, ME, "合同.pdf", "application/pdf", bytes(content), "photo", "document", "waiting")
        del content
        tracemalloc.start()
        try:
            before = tracemalloc.get_traced_memory()[0]
            await scan_waiting(node)
            most.append(tracemalloc.get_traced_memory()[1] - before)
        finally:
            tracemalloc.stop()
        async with node.db.reading() as tx:
            assert (await evidence.material(tx, node, ME, kept.id)).scan == "infected"
    # one or two pieces of 1 MiB more may be on their way between disk and scanner; the file is larger by twelve
    assert most[1] < most[0] + 3 * 1024 * 1024, f"{most} bytes held: it grows with the file"
    async with node.db.transaction() as tx:
        kept = await _keep(tx, node, ME, "合同.pdf", "application/pdf", bytes(3_000_000), "photo", "document", "waiting")
    path = node.settings.data_dir / "evidence" / kept.address[4:6] / kept.address[4:]
    path.write_bytes(path.read_bytes()[:-1] + b"?")
    await scan_waiting(node)
    async with node.db.reading() as tx:
        assert (await evidence.material(tx, node, ME, kept.id)).scan == "waiting", "a verdict on a file that is not the one"
