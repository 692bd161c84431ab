"""Importing national lists 导入参考数据: idempotent by the digest of each file; a row's mark decides what is official."""

from __future__ import annotations

import csv
import io
from collections.abc import Awaitable, Callable, Iterable
from pathlib import Path
from typing import Any

import msgspec

from tongban.catalogue.errors import ReferenceBroken
from tongban.catalogue.model import Audience, BasicItem, Basis, Entry, Loaded, Question
from tongban.kernel.db import Tx
from tongban.kernel.gm import digest

Rows = list[dict[str, str]]
AUDIENCES: dict[str, tuple[Audience, ...]] = {"natural": ("person",), "legal": ("organisation",), "both": ("person", "organisation")}
LAYOUT = 1
"""Raise it when the same file is written to other columns, so that it is loaded again."""


class FileSource(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One line of sources.yaml: the list a file is, and what holds for rows without a mark of their own."""

    file: str
    list: str
    verified: str
    source: str


class Sources(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """sources.yaml as a whole."""

    files: tuple[FileSource, ...]


class BasicFile(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """basic_items.yaml as a whole."""

    items: tuple[BasicItem, ...]


async def load_reference(tx: Tx, folder: Path) -> Loaded:
    """Bring the tables in step with the files of a folder (导入参考数据). Twice is once.

    `folder` holds sources.yaml and the files it names. Raises ReferenceBroken with file and line.
    """
    path = folder / "sources.yaml"
    try:
        sources = msgspec.yaml.decode(path.read_text("utf-8"), type=Sources)
    except (OSError, msgspec.DecodeError) as error:
        raise ReferenceBroken(f"{path}: {error}. Name each file with list, verified and source.") from None
    written: dict[str, int] = {}
    unchanged: list[str] = []
    for source in sources.files:
        content = (folder / source.file).read_bytes()
        mark = digest(content + f"|{LAYOUT}|{source.list}|{source.verified}|{source.source}".encode())
        if await tx.fetchval("SELECT digest FROM reference_load WHERE list = $1", source.file) == mark:
            unchanged.append(source.file)
            continue
        rows = await LOADERS[source.file](tx, source, folder / source.file)
        written[source.file] = rows
        await tx.execute(
            """INSERT INTO reference_load (list, digest, rows, loaded_at) VALUES ($1, $2, $3, now())
               ON CONFLICT (list) DO UPDATE SET digest = $2, rows = $3, loaded_at = now()""",
            source.file, mark, rows,
        )
    return Loaded(written=written, unchanged=tuple(unchanged))


def table(path: Path, wanted: Iterable[str]) -> Rows:
    """A CSV file as rows; raises ReferenceBroken for a missing column or a row of another width."""
    reader = csv.DictReader(io.StringIO(path.read_text("utf-8"), newline=""))
    missing = set(wanted) - set(reader.fieldnames or ())
    if missing:
        raise ReferenceBroken(f"{path}:1: column {min(missing)} is missing. The header names {reader.fieldnames}.")
    rows: Rows = []
    for row in reader:
        if None in row or None in row.values():
            raise ReferenceBroken(f"{path}:{reader.line_num}: the row has another number of columns than the header")
        rows.append(row)
    return rows


async def _write(tx: Tx, name: str, rows: Iterable[tuple[str, str, str, str, str, str]]) -> int:
    """Replace one list: (code, name, parent, note, verified, source) a row; only the mark `yes` makes a row official."""
    made = [(name, code, label, parent, note, mark, mark == "yes", source) for code, label, parent, note, mark, source in rows]
    await tx.execute("DELETE FROM reference_row WHERE list = $1", name)
    await tx.executemany(
        """INSERT INTO reference_row (list, code, name, parent, note, verified, official, source)
           VALUES ($1, $2, $3, $4, $5, $6, $7, $8)""",
        made,
    )
    return len(made)


async def _divisions(tx: Tx, _source: FileSource, path: Path) -> int:
    rows = table(path, ("code", "name", "level", "parent_code", "kind"))
    await tx.execute("DELETE FROM division")
    made = [(row["code"], row["name"], row["level"], row["parent_code"], row["kind"]) for row in rows]
    await tx.executemany("INSERT INTO division (code, name, level, parent_code, kind) VALUES ($1, $2, $3, $4, $5)", made)
    return len(made)


async def _code_lists(tx: Tx, _source: FileSource, path: Path) -> int:
    rows = table(path, ("list", "code", "name", "verified", "source"))
    count = 0
    for name in dict.fromkeys(row["list"] for row in rows):
        mine = [row for row in rows if row["list"] == name]
        count += await _write(tx, name, ((r["code"], r["name"], "", "", r["verified"], r["source"]) for r in mine))
    return count


async def _item_types(tx: Tx, source: FileSource, path: Path) -> int:
    rows = table(path, ("code", "name", "by_application", "verified", "source"))
    notes = {"1": "依申请办理", "0": "不依申请"}
    made = ((r["code"], r["name"], "", notes.get(r["by_application"], "未核实"), r["verified"], r["source"]) for r in rows)
    return await _write(tx, source.list, made)


async def _themes(tx: Tx, source: FileSource, path: Path) -> int:
    kind = "natural" if "natural" in path.name else "legal"
    rows = table(path, ("code", "name"))
    await tx.execute("DELETE FROM reference_row WHERE list = $1 AND code LIKE $2 || ':%'", source.list, kind)
    await tx.executemany(
        """INSERT INTO reference_row (list, code, name, parent, note, verified, official, source)
           VALUES ($1, $2, $3, $4, '', $5, $6, $7)""",
        [
            (source.list, f"{kind}:{row['code']}", row["name"], kind, source.verified, source.verified == "yes", source.source)
            for row in rows
        ],
    )
    return len(rows)


async def _license_types(tx: Tx, source: FileSource, path: Path) -> int:
    rows = table(path, ("name", "holder_kind", "issuing_department", "domain", "certificate_type_code", "code_status"))
    made = (
        (
            row["name"], row["name"], row["issuing_department"],
            "；".join(one for one in (row["domain"], row["certificate_type_code"], row["code_status"]) if one),
            source.verified, source.source,
        )
        for row in rows
    )
    return await _write(tx, source.list, made)


async def _kuasheng(tx: Tx, source: FileSource, path: Path) -> int:
    rows = table(
        path, ("no", "item_name", "lead_department", "audience", "batch_deadline", "scenario", "document", "verified", "source")
    )
    count = await _write(
        tx,
        source.list,
        (
            (
                f"{int(row['no']):03d}", row["item_name"], row["lead_department"],
                "；".join(one for one in (row["document"], row["batch_deadline"], row["scenario"]) if one),
                row["verified"], row["source"],
            )
            for row in rows
        ),
    )
    await tx.execute("DELETE FROM directory_entry WHERE kind = 'kuasheng'")
    for row in rows:
        await _entry(
            tx,
            Entry(
                id=f"kuasheng-{int(row['no']):03d}", kind="kuasheng", name=row["item_name"], plain_name="", aliases=(),
                audience=AUDIENCES[row["audience"]], department=row["lead_department"], batch=row["batch_deadline"],
                document=row["document"], verified={"identity": row["verified"]}, sources=(row["source"],),
            ),
        )
    return count


async def _yijianshi(tx: Tx, source: FileSource, path: Path) -> int:
    rows = table(path, ("no", "name", "lead_department", "cooperating_departments", "batch", "verified", "source"))
    made = (
        (
            f"{int(row['no']):03d}", row["name"], row["lead_department"],
            "；".join(one for one in (row["batch"], row["cooperating_departments"].replace("|", "、")) if one),
            row["verified"], row["source"],
        )
        for row in rows
    )
    return await _write(tx, source.list, made)


async def _life_events(tx: Tx, source: FileSource, path: Path) -> int:
    events = msgspec.yaml.decode(path.read_text("utf-8"))
    made = (
        (
            one["id"], one["plain_name"], one["lead_department"],
            "、".join(member["name"] for member in one["members"]), source.verified, source.source,
        )
        for one in events
    )
    return await _write(tx, source.list, made)


async def _services(tx: Tx, _source: FileSource, path: Path) -> int:
    services = msgspec.yaml.decode(path.read_text("utf-8"))
    await tx.execute("DELETE FROM directory_entry WHERE kind = 'service'")
    for service in services:
        await _entry(tx, service_entry(service))
    return len(services)


def service_entry(facts: dict[str, Any]) -> Entry:
    """A service of service_facts.yaml as an entry: general facts in words, with the marks of each group (目录信息)."""
    days, unit = facts["statutory_days"], facts["statutory_unit"] or ""
    statutory = "" if days is None else "当场" if days == 0 else f"{days} 个{unit}"
    fee = facts["fee"]
    marks = facts["verified"]
    return Entry(
        id=facts["id"], kind="service", name=facts["name"], plain_name=facts["plain_name"], aliases=tuple(facts["aliases"]),
        audience=AUDIENCES[facts["audience"]], department=facts["lead_department"], conditions=tuple(facts["conditions"]),
        materials=tuple(one["name"] + (f"（{one['when']}）" if one.get("when") else "") for one in facts["materials"]),
        steps=tuple(one["name"] for one in facts["steps"]),
        legal_basis=tuple(
            Basis(name=one["name"], article=one.get("article") or "", says=one.get("says") or "", verified=marks["legal_basis"] == "yes")
            for one in facts["legal_basis"]
        ),
        statutory=statutory,
        fee="" if fee["charged"] is None else "要收费" if fee["charged"] else "不收费",
        result=facts["result"]["name"] or "", faq=tuple(Question(q=one["q"], a=one["a"]) for one in facts["faq"]),
        modes=tuple(facts["kuasheng_mode"]), verified=marks, sources=tuple(facts["sources"]),
    )


async def _entry(tx: Tx, entry: Entry) -> None:
    await tx.execute(
        """INSERT INTO directory_entry (id, kind, name, department, audience, body) VALUES ($1, $2, $3, $4, $5, $6)""",
        entry.id, entry.kind, entry.name, entry.department, list(entry.audience), msgspec.to_builtins(entry),
    )


async def _basics(tx: Tx, _source: FileSource, path: Path) -> int:
    items = msgspec.yaml.decode(path.read_text("utf-8"), type=BasicFile).items
    for one in items:
        await tx.execute(
            """INSERT INTO basic_item (catalog_code, name, item_type, department, audience, legal_basis, codes_are_demo, verified, source)
               VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9)
               ON CONFLICT (catalog_code) DO UPDATE SET name = $2, item_type = $3, department = $4, audience = $5,
                 legal_basis = $6, codes_are_demo = $7, verified = $8, source = $9""",
            one.catalog_code, one.name, one.item_type, one.department, list(one.audience), list(one.legal_basis),
            one.codes_are_demo, one.verified, one.source,
        )
    return len(items)


LOADERS: dict[str, Callable[[Tx, FileSource, Path], Awaitable[int]]] = {
    "divisions.csv": _divisions,
    "code_lists.csv": _code_lists,
    "item_types.csv": _item_types,
    "themes_natural.csv": _themes,
    "themes_legal.csv": _themes,
    "license_types.csv": _license_types,
    "kuasheng_tongban.csv": _kuasheng,
    "yijianshi.csv": _yijianshi,
    "life_events.yaml": _life_events,
    "service_facts.yaml": _services,
    "basic_items.yaml": _basics,
}
