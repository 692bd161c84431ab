"""A legal hold on one case keeps that case and what it needs: everything else of who left goes now, the case when the hold ends (R-409, R-804, T-48)."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from tongban import evidence, notifications, privacy
from tongban.cases.actions import archiving, intake
from tongban.cases.queries import mirrors, records
from tongban.cases.tests import make
from tongban.kernel.ids import uuid7
from tongban.kernel.node import Node
from tongban.main import rooms
from tongban.privacy.actions import holds, leaving
from tongban.privacy.model.closing import LegalHold
from tongban.privacy.queries import closing as closing_queries
from tongban.privacy.queries import holds as hold_queries

HER = "n1" + "h" * 32


@pytest.fixture(autouse=True)
def everything():
    privacy.use_holdings(rooms.holdings())
    yield
    privacy.use_holdings(())


@pytest.fixture(scope="module")
async def node(make_node: Any) -> Node:
    return await make.ready(await make_node("500000"))


async def ended(node: Node) -> str:
    case = (await make.sent(node, make.citizen(HER))).id
    await make.act(
        node, case, intake.refuse_acceptance, make.clerk("acceptor"), reason="not_competent", reasons=make.REASONS, remedies=make.REMEDIES,
        competent_body="渝中区人社局（演示）",
    )  # fmt: skip
    return case


async def number_of(node: Node, case: str) -> str:
    async with node.db.reading() as tx:
        return str(await tx.fetchval("SELECT number FROM case_record WHERE id = $1", case))


async def hold(node: Node, number: str, *, shown: bool = True) -> str:
    made = uuid7()

    def sealed(column: str) -> bytes:
        return node.cipher.seal(hold_queries.GROUP, f"legal_hold.{column}", made, "演示")

    async with node.db.transaction() as tx:
        await tx.execute(
            "INSERT INTO legal_hold (id, case_number, basis, reason, until, shown, division, proposed_by, approved_by, made_at)"
            " VALUES ($1, $2, $3, $4, $5, $6, '500000', 'a', 'b', $7)",
            made, number, sealed("basis"), sealed("reason"), node.clock.today() + timedelta(days=90), shown, node.clock.now(),
        )  # fmt: skip
    return made


async def closes(node: Node) -> str:
    """She left: what her home knows of it, with a page of receipts."""
    closing = uuid7()
    async with node.db.transaction() as tx:
        await tx.execute(
            "INSERT INTO closing_page (id, link_hash, code_hash, made_at, until, closed_at) VALUES ($1::uuid, $1::text::bytea, '', $2, $3, $2)",
            closing, node.clock.now(), node.clock.now() + timedelta(days=365),
        )  # fmt: skip
        await tx.execute("INSERT INTO closing_receipt (closing, node) VALUES ($1, $2)", closing, node.id)
        await leaving.keep(tx, node, node.id, leaving.Told(id=closing, subject=HER, at=node.clock.ms()), state="ended")
    await leaving.advance(node)
    return closing


async def receipt(node: Node, closing: str) -> Any:
    async with node.db.reading() as tx:
        found = await closing_queries.result(tx, closing)
        assert found is not None
        return found.receipts[0]


async def end(node: Node, one: str) -> None:
    async with node.db.transaction() as tx:
        await holds._end(tx, node, one, "a", "b")
    await leaving.advance(node)


async def counted(node: Node, table: str) -> int:
    async with node.db.reading() as tx:
        return int(await tx.fetchval(f"SELECT count(*) FROM {table} WHERE subject = $1", HER))


async def leaves(node: Node, kind: str) -> int:
    async with node.db.reading() as tx:
        return int(await tx.fetchval("SELECT count(*) FROM log_leaf WHERE kind = $1", kind))


async def uploaded(node: Node, case: str = "") -> str:
    async with node.db.transaction() as tx:
        kept = await evidence.store(tx, node, make.citizen(HER), make.upload(make.photo(120)), kind="photo")
        assert isinstance(kept, evidence.Material)
        if case:
            await evidence.use(tx, node, HER, kept.id, used_in=f"case:{case}", to="510000")
    return kept.id


async def test_t48_only_the_held_case_stays_and_goes_when_the_hold_ends(node: Node) -> None:
    """R-409: the other case is cut loose, drafts, files and messages go at once; the held one opens until its hold ends; the receipts say so."""
    case, other = await ended(node), await ended(node)
    sent, loose_file = await uploaded(node, case), await uploaded(node)
    await make.filled(node, make.citizen(HER))
    async with node.db.transaction() as tx:
        await notifications.notify(tx, node, subject=HER, kind="test", title="演示", text="演示", link="/me", about="test:1")
        own = {row["id"] for row in await tx.fetch("SELECT id FROM person_key WHERE subject = $1 AND purpose = 'own'", HER)}
    one = await hold(node, await number_of(node, case))
    async with node.db.reading() as tx:
        touching: tuple[LegalHold, ...] = await hold_queries.touching(tx, node, HER)
    assert [found.id for found in touching] == [one]

    closing = await closes(node)
    assert [await counted(node, table) for table in ("draft", "message")] == [0, 0], "the rest was kept by a hold on one case"
    assert [await counted(node, table) for table in ("case_mirror", "case_record")] == [1, 1], "not the held case alone"
    assert (await make.held(node, other)).subject.startswith("x"), "another case is still linked to the person"
    async with node.db.reading() as tx:
        mirror = await mirrors.of_person(tx, node, HER, case)
        assert mirror is not None, "the held mirror does not open"
        assert (await evidence.read(tx, node, HER, sent)).content, "a file of the held case does not open"
        assert await evidence.material(tx, node, HER, loose_file) is None, "a file of no case was kept"
        kept = {row["id"] for row in await tx.fetch("SELECT id FROM person_key WHERE subject = $1 AND purpose = 'own'", HER)}
    assert kept, "the held mirror stands under a key"
    assert not kept & own, "the key of all the rest was kept with the case"
    partly = await receipt(node, closing)
    assert (partly.state, partly.held_until) == ("held", node.clock.today() + timedelta(days=90))
    assert partly.counts["没用过的材料、没交的申请"] >= 2
    assert partly.leaf.startswith("sm3:")
    before = await leaves(node, "privacy.erased_partly")
    await leaving.advance(node)
    assert await leaves(node, "privacy.erased_partly") == before == 1

    await end(node, one)
    for table in ("case_mirror", "case_record", "material", "case_material", "person_key", "archive"):
        assert await counted(node, table) == 0, f"{table}: what was held did not go with the end of the hold"
    whole = await receipt(node, closing)
    assert whole.state == "erased"
    assert whole.counts["没用过的材料、没交的申请"] > partly.counts["没用过的材料、没交的申请"], "the receipt forgot what went first"
    async with node.db.reading() as tx:
        found = await records.held(tx, node, case)
        assert found is not None
        assert found.subject.startswith("x"), "the file the archive duty keeps is not there, or leads to the person"
    assert await archiving.pack(node, case) is not None


async def test_a_hold_that_may_not_be_said_shows_in_no_receipt(node: Node) -> None:
    """privacy.md 4: the rest goes all the same, the page hears nothing until the end."""
    case = await ended(node)
    await uploaded(node)
    one = await hold(node, await number_of(node, case), shown=False)
    closing = await closes(node)
    assert await counted(node, "case_mirror") == 1
    assert (await receipt(node, closing)).state == "asked", "a hold that may not be said was said"
    await end(node, one)
    assert (await receipt(node, closing)).state == "erased"
    assert await counted(node, "case_record") == 0


async def test_cases_that_share_a_file_with_a_held_one_wait_with_it(node: Node) -> None:
    """What the held case needs: a file of two cases cannot go with one of them."""
    case, other, third = await ended(node), await ended(node), await ended(node)
    async with node.db.transaction() as tx:
        shared = await tx.fetchval("SELECT material FROM case_document WHERE subject = $1 AND case_id = $2", HER, case)
        await tx.execute("INSERT INTO case_material (subject, case_id, code, material, round) VALUES ($1, $2, 'photo', $3, 1)", HER, other, shared)
    one = await hold(node, await number_of(node, case))
    await closes(node)
    assert [(await make.held(node, each)).subject == HER for each in (case, other, third)] == [True, True, False]
    await end(node, one)
    assert await counted(node, "case_record") == 0
