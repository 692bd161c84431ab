"""Static files 静态文件: named by content, kept for a year, compressed once at start; no fonts, no third party."""

from __future__ import annotations

import functools
import gzip
import hashlib
import json
import re
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
    found = {path.name: path.read_bytes() for path in sorted(FOLDER.iterdir()) if path.suffix in MEDIA and path.name != WORKER}
    found["tongban.css"] = b"".join(path.read_bytes() for path in sorted((FOLDER / "css").glob("*.css")))
    return found


IMPORT = re.compile(rb'(from |import |import\()"\./([a-z-]+\.js)"')
WORKER = "sw.js"
SHELLS = ("/wallet/offline", "/verify/offline")
"""Pages that open without network: the same for everybody, empty until the browser fills them from its own store."""


def linked(plain: dict[str, bytes]) -> dict[str, bytes]:
    """Scripts name each other by their plain names; they are served by content names, so the names are put in, the leaves first.

    Raises KeyError for a script that is not there, RecursionError for a circle.
    """
    done: dict[str, bytes] = {}

    def link(name: str) -> bytes:
        if name not in done:
            done[name] = IMPORT.sub(lambda found: b'%s"./%s"' % (found[1], digest_name(found[2].decode(), link(found[2].decode())).encode()), plain[name])
        return done[name]

    return plain | {name: link(name) for name in plain if name.endswith(".js")}


def _imported(name: str, plain: dict[str, bytes]) -> set[str]:
    """The scripts that a script imports, and theirs (引用的脚本)."""
    found = {one[1].decode() for one in IMPORT.findall(plain[name])} if name.endswith(".js") else set()
    return found.union(*(_imported(one, plain) for one in found))


@functools.cache
def worker() -> bytes:
    """The service worker (离线外壳), with the names of what it keeps: two empty pages, the files they name and the scripts those import."""
    plain = sources()
    kept = {"tongban.css", "tongban.js", "icons.svg", "icon.svg", *(one for one in plain if one.startswith("offline-"))}
    for name in sorted(kept):
        kept |= _imported(name, plain)
    wanted = sorted(asset(name) for name in kept)
    body = (FOLDER / WORKER).read_bytes()
    version = hashlib.sha256(body + json.dumps(wanted).encode()).hexdigest()[:12]
    head = f"const VERSION = {json.dumps(version)}, FILES = {json.dumps(wanted)}, SHELLS = {json.dumps(SHELLS)};\n"
    return head.encode() + body


@functools.cache
def files() -> dict[str, StaticFile]:
    """Every static file by the name it is served under."""
    found = {}
    for plain, body in linked(sources()).items():
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
