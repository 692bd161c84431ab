"""Voice print 声纹: enrolled only with a consent of its own, forgotten at will, level 2 at most, never alone on a new device."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from tongban import consent
from tongban.identity import providers
from tongban.identity.actions import sessions, sign_in
from tongban.identity.errors import refusal
from tongban.identity.model import OpenedSession, Session
from tongban.identity.providers.voice import VoiceResult
from tongban.identity.queries.persons import number_marks, phone_marks
from tongban.identity.queries.sessions import hashed
from tongban.identity.rules import typed
from tongban.kernel import jobs
from tongban.kernel.actor import Actor
from tongban.kernel.db import Tx
from tongban.kernel.errors import Refusals
from tongban.kernel.ids import uuid7
from tongban.kernel.node import Node

PURPOSE = "identity.voice"
FORGET = "identity.forget_voice"


async def keep(tx: Tx, node: Node, actor: Actor, session: Session, result: VoiceResult, agent: str) -> Refusals:
    """Keep the reference of a template just taken, with the separate consent given on the page 存声纹."""
    if result.verdict != "same" or not result.reference:
        return (refusal("identity.voice_away" if result.verdict == "away" else "identity.voice_failed", "way"),)
    provider = providers.voice(node).name
    await consent.give(tx, node, actor, consent.Ask(
        purpose=PURPOSE, why="用声纹登录", giver=node.id, giver_name=node.settings.name, receiver="voice", receiver_name=provider,
        fields=("声音",), until=node.clock.now() + timedelta(days=365),
    ), channel="h5")  # fmt: skip
    row = uuid7()
    await _end(tx, node, session.subject)
    await tx.execute(
        "INSERT INTO voice_print (subject, id, provider, reference, agreed_at) VALUES ($1, $2, $3, $4, $5)",
        session.subject, row, provider, node.cipher.seal("sensitive", "voice_print.reference", row, result.reference), node.clock.now(),
    )  # fmt: skip
    await sessions.record(tx, node, session.subject, "voice_kept", session.acr, agent)
    return ()


async def reference_of(tx: Tx, node: Node, subject: str) -> str | None:
    """The reference of a person's template, None when there is none."""
    row = await tx.fetchrow("SELECT id, reference FROM voice_print WHERE subject = $1 AND ended_at IS NULL", subject)
    return None if row is None else node.cipher.open("sensitive", "voice_print.reference", row["id"], row["reference"]).reveal()


async def forget(tx: Tx, node: Node, actor: Actor, session: Session, agent: str) -> str | None:
    """Withdraw 不用声纹了: the reference the provider must forget now, None when there was none."""
    reference = await reference_of(tx, node, session.subject)
    await _end(tx, node, session.subject)
    for one in await consent.consents(tx, session.subject):
        if one.purpose == PURPOSE and one.withdrawn_at is None:
            await consent.withdraw(tx, node, actor, one.id, channel="h5")
    await sessions.record(tx, node, session.subject, "voice_forgotten", session.acr, agent)
    return reference


async def forget_all(tx: Tx, _: Node, subject: str) -> int:
    """The rows of a person whose account closes go; the provider is told by a job to forget the template 注销声纹."""
    rows = await tx.fetch("DELETE FROM voice_print WHERE subject = $1 RETURNING id, reference, ended_at", subject)
    for row in rows:
        if row["ended_at"] is None:
            await jobs.enqueue(tx, FORGET, {"id": row["id"], "reference": row["reference"].hex()})
    return len(rows)


async def forget_at_provider(node: Node, payload: dict[str, Any]) -> None:
    """The job of `forget_all`: tried again until the provider has forgotten. The payload holds the sealed reference."""
    reference = node.cipher.open("sensitive", "voice_print.reference", str(payload["id"]), bytes.fromhex(payload["reference"])).reveal()
    await providers.voice(node).forget(reference)


async def _end(tx: Tx, node: Node, subject: str) -> None:
    await tx.execute("UPDATE voice_print SET ended_at = $2 WHERE subject = $1 AND ended_at IS NULL", subject, node.clock.now())


async def on_known_device(tx: Tx, node: Node, who: str, browser: sign_in.Browser) -> tuple[str, str] | None:
    """(subject, reference) when this browser was seen before with the account and the person uses voice; None for all else."""
    kind, value = typed.kind_of(who), typed.normal(who)
    if kind is None or not browser.device_cookie:
        return None
    column, marks = ("a.bi_phone", phone_marks(node, value)) if kind == "phone" else ("p.bi_number", number_marks(node, value))
    subject: str | None = await tx.fetchval(
        "SELECT a.subject FROM account a JOIN person p ON p.subject = a.subject JOIN device d ON d.subject = a.subject"
        f" WHERE {column} = ANY($1::bytea[]) AND a.status IN ('open', 'restricted') AND d.secret_hash = $2 AND d.ended_at IS NULL LIMIT 1",
        marks, hashed(browser.device_cookie),
    )  # fmt: skip
    if subject is not None and not await consent.allows(tx, subject, PURPOSE, "voice", at=node.clock.now()):
        return None
    reference = None if subject is None else await reference_of(tx, node, subject)
    return None if subject is None or reference is None else (subject, reference)


async def sign_in_by(tx: Tx, node: Node, subject: str, result: VoiceResult, browser: sign_in.Browser) -> OpenedSession | Refusals:
    """A session at level 2 at most after the provider said it is the same voice 用声纹登录."""
    if result.verdict != "same":
        return (refusal("identity.voice_away" if result.verdict == "away" else "identity.voice_failed", "way"),)
    return await sign_in.signed_in(tx, node, subject, "voice", ("vbm",), browser)
