"""Checks at the same time go together and each keeps its own verdict, record and refusal (R-404, T-45, T-51, issue 4 speed)."""

from __future__ import annotations

import asyncio

import cbor2
import pytest

from tongban import credentials, federation
from tongban.credentials.actions import checking, verifiers, verify
from tongban.credentials.actions.looks import Look, Looked
from tongban.credentials.errors import UnitSuspended
from tongban.credentials.rules import base45
from tongban.credentials.tests import make
from tongban.kernel.together import Together


async def test_two_turns_at_once_and_each_pays_for_its_own(node):
    batches: list[list[int]] = []
    under_way: set[object] = set()
    door, both = asyncio.Event(), asyncio.Event()

    async def run(_node, asked):
        batches.append(list(asked))
        if not door.is_set():
            under_way.add(asyncio.current_task())
            if len(under_way) > 1:
                both.set()
        await door.wait()
        if 7 in asked:
            raise ValueError("seven")
        return [one * 2 for one in asked]

    counter = Together(run, most=4, at_once=2)
    asking = [asyncio.create_task(counter(node, one)) for one in range(10)]
    await asyncio.sleep(0)
    asking[9].cancel()
    async with asyncio.timeout(5):
        await both.wait()
    door.set()
    answers = await asyncio.gather(*asking, return_exceptions=True)
    assert [one for one in answers if isinstance(one, int)] == [0, 2, 4, 6, 8, 10, 12, 16]
    assert isinstance(answers[9], asyncio.CancelledError)
    assert isinstance(answers[7], ValueError), "only who asked for seven pays for it"
    assert max(len(one) for one in batches) == 4
    assert len(under_way) == 2, "two turns were under way at once, and no third"


async def test_many_at_once_are_each_taken_once_counted_and_written_down(node):
    """Three units, twelve codes, every code asked four times by each unit at the same moment: one wins, the rest is 用过了."""
    async with node.db.transaction() as tx:
        card = await make.licence(tx, node)
        codes = [(await credentials.present(tx, node, make.citizen(), card.id)).token for _ in range(12)]
        windows = [await make.window(tx, node) for _ in range(3)]
    found = await asyncio.gather(*(verify.verify_presentation(node, text, one) for text in codes for one in windows for _ in range(2)))
    assert [one.kind for one in found].count("valid") == 12
    assert {one.kind for one in found} == {"valid", "used"}
    async with node.db.reading() as tx:
        views = await tx.fetch("SELECT result, count(*) FROM credential_view GROUP BY 1")
        lines = await tx.fetchval("SELECT count(*) FROM access_record a JOIN log_leaf l ON l.id::text = a.leaf WHERE a.kind = 'present'")
        counted = await tx.fetchval("SELECT sum(checks) FROM credential_check")
    assert {row["result"]: row["count"] for row in views} == {"valid": 12, "used": 24}, "each unit that came later is written down once"
    assert (lines, counted) == (36, 72)


async def test_a_forged_code_among_many_is_false_and_the_others_are_valid(node):
    """T-52: signatures are checked in one go; each verdict belongs to its own code."""
    async with node.db.transaction() as tx:
        card = await make.licence(tx, node)
        codes = [(await credentials.present(tx, node, make.citizen(), card.id)).token for _ in range(6)]
    forged = []
    for text in codes[::2]:
        parts = cbor2.loads(base45.decode(text[4:]))
        parts[3] = bytes(32) + parts[3][32:]
        forged.append("GZ1:" + base45.encode(cbor2.dumps(parts)))
    asked = [one for pair in zip(forged, codes[1::2], strict=True) for one in (*pair, "https://example.test/")]
    found = await asyncio.gather(*(verify.verify_presentation(node, text) for text in asked))
    assert [one.code for one in found] == ["bad_signature", "valid", "not_ours"] * 3


async def test_a_stopped_unit_is_refused_in_the_next_check(node):
    """Windows asked for together are as they stand now: no copy of a unit outlives its suspension."""
    async with node.db.transaction() as tx:
        unit, code = await verifiers.make_verifier(tx, node, make.staff(), name="演示银行", org_code="11100000000013338W", purposes=("bank_company",))
        bound = await verifiers.bind(tx, node, code=code, label="1")
    assert (await checking.window(node, bound.key)) is not None
    assert await checking.window(node, "nobody") is None
    async with node.db.transaction() as tx:
        await verifiers.suspend_verifier(tx, unit.id, "有人举报")
    with pytest.raises(UnitSuspended):
        await checking.window(node, bound.key)


async def test_a_home_of_an_older_version_is_asked_one_by_one(node, monkeypatch):
    asked: list[str] = []

    async def call(_node, _home, service, body, **_more):
        asked.append(service)
        if service.endswith("_many"):
            raise federation.CallRefused(404, "no_such_service")
        return {"v": 1, "status": "ok", "state": "valid", "state_at": int(body["unit"]), "valid_until": ""}

    monkeypatch.setattr(federation, "call", call)
    looks = [Look(bytes(16), str(n), "500000", True, "", ()) for n in range(3)]
    assert await checking._ask_home(node, "510000", looks) == [Looked("ok", "valid", n) for n in range(3)]
    assert asked == ["credentials.presented_many"] + ["credentials.presented"] * 3
