"""The registers behind a node that know who holds which licence (发证机关登记库): a Protocol, and the demo's twin.

The twin reads deploy/demo/licences.yaml: invented people, 演示. It can be told to be slow or away; a production node has none
until its operator connects one with `use_register`.
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import Mapping
from datetime import date, timedelta
from functools import cache
from pathlib import Path
from typing import Literal, Protocol
from weakref import WeakKeyDictionary

import msgspec
import msgspec.yaml

from tongban.kernel.clock import Clock, SystemClock
from tongban.kernel.node import Node
from tongban.kernel.settings import CODE_ROOT, SettingsError

DEMO_FILE = CODE_ROOT / "deploy" / "demo" / "licences.yaml"
_FROM_TODAY = re.compile(r"今天加 (\d+) 天")


class Entry(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One entry of a register (登记条目): `entry` is its own key and never an ID number; `data` are fields by key."""

    entry: str
    type: str
    org_code: str
    org_name: str
    data: Mapping[str, str]
    holder_kind: Literal["natural", "legal"] = "natural"
    holder_name: str = ""


class LicenceRegister(Protocol):
    """A register of licences (登记库), asked with a person's number and name."""

    async def entries(self, number: str, name: str) -> tuple[Entry, ...]:
        """What this person holds; nothing when number and name do not belong together.

        Raises TimeoutError or OSError when the register does not answer.
        """
        ...


class _Person(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    number: str
    name: str
    licences: tuple[Entry, ...]


@cache
def _people(path: Path, node_id: str) -> dict[str, _Person]:
    try:
        found = msgspec.yaml.decode(path.read_bytes(), type=dict[str, list[_Person]])
    except (OSError, msgspec.DecodeError) as error:
        raise SettingsError(f"{path}: {error}") from error
    return {one.number: one for one in found.get(node_id, ())}


class DemoRegister:
    """The demo's register (演示登记库): works, is away, or is slow."""

    def __init__(
        self, node_id: str, *, path: Path = DEMO_FILE, way: Literal["works", "away", "slow"] = "works", clock: Clock | None = None
    ) -> None:
        self._people = _people(path, node_id)
        self.way = way
        self._clock = clock or SystemClock()

    async def entries(self, number: str, name: str) -> tuple[Entry, ...]:
        """As LicenceRegister; away raises ConnectionError, slow takes longer than anybody waits."""
        if self.way == "away":
            raise ConnectionError("demo register is away")
        if self.way == "slow":
            await asyncio.sleep(60)  # longer than the patience of whoever asks: that is what this twin is for
        found = self._people.get(number)
        held = found.licences if found is not None and found.name == name else ()
        return tuple(_dated(one, self._clock.today()) for one in held)


def _dated(entry: Entry, today: date) -> Entry:
    """The entry with a day in it where the file counts from today (按今天算的日期): what is to run out soon does so whenever it is asked for."""
    counted = {key: found for key, value in entry.data.items() if (found := _FROM_TODAY.fullmatch(value))}
    days = {key: (today + timedelta(days=int(found[1]))).isoformat() for key, found in counted.items()}
    return msgspec.structs.replace(entry, data={**entry.data, **days}) if days else entry


_registers: WeakKeyDictionary[Node, LicenceRegister] = WeakKeyDictionary()


def use_register(node: Node, one: LicenceRegister) -> None:
    """Connect this node's register (接入登记库)."""
    _registers[node] = one


def register(node: Node) -> LicenceRegister | None:
    """This node's register; on a demo node the twin, elsewhere None until one is connected."""
    found = _registers.get(node)
    if found is None and node.settings.demo and DEMO_FILE.exists():
        found = _registers[node] = DemoRegister(node.id, clock=node.clock)
    return found


def demo_numbers() -> frozenset[str]:
    """The numbers any register of the demo knows: its people are gathered for without being asked (演示人员)."""
    return _everybody(DEMO_FILE) if DEMO_FILE.exists() else frozenset()


@cache
def _everybody(path: Path) -> frozenset[str]:
    found = msgspec.yaml.decode(path.read_bytes(), type=dict[str, list[_Person]])
    return frozenset(one.number for people in found.values() for one in people)
