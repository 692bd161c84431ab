"""The nouns of search 检索: what can be found, and what was found."""

from __future__ import annotations

from typing import Literal

import msgspec

Kind = Literal["item", "question", "entry", "page"]


class Shown(msgspec.Struct, frozen=True):
    """What a hit shows (展示内容), kept in the index so that a search asks no database."""

    kind: Kind
    id: str
    title: str
    says: str
    href: str
    organisation: str = ""
    place: str = ""
    how_long: str = ""
    how_long_unit: str = ""
    fee: str = ""
    visits: str = ""
    sample: bool = False
    mode: str = ""
    service: str = ""


class Document(msgspec.Struct, frozen=True):
    """One thing to index (索引条目). `names` are its name and aliases, best first; `text` is everything else."""

    shown: Shown
    names: tuple[str, ...]
    more: tuple[str, ...]
    text: tuple[str, ...]
    divisions: tuple[str, ...]
    own: str
    anywhere: bool
    audience: tuple[str, ...]
    channels: tuple[str, ...]
    task_code: str = ""


class Where(msgspec.Struct, frozen=True):
    """Where somebody looks (范围): a division of six digits, person or organisation, a channel; "" leaves it open."""

    place: str = ""
    audience: str = ""
    channel: str = ""


class Hit(msgspec.Struct, frozen=True):
    """One thing found (结果). `score` orders; `covers` is the part of the query it answers, 0 to 1; `here`: of this place."""

    shown: Shown
    score: float
    covers: float
    here: bool


class Found(msgspec.Struct, frozen=True):
    """The answer to a query (检索结果).

    `searched` is what was looked for when that differs from what was typed. `close` holds the acts to ask about when
    the first two are nearly equal (你是不是要办). `counts` are hits a kind, before `limit`.
    """

    query: str
    searched: str
    hits: tuple[Hit, ...]
    counts: dict[Kind, int]
    close: tuple[Hit, ...] = ()
    guessed: bool = False

    @property
    def best(self) -> Hit | None:
        """The first hit when it is an act: an item or a page of ours."""
        return self.hits[0] if self.hits and self.hits[0].shown.kind in {"item", "page"} else None
