"""The whole story, as `tongban tour` tells it, on five real nodes (R-101, R-104, R-303, R-403, R-404, R-501, R-508, R-601)."""

from __future__ import annotations

import re

from tongban.identity.actions.set_up import people
from tongban.kernel.ids import BadIdentifier, IdNumber
from tongban.main.demo.tour import CHAPTERS, Story

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
