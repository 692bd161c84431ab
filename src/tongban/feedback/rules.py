"""Judgements of 好差评: what a review must be, when it may be written, what the public may see. Pure."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from functools import cache
from importlib import resources as packaged

import msgspec

from tongban.feedback.model import LEVELS, Figures, Terms, Written
from tongban.kernel.errors import Refusal, Refusals

FINISHED = frozenset({"finished", "delivered", "reviewed", "closed"})
"""Mirror states in which a service is over and may be rated (process.yaml)."""


@cache
def terms() -> Terms:
    """The terms as data (好差评规则), from terms.toml."""
    raw = tomllib.loads(packaged.files("tongban.feedback").joinpath("terms.toml").read_text("utf-8"))
    return msgspec.convert(raw, Terms)


def refusals(written: Written, agreed: Terms) -> Refusals:
    """What is not right with a review, in words (评价能不能交); () when all is.

    >>> refusals(Written(level=0), terms())[0].sentence
    '还没选总的感觉，点一个就能交'
    """
    found = []
    if written.level not in LEVELS:
        found.append(Refusal("feedback.level", "还没选总的感觉，点一个就能交", "grade"))
    codes = {one.code for one in agreed.indicator}
    if any(one not in codes for one in written.indicators):
        found.append(Refusal("feedback.indicator", "请从列出的几项里选", "indicators"))
    if len(written.text) > agreed.longest_text:
        over = len(written.text) - agreed.longest_text
        found.append(Refusal("feedback.text", f"多写了 {over} 个字，最多 {agreed.longest_text} 个字", "text"))
    return tuple(found)


def public_figures(task_code: str, by_level: Mapping[int, int], smallest: int) -> Figures:
    """What the public may see of an item's reviews (公开数字), so that no small group can be worked out (privacy.md 8)."""
    total = sum(by_level.values())
    if total < smallest:
        return Figures(task_code=task_code, count=None, satisfied_percent=None, levels=(), needed=smallest)
    counts = {level: by_level.get(level, 0) for level in LEVELS}
    withheld = {level for level, number in counts.items() if 0 < number < smallest}
    if len(withheld) == 1:
        others = [level for level in counts if level not in withheld]
        withheld.add(min(others, key=lambda level: counts[level]))
    share = 100 * sum(counts[level] for level in (5, 4, 3)) / total
    return Figures(
        task_code=task_code,
        count=total,
        satisfied_percent=float(5 * round(share / 5)) if withheld else round(share, 1),
        levels=tuple((LEVELS[level], None if level in withheld else counts[level]) for level in LEVELS),
        needed=smallest,
        coarse=bool(withheld),
    )
