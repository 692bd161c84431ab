"""Roles 岗位: what a member of staff may do. Data from roles.toml; deny by default; pure (R-602, T-61, T-63).

An assignment 任职 is role × division prefix × organisation × items × until.
"""

from __future__ import annotations

import tomllib
from collections.abc import Iterable, Mapping
from datetime import datetime
from functools import cache
from pathlib import Path
from typing import Literal

import msgspec

from tongban.kernel.actor import Actor, Assignment

_FILE = Path(__file__).resolve().parent.parent / "roles.toml"
Kind = Literal["persons", "administration", "oversight", "office"]


class Role(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A role 岗位: its name in words, the actions it allows (each `room.verb`), and whether it acts on persons."""

    name: str
    actions: frozenset[str]
    kind: Kind
    note: str = ""


@cache
def roles() -> Mapping[str, Role]:
    """All roles by code, from roles.toml. Raises msgspec.ValidationError when the file is not right."""
    return msgspec.convert(tomllib.loads(_FILE.read_text("utf-8")), dict[str, Role])


def assignment(role: str, division: str, *, org: str = "", items: frozenset[str] = frozenset({"*"}), until: datetime | None = None) -> Assignment:
    """An assignment with the actions of its role filled in; an unknown role allows nothing."""
    known = roles().get(role)
    return Assignment(role, known.actions if known else frozenset(), division, org, items, until)


def in_force(assignments: tuple[Assignment, ...], now: datetime) -> tuple[Assignment, ...]:
    """The assignments that have not run out."""
    return tuple(one for one in assignments if one.until is None or now < one.until)


def allowed(actor: Actor, action: str, *, division: str, org: str = "", item: str | None = None, now: datetime) -> bool:
    """Whether this actor may do `action` on an object of that division, organisation and item 是否有权. Deny by default.

    The object's division must be given: an object of nowhere is nobody's.
    """
    if actor.kind != "staff" or not actor.staff_id:
        return False
    return any(one.covers(action, division, org, item) for one in in_force(actor.assignments, now))


def require_staff(actor: Actor, action: str = "", *, division: str = "", org: str = "", item: str | None = None) -> None:
    """StaffNeeded when no member of staff is signed in, NotAllowed when no assignment covers `action` 要求工作人员."""
    actor.require_staff()
    if action:
        actor.require_may(action, division=division, org=org, item=item)


def holds(actor: Actor, action: str) -> bool:
    """Whether some assignment allows `action` at all, wherever it counts: for acts without an object yet."""
    return actor.kind == "staff" and any(action in one.actions for one in actor.assignments)


def scopes(actor: Actor, action: str) -> tuple[tuple[str, str], ...]:
    """Where some assignment allows `action` 可见范围: (leading digits of the division, department or "" for all)."""
    found = []
    for one in actor.assignments:
        if actor.kind == "staff" and action in one.actions:
            prefix = one.division.rstrip("0")
            found.append((prefix + "0" if len(prefix) % 2 else prefix, one.org))
    return tuple(dict.fromkeys(found))


def clash(held: Iterable[str], wanted: str) -> str:
    """The role held that forbids the wanted one 不相容的岗位: persons and administration never meet (T-63); "" when none.

    >>> clash(["acceptor"], "node_administrator")
    'acceptor'
    >>> clash(["acceptor"], "examiner")
    ''
    """
    known = roles()
    apart = {"persons": "administration", "administration": "persons"}.get(known[wanted].kind if wanted in known else "", "")
    return next((one for one in held if one in known and known[one].kind == apart), "")
