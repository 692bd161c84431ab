"""Nouns of the space 服务空间: what the entrance, one's own page, places and lists of services show."""

from __future__ import annotations

from datetime import date
from typing import Literal

import msgspec

from tongban.credentials import Verdict
from tongban.kernel.errors import Refusals
from tongban.kernel.gm import Personal


class Tile(msgspec.Struct, frozen=True):
    """One picture with words that leads somewhere (一格)."""

    text: str
    href: str
    icon: str
    tone: str = ""


class Todo(msgspec.Struct, frozen=True):
    """One thing that waits for this person (等你处理的一件): what, until when, the one act."""

    title: str
    hint: str
    action: str
    href: str
    due: date | None = None
    icon: str = "up"


class ServiceRow(msgspec.Struct, frozen=True):
    """One service in a list (一项服务)."""

    name: str
    hint: str
    href: str
    tag: str = ""


class Themes(msgspec.Struct, frozen=True):
    """What is published for a place, for the entrance (首页的公共部分); the same for everybody there."""

    tiles: tuple[Tile, ...]
    services: tuple[ServiceRow, ...]
    count: int
    events: tuple[Tile, ...]


class Home(msgspec.Struct, frozen=True):
    """The entrance (首页)."""

    title: str
    greeting: str
    public: Themes
    todos: tuple[Todo, ...] = ()
    missing: tuple[str, ...] = ()
    quick: tuple[Tile, ...] = ()
    tab: str = "home"
    wide: bool = True
    description: str = "在网上办政务服务：先看多久、多少钱、跑几趟，再决定办不办。"


class Place(msgspec.Struct, frozen=True):
    """One place that can be chosen (一个地区) and how many services are given there."""

    code: str
    name: str
    count: int
    has_children: bool = True


class Region(msgspec.Struct, frozen=True):
    """Choosing the place (选地区). `here` is what is looked at; `path` leads to it from the top."""

    title: str
    here: Place | None
    path: tuple[Place, ...]
    below: tuple[Place, ...]
    chosen: str
    query: str = ""
    found: tuple[Place, ...] = ()
    next: str = "/"
    back: str = "/"
    back_label: str = "返回首页"
    nav_title: str = "选地区"


class Filter(msgspec.Struct, frozen=True):
    """One filter link with its count (一个筛选)."""

    text: str
    href: str
    count: int
    current: bool = False


class Services(msgspec.Struct, frozen=True):
    """All services of a place by theme (办事)."""

    title: str
    who: tuple[Filter, ...]
    themes: tuple[Filter, ...]
    departments: tuple[Filter, ...]
    services: tuple[ServiceRow, ...]
    heading: str
    tab: str = "services"
    wide: bool = True
    nav_title: str = "办事"
    description: str = "这里能办的全部事项，按主题、部门查。"


class Count(msgspec.Struct, frozen=True):
    """A number that opens its list (能点开的数)."""

    label: str
    value: str
    href: str
    icon: str
    hint: str = ""


class AtHome(msgspec.Struct, frozen=True):
    """What a visitor has at home (在归属地的): counts, what waits there; in `words` what could not be seen, empty when all was."""

    place: str
    cases: int
    running: int
    cards: int
    todos: tuple[Todo, ...]
    words: str


class Mine(msgspec.Struct, frozen=True):
    """One's own page (我的)."""

    title: str
    name: str
    number: str
    level: str
    home_name: str
    counts: tuple[Count, ...]
    todos: tuple[Todo, ...]
    missing: tuple[str, ...]
    away: str = ""
    whole: bool = True
    tab: str = "me"
    nav_title: str = "我的"


class Words(msgspec.Struct, frozen=True):
    """A page of plain words (文字页): help, privacy, accessibility, about."""

    title: str
    node_name: str = ""
    back: str = "/"
    back_label: str = "返回首页"
    description: str = ""


class Display(msgspec.Struct, frozen=True):
    """How a person wants pages to look (显示习惯)."""

    mode: str = ""
    size: int = 100
    place: str = ""


class Person(msgspec.Struct, frozen=True):
    """What one's own page says of oneself (本人)."""

    name: Personal | None = None
    number: Personal | None = None


class Scanned(msgspec.Struct, frozen=True):
    """What a scanned text is (扫到的): a code of a licence, a page of ours at `place`, or just text, which nothing opens."""

    kind: Literal["card", "login", "page", "text"]
    text: str
    href: str = ""
    place: str = ""


class ScanPage(msgspec.Struct, frozen=True):
    """What /scanner draws: the reader, and what was read last."""

    title: str
    found: Scanned | None = None
    verdict: Verdict | None = None
    look: str = ""
    errors: Refusals = ()
