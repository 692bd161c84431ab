"""Matching a name with a number 核对姓名和证件号: at the register's node, and the asking of it from everywhere else.

The register answers a subject only when the name agrees. With purpose `open_account` it records the home and signs a
home statement, or names the home that is there already: one open account a person a nation (identity.md 2).
"""

from __future__ import annotations

import asyncio
import re
from datetime import UTC, datetime
from typing import Literal

import msgspec

from tongban import consent, federation, transparency
from tongban.identity.actions import keys, throttle
from tongban.identity.model import Match, MatchAsked
from tongban.identity.providers import register
from tongban.identity.providers.register import way_now
from tongban.identity.queries.persons import number_marks
from tongban.identity.rules import home as home_rules
from tongban.identity.rules import typed
from tongban.identity.rules.throttle import MATCH_NODE, WRONG_NAMES_A_DAY
from tongban.kernel.db import Tx
from tongban.kernel.gm import jcs
from tongban.kernel.ids import is_uuid
from tongban.kernel.log import log
from tongban.kernel.node import Node

PATIENCE = 2.0
YEAR_2100_MS = 4_102_444_800_000
SUBJECT = re.compile(r"n\d[a-z2-7]{32}")


async def match(tx: Tx, node: Node, caller: str, asked: MatchAsked) -> Match:
    """The register's judgement 核对, at the register's node, with quota, leaf and ledger line in this transaction.

    Raises TimeoutError or OSError when the register behind does not answer, or answers nonsense: then nothing was written.
    """
    if await throttle.take(tx, node, f"match:{caller}", MATCH_NODE):
        return Match(matched=False, why="quota")
    marks = number_marks(node, typed.normal(asked.number), asked.doctype)
    wrong: int | None = await tx.fetchval(
        "SELECT sum(wrong) FROM match_asked WHERE day = $1 AND node = $2 AND bi_number = ANY($3::bytea[])", node.clock.today(), caller, marks
    )
    if (wrong or 0) >= WRONG_NAMES_A_DAY:
        return Match(matched=False, why="quota")
    behind = register(node, await way_now(tx) if node.settings.demo else "works")
    async with asyncio.timeout(PATIENCE):
        found = await behind.look(tx, node, doctype=asked.doctype, number=asked.number, name=asked.name)
    if found is not None and not SUBJECT.fullmatch(found.subject):
        # a register that answers nonsense is as good as away: nothing of it may become an account
        raise ConnectionError("register answers nonsense")
    result = "not_found" if found is None else "matched" if found.name_agrees else "name_differs"
    await transparency.append(
        tx, "population.match", jcs({"at": node.clock.ms(), "node": caller, "purpose": asked.purpose, "result": result})
    )
    if found is None:
        return Match(matched=False, why="not_found")
    if not found.name_agrees:
        await tx.execute(
            "INSERT INTO match_asked AS m (day, node, bi_number, wrong) VALUES ($1, $2, $3, 1)"
            " ON CONFLICT (day, node, bi_number) DO UPDATE SET wrong = m.wrong + 1",
            node.clock.today(), caller, marks[0],
        )  # fmt: skip
        return Match(matched=False, why="name_differs")
    who = await _office(tx, caller)
    line = await consent.record_access(tx, node, _checked(found.subject, who, node.id, caller, "local" if caller == node.id else "owner"))
    answer = Match(
        matched=True, subject=found.subject, photo_held=found.photo_held, since=found.since.isoformat(), line=line.id,
        line_at=int(line.at.timestamp() * 1000), line_who=who,
    )  # fmt: skip
    if asked.purpose == "mandate":  # where to send the question whether somebody wants to act
        return msgspec.structs.replace(answer, home=found.home)
    if asked.purpose != "open_account":
        return answer
    return await _open(tx, node, caller, answer, found.subject)


def _checked(subject: str, who: str, source: str, receiver: str, side: Literal["owner", "caller", "local"]) -> consent.Access:
    return consent.Access(
        subject=subject, kind="check", who=who, fields=("姓名", "证件号"), purpose="登录时核对本人", source=source,
        receiver=receiver, basis="个人信息保护法第十三条第一款第三项", side=side,
    )  # fmt: skip


async def _open(tx: Tx, node: Node, caller: str, answer: Match, subject: str) -> Match:
    """Record the caller as home unless another node is; a home asking again gets a fresh statement."""
    now = node.clock.now()
    is_home: str = await tx.fetchval(
        "UPDATE register_entry SET home = coalesce(home, $2), home_since = coalesce(home_since, $3) WHERE subject = $1 RETURNING home",
        subject, caller, now,
    )  # fmt: skip
    if is_home != caller:
        return msgspec.structs.replace(answer, home=is_home)
    key = await keys.signing_key(tx, node, "Ed25519")
    claims = home_rules.statement(subject, caller, node.id, now)
    return msgspec.structs.replace(answer, home=caller, statement=key.sign(claims, typ=home_rules.STATEMENT_TYP))


async def state_home(tx: Tx, node: Node, subject: str, *, before: str, home: str) -> str:
    """Turn the recorded home from `before` to `home` and sign it 变更并证明账号所在地; nothing turns when it moved on meanwhile."""
    now = node.clock.now()
    turned = await tx.fetchval(
        "UPDATE register_entry SET home = $3, home_since = CASE WHEN home = $3 THEN home_since ELSE $4::timestamptz END"
        " WHERE subject = $1 AND home = $2 RETURNING true",
        subject, before, home, now,
    )  # fmt: skip
    if not turned:
        raise federation.CallRefused(422, "refused")
    if before != home:
        await transparency.append(tx, "population.move", jcs({"at": node.clock.ms(), "from": before, "to": home}))
    key = await keys.signing_key(tx, node, "Ed25519")
    return key.sign(home_rules.statement(subject, home, node.id, now), typ=home_rules.STATEMENT_TYP)


async def _office(tx: Tx, caller: str) -> str:
    listed = (await federation.directory(tx)).node(caller)
    return f"{listed.name if listed else caller}统一身份认证"


async def ask(node: Node, asked: MatchAsked) -> Match | None:
    """Ask the register, wherever it is 问人口登记; None when it cannot be reached now. Never inside a transaction."""
    if node.id == home_rules.REGISTER_NODE:
        try:
            async with node.db.transaction() as tx:
                return await match(tx, node, node.id, asked)
        except OSError:
            return None
    body = {"v": 1, **msgspec.to_builtins(asked)}
    try:
        answer = await federation.call(node, home_rules.REGISTER_NODE, "population.match", body)
    except (federation.CallFailed, federation.NotMember):  # a node that has not joined yet reaches nobody
        return None
    except federation.CallRefused as error:
        return Match(matched=False, why="quota") if error.problem == "quota" else None
    try:
        sound = _sound(msgspec.convert(answer, Match))
    except msgspec.ValidationError:
        log("identity.register_malformed", peer=home_rules.REGISTER_NODE)
        return None
    if sound is not None and sound.subject and is_uuid(sound.line) and 0 < sound.line_at < YEAR_2100_MS:
        # the register's line and ours are one access told by both ends (privacy.md 6)
        checked = _checked(sound.subject, sound.line_who, home_rules.REGISTER_NODE, node.id, "caller")
        at = datetime.fromtimestamp(sound.line_at / 1000, UTC)
        async with node.db.transaction() as tx:
            await consent.record_access(tx, node, msgspec.structs.replace(checked, id=sound.line, at=at))
    return sound


def _sound(answer: Match) -> Match | None:
    """The answer, None when it is none to build on: matched without a subject that has the form of one (identity.md 1)."""
    if answer.matched and not (answer.subject and SUBJECT.fullmatch(answer.subject)):
        log("identity.register_malformed", peer=home_rules.REGISTER_NODE)
        return None
    return answer
