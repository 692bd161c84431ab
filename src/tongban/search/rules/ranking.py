"""Ranking 排序: the engine's score, how much of the query is answered, whether it is of this place. Pure."""

from __future__ import annotations

from collections.abc import Iterable

import msgspec

from tongban.search.model import Hit, Shown

ELSEWHERE = 0.95
WEIGHTS: dict[str, float] = {"item": 1.0, "page": 0.9, "entry": 0.93, "question": 0.55}
LEAST_COVER = 0.34
CLOSE = 0.86


class Raw(msgspec.Struct, frozen=True):
    """A hit as the engine gives it: score, the terms its names and texts hold, and what it shows."""

    score: float
    shown: Shown
    name_terms: frozenset[str]
    text_terms: frozenset[str]
    words: frozenset[str]
    here: bool


def covered(terms: frozenset[str], held: frozenset[str]) -> float:
    """The part of the query's pairs that are held (覆盖)."""
    return len(terms & held) / len(terms) if terms else 0.0


def spoken(words: tuple[str, ...], held: frozenset[str]) -> float:
    """The part of the query's letters that stand in words of two or more which are held (词覆盖)."""
    total = sum(len(word) for word in words)
    return sum(len(word) for word in words if len(word) > 1 and word in held) / total if total else 0.0


def ranked(raws: Iterable[Raw], terms: frozenset[str], words: tuple[str, ...] = ()) -> list[Hit]:
    """Hits in order, weak ones left out (排序): max-normalised score, weighed by cover, kind and place.

    `terms` are the query's pairs of syllables, `words` its words without overlap. What answers less than a third of
    both is no answer.
    """
    found = list(raws)
    top = max((raw.score for raw in found), default=0.0) or 1.0
    hits = []
    for raw in found:
        by_word = spoken(words, raw.words)
        in_name = max(covered(terms, raw.name_terms), by_word)
        in_all = max(covered(terms, raw.name_terms | raw.text_terms), by_word)
        covers = 0.75 * in_name + 0.25 * in_all
        if in_all < LEAST_COVER:
            continue
        score = (0.45 * raw.score / top + 0.55 * covers) * WEIGHTS[raw.shown.kind] * (1.0 if raw.here else ELSEWHERE)
        hits.append(Hit(raw.shown, round(score, 4), round(covers, 3), raw.here))
    hits.sort(key=lambda hit: (-hit.score, hit.shown.kind, hit.shown.id))
    return hits


def once(hits: list[Hit]) -> list[Hit]:
    """General facts step back where the very service is handled: an entry goes when its item is found too (去重)."""
    acts = {hit.shown.service for hit in hits if hit.shown.kind == "item"} - {""}
    titles = {hit.shown.title for hit in hits if hit.shown.kind == "item"}
    return [
        hit for hit in hits
        if hit.shown.kind != "entry" or (hit.shown.service not in acts and hit.shown.title not in titles)
    ]


def close_acts(hits: list[Hit]) -> tuple[Hit, ...]:
    """Up to three acts to ask about when the first two are nearly equal (你是不是要办)."""
    acts = [hit for hit in hits if hit.shown.kind in {"item", "entry"}][:3]
    if len(acts) < 2 or acts[1].score < CLOSE * acts[0].score:
        return ()
    return tuple(hit for hit in acts if hit.score >= CLOSE * acts[0].score)
