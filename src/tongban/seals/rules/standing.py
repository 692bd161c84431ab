"""Whether a seal could be used at the moment a document was sealed (盖章时印章能不能用). Pure.

The signer's own time may be false, a time stamp cannot: where there is one, the seal must have been usable at both. For a
seal that was lost, the own word counts nothing: only a stamp from before the loss holds (T-57).
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime, timedelta

from tongban.kernel.clock import CHINA
from tongban.seals.model import Anchors, Period, Signed, Step

AHEAD = timedelta(minutes=10)
_WORDS = {"suspended": "印章停用着", "revoked": "印章已经作废", "lost": "印章已经报失", "expired": "印章已经到期"}


class Failed(Exception):
    """A step of verification that fails (没通过的一步): its name, why, and in which file."""

    def __init__(self, step: Step, sentence: str, file: str = "") -> None:
        super().__init__(sentence)
        self.step: Step = step
        self.sentence = sentence
        self.file = file


def periods(anchors: Anchors, es_id: str) -> tuple[Period, ...]:
    """All times in which the seal could not be used (停用期间)."""
    known = anchors.periods.get(es_id, ())
    gone = anchors.revoked.get(es_id)
    if gone is not None and not any(one.state != "suspended" and one.begins <= gone for one in known):
        return (*known, Period("revoked", gone))
    return known


def in_force(anchors: Anchors, es_id: str, signed_at: datetime, stamped_at: datetime | None) -> None:
    """Raise Failed unless the seal could be used at the time said and, if there is a stamp, at the time stamped."""
    if stamped_at is not None and signed_at > stamped_at + AHEAD:
        raise Failed("time", "说的盖章时间比时间戳还晚")
    for one in periods(anchors, es_id):
        for moment in (signed_at, stamped_at):
            if moment is not None and one.begins <= moment and (one.ends is None or moment < one.ends):
                raise Failed("seal_validity", f"盖章的时候，{_WORDS[one.state]}")
        if one.state == "lost" and stamped_at is None:
            raise Failed("time", "这枚印章报过失，文件上没有报失以前的时间戳，说不清是哪天盖的")


def ended(seals: Iterable[Signed]) -> str:
    """A sentence when a seal of a good document has ended since (以前盖的仍有效): with both times; else nothing."""
    for one in seals:
        if one.ended_at is not None and one.signed_at is not None:
            then, gone = (moment.astimezone(CHINA) for moment in (one.stamped_at or one.signed_at, one.ended_at))
            return f"盖章是 {then:%Y-%m-%d %H:%M}，那时印章有效；印章已在 {gone:%Y-%m-%d %H:%M} 作废，以前盖的仍有效"
    return ""
