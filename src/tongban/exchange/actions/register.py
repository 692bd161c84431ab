"""Ask the register behind a resource 问登记库: with a limit of time, of how many at once, and a pause after failures.

A slow register costs its own resource only: nothing of the database is held while it is waited for (T-36).
"""

from __future__ import annotations

import asyncio
import time
from collections import Counter
from collections.abc import AsyncIterator, Coroutine, Mapping
from contextlib import asynccontextmanager
from functools import lru_cache
from typing import Any, TypeVar, cast
from weakref import WeakKeyDictionary

import msgspec

from tongban.exchange.model import Record, Refused, Resource
from tongban.exchange.providers import REGISTERS, Pages, Register
from tongban.exchange.rules import terms
from tongban.kernel.log import log, log_failure
from tongban.kernel.node import Node

PART = 500
_Got = TypeVar("_Got")


class _Line(msgspec.Struct):
    """What this process remembers of its registers: under way, failures in a row, left alone until (monotonic)."""

    under_way: Counter[str] = msgspec.field(default_factory=Counter)
    failures: Counter[str] = msgspec.field(default_factory=Counter)
    shut_until: dict[str, float] = {}


_lines: WeakKeyDictionary[Node, _Line] = WeakKeyDictionary()


def _line(node: Node) -> _Line:
    found = _lines.get(node)
    if found is None:
        found = _lines[node] = _Line()
    return found


@asynccontextmanager
async def under_way(node: Node, resource: str) -> AsyncIterator[bool]:
    """Whether one more call of this resource may be under way now (在办名额); held until left."""
    count = _line(node).under_way
    if count[resource] >= terms().in_flight.per_resource:
        yield False
        return
    count[resource] += 1
    try:
        yield True
    finally:
        count[resource] -= 1


async def read(node: Node, found: Resource, subject: str, asked: Mapping[str, str]) -> Record | Refused | None:
    """What the register says, None when it holds nothing, or that it cannot be had (问一次)."""
    register = REGISTERS.get(found.id)
    if register is None or _tells_parts(type(register)):
        return Refused(404, "not_found")
    got = await _within(node, found.id, cast("Register", register).read(node, subject, asked))
    if isinstance(got, Record) and not _is_text(got.values):
        # a wrong answer is told to nobody, not even that it was wrong in this or that field
        return _failed(node, found.id, ValueError("register answered no text"))
    return got


async def read_part(
    node: Node, found: Resource, asked: Mapping[str, str], after: str
) -> tuple[tuple[Mapping[str, str], ...], str] | Refused:
    """One part of a list and where the next begins (成批取一段)."""
    register = REGISTERS.get(found.id)
    if register is None or not _tells_parts(type(register)):
        return Refused(404, "not_found")
    got = await _within(node, found.id, cast("Pages", register).part(node, asked, after, PART))
    if not isinstance(got, Refused) and not all(_is_text(row) for row in got[0]):
        return _failed(node, found.id, ValueError("register answered no text"))
    return got


async def _within(node: Node, resource: str, asking: Coroutine[Any, Any, _Got]) -> _Got | Refused:
    line, limits = _line(node), terms().register_breaker
    if time.monotonic() < line.shut_until.get(resource, 0.0):
        asking.close()  # not awaited: the register is left alone
        return Refused(503, "overloaded")
    try:
        async with asyncio.timeout(limits.seconds):
            got = await asking
    except (OSError, TimeoutError) as error:
        return _failed(node, resource, error)
    line.failures[resource] = 0
    return got


def _failed(node: Node, resource: str, error: Exception) -> Refused:
    line, limits = _line(node), terms().register_breaker
    log_failure("exchange.register_away", error, service=resource)
    line.failures[resource] += 1
    if line.failures[resource] >= limits.failures:
        line.shut_until[resource] = time.monotonic() + limits.open_seconds
        line.failures[resource] = 0
        log("exchange.register_left_alone", service=resource)
    return Refused(503, "overloaded")


@lru_cache(maxsize=256)
def _tells_parts(kind: type) -> bool:
    """Whether a register is asked for lists: looked at once for each kind, because looking through a Protocol takes long."""
    return issubclass(kind, Pages)


def _is_text(values: Mapping[str, object]) -> bool:
    return all(isinstance(name, str) and isinstance(value, str) for name, value in values.items())
