"""Checking one code 核对一个码: signature and time here, the state and the holder's record at the home node.

Order: signature by the directory's key → time → once per verifier group → the home → the age of what we know. Stated fallback when the
home is away: the state in the code with the time of its list, refused beyond 24 hours.

Codes checked at the same time go together: their signatures in one thread, their rows in one transaction, the calls to one home in one
call (`kernel/together`). Each still has its own verdict, its own line in its holder's record, and is taken once.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Mapping, Sequence
from datetime import UTC, date, datetime, timedelta
from typing import Any, Final

import msgspec

from tongban import federation
from tongban.credentials.actions import verifiers
from tongban.credentials.actions.looks import Look, Looked, looked_many
from tongban.credentials.model import Browser, Shown, Unreadable, Verdict
from tongban.credentials.queries.keys import key_finder, node_name
from tongban.credentials.queries.types import purpose as find_purpose
from tongban.credentials.queries.types import purposes, type_of
from tongban.credentials.rules import marks, presentation, verdicts
from tongban.kernel import jobs
from tongban.kernel.beside import beside
from tongban.kernel.checker import true_signatures
from tongban.kernel.db import Tx
from tongban.kernel.gm import b64
from tongban.kernel.ids import uuid7
from tongban.kernel.node import Node
from tongban.kernel.together import Together

UNREGISTERED: Final = "unregistered"
TELL: Final = "credentials.tell_homes"
"""The job that tells homes of looks they were not asked about."""
MOST: Final = 64
"""Codes in one turn, and looks in one call to a home."""
_UNDER_WAY: Final = 2
"""So many turns at once: while the database writes one, the signatures of the next are looked at."""
_BUDGET_MS: Final = 2000


class _Question(msgspec.Struct, frozen=True):
    text: str
    browser: Browser | None
    ask: tuple[str, ...]


class _Taken(msgspec.Struct, frozen=True):
    """A code taken here whose home is another node: what to ask it."""

    shown: Shown
    browser: Browser | None
    ask: tuple[str, ...]
    now: datetime
    look: Look


async def verify_presentation(node: Node, text: str, browser: Browser | None = None, ask: tuple[str, ...] = ()) -> Verdict:
    """The verdict on a scanned text (核对出示码). Never raises for what the text holds; writes counts, no personal data.

    `browser` None is an unregistered verifier: it learns the type and whether it is valid, and the holder sees that.
    `ask` narrows what a registered one gets below what its purpose allows.
    """
    found = await _checks(node, _Question(text.strip(), browser, ask))
    if isinstance(found, Verdict):
        return found
    answer = await _home(found.shown.home)(node, found.look)
    known = await _by_marks(node, found.shown) if answer is None else ("valid", found.now)
    verdict = await _judged(node, found, answer, known)
    if answer is None:
        await _tell_later(node, browser, found, verdict)
    await count(node, browser, verdict)
    return verdict


async def _tell_later(node: Node, browser: Browser | None, found: _Taken, verdict: Verdict) -> None:
    """The home could not be asked: it is told of this look when it is there again, so that the holder sees it all the same (补报核对)."""
    look = found.look
    told = {
        "home": found.shown.home, "opaque": b64(look.opaque), "jti": b64(look.jti) if look.jti else "",
        "fields": list(look.fields) if verdict.kind == "valid" else [],
    }  # fmt: skip
    at = int(found.now.timestamp() * 1000)
    async with node.db.transaction() as tx:
        whose = {"window": browser.id, "purpose": browser.purpose} if browser else {"window": "", "purpose": ""}
        await jobs.enqueue(tx, TELL, {**whose, "at": at, "looks": [told]})


async def window(node: Node, key: str) -> Browser | None:
    """The registered window of a unit key as it stands now, or None (查验窗口). Raises UnitSuspended."""
    return await _windows(node, key)


async def count(node: Node, browser: Browser | None, found: Verdict) -> None:
    """Counts by unit, day and verdict: all that this node keeps of a check."""
    await _counts(node, _counted(browser, found))


def group_of(browser: Browser | None) -> str:
    """Within whom a code is taken once: the unit, or all who are not registered."""
    return browser.verifier.id if browser else UNREGISTERED


async def _take(node: Node, asked: Sequence[_Question]) -> list[Verdict | _Taken]:
    """Read the codes, take each once, look where the home is here, count: one transaction."""
    now, find, directory = node.clock.now(), await key_finder(node), await federation.present(node)
    known = {listed.id for listed in directory.nodes if listed.status in {"active", "leaving"}} if directory else {node.id}
    read = await _read(asked, find, now.timestamp())
    answers: list[Verdict | _Taken | None] = [None] * len(asked)
    good: list[tuple[int, Shown]] = []
    for at, (one, shown) in enumerate(zip(asked, read, strict=True)):
        if isinstance(shown, Shown) and shown.issuer in known:
            good.append((at, shown))
        else:
            why = shown if isinstance(shown, Unreadable) else Unreadable("unknown_key", shown.home)
            answers[at] = verdicts.unreadable(why, now, registered=one.browser is not None)
    async with node.db.transaction() as tx:
        fresh = await _first_times(tx, [(group_of(asked[at].browser), shown) for at, shown in good])
        here: list[tuple[int, _Taken]] = []
        for (at, shown), first in zip(good, fresh, strict=True):
            if not first:
                answers[at] = verdicts.replayed(now, registered=asked[at].browser is not None)
                continue
            taken = _Taken(shown, asked[at].browser, asked[at].ask, now, _look(node, shown, asked[at]))
            if _lives_here(node, shown):
                here.append((at, taken))
            else:
                answers[at] = taken
        if here:
            for (at, taken), looked in zip(here, await looked_many(tx, node, [taken.look for _, taken in here]), strict=True):
                answers[at] = await _judged(node, taken, looked, ("valid", now))
        found = [one for one in answers if one is not None]
        await _count_rows(tx, node, Counter(_counted(asked[at].browser, one) for at, one in enumerate(found) if isinstance(one, Verdict)))
    return found


async def _read(asked: Sequence[_Question], find: presentation.KeyOf, now: float) -> list[Shown | Unreadable]:
    """What the texts say. Their signatures are checked all at once, next door while many ask (kernel/checker)."""
    opened = [presentation.opened(one.text, find, now) for one in asked]
    signed = [one for one in opened if isinstance(one, presentation.Opened)]
    true = await true_signatures([(one.key, one.signed, one.signature) for one in signed])

    def judge() -> list[Shown | Unreadable]:
        said = iter(true)
        return [presentation.judged(one, now, true=next(said)) if isinstance(one, presentation.Opened) else one for one in opened]

    # what a phone signed is one more signature to check: beside the loop
    return await beside(judge) if any(one.device for one in signed) else judge()


def _lives_here(node: Node, shown: Shown) -> bool:
    """Whether the holder's record is kept by this node."""
    return shown.home == node.id


async def _first_times(tx: Tx, codes: Sequence[tuple[str, Shown]]) -> list[bool]:
    """Whether each group has not taken its code before: one insert decides, also between two windows at once."""
    if not codes:
        return []
    rows = sorted((group, shown.jti, shown.expires_at + timedelta(minutes=5)) for group, shown in codes)
    made = await tx.fetch(
        "INSERT INTO credential_seen (verifier_group, jti, expires_at) SELECT * FROM unnest($1::text[], $2::bytea[], $3::timestamptz[])"
        " ON CONFLICT DO NOTHING RETURNING verifier_group, jti",
        *(list(column) for column in zip(*rows, strict=True)),
    )
    fresh, answers = {(row["verifier_group"], bytes(row["jti"])) for row in made}, []
    for group, shown in codes:
        answers.append((group, shown.jti) in fresh)
        fresh.discard((group, shown.jti))
    return answers


def _look(node: Node, shown: Shown, asked: _Question) -> Look:
    browser, kind = asked.browser, type_of(node, shown.type_code)
    purpose = find_purpose(node, browser.purpose) if browser else None
    if purpose is not None and asked.ask:
        purpose = verdicts.narrowed(purpose, asked.ask)
    return Look(
        shown.opaque, browser.verifier.name if browser else "", node.id, browser is not None, purpose.name if purpose else "",
        verdicts.names_shown(shown, kind, purpose), shown.jti if shown.offline else b"",
    )  # fmt: skip


async def _judged(node: Node, taken: _Taken, answer: Looked | None, known: tuple[str, datetime]) -> Verdict:
    """The verdict, with the home's answer or, without one, what is `known` here."""
    shown, now, browser = taken.shown, taken.now, taken.browser
    if answer is not None and answer.status != "ok":
        if answer.status in {"used", "stopped"}:
            return verdicts.replayed(now, stopped=answer.status == "stopped", registered=browser is not None)
        reason = Unreadable("too_old" if answer.status == "late" else "bad_signature", shown.home)
        return verdicts.unreadable(reason, now, registered=browser is not None)
    state, state_at = (answer.state, datetime.fromtimestamp(answer.state_at_ms / 1000, UTC)) if answer else known
    purpose = find_purpose(node, browser.purpose) if browser else None
    facts = verdicts.Facts(
        now=now,
        answer=answer.status if answer else None,
        state=state,  # type: ignore[arg-type]  # a State on the wire
        state_at=state_at,
        valid_until=_day(answer.valid_until) if answer else shown.valid_until,
        purposes={one.id: one.name for one in purposes(node)},
        issuer_name=await node_name(node, shown.issuer),
        home_name=await node_name(node, shown.home),
    )
    narrowed = verdicts.narrowed(purpose, taken.ask) if purpose and taken.ask else purpose
    return verdicts.verdict(shown, type_of(node, shown.type_code), narrowed, facts)


async def _by_marks(node: Node, shown: Shown) -> tuple[str, datetime]:
    """The state when the home cannot be asked: what the code says, or what newer marks of the issuer say (T-55)."""
    async with node.db.reading() as tx:
        row = await tx.fetchrow("SELECT at, body FROM credential_ended WHERE issuer = $1", shown.issuer)
    return marks.newest(shown, (row["at"], marks.read(bytes(row["body"]))) if row else None)


async def _ask_home(node: Node, home: str, asked: Sequence[Look]) -> list[Looked | None]:
    """The home's answers in one call, None where it cannot be had (last_known is the fallback).

    A home that does not know how to answer many yet is asked one by one.
    """
    if len(asked) == 1:
        return [await _ask_one(node, home, asked[0])]
    body = {"v": 1, "looks": [_question(one) for one in asked]}
    try:
        answer = await federation.call(node, home, "credentials.presented_many", body, budget_ms=_BUDGET_MS, idempotency_key=uuid7())
        return [_read_answer(one) for one, _ in zip(answer["answers"], asked, strict=True)]
    except federation.CallRefused as no:
        if no.problem == "no_such_service":
            return list(await asyncio.gather(*(_ask_one(node, home, one) for one in asked)))
    except (federation.CallFailed, federation.NotMember, KeyError, TypeError, ValueError):
        pass
    return [None] * len(asked)


async def _ask_one(node: Node, home: str, look: Look) -> Looked | None:
    try:
        return _read_answer(
            await federation.call(node, home, "credentials.presented", {"v": 1, **_question(look)}, budget_ms=_BUDGET_MS, idempotency_key=uuid7())
        )
    except (federation.CallFailed, federation.CallRefused, federation.NotMember, KeyError, TypeError, ValueError):
        return None


def _question(look: Look) -> dict[str, object]:
    return {
        "opaque": b64(look.opaque), "unit": look.unit, "registered": look.registered, "purpose": look.purpose, "fields": list(look.fields),
        "jti": b64(look.jti) if look.jti else "",
    }  # fmt: skip


def _read_answer(answer: Mapping[str, Any]) -> Looked:
    return Looked(answer["status"], answer["state"], answer["state_at"], answer["valid_until"])


def _day(text: str) -> date | None:
    return date.fromisoformat(text) if text else None


def _counted(browser: Browser | None, found: Verdict) -> tuple[str, str, str]:
    return group_of(browser), browser.purpose if browser else "", found.kind


async def _count_all(node: Node, found: Sequence[tuple[str, str, str]]) -> list[None]:
    async with node.db.transaction() as tx:
        await _count_rows(tx, node, Counter(found))
    return [None] * len(found)


async def _count_rows(tx: Tx, node: Node, counts: Mapping[tuple[str, str, str], int]) -> None:
    """Last in its transaction, and in one order: these few rows are everybody's."""
    if not counts:
        return
    keys = sorted(counts)
    await tx.execute(
        "INSERT INTO credential_check (verifier_group, day, purpose, verdict, checks)"
        " SELECT g, $1, p, v, n FROM unnest($2::text[], $3::text[], $4::text[], $5::integer[]) AS c (g, p, v, n)"
        " ON CONFLICT (verifier_group, day, purpose, verdict) DO UPDATE SET checks = credential_check.checks + excluded.checks",
        node.clock.today(), *(list(column) for column in zip(*keys, strict=True)), [counts[one] for one in keys],
    )  # fmt: skip


async def _windows_of(node: Node, keys: Sequence[str]) -> list[Browser | Exception | None]:
    async with node.db.reading() as tx:
        return await verifiers.browsers(tx, keys)


def _home(home: str) -> Together[Look, Looked | None]:
    """Where the questions to one home go together: each has its own, so that a slow one holds up nobody else's codes."""

    async def ask(node: Node, asked: Sequence[Look]) -> Sequence[Looked | None]:
        return await _ask_home(node, home, asked)

    return _homes.setdefault(home, Together(ask, most=MOST, at_once=_UNDER_WAY))


_checks: Together[_Question, Verdict | _Taken] = Together(_take, most=MOST, at_once=_UNDER_WAY)
_counts: Together[tuple[str, str, str], None] = Together(_count_all, most=MOST, at_once=_UNDER_WAY)
_windows: Together[str, Browser | None] = Together(_windows_of, most=MOST, at_once=_UNDER_WAY)
_homes: dict[str, Together[Look, Looked | None]] = {}
