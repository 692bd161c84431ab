"""材料: told by content, encrypted, named by the ciphertext, opened only by its person."""

from __future__ import annotations

import io
import zipfile

import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from tongban import evidence, ui
from tongban.evidence import queries, rules
from tongban.evidence.errors import ContentAway, ContentDamaged, MaterialUnknown
from tongban.kernel.actor import Actor
from tongban.kernel.gm import digest

ME, OTHER = "n1" + "a" * 32, "n1" + "b" * 32  # 演示人


def person(subject: str = ME) -> Actor:
    return Actor(kind="citizen", subject=subject, acr=2, sid="s")


def picture(shade: int = 200, kind: str = "JPEG") -> bytes:
    box = io.BytesIO()
    Image.new("RGB", (60, 80), (shade,) * 3).save(box, kind)
    return box.getvalue()


def ofd() -> bytes:
    box = io.BytesIO()
    with zipfile.ZipFile(box, "w") as made:
        made.writestr("OFD.xml", "<OFD/>")
    return box.getvalue()


def swelling() -> bytes:
    """A small OFD that unpacks to 40 MB."""
    box = io.BytesIO()
    with zipfile.ZipFile(box, "w", zipfile.ZIP_DEFLATED) as made:
        made.writestr("OFD.xml", "<OFD/>")
        made.writestr("Doc_0/a.png", bytes(40_000_000))
    return box.getvalue()


def sent(data: bytes, name: str = "照片.jpg", claimed: str = "image/jpeg") -> ui.Upload:
    return ui.Upload(name, claimed, data)


def code(upload, **more) -> str:
    found = evidence.check(upload, field="photo", **more)
    return found[0].code if found else ""


@pytest.mark.parametrize(
    ("upload", "said"),
    [
        (None, "evidence.missing"),
        (sent(b""), "evidence.empty"),
        (sent(b"\xff\xd8\xff" + b"0" * 10_000_001), "evidence.too_large"),
        (sent(b"<html><script>"), "evidence.lying_type"),
        (sent(picture(kind="PNG")), "evidence.lying_type"),
        (sent(b"MZ\x90", "setup.exe", "image/jpeg"), "evidence.wrong_type"),
        (sent(b"<svg onload=alert(1)>", "a.svg", "image/svg+xml"), "evidence.wrong_type"),
        (sent(b"\xff\xd8\xff" + b"broken"), "evidence.broken_picture"),
        (sent(picture(10)), "evidence.too_dark"),
        (sent(b"PK\x03\x04junk", "a.ofd", "application/ofd"), "evidence.lying_type"),
        (sent(picture()), ""),
        (sent(picture(kind="PNG"), "a.png"), ""),
        (sent(b"%PDF-1.7\n%%EOF\n", "a.pdf"), ""),
        (sent(b"%PDF-1.7\n1 0 obj << /Length 9", "a.pdf"), "evidence.broken_pdf"),
        (sent(b"%PDF-1.7\n<< /S /J#61vaScript >>\n%%EOF\n", "a.pdf"), "evidence.active_pdf"),
        (sent(ofd(), "a.ofd"), ""),
        (sent(swelling(), "a.ofd"), "evidence.hostile_ofd"),
        (sent(picture(), "没有后缀"), ""),
    ],
)
def test_what_is_taken_and_what_is_not(upload, said):
    assert code(upload) == said


def test_a_type_the_item_does_not_ask_for():
    assert code(sent(b"%PDF-1.7\n%%EOF\n", "a.pdf"), accepts=("image/jpeg",)) == "evidence.wrong_type"
    assert code(sent(picture()), max_bytes=10) == "evidence.too_large"


def test_every_refusal_says_what_to_do():
    for upload in (None, sent(b""), sent(b"<html>"), sent(b"MZ", "a.exe"), sent(picture(10))):
        (refusal,) = evidence.check(upload, field="photo")
        assert refusal.field == "photo"
        assert any(word in refusal.sentence for word in ("请", "可以"))


@given(st.binary(max_size=300), st.text(max_size=20))
def test_hostile_bytes_never_raise(data, name):
    evidence.check(ui.Upload(name, "image/jpeg", data), field="photo")


@given(st.text(max_size=300))
def test_file_names_are_safe(name):
    clean = rules.file_name(name)
    assert clean
    assert len(clean) <= 80
    assert not set(clean) & set('/\\<>:"|?*\n\r\x00')


async def test_kept_encrypted_and_opened(node, tx):
    kept = await evidence.store(tx, node, person(), sent(picture(), "../../etc/我的照片.jpg"), kind="photo")
    assert kept.name.reveal() == "我的照片.jpg"
    on_disk = evidence.ciphertext(node, kept.address)
    assert digest(on_disk) == kept.address
    assert picture()[:20] not in on_disk
    opened = await evidence.read(tx, node, ME, kept.id)
    assert opened.content == picture()
    raw = await tx.fetchval("SELECT m::text FROM material m WHERE id = $1", kept.id)
    assert "我的照片" not in raw


async def test_equal_files_of_two_people_do_not_betray_each_other(node, tx):
    one = await evidence.store(tx, node, person(), sent(picture()), kind="photo")
    two = await evidence.store(tx, node, person(OTHER), sent(picture()), kind="photo")
    assert one.address != two.address


async def test_only_its_person_finds_it(node, tx):
    kept = await evidence.store(tx, node, person(), sent(picture()), kind="photo")
    assert await evidence.material(tx, node, OTHER, kept.id) is None
    with pytest.raises(MaterialUnknown):
        await evidence.read(tx, node, OTHER, kept.id)
    assert not await evidence.remove(tx, node, person(OTHER), kept.id)


async def test_a_changed_file_is_not_given_out(node, tx):
    kept = await evidence.store(tx, node, person(), sent(picture()), kind="photo")
    store = queries.content_store(node)
    store.put(kept.address, b"x" + evidence.ciphertext(node, kept.address)[1:])
    with pytest.raises(ContentDamaged):
        await evidence.read(tx, node, ME, kept.id)
    store.drop(kept.address)
    with pytest.raises(ContentAway):
        await evidence.read(tx, node, ME, kept.id)


async def test_reuse_and_removal(node, tx):
    kept = await evidence.store(tx, node, person(), sent(picture()), kind="photo")
    loose = await evidence.store(tx, node, person(), sent(picture()), kind="photo")
    await evidence.use(tx, node, ME, kept.id, used_in="case:1", to="510000")
    await evidence.use(tx, node, ME, kept.id, used_in="case:1", to="510000")
    assert [one.used_in for one in await evidence.uses(tx, ME, kept.id)] == ["case:1"]
    assert await evidence.remove(tx, node, person(), kept.id)
    assert await evidence.remove(tx, node, person(), loose.id)
    assert not await evidence.remove(tx, node, person(), loose.id)
    assert await evidence.materials(tx, node, ME) == ()
    assert (await evidence.read(tx, node, ME, kept.id)).content == picture()  # the case keeps it
    assert await evidence.material(tx, node, ME, loose.id) is None  # nobody uses it: gone for good, its ciphertext by a job


async def test_a_material_travels_with_its_key_and_arrives_once(node, tx):
    kept = await evidence.store(tx, node, person(), sent(picture()), kind="photo")
    carried = await evidence.travel(tx, node, ME, kept.id, used_in="case:1", to="510000")
    assert await evidence.open_travelling(node, carried, "x.y", {}) == picture()
    await evidence.arrive(tx, node, OTHER, carried, used_in="case:1")
    await evidence.arrive(tx, node, OTHER, carried, used_in="case:1")
    there = await evidence.material(tx, node, OTHER, carried.id)
    assert (there.address, there.held, there.origin) == (kept.address, False, "letter")


async def test_files_follow_a_person_who_is_matched(node, tx):
    kept = await evidence.store(tx, node, person("l" + "x" * 26), sent(picture()), kind="photo")
    await evidence.actions.follow(tx, node, "l" + "x" * 26, ME)
    assert (await evidence.read(tx, node, ME, kept.id)).content == picture()


def test_an_address_is_no_path(node):
    with pytest.raises(ValueError, match="content address"):
        queries.content_store(node).put("sm3:../../x", b"")
