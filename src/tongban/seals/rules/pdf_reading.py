"""Reading a PDF strictly (严格读取 PDF): a hostile file is refused before anything in it is believed (T-58).

The file begins with %PDF and ends with %%EOF, is not encrypted, and no object of it acts: no scripts, no actions on
opening, no attachments, no forms of other makers, no links to other files. Compressed parts may not swell, and names may
not be written in a way that only hides them.
"""

from __future__ import annotations

import io
import re
import zlib
from collections.abc import Iterator
from typing import Any, Final

from pyhanko.pdf_utils import generic
from pyhanko.pdf_utils.decode_limits import DecodeLimits, DocumentDecodeBudget, StreamDecodeLimits
from pyhanko.pdf_utils.misc import PdfError
from pyhanko.pdf_utils.reader import PdfFileReader

from tongban.seals.rules.container import Refused

LARGEST: Final = 10 * 1024 * 1024
LARGEST_STREAM: Final = 16 * 1024 * 1024
LARGEST_TOTAL: Final = 64 * 1024 * 1024
LARGEST_TEXT: Final = 1024 * 1024
MOST_OBJECTS: Final = 20_000
MOST_PAGES: Final = 200
_DEEPEST: Final = 24
_PIECE: Final = 64 * 1024
# what acts, carries other files, or looks different from reader to reader
ACTIVE: Final = frozenset({
    "/JavaScript", "/JS", "/Launch", "/EmbeddedFile", "/EmbeddedFiles", "/RichMedia", "/XFA", "/OpenAction", "/AA", "/SubmitForm",
    "/ImportData", "/GoToR", "/GoToE", "/Movie", "/Sound", "/Rendition", "/URI", "/Hide", "/Filespec", "/Collection", "/3D", "/Encrypt",
    "/ResetForm", "/SetOCGState",
})  # fmt: skip
_STREAM: Final = re.compile(rb"(?<!end)stream\r?\n")
_HIDDEN: Final = re.compile(rb"/[^\s/<>\[\](){}%]*#(?:[46][1-9A-Fa-f]|[57][0-9Aa])", re.ASCII)
_LIMITS: Final = DecodeLimits(
    per_stream=StreamDecodeLimits(max_output_size=LARGEST_STREAM), document_budget=DocumentDecodeBudget(base_allowance=LARGEST_TOTAL, max_ratio=0)
)
_LISTED: Final = re.compile(rb"/(?:Filter|F)\s*\[([\0\t\n\f\r -Z\\^-~]*)\]")
_PACKINGS: Final = frozenset({"/FlateDecode", "/Fl"})
_PLAIN_FILTERS: Final = frozenset({"/FlateDecode", "/DCTDecode", "/Fl", "/DCT", "/ASCII85Decode"})


def read(pdf: bytes) -> PdfFileReader:
    """A reader of the file when it is harmless. Raises Refused."""
    if len(pdf) > LARGEST:
        raise Refused("文件太大")
    if not re.match(rb"%PDF-(1\.[0-7]|2\.0)[\r\n]", pdf):
        raise Refused("不是 PDF 文件")
    if not pdf.rstrip(b"\r\n ").endswith(b"%%EOF") or len(pdf) - len(pdf.rstrip(b"\r\n ")) > 2:
        raise Refused("文件后面有多余内容")
    _check_streams(pdf)
    try:
        reader = PdfFileReader(io.BytesIO(pdf), strict=True, decode_limits=_LIMITS)
        if reader.encrypted:
            raise Refused("文件加了密")
        if reader.xrefs.hybrid_xrefs_present:
            raise Refused("文件的目录有两套")
        _check_objects(reader, pdf)
        pages = int(reader.root["/Pages"]["/Count"])
    except (PdfError, ValueError, TypeError, KeyError, IndexError, AttributeError, OverflowError, RecursionError, zlib.error, OSError) as why:
        raise Refused("文件坏了") from why
    if not 0 < pages <= MOST_PAGES:
        raise Refused("页数不对")
    return reader


def _check_streams(pdf: bytes) -> None:
    """No compressed part swells beyond measure, wherever it stands and whatever its dictionary says, also when it breaks in the end."""
    total, whole = 0, memoryview(pdf)
    for count, found in enumerate(_STREAM.finditer(pdf), 1):
        if count > MOST_OBJECTS:
            raise Refused("文件里的对象太多")
        size = 0
        for more in _opened(whole[found.end() :]):
            size, total = size + more, total + more
            if size > LARGEST_STREAM or total > LARGEST_TOTAL:
                raise Refused("解开后太大")
    if _chained(pdf):
        raise Refused("压缩了又压缩")


def _opened(packed: memoryview) -> Iterator[int]:
    """How much comes out of a compressed part, piece by piece and up to where it breaks; none of what stands behind it is copied.

    Text around a packing is opened by the reader alone, within the same measure (_LIMITS).
    """
    opening = zlib.decompressobj()
    for at in range(0, len(packed), _PIECE):
        rest: memoryview | bytes = packed[at : at + _PIECE]
        try:
            while rest and not opening.eof:
                yield len(opening.decompress(rest, _PIECE))
                rest = opening.unconsumed_tail
        except zlib.error:
            return
        if opening.eof:
            return


def _chained(plain: bytes) -> bool:
    """Two packings one in the other, as far as they are written out; text around one packing (reportlab's ASCII85) is none.

    A list is written in plain signs: one that begins by chance in a picture does not go on to the dictionaries behind it. What is
    written in a way that only hides it is found when the objects are read (`_check_filters`).
    """
    for found in _LISTED.finditer(plain):
        if len(re.findall(rb"/(?:FlateDecode|Fl|LZWDecode|LZW|RunLengthDecode|RL|JBIG2Decode)\b", found.group(1))) > 1:
            return True
    return False


def _check_objects(reader: PdfFileReader, pdf: bytes) -> None:
    """Walk every object the file has, also those nothing points to."""
    references = list(_references(reader))
    if len(references) > MOST_OBJECTS:
        raise Refused("文件里的对象太多")
    streams: list[tuple[int, int]] = []
    for reference in references:
        value = reader.get_object(reference, never_decrypt=True)
        _check(value, 0)
        if isinstance(value, generic.StreamObject) and isinstance(begins := reader.xrefs[reference], int):
            streams.append((pdf.find(value.encoded_data, begins), len(value.encoded_data)))
    _check(reader.trailer_view, 0)
    if _HIDDEN.search(_outside(pdf, streams)):
        raise Refused("文件里的名字写法可疑")


def _outside(pdf: bytes, streams: list[tuple[int, int]]) -> bytes:
    """What is written in no stream (offset, bytes): a picture or a font may hold any bytes, also those of a name.

    A stream that says it ends where another reader might not believe it stays in.
    """
    kept, last = [], 0
    for begins, size in sorted(streams):
        if begins >= last and pdf.find(b"endstream", begins, begins + size) < 0:
            kept.append(pdf[last:begins])
            last = begins + size
    return b"".join([*kept, pdf[last:]])


def _references(reader: PdfFileReader) -> Iterator[generic.Reference]:
    seen: set[tuple[int, int]] = set()
    for revision in range(reader.xrefs.total_revisions):
        for reference in reader.xrefs.explicit_refs_in_revision(revision):
            at = (reference.idnum, reference.generation)
            if at not in seen:
                seen.add(at)
                yield reference


def _check(value: Any, depth: int) -> None:
    if depth > _DEEPEST:
        raise Refused("文件的结构太深")
    if isinstance(value, generic.NameObject):
        if str(value) in ACTIVE:
            raise Refused("文件里有会动的内容", str(value))
    elif isinstance(value, generic.DictionaryObject):
        for name in value:
            _check(name, depth + 1)
            _check(value.raw_get(name), depth + 1)
        if isinstance(value, generic.StreamObject):
            _check_filters(value)
    elif isinstance(value, generic.ArrayObject):
        for at in range(len(value)):
            _check(value.raw_get(at), depth + 1)


def _check_filters(stream: generic.StreamObject) -> None:
    named = stream.get("/Filter", None)
    filters = [str(named)] if isinstance(named, generic.NameObject) else [str(one) for one in named or ()]
    if len(filters) > 2 or any(one not in _PLAIN_FILTERS for one in filters):
        raise Refused("压缩方式不认识", str(filters[0]) if filters else "")
    if sum(one in _PACKINGS for one in filters) > 1:
        raise Refused("压缩了又压缩")
    if "/ASCII85Decode" in filters and filters[-1] in ("/FlateDecode", "/Fl"):
        if len(stream.encoded_data) > LARGEST_TEXT:
            raise Refused("文件太大")
        _ = stream.data  # opened once within _LIMITS: what is packed under text swells no further than the rest
