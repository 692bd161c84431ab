"""`tongban hub` and `tongban join` as two operators type them: real processes, real nodes (R-802; federation.md 2)."""

from __future__ import annotations

import asyncio
import os
import re
import subprocess
import sys
from pathlib import Path

import msgspec

from tongban import federation
from tongban.federation import letters
from tongban.federation.tests.make import _activate, _approve, make_member, officer, serving
from tongban.kernel.node import Node


def written(node: Node, folder: Path) -> Path:
    """The node's settings as an operator's file."""
    plain = {key: value for key, value in msgspec.structs.asdict(node.settings).items() if value is not None}
    path = folder / f"{node.id}.toml"
    path.write_text("\n".join(f"{key} = {toml(value)}" for key, value in plain.items()) + "\n", "utf-8")
    return path


def toml(value: object) -> str:
    """One value as TOML writes it."""
    if isinstance(value, bool | int | float):
        return str(value).lower()
    if isinstance(value, list | tuple):
        return "[" + ", ".join(toml(one) for one in value) + "]"
    return '"' + str(value).replace("\\", "\\\\").replace('"', '\\"') + '"'


async def typed(*words: str, seconds: float = 60) -> tuple[int, str]:
    """Exit code and words of `tongban …`."""
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "tongban.main.cli", *words, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
        env={**os.environ, "NO_COLOR": "1"},
    )  # fmt: skip
    said, _ = await asyncio.wait_for(process.communicate(), seconds)
    return process.returncode or 0, said.decode()


async def joined(asking: tuple[str, ...], hub: Node) -> tuple[int, str]:
    """`tongban join`, with the hub's second officer approving once the digits have been read out."""
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "tongban.main.cli", *asking, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, env={**os.environ, "NO_COLOR": "1"},
    )  # fmt: skip
    assert process.stdout is not None
    said = ""
    async with asyncio.timeout(60):
        while "Read these digits to the hub's officer" not in said:
            line = await process.stdout.readline()
            assert line, said
            said += line.decode()
        await _approve(hub, "510000")
        rest, _ = await process.communicate()
    return process.returncode or 0, said + rest.decode()


async def test_a_hub_is_made_once_and_a_node_joins_it_by_command(make_node, tmp_path) -> None:
    federation.register(letters.LETTERS, letters.CALLS)
    hub, member = await make_member(make_node, "cn"), await make_member(make_node, "510000")
    files = {node.id: written(node, tmp_path) for node in (hub, member)}

    code, said = await typed("hub", "--settings", str(files["510000"]))
    assert code == 2, said
    assert "names cn as its hub" in said
    code, said = await typed("hub", "--settings", str(files["cn"]))
    assert code == 0, said
    root = re.search(r"root fingerprint: (.+)", said)[1].strip()
    assert root in (await typed("hub", "--settings", str(files["cn"])))[1], "the same root each time"

    asking = ("join", hub.settings.base_url, "--settings", str(files["510000"]), "--connect", hub.settings.connect)
    async with serving(hub, clocks=True), serving(member, clocks=True):
        async with hub.db.transaction() as tx:
            wanted = federation.Invited(
                node="510000", name=member.settings.name, role="province", divisions=("51",), organisation=member.settings.organisation
            )
            invitation = await federation.invite(tx, hub, officer("demo-a"), wanted)
        probing = asyncio.create_task(_activate(hub))
        try:
            code, said = await joined((*asking, "--root", root, "--code", invitation.code, "--seconds", "40"), hub)
        finally:
            probing.cancel()
        assert code == 0, said
        assert "510000 is a member of cn" in said
        again, said = await typed(*asking, "--root", root, "--code", invitation.code, "--seconds", "20")
        assert again == 0, said
