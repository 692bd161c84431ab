"""What each thing of the catalogue becomes in the index 建索引条目: an item, its questions, an entry, a page of ours."""

from __future__ import annotations

from collections.abc import Mapping

import msgspec

from tongban import catalogue
from tongban.search.model import Document, Shown
from tongban.search.rules.text import plain

MODES = {"online": "全程网办 网上办", "hand_over": "异地代收代办", "joint": "多地联办"}
NATION = "000000"
ANYONE = ("person", "organisation")
EVERY_CHANNEL = ("h5", "webview", "pc", "kiosk", "counter")


class OwnPage(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A page of the platform that people search for (自己的页面)."""

    id: str
    name: str
    says: str
    aliases: tuple[str, ...] = ()
    href: str = ""
    mode: str = ""


def everyday(names: tuple[str, ...], dictionary: Mapping[str, tuple[str, ...]]) -> tuple[str, ...]:
    """The everyday words for what stands in the names (日常说法)."""
    text = " ".join(names)
    return tuple(dict.fromkeys(word for formal, said in dictionary.items() if formal in text for word in said))


def of_item(
    item: catalogue.Item, channels: tuple[str, ...], place: str, dictionary: Mapping[str, tuple[str, ...]]
) -> list[Document]:
    """The documents of an item: itself, and one a question (事项)."""
    told = catalogue.facts(item)
    names = (item.name, item.plain_name, *item.aliases)
    shared = Shown(
        kind="item", id=item.task_code, title=item.name, says=item.plain_name, href=f"/s/{item.task_code}",
        organisation=item.organisation.name, place=place, how_long=told.how_long, how_long_unit=told.how_long_unit, fee=told.fee,
        visits=told.visits, sample=told.any_sample, service=item.service,
    )
    whole = Document(
        shown=shared, names=names, more=everyday(names, dictionary),
        text=(
            item.department, item.organisation.name, place, item.result.name, *item.conditions,
            *(one.title for one in item.materials), *(MODES[mode] for mode in item.modes),
        ),
        divisions=catalogue.ancestors(item.division), own=item.division, anywhere=bool(item.scope in {"nation", "cross_province"}),
        audience=item.audience, channels=channels, task_code=item.task_code,
    )
    questions = [
        msgspec.structs.replace(
            whole,
            shown=Shown(
                kind="question", id=f"{item.task_code}.{number}", title=one.q, says=f"问答，来自《{item.name}》",
                href=f"/s/{item.task_code}#s5", place=place, organisation=item.organisation.name,
            ),
            names=(one.q,), more=(), text=(item.name, item.plain_name, one.a),
        )
        for number, one in enumerate(item.faq)
    ]
    return [whole, *questions]


def of_entry(entry: catalogue.Entry, dictionary: Mapping[str, tuple[str, ...]]) -> Document:
    """An entry of the directory: general facts, never official (目录信息)."""
    names = tuple(name for name in (entry.name, entry.plain_name, *entry.aliases) if name)
    return Document(
        shown=Shown(
            kind="entry", id=entry.id, title=entry.name, says=entry.plain_name or f"{entry.department}，目录信息",
            href=f"/info/{entry.id}", organisation=entry.department, sample=True, service=entry.id,
        ),
        names=names, more=everyday(names, dictionary),
        text=(entry.department, entry.result, *entry.conditions, *entry.materials, *(one.q for one in entry.faq)),
        divisions=(NATION,), own=NATION, anywhere=True, audience=entry.audience, channels=EVERY_CHANNEL,
    )


def of_page(page: OwnPage) -> Document:
    """A page of ours (自己的页面)."""
    return Document(
        shown=Shown(kind="page", id=page.id, title=page.name, says=page.says, href=page.href, mode=page.mode),
        names=(page.name, *page.aliases), more=(), text=(page.says,), divisions=(NATION,), own=NATION, anywhere=True,
        audience=ANYONE, channels=EVERY_CHANNEL,
    )


def without_doubles(entries: tuple[catalogue.Entry, ...]) -> tuple[catalogue.Entry, ...]:
    """Entries that no fuller entry of the same name already stands for (去重)."""
    taken: set[str] = set()
    kept = []
    for entry in sorted(entries, key=lambda one: (one.kind != "service", one.id)):
        name = plain(entry.name)
        if name not in taken:
            taken.add(name)
            kept.append(entry)
    return tuple(kept)
