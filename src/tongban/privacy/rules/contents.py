"""What is in a copy and how it is called 副本里有什么: data by kind, schemas, ledger, receipts, a list, words for the reader. Pure."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from datetime import datetime
from typing import Any, Final

import msgspec

from tongban.kernel.clock import CHINA
from tongban.privacy.model.copies import Enclosed, Gathered, Kind
from tongban.privacy.rules.limits import COPIES
from tongban.privacy.rules.reading import Sheets, learn, rows_onto
from tongban.privacy.rules.schemas import data_schema
from tongban.seals import Document

LEDGER: Final = "谁用过我的信息"
_NOT_IN_NAMES = re.compile(r"[\\/:*?\"<>|\x00-\x1f]")
_GREY: Final = "#5a6675"


class About(msgspec.Struct, frozen=True, kw_only=True):
    """What stands on the first page (副本的说明)."""

    number: str
    name: str
    asked_at: datetime
    made_at: datetime
    whole: bool
    missing: tuple[str, ...]
    not_copied: tuple[tuple[str, str], ...]
    log_page: str


class Counted(msgspec.Struct, frozen=True):
    """How much is in it (数一数)."""

    rows: int
    files: int
    left_out: int


class OneKind(msgspec.Struct, frozen=True):
    """One kind of thing over all nodes (一类信息): its file name, its title, what each node gave with the files' places."""

    file: str
    title: str
    places: tuple[tuple[str, Kind, tuple[tuple[Enclosed, str], ...]], ...]


def file_name(text: str) -> str:
    """A name that every system takes (文件名)."""
    return _NOT_IN_NAMES.sub("_", text)[:60] or "_"


def counted(gathered: list[Gathered], paths: Mapping[tuple[str, str], str]) -> Counted:
    """Entries, enclosed files, and what could not be read."""
    kinds = [(one.node, kind) for one in gathered for kind in one.kinds]
    lost = sum(kind.failed for _, kind in kinds) + sum((node, file.key) not in paths for node, kind in kinds for file in kind.files)
    return Counted(sum(len(kind.rows) for _, kind in kinds) + sum(len(one.ledger) for one in gathered), len(paths), lost)


def by_kind(gathered: list[Gathered], paths: Mapping[tuple[str, str], str]) -> tuple[OneKind, ...]:
    """The kinds in the order of the rooms, each with all its places (按类归拢)."""
    found: dict[str, list[tuple[str, Kind, tuple[tuple[Enclosed, str], ...]]]] = {}
    for part in gathered:
        for kind in part.kinds:
            files = tuple((one, paths.get((part.node, one.key), "")) for one in kind.files)
            found.setdefault(kind.table, []).append((part.name, kind, files))
    names: set[str] = set()
    made = []
    for places in found.values():
        title = places[0][1].title
        name, number = file_name(title), 1
        while name in names:
            number += 1
            name = f"{file_name(title)}{number}"
        names.add(name)
        made.append(OneKind(name, title, tuple(places)))
    return tuple(made)


def files(about: About, gathered: list[Gathered], kinds: tuple[OneKind, ...]) -> Iterator[tuple[str, bytes]]:
    """The data files with their schemas, the ledger, the receipts, the list and the words (数据文件)."""
    for one in kinds:
        data = {"$schema": f"../结构/{one.file}.schema.json", "名称": one.title, "各处": [_place(place) for place in one.places]}
        yield f"数据/{one.file}.json", _json(data)
        rows = [row for _, kind, _ in one.places for row in kind.rows]
        yield f"结构/{one.file}.schema.json", _json(data_schema(one.title, rows))
    places = [{"节点": part.name, "条目": [one.line for one in part.ledger]} for part in gathered]
    yield f"数据/{LEDGER}.json", _json({"$schema": f"../结构/{LEDGER}.schema.json", "名称": LEDGER, "各处": places})
    yield f"结构/{LEDGER}.schema.json", _json(data_schema(LEDGER, [one.line for part in gathered for one in part.ledger]))
    for part in gathered:
        for proof in part.ledger:
            if proof.receipt:
                yield f"回执/{file_name(part.name)}-{file_name(str(proof.line['编号']))}.json", proof.receipt.encode()
    yield "目录.json", _json(_list(about, gathered, kinds))
    yield "说明.txt", _words(about, gathered).encode("utf-8-sig")


def _place(place: tuple[str, Kind, tuple[tuple[Enclosed, str], ...]]) -> dict[str, Any]:
    name, kind, enclosed = place
    made: dict[str, Any] = {"节点": name, "条目": kind.rows}
    if enclosed:
        made["文件"] = [
            {"文件": path, "名称": one.name, "类型": one.media_type, "大小": one.size}
            | ({} if path else {"没有放进来": one.why_not or "这次没能取出"})
            for one, path in enclosed
        ]
    left = [*kind.left_out, *([kind.why_not] if kind.why_not else [])]
    return made | ({"没有放进来": left} if left else {})


def _list(about: About, gathered: list[Gathered], kinds: tuple[OneKind, ...]) -> dict[str, Any]:
    return {
        "编号": about.number, "要的时间": _time(about.asked_at), "做好的时间": _time(about.made_at),
        "哪一种": "全部的" if about.whole else "简单的",
        "各处": [{"节点": one.name, "取出时间": _time_ms(one.at), "台账更早的行": one.lines_beyond} for one in gathered],
        "这次没有取到的地方": list(about.missing),
        "各类": [
            {"名称": one.title, "数据": f"数据/{one.file}.json", "结构": f"结构/{one.file}.schema.json",
             "条数": sum(len(kind.rows) for _, kind, _ in one.places), "文件": sum(bool(path) for _, _, held in one.places for _, path in held),
             "没能取出": [name for name, kind, _ in one.places if kind.failed]}
            for one in kinds
        ],
        "不在副本里的": [{"名称": title, "为什么": why} for title, why in about.not_copied],
    }  # fmt: skip


def _words(about: About, gathered: list[Gathered]) -> str:
    lines = [
        "这是你的信息副本。里面是通办平台各处存着的、关于你的信息。",
        "",
        "阅读版.pdf    给人看的，什么都印在里面（太长的，其余在数据文件里）",
        "数据          每一类一个文件（JSON），电脑程序能读",
        "结构          每个数据文件的结构说明（JSON Schema）",
        "文件          你交过的材料、证照文件；哪个是哪个，写在数据里",
        f"数据/{LEDGER}.json    每一次取用的记录",
        "回执          每条取用记录的存证回执",
        "目录.json     有哪些、从哪里取来、哪些不在里面、为什么",
        "",
        "怎样核对回执：",
        f"到 {about.log_page} 下载 check_receipt.py 和根证书 root.cer，在电脑上运行：",
        "    python3 check_receipt.py 回执/<文件名>.json --root root.cer",
        "不用连网，也不用相信我们。",
        "",
        "别人的名字、号码在这里是遮住的。",
        "解开以后，谁拿到这些文件谁就能看。看完不用的，请删掉。",
    ]
    beyond, bare = sum(part.lines_beyond for part in gathered), sum(1 for part in gathered for one in part.ledger if not one.receipt)
    if beyond:
        lines += ["", f"谁用过我的信息：最早的 {beyond} 条没有放进来，到“我的 → 谁用过我的信息”往前翻着看。"]
    if bare:
        lines += ["", f"有 {bare} 条记录没有放回执，到“我的 → 谁用过我的信息”里逐条下载。"]
    if about.missing:
        lines += ["", "这次没有取到：" + "、".join(about.missing) + "。可以在原来的页面上再取一次。"]
    if not about.whole:
        lines += ["", "这是简单的一份：证件号码、材料文件等没有放进来。要这些，请要一份“全部的”。"]
    return "\r\n".join(lines) + "\r\n"


def reading(about: About, gathered: list[Gathered], kinds: tuple[OneKind, ...], author: str) -> Document:
    """The pages for reading (阅读版)."""
    learn(msgspec.json.encode((about, gathered)).decode() + _words(about, gathered) + "".join(one.title for one in kinds))
    sheets = Sheets("我的信息副本")
    sheets.put("我的信息副本", size=7.0)
    sheets.put(f"{about.name}    {_time(about.made_at)[:16].replace('T', ' ')}做成，{'全部的' if about.whole else '简单的'}一份", color=_GREY, before=2.0)
    sheets.put("取自：" + "、".join(one.name for one in gathered), before=2.0)
    if about.missing:
        sheets.put("没有取到：" + "、".join(about.missing) + "。可以在原来的页面上再取一次。")
    for one in kinds:
        sheets.heading(one.title)
        for name, kind, enclosed in one.places:
            sheets.put(f"在{name}：{len(kind.rows)} 条" + (f"，文件 {len(enclosed)} 个" if enclosed else ""), color=_GREY, before=1.0)
            if kind.why_not or kind.left_out:
                sheets.put("没有放进来：" + "、".join((*kind.left_out, *([kind.why_not] if kind.why_not else []))), color=_GREY)
            rows_onto(sheets, kind.rows, most=COPIES.reading_rows, count=len(kind.rows))
            for file, path in enclosed:
                sheets.put(f"文件：{file.name}（{path or file.why_not or '这次没能取出'}）", indent=6.0)
    sheets.heading(LEDGER)
    for part in gathered:
        sheets.put(f"在{part.name}：{len(part.ledger)} 条", color=_GREY, before=1.0)
        rows_onto(sheets, [_short(one.line) for one in part.ledger], most=COPIES.reading_rows, count=len(part.ledger))
    sheets.heading("不在副本里的")
    for title, why in about.not_copied:
        sheets.put(f"{title}：{why}", indent=2.0)
    return sheets.document(about.number, author, about.made_at)


_SHORT = ("时间", "谁", "哪几项", "用来做什么", "依据")


def _short(line: Mapping[str, object]) -> dict[str, object]:
    return {heading: line[heading] for heading in _SHORT if heading in line}


def _time(at: datetime) -> str:
    return at.astimezone(CHINA).isoformat(timespec="seconds")


def _time_ms(ms: int) -> str:
    return _time(datetime.fromtimestamp(ms / 1000, CHINA))


def _json(value: object) -> bytes:
    return msgspec.json.format(msgspec.json.encode(value), indent=2)
