"""The archive package (R-407): made, finished with its receipts, judged by a script that needs nothing of ours, attacked, handed over."""

from __future__ import annotations

import asyncio
import io
import json
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

from tongban import evidence, transparency
from tongban.evidence.actions import archive, finish
from tongban.evidence.model import Step
from tongban.evidence.queries import archives as looking
from tongban.kernel.gm import b64, digest

from .make import ME, dossier, ofd, pdf, person, picture, sent

DOCS = Path(__file__).resolve().parents[4] / "docs"


def run(folder, package, *arguments):
    """The script as a stranger runs it: another process, isolated, the two scripts copied to a folder of their own."""
    for name in ("check_archive.py", "check_receipt.py"):
        shutil.copy(DOCS / name, folder / name)
    (folder / "package.zip").write_bytes(package)
    command = [sys.executable, "-I", "-S", str(folder / "check_archive.py"), str(folder / "package.zip"), *map(str, arguments)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120, check=False, cwd=folder)
    return done.returncode, done.stdout + done.stderr


def unzipped(package):
    with zipfile.ZipFile(io.BytesIO(package)) as box:
        return {name: box.read(name) for name in box.namelist()}


def zipped(content, *, flags=None):
    box = io.BytesIO()
    with zipfile.ZipFile(box, "w", zipfile.ZIP_DEFLATED) as out:
        for name, data in content.items():
            entry = zipfile.ZipInfo(name)
            entry.external_attr = (flags or {}).get(name, 0o600 << 16)
            out.writestr(entry, data, zipfile.ZIP_DEFLATED)
    return box.getvalue()


@pytest.fixture(scope="module")
async def packed(make_node):
    """(node, archive, package bytes, key fingerprint) of a case with a photo, a paper, a decision and two steps in the log."""
    node = await make_node("500000")
    async with node.db.transaction() as tx:
        photo = await evidence.store(tx, node, person(), sent(picture()), kind="photo")
        paper = await evidence.store(tx, node, person(), sent(pdf(), "合同.pdf"), kind="paper")
        decision = await evidence.keep_document(tx, node, ME, name="准予决定书.ofd", media_type="application/ofd", content=ofd())
        leaves = [await transparency.append(tx, f"case.{what}", what.encode()) for what in ("accepted", "decided")]
        steps = tuple(
            Step(n=n, title=f"第 {n} 步", act=act, at=leaf.at_ms, leaf=leaf.id) for n, (act, leaf) in enumerate(zip(("T06", "T14"), leaves, strict=True), 1)
        )
        enclosed = (
            evidence.Enclosed("material", "photo", "照片", photo.id), evidence.Enclosed("material", "paper", "合同", paper.id),
            evidence.Enclosed("document", "granted", "准予决定书", decision.id),
        )  # fmt: skip
        told = dossier(enclosed, steps)
        made = await archive(tx, node, told)
        assert (made.state, made.file_count, made.term) == ("waiting", 7, "10")
        assert await archive(tx, node, told) == made  # once for each case
    assert await finish(node) == 0  # its receipts are not there yet
    async with node.db.transaction() as tx:
        while await transparency.sequence(tx):
            pass
        head = await transparency.sign_head(tx, node)
        # another node's signature is waited for a few minutes; here the package goes without
        await tx.execute("UPDATE archive SET made_at = made_at - interval '10 minutes' WHERE id = $1", made.id)
    assert await finish(node) == 1
    async with node.db.transaction() as tx:
        found = await looking.archive_of(tx, told.case)
        return node, found, await looking.package(tx, node, made.id), head


async def test_a_stranger_finds_all_four_to_hold(packed, tmp_path):
    _, found, package, head = packed
    from tongban.kernel.gm import Sm2PublicKey

    fingerprint = Sm2PublicKey.from_spki(head.key).fingerprint.hex()
    code, said = await asyncio.to_thread(run, tmp_path, package, "--key", fingerprint)
    assert code == 0, said
    for question in ("真实性  成立", "完整性  成立", "可用性  成立", "安全性  成立", "四项都成立"):
        assert question in said
    assert (await asyncio.to_thread(run, tmp_path, package))[0] == 3  # claims no more than it knows
    assert (await asyncio.to_thread(run, tmp_path, package, "--key", "0" * 64))[0] == 1
    assert found.state == "packed"
    assert digest(unzipped(package)["manifest.json"]) == found.digest


async def test_the_package_rests_encrypted(packed):
    node, _, package, _ = packed
    for file in (node.settings.data_dir / "evidence").rglob("*"):
        if file.is_file():
            assert b"manifest" not in file.read_bytes(), "package in plain text"
    assert b"manifest.json" in package


def attacks(package):
    """(what, changed package): each is one way to cheat."""
    whole = unzipped(package)
    manifest = json.loads(whole["manifest.json"])
    files = {one["role"]: one["path"] for one in manifest["files"]}
    material = next(one["path"] for one in manifest["files"] if one["media_type"] == "image/jpeg")
    paper = next(one["path"] for one in manifest["files"] if one["media_type"] == "application/pdf")

    def but(**changed):
        return zipped({name: data for name, data in {**whole, **changed}.items() if data is not None})

    def listed(edit):
        copy = json.loads(whole["manifest.json"])
        edit(copy)
        return but(**{"manifest.json": json.dumps(copy, ensure_ascii=False, separators=(",", ":"), sort_keys=True).encode()})

    def replaced(path, data):
        """A file changed, and the manifest made to fit it."""
        def edit(copy):
            for one in copy["files"]:
                if one["path"] == path:
                    one["bytes"], one["digest"] = len(data), digest(data)
        changed = json.loads(whole["manifest.json"])
        edit(changed)
        text = json.dumps(changed, ensure_ascii=False, separators=(",", ":"), sort_keys=True).encode()
        return but(**{path: data, "manifest.json": text})

    yield "a file changed", but(**{material: picture(90)})
    yield "a file gone", but(**{material: None})
    yield "a file more", but(**{"materials/999.jpg": picture()})
    yield "a file and its line changed", replaced(material, picture(90))
    yield "a line of the manifest gone", listed(lambda copy: copy["files"].pop())
    yield "another case's number", listed(lambda copy: copy["case"].update(number="1"))
    yield "the history shortened", but(**{files["history"]: b"[]"})
    yield "no signature", but(**{"manifest.sig.json": None})
    yield "another signature", but(**{"manifest.sig.json": json.dumps({**json.loads(whole["manifest.sig.json"]), "value": b64(bytes(64))}).encode()})
    yield "a receipt gone", but(**{"receipts/manifest.json": None})
    yield "a step's receipt gone", but(**{"receipts/step-001.json": None})
    yield "two receipts changed places", but(**{"receipts/step-001.json": whole["receipts/step-002.json"]})
    yield "the package's receipt for another", but(**{"receipts/manifest.json": whole["receipts/step-001.json"]})
    yield "a receipt more", but(**{"receipts/step-009.json": whole["receipts/step-001.json"]})
    yield "active content", replaced(paper, pdf(b"/OpenAction << /JavaScript (x) >>"))
    yield "not what it says", replaced(material, b"<html>")
    yield "marked infected", listed(lambda copy: copy["files"][0].update(scan="infected"))
    yield "a path outside", but(**{"../../etc/x": b"x"})
    yield "a bomb", but(**{"case/bomb.json": b"0" * 3_000_000})
    yield "a link", zipped(whole, flags={"说明.txt": 0xA1FF << 16})


async def test_every_way_to_cheat_is_found(packed, tmp_path):
    node, _, package, head = packed
    from tongban.kernel.gm import Sm2PublicKey

    key = ("--key", Sm2PublicKey.from_spki(head.key).fingerprint.hex())
    assert (await asyncio.to_thread(run, tmp_path, zipped(unzipped(package)), *key))[0] == 0  # zipping again alone changes nothing
    for what, changed in attacks(package):
        code, said = await asyncio.to_thread(run, tmp_path, changed, *key)
        assert code == 1, f"{what}: package accepted: {said}"
    for wrong in (b"", b"PK\x03\x04", zipped({"manifest.json": b"{", "manifest.sig.json": b"{}"})):
        assert (await asyncio.to_thread(run, tmp_path, wrong, *key))[0] == 2
    duplicate = io.BytesIO(package)
    with zipfile.ZipFile(duplicate, "a") as box, pytest.warns(UserWarning, match="Duplicate"):
        box.writestr("manifest.json", b"{}")
    assert (await asyncio.to_thread(run, tmp_path, duplicate.getvalue(), *key))[0] == 1
    assert node is not None


async def test_a_file_not_looked_into_or_not_here_makes_no_package(make_node):
    node = await make_node("510000")
    async with node.db.transaction() as tx:
        photo = await evidence.store(tx, node, person(), sent(picture()), kind="photo")
        await tx.execute("UPDATE material SET scan = 'waiting' WHERE id = $1", photo.id)
        told = dossier((evidence.Enclosed("material", "photo", "照片", photo.id),))
        with pytest.raises(evidence.BeingScanned):
            await archive(tx, node, told)
        await tx.execute("UPDATE material SET scan = 'clean', address = $2 WHERE id = $1", photo.id, digest(b"elsewhere"))
        with pytest.raises(evidence.ContentAway):
            await archive(tx, node, told)
        assert await looking.archive_of(tx, told.case) is None
