"""A copy of drafts, cases, papers and files is whole, readable and of one person; what is over goes (R-409, R-804, R-601)."""

from __future__ import annotations

import json
from datetime import timedelta
from typing import Any

import pytest

from tongban import evidence
from tongban.cases.actions import intake
from tongban.cases.actions.closing import tidy_mirrors
from tongban.cases.holdings import HOLDINGS
from tongban.cases.tests import make
from tongban.evidence.holdings import HOLDINGS as FILES
from tongban.kernel.clock import SetClock
from tongban.kernel.node import Node
from tongban.kernel.tests.make_holdings import MINE, OTHERS, Sample, judge, put

BY_TABLE = {one.table: one for one in (*FILES, *HOLDINGS)}
SAMPLES = {
    "case_request": Sample(row=lambda _, who, __: {"subject": who, "kind": "withdraw"}),
    "case_opened": Sample(row=lambda _, who, mark: {"subject": who, "what": f"{mark}result"}),
    "case_offer": Sample(
        row=lambda _, who, mark: {"subject": who, "way": "in", "answer": "declined", "item_name": f"{mark}事项"}, says=1, ends=lambda at: {"answered_at": at}
    ),
    "case_material": Sample(),
    "case_claim": Sample(ends=lambda at: {"came_at": at}),
}


@pytest.fixture(scope="module")
async def here(make_node: Any) -> tuple[Node, SetClock]:
    clock = SetClock(make.WEDNESDAY)
    return await make.ready(await make_node("500000", clock=clock)), clock


@pytest.mark.parametrize("table", SAMPLES)
async def test_what_is_kept_of_a_person(tx: Any, node: Node, table: str) -> None:
    """R-409, R-804: the person's values and never another's; erased whole; ended at their moment."""
    await judge(tx, node, BY_TABLE[table], SAMPLES)


async def copied(node: Node, table: str, subject: str) -> list[Any]:
    async with node.db.reading() as tx:
        return list(await BY_TABLE[table].copy(tx, node, subject))  # type: ignore[misc]


async def test_a_copy_of_cases_holds_the_persons_answers_papers_and_files_and_nobody_elses(here: tuple[Node, SetClock]) -> None:
    """R-409: every answer under its question, numbers apart for a lower level, the notice as a file; another's id opens nothing."""
    node, _ = here
    case = (await make.sent(node, make.citizen(MINE))).id
    await make.act(
        node, case, intake.refuse_acceptance, make.clerk("acceptor"), reason="not_competent", reasons=make.REASONS, remedies=make.REMEDIES,
        competent_body="渝中区人社局（演示）",
    )  # fmt: skip
    await make.filled(node, make.citizen(MINE), mobile="13811112222")
    await make.filled(node, make.citizen(OTHERS), mobile="13833334444")
    async with node.db.transaction() as tx:
        kept = await evidence.store(tx, node, make.citizen(MINE), make.upload(make.photo(50), name="合影.jpg"), kind="photo")
    assert isinstance(kept, evidence.Material)

    draft, other = await copied(node, "draft", MINE), await copied(node, "draft", OTHERS)
    assert "13811112222" in json.dumps(draft)
    assert "13833334444" not in json.dumps(draft)
    assert "13833334444" in json.dumps(other)
    for table in ("case_mirror", "case_record"):
        [row] = await copied(node, table, MINE)
        assert make.NUMBER not in json.dumps({name: value for name, value in row.items() if name not in BY_TABLE[table].sensitive}), table
        assert make.NUMBER in json.dumps(row["证件号码"]), table
        assert "重庆市渝中区演示路 2 号 3 单元" in str(row["填的内容"]), table
        assert await copied(node, table, OTHERS) == []
    told = await copied(node, "case_history", MINE)
    assert any("住址和登记的不一样" in str(row.get("告知")) for row in told)
    assert {row["文件名"] for row in await copied(node, "material", MINE)} >= {"合影.jpg"}

    async with node.db.reading() as tx:
        for table in ("case_document", "material"):
            files = BY_TABLE[table].files
            assert files is not None
            found = await files.listed(tx, node, MINE)
            assert found, table
            for one in found:
                content = await files.opened(tx, node, MINE, one.id)
                assert content is not None
                assert len(content) == one.size
                assert await files.opened(tx, node, OTHERS, one.id) is None, f"{table}: opened for another person"
            assert await files.opened(tx, node, MINE, "no-id") is None


async def test_a_mirror_is_emptied_thirty_days_after_its_end_and_the_link_stays(here: tuple[Node, SetClock]) -> None:
    """R-804, privacy.md 4: texts and form are gone, number and office stay and are shown; a case of this node's own stays whole."""
    node, clock = here
    who = "n1" + "c" * 32
    mine = await make.sent(node, make.citizen(who))
    ends = node.clock.now()
    async with node.db.transaction() as tx:
        await tx.execute("UPDATE case_mirror SET final_at = $2, state = 'withdrawn' WHERE id = $1", mine.id, ends)
        term = BY_TABLE["case_mirror"].term
        assert term is not None
        over = f"SELECT count(*) FROM case_mirror WHERE subject = $2 AND {term.past}"
        assert await tx.fetchval(over, ends + timedelta(days=1), who) == 0, "a case owned here"
        await tx.execute("DELETE FROM case_record WHERE id = $1", mine.id)  # as if another node owned it
        assert await tx.fetchval(over, ends, who) == 0, "exactly at its limit"
    clock.move(term.kept)
    await tidy_mirrors(node)
    assert [row["办件编号"] for row in await copied(node, "case_mirror", who)] == [mine.number]
    assert "填的内容" in (await copied(node, "case_mirror", who))[0]
    clock.move(timedelta(microseconds=1))
    await tidy_mirrors(node)
    await tidy_mirrors(node)
    [row] = await copied(node, "case_mirror", who)
    assert (row["办件编号"], "填的内容" in row) == (mine.number, False)
    async with node.db.reading() as tx:
        assert await tx.fetchval("SELECT octet_length(view) + octet_length(form) FROM case_mirror WHERE id = $1", mine.id) == 0
        for table in ("case_opened", "case_material"):
            assert await tx.fetchval(f"SELECT count(*) FROM {table} WHERE case_id = $1", mine.id) == 0, table
    browser = make.Browser(node, make.citizen(who))
    page = (await browser.get("/cases")).text
    assert "更早办完的" in page
    assert mine.number in page
    assert (await browser.get(f"/cases/{mine.id}")).status_code == 404


async def test_terms_of_drafts_and_files(tx: Any, node: Node) -> None:
    """R-804: a draft goes 90 days after its last touch and a week after the person was told; an unused upload after its year."""
    draft, material, now = BY_TABLE["draft"].term, BY_TABLE["material"].term, node.clock.now()
    assert draft is not None
    assert material is not None
    limit = now - draft.kept
    week = timedelta(days=7)
    less = timedelta(microseconds=1)
    for state, touched, told, goes in (
        ("draft", limit - less, now - week - less, True), ("draft", limit, now - week - less, False), ("draft", limit - less, now - week, False),
        ("draft", limit - less, None, False), ("submitted", limit - less, None, True), ("submitted", limit, None, False),
    ):  # fmt: skip
        await tx.execute("DELETE FROM draft")
        await put(tx, "draft", {"subject": MINE, "state": state, "touched_at": touched, "told_at": told})
        assert (await tx.fetchval(f"SELECT count(*) FROM draft WHERE {draft.past}", limit) == 1) is goes, (state, touched, told)
    limit = now - material.kept
    for at in (limit, limit - less):
        await put(tx, "material", {"subject": MINE, "origin": "upload", "made_at": at})
    assert material.end is not None
    assert await material.end(tx, node, limit) == 1
    assert await tx.fetchval("SELECT made_at FROM material WHERE subject = $1", MINE) == limit
