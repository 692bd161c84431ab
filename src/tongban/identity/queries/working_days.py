"""Working days 工作日 as the operator's files say (items/calendar/<year>.yaml), read again when a file changes."""

from __future__ import annotations

from datetime import date, timedelta
from pathlib import Path

import msgspec

from tongban.kernel.node import Node


class _Break(msgspec.Struct, frozen=True):
    first: date = msgspec.field(name="from")
    last: date = msgspec.field(name="to")


class _Year(msgspec.Struct, frozen=True):
    holidays: tuple[_Break, ...] = ()
    work_days: tuple[date, ...] = ()


class Days(msgspec.Struct, frozen=True):
    """Weekdays that are off, weekend days that are worked 放假和调休."""

    off: frozenset[date]
    worked: frozenset[date]


_read: dict[Path, tuple[tuple[tuple[str, int], ...], Days]] = {}


def working_days(node: Node) -> Days:
    """The days of the years that are there; a year without a file counts Monday to Friday. ValueError for an unsound file."""
    folder = node.settings.items_dir / "calendar"
    files = sorted(folder.glob("*.yaml"))
    stamp = tuple((one.name, one.stat().st_mtime_ns) for one in files)
    kept = _read.get(folder)
    if kept is None or kept[0] != stamp:
        years = [msgspec.yaml.decode(one.read_text("utf-8"), type=_Year) for one in files]
        off = {
            pause.first + timedelta(days=n) for year in years for pause in year.holidays for n in range((pause.last - pause.first).days + 1)
        }
        kept = _read[folder] = (stamp, Days(frozenset(off), frozenset(day for year in years for day in year.work_days)))
    return kept[1]
