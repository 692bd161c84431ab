"""Believing letters 信件核验: shape, body, key and signature of each, before any of them is taken (federation.md 5.4 step 2)."""

from __future__ import annotations

import asyncio
from typing import Final

import msgspec

from tongban.federation.actions.compact import REPLACED_MS
from tongban.federation.actions.office import handlers_of, public_key
from tongban.federation.model import Directory
from tongban.federation.rules import chain, wire
from tongban.federation.rules import directory as directory_rules
from tongban.federation.rules.wire import Sealed
from tongban.kernel.node import Node

_IN_THREAD: Final = 8


class Fault(msgspec.Struct, frozen=True):
    """Which letter of a run may not be taken, and why."""

    index: int
    code: str


async def first_fault(node: Node, found: Directory, origin: str, letters: list[Sealed], *, everyone: bool) -> Fault | None:
    """The first letter of the run that may not be taken, and why; None when all hold (federation.md 5.4 step 2).

    A reader checks the signature of the last letter of each stream, the chain covers the rest (D-3); a relay, whose
    readers rely on every signature, checks each. When one fails, all are looked at to find the first.
    """

    def look(indexes: list[int]) -> Fault | None:
        for index in indexes:
            code = _letter_fault(found, origin, letters[index])
            if code is not None:
                return Fault(index, code)
        return None

    shapes = next(
        (Fault(i, code) for i, one in enumerate(letters) if (code := _shape_fault(node, one, origin, everyone)) is not None),
        None,
    )
    ends = list(range(len(letters))) if everyone else sorted(chain.run_ends(letters))
    fault = look(ends) if len(ends) < _IN_THREAD else await asyncio.to_thread(look, ends)
    if fault is not None and not everyone:
        fault = look(list(range(len(letters)))) or fault
    found_faults = [one for one in (shapes, fault) if one is not None]
    return min(found_faults, key=lambda one: one.index, default=None)


def _shape_fault(node: Node, letter: Sealed, origin: str, everyone: bool) -> str | None:
    head = letter.head
    if head.origin != origin or not wire.body_fits(letter) or not (everyone or head.to in (node.id, "*")):
        return "bad_letter"
    return None if letter.body is not None or _may_lack_body(node, head) else "no_body"


def _may_lack_body(node: Node, head: wire.Head) -> bool:
    """Whether a letter without its body has lost it by compaction (federation.md 7): to everybody, old, of a kind that newer ones replace.

    A kind that this release does not know may be one. What is for others only is theirs to judge.
    """
    if head.to != "*":
        return head.to != node.id
    handlers = handlers_of(node)
    replaced = head.kind in handlers.replaces or (head.kind, head.kind_version) not in handlers.letters
    return replaced and head.at < node.clock.ms() - REPLACED_MS


def _letter_fault(found: Directory, origin: str, letter: Sealed) -> str | None:
    key = public_key(found, letter.kid)
    fault = directory_rules.letter_key_fault(found, letter.kid, origin, letter.head.at)
    if fault is not None or key is None:
        return fault or "unknown_key"
    return None if wire.signed_by(letter, key) else "bad_signature"
