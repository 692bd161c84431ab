"""Accounts between nodes 账号的信件和调用: account.opened; identity.hint, identity.person, population.*."""

from __future__ import annotations

from typing import Any

import msgspec

from tongban import consent, federation
from tongban.identity.actions import home_proof, introduce, mandates_moving, move, register, throttle
from tongban.identity.letters.words import Calls, Letters, register_only, text
from tongban.identity.model import MatchAsked
from tongban.identity.queries.persons import current_subject, person
from tongban.identity.queries.register import population_attributes
from tongban.identity.queries.sessions import alive, by_id
from tongban.identity.rules.throttle import MATCH_NODE
from tongban.kernel.db import Tx
from tongban.kernel.log import log
from tongban.kernel.node import Node


async def account_opened(tx: Tx, node: Node, letter: federation.Letter) -> None:
    """An account was opened at the letter's origin, or has another number or phone 别处开了账号: the hub indexes them and drops them.

    What the account had before goes out of the index, where it names that home.
    """
    if node.settings.role != "hub":
        return
    await introduce.forget(
        tx, node, letter.origin, number=str(letter.body.get("old_number") or ""), phone=str(letter.body.get("old_phone") or "")
    )
    number, phone = letter.body.get("number"), letter.body.get("phone")
    await introduce.remember(
        tx, node, letter.origin, number=number if isinstance(number, str) else None, phone=phone if isinstance(phone, str) else None
    )


async def account_moved(tx: Tx, node: Node, letter: federation.Letter) -> None:
    """An account left its home 账号搬走了: the parcel for the new home, a turned index at the hub, a new home for a visitor."""
    body = letter.body
    if node.settings.role == "hub" and "number" in body:
        await introduce.turn(tx, node, letter.origin, to=str(body.get("to", "")), number=str(body["number"]), phone=str(body.get("phone", "")))
    elif "release" in body:
        try:
            parcel = msgspec.convert(body, move.Parcel)
        except msgspec.ValidationError:
            log("identity.letter_malformed", origin=letter.origin, kind=letter.kind)
            return
        if parcel.to == node.id:
            await move.arrived(tx, node, letter.origin, parcel)
    elif isinstance(body.get("subject"), str) and isinstance(body.get("to"), str):
        await move.moved_elsewhere(tx, node, letter.origin, body["subject"], body["to"])


async def move_stopped(tx: Tx, node: Node, letter: federation.Letter) -> None:
    """The old home will not let go 搬家停了."""
    if isinstance(letter.body.get("id"), str):
        await move.stopped(tx, node, letter.origin, letter.body["id"])


async def move_request(node: Node, caller: str, body: dict[str, Any]) -> dict[str, Any]:
    """Call `account.move_request` at the home 申请搬走: by a node where the person is signed in now, at level 3."""
    async with node.db.transaction() as tx:
        await _fresh(tx, node)
        known = await move.requested(tx, node, caller, text(body, "id"), text(body, "sid"), text(body, "subject"))
    if known is None:
        raise federation.CallRefused(422, "refused", (move.GUARDIAN_FIRST,))
    node.bell.ring(move.BELL)
    return {"v": 1, "id": known.id, "state": known.state, "due_at": int(known.due_at.timestamp() * 1000)}


async def turn_home(node: Node, caller: str, body: dict[str, Any]) -> dict[str, Any]:
    """Call `population.move` at the register 变更账号所在地: on the old home's release and the new home's acceptance."""
    register_only(node)
    async with node.db.reading() as tx:
        await _fresh(tx, node)
    return await home_proof.turn(node, caller, body)


async def _fresh(tx: Tx, node: Node) -> None:
    """Who is home of whom is turned on fresh trust only (federation.md 3): else the caller comes again."""
    try:
        await federation.require_fresh_trust(tx, node)
    except federation.StaleTrust:
        raise federation.CallRefused(503, "read_only") from None


async def hint(node: Node, caller: str, body: dict[str, Any]) -> dict[str, Any]:
    """Call `identity.hint` at the hub 取引荐凭条: what the person typed there, for the home it was meant for, once."""
    async with node.db.transaction() as tx:
        typed = await introduce.redeem(tx, node, caller, text(body, "handle"))
    if typed is None:
        raise federation.CallRefused(404, "not_found")
    return {"typed": typed}


async def full_person(node: Node, caller: str, body: dict[str, Any]) -> dict[str, Any]:
    """Call `identity.person` at the home 取完整身份: name and number of a person who visits the caller now, recorded.

    The caller names the session it was visited from; a person who is not there now is not told about.
    """
    async with node.db.transaction() as tx:
        found = await by_id(tx, text(body, "sid"))
        if found is None or not alive(found, node.clock.now()) or caller not in found.visited:
            raise federation.CallRefused(403, "no_grant")
        known = await person(tx, node, found.subject)
        if known is None or known.name is None or known.number is None:
            raise federation.CallRefused(404, "not_found")
        listed = (await federation.directory(tx)).node(caller)
        await consent.record_access(tx, node, consent.Access(
            subject=found.subject, kind="share", who=listed.name if listed else caller, fields=("姓名", "证件号"),
            purpose=str(body.get("purpose", "本人在当地办事"))[:60], source=node.id, receiver=caller,
            basis="个人信息保护法第十三条第一款第三项", about=str(body.get("about", ""))[:80], side="owner",
        ))  # fmt: skip
        return {"subject": known.subject, "name": known.name.reveal(), "number": known.number.reveal(), "doctype": known.doctype}


async def match(node: Node, caller: str, body: dict[str, Any]) -> dict[str, Any]:
    """Call `population.match` at the register 核对姓名和证件号."""
    register_only(node)
    try:
        asked = msgspec.convert({name: value for name, value in body.items() if name != "v"}, MatchAsked)
    except msgspec.ValidationError:
        raise federation.CallRefused(400, "malformed") from None
    try:
        async with node.db.transaction() as tx:
            return dict(msgspec.to_builtins(await register.match(tx, node, caller, asked)))
    except OSError:  # TimeoutError is one
        raise federation.CallRefused(503, "overloaded") from None


async def successor(node: Node, caller: str, body: dict[str, Any]) -> dict[str, Any]:
    """Call `population.successor` at the register 后继标识: which subject follows one the caller holds; no word about the person."""
    register_only(node)
    async with node.db.transaction() as tx:
        if await throttle.take(tx, node, f"successor:{caller}", MATCH_NODE):
            raise federation.CallRefused(429, "quota")
        old = text(body, "subject")
        now = await current_subject(tx, node, old)
    if now == old:
        raise federation.CallRefused(404, "not_found")
    return {"v": 1, "successor": now}


async def attributes(node: Node, caller: str, body: dict[str, Any]) -> dict[str, Any]:
    """Call `population.attributes` at the register 取登记信息: to the person's home only, which says why; recorded.

    Everybody else asks through `exchange`, which judges grants.
    """
    register_only(node)
    subject, why = text(body, "subject"), text(body, "why")
    async with node.db.transaction() as tx:
        home: str | None = await tx.fetchval("SELECT home FROM register_entry WHERE subject = $1", subject)
        if home != caller:
            raise federation.CallRefused(403, "no_grant")
        known = await population_attributes(tx, node, subject)
        if known is None:
            raise federation.CallRefused(404, "not_found")
        listed = (await federation.directory(tx)).node(caller)
        await consent.record_access(tx, node, consent.Access(
            subject=subject, kind="share", who=listed.name if listed else caller, fields=("性别", "民族", "住址"), purpose=why[:60],
            source=node.id, receiver=caller, basis="个人信息保护法第十三条第一款第三项", side="owner",
        ))  # fmt: skip
        return {
            "sex": known.sex.reveal(), "nationality": known.nationality.reveal(), "address": known.address.reveal(),
            "division": known.division, "version": known.version,
        }  # fmt: skip


LETTERS: Letters = {
    ("account.opened", 1): account_opened,
    ("account.moved", 1): account_moved,
    ("account.move_stopped", 1): move_stopped,
    (mandates_moving.KIND, 1): mandates_moving.arrived,
}
CALLS: Calls = {
    "identity.hint": hint,
    "identity.person": full_person,
    "population.match": match,
    "population.move": turn_home,
    "population.successor": successor,
    "account.move_request": move_request,
    "population.attributes": attributes,
}
