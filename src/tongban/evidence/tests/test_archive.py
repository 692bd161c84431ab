"""The archive package (R-407): made, finished with its receipts, judged by a script that needs nothing of ours, attacked, handed over."""

from __future__ import annotations

import asyncio
import importlib.util
import io
import json
import shutil
import subprocess
import sys
import zipfile
import zlib
from datetime import timedelta
from pathlib import Path

import pytest
from PIL import Image

from tongban import evidence, transparency
from tongban.evidence.actions import archive, finish
from tongban.evidence.model import Step
from tongban.evidence.queries import archives as looking
from tongban.evidence.rules.limits import ARCHIVING
from tongban.kernel.gm import Sm2PublicKey, b64, digest

from .make import ME, dossier, ofd, pdf, person, picture, sent, whole

DOCS = Path(__file__).resolve().parents[4] / "docs"


def run(folder, package, *arguments):
    """The script as a stranger runs it: another process, isolated, the two scripts copied to a folder of their own."""
    for name in ("check_archive.py", "check_receipt.py"):
        shutil.copy(DOCS / name, folder / name)
    if package is not None:  # else it lies there already
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
        return node, found, await whole(await looking.package(tx, node, made.id)), head


async def test_a_stranger_finds_all_four_to_hold(packed, tmp_path):
    _, found, package, head = packed
    fingerprint = Sm2PublicKey.from_spki(head.key).fingerprint.hex()
    code, said = await asyncio.to_thread(run, tmp_path, package, "--key", fingerprint)
    assert code == 0, said
    for question in ("真实性  成立", "完整性  成立", "可用性  成立", "安全性  成立", "四项都成立"):
        assert question in said
    assert "保管 10 年" in said
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
    parts = unzipped(package)
    manifest = json.loads(parts["manifest.json"])
    files = {one["role"]: one["path"] for one in manifest["files"]}
    material = next(one["path"] for one in manifest["files"] if one["media_type"] == "image/jpeg")
    paper = next(one["path"] for one in manifest["files"] if one["media_type"] == "application/pdf")

    document = next(one["path"] for one in manifest["files"] if one["media_type"] == "application/ofd")

    def but(**changed):
        return zipped({name: data for name, data in {**parts, **changed}.items() if data is not None})

    def listed(edit):
        copy = json.loads(parts["manifest.json"])
        edit(copy)
        return but(**{"manifest.json": json.dumps(copy, ensure_ascii=False, separators=(",", ":"), sort_keys=True).encode()})

    def replaced(path, data):
        """A file changed, and the manifest made to fit it."""
        def edit(copy):
            for one in copy["files"]:
                if one["path"] == path:
                    one["bytes"], one["digest"] = len(data), digest(data)
        changed = json.loads(parts["manifest.json"])
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
    yield "another signature", but(**{"manifest.sig.json": json.dumps({**json.loads(parts["manifest.sig.json"]), "value": b64(bytes(64))}).encode()})
    yield "a receipt gone", but(**{"receipts/manifest.json": None})
    yield "a step's receipt gone", but(**{"receipts/step-001.json": None})
    yield "two receipts changed places", but(**{"receipts/step-001.json": parts["receipts/step-002.json"]})
    yield "the package's receipt for another", but(**{"receipts/manifest.json": parts["receipts/step-001.json"]})
    yield "a receipt more", but(**{"receipts/step-009.json": parts["receipts/step-001.json"]})
    yield "active content", replaced(paper, pdf(b"/OpenAction << /JavaScript (x) >>"))
    yield "active content packed away", replaced(paper, pdf(packed_away(b"<< /S /JavaScript /JS (x) >>")))
    yield "a document that swells", replaced(document, zipped({"OFD.xml": b"<OFD/>", "Doc_0/Res/a.png": bytes(70_000_000)}))
    yield "a picture cut off", replaced(material, picture()[:-200])
    yield "not what it says", replaced(material, b"<html>")
    yield "marked infected", listed(lambda copy: copy["files"][0].update(scan="infected"))
    yield "a path outside", but(**{"../../etc/x": b"x"})
    yield "a bomb", but(**{"case/bomb.json": b"0" * 3_000_000})
    yield "a link", zipped(parts, flags={"说明.txt": 0xA1FF << 16})


def packed_away(objects):
    """Objects in an object stream, where nobody sees them who does not unpack."""
    return b"5 0 obj << /Type /ObjStm /N 1 /First 4 /Filter /FlateDecode >>\nstream\n" + zlib.compress(b"6 0 " + objects) + b"\nendstream endobj"


ORDINARY = {
    "a page to open first": (pdf(b"1 0 obj << /Type /Catalog /OpenAction [3 0 R /Fit] /Lang (zh) >> endobj"), False),
    "three letters by chance": (pdf(b"4 0 obj << /Length 9 >>\nstream\n\x01\x02/JS \x03\nendstream endobj"), False),
    "a longer name": (pdf(b"1 0 obj << /JSSomething 1 /LaunchDate (x) >> endobj"), False),
    "a script": (pdf(b"<< /S /JavaScript /JS (app.alert) >>"), True),
    "a hidden name": (pdf(b"<< /S /J#61vaScript /J#53 (x) >>"), True),
    "a script packed away": (pdf(packed_away(b"<< /S /JavaScript >>")), True),
    "a script between a false stream": (pdf(b"(>> stream\n) << /S /JavaScript >> (endstream)"), True),
    "a packing that swells": (pdf(packed_away(bytes(70_000_000))), True),
    "a program": (pdf(b"<</S/Launch/F(x)>>"), True),
    "another file": (pdf(b"<< /Names << /EmbeddedFiles 7 0 R >> >>"), True),
}


@pytest.mark.parametrize("what", ORDINARY)
def test_the_script_and_the_upload_say_the_same_of_a_pdf(what):
    """What is taken today may not spoil the package of its case; what is harmless in every office is not called harmful."""
    content, acts = ORDINARY[what]
    assert script().pdf_acts(content) is acts, "the script judges it wrongly"
    (refused,) = evidence.check(sent(content, "a.pdf"), field="f") or (None,)
    assert (refused is not None and refused.code == "evidence.active_pdf") is acts, "the upload judges it wrongly"


def test_pictures_of_real_cameras_can_be_opened():
    """Phones write things of their own behind the end of a picture, and a small picture of it into its head."""
    small, png = picture(), io.BytesIO()
    exif = b"\xff\xe1" + (len(small) + 2).to_bytes(2, "big") + small
    Image.new("RGB", (60, 80), (200,) * 3).save(png, "PNG")
    judge = script()
    for content, kind in ((small[:2] + exif + small[2:] + b"SEFH" * 30, "image/jpeg"), (png.getvalue() + b"more", "image/png")):
        assert evidence.check(sent(content, "照片", kind), field="photo") == ()
        assert judge.looks_like(content, kind)
    assert not judge.looks_like((small[:2] + exif + small[2:])[:-40], "image/jpeg")
    assert not judge.looks_like(png.getvalue()[:-12], "image/png")


def script():
    """The stand-alone script as a module."""
    spec = importlib.util.spec_from_file_location("check_archive_alone", DOCS / "check_archive.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


async def test_every_way_to_cheat_is_found(packed, tmp_path):
    node, _, package, head = packed
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


async def test_a_file_not_looked_into_or_not_here_makes_no_package(make_node, set_clock, tmp_path):
    """It waits for both; after its time, and at once for what carried a virus, the package says what is missing and why."""
    node = await make_node("510000", clock=set_clock)
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
        bad = await evidence.store(tx, node, person(), sent(pdf(), "合同.pdf"), kind="paper")
        await tx.execute("UPDATE material SET scan = 'infected' WHERE id = $1", bad.id)
        told = dossier((*told.enclosed, evidence.Enclosed("material", "paper", "合同", bad.id)))
        with pytest.raises(evidence.ContentAway):
            await archive(tx, node, told)
    set_clock.move(timedelta(days=ARCHIVING.away_days))
    async with node.db.transaction() as tx:
        with pytest.raises(evidence.ContentAway):  # our own store is away: no package is made without what is here
            await archive(tx, node, told)
        await tx.execute("UPDATE material SET held = false WHERE id = $1", photo.id)
        made = await archive(tx, node, told)
        assert made.file_count == 4
        while await transparency.sequence(tx):
            pass
        head = await transparency.sign_head(tx, node)
        await tx.execute("UPDATE archive SET made_at = made_at - interval '10 minutes' WHERE id = $1", made.id)
    assert await finish(node) == 1
    async with node.db.reading() as tx:
        package = await whole(await looking.package(tx, node, made.id))
    _, said = await asyncio.to_thread(run, tmp_path, package, "--key", Sm2PublicKey.from_spki(head.key).fingerprint.hex())
    assert "没有  照片：一直没有从原处取到" in said
    assert "没有  合同：带病毒，当时已经删掉" in said
    assert "完整性  成立" in said, said
