"""Time's door 定时: reference data and own definitions are brought in step with their files at start and every hour."""

from __future__ import annotations

import asyncio

from tongban.catalogue.actions import load_reference, shelve
from tongban.catalogue.errors import DefinitionBroken, ReferenceBroken
from tongban.catalogue.queries import load_folder
from tongban.kernel import jobs
from tongban.kernel.log import log, log_failure
from tongban.kernel.node import Node


async def set_up(node: Node) -> None:
    """Load what changed on disk (整理书架), at node start and every hour. A broken file is logged by name and line and stops only itself."""
    folder = node.settings.items_dir
    try:
        async with node.db.transaction() as tx:
            await load_reference(tx, folder / "reference")
    except ReferenceBroken as error:
        log_failure("catalogue.reference_broken", error)
    try:
        found = await asyncio.to_thread(load_folder, folder)
    except DefinitionBroken as error:
        log_failure("catalogue.definition_broken", error, path=f"{error.file}:{error.line}")
        return
    async with node.db.transaction() as tx:
        changed = await shelve(tx, node, (one.item for one in found))
    log("catalogue.shelves_kept", count=changed)


CLOCKS = [jobs.Clockwork("catalogue.shelves", 3600, set_up, None)]
