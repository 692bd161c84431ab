"""What is written by hand for speed is what the general libraries write (issue 4, speed; R-403, R-410)."""

from __future__ import annotations

import io
import zipfile
from datetime import timedelta

import pytest
from asn1crypto import core
from fontTools.ttLib import TTFont

from tongban.kernel.gm import CertificateRefused, x509
from tongban.seals.rules import asn1, container, fonts, packing, ses, writer
from tongban.seals.tests import make


def test_a_package_is_byte_for_byte_what_the_standard_library_packs():
    files = container.unpack(writer.build_ofd(make.document())) | {"附件/说明.xml": "<说明/>".encode(), "Doc_0/a.png": b"\x89PNG"}
    for level in (0, 2, 6):
        out = io.BytesIO()
        with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED, compresslevel=level) as archive:
            for path, content in files.items():
                entry = zipfile.ZipInfo(path, (1980, 1, 1, 0, 0, 0))
                entry.compress_type = zipfile.ZIP_STORED if not level or path.endswith(".png") else zipfile.ZIP_DEFLATED
                archive.writestr(entry, content, compresslevel=level or None)
        assert packing.zip_of(files, level) == out.getvalue()


@pytest.mark.parametrize("text", ["成", "营业执照（演示）ABC123"])
def test_checksums_of_a_font_that_are_added_up_are_the_ones_counted(text):
    font = TTFont(io.BytesIO(fonts.subset(text)), checkChecksums=2)
    for table in font.reader.tables:
        assert font.reader[table]  # checked against its checksum here
    whole = fonts.subset(text)
    words = [int.from_bytes(whole[at : at + 4].ljust(4, b"\0")) for at in range(0, len(whole), 4)]
    assert sum(words) & 0xFFFFFFFF == 0xB1B0AFBA


def test_der_by_hand_is_the_librarys():
    for value in (0, 1, 127, 128, 255, 256, 2**127, 2**160 - 1):
        assert asn1.integer(value) == core.Integer(value).dump()
    for size in (0, 1, 127, 128, 255, 256, 70_000):
        assert asn1.octets(bytes(size)) == core.OctetString(bytes(size)).dump()
        assert asn1.bits(bytes(size)) == core.OctetBitString(bytes(size)).dump()
    assert asn1.oid(ses.SM2_WITH_SM3) == core.ObjectIdentifier(ses.SM2_WITH_SM3).dump()


def test_a_chain_that_held_is_refused_when_its_time_is_over_and_under_another_root():
    """What is kept of a certificate is what its bytes say; trust and time are asked anew each time."""
    kit = make.kit()
    root, other = kit.anchors.makers[0], make.kit().anchors.makers[0]
    facts = ses.read_seal(kit.seal)
    held = x509.verify_chain(facts.maker, [root], make.AT, use="sign")
    for at, anchors in ((held.not_after + timedelta(seconds=1), [root]), (held.not_before - timedelta(seconds=1), [root]), (make.AT, [other])):
        with pytest.raises(CertificateRefused):
            x509.verify_chain(facts.maker, anchors, at, use="sign")
