"""The other nodes' door of 数据共享: calls and letters, each parsed once and given to one verb."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any
from weakref import WeakKeyDictionary

import msgspec

from tongban import consent, federation, identity
from tongban.exchange.actions.flow import SERVICE, flow
from tongban.exchange.actions.messages import LogAsked, tell_log
from tongban.exchange.actions.post import HEARD
from tongban.exchange.actions.serve import serve
from tongban.exchange.model import Asked, Refused
from tongban.exchange.queries import LATEST, own_lines, own_proof
from tongban.kernel.db import Tx
from tongban.kernel.ids import is_uuid
from tongban.kernel.node import Node

GUARDS_FOR = timedelta(minutes=10)
MOST_GUARDS = 1000


class LedgerAsked(msgspec.Struct, frozen=True):
    """The body of `exchange.ledger` and `exchange.receipt`: whose lines; for a receipt, which one.

    `home` is the register's statement that the caller is the home of this person, or of the `guardian` of a child without an
    account; a visited node has none. `before` (Unix ms)
    and `before_id`: only lines older than that one.
    """

    v: int
    subject: str
    id: str = ""
    side: str = ""
    home: str = ""
    guardian: str = ""
    before: int = 0
    before_id: str = ""


async def get(node: Node, caller: str, body: dict[str, Any]) -> dict[str, Any]:
    """`exchange.get`: one question under a grant. Fallback at the caller: typed_and_checked_later."""
    try:
        question = msgspec.convert(body, Asked)
    except msgspec.ValidationError:
        raise federation.CallRefused(400, "malformed", ()) from None
    got = await serve(node, caller, question)
    if isinstance(got, Refused):
        raise federation.CallRefused(got.status, got.code, got.reasons)
    answer: dict[str, Any] = msgspec.to_builtins(got)
    return answer


async def ledger(node: Node, caller: str, body: dict[str, Any]) -> dict[str, Any]:
    """`exchange.ledger`: this node's newest lines about one person, for the person's own page, and whether it has `more` (privacy.md 6).

    Told to the person's home, and by the home to a node where the person is signed in now; nobody else reads who looked.
    """
    asked = _parsed(body)
    await _entitled(node, caller, asked)
    before = (consent.moment(asked.before), asked.before_id) if asked.before else None
    found = await own_lines(node, asked.subject, before)
    return {"v": 1, "lines": [msgspec.to_builtins(line) for line in found.lines], "more": found.more}


async def receipt(node: Node, caller: str, body: dict[str, Any]) -> dict[str, Any]:
    """`exchange.receipt`: the proof of one line of one person (凭证)."""
    asked = _parsed(body)
    await _entitled(node, caller, asked)
    made = await own_proof(node, asked.subject, asked.id, asked.side)
    if made is None:
        raise federation.CallRefused(404, "not_found", ())
    return {"v": 1, "receipt": made.decode()}


async def _entitled(node: Node, caller: str, asked: LedgerAsked) -> None:
    """Raise CallRefused 403 `no_grant` unless the caller may show this person the lines (T-28)."""
    if await identity.is_home(node, asked.subject, caller, asked.home):
        return
    async with node.db.reading() as tx:
        if await identity.visits(tx, node, asked.subject, caller):
            return
    if asked.guardian and await identity.is_home(node, asked.guardian, caller, asked.home) and await _guards(node, asked.guardian, asked.subject):
        return
    raise federation.CallRefused(403, "no_grant", ())


_known_guards: WeakKeyDictionary[Node, dict[tuple[str, str], datetime]] = WeakKeyDictionary()


async def _guards(node: Node, guardian: str, child: str) -> bool:
    """Whether the register says so (T-32, T-88). Remembered for a while: each question to it is a line in the child's ledger."""
    known, now = _known_guards.setdefault(node, {}), node.clock.now()
    if known.get((guardian, child), now) > now:
        return True
    if await identity.guards_alone(node, guardian, child) is not True:
        return False
    if len(known) >= MOST_GUARDS:
        known.clear()
    known[guardian, child] = now + GUARDS_FOR
    return True


def _parsed(body: dict[str, Any]) -> LedgerAsked:
    try:
        asked = msgspec.convert(body, LedgerAsked)
    except msgspec.ValidationError:
        raise federation.CallRefused(400, "malformed", ()) from None
    if asked.v != 1 or not asked.subject or not 0 <= asked.before < LATEST or (asked.before and not is_uuid(asked.before_id)):
        raise federation.CallRefused(400, "malformed", ())
    return asked


async def messages(node: Node, caller: str, body: dict[str, Any]) -> dict[str, Any]:
    """`exchange.messages`: our log of the calls between the caller and us, to be compared (对账)."""
    try:
        asked = msgspec.convert(body, LogAsked)
    except msgspec.ValidationError:
        raise federation.CallRefused(400, "malformed", ()) from None
    return await tell_log(node, caller, asked)


async def hear(tx: Tx, node: Node, letter: federation.Letter) -> None:
    """Every letter of this room goes to the verb that hears its kind (收信)."""
    await HEARD[letter.kind](tx, node, letter.origin, letter.body)


CALLS = {"exchange.get": get, SERVICE: flow, "exchange.ledger": ledger, "exchange.receipt": receipt, "exchange.messages": messages}
LETTERS = {
    (kind, 1): hear
    for kind in (
        "resource.published", "grant.told", "demand.sent", "demand.decided", "demand.withdrawn", "demand.disputed", "demand.judged",
        "correction.asked", "correction.answered", "consent.withdrawn", "complaint.opened", "complaint.answered",
    )
}  # fmt: skip


async def withdrawal_came_home(tx: Tx, node: Node, letter: federation.Letter) -> None:
    """Our own `consent.withdrawn` after a restore: what a person took back stays taken back."""
    await consent.withdrawn_again(tx, node, str(letter.body["id"]), int(letter.body["at"]))


REINSTATE = {("consent.withdrawn", 1): withdrawal_came_home}
