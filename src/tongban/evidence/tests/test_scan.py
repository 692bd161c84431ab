"""Files are looked into before anybody opens them (T-92): clean, infected, slow, away, and clamd in its own words."""

from __future__ import annotations

import time

import pytest

from tongban import evidence
from tongban.evidence import queries
from tongban.evidence.actions import judged, scan_waiting, store
from tongban.evidence.errors import BeingScanned, Infected
from tongban.evidence.providers import ScannerAway
from tongban.evidence.providers.scan import ClamdScanner, DemoScanner, scanner_for

from .make import BAD, ME, clamd, pdf, person, picture, sent


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
        assert await ClamdScanner(url).scan(content) == "clean"
        assert await ClamdScanner(url).scan(pdf(BAD)) == "infected"
    for said in (b"INSTREAM size limit exceeded. ERROR\0", b"", b"nonsense\0"):
        async with clamd(said) as url:
            with pytest.raises(ScannerAway):
                await ClamdScanner(url).scan(content)
    for nowhere in (url, f"clamd://{tmp_path}/none.sock"):
        with pytest.raises(ScannerAway):
            await ClamdScanner(nowhere).scan(content)


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
    assert await judged(node, b"x") == "none"
