"""Finding 查: route by script, all terms first, then any, then by ear. Pure reading; nothing of the query is kept."""

from __future__ import annotations

from collections import Counter

from rapidfuzz import process

from tongban.kernel.node import Node
from tongban.search.model import Found, Hit, Where
from tongban.search.queries.index import Index
from tongban.search.rules import text
from tongban.search.rules.ranking import ELSEWHERE, WEIGHTS, Raw, close_acts, once, ranked

ENOUGH = 3
LEAST_ALIKE = 76.0
MOST_ALIKE = 6
LONGEST_INITIALS = 12
LEAST_BY_EAR = 4
_open: dict[str, Index] = {}


def index_of(node: Node) -> Index:
    """This node's index, opened once a process (打开索引)."""
    folder = node.settings.data_dir / "search"
    found = _open.get(str(folder))
    if found is None:
        found = _open[str(folder)] = Index(folder)
    return found


def find(
    node: Node, query: str, *, division: str = "", audience: str = "", channel: str = "", kind: str = "", limit: int = 10
) -> Found:
    """What fits the words somebody typed or said (检索).

    `division` is where they are (six digits; "" = anywhere): things of that place, above it, below it, and those open
    across provinces. Takes about a millisecond; asks no database. An empty query finds nothing.
    """
    return find_in(
        index_of(node), query, division=division, audience=audience, channel=channel, kind=kind, limit=limit
    )


def find_in(
    index: Index, query: str, *, division: str = "", audience: str = "", channel: str = "", kind: str = "", limit: int = 10
) -> Found:
    """As `find`, in a given index."""
    typed = text.normal(query)
    if not typed:
        return Found(query=query, searched="", hits=(), counts={})
    where = Where(division, audience, channel)
    hits, guessed = _latin(index, typed, where) if text.latin_only(typed) else _spoken(index, typed, where)
    hits = once(hits)
    counts = dict(Counter(hit.shown.kind for hit in hits))
    shown = [hit for hit in hits if not kind or hit.shown.kind == kind]
    searched = hits[0].shown.title if hits and (guessed or text.latin_only(typed)) else ""
    return Found(
        query=query, searched=searched, hits=tuple(shown[:limit]), counts=counts, close=close_acts(shown), guessed=guessed
    )


def _spoken(index: Index, typed: str, where: Where) -> tuple[list[Hit], bool]:
    """Characters, perhaps with letters among them: every term, then any of them."""
    sought = text.core(typed)
    terms, words = frozenset(text.pairs(sought)), text.cut(sought)
    hits = ranked(index.search(sought, where), terms, words)
    if len(hits) < ENOUGH:
        hits = ranked(index.search(sought, where, every=False), terms, words)
    if not hits and sought != typed:
        hits = ranked(index.search(typed, where, every=False), frozenset(text.pairs(typed)), text.cut(typed))
    return hits, False


def _latin(index: Index, typed: str, where: Where) -> tuple[list[Hit], bool]:
    """Letters alone: whole syllables, else first letters, else what sounds most like it."""
    letters = text.squeezed(typed)
    if text.parsed(letters):
        terms = frozenset(text.pairs(letters))
        hits = ranked(index.search(letters, where, sounds_only=True), terms)
        if not hits:
            hits = ranked(index.search(letters, where, sounds_only=True, every=False), terms)
        if hits:
            return hits, False
    if len(letters) <= LONGEST_INITIALS:
        found = index.by_initials(letters, where)
        if found:
            return _all_cover(found), False
    return _all_cover(_by_ear(index, letters, where)), True


def _by_ear(index: Index, letters: str, where: Where) -> list[Raw]:
    if len(letters) < LEAST_BY_EAR:
        return []
    sounds = {sound.replace("_", ""): sound for sound in index.sounds()}
    alike = process.extract(text.softened(letters), list(sounds), limit=MOST_ALIKE, score_cutoff=LEAST_ALIKE)
    if not alike:
        return []
    closeness = {sounds[sound]: score / 100 for sound, score, _ in alike}
    raws = index.by_sounds(closeness, where)
    best = max(closeness, key=lambda sound: closeness[sound])
    exact = index.by_sounds([best], where)
    return exact or raws


def _all_cover(raws: list[Raw]) -> list[Hit]:
    """Hits whose very name was matched: acts before questions, of this place before others, then the engine's order."""
    top = max((raw.score for raw in raws), default=0.0) or 1.0
    hits = [
        Hit(raw.shown, round(raw.score / top * WEIGHTS[raw.shown.kind] * (1.0 if raw.here else ELSEWHERE), 4), 1.0, raw.here)
        for raw in raws
    ]
    return sorted(hits, key=lambda hit: (-hit.score, hit.shown.id))
