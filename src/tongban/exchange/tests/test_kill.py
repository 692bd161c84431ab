"""kill -9 between call and ledger: there is no answer without its row, and a call cut off is known at both ends (R-402)."""

from __future__ import annotations

import asyncio
import sys
from pathlib import Path

import msgspec
import pytest

from tongban import consent, exchange
from tongban.exchange.actions import serve
from tongban.exchange.actions.messages import digest_of, note_asking
from tongban.exchange.model import Asked, Given
from tongban.exchange.queries import messages
from tongban.exchange.rules import compared, lost, told
from tongban.exchange.tests.make import person_at
from tongban.kernel.ids import uuid7


@pytest.fixture(scope="module")
async def node(make_node):
    made = await make_node("mps")
    await exchange.set_up(made)
    return made


@pytest.mark.parametrize("moment", ["before", "written"])
async def test_a_kill_between_call_and_ledger_leaves_no_answer_and_no_half_row(node, moment):
    subject = await person_at(node)
    question = Asked(
        v=1, id=uuid7(), resource="mps.population", fields=("name",), purpose="case.prefill", who="重庆市", purpose_words="填表", subject=subject, case="case:1",
    )  # fmt: skip
    async with node.db.transaction() as tx:
        await note_asking(tx, "mps", question, digest_of(question), node.clock.now())  # what the caller wrote before it asked
        used = await tx.fetchval("SELECT used_today FROM data_grant WHERE caller = '500000' AND resource = 'mps.population'")
    process = await asyncio.create_subprocess_exec(
        sys.executable, str(Path(__file__).with_name("killed.py")), msgspec.json.encode(node.settings, enc_hook=str), msgspec.json.encode(question), moment,
        stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.DEVNULL,
    )  # fmt: skip
    assert process.stdout is not None
    assert (await process.stdout.readline()).decode().strip() == moment
    process.kill()
    assert await process.stdout.read() == b"", "answered without a ledger row"
    await process.wait()
    async with node.db.reading() as tx:
        # before: nothing; after: the row stands although nobody got the answer. Never an answer without a row
        assert (question.id in {line.id for line in await consent.lines(tx, "mps", subject)}) is (moment == "written")
        rows = await messages(tx, "", "")
        at_caller, at_owner = (told(one for one in rows if one.side == side and one.id == question.id) for side in ("caller", "owner"))
        assert at_caller[question.id][2] == "asked"
        assert [one[2] for one in at_owner.values()] == (["given"] if moment == "written" else [])
        assert compared(at_caller, at_owner) == ()
        assert await tx.fetchval("SELECT used_today FROM data_grant WHERE caller = '500000' AND resource = 'mps.population'") == used + 1
    again = await serve(node, "500000", question)  # the caller asks the same again: now there is an answer, and one line
    assert isinstance(again, Given)
    async with node.db.reading() as tx:
        rows = await messages(tx, "", "")
        at_caller, at_owner = (told(one for one in rows if one.side == side and one.id == question.id) for side in ("caller", "owner"))
        assert [line.id for line in await consent.lines(tx, "mps", subject)].count(question.id) == 1
    assert compared(at_caller, at_owner) == ()
    assert lost(at_caller, at_owner) == 1, "an answer that never arrived is counted"
