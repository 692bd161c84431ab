"""When a subject changes 标识替换 (identity.md 1): a local one at the match, the nation's with another document number.

Every door maps an old subject once (`current_subject`, `follow_aliases`); identity's own rows move with the alias, the rooms'
rows as `following` lists them: at the match in the same transaction, for a nation subject by a job, one person at a time.
"""

from __future__ import annotations

import base64
import re
import secrets
from collections.abc import Awaitable, Callable, Iterator
from datetime import datetime, timedelta
from typing import Any

import msgspec

from tongban import federation
from tongban.identity.actions import following
from tongban.identity.actions.following import follow_rows, follow_subject, rows_followed, rows_stay
from tongban.identity.actions.sessions import BELL
from tongban.identity.queries.persons import alias_marks, current_subject, number_marks
from tongban.identity.rules.home import STATEMENT_DAYS
from tongban.identity.rules.typed import masked_name
from tongban.kernel.db import Tx, ring
from tongban.kernel.gm import hmac_sm3
from tongban.kernel.indexes import one_alone
from tongban.kernel.node import Node
from tongban.kernel.parts import Parts

LATE = timedelta(minutes=10)
"""How long after the first rewriting a second one looks for rows that an act already under way wrote under the old subject."""


def local_subject() -> str:
    """A new `l…` subject for a person not yet matched; it never leaves this node."""
    return "l" + base64.b32encode(secrets.token_bytes(17)).decode().lower().rstrip("=")[:26]


def stand_in(node: Node, number: str, name: str) -> str:
    """The `l…` subject that stands for an account that does not exist 没有的账号.

    The same for the same number and name: whatever was begun for it before shows as it would for a real one (T-18).
    """
    made = hmac_sm3(node.keys.secret("throttle"), f"nobody\x00{number}\x00{name}".encode())
    return "l" + base64.b32encode(made[:17]).decode().lower().rstrip("=")[:26]


__all__ = ["follow_rows", "follow_subject", "rows_followed", "rows_stay"]

_BY_SUBJECT = (
    "session", "device", "authenticator", "signin_record", "access_reason", "dispute", "correction", "corrected_use",
    "account_move", "scan_login", "device_lock", "voice_print", "phone_change", "hall_recovery", "theft_report",
)
rows_followed(*_BY_SUBJECT, "account", "person")
follow_rows("login_tx", "session_end", "counter_check", "counter_visit", "break_glass_person", "step_intent")
follow_rows("session", columns=("acting_for",))
rows_stay("subject_alias", because="it is where an old pseudonym leads")
rows_stay("match_pending", because="a local pseudonym before the match; deleted at the match")
rows_stay("register_entry", "dispute_desk", "register_version", because="the register changes them with the number itself")
rows_stay("guardian_entry", columns=("subject", "guardian_subject"), because="the register changes them with the number itself")


async def replace(tx: Tx, node: Node, old: str, new: str) -> None:
    """Everything of this node under a local `old` becomes `new`'s; the person row is written anew by the caller."""
    marks = alias_marks(node, old)
    await one_alone(tx, "subject_alias", "old", marks)
    await tx.execute("INSERT INTO subject_alias (old, subject, since) VALUES ($1, $2, $3) ON CONFLICT DO NOTHING", marks[0], new, node.clock.now())
    await _move_account(tx, node, old, new)
    await tx.execute("DELETE FROM person WHERE subject = $1", old)
    await _move_rows(tx, old, new)
    await tx.execute("DELETE FROM match_pending WHERE subject = $1", old)
    await following.call_followers(tx, node, old, new)
    await ring(tx, BELL)


async def alias(tx: Tx, node: Node, old: str, new: str, *, number: str = "") -> bool:
    """A nation subject is followed by another 换号: alias and identity's own rows now, the rooms' rows by the job; once.

    `number` is the new document number, for a node that holds one. False when it was known already.
    """
    if not new.startswith("n") or new == old:
        return False
    marks = alias_marks(node, old)
    await one_alone(tx, "subject_alias", "old", marks)
    added = await tx.fetchval(
        "INSERT INTO subject_alias (old, subject, since, old_sealed) VALUES ($1, $2, $3, $4) ON CONFLICT DO NOTHING RETURNING true",
        marks[0], new, node.clock.now(), node.cipher.seal("identity", "subject_alias.old_sealed", new, old),
    )  # fmt: skip
    if not added:
        return False
    for row in await tx.fetch("SELECT old, old_sealed FROM subject_alias WHERE subject = $1 FOR UPDATE", old):
        await tx.execute("UPDATE subject_alias SET subject = $2, old_sealed = $3, rewritten_at = NULL WHERE old = $1", row["old"], new, _resealed(node, row["old_sealed"], old, new))
    await _move_account(tx, node, old, new)
    await _move_person(tx, node, old, new, number)
    await _move_rows(tx, old, new)
    await ring(tx, BELL)
    return True


def _resealed(node: Node, blob: bytes | None, old: str, new: str) -> bytes | None:
    if blob is None:
        return None
    before = node.cipher.open("identity", "subject_alias.old_sealed", old, blob).reveal()
    return node.cipher.seal("identity", "subject_alias.old_sealed", new, before)


async def rewrite_late(node: Node) -> None:
    """The clock of `rewrite`: the second look at rows of people whose number changed, and a job that was lost."""
    await rewrite(node, {})


async def rewrite(node: Node, _payload: dict[str, object]) -> None:
    """The job `identity.rewrite_subjects`, and its clock 改写旧标识: the rooms' rows of one person a transaction, until none waits.

    Once at the news, and once more ten minutes later for what was under way; then the old pseudonym is forgotten here.
    """
    while True:
        async with node.db.transaction() as tx:
            now = node.clock.now()
            row = await tx.fetchrow(
                "SELECT old, subject, old_sealed, rewritten_at FROM subject_alias WHERE old_sealed IS NOT NULL"
                " AND (rewritten_at IS NULL OR rewritten_at <= $1) ORDER BY since LIMIT 1 FOR UPDATE SKIP LOCKED", now - LATE,
            )  # fmt: skip
            if row is None:
                return
            old = node.cipher.open("identity", "subject_alias.old_sealed", row["subject"], row["old_sealed"]).reveal()
            await following.call_followers(tx, node, old, row["subject"])
            await following.rewrite_rows(tx, old, row["subject"])
            await tx.execute(
                "UPDATE subject_alias SET rewritten_at = $2, old_sealed = CASE WHEN $3 THEN NULL ELSE old_sealed END WHERE old = $1",
                row["old"], now, row["rewritten_at"] is not None,
            )  # fmt: skip


async def _move_account(tx: Tx, node: Node, old: str, new: str) -> None:
    phone: bytes | None = await tx.fetchval("SELECT phone FROM account WHERE subject = $1", old)
    sealed = None
    if phone is not None:
        sealed = node.cipher.seal("contact", "account.phone", new, node.cipher.open("contact", "account.phone", old, phone))
    # the home statement names the subject: the clock asks for a new one at once
    await tx.execute(
        "UPDATE account SET subject = $2, phone = $3, home_statement = NULL, statement_until = CASE WHEN home_statement IS NULL THEN"
        " statement_until ELSE $4::timestamptz END WHERE subject = $1",
        old, new, sealed, node.clock.now(),
    )  # fmt: skip


async def _move_person(tx: Tx, node: Node, old: str, new: str, number: str) -> None:
    row = await tx.fetchrow("DELETE FROM person WHERE subject = $1 RETURNING *", old)
    if row is None:
        return

    def sealed(group: str, column: str, value: str = "") -> bytes | None:
        if row[column] is None:
            return None
        return node.cipher.seal(group, f"person.{column}", new, value or opened(group, column))

    def opened(group: str, column: str) -> str:
        return node.cipher.open(group, f"person.{column}", old, row[column]).reveal()

    mark: bytes | None = row["bi_number"]
    if mark is not None and (number or row["number"] is not None):
        marks = number_marks(node, number or opened("sensitive", "number"), row["doctype"])
        await _number_alone(tx, marks)
        mark = marks[0]
    await tx.execute(
        "INSERT INTO person (subject, home, proof, doctype, name, name_masked, number, bi_number, photo_held, matched_at, version, seen_at,"
        " confirm_until) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13) ON CONFLICT (subject) DO NOTHING",
        new, row["home"], row["proof"], row["doctype"], sealed("identity", "name"), sealed("identity", "name_masked"),
        sealed("sensitive", "number", number), mark, row["photo_held"],
        row["matched_at"], row["version"], row["seen_at"], sealed("identity", "confirm_until"),
    )  # fmt: skip


async def _move_rows(tx: Tx, old: str, new: str) -> None:
    for table in _BY_SUBJECT:
        await tx.execute(f"UPDATE {table} SET subject = $2 WHERE subject = $1", old, new)


_NATION = re.compile(r"n\d[a-z2-7]{32}")
LetterHandlers = dict[tuple[str, int], Callable[[Tx, Node, federation.Letter], Awaitable[None]]]


def follow_aliases(letters: LetterHandlers) -> LetterHandlers:
    """Every letter handler behind one door that maps old subjects in a body to the ones that follow 信件里的旧标识."""

    def behind(handler: Callable[[Tx, Node, federation.Letter], Awaitable[None]]) -> Callable[[Tx, Node, federation.Letter], Awaitable[None]]:
        async def mapped(tx: Tx, node: Node, letter: federation.Letter) -> None:
            named = set(_subjects_in(letter.body))
            known = {one: await current_subject(tx, node, one) for one in named} if named else {}
            if any(one != now for one, now in known.items()):
                letter = msgspec.structs.replace(letter, body=_with(letter.body, known))
            await handler(tx, node, letter)

        return mapped

    return {kind: behind(handler) for kind, handler in letters.items()}


def _subjects_in(value: Any) -> Iterator[str]:
    if isinstance(value, str):
        if _NATION.fullmatch(value):
            yield value
    elif isinstance(value, dict):
        for one in value.values():
            yield from _subjects_in(one)
    elif isinstance(value, list):
        for one in value:
            yield from _subjects_in(one)


def _with(value: Any, known: dict[str, str]) -> Any:
    if isinstance(value, str):
        return known.get(value, value)
    if isinstance(value, dict):
        return {name: _with(one, known) for name, one in value.items()}
    return [_with(one, known) for one in value] if isinstance(value, list) else value


async def put_person(
    tx: Tx, node: Node, subject: str, *, home: str, proof: int, name: str, number: str, photo_held: bool, matched: bool
) -> None:
    """Write or refresh the row of an own person 登记本节点的人, found again by the blind index of the number."""
    now, marks = node.clock.now(), number_marks(node, number)
    if matched:
        await _number_alone(tx, marks)
    await tx.execute(
        "INSERT INTO person AS p (subject, home, proof, name, name_masked, number, bi_number, photo_held, matched_at, seen_at)"
        " VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10)"
        " ON CONFLICT (subject) DO UPDATE SET home = excluded.home, proof = greatest(p.proof, excluded.proof), name = excluded.name,"
        " name_masked = excluded.name_masked, number = excluded.number, bi_number = excluded.bi_number,"
        " photo_held = excluded.photo_held, matched_at = coalesce(excluded.matched_at, p.matched_at), seen_at = excluded.seen_at",
        subject, home, proof, node.cipher.seal("identity", "person.name", subject, name),
        node.cipher.seal("identity", "person.name_masked", subject, masked_name(name)),
        node.cipher.seal("sensitive", "person.number", subject, number), marks[0] if matched else None,
        photo_held, now if matched else None, now,
    )  # fmt: skip


async def _number_alone(tx: Tx, marks: list[bytes]) -> None:
    """Before a person's mark is written; a clerk of the same number, who is found by it, goes over with it."""
    await one_alone(tx, "person", "bi_number", marks)
    await one_alone(tx, "staff", "bi_citizen", marks)


async def put_visitor(
    tx: Tx, node: Node, subject: str, *, home: str, proof: int, name_masked: str, confirm_until: datetime | None = None
) -> None:
    """Write or refresh the row of a visitor 别处来的人: subject, home, level and masked name, nothing more; of a minor, until when."""
    parts = Parts()
    visiting(parts, node, subject, home=home, proof=proof, name_masked=name_masked, confirm_until=confirm_until)
    await parts.run(tx)


def visiting(
    parts: Parts, node: Node, subject: str, *, home: str, proof: int, name_masked: str, confirm_until: datetime | None = None,
    source: str = "(SELECT true) AS one",
) -> None:  # fmt: skip
    """As `put_visitor`, as a part of a statement that is on its way anyway; `source` is the part it depends on."""
    parts.add(
        "visitor",
        f"INSERT INTO person AS p (subject, home, proof, name_masked, seen_at, confirm_until) SELECT $1, $2, $3, $4, $5, $6 FROM {source}"
        " ON CONFLICT (subject) DO UPDATE SET home = excluded.home, proof = excluded.proof, name_masked = excluded.name_masked,"
        " seen_at = excluded.seen_at, confirm_until = excluded.confirm_until",
        subject, home, proof, node.cipher.seal("identity", "person.name_masked", subject, name_masked), node.clock.now(),
        None if confirm_until is None else node.cipher.seal("identity", "person.confirm_until", subject, str(int(confirm_until.timestamp()))),
    )  # fmt: skip


async def put_statement(tx: Tx, node: Node, subject: str, statement: str | None) -> None:
    """Keep the register's home statement 账号所在地证明 of an own person, sealed, with its end."""
    if statement is None:
        return
    await tx.execute(
        "UPDATE account SET home_statement = $2, statement_until = $3 WHERE subject = $1",
        subject, node.cipher.seal("identity", "account.home_statement", subject, statement),
        node.clock.now() + timedelta(days=STATEMENT_DAYS),
    )  # fmt: skip


async def statement_of(tx: Tx, node: Node, subject: str) -> str | None:
    """The home statement of an own person, None when there is none."""
    blob: bytes | None = await tx.fetchval("SELECT home_statement FROM account WHERE subject = $1", subject)
    return None if blob is None else node.cipher.open("identity", "account.home_statement", subject, blob).reveal()
