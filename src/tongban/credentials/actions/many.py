"""Checking many codes at once 批量核对: for stations and chains that check thousands a minute.

As a verifier without network does: signatures, times, once within the unit, the newest known state by code and marks, all here;
the holders' homes are told right after by a job. What it gives up: a code used elsewhere a moment ago is not known here.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from typing import Any, Final

from tongban import federation
from tongban.credentials.actions import checking, verifiers
from tongban.credentials.actions.looks import TOLD_LATER
from tongban.credentials.actions.verify import told_later
from tongban.credentials.model import Browser, Shown, Unreadable, Verdict
from tongban.credentials.queries.keys import key_finder, node_name
from tongban.credentials.queries.types import purpose as find_purpose
from tongban.credentials.queries.types import purposes, type_of
from tongban.credentials.rules import marks, presentation, verdicts
from tongban.kernel import jobs
from tongban.kernel.gm import b64, unb64
from tongban.kernel.node import Node

MOST: Final = 64
JOB: Final = checking.TELL


@lru_cache(maxsize=256)
def _listed(_issuer: str, _at: datetime, body: bytes) -> dict[str, Any]:
    return marks.read(body)


async def verify_many(node: Node, texts: tuple[str, ...], window: Browser, ask: tuple[str, ...] = ()) -> tuple[Verdict, ...]:
    """The verdicts on up to 64 scanned texts, in their order (批量核对). Never raises for what a text holds.

    One transaction takes the codes, counts, and promises to tell the homes.
    """
    now, find, directory = node.clock.now(), await key_finder(node), await federation.present(node)
    half = (len(texts) + 1) // 2
    # SM2 leaves the interpreter while it computes, so two threads use two processors
    parts = await asyncio.gather(*(asyncio.to_thread(_read, part, find, now.timestamp()) for part in (texts[:half], texts[half:])))
    shown = [*parts[0], *parts[1]]
    known = {listed.id for listed in directory.nodes if listed.status in {"active", "leaving"}} if directory else {node.id}
    good = [one for one in shown if isinstance(one, Shown) and one.issuer in known]
    purpose = find_purpose(node, window.purpose)
    narrowed = verdicts.narrowed(purpose, ask) if purpose and ask else purpose
    names = {one: await node_name(node, one) for one in {each.issuer for each in good} | {each.home for each in good}}
    named = {one.id: one.name for one in purposes(node)}
    async with node.db.transaction() as tx:
        fresh = {bytes(row["jti"]) for row in await tx.fetch(
            "INSERT INTO credential_seen (verifier_group, jti, expires_at) SELECT $1, jti, ends FROM unnest($2::bytea[], $3::timestamptz[]) c(jti, ends) "
            "ON CONFLICT DO NOTHING RETURNING jti",
            window.verifier.id, [one.jti for one in good], [one.expires_at + timedelta(minutes=5) for one in good],
        )} if good else set()  # fmt: skip
        rows = await tx.fetch("SELECT issuer, at, body FROM credential_ended WHERE issuer = ANY($1::text[])", list({one.issuer for one in good}))
        lists = {row["issuer"]: (row["at"], _listed(row["issuer"], row["at"], bytes(row["body"]))) for row in rows}
        found, told = [], []
        for one in shown:
            if isinstance(one, Unreadable) or one.issuer not in known:
                why = one if isinstance(one, Unreadable) else Unreadable("unknown_key", one.home)
                found.append(verdicts.unreadable(why, now, registered=True))
                continue
            if one.jti not in fresh:
                found.append(verdicts.replayed(now, registered=True))
                continue
            fresh.discard(one.jti)
            kind, (state, at) = type_of(node, one.type_code), marks.newest(one, lists.get(one.issuer))
            facts = verdicts.Facts(now, None, state, at, one.valid_until, names[one.issuer], names[one.home], named, asked=False)
            found.append(verdicts.verdict(one, kind, narrowed, facts))
            told.append({"home": one.home, "opaque": b64(one.opaque), "jti": b64(one.jti) if one.offline else "", "fields": list(verdicts.names_shown(one, kind, narrowed))})
        counts = Counter(one.kind for one in found)
        await tx.execute(
            "INSERT INTO credential_check (verifier_group, day, purpose, verdict, checks) SELECT $1, $2, $3, v, n FROM unnest($4::text[], $5::int[]) c(v, n) "
            "ON CONFLICT (verifier_group, day, purpose, verdict) DO UPDATE SET checks = credential_check.checks + excluded.checks",
            window.verifier.id, node.clock.today(), window.purpose, list(counts), list(counts.values()),
        )  # fmt: skip
        if told:
            await jobs.enqueue(tx, JOB, {"window": window.id, "purpose": window.purpose, "at": node.clock.ms(), "looks": told})
    return tuple(found)


def _read(texts: tuple[str, ...], find: presentation.KeyOf, now: float) -> list[Shown | Unreadable]:
    return [presentation.read(text.strip(), find, now) for text in texts]


async def tell_homes(node: Node, payload: dict[str, Any]) -> None:
    """Tell the homes of looks checked here, so that holders see them (告诉归属地). A home that is away is told by the next try, for as
    long as a home takes what it is told late.
    """
    window = None
    if payload["window"]:
        async with node.db.reading() as tx:
            window = await verifiers.by_id(tx, payload["window"], payload["purpose"])
    at = datetime.fromtimestamp(payload["at"] / 1000, UTC)
    if bool(payload["window"]) != (window is not None) or node.clock.now() - at > TOLD_LATER:
        return
    away = []
    for one in payload["looks"]:
        done = await told_later(
            node, window, home=one["home"], opaque=unb64(one["opaque"]), jti=unb64(one["jti"]) if one["jti"] else b"", at=at, fields=tuple(one["fields"])
        )
        if not done:
            away.append(one)
    if away:
        async with node.db.transaction() as tx:
            await jobs.enqueue(tx, JOB, {**payload, "looks": away}, after=timedelta(minutes=5))
