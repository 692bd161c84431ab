"""Looks at the home 在线核对: a code is used up, and the holder's record says who looked, why and at what (R-404).

Many looks are one statement for reading, one for writing: a station's door asks sixty times a second.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import date, datetime, timedelta
from typing import Any, Final

import msgspec

from tongban import consent
from tongban.credentials.model import CredentialType, State
from tongban.credentials.queries.credentials import held_lists
from tongban.credentials.queries.types import purposes, type_of
from tongban.credentials.rules import chooser, showing
from tongban.kernel.db import Tx
from tongban.kernel.ids import uuid7
from tongban.kernel.node import Node
from tongban.kernel.parts import Parts

LATE_SECONDS: Final = 30
"""An online look may arrive this much after exp: the verifier checked the time, the call took a while."""
TOLD_LATER: Final = timedelta(days=7)
"""So much later a verifier that had no network may still tell of a look."""
_BETWEEN: Final = "\x1f"
_CARD = "c.type_code, c.issuer, c.list_no, c.list_index, c.issued_at AS card_issued_at, c.valid_until"
_JOIN = "LEFT JOIN credential_card c ON c.subject = p.subject AND c.id = p.card WHERE p.opaque = ANY($1::bytea[]) ORDER BY p.opaque FOR UPDATE OF p"


class Look(msgspec.Struct, frozen=True):
    """A verifier looks at a code (一次核对): which code, and who asks for what.

    `fields` are the Chinese names shown; they are written down only as far as the code carries them. `jti` comes with a code that a
    phone made without network: its entry serves many codes, each once. `at` comes from a verifier that had no network: a look of then,
    told now.
    """

    opaque: bytes
    unit: str
    verifier_node: str
    registered: bool
    purpose: str
    fields: tuple[str, ...]
    jti: bytes = b""
    at: datetime | None = None


class Looked(msgspec.Struct, frozen=True):
    """What the home answers about a code (在线核对的回答): `status` ok, used, stopped, late or unknown."""

    status: str
    state: str = ""
    state_at_ms: int = 0
    valid_until: str = ""


class _Line(msgspec.Struct, frozen=True):
    """What is written down of one look."""

    subject: str
    card: str
    at: datetime
    unit: str
    node: str
    registered: bool
    purpose: str
    fields: tuple[str, ...]
    result: str
    way: str


async def looked(tx: Tx, node: Node, look: Look) -> Looked:
    """One look; see `looked_many`."""
    return (await looked_many(tx, node, [look]))[0]


async def looked_many(tx: Tx, node: Node, looks: Sequence[Look]) -> list[Looked]:
    """Verifiers look at codes online (在线核对), answered in their order: each is used up and written into its holder's record.

    A second look is refused and written down too, also when both are among these. The rows of the codes are locked: of two looks at
    once, wherever they come from, one waits.
    """
    rows = await _showings(tx, looks)
    lists = await held_lists(tx, {(row["issuer"], row["list_no"]) for row in rows.values() if row["type_code"]})
    now, today, used, lines, answers = node.clock.now(), node.clock.today(), set[tuple[bytes, bytes]](), list[_Line](), list[Looked]()
    words: dict[tuple[str, str], frozenset[str]] = {}
    for look in looks:
        row = rows.get((look.opaque, look.jti))
        kind = type_of(node, row["type_code"]) if row and row["type_code"] else None
        if row is None or kind is None:
            answers.append(Looked("unknown"))
        elif now > row["expires_at"] + (TOLD_LATER if look.at else timedelta(seconds=LATE_SECONDS)):
            answers.append(Looked("late"))
        elif row["stopped"] and look.at is None:
            answers.append(Looked("stopped"))
        else:
            state, state_at = _standing(row, lists, today)
            again = row["used_at"] is not None or (look.opaque, look.jti) in used
            shown = (kind.code, row["disclosure"])
            if shown not in words:
                words[shown] = _carried(node, kind, row["disclosure"])
            lines.append(_line(look, row, words[shown], "used" if again else state, now))
            used.add((look.opaque, look.jti))
            until = row["valid_until"].isoformat() if row["valid_until"] else ""
            answers.append(Looked("used") if again else Looked("ok", state, int(state_at.timestamp() * 1000), until))
    if lines:
        await _write_down(tx, node, lines, {one for one in used if rows[one]["used_at"] is None}, now)
    return answers


async def _showings(tx: Tx, looks: Sequence[Look]) -> dict[tuple[bytes, bytes], Mapping[str, Any]]:
    """The showings and phones' entries behind the codes, locked in the order of their ids, with what is needed of the cards."""
    found: dict[tuple[bytes, bytes], Mapping[str, Any]] = {}
    online = list({one.opaque for one in looks if not one.jti})
    if online:
        rows = await tx.fetch(
            f"SELECT p.opaque, p.subject, p.card, p.disclosure, p.issued_at, p.expires_at, p.stopped, p.used_at, {_CARD} FROM credential_presentation p {_JOIN}",
            online,
        )
        found |= {(bytes(row["opaque"]), b""): row for row in rows}
    pairs = list({(one.opaque, one.jti) for one in looks if one.jti})
    if pairs:
        rows = await tx.fetch(
            f"SELECT p.opaque, p.subject, p.card, p.disclosure, p.issued_at, p.expires_at, p.stopped, {_CARD} FROM credential_offline p {_JOIN}",
            list({opaque for opaque, _ in pairs}),
        )
        entries = {bytes(row["opaque"]): row for row in rows}
        taken = await tx.fetch(
            "SELECT u.opaque, u.jti, u.at FROM credential_offline_used u JOIN unnest($1::bytea[], $2::bytea[]) w(opaque, jti) USING (opaque, jti)",
            [opaque for opaque, _ in pairs], [jti for _, jti in pairs],
        )  # fmt: skip
        times = {(bytes(row["opaque"]), bytes(row["jti"])): row["at"] for row in taken}
        found |= {one: {**dict(entries[one[0]].items()), "used_at": times.get(one)} for one in pairs if one[0] in entries}
    return found


def _standing(row: Mapping[str, Any], lists: Mapping[tuple[str, int], Any], today: date) -> tuple[State, datetime]:
    """The state of a card by the newest list held, and the moment of that list; as `queries.credentials` says it."""
    held = lists.get((row["issuer"], row["list_no"]))
    if held is None or held.at < row["card_issued_at"]:
        return showing.state_now("valid", row["valid_until"], today), row["card_issued_at"]
    return showing.state_now(held.state(row["list_index"]), row["valid_until"], today), held.at


def _carried(node: Node, kind: CredentialType, disclosure: str) -> frozenset[str]:
    """The Chinese names of the fields that a code shown so carries."""
    chosen = chooser.choice(kind, purposes(node), disclosure).disclosure
    return frozenset(field.name for key in chosen.fields if (field := kind.field(key)))


def _line(look: Look, row: Mapping[str, Any], carried: frozenset[str], result: str, now: datetime) -> _Line:
    shown = tuple(name for name in look.fields if name in carried) if look.registered and result != "used" else ()
    at = min(max(look.at, row["issued_at"]), row["expires_at"]) if look.at else now
    unit = look.unit if look.registered else "未登记的查验方"
    way = "both" if look.at else "phone" if look.jti else ""
    return _Line(row["subject"], str(row["card"]), at, unit, look.verifier_node, look.registered, look.purpose, shown, result, way)


async def _write_down(tx: Tx, node: Node, lines: Sequence[_Line], used: set[tuple[bytes, bytes]], now: datetime) -> None:
    """The holders' records, the lines of the ledger with their leaves, and that the codes are used: one statement."""
    parts = Parts()
    consent.accessing_many(
        parts, node,
        [
            consent.Access(
                subject=one.subject, who=one.unit, fields=one.fields or ("证照类型和状态",), purpose=one.purpose or "核对证照", source=node.id,
                receiver=one.node, basis="本人出示", kind="present", about=f"credential:{one.card}", id=uuid7(),
            )
            for one in lines
        ],
    )  # fmt: skip
    parts.add(
        "seen",
        "INSERT INTO credential_view (subject, id, card, at, unit, node, registered, purpose, fields, result, way)"
        " SELECT subject, id, card, at, unit, node, registered, purpose, string_to_array(fields, chr(31)), result, way FROM unnest($1::text[],"
        " $2::uuid[], $3::uuid[], $4::timestamptz[], $5::text[], $6::text[], $7::boolean[], $8::text[], $9::text[], $10::text[], $11::text[])"
        " AS u (subject, id, card, at, unit, node, registered, purpose, fields, result, way)",
        [one.subject for one in lines], [uuid7() for _ in lines], [one.card for one in lines], [one.at for one in lines],
        [one.unit for one in lines], [one.node for one in lines], [one.registered for one in lines], [one.purpose for one in lines],
        [_BETWEEN.join(one.fields) for one in lines], [one.result for one in lines], [one.way for one in lines],
    )  # fmt: skip
    online, phones = [opaque for opaque, jti in used if not jti], [one for one in used if one[1]]
    if online:
        parts.add("taken", "UPDATE credential_presentation SET used_at = $2 WHERE opaque = ANY($1::bytea[])", online, now)
    if phones:
        parts.add(
            "taken_phones",
            "INSERT INTO credential_offline_used (opaque, jti, at) SELECT opaque, jti, $3 FROM unnest($1::bytea[], $2::bytea[]) AS w (opaque, jti)",
            [opaque for opaque, _ in phones], [jti for _, jti in phones], now,
        )  # fmt: skip
    await parts.run(tx)
