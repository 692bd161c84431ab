"""Actor 办事的人: who asks, and for whom. `identity` makes actors; every verb takes one (decisions D-1)."""

from __future__ import annotations

from datetime import datetime
from typing import Literal

import msgspec

from tongban.kernel.errors import LevelNeeded, NotAllowed, SelfOnly, SignInNeeded, StaffNeeded
from tongban.kernel.gm import Personal

BY_LAW = frozenset({"legal_rep", "guardian"})
"""Bases on which somebody acts by law and register, without a grant (法定)."""


class Assignment(msgspec.Struct, frozen=True):
    """A role given to a staff member over an area (任职): role × division × department × items × until.

    `actions` are what the role allows, filled from roles.toml by `identity`; `"*"` in `items` means every item of the
    department; an empty `org` means every department of the division.
    """

    role: str
    actions: frozenset[str]
    division: str
    org: str = ""
    items: frozenset[str] = frozenset({"*"})
    until: datetime | None = None

    def covers(self, action: str, division: str, org: str, item: str | None) -> bool:
        """Whether this assignment allows `action` on an object of that division, department and item.

        Denies by default: an object without division is nobody's, one without department or item only theirs who are not
        limited to some.
        """
        if action not in self.actions or not division:  # an object of nowhere is nobody's
            return False
        prefix = self.division.rstrip("0") or ""
        # a division code ends in pairs of zeros; its area is every code with the same leading pairs
        prefix = prefix + "0" if len(prefix) % 2 else prefix
        if not division.startswith(prefix):
            return False
        if self.org and self.org != org:
            return False
        return "*" in self.items or item in self.items


class Actor(msgspec.Struct, frozen=True):
    """Who asks (办事的人), for whom, and how surely we know.

    `subject` is the nation-wide pseudonym (identity.md 1) of a citizen, or the `s…` id of staff; `acr` is the level of
    this moment, 0 for nobody; `for_subject` is whom a citizen acts for; `name` is for pages only.
    While acting, `mandate`, `basis`, `acts` and `items` are what the mandate gives (identity.md 2) and `for_name` is who is
    represented; `acting_ended`: the browser still holds a mandate that is over, so this is the person alone.
    """

    kind: Literal["nobody", "citizen", "staff", "system", "peer"]
    subject: str = ""
    for_subject: str = ""
    acr: int = 0
    sid: str = ""
    name: Personal | None = None
    home: str = ""
    mandate: str = ""
    staff_id: str = ""
    unit: str = ""
    assignments: tuple[Assignment, ...] = ()
    linked_subject: str = ""
    basis: str = ""
    acts: frozenset[str] = frozenset()
    items: frozenset[str] = frozenset()
    for_name: Personal | None = None
    acting_ended: bool = False
    kin: frozenset[str] = frozenset()

    def own_or_family(self, *subjects: str) -> bool:
        """Whether one of these is the clerk or the clerk's family (回避, T-62)."""
        return any(one and (one == self.linked_subject or one in self.kin) for one in subjects)

    @property
    def person(self) -> str:
        """The subject whose rights are used: the represented one, else the actor's own."""
        return self.for_subject or self.subject

    @property
    def by_law(self) -> bool:
        """Whether the law itself gives the power (法定代表人、监护人), not somebody's grant."""
        return self.basis in BY_LAW

    def sees(self, item: str) -> bool:
        """Whether things of this item are within what the actor may look at (授权范围内): oneself everything.

        `items` are task codes, or catalogue codes that end a task code.
        """
        if not self.for_subject or self.by_law:
            return True
        return "view" in self.acts and any(item.endswith(one) for one in self.items)

    def require_self(self, what: str) -> None:
        """Raise SelfOnly while acting under a grant: `what` is never delegated (identity.md 2)."""
        if self.for_subject and not self.by_law:
            raise SelfOnly(what)

    def require(self, level: int = 1) -> None:
        """A signed-in citizen at `level` or more (要求级别), else SignInNeeded or LevelNeeded."""
        if self.kind != "citizen" or not self.subject:
            raise SignInNeeded
        if self.acr < level:
            raise LevelNeeded(level)

    def require_staff(self) -> None:
        """A signed-in staff member (要求工作人员), else StaffNeeded."""
        if self.kind != "staff" or not self.staff_id:
            raise StaffNeeded

    def may(self, action: str, *, division: str = "", org: str = "", item: str | None = None) -> bool:
        """Whether an assignment of this staff member covers the act on that object (是否有权)."""
        return self.kind == "staff" and any(one.covers(action, division, org, item) for one in self.assignments)

    def require_may(self, action: str, *, division: str = "", org: str = "", item: str | None = None) -> None:
        """As `may`, else NotAllowed (StaffNeeded when nobody is signed in)."""
        self.require_staff()
        if not self.may(action, division=division, org=org, item=item):
            raise NotAllowed


NOBODY = Actor(kind="nobody")
SYSTEM = Actor(kind="system", subject="system")
