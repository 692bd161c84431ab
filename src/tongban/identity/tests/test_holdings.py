"""Every table of identity: copied for its person alone, gone with the account, ended at its limit (R-409, R-804, privacy.md 4, 7)."""

from __future__ import annotations

from datetime import timedelta

import msgspec
import pytest

from tongban.identity import tasks
from tongban.identity.actions import voice
from tongban.identity.holdings import HOLDINGS
from tongban.identity.queries.sessions import by_cookie, hashed
from tongban.identity.tests.make_holdings import SAMPLES, THIRD
from tongban.kernel.ids import uuid7
from tongban.kernel.tests.make_holdings import MINE, OTHERS, judge, put

BY_TABLE = {one.table: one for one in HOLDINGS}
BY_PHONE = {"demo_sms"}


@pytest.mark.parametrize("holding", [one for one in HOLDINGS if one.table not in BY_PHONE], ids=lambda one: one.table)
async def test_what_is_kept_of_a_person(tx, node, holding):
    await judge(tx, node, holding, SAMPLES)


async def test_what_waits_for_a_phone_goes_with_the_account(tx, node):
    """Attempts and demo texts to the person's phone are found by its index, and nobody else's are touched (R-409)."""
    for who, phone in ((MINE, b"p" * 16), (OTHERS, b"q" * 16)):
        await put(tx, "account", {"subject": who, "proof": 1, "bi_phone": phone})
        await put(tx, "login_tx", {"step": "code", "bi_phone": phone})
        await put(tx, "demo_sms", {"bi_phone": phone})
    for table in ("login_tx", "demo_sms"):
        assert await BY_TABLE[table].erase(tx, node, MINE) == 1
        assert await tx.fetchval(f"SELECT array_agg(bi_phone) FROM {table}") == [b"q" * 16]
        assert await BY_TABLE[table].erase(tx, node, MINE) == 0


async def test_a_demo_text_ends_after_an_hour(tx, node):
    """Exactly at the hour it stands (R-804)."""
    term, now = BY_TABLE["demo_sms"].term, node.clock.now()
    await put(tx, "demo_sms", {"at": now - timedelta(hours=1)})
    assert await tx.fetchval(f"SELECT count(*) FROM demo_sms WHERE {term.past}", now - term.kept) == 0
    assert await tx.fetchval(f"SELECT count(*) FROM demo_sms WHERE {term.past}", now - term.kept + timedelta(microseconds=1)) == 1


async def test_names_of_others_are_masked(tx, node):
    """A grantor reads the helper's name with stars, a helper the grantor's; a company's name is whole (R-409)."""
    for grantor, agent, name, basis in ((MINE, THIRD, "欧阳娜", "family"), ("o1x", MINE, "山城小面馆", "legal_rep"), (OTHERS, MINE, "刘梅", "guardian")):
        made = uuid7()
        names = {"grantor_name": name if agent == MINE else "本人", "agent_name": name if agent == THIRD else "本人"}
        await put(tx, "mandate", {
            "grantor": grantor, "agent": agent, "id": made, "basis": basis, "state": "active", "acts": ["view", "submit"],
            **{column: node.cipher.seal("identity", f"mandate.{column}", made, words) for column, words in names.items()},
        })  # fmt: skip
    rows = await BY_TABLE["mandate"].copy(tx, node, MINE)
    assert {row.get("谁代办") or row["替谁办"] for row in rows} == {"欧**", "山城小面馆", "刘*"}
    assert all(row["能做什么"] == ["看办到哪里了", "提交、补材料、撤回"] for row in rows)


async def test_a_session_still_to_be_told_loses_its_person(tx, node):
    """An app that has not heard of the sign-out yet does so afterwards: the row stays for that, without the person (identity.md 6.5)."""
    told, untold = uuid7(), uuid7()
    for session in (told, untold):
        await put(tx, "session", {"subject": MINE, "id": session, "kind": "citizen", "acr": 1, "proof": 1, "acting_for": OTHERS, "device": uuid7(), "account": uuid7()})
    await put(tx, "session_client", {"subject": MINE, "session": told, "sid": "a", "told_at": node.clock.now()})
    await put(tx, "session_client", {"subject": MINE, "session": untold, "sid": "b"})
    assert await BY_TABLE["session"].erase(tx, node, MINE) == 2
    assert await BY_TABLE["session_client"].erase(tx, node, MINE) == 2
    left = await tx.fetchrow("SELECT * FROM session")
    assert (left["id"], left["subject"], left["acting_for"], left["device"], left["account"]) == (untold, "", None, None, None)
    assert left["revoked_at"] is not None, "every session ends with the account"
    assert await tx.fetchval("SELECT sid FROM session_client WHERE subject = ''") == "b"
    await tx.execute("UPDATE session_client SET told_at = $1", node.clock.now())
    assert await tx.fetchval(f"SELECT count(*) FROM session_client WHERE {BY_TABLE['session_client'].term.past}", node.clock.now() - timedelta(days=900)) == 1


async def test_the_provider_forgets_the_voice(tx, node, monkeypatch):
    """The template lies at the provider: a job tells it to forget, with the reference sealed in the payload (identity.md 3)."""
    made = uuid7()
    await put(tx, "voice_print", {"subject": MINE, "id": made, "reference": node.cipher.seal("sensitive", "voice_print.reference", made, "ref-1")})
    await BY_TABLE["voice_print"].erase(tx, node, MINE)
    waiting = await tx.fetchval("SELECT payload FROM pgqueuer WHERE entrypoint = $1", voice.FORGET)
    assert b"ref-1" not in waiting
    heard = []

    class Provider:
        async def forget(self, reference):
            heard.append(reference)

    monkeypatch.setattr(voice.providers, "voice", lambda _: Provider())
    await voice.forget_at_provider(node, msgspec.json.decode(waiting))
    assert heard == ["ref-1"]


async def test_a_guardians_answer_stands_with_the_minor(tx, node):
    """A guardian's unanswered asks go, what was answered stays for the minor, whose name they read masked (R-409)."""
    for answered in (None, node.clock.now()):
        made = uuid7()
        sealed = {one: node.cipher.seal("identity", f"guardian_ask.{one}", made, words) for one, words in (("what", "办证"), ("child_name", "刘小宝"))}
        await put(tx, "guardian_ask", {"subject": OTHERS, "guardian_subject": MINE, "id": made, "about": made, "answered_at": answered, **sealed})
    rows = await BY_TABLE["guardian_ask"].copy(tx, node, MINE)
    assert {row["孩子"] for row in rows} == {"刘**"}
    assert await BY_TABLE["guardian_ask"].erase(tx, node, MINE) == 1
    assert await tx.fetchval("SELECT count(*) FROM guardian_ask WHERE answered_at IS NOT NULL") == 1


async def test_a_signed_in_browser_is_nobody_after_the_erasing(tx, node):
    """The cookie of a deleted session opens nothing (R-409)."""
    far = node.clock.now() + timedelta(days=1)
    await put(tx, "session", {"subject": MINE, "kind": "citizen", "acr": 1, "proof": 1, "cookie_hash": hashed("c"), "idle_until": far, "ends_at": far})
    assert await by_cookie(tx, node, "c", staff=False)
    await BY_TABLE["session"].erase(tx, node, MINE)
    assert await by_cookie(tx, node, "c", staff=False) is None


async def test_what_passes_ends_within_minutes(make_node, set_clock):
    """An attempt an hour after its end, a counter after two days: by the clock of every ten minutes, not once a day (privacy.md 4)."""
    node = await make_node("500000", clock=set_clock)
    now = node.clock.now()
    async with node.db.transaction() as tx:
        await put(tx, "login_tx", {"step": "code", "expires_at": now})
        await put(tx, "throttle", {"starts_at": now})
        await put(tx, "device", {"subject": MINE, "first_seen": now, "last_seen": now})
    for moved, left in ((timedelta(hours=1), (1, 1, 1)), (timedelta(seconds=1), (0, 1, 1)), (timedelta(days=2), (0, 0, 1))):
        set_clock.move(moved)
        await tasks.purge(node)
        async with node.db.reading() as tx:
            assert tuple([await tx.fetchval(f"SELECT count(*) FROM {one}") for one in ("login_tx", "throttle", "device")]) == left
