"""Signing in for the first time 第一次登录: name and number at the register, and the account opened (identity.md 6.1).

The register is asked between two transactions (`asks` → `register.ask` → `complete`).
"""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from tongban import federation
from tongban.identity.actions import subjects
from tongban.identity.actions.sign_in import Browser, locked, phone_in, signed_in
from tongban.identity.errors import failure, not_matched, refusal
from tongban.identity.model import Match, MatchAsked, OpenedSession
from tongban.identity.queries import persons
from tongban.identity.queries.persons import account, phone_index
from tongban.identity.rules import typed
from tongban.identity.rules.ages import too_young
from tongban.kernel.db import Tx
from tongban.kernel.errors import Refusals
from tongban.kernel.ids import uuid7
from tongban.kernel.node import Node

RETRY_MATCH = timedelta(minutes=2)


async def asks(tx: Tx, node: Node, cookie: str, name: str, number: str) -> MatchAsked | Refusals:
    """What to ask the register for a first sign-in 第一次登录要核对的, or what is wrong with what was typed."""
    row = await locked(tx, node, cookie)
    if row["step"] != "name" or not row["phone_proven"]:
        raise failure("identity.tx_gone")
    wrong: list[Any] = []
    if not typed.normal_name(name) or len(name) > 50:
        wrong.append(refusal("identity.name_needed", "name"))
    if bad := typed.check_number(number):
        wrong.append(bad)
    elif too_young(typed.normal(number), node.clock.today()):
        wrong.append(refusal("identity.under_14", "number"))
    if wrong:
        return tuple(wrong)
    return MatchAsked(number=typed.normal(number), name=typed.normal_name(name), purpose="open_account")


async def complete(
    tx: Tx, node: Node, cookie: str, asked: MatchAsked, answer: Match | None, browser: Browser
) -> OpenedSession | Refusals:
    """Open the account with the register's answer 开账号; `None` = the register is away: proof 1, asked again by a clock.

    Raises Failure `identity.account_exists` when the person's account is elsewhere.
    """
    row = await locked(tx, node, cookie)
    if row["step"] != "name":
        raise failure("identity.tx_gone")
    if answer is not None and not answer.matched:
        return (not_matched(answer.why),)
    if answer is not None and answer.home not in (None, node.id):
        listed = (await federation.directory(tx)).node(str(answer.home))
        raise failure("identity.account_exists", place=listed.name if listed else str(answer.home))
    if answer is not None and await tx.fetchval("SELECT true FROM account WHERE subject = $1", answer.subject):
        raise failure("identity.account_exists", place=node.settings.name)
    phone = phone_in(node, row)
    subject = answer.subject if answer is not None and answer.subject else subjects.local_subject()
    await _open_account(tx, node, subject, phone, asked, answer)
    await tx.execute("UPDATE login_tx SET step = 'done', subject = $2 WHERE id = $1", row["id"], subject)
    return await signed_in(tx, node, subject, "otp", ("otp", "sms"), browser, first=True)


async def _open_account(tx: Tx, node: Node, subject: str, phone: str, asked: MatchAsked, answer: Match | None) -> None:
    now, proof = node.clock.now(), 1 if answer is None else 2
    await tx.execute(
        "INSERT INTO account (subject, id, phone, bi_phone, proof, proof_method, proof_at, opened_at, phone_used_at)"
        " VALUES ($1, $2, $3, $4, $5, $6, $7, $7, $7)",
        subject, uuid7(), node.cipher.seal("contact", "account.phone", subject, phone), phone_index(node, phone), proof,
        "self_declared" if answer is None else "register", now,
    )  # fmt: skip
    await subjects.put_statement(tx, node, subject, answer.statement if answer else None)
    await subjects.put_person(
        tx, node, subject, home=node.id, proof=proof, name=asked.name, number=asked.number,
        photo_held=answer is not None and answer.photo_held, matched=answer is not None,
    )  # fmt: skip
    if answer is None:
        await tx.execute(
            "INSERT INTO match_pending (subject, name, number, asked_at, next_at) VALUES ($1, $2, $3, $4, $5)",
            subject, node.cipher.seal("identity", "match_pending.name", subject, asked.name),
            node.cipher.seal("sensitive", "match_pending.number", subject, asked.number), now, now + RETRY_MATCH,
        )  # fmt: skip
        return
    await tell_hub(tx, node, subject)


async def tell_hub(tx: Tx, node: Node, subject: str, *, old_number: str = "", old_phone: str = "") -> None:
    """Let the hub introduce this person 告诉枢纽账号在这里: encrypted to the hub, indexed there and dropped.

    What the person had before is taken out there: a phone number may be somebody else's tomorrow. A phone that another
    account here still has stays.
    """
    row = await account(tx, subject)
    person = await persons.person(tx, node, subject)
    if row is None or person is None or person.number is None or person.phone is None:
        return
    shared = "SELECT true FROM account WHERE bi_phone = ANY($1::bytea[]) AND status NOT IN ('closed', 'moved') LIMIT 1"
    if old_phone and await tx.fetchval(shared, persons.phone_marks(node, old_phone)):
        old_phone = ""
    await federation.send(
        tx, node, to=node.settings.hub, kind="account.opened", about=f"account:{row.id}",
        body={"number": person.number.reveal(), "phone": person.phone.reveal(), "old_number": old_number, "old_phone": old_phone},
    )  # fmt: skip
