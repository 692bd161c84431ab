"""Acts on a credential (证照操作): issue, renew, suspend, resume, revoke, withdraw, cancel, move to another holder, expire."""

from __future__ import annotations

from datetime import datetime

import msgspec

from tongban.credentials.model.types import State
from tongban.kernel.gm import Personal


class Act(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One act (一种操作), data in credentials/acts.toml.

    `begin` are the states it may start from, `to` the state after it; `right` is the staff action asked of who does it,
    empty for what only the program does; with `four_eyes` a second person with `credentials.confirm` carries it out.
    `code` is the operation's number in a public licence interface (one source, standards.md 3). `told` is the headline of the
    message to the holder, `{name}` being the licence; empty tells nothing. An act that is `declared` is only for types
    whose template names it.
    """

    words: str
    begin: tuple[State, ...]
    to: State
    code: str
    right: str = ""
    four_eyes: bool = False
    told: str = ""
    declared: bool = False


class Ground(msgspec.Struct, frozen=True):
    """Why an act is done (事由): the reason the holder is told, the law, and who confirmed it when two were asked."""

    reason: str
    basis: str = ""
    confirmed_by: str = ""


class Event(msgspec.Struct, frozen=True):
    """One line of a credential's history (证照经过), at its issuer or as its holder was told."""

    id: str
    operation: str
    words: str
    state: State
    reason: Personal
    basis: str
    office: str
    officer: str
    confirmed_by: str
    at: datetime
