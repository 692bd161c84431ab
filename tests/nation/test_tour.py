"""The whole story, as `tongban tour` tells it, on five real nodes (R-101, R-104, R-303, R-403, R-404, R-501, R-508, R-601)."""

from __future__ import annotations

import asyncio
import base64
import re
import subprocess
from pathlib import Path

from tongban.identity.actions.set_up import people
from tongban.kernel.ids import BadIdentifier, IdNumber
from tongban.main.demo.tour import CHAPTERS, Story
from tongban.main.postgres import binaries

SUBJECT = re.compile(r"\b(?:n1[a-z2-7]{32}|l[a-z2-7]{26})\b")


def story_of(nation) -> Story:
    return Story({node: member.settings.base_url for node, member in nation.members.items()}, as_json=False, number=1, folder=nation.folder)


async def told(nation) -> None:
    async with story_of(nation) as story:
        for _, step in CHAPTERS:
            await step(story)
        # the promises with a figure are benches; here only that they were measured at all
        assert {"publish_seconds", "withdraw_seconds", "delivered_seconds", "wallet_seconds", "digest"} <= story.kept.keys()


async def test_the_story_holds_from_the_app_to_the_receipt(nation):
    await told(nation)


def logs(nation) -> dict[str, str]:
    return {path.parent.name: path.read_text("utf-8", "replace") for path in nation.folder.glob("*/node.log")}


async def test_t41_the_logs_of_the_whole_story_name_nobody(nation):
    """T-41: every line that five nodes logged while the story ran, searched for names, numbers, phones and pseudonyms."""
    if "cases." not in "".join(logs(nation).values()):  # run alone: the story first
        await told(nation)
    written = logs(nation)
    assert len(written) == 5
    assert sum(text.count("\n") for text in written.values()) > 40, "the nodes logged nothing to search"
    for node, text in written.items():
        for one in people().citizens:
            for value in (one.name, one.number, one.phone):
                assert value not in text, f"person in log of {node}"
        assert not SUBJECT.findall(text), f"pseudonym in log of {node}"
        for number in re.findall(r"(?<!\d)\d{17}[\dX](?!\d)", text):
            try:
                IdNumber.parse(number)
            except BadIdentifier:
                continue
            raise AssertionError(f"person in log of {node}: a document number")


def forms(word: str) -> set[bytes]:
    """A word as it could stand in a dump: plain, GB 18030, base64, and the bytes of three encodings as hexadecimal digits."""
    raw, gbk, wide = word.encode(), word.encode("gb18030"), word.encode("utf-16-le")
    return {raw, gbk, raw.hex().encode(), gbk.hex().encode(), wide.hex().encode(), base64.b64encode(raw)[: len(raw) // 3 * 4]}


async def test_t37_no_dump_log_or_file_store_names_anybody(nation, tmp_path):
    """R-801, T-37: five real dumps and every file the nodes keep, after the story, searched in all those forms (privacy.md 9)."""
    if "cases." not in "".join(logs(nation).values()):
        await told(nation)
    words = {value for one in people().citizens for value in (one.name, one.number, one.phone)}
    for node, member in nation.members.items():
        dump = [str(binaries() / "pg_dump"), f"--file={tmp_path / node}.sql", member.settings.database_url]
        await asyncio.to_thread(subprocess.run, dump, check=True, capture_output=True)
    (tmp_path / "words").write_bytes(b"\n".join(sorted({one for word in words for one in forms(word)})) + b"\n")
    stores = [str(nation.folder / node / kept) for node in nation.members for kept in ("evidence", "search", "node.log")]
    places = [*map(str, tmp_path.glob("*.sql")), *(one for one in stores if Path(one).exists())]
    search = ["grep", "-raoF", "-f", str(tmp_path / "words"), *places]
    found = await asyncio.to_thread(subprocess.run, search, capture_output=True, check=False, env={"LC_ALL": "C", "PATH": "/usr/bin:/bin"})
    assert sum(path.stat().st_size for path in tmp_path.glob("*.sql")) > 1_000_000, "nothing was dumped"
    where = sorted({line.split(b":", 1)[0].decode().rsplit("/", 1)[-1] for line in found.stdout.splitlines()})
    assert found.returncode == 1, f"a readable name, number or phone in {where}: {len(found.stdout.splitlines())} times"
