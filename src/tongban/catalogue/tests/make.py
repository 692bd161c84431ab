"""Builders: the real definitions of the repository, changed where a test says so; a catalogue set up in a database."""

from __future__ import annotations

import functools
from pathlib import Path
from typing import Any

import msgspec

from tongban.catalogue.model import Definition, Item
from tongban.catalogue.queries import load_folder
from tongban.catalogue.rules import identified
from tongban.kernel.actor import SYSTEM

ITEMS = Path(__file__).resolve().parents[4] / "items"
COMPANY = "11510100DEM000014N3000199901000"
PERMIT = "11500103DEM000022Q4000799902000"
REMOTE = "12500000DEM00003002002099903000"
ACTOR = SYSTEM
PEOPLE_PHRASE = "样例，以当地公布为准"


@functools.cache
def definitions() -> dict[str, Definition]:
    return {one.item.task_code: one for one in load_folder(ITEMS)}


def item(task_code: str = PERMIT, **changed: Any) -> Item:
    """A real item, with fields changed and its digest made again."""
    return identified(msgspec.structs.replace(definitions()[task_code].item, **changed))
