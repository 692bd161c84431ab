"""The archive package (归档包): a zip with a manifest that names every file, and receipts. Pure; docs/check_archive.py reads it.

No national packaging standard's text was at hand: the layout is our own, claims no conformity, and says so in the package.
"""

from __future__ import annotations

import zipfile
from collections.abc import Iterable, Iterator, Sequence
from contextlib import suppress
from datetime import datetime
from typing import IO, Any, Protocol, cast

import msgspec

from tongban.evidence.errors import ContentAway, Infected
from tongban.evidence.model import MANIFEST_TYPE, Dossier, Enclosed, Piece
from tongban.kernel.clock import CHINA
from tongban.kernel.errors import Failure
from tongban.kernel.gm import Digesting, jcs

MANIFEST, SIGNATURE, RECEIPTS = "manifest.json", "manifest.sig.json", "receipts/"
SUFFIX = {"image/jpeg": "jpg", "image/png": "png", "application/pdf": "pdf", "application/ofd": "ofd", "application/json": "json", "text/plain": "txt"}
_READ = 1024 * 1024
READ_ME = """这是一件办结的事的归档包（{number}，{item}）。

manifest.json       清单：每个文件的名称、大小、摘要，和办件的每一步
manifest.sig.json   办理机关所在节点对清单的签名和证书
case/               申请内容、经过、说明
materials/          申请人交的材料
documents/          盖章的通知书和决定书（OFD）
receipts/           存证回执：清单和每一步当时都记在存证里

核对：python3 check_archive.py 本文件.zip --root root.cer
check_archive.py、check_receipt.py 和 root.cer 在任何节点的“办事留痕”页下载，放进同一个文件夹；只用 Python 自带的功能，不连网。
这个包的目录是本系统自己的格式，不声明符合某项国家标准。
"""


class Sink(Protocol):
    """What a zip is written into (写到哪里)."""

    def write(self, content: bytes) -> int: ...
    def flush(self) -> None: ...


class Inside(msgspec.Struct, frozen=True, kw_only=True):
    """A file of the package with what the manifest says of it (包内文件)."""

    path: str
    role: str
    code: str
    title: str
    media_type: str
    scan: str
    bytes: int
    digest: str


REASONS: dict[type[Failure], str] = {Infected: "infected", ContentAway: "away"}
"""Why a file of a case is not in its package: it carried a virus and was deleted, or the node it was handed in at could not give it."""


class Absent(msgspec.Struct, frozen=True):
    """A file of the case that will not come (缺的文件), as the manifest names it. `why`: one of REASONS."""

    role: str
    code: str
    title: str
    why: str


def texts(dossier: Dossier) -> Iterator[tuple[str, Piece]]:
    """Each text of a package with its path: those of the case, and the page that says what this is and how to judge it (案卷文本)."""
    for one in dossier.pieces:
        yield f"case/{one.name}", one
    note = READ_ME.format(number=dossier.number, item=dossier.item_name)
    yield "说明.txt", Piece("note", "说明", "说明.txt", "text/plain", note.encode())


def path_of(place: int, one: Enclosed, media_type: str) -> str:
    """Where the file at this place of the dossier lies in the package."""
    return f"{'materials' if one.role == 'material' else 'documents'}/{place + 1:03d}.{SUFFIX.get(media_type, 'bin')}"


def manifest(
    dossier: Dossier, inside: Iterable[Inside], absent: Sequence[Absent] = (), *, package: str, node: str, term: str, made_at: datetime
) -> bytes:
    """The manifest in JCS form (清单): its digest names the package, its hash is the fact of the leaf."""
    value: dict[str, Any] = {
        "type": MANIFEST_TYPE, "v": 1, "package": package, "node": node, "made_at": int(made_at.timestamp() * 1000),
        "case": {
            "id": dossier.case, "number": dossier.number, "item": dossier.item_name, "organisation": dossier.org_code,
            "organisation_name": dossier.organisation, "division": dossier.division, "ended_on": dossier.ended_on.isoformat(), "term": term,
        },
        "files": [msgspec.to_builtins(one) for one in inside],
        "steps": [msgspec.to_builtins(one) for one in dossier.steps],
    }  # fmt: skip
    if absent:
        value["absent"] = [msgspec.to_builtins(one) for one in absent]
    return jcs(value)


class Packing:
    """The zip while it is written (打包), one file after the other into `out`, which need not go back. Blocking.

    `begin`, `add` as often as there is more, `end`; `close` at the end, or `give_up` when nothing comes of it.
    """

    def __init__(self, out: Sink, made_at: datetime) -> None:
        local = made_at.astimezone(CHINA)
        self._when = (local.year, local.month, local.day, local.hour, local.minute, local.second)
        self._zip = zipfile.ZipFile(cast("IO[bytes]", out), "w")
        self._entry: IO[bytes] | None = None

    def begin(self, path: str, *, text: bool, byte_count: int) -> None:
        """The next file. Texts are compressed, files that are compressed already are only written in that way.

        Not stored as they are: readers that go from the front, without the list at the end, find the end of such a file only then.
        """
        entry = zipfile.ZipInfo(path, self._when)
        entry.compress_type, entry.external_attr = zipfile.ZIP_DEFLATED, 0o600 << 16
        entry.file_size = byte_count  # a file past 2 GiB is written with long sizes
        entry._compresslevel = 6 if text else 0  # type: ignore[attr-defined]  # noqa: SLF001  the one way to say it for a file written in parts
        self._entry, self._size, self._mark = self._zip.open(entry, "w"), 0, Digesting()

    def add(self, content: bytes) -> None:
        """More of this file."""
        assert self._entry is not None
        self._entry.write(content)
        self._mark.update(content)
        self._size += len(content)

    def end(self) -> tuple[int, str]:
        """That was the file: its bytes and its digest, for the manifest."""
        assert self._entry is not None
        self._entry.close()
        return self._size, self._mark.digest()

    def put(self, path: str, content: bytes, *, text: bool = True) -> tuple[int, str]:
        """A small file at once."""
        self.begin(path, text=text, byte_count=len(content))
        self.add(content)
        return self.end()

    def close(self) -> None:
        """That was all."""
        self._zip.close()

    def give_up(self) -> None:
        """Let go; `out` takes no more."""
        for one in (self._entry, self._zip):
            with suppress(RuntimeError, ValueError):
                if one is not None:
                    one.close()


def copied(package: IO[bytes], into: Packing) -> None:
    """Every file of a package into another, in its order, a little at a time (照抄). Blocking."""
    with zipfile.ZipFile(package) as box:
        for one in box.infolist():
            into.begin(one.filename, text=one.file_size > one.compress_size, byte_count=one.file_size)
            with box.open(one) as file:
                while piece := file.read(_READ):
                    into.add(piece)
            into.end()


def manifest_of(package: IO[bytes]) -> bytes:
    """The manifest of a package made here (取清单). Blocking."""
    with zipfile.ZipFile(package) as box:
        return box.read(MANIFEST)
