"""What to show to whom 选择出示: the sets of a type, and for each registered purpose the least that it cannot do without. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import msgspec

from tongban.credentials.model import CredentialType, Disclosure, Purpose

FOR: Final = "for:"
ANYBODY: Final = "any"


class Choice(msgspec.Struct, frozen=True):
    """A set ready to be shown (一种出示): `purpose` is the id it is meant for, or `any`; `unseen` is what stays hidden."""

    disclosure: Disclosure
    purpose: str
    purpose_name: str
    seen: tuple[str, ...]
    unseen: tuple[str, ...]


def choices(kind: CredentialType, purposes: Sequence[Purpose]) -> tuple[Choice, ...]:
    """Every way to show a card of this type, the least first: the type's own sets, then one for each purpose that asks for it."""
    made = [_choice(kind, one, ANYBODY, "") for one in kind.disclosures]
    for purpose in purposes:
        allowed = tuple(key for key in purpose.fields.get(kind.name, ()) if kind.field(key))
        if allowed:
            needed = tuple(key for key in purpose.required.get(kind.name, ()) if key in allowed) or allowed[:1]
            made.append(_choice(kind, Disclosure(FOR + purpose.id, f"给{purpose.name}看的", needed), purpose.id, purpose.name))
    return tuple(made)


def choice(kind: CredentialType, purposes: Sequence[Purpose], chosen: str) -> Choice:
    """The chosen way; for an empty or unknown word the least of the type (默认最少)."""
    found = choices(kind, purposes)
    return next((one for one in found if one.disclosure.id == chosen), found[0])


def _choice(kind: CredentialType, one: Disclosure, purpose: str, purpose_name: str) -> Choice:
    seen = tuple(field.name for key in one.fields if (field := kind.field(key)))
    unseen = tuple(field.name for field in kind.fields if not field.derive and field.key not in one.fields)
    return Choice(one, purpose, purpose_name, seen, unseen)
