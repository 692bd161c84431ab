"""Epochs 纪元规则: where two histories part, and what a restored node says about its log (federation.md 6.2). Pure.

The origin's own log is the history; each reader finds its own place in it. The model checker showed why: a guess of the
origin about where readers stand loses letters (docs/model/letters.pml, NOREWIND, KEEPHAND).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

import msgspec

from tongban.federation.rules.wire import Head, Malformed, Place, node_id
from tongban.kernel.gm import BadEncoding, digest, jcs


class Ends(msgspec.Struct, frozen=True):
    """The end of the old log: its last number, and the last letter of each stream."""

    seq: int
    streams: dict[str, Place]


class EpochLetter(msgspec.Struct, frozen=True, kw_only=True):
    """What a restored node signs 新纪元声明: its log of `previous` ended at `ends`, from now on it writes in `epoch`."""

    v: int
    origin: str
    epoch: int
    previous: int
    ends: Ends
    at: int


class SignedEpochLetter(msgspec.Struct, frozen=True):
    letter: EpochLetter
    canonical: bytes
    kid: str
    signature: str
    whole: bytes


def parse_epoch_letter(value: object) -> SignedEpochLetter:
    """An epoch letter from another node; Malformed when it is not one. Not verified."""
    if not isinstance(value, dict) or not isinstance(value.get("epoch_letter"), dict) or not isinstance(value.get("sig"), dict):
        raise Malformed("epoch_letter")
    try:
        letter = msgspec.convert(value["epoch_letter"], EpochLetter, strict=True)
        canonical, whole = jcs(value["epoch_letter"]), jcs(value)
    except (msgspec.ValidationError, BadEncoding) as error:
        raise Malformed("epoch_letter") from error
    kid, signature = value["sig"].get("kid"), value["sig"].get("value")
    node_id(letter.origin)
    whole_numbers = letter.v == 1 and 0 < letter.previous < letter.epoch and letter.ends.seq >= 0
    if not whole_numbers or not isinstance(kid, str) or not isinstance(signature, str):
        raise Malformed("epoch_letter")
    if any(place.seq > letter.ends.seq for place in letter.ends.streams.values()):
        raise Malformed("epoch_letter")
    return SignedEpochLetter(letter, canonical, kid, signature, whole)


def next_epoch(own: int, listed: int, seen: int, now_ms: int) -> int:
    """max(own + 1, the directory's + 1, any seen + 1, Unix seconds): above whatever a lost life of this node used."""
    return max(own + 1, listed + 1, seen + 1, now_ms // 1000)


def _own(letters: Iterable[EpochLetter]) -> dict[int, EpochLetter]:
    """Of each new epoch the letter about the log it was opened on: the lowest; those above it end what that log has forgotten."""
    found: dict[int, EpochLetter] = {}
    for one in letters:
        if one.epoch not in found or one.previous < found[one.epoch].previous:
            found[one.epoch] = one
    return found


def line(letters: Iterable[EpochLetter], epoch: int) -> dict[int, EpochLetter]:
    """The epochs below `epoch` in the log that it was opened on, each with the letter that ends it (纪元线)."""
    own, found = _own(letters), dict[int, EpochLetter]()
    while (letter := own.get(epoch)) is not None:
        found[letter.previous], epoch = letter, letter.previous
    return found


def closing(letters: Iterable[EpochLetter], epoch: int) -> EpochLetter | None:
    """The letter by which a reader in `epoch` goes on, None where there is none yet (docs/model/again.pml).

    It ends `epoch`; or, when the newest life of the origin never knew `epoch`, the highest epoch below that it does know
    (NOFORGOTTEN): the reader goes back there, since what the origin's log has is the history.
    """
    own = _own(letters)
    newest = max(own, default=0)
    if newest <= epoch:
        return None
    letter: EpochLetter | None = own[newest]
    while letter is not None and letter.previous > epoch:
        letter = own.get(letter.previous)
    return letter


class Held(msgspec.Struct, frozen=True):
    """One letter held of an origin: its stream and its place."""

    to: str
    seq: int
    digest: str


class Link(msgspec.Struct, frozen=True):
    """One proved link of the origin's log, walked from the end: a letter's place, stream and what came before it."""

    to: str
    seq: int
    digest: str
    prev: Place | None


def read_links(value: object) -> list[tuple[Link, dict[str, Any]]]:
    """The heads of a chain answer as links; Malformed when one is not a head. Proved only by `walk`."""
    found: list[tuple[Link, dict[str, Any]]] = []
    for one in value if isinstance(value, list) else []:
        raw = one.get("head") if isinstance(one, dict) else None
        if not isinstance(raw, dict):
            raise Malformed("chain")
        try:
            head = msgspec.convert(raw, Head, strict=True)
            mark = digest(jcs(raw))
        except (msgspec.ValidationError, BadEncoding) as error:
            raise Malformed("chain") from error
        found.append((Link(head.to, head.seq, mark, head.prev), raw))
    return found


class Walk:
    """A walk down the origin's log, stream by stream, from the digests it signed as its ends (信件链回溯).

    Each head is believed because the one above it names its digest. A stream is done when it meets a place that is held
    here: below that both histories are the same, because every digest covers all before it.
    """

    def __init__(self, ends: Ends, held: Iterable[Held], streams: Iterable[str]) -> None:
        self._held: dict[str, dict[int, str]] = {to: {} for to in streams}
        for one in held:
            if one.to in self._held:
                self._held[one.to][one.seq] = one.digest
        self._ends = ends
        self._wanted: dict[str, Place | None] = {}
        self._common: dict[str, Place | None] = {}
        self._theirs: list[int] = []
        for to in self._held:
            self._step(to, ends.streams.get(to))

    def _step(self, to: str, place: Place | None) -> None:
        """The next place below in that stream: common ground, the beginning, or to be fetched."""
        self._wanted.pop(to, None)
        if place is None or self._held[to].get(place.seq) == place.digest:
            self._common[to] = place
        else:
            self._theirs.append(place.seq)
            self._wanted[to] = place

    @property
    def before(self) -> int | None:
        """Heads below this number are needed next, or None when every stream has met common ground."""
        return max((place.seq for place in self._wanted.values() if place is not None), default=-1) + 1 or None

    def take(self, links: list[tuple[Link, dict[str, Any]]]) -> bool:
        """Walk on over what a server gave, newest first; False when nothing of it fitted."""
        moved = False
        for link, _ in sorted(links, key=lambda one: -one[0].seq):
            wanted = self._wanted.get(link.to)
            if wanted is not None and (link.seq, link.digest) == (wanted.seq, wanted.digest):
                self._step(link.to, link.prev)
                moved = True
        return moved

    def last_common(self, read_to: int) -> int:
        """The highest number up to which what is held here (up to `read_to`) and the origin's log are the same."""
        assert not self._wanted, "the walk is not over"
        missed = [seq for seq in self._theirs if seq <= read_to]
        orphans = [seq for to, place in self._common.items() for seq in self._held[to] if seq > (place.seq if place else 0)]
        first_difference = min([*missed, *orphans], default=None)
        ground = read_to if first_difference is None else first_difference - 1
        return min(ground, read_to, self._ends.seq)


def streams_at(held: Iterable[Held], seq: int) -> dict[str, Place]:
    """The last place of each stream among what is held up to `seq`."""
    found: dict[str, Place] = {}
    for one in held:
        if one.seq <= seq and (one.to not in found or found[one.to].seq < one.seq):
            found[one.to] = Place(one.seq, one.digest)
    return found


def place_differs(said: Mapping[str, Place], own: Mapping[tuple[str, int], str]) -> bool:
    """Whether a statement signed by this node names a letter that it does not hold: proof that it went back in time."""
    return any(own.get((to, place.seq)) != place.digest for to, place in said.items())
