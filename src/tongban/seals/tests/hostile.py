"""Hostile documents 恶意文件: generated, never kept as files; each is one trick (T-58)."""

from __future__ import annotations

import base64
import io
import struct
import warnings
import zipfile
import zlib

from tongban.seals.rules import container, packing, pdf, writer
from tongban.seals.tests import make

XXE = b'<?xml version="1.0"?><!DOCTYPE a [<!ENTITY x SYSTEM "file:///etc/passwd">]><a>&x;</a>'
_NS = f'xmlns:ofd="{writer.NAMESPACE}"'


def raw_zip(entries: list[tuple[str, bytes]], method: int = zipfile.ZIP_DEFLATED) -> bytes:
    """A zip as anybody may make one."""
    out = io.BytesIO()
    with warnings.catch_warnings(), zipfile.ZipFile(out, "w", method) as archive:
        warnings.simplefilter("ignore", UserWarning)
        for name, body in entries:
            archive.writestr(name, body)
    return out.getvalue()


def _lying_size(package: bytes) -> bytes:
    """The directory says 10 bytes, the stream holds megabytes."""
    at = package.rindex(b"PK\x01\x02")
    return package[: at + 24] + struct.pack("<I", 10) + package[at + 28 :]


def _encrypted(package: bytes) -> bytes:
    at = package.rindex(b"PK\x01\x02")
    return package[: at + 8] + b"\x01" + package[at + 9 :]


def _link() -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as archive:
        entry = zipfile.ZipInfo("OFD.xml")
        entry.external_attr = 0o120777 << 16
        archive.writestr(entry, b"/etc/passwd")
    return out.getvalue()


def _overlapping() -> bytes:
    """Two names for the same bytes: a small file that unpacks to as much as one likes."""
    package = raw_zip([("a.xml", b"<a/>"), ("b.xml", b"<a/>")])
    second = package.rindex(b"PK\x01\x02")
    return package[: second + 42] + struct.pack("<I", 0) + package[second + 46 :]


def _with(changes: dict[str, bytes | None]) -> bytes:
    """A good document of ours with files put in, changed or taken out."""
    files = container.unpack(writer.build_ofd(make.document()))
    for path, body in changes.items():
        if body is None:
            files.pop(path)
        else:
            files[path] = body
    return packing.zip_of(files)


def _xml(body: str) -> bytes:
    return f'<?xml version="1.0" encoding="UTF-8"?><ofd:Res {_NS}>{body}</ofd:Res>'.encode()


def _entry(body: str) -> bytes:
    return f'<ofd:OFD {_NS} Version="1.1" DocType="OFD">{body}</ofd:OFD>'.encode()


def ofds() -> dict[str, bytes]:
    """Packages that no verb may open."""
    good = raw_zip([("OFD.xml", b"<a/>")])
    body = "<ofd:DocBody><ofd:DocRoot>Doc_0/Document.xml</ofd:DocRoot></ofd:DocBody>"
    return {
        "empty": b"", "text": b"hello", "pdf in disguise": b"%PDF-1.7\n", "prefix": b"GIF89a" + good, "suffix": good + b"<script>",
        "comment": good[:-2] + b"\x03\x00abc", "page before it": b"<html>" + good, "two zips": good + good,
        "parent": raw_zip([("../OFD.xml", b"<a/>")]), "inner parent": raw_zip([("Doc_0/../../x", b"<a/>")]),
        "absolute": raw_zip([("/OFD.xml", b"<a/>")]), "backslash": raw_zip([("Doc_0\\x.xml", b"<a/>")]), "drive": raw_zip([("C:x.xml", b"<a/>")]),
        "dot": raw_zip([("./OFD.xml", b"<a/>")]), "folder": raw_zip([("Doc_0/", b"")]), "link": _link(),
        "duplicate": raw_zip([("OFD.xml", b"<a/>"), ("OFD.xml", b"<b/>")]), "case duplicate": raw_zip([("OFD.xml", b"<a/>"), ("ofd.XML", b"<b/>")]),
        "overlapping": _overlapping(), "encrypted": _encrypted(good), "lzma": raw_zip([("OFD.xml", b"<a/>")], zipfile.ZIP_LZMA),
        "bzip": raw_zip([("OFD.xml", b"<a/>")], zipfile.ZIP_BZIP2), "bomb": raw_zip([("OFD.xml", b"\0" * (container.LARGEST_FILE + 1))]),
        "wide bomb": raw_zip([(f"f{n}", b"\0" * 9_000_000) for n in range(4)]), "lying bomb": _lying_size(raw_zip([("OFD.xml", b"\0" * 20_000_000)])),
        "many": raw_zip([(f"f{n}", b"x") for n in range(container.MOST_FILES + 1)]), "zip in zip": _with({"Doc_0/Res/more.zip": good}),
        "xxe": _with({"Doc_0/Extra.xml": XXE}), "outside document type": _with({"Doc_0/x.xml": b'<!DOCTYPE a SYSTEM "http://a.test/x.dtd"><a/>'}),
        "laughs": _with({"Doc_0/x.xml": b'<!DOCTYPE l [<!ENTITY a "ha"><!ENTITY b "&a;&a;&a;">]><l>&b;</l>'}),
        "parameter entity": _with({"Doc_0/x.xml": b'<!DOCTYPE a [<!ENTITY % p SYSTEM "file:///etc/hosts"> %p;]><a/>'}),
        "instruction": _with({"Doc_0/x.xml": b'<?xml-stylesheet href="x.xsl"?>' + _xml("")}), "include": _with({"Doc_0/x.xml": b'<xi:include xmlns:xi="http://www.w3.org/2001/XInclude" href="/etc/passwd"/>'}),
        "utf16": _with({"Doc_0/x.xml": '<?xml version="1.0" encoding="UTF-16"?><a/>'.encode("utf-16")}), "no namespace": _with({"Doc_0/x.xml": b"<OFD/>"}),
        "deep": _with({"Doc_0/x.xml": _xml("<ofd:a>" * 80 + "</ofd:a>" * 80)}), "truncated": raw_zip([("OFD.xml", b"<a/>" * 50)])[:-9],
        "script file": _with({"Doc_0/run.js": b"alert(1)"}), "page file": _with({"Doc_0/index.html": b"<script>1</script>"}), "program": _with({"Doc_0/Res/a.exe": b"MZ"}),
        "picture that is a page": _with({"Doc_0/Res/image_9.png": b"<html><script>1</script>"}), "picture that draws": _with({"Doc_0/Res/a.svg": b"<svg/>"}),
        "font that is a program": _with({"Doc_0/Res/font_x.ttf": b"MZ\x90"}), "action": _with({"Doc_0/a.xml": _xml('<ofd:Actions><ofd:Action Event="CLICK"/></ofd:Actions>')}),
        "address": _with({"Doc_0/a.xml": _xml('<ofd:URI URI="http://a.test"/>')}), "film": _with({"Doc_0/a.xml": _xml('<ofd:MultiMedia ID="9" Type="Video"/>')}),
        "attachment": _with({"Doc_0/a.xml": _xml('<ofd:Attachments><ofd:Attachment ID="1" Name="x"/></ofd:Attachments>')}),
        "no entry": _with({"OFD.xml": None}), "no page": _with({"Doc_0/Document.xml": None}), "two documents": _with({"OFD.xml": _entry(body + body)}),
        "root elsewhere": _with({"OFD.xml": _entry("<ofd:DocBody><ofd:DocRoot>../../etc/passwd</ofd:DocRoot></ofd:DocBody>")}),
    }  # fmt: skip


def pdf_of(objects: dict[int, bytes], *, head: bytes = b"%PDF-1.7\n", trailer: bytes = b"") -> bytes:
    """A small PDF of these objects, with a right directory."""
    out, at = bytearray(head), {}
    for number, body in objects.items():
        at[number] = len(out)
        out += b"%d 0 obj\n" % number + body + b"\nendobj\n"
    start, size = len(out), max(objects) + 1
    out += b"xref\n0 %d\n0000000000 65535 f \n" % size
    out += b"".join(b"%010d 00000 n \n" % at[one] if one in at else b"0000000000 65535 f \n" for one in range(1, size))
    return bytes(out + b"trailer\n<</Size %d/Root 1 0 R%s>>\nstartxref\n%d\n%%%%EOF\n" % (size, trailer, start))


def _simple(root: bytes = b"", page: bytes = b"", more: dict[int, bytes] | None = None, **about: bytes) -> bytes:
    return pdf_of(
        {
            1: b"<</Type/Catalog/Pages 2 0 R%s>>" % root,
            2: b"<</Type/Pages/Kids[3 0 R]/Count 1>>",
            3: b"<</Type/Page/Parent 2 0 R/MediaBox[0 0 595 842]%s>>" % page,
            **(more or {}),
        },
        **about,
    )


def _stream(content: bytes, about: bytes = b"/Filter/FlateDecode") -> bytes:
    return b"<</Length %d%s>>\nstream\n" % (len(content), about) + content + b"\nendstream"


def _objects(content: bytes, about: bytes) -> bytes:
    return _stream(content, b"/Type/ObjStm/N 1/First 4" + about)


def looks_hidden() -> dict[str, bytes]:
    """Harmless PDFs with streams whose bytes happen to look like a name written to hide it, or like the beginning of a list of packings."""
    text, small = b"/9jD#41qE:" + b"87cUR" * 4, _stream(zlib.compress(b"x"))
    return {
        "in text": _simple(more={4: _stream(text + b"~>", b"/Filter/ASCII85Decode")}),
        "in a picture": _simple(more={4: _stream(b"\xff\xd8\xff" + text + b"\xff\xd9", b"/Filter/DCTDecode")}),
        "as it is": _simple(more={4: _stream(text, b"")}),
        "a list that begins in one stream": _simple(more={4: _stream(b"\x9c/F[\x1e\xe7", b""), 5: small, 6: small, 7: b"[1]"}),
        "a list that begins in a packed one": _simple(more={4: _stream(_packed_with(b"/F [")), 5: small, 6: small, 7: b"[1]"}),
    }


def _packed_with(wanted: bytes) -> bytes:
    """What zlib opens and in which these bytes stand as they are."""
    return zlib.compress(b"\xd1" + wanted + b"\xe2", 0)


def harmless() -> bytes:
    """The same small PDF without any trick: it must be read."""
    return _simple()


def pdfs() -> dict[str, bytes]:
    """PDFs that no verb may open."""
    good, bomb = _simple(), zlib.compress(b"0" * 20_000_000, 9)
    action = b"/OpenAction<</S/JavaScript/JS(app.alert\\(1\\))>>"
    ours = pdf.build_pdf(make.document())
    return {
        "empty": b"", "page before it": b"<html>" + good, "picture before it": b"GIF89a" + good, "zip behind it": good + raw_zip([("a", b"b")]),
        "page behind it": good + b"<script>1</script>", "no end": good.replace(b"%%EOF", b""), "truncated": good[: len(good) // 2], "no head": good[9:],
        "strange head": good.replace(b"%PDF-1.7", b"%PDF-9.9"), "script on opening": _simple(action), "script by name": _simple(b"/Names<</JavaScript<</Names[(a) 4 0 R]>>>>", more={4: b"<</S/JavaScript/JS(1)>>"}),
        "action of a page": _simple(page=b"/AA<</O<</S/Launch/F(cmd.exe)>>>>"), "launch": _simple(page=b"/Annots[<</Subtype/Link/A<</S/Launch/F(a)>>>>]"),
        "address": _simple(page=b"/Annots[<</Subtype/Link/A<</S/URI/URI(http://a.test)>>>>]"), "sends a form": _simple(page=b"/Annots[<</A<</S/SubmitForm/F(http://a.test)>>>>]"),
        "other file": _simple(page=b"/Annots[<</A<</S/GoToR/F(x.pdf)>>>>]"), "attachment": _simple(b"/Names<</EmbeddedFiles<</Names[]>>>>"), "file within": _simple(more={4: _stream(b"MZ", b"/Type/EmbeddedFile")}),
        "form of another maker": _simple(b"/AcroForm<</XFA 4 0 R/Fields[]>>", more={4: _stream(b"<xdp/>", b"")}), "rich media": _simple(page=b"/Annots[<</Subtype/RichMedia>>]"),
        "film": _simple(page=b"/Annots[<</Subtype/Movie/Movie<</F(a)>>>>]"), "sound": _simple(page=b"/Annots[<</Subtype/Sound>>]"), "hidden name": _simple(b"/Open#41ction<</S/J#61vaScript/JS(1)>>"),
        "object nobody points to": _simple(more={4: b"<</S/JavaScript/JS(1)>>"}), "encrypted": _simple(trailer=b"/Encrypt<</Filter/Standard/V 1/R 2/O(a)/U(b)/P -1>>/ID[(a)(a)]"),
        "bomb": _simple(more={4: _stream(bomb)}), "many bombs": _simple(more={at: _stream(zlib.compress(b"0" * 15_000_000, 9)) for at in range(4, 10)}),
        "packed twice": _simple(more={4: _stream(zlib.compress(bomb), b"/Filter[/FlateDecode/FlateDecode]")}), "streams without number": good[:9] + b"stream\n" * 200_000 + good[9:], "bombs that break": _simple(more={at: _stream(zlib.compress(b"0" * 15_000_000, 9)[:-8] + b"brokenbroken") for at in range(4, 14)}),
        "packed twice behind a remark": _simple(more={4: _stream(zlib.compress(bomb), b"/Filter[/FlateDecode%]\n/FlateDecode]")}), "packed twice elsewhere": _simple(more={4: _stream(zlib.compress(zlib.compress(b"x")), b"/Filter 5 0 R"), 5: b"[/FlateDecode/FlateDecode]"}),
        "old packing": _simple(more={4: _stream(b"x", b"/Filter/LZWDecode")}),
        "bomb in text": _simple(more={4: _objects(base64.a85encode(bomb) + b"~>", b"/Filter[/ASCII85Decode/FlateDecode]")}), "bomb in digits": _simple(more={4: _objects(bomb.hex().encode() + b">", b"/Filter[/ASCIIHexDecode/FlateDecode]")}),
        "hidden name behind a false end": _simple(more={4: _stream(b"x\nendstream\nendobj\n5 0 obj\n<</S/J#61vaScript>>\nendobj\n", b"")}),
        "fax picture": _simple(more={4: _stream(b"x", b"/Filter/JBIG2Decode")}), "no pages": _simple().replace(b"/Count 1", b"/Count 0"), "too many pages": _simple().replace(b"/Count 1", b"/Count 9"*1 + b"99"),
        "deep": _simple(page=b"/X " + b"[" * 60 + b"]" * 60), "directory in a loop": _simple(trailer=b"/Prev 9").replace(b"/Prev 9", b"/Prev %d" % good.index(b"xref")),
        "script put behind ours": ours.rstrip() + b"\n9 0 obj\n<</S/JavaScript>>\nendobj\n",
    }  # fmt: skip
