"""What a process remembers has an end 记忆有界: names that others invent fill no memory (R-803, T-92)."""

import time
from types import SimpleNamespace

from tongban.evidence.actions import fetching
from tongban.federation.actions import office as offices
from tongban.kernel.settings import CODE_ROOT, load


def test_keys_that_a_lying_node_invents_are_not_remembered_for_ever():
    node = SimpleNamespace(settings=load(CODE_ROOT / "deploy" / "nodes" / "500000.toml"))
    office = offices.Office(node)
    for number in range(3 * offices.MOST_UNKNOWN_KEYS):
        assert office.unknown_key(f"510000/s{number}") == 1
    assert len(office.unknown_keys) <= offices.MOST_UNKNOWN_KEYS
    assert [office.unknown_key("510000/real") for _ in range(3)] == [1, 2, 3]  # what comes again is still counted


async def test_files_that_were_wrong_long_ago_are_forgotten(node):
    wrong = fetching._wrong.setdefault(node, {})
    now = time.monotonic()
    wrong |= {f"old-{number}": now - fetching.WRONG_SECONDS - 1 for number in range(50)} | {"new": now}
    await fetching.fetch_wanted(node)
    assert list(wrong) == ["new"]
