"""Static files 静态文件: named by content, kept for a year, compressed once at start; no fonts, no third party."""

from __future__ import annotations

import functools
import gzip
import hashlib
from pathlib import Path

import msgspec

FOLDER = Path(__file__).resolve().parent / "static"
MEDIA = {
    ".css": "text/css",
    ".js": "text/javascript",
    ".svg": "image/svg+xml",
    ".png": "image/png",
    }
PACKED = {".css", ".js", ".svg"}


class StaticFile(msgspec.Struct, frozen=True):
    """One file as it is sent (静态文件): `packed` is its gzip form, or None when packing gains nothing."""

    name: str
    media: str
    body: bytes
    packed: bytes | None


def digest_name(plain: str, body: bytes) -> str:
    """`tongban.css` with content digest: `tongban.3f2a9c1b0d4e.css`."""
    stem, suffix = plain.rsplit(".", 1)
    return f"{stem}.{hashlib.sha256(body).hexdigest()[:12]}.{suffix}"


def sources() -> dict[str, bytes]:
    """Every file by its plain name. The parts of `css/`, in order, are one stylesheet: one request, no build step."""
    found = {path.name: path.read_bytes() for path in sorted(FOLDER.iterdir()) if path.suffix in MEDIA}
    found["tongban.css"] = b"".join(path.read_bytes() for path in sorted((FOLDER / "css").glob("*.css")))
    return found


@functools.cache
def files() -> dict[str, StaticFile]:
    """Every static file by the name it is served under."""
    found = {}
    for plain, body in sources().items():
        suffix = plain[plain.rindex(".") :]
        packed = gzip.compress(body, 9, mtime=0) if suffix in PACKED else None
        name = digest_name(plain, body)
        found[name] = StaticFile(name, MEDIA[suffix], body, packed)
    return found


@functools.cache
def names() -> dict[str, str]:
    """From the plain file name to the served one."""
    return {f"{name.split('.')[0]}.{name.rsplit('.', 1)[1]}": name for name in files()}


def asset(name: str) -> str:
    """The address of a static file, with its content digest (静态文件地址). KeyError when there is no such file.

    >>> asset("tongban.css").startswith("/static/tongban.")
    True
    """
    return "/static/" + names()[name]
