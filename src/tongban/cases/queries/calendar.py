"""The calendar of this node (本节点的工作日历), read from its operator data and read again when a file changes."""

from __future__ import annotations

from pathlib import Path

from tongban.cases.rules.calendar import Calendar, parse
from tongban.kernel.node import Node

_READ: dict[Path, tuple[tuple[tuple[str, int], ...], Calendar]] = {}


def calendar(node: Node) -> Calendar:
    """The working days as the operator's files say (工作日历): items/calendar/<year>.yaml.

    A file that is changed (the yearly notice) counts from the next look on. Raises ValueError for an unsound file.
    """
    folder = node.settings.items_dir / "calendar"
    files = sorted(folder.glob("*.yaml"))
    stamp = tuple((one.name, one.stat().st_mtime_ns) for one in files)
    kept = _READ.get(folder)
    if kept is None or kept[0] != stamp:
        kept = _READ[folder] = (stamp, parse(one.read_text("utf-8") for one in files))
    return kept[1]
