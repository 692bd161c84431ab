"""Nouns of 授权与台账: what is asked, what was given, and one line for each access to a person's data."""

from __future__ import annotations

from datetime import datetime
from typing import Literal

import msgspec

AccessKind = Literal["share", "view", "present", "check"]


class Ask(msgspec.Struct, frozen=True):
    """What a consent page says (请求授权): one purpose, in words a person reads aloud and understands.

    `purpose` is the stable code, `why` its words; `giver` and `receiver` are stable ids (node or client), the names are
    for the page; `fields` are what is given, `not_fields` what is expressly kept back; `until` ends the consent.
    """

    purpose: str
    why: str
    giver: str
    giver_name: str
    receiver: str
    receiver_name: str
    fields: tuple[str, ...]
    until: datetime
    not_fields: tuple[str, ...] = ()
    title: str = ""

    def text(self) -> str:
        """The words shown, canonical: kept by digest, so that what was agreed to can be proved (授权书全文)."""
        return "\n".join(
            (
                f"谁给：{self.giver_name}",
                f"给谁用：{self.receiver_name}",
                f"给哪几项：{'、'.join(self.fields)}",
                f"不给：{'、'.join(self.not_fields) or '其他都不给'}",
                f"用来做什么：{self.why}",
                f"用到什么时候：{self.until.isoformat(timespec='seconds')}",
            )
        )


class PendingAsk(msgspec.Struct, frozen=True):
    """An ask waiting for its answer at /consent/{id} (等你决定的授权). `back` is where the person goes on."""

    id: str
    ask: Ask
    back: str
    answer: Literal["given", "refused"] | None


class Consent(msgspec.Struct, frozen=True):
    """One consent, given once, never changed (一份授权). `withdrawn_at` comes from its own row."""

    id: str
    purpose: str
    why: str
    giver: str
    giver_name: str
    receiver: str
    receiver_name: str
    fields: tuple[str, ...]
    text_digest: str
    given_at: datetime
    until: datetime
    channel: str
    acr: int
    withdrawn_at: datetime | None = None

    def holds(self, at: datetime) -> bool:
        """Whether it allows anything at that moment (还有效)."""
        return self.withdrawn_at is None and self.given_at <= at < self.until


class Access(msgspec.Struct, frozen=True):
    """One access to a person's data, as it goes into the ledger (一次取用).

    `who` is an office or registered party, staff as unit and role, never a name; `fields` are Chinese words; `source` and
    `receiver` are node ids; `basis` is the article of law or the words of the consent; `about` is `case:<id>` or "".
    An access between two nodes carries the same `id` and `at` at both, so that both ends make the same digest.
    """

    subject: str
    who: str
    fields: tuple[str, ...]
    purpose: str
    source: str
    receiver: str
    basis: str
    kind: AccessKind = "share"
    about: str = ""
    consent_id: str | None = None
    id: str = ""
    at: datetime | None = None
    side: Literal["owner", "caller", "local"] = "local"
    count: int = 1


class Line(msgspec.Struct, frozen=True):
    """One line of the ledger (台账的一行). `digest` is the same at both ends; `leaf` proves it was not edited.

    `shown_from` and `delay_basis` are set when the line was held back for a time (紧急访问), and say so when it appears.
    `written_subject` is the pseudonym it was written under when another follows that one now: digest and leaf name it.
    """

    id: str
    at: datetime
    kind: AccessKind
    who: str
    fields: tuple[str, ...]
    purpose: str
    source: str
    receiver: str
    basis: str
    about: str
    consent_id: str | None
    side: str
    digest: str
    leaf: str
    node: str = ""
    count: int = 1
    shown_from: datetime | None = None
    delay_basis: str = ""
    written_subject: str = ""
