"""Asking the home 问归属地: what a visited node shows of a person's things at home, for as long as one page is drawn.

A visited node calls `ask_home`; the home answers through `tell_visited`: only while a session of that person is alive
that went to the caller, and with a ledger line at both ends (privacy.md 6, R-303, R-701). Nothing is kept at the visit.
"""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any, Generic, TypeVar

import msgspec

from tongban import consent, federation
from tongban.identity.queries.persons import current_subject
from tongban.identity.queries.sessions import visits
from tongban.identity.rules.home import short_name
from tongban.kernel.actor import Actor
from tongban.kernel.db import Tx
from tongban.kernel.ids import uuid7
from tongban.kernel.log import log
from tongban.kernel.node import Node

T = TypeVar("T")
HOME_MS = 1500
LEVEL_WANTED = "identity.level_needed"


class HomeSays(msgspec.Struct, Generic[T], frozen=True):
    """What the home of a visitor answered for one page (归属地的回答): `place` in short, its address, and the answer.

    Without an answer `reached` tells why: the home was away, or it wants more than this visit shows.
    """

    place: str
    url: str
    reached: bool
    answer: T | None = None


class Line(msgspec.Struct, frozen=True):
    """The ledger line of one answer as it travels, so that both ends write the same (台账的一行); `at` in Unix ms."""

    id: str
    at: int
    who: str
    fields: tuple[str, ...]
    purpose: str
    basis: str


class Told(msgspec.Struct, frozen=True):
    """Whom the caller may be told about, and the line that was written (可以答谁)."""

    subject: str
    line: Line


async def ask_home(node: Node, actor: Actor, service: str, shape: type[T]) -> HomeSays[T] | None:
    """What this visitor's home answers to `service`, in that shape; None for somebody whose home is here (问归属地).

    Never raises because the home is away or says no. An answer is used only when its ledger line is written here too.
    No transaction may be open. Who acts for another is not asked about: the mandate is judged at home.
    """
    if actor.kind != "citizen" or actor.for_subject or actor.home in {"", node.id}:
        return None
    found = await federation.present(node)
    listed = found.node(actor.home) if found else None
    name, url = (listed.name, listed.base_url) if listed else (actor.home, "")
    place = short_name(name)
    try:
        body = {"v": 1, "subject": actor.subject}
        told = await federation.call(node, actor.home, service, body, budget_ms=HOME_MS)
        answer, line = msgspec.convert(told, shape), msgspec.convert(told.get("line"), Line)
    except federation.CallRefused as no:
        log("identity.home_refused", peer=actor.home, service=service, code=no.problem)
        return HomeSays(place, url, reached=True)
    except (federation.CallFailed, federation.NotMember, msgspec.ValidationError) as away:
        log("identity.home_silent", peer=actor.home, service=service, error=type(away).__name__)
        return HomeSays(place, url, reached=False)
    async with node.db.transaction() as tx:
        await consent.record_access(tx, node, _access(actor.subject, line, actor.home, node.id, "caller"))
    return HomeSays(place, url, reached=True, answer=answer)


async def tell_visited(
    tx: Tx, node: Node, caller: str, body: dict[str, Any], *, level: int, fields: tuple[str, ...], purpose: str
) -> Told:
    """The person a visited node asks about, with the ledger line of this answer written (答到访的节点).

    `fields` are the Chinese words of what is shown. Raises CallRefused 400 `malformed`; 403 `no_grant` unless a session
    of that person at home is alive, went to `caller` and is worth `level` (then with the reason `identity.level_needed`).
    """
    asked = body.get("subject")
    if body.get("v") != 1 or not isinstance(asked, str) or not 1 <= len(asked) <= 80:
        raise federation.CallRefused(400, "malformed")
    subject = await current_subject(tx, node, asked)
    if not await visits(tx, node, subject, caller):
        raise federation.CallRefused(403, "no_grant")
    if not await visits(tx, node, subject, caller, level=level):
        raise federation.CallRefused(403, "no_grant", (LEVEL_WANTED,))
    listed = (await federation.directory(tx)).node(caller)
    line = Line(
        id=uuid7(), at=node.clock.ms(), who=listed.name if listed else caller, fields=fields, purpose=purpose,
        basis="你本人登录后查看",
    )  # fmt: skip
    # the caller writes under the subject it asked with: an old one is followed here, so both ends name the same
    await consent.record_access(tx, node, _access(asked, line, node.id, caller, "owner"))
    return Told(subject, line)


def _access(subject: str, line: Line, source: str, receiver: str, side: Any) -> consent.Access:
    return consent.Access(
        subject=subject, kind="view", who=line.who, fields=line.fields, purpose=line.purpose, source=source, receiver=receiver,
        basis=line.basis, id=line.id, at=datetime.fromtimestamp(line.at / 1000, UTC), side=side,
    )  # fmt: skip
