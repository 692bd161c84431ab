"""Consents stay as proof and hold no more, the ledger stays whole, and each ends after its three years (R-409, R-804)."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from tongban import consent
from tongban.consent.holdings import HOLDINGS
from tongban.kernel.actor import Actor
from tongban.kernel.ids import uuid7
from tongban.kernel.tests.make_holdings import MINE, Sample, judge, put

_FAR = datetime(2036, 1, 1, tzinfo=UTC)


def _consent(_node, who, mark):
    return {"subject": who, "receiver_name": f"{mark}厅", "giver_name": f"{mark}局", "fields": [f"{mark}住址"], "why": f"{mark}事", "until": _FAR}


def _ask(_node, who, mark):
    ask = {"receiver_name": f"{mark}厅", "giver_name": f"{mark}局", "fields": [f"{mark}住址"], "why": f"{mark}事"}
    return {"subject": who, "ask": ask, "asked_at": datetime.now(UTC)}


SAMPLES = {
    "consent": Sample(
        row=_consent, says=4, ends=lambda at: {"until": at}, still_read=True,
        left="subject = $1 AND EXISTS (SELECT FROM consent_withdrawal w WHERE w.subject = consent.subject AND w.consent_id = consent.id)",
    ),
    "consent_withdrawal": Sample(ends=lambda at: {"at": at}),
    "consent_withdrawal_told": Sample(ends=lambda at: {"told_at": at}),
    "consent_ask": Sample(row=_ask, says=4, ends=lambda at: {"asked_at": at}),
    "access_record": Sample(row=lambda _, who, mark: {"subject": who, "side": "owner", "kind": "share"}, ends=lambda at: {"at": at}),
}  # fmt: skip


@pytest.mark.parametrize("holding", HOLDINGS, ids=lambda one: one.table)
async def test_what_is_kept_of_a_person(tx, node, holding):
    await put(tx, "consent_text", {"digest": ""})
    await judge(tx, node, holding, SAMPLES)


async def test_a_closed_account_allows_nothing_more(tx, node):
    """Every consent is taken back with its leaf, is refused at once, and its copy says when (R-409, T-28)."""
    actor = Actor(kind="citizen", subject=MINE, acr=2)
    wanted = consent.Ask(
        purpose="a.b", why="办证", giver="500000", giver_name="重庆市", receiver="510000", receiver_name="四川省", fields=("住址",),
        until=node.clock.now() + timedelta(days=9),
    )  # fmt: skip
    given = await consent.give(tx, node, actor, wanted, channel="h5")
    assert await consent.allows(tx, MINE, "a.b", "510000", at=node.clock.now())
    erase = next(one for one in HOLDINGS if one.table == "consent")
    assert await erase.erase(tx, node, MINE) == 1
    assert not await consent.allows(tx, MINE, "a.b", "510000", at=node.clock.now())
    assert (await erase.copy(tx, node, MINE))[0]["撤回的时间"].endswith("+08:00")
    leaf = await tx.fetchval("SELECT leaf FROM consent_withdrawal WHERE subject = $1 AND consent_id = $2", MINE, given.id)
    assert await tx.fetchval("SELECT count(*) FROM log_leaf WHERE id = $1", leaf) == 1


async def test_an_answered_ask_stays_as_long_as_a_consent(tx, node):
    """Three years from the answer, not ninety days from the question (R-804)."""
    term = next(one for one in HOLDINGS if one.table == "consent_ask").term
    now = node.clock.now()
    for days in (3 * 366, 3 * 366 + 1):
        await put(tx, "consent_ask", {
            "subject": MINE, "id": uuid7(), "asked_at": now - timedelta(days=2000), "answered_at": now - timedelta(days=days), "answer": "refused",
        })  # fmt: skip
    assert await tx.fetchval(f"SELECT count(*) FROM consent_ask WHERE {term.past}", now - term.kept) == 1


async def test_the_ledger_refuses_to_be_thinned_out(tx, node):
    """Not even an eraser deletes a line: only the retention clock may (privacy.md 6)."""
    await put(tx, "access_record", {"subject": MINE, "side": "owner", "kind": "share"})
    with pytest.raises(Exception, match="append-only"):
        await tx.execute("DELETE FROM access_record WHERE subject = $1", MINE)
