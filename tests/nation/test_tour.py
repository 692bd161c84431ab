"""The whole story, as `tongban tour` tells it, on five real nodes (R-101, R-104, R-303, R-403, R-404, R-501, R-508, R-601)."""

from __future__ import annotations

from tongban.main.demo.tour import CHAPTERS, Story


def story_of(nation) -> Story:
    return Story({node: member.settings.base_url for node, member in nation.members.items()}, as_json=False, number=1, folder=nation.folder)


async def test_the_story_holds_from_the_app_to_the_receipt(nation):
    async with story_of(nation) as story:
        for _, step in CHAPTERS:
            await step(story)
        # the promises with a figure are benches; here only that they were measured at all
        assert {"publish_seconds", "withdraw_seconds", "delivered_seconds", "wallet_seconds", "digest"} <= story.kept.keys()
