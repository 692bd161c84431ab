"""PDF beside OFD: the same document, PAdES with our time stamp; each refusal has its reason (R-403, T-58)."""

from __future__ import annotations

import io
import re
from datetime import timedelta

import msgspec
import pytest
from pyhanko.pdf_utils import generic
from pyhanko.pdf_utils.generic import pdf_name
from pyhanko.pdf_utils.incremental_writer import IncrementalPdfFileWriter

from tongban.kernel.gm import sm3
from tongban.seals import errors
from tongban.seals.model import Anchors, Document, Page, Period, Placement, Text
from tongban.seals.rules import container, p256, packing, pdf, pdf_reading, pdf_verify, ses, stamp, verify, writer
from tongban.seals.tests import make


@pytest.fixture(scope="module")
def paper():
    return make.paper()


@pytest.fixture(scope="module")
def plain():
    return pdf.build_pdf(make.document())


@pytest.fixture(scope="module")
def sealed(paper, plain):
    return paper.sign(plain)


def test_same_document_same_bytes(plain):
    assert pdf.build_pdf(make.document()) == plain
    assert len(plain) < 60_000


def test_a_second_document_has_its_own_characters(plain):
    """The fonts of one document are no part of the next: each character drawn has a glyph in the font it names."""
    later = pdf.build_pdf(msgspec.structs.replace(make.document(), pages=(Page((Text(20, 20, "重庆市渝中区解放碑", 4, "sans"), Text(20, 30, "霄汉", 4, "serif"))),)))
    fonts = pdf_reading.read(later).root["/Pages"]["/Kids"][0]["/Resources"]["/Font"]
    named = b"".join(fonts[one]["/ToUnicode"].data for one in fonts if "/ToUnicode" in fonts[one]).upper()
    assert [char for char in "重庆市渝中区解放碑霄汉" if b"<%04X>" % ord(char) not in named] == []
    assert plain == pdf.build_pdf(make.document())


def test_a_character_without_a_glyph_is_an_error_here_too():
    with pytest.raises(errors.MissingGlyph):
        pdf.build_pdf(Document("1", "t", "a", make.AT, (Page((Text(10, 10, "人\U0003106c"),)),)))


def test_a_long_name_of_a_unit_is_said_whole(paper):
    """Readers allow a common name 64 bytes, some twenty characters: the name of a district's office passes that soon."""
    name, key = "重庆市渝中区不动产登记中心（演示）不动产登记专用章", p256.P256Key(b"l" * 32)
    leaf = p256.make_leaf(
        paper.root, paper.root_key, public=key.public, common_name=name, organisation="重庆市渝中区不动产登记中心（演示）", use="seal",
        begins=make.AT, ends=make.AT + timedelta(days=9), es_id="500000-demo1",
    )  # fmt: skip
    found = p256.holder_of(leaf, (paper.root,), make.AT + timedelta(days=1), "seal")
    assert found is not None
    assert found.name == name


def test_a_sealed_pdf_holds_and_names_seal_time_and_stamp(sealed, paper):
    verdict = pdf_verify.check(sealed, paper.anchors)
    assert verdict.ok, verdict
    [one] = verdict.seals
    assert (one.es_id, one.signed_at, one.stamped_at) == ("510000-demo1", make.AT, make.AT)
    assert "审批专用章" in one.seal_name


def test_every_flipped_byte_is_found(sealed, paper):
    """Every 1500th byte that is signed: nothing is accepted, nothing is raised. In the signature's own hole: only what it said."""
    begins = sealed.index(b"/Contents <") if b"/Contents <" in sealed else sealed.rindex(b"/Contents<")
    ends = sealed.index(b">", begins)
    good = pdf_verify.check(sealed, paper.anchors)
    for at in (*range(0, len(sealed), 1500), *range(begins, begins + 3000, 300)):
        edited = bytearray(sealed)
        edited[at] ^= 1 << (at % 8)
        verdict = pdf_verify.check(bytes(edited), paper.anchors)
        assert not verdict.ok or (begins < at < ends and verdict == good), at


def test_nothing_hides_behind_the_signature(sealed, paper):
    """The hole in which the signature lies is larger than it; what is left must be empty."""
    at = sealed.index(b"0" * 200)
    forged = sealed[: at + 100] + b"41" * 20 + sealed[at + 140 :]
    assert pdf_verify.check(forged, paper.anchors).sentence == "签名后面藏了别的内容"


def test_text_changed_after_sealing_is_refused(paper):
    """One character of the drawn page, the file otherwise whole."""
    plain = pdf.build_pdf(make.document())
    sealed = paper.sign(plain)
    at = sealed.index(b"/MediaBox")
    forged = sealed[:at] + sealed[at:].replace(b"595", b"596", 1)
    assert forged != sealed
    verdict = pdf_verify.check(forged, paper.anchors)
    assert (verdict.step, verdict.sentence) == ("document", "盖章以后被改过")


def test_a_second_seal_leaves_the_first_whole(sealed, paper):
    other = make.paper(es_id="500000-demo2", secret=b"t")
    both = other.sign(sealed, at=make.AT + timedelta(hours=1), placement=Placement(0, 30, 235))
    verdict = pdf_verify.check(both, Anchors((), pdf_makers=(paper.root, other.root)))
    assert verdict.ok, verdict
    assert [one.es_id for one in verdict.seals] == ["510000-demo1", "500000-demo2"]
    assert pdf_verify.check(both, paper.anchors).step == "signer"


def test_a_page_painted_over_after_sealing_is_refused(sealed, paper):
    """An update that keeps every signed byte and hides what they show."""
    update = IncrementalPdfFileWriter(io.BytesIO(sealed))
    page = update.prev.root["/Pages"]["/Kids"].raw_get(0)
    over = update.add_object(generic.StreamObject(stream_data=b"0 0 0 rg 0 0 600 800 re f"))
    body = page.get_object()
    body[pdf_name("/Contents")] = generic.ArrayObject([body.raw_get("/Contents"), over])
    update.mark_update(page.reference)
    out = io.BytesIO()
    update.write(out)
    verdict = pdf_verify.check(out.getvalue(), paper.anchors)
    assert (verdict.step, verdict.sentence) == ("document", "有内容没有受印章保护")


def test_each_refusal_has_its_reason(sealed, plain, paper):
    stranger = make.paper(secret=b"t")
    assert pdf_verify.check(plain, paper.anchors).sentence == "这份文件没有盖章"
    assert pdf_verify.check(sealed, stranger.anchors).step == "signer"
    assert pdf_verify.check(stranger.sign(plain), paper.anchors).step == "signer"
    late = paper.sign(plain, at=make.AT + timedelta(days=301))
    assert pdf_verify.check(late, paper.anchors).step == "signer"
    revoked = msgspec.structs.replace(paper.anchors, revoked={"510000-demo1": make.AT})
    assert pdf_verify.check(sealed, revoked).step == "seal_validity"
    away = msgspec.structs.replace(
        paper.anchors, periods={"510000-demo1": (Period("suspended", make.AT, make.AT + timedelta(hours=1)),)}
    )
    assert pdf_verify.check(sealed, away).sentence == "盖章的时候，印章停用着"
    wrong_clock = make.paper(clock_use="seal")
    assert pdf_verify.check(wrong_clock.sign(plain), wrong_clock.anchors).step == "time"
    clock_key = make.paper(use="stamp")
    assert pdf_verify.check(clock_key.sign(plain), clock_key.anchors).step == "signer"


def test_a_node_vouches_for_its_own_seals_only(sealed, paper):
    """A genuine node that lies: its root does not make another node's seal."""
    own = msgspec.structs.replace(paper.anchors, owners={paper.root: "510000"})
    lied = msgspec.structs.replace(paper.anchors, owners={paper.root: "500000"})
    assert pdf_verify.check(sealed, own).ok
    assert pdf_verify.check(sealed, lied).step == "signer", "a node sealed in another's name"


def test_a_stamp_of_another_document_is_not_taken(paper):
    """The token is over the signature value it travels with, in OFD as in PDF."""
    kit = make.kit()
    trusted = msgspec.structs.replace(kit.anchors, pdf_makers=(paper.root,))
    ofd = writer.build_ofd(make.document())
    one = kit.sign(ofd, at=make.AT, clock=paper.means.clock)
    assert verify.verify_ofd(one, trusted).seals[0].stamped_at == make.AT
    value = "Doc_0/Signs/Sign_0/SignedValue.dat"
    moved = container.unpack(one)
    first = ses.read_signature(moved[value])
    other = b""
    while len(other) != len(first.stamp):  # a DER signature is 70 to 72 bytes
        other = paper.means.clock.stamp("sm3", sm3(b"another signature"), make.AT)
    moved[value] = moved[value].replace(first.stamp, other)
    verdict = verify.verify_ofd(packing.zip_of(moved), trusted)
    assert (verdict.step, verdict.sentence) == ("time", "时间戳不是给这个签名盖的")
    assert verify.verify_ofd(one, kit.anchors).sentence == "盖时间戳的时钟不在信任的名单里"


def test_no_bit_of_a_token_may_change(paper):
    token = paper.means.clock.stamp("sm3", sm3(b"x"), make.AT, nonce=7)
    assert stamp.stamped_at(token, "sm3", sm3(b"x"), (paper.root,)) == make.AT
    for at in range(len(token)):
        edited = bytearray(token)
        edited[at] ^= 1 << (at % 8)
        with pytest.raises(stamp.BadStamp):
            stamp.stamped_at(bytes(edited), "sm3", sm3(b"x"), (paper.root,))


def test_the_seal_picture_stands_where_it_was_put(sealed):
    found = pdf_reading.read(sealed).embedded_signatures[0].sig_field["/Rect"]
    left, low, right, high = (float(one) for one in found)
    assert abs(left - 140 * pdf.MM) < 1
    assert abs(right - 180 * pdf.MM) < 1
    assert abs(high - (297 - 235) * pdf.MM) < 1
    assert abs(low - (297 - 275) * pdf.MM) < 1


def test_the_font_is_a_subset(plain):
    names = re.findall(rb"/BaseFont\s*/(\S+)", plain)
    assert names
    assert all(re.fullmatch(rb"[A-Z]{6}\+Tongban\S*", one) for one in names if b"Tongban" in one), names
