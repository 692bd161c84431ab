"""Reading an OFD package strictly (严格读取): a hostile file is refused before anything in it is believed.

Limits of size, count and ratio; no `..`, no duplicate names, no overlapping entries, nothing before or after the zip;
XML is UTF-8 without document type and entities.
"""

from __future__ import annotations

import io
import zipfile
import zlib
from typing import Any, Final
from xml.etree.ElementTree import Element, TreeBuilder
from xml.parsers import expat

from tongban.seals.rules.writer import NAMESPACE

LARGEST_PACKAGE: Final = 10 * 1024 * 1024
LARGEST_FILE: Final = 16 * 1024 * 1024
LARGEST_TOTAL: Final = 32 * 1024 * 1024
MOST_FILES: Final = 256
MOST_ELEMENTS: Final = 200_000
DEEPEST: Final = 64
_LOCAL_HEADER: Final = 30
# what each kind of file in a package begins with; a kind not listed here has no place in one
_BEGINS: Final[dict[str, tuple[bytes, ...]]] = {
    "xml": (b"<", b"\xef\xbb\xbf<"),
    "ttf": (b"\x00\x01\x00\x00", b"true"),
    "otf": (b"OTTO", b"\x00\x01\x00\x00"),
    "ttc": (b"ttcf",),
    "png": (b"\x89PNG\r\n\x1a\n",),
    "jpg": (b"\xff\xd8\xff",),
    "jpeg": (b"\xff\xd8\xff",),
    "bmp": (b"BM",),
    "tif": (b"II*\x00", b"MM\x00*"),
    "jb2": (b"",),
    "esl": (b"\x30",),
    "dat": (b"\x30",),
}
# what a document may not do: act, play, carry other files (GB/T 33190 calls them so)
_ACTIVE: Final = frozenset({"Action", "Actions", "Attachments", "Attachment", "URI", "Sound", "Movie", "GotoA", "Script", "Extensions"})


class Refused(Exception):
    """Why a package or a file in it is refused; `file` is its path or empty (拒收)."""

    def __init__(self, sentence: str, file: str = "") -> None:
        super().__init__(sentence)
        self.sentence = sentence
        self.file = file


def unpack(package: bytes) -> dict[str, bytes]:
    """The files of a package by path. Raises Refused."""
    if len(package) > LARGEST_PACKAGE:
        raise Refused("文件太大")
    if not package.startswith(b"PK\x03\x04"):
        raise Refused("不是版式文件包")
    try:
        with zipfile.ZipFile(io.BytesIO(package)) as archive:
            _check_shape(package, archive)
            return _read_all(archive)
    except (
        zipfile.BadZipFile,
        zlib.error,
        EOFError,
        NotImplementedError,
        RuntimeError,
        ValueError,
        OverflowError,
    ) as why:
        raise Refused("文件包坏了") from why


def _check_shape(package: bytes, archive: zipfile.ZipFile) -> None:
    entries = archive.infolist()
    if len(entries) > MOST_FILES:
        raise Refused("文件包里的文件太多")
    if archive.comment or package[-22:-18] != b"PK\x05\x06":
        raise Refused("文件包后面有多余内容")
    seen: set[str] = set()
    end = 0
    for entry in sorted(entries, key=lambda one: one.header_offset):
        name = entry.filename
        parts = name.split("/")
        if (
            entry.orig_filename != name
            or not name
            or "\\" in name
            or "\x00" in name
            or ":" in name
            or name.startswith("/")
        ):
            raise Refused("文件名不合规", name)
        if any(part in {"", ".", ".."} for part in parts):
            raise Refused("文件名不合规", name)
        if name.casefold() in seen:
            raise Refused("文件重名", name)
        if entry.flag_bits & 0x1 or entry.compress_type not in {zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED}:
            raise Refused("文件加密或者压缩方式不认识", name)
        if (entry.external_attr >> 16) & 0o170000 not in {0, 0o100000}:
            raise Refused("文件包里有链接", name)
        if entry.header_offset < end or (end == 0 and entry.header_offset):
            raise Refused("文件包里的文件有重叠", name)
        end = entry.header_offset + _LOCAL_HEADER + len(name.encode()) + entry.compress_size
        seen.add(name.casefold())


def _read_all(archive: zipfile.ZipFile) -> dict[str, bytes]:
    """Read with a bound on what really comes out, whatever the headers say."""
    total, files = 0, {}
    for entry in archive.infolist():
        with archive.open(entry) as stream:
            content = stream.read(LARGEST_FILE + 1)
        total += len(content)
        if len(content) > LARGEST_FILE or total > LARGEST_TOTAL:
            raise Refused("解开后太大", entry.filename)
        files[entry.filename] = content
    return files


def wholesome(files: dict[str, bytes]) -> dict[str, Element]:
    """The XML files' roots, when every file is of a kind that belongs into a document and is what its name says, and no XML acts (T-58).

    Raises Refused.
    """
    roots: dict[str, Element] = {}
    for path, content in files.items():
        kind = path.rpartition(".")[2].lower()
        if not any(content.startswith(one) for one in _BEGINS.get(kind, ())):
            raise Refused("文件的内容和名字对不上，或者不该在版式文件里", path)
        if kind == "xml":
            roots[path] = read_xml(content, path)
            for one in roots[path].iter():
                if one.tag in _ACTIVE or (one.tag == "MultiMedia" and one.get("Type") != "Image"):
                    raise Refused("文件里有会动的内容", path)
    return roots


def one_document(roots: dict[str, Element], root: str) -> None:
    """The package holds one document and its root is the file of that name. Raises Refused (只有一份文档)."""
    if "OFD.xml" not in roots:
        raise Refused("缺少必有的内容", "OFD.xml")
    bodies = roots["OFD.xml"].findall("DocBody")
    if len(bodies) != 1:
        raise Refused("一个文件里只能有一份文档", "OFD.xml")
    if (bodies[0].findtext("DocRoot") or "").strip().lstrip("/") != root or root not in roots:
        raise Refused("提到的文件不在包里", root)


def read_xml(content: bytes, path: str) -> Element:
    """The root element of an XML file; names without their namespace, which must be OFD's. Raises Refused."""
    builder = TreeBuilder()
    depth = count = 0
    parser = expat.ParserCreate("utf-8", "}")
    parser.buffer_text = True

    def start(name: str, attributes: dict[str, str]) -> None:
        nonlocal depth, count
        depth, count = depth + 1, count + 1
        if depth > DEEPEST or count > MOST_ELEMENTS:
            raise Refused("版式文件的结构太深或太大", path)
        space, _, local = name.rpartition("}")
        if space != NAMESPACE:
            raise Refused("命名空间不对", path)
        builder.start(local, attributes)

    def end(name: str) -> None:
        nonlocal depth
        depth -= 1
        builder.end(name.rpartition("}")[2])

    def refuse(*_: Any) -> int:
        raise Refused("不收带实体声明的文件", path)

    parser.StartElementHandler = start
    parser.EndElementHandler = end
    parser.CharacterDataHandler = builder.data
    parser.StartDoctypeDeclHandler = refuse
    parser.EntityDeclHandler = refuse
    parser.ExternalEntityRefHandler = refuse
    parser.ProcessingInstructionHandler = refuse
    try:
        parser.Parse(content, True)
        return builder.close()
    except (expat.ExpatError, AssertionError, UnicodeError) as why:
        raise Refused("结构不对", path) from why
