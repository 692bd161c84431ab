"""The tour 走一遍: the whole story over HTTP against a running demo, each step with its time, stopping at the first
thing that does not hold. A new invented person each run (decisions D-11).
"""

from __future__ import annotations

from pathlib import Path

import aiohttp
import typer

from tongban.main.demo.tour import after, apps, desk, licence, person
from tongban.main.demo.tour.story import Story, TourStop
from tongban.main.demo.visitor import NotAsExpected

CHAPTERS = (*apps.STEPS, *person.STEPS, *desk.STEPS, *licence.STEPS, *after.STEPS)


async def run(folder: Path, *, as_json: bool = False, times: int = 1) -> int:
    """Run the story `times` times against the demo whose data lie in `folder`. 0 when every step held."""
    for number in range(1, times + 1):
        try:
            story = Story.of(folder, as_json=as_json, number=number)
        except TourStop as error:
            typer.echo(str(error), err=True)
            return 1
        async with story:
            if not await story.tell(CHAPTERS):
                return 1
    return 0


__all__ = ["CHAPTERS", "NotAsExpected", "Story", "TourStop", "aiohttp", "run"]
