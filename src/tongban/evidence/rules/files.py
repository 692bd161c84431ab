"""Judgements about a file (材料检查): what it is by its content, and whether it may be handed in. Pure."""

from __future__ import annotations

import io
import zipfile
from collections.abc import Sequence
from pathlib import PurePosixPath

from PIL import Image, UnidentifiedImageError

from tongban import seals
from tongban.evidence.model import KINDS, LARGEST, Sent
from tongban.evidence.rules import pdf
from tongban.kernel.errors import Refusal, Refusals

_EXTENSIONS: dict[str, str] = {
    ".jpg": "image/jpeg",
    ".jpeg": "image/jpeg",
    ".png": "image/png",
    ".pdf": "application/pdf",
    ".ofd": "application/ofd",
}
_BEGINS = {b"\xff\xd8\xff": "image/jpeg", b"\x89PNG\r\n\x1a\n": "image/png", b"%PDF-": "application/pdf"}
_ZIP = b"PK\x03\x04"
_MOST_PIXELS = 60_000_000
_MOST_PIXELS_WHOLE = 25_000_000
_LONGEST_NAME = 80
_DARK = 40


def sniff(data: bytes) -> str | None:
    """The media type that the content shows (识别类型), or None when it is none of those we take.

    >>> sniff(b"%PDF-1.7 ...") , sniff(b"<html>")
    ('application/pdf', None)
    """
    if data.startswith(_ZIP):
        return "application/ofd" if _is_ofd(data) else None
    return next((media_type for mark, media_type in _BEGINS.items() if data.startswith(mark)), None)


def shown(begins: bytes, claimed: str) -> str:
    """The media type of a file that came by letter, by how it begins (看开头): the one claimed where it fits, else what it shows.

    An OFD is a zip like many others, known as one only by the list at its end: here its beginning is enough.

    >>> shown(b"<html>", "application/pdf"), shown(b"%PDF-1.7", "image/png")
    ('application/octet-stream', 'application/pdf')
    """
    if claimed == "application/ofd" and begins.startswith(_ZIP):
        return claimed
    return next((media_type for mark, media_type in _BEGINS.items() if begins.startswith(mark)), "application/octet-stream")


def check(upload: Sent | None, *, field: str, accepts: Sequence[str] = tuple(KINDS), max_bytes: int = LARGEST) -> Refusals:
    """What is wrong with an upload, in words for the person (检查上传). Empty means it may be kept.

    In order: nothing chosen, empty, too large, a name that lies about the content, a type nobody asked for, a picture
    that cannot be opened or is too dark to read, a PDF that was cut off or acts by itself, an OFD
    that swells, hides or doubles its files.
    """
    if upload is None:
        return (Refusal("evidence.missing", "还没有选文件，拍一张或选一个都可以", field),)
    size = len(upload.data)
    if size == 0:
        return (Refusal("evidence.empty", "这个文件是空的，里面没有内容，请换一个", field),)
    limit = min(max_bytes, LARGEST)
    if size > limit:
        said = f"文件有 {size / 1_000_000:.1f} MB，最大只能 {limit / 1_000_000:g} MB，请压缩或重拍一张"
        return (Refusal("evidence.too_large", said, field),)
    found = sniff(upload.data)
    claimed = _EXTENSIONS.get(PurePosixPath(upload.name.lower()).suffix)
    if claimed is not None and found != claimed:
        inside = KINDS[found] if found else "别的东西"
        said = f"文件名写的是{KINDS[claimed]}，打开看却是{inside}，请换一个"
        return (Refusal("evidence.lying_type", said, field),)
    if found is None or found not in accepts:
        wanted = "、".join(KINDS[one] for one in accepts if one in KINDS)
        return (Refusal("evidence.wrong_type", f"这种文件收不了，请交{wanted}", field),)
    if found == "application/pdf":
        return _check_pdf(upload.data, field)
    return _check_picture(upload.data, field) if found.startswith("image/") else _check_ofd(upload.data, field)


def file_name(claimed: str) -> str:
    """A name that is safe to show and to save (安全的文件名): no folders, no control characters, not too long."""
    base = claimed.replace("\\", "/").rsplit("/", 1)[-1]
    clean = "".join(char for char in base if char.isprintable() and char not in '<>:"|?*')
    clean = clean.strip(" .")
    if len(clean) > _LONGEST_NAME:
        stem, dot, suffix = clean.rpartition(".")
        clean = (stem or suffix)[: _LONGEST_NAME - 8] + (dot + suffix[:6] if stem else "")
    return clean or "材料"


def _check_pdf(data: bytes, field: str) -> Refusals:
    if not pdf.whole(data):
        return (Refusal("evidence.broken_pdf", "这个 PDF 没传完整，打不开，请再传一次", field),)
    if pdf.acts(data):
        return (Refusal("evidence.active_pdf", "这个 PDF 里有会自己运行的内容或者夹带别的文件，请把它打印成新的 PDF 再交", field),)
    return ()


def _check_ofd(data: bytes, field: str) -> Refusals:
    try:
        seals.unpack(data)
    except seals.Hostile as why:
        return (Refusal("evidence.hostile_ofd", f"这个 OFD 收不了（{why.sentence}），请向出文件的单位重新要一份", field),)
    return ()


def _check_picture(data: bytes, field: str) -> Refusals:
    try:
        with Image.open(io.BytesIO(data)) as picture:
            width, height = picture.size
            # a camera's JPEG is read small; anything else is unpacked whole, four bytes a pixel and more
            small_read = picture.format == "JPEG" and not picture.info.get("progressive")
            if width * height > (_MOST_PIXELS if small_read else _MOST_PIXELS_WHOLE):
                return (Refusal("evidence.too_many_pixels", "照片太大，打不开，请用手机重拍一张", field),)
            picture.draft("L", (64, 64))
            small = picture.convert("L").resize((32, 32))
    except (UnidentifiedImageError, OSError, ValueError, SyntaxError, Image.DecompressionBombError):
        return (Refusal("evidence.broken_picture", "照片没传完整，打不开，请再传一次", field),)
    pixels = small.tobytes()
    if max(pixels) < _DARK:
        return (Refusal("evidence.too_dark", "照片太暗，看不清，请靠近窗户再拍一张", field),)
    return ()


def _is_ofd(data: bytes) -> bool:
    try:
        with zipfile.ZipFile(io.BytesIO(data)) as box:
            return "OFD.xml" in box.namelist()
    except (zipfile.BadZipFile, ValueError, NotImplementedError):
        return False
