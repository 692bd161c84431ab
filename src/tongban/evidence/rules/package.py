"""The archive package (归档包): a zip with a manifest that names every file, and receipts. Pure; docs/check_archive.py reads it.

No national packaging standard's text was at hand: the layout is our own, claims no conformity, and says so in the package.
"""

from __future__ import annotations

import io
import zipfile
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from typing import Any

import msgspec

from tongban.evidence.errors import ContentAway, Infected
from tongban.evidence.model import MANIFEST_TYPE, Dossier, Material
from tongban.kernel.clock import CHINA
from tongban.kernel.errors import Failure
from tongban.kernel.gm import digest, jcs

MANIFEST, SIGNATURE, RECEIPTS = "manifest.json", "manifest.sig.json", "receipts/"
SUFFIX = {"image/jpeg": "jpg", "image/png": "png", "application/pdf": "pdf", "application/ofd": "ofd", "application/json": "json", "text/plain": "txt"}
_PACKED = {"application/json", "text/plain"}
READ_ME = """这是一件办结的事的归档包（{number}，{item}）。

manifest.json       清单：每个文件的名称、大小、摘要，和办件的每一步
manifest.sig.json   办理机关所在节点对清单的签名和证书
case/               申请内容、经过、说明
materials/          申请人交的材料
documents/          盖章的通知书和决定书（OFD）
receipts/           存证回执：清单和每一步当时都记在存证里

核对：python3 check_archive.py 本文件.zip --root 根证书文件
脚本在办理节点的“办事留痕”页下载，只用 Python 自带的功能，不连网。
这个包的目录是本系统自己的格式，不声明符合某项国家标准。
"""


class Inside(msgspec.Struct, frozen=True):
    """A file of the package with what the manifest says of it (包内文件)."""

    path: str
    role: str
    code: str
    title: str
    media_type: str
    scan: str
    content: bytes

    def named(self) -> dict[str, object]:
        """Its line in the manifest."""
        return {
            "path": self.path, "role": self.role, "code": self.code, "title": self.title, "media_type": self.media_type, "scan": self.scan,
            "bytes": len(self.content), "digest": digest(self.content),
        }  # fmt: skip


REASONS: dict[type[Failure], str] = {Infected: "infected", ContentAway: "away"}
"""Why a file of a case is not in its package: it carried a virus and was deleted, or the node it was handed in at could not give it."""


class Absent(msgspec.Struct, frozen=True):
    """A file of the case that will not come (缺的文件), as the manifest names it. `why`: one of REASONS."""

    role: str
    code: str
    title: str
    why: str


def files(dossier: Dossier, opened: Iterable[tuple[int, Material, bytes]]) -> tuple[Inside, ...]:
    """All files of a package but manifest and receipts (包内文件). `opened`: place in `dossier.enclosed`, row, plain content."""
    found = [
        Inside(f"case/{one.name}", one.role, "", one.title, one.media_type, "made", one.content) for one in dossier.pieces
    ]
    note = READ_ME.format(number=dossier.number, item=dossier.item_name)
    found.append(Inside("说明.txt", "note", "", "说明", "text/plain", "made", note.encode()))
    for place, row, content in opened:
        one = dossier.enclosed[place]
        folder = "materials" if one.role == "material" else "documents"
        path = f"{folder}/{place + 1:03d}.{SUFFIX.get(row.media_type, 'bin')}"
        scan = "made" if row.origin == "document" else row.scan
        found.append(Inside(path, one.role, one.code, one.title, row.media_type, scan, content))
    return tuple(found)


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
        "files": [one.named() for one in inside],
        "steps": [msgspec.to_builtins(one) for one in dossier.steps],
    }  # fmt: skip
    if absent:
        value["absent"] = [msgspec.to_builtins(one) for one in absent]
    return jcs(value)


def pack(inside: Mapping[str, tuple[bytes, str]], made_at: datetime) -> bytes:
    """The zip (打包): `{path: (content, media type)}`; texts are compressed, files that are compressed already are not."""
    box = io.BytesIO()
    local = made_at.astimezone(CHINA)
    when = (local.year, local.month, local.day, local.hour, local.minute, local.second)
    with zipfile.ZipFile(box, "w") as out:
        for path, (content, media_type) in inside.items():
            entry = zipfile.ZipInfo(path, when)
            entry.compress_type = zipfile.ZIP_DEFLATED if media_type in _PACKED else zipfile.ZIP_STORED
            entry.external_attr = 0o600 << 16
            out.writestr(entry, content)
    return box.getvalue()


def unpacked(package: bytes) -> dict[str, bytes]:
    """Path and content of a package made here (拆包)."""
    with zipfile.ZipFile(io.BytesIO(package)) as box:
        return {name: box.read(name) for name in box.namelist()}
