"""The rooms of the house 房间总表: who is in it, and the doors each room opens. Found by name, never listed twice."""

from __future__ import annotations

import importlib
import importlib.util
from types import ModuleType
from typing import Any

from tongban.kernel import jobs
from tongban.kernel.holdings import Holding
from tongban.kernel.indexes import Index

ROOMS = (
    "ui", "transparency", "federation", "notifications", "consent", "identity", "exchange", "seals", "catalogue",
    "credentials", "evidence", "cases", "service_apps", "feedback", "search", "space", "privacy",
)  # fmt: skip


def door(room: str, name: str) -> ModuleType | None:
    """The module `tongban.<room>.<name>` if the room has that door (一扇门)."""
    if importlib.util.find_spec(f"tongban.{room}.{name}") is None:
        return None
    return importlib.import_module(f"tongban.{room}.{name}")


def routes() -> list[Any]:
    """Every HTML and JSON handler of every room, in the order of ROOMS (页面与接口)."""
    found: list[Any] = []
    for room in ROOMS:
        for name in ("pages", "api"):
            module = door(room, name)
            if module is not None:
                found += list(getattr(module, "routes", []))
    return found


def letters() -> dict[tuple[str, int], Any]:
    """Every letter handler by (kind, version) (信件处理)."""
    return _merged("letters", "LETTERS")


def calls() -> dict[str, Any]:
    """Every call service by name (同步服务)."""
    return _merged("letters", "CALLS")


def holdings() -> tuple[Holding, ...]:
    """What every room keeps of people, table by table (个人信息清单)."""
    found: list[Holding] = []
    for room in (*ROOMS, "main"):
        found += getattr(door(room, "holdings"), "HOLDINGS", ())
    return tuple(found)


def indexes() -> tuple[Index, ...]:
    """The columns each room is found by, and how they go over to a new index key, in the order of ROOMS (盲索引列)."""
    found: list[Index] = []
    for room in (*ROOMS, "main"):
        found += getattr(door(room, "tasks"), "INDEXES", ())
    return tuple(found)


def reinstate() -> dict[tuple[str, int], Any]:
    """How the facts of own letters are put back after a restore, by (kind, version); None where there is none (补回)."""
    return _merged("letters", "REINSTATE")


def replaces() -> tuple[str, ...]:
    """The kinds to everybody of which only the newest about a thing counts (可压缩的信)."""
    found: list[str] = []
    for room in (*ROOMS, "main"):
        found += getattr(door(room, "letters"), "REPLACES", ())
    return tuple(found)


def job_handlers() -> dict[str, jobs.Handler]:
    """Every job handler by name (任务处理)."""
    return _merged("tasks", "JOBS")


def clocks() -> list[jobs.Clockwork]:
    """Everything the clock calls (定时)."""
    found: list[jobs.Clockwork] = []
    for room in (*ROOMS, "main"):
        module = door(room, "tasks")
        if module is not None:
            found += list(getattr(module, "CLOCKS", []))
    return found


def _merged(name: str, table: str) -> dict[Any, Any]:
    found: dict[Any, Any] = {}
    for room in (*ROOMS, "main"):
        module = door(room, name)
        for key, handler in getattr(module, table, {}).items() if module else ():
            if key in found:
                raise ValueError(f"{table} {key!r} is served by two rooms; the second is {room}")
            found[key] = handler
    return found


def read_in() -> None:
    """Read in everything a node has (全部读入), so that it is compiled once and not by every process that starts first."""
    importlib.import_module("tongban.main.serve")
    importlib.import_module("tongban.main.app")
    for find in (routes, letters, calls, job_handlers, clocks, holdings):
        find()


if __name__ == "__main__":
    read_in()
