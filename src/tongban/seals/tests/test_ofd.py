"""OFD documents and their seals: written, read back by an outside reader, verified, tampered with (R-410, T-58)."""

from __future__ import annotations

import io
import shutil
import subprocess
from datetime import timedelta

import ofdkit
import pytest

from tongban.kernel.gm import Sm2PrivateKey, x509
from tongban.seals import errors
from tongban.seals.model import Anchors, Document, Page, Text
from tongban.seals.rules import container, drawing, fonts, packing, ses, signing, verify, writer
from tongban.seals.tests import hostile, make


@pytest.fixture(scope="module")
def kit():
    return make.kit()


@pytest.fixture(scope="module")
def sealed(kit):
    return kit.sign(writer.build_ofd(make.document()))


def changed(package: bytes, edit) -> bytes:
    files = container.unpack(package)
    edit(files)
    return packing.zip_of(files)


def test_an_outside_reader_reads_the_text_back(sealed, tmp_path):
    path = tmp_path / "a.ofd"
    path.write_bytes(sealed)
    text = ofdkit.extract_text(str(path))
    assert "成都市演示科技有限公司" in text
    assert "营业执照（演示）" in text
    assert "91510100MADEMO" in text


def test_same_document_same_bytes():
    assert writer.build_ofd(make.document()) == writer.build_ofd(make.document())


def test_sealed_document_holds_and_names_its_seal(sealed, kit):
    verdict = verify.verify_ofd(sealed, kit.anchors)
    assert verdict.ok, verdict
    assert verdict.seals[0].es_id == kit.es_id
    assert verdict.seals[0].signed_at == make.AT
    assert len(sealed) < 120_000


def test_one_changed_character_fails_exactly_that_file(sealed, kit):
    page = "Doc_0/Pages/Page_0/Content.xml"
    forged = changed(
        sealed, lambda files: files.__setitem__(page, files[page].replace("演示科技".encode(), "演示科枝".encode()))
    )
    verdict = verify.verify_ofd(forged, kit.anchors)
    assert (verdict.ok, verdict.step, verdict.file) == (False, "document", page)


def test_every_file_is_protected(sealed, kit):
    for path in container.unpack(sealed):

        def flip(files, path=path):
            body = bytearray(files[path])
            body[len(body) // 2] ^= 1
            files[path] = bytes(body)

        assert not verify.verify_ofd(changed(sealed, flip), kit.anchors).ok, path


@pytest.mark.parametrize("path", ["Doc_0/Signs/Sign_0/SignedValue.dat", "Doc_0/Signs/Sign_0/Signature.xml"])
def test_flipped_bits_never_verify(sealed, kit, path):
    """Every 37th byte, each with another bit: nothing is accepted and nothing is raised."""
    files = container.unpack(sealed)
    body = files[path]
    for at in range(0, len(body), max(1, len(body) // 150)):
        edited = bytearray(body)
        edited[at] ^= 1 << (at % 8)
        forged = packing.zip_of(files | {path: bytes(edited)})
        assert not verify.verify_ofd(forged, kit.anchors).ok, at


def test_openssl_accepts_the_signature_over_tosign(sealed, kit, tmp_path):
    """The signature value is SM2 over DER(toSign), by a program that is not ours."""
    openssl = shutil.which("openssl")
    assert openssl, "openssl is part of the system"
    facts = ses.read_signature(container.unpack(sealed)["Doc_0/Signs/Sign_0/SignedValue.dat"])
    for name, signed, signature, certificate in (
        ("signer", facts.signed, facts.signature, facts.certificate),
        ("maker", facts.seal.signed, facts.seal.signature, facts.seal.maker),
    ):
        (tmp_path / "key.der").write_bytes(x509.read(certificate).public.spki)
        (tmp_path / "data").write_bytes(signed)
        (tmp_path / "sig").write_bytes(signature)
        done = subprocess.run(
            [openssl, "pkeyutl", "-verify", "-rawin", "-digest", "sm3", "-pkeyopt", "distid:1234567812345678", "-pubin", "-keyform",
             "DER", "-inkey", tmp_path / "key.der", "-in", tmp_path / "data", "-sigfile", tmp_path / "sig"],
            capture_output=True, text=True, check=False,
        )  # fmt: skip
        assert "Successfully" in done.stdout, (name, done)


def test_second_seal_leaves_the_first_whole(sealed, kit):
    other = make.kit(es_id="510000-demo2")
    both = other.sign(sealed, at=make.AT + timedelta(hours=1))
    verdict = verify.verify_ofd(both, Anchors((kit.root, other.root)))
    assert verdict.ok, verdict
    assert [one.es_id for one in verdict.seals] == [kit.es_id, "510000-demo2"]
    alone = verify.verify_ofd(both, kit.anchors)
    assert (alone.ok, alone.step) == (False, "maker")


def test_removing_the_later_seal_from_the_list_is_found(sealed, kit):
    both = make.kit(es_id="510000-demo2").sign(sealed)
    short = changed(both, lambda files: files.__setitem__(signing.SIGNATURES, signing._list_xml(0)))
    verdict = verify.verify_ofd(short, kit.anchors)
    assert (verdict.step, verdict.sentence) == ("document", "有文件没有受印章保护")


def test_steps_are_named(kit):
    ofd = writer.build_ofd(make.document())
    sealed = kit.sign(ofd)
    assert verify.verify_ofd(ofd, kit.anchors).step == "format"
    assert verify.verify_ofd(sealed, Anchors(())).step == "maker"
    late = kit.sign(ofd, at=make.AT + timedelta(days=301))
    assert verify.verify_ofd(late, kit.anchors).step == "seal_validity"
    revoked = Anchors((kit.root,), {kit.es_id: make.AT})
    assert verify.verify_ofd(sealed, revoked).step == "seal_validity"
    before = Anchors((kit.root,), {kit.es_id: make.AT + timedelta(seconds=1)})
    assert verify.verify_ofd(sealed, before).ok


def test_a_signer_outside_the_list_is_refused(kit):
    stranger = Sm2PrivateKey.generate()
    certificate = x509.make_leaf(
        x509.read(kit.root),
        kit.root_key,
        public=stranger.public,
        common_name="别人",
        organisation="x",
        use="sign",
        at=make.AT,
    )
    kit = make.Kit(kit.root_key, kit.root, kit.maker_key, kit.maker, stranger, certificate, kit.seal, kit.es_id)
    assert verify.verify_ofd(kit.sign(writer.build_ofd(make.document())), kit.anchors).step == "signer"


def test_wrong_key_fails_the_signature_value(kit):
    other = make.Kit(
        kit.root_key, kit.root, kit.maker_key, kit.maker, Sm2PrivateKey.generate(), kit.certificate, kit.seal, kit.es_id
    )
    assert verify.verify_ofd(other.sign(writer.build_ofd(make.document())), kit.anchors).step == "signature"


def test_a_seal_altered_after_its_maker_signed(kit):
    """Every byte of the picture belongs to the maker's signature."""
    at = kit.seal.index(b"IDAT") + 20
    forged = bytearray(kit.seal)
    forged[at] ^= 1
    other = make.Kit(
        kit.root_key, kit.root, kit.maker_key, kit.maker, kit.key, kit.certificate, bytes(forged), kit.es_id
    )
    assert verify.verify_ofd(other.sign(writer.build_ofd(make.document())), kit.anchors).step == "maker_signature"


@pytest.mark.parametrize("path", ["Doc_0/extra.xml", "Doc_0/Signs/Sign_0/more.xml", "evil.xml"])
def test_an_added_file_is_found(sealed, kit, path):
    body = f'<ofd:a xmlns:ofd="{writer.NAMESPACE}"/>'.encode()
    verdict = verify.verify_ofd(changed(sealed, lambda files: files.__setitem__(path, body)), kit.anchors)
    assert (verdict.step, verdict.sentence, verdict.file) == ("document", "有文件没有受印章保护", path)


def test_an_entity_in_any_file_is_refused(sealed, kit):
    verdict = verify.verify_ofd(changed(sealed, lambda files: files.__setitem__("Doc_0/Extra.XML", hostile.XXE)), kit.anchors)
    assert (verdict.step, verdict.sentence) == ("format", "不收带实体声明的文件")


def test_a_missing_character_is_an_error_not_a_blank():
    page = Page((Text(10, 10, "人\U0003106c"),))
    with pytest.raises(errors.MissingGlyph) as found:
        writer.build_ofd(Document("1", "t", "a", make.AT, (page,)))
    assert found.value.characters == "\U0003106c"


def test_rare_characters_of_extension_a_are_there():
    assert fonts.subset("䶮㛃").startswith(b"\x00\x01\x00\x00")


def test_font_subset_is_truetype_of_just_these_characters():
    from fontTools.ttLib import TTFont

    font = TTFont(io.BytesIO(fonts.subset("证照A1")))
    assert set(font.getBestCmap()) == {ord(one) for one in "证照A1"}
    assert "glyf" in font
    assert "CFF " not in font


def test_drawing_shows_text_pictures_and_seal(sealed):
    svg = drawing.draw_svg(sealed)
    assert "成都市演示科技有限公司" in svg
    assert svg.count("<image ") == 2
    assert 'viewBox="0 0 210 297"' in svg
    assert "<script" not in svg


def test_text_is_escaped_in_document_and_drawing():
    ofd = writer.build_ofd(make.document("<b>&\"' </svg>"))
    assert "</svg></text>" not in drawing.draw_svg(ofd)
    assert drawing.draw_svg(ofd).count("</svg>") == 1
