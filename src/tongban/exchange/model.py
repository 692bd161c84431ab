"""Nouns of 数据共享: a resource, a grant for it, and what came of asking."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Literal

import msgspec

from tongban.consent import Line
from tongban.kernel.gm import Personal

SharingClass = Literal["unconditional", "conditional", "refused"]
CLASS_WORDS: dict[str, str] = {"unconditional": "无条件共享", "conditional": "有条件共享", "refused": "不予共享"}
GrantState = Literal["proposed", "active", "refused", "ended"]


class Field(msgspec.Struct, frozen=True):
    """One field of a resource (数据项): its name on the wire and its word for people."""

    name: str
    words: str
    sensitive: bool = False


class Resource(msgspec.Struct, frozen=True):
    """A data resource (数据资源): who owns it, what it holds, how it may be shared (政务数据共享条例, 国令809号)."""

    id: str
    name: str
    owner: str
    owner_name: str
    sharing: SharingClass
    basis: str
    update_cycle: str
    fields: tuple[Field, ...]
    key: Literal["subject", "asked"]
    consent: bool = False
    demo: bool = False
    sharing_reason: str = ""
    fallback: str = "typed_and_checked_later"

    def words(self, names: tuple[str, ...]) -> tuple[str, ...]:
        """The Chinese words of fields named on the wire."""
        known = {one.name: one.words for one in self.fields}
        return tuple(known[name] for name in names)


class Grant(msgspec.Struct, frozen=True):
    """A permission to call (共享授权): caller, purpose, fields, quota a day, until. Approved by a second person."""

    id: str
    resource: str
    caller: str
    purpose: str
    fields: tuple[str, ...]
    quota_per_day: int
    starts_at: datetime
    until: datetime
    state: GrantState
    proposed_by: str
    approved_by: str
    used_today: int = 0
    reason: str = ""


class Fetched(msgspec.Struct, frozen=True):
    """What a resource answered (取到的数据). `source` and `at` go beside each field on the page.

    `values` are text by field name; `line_id` is the ledger line of this access, the same at both ends. `disputed` names the
    fields whose value the person disputes at the register now: to be shown as 待核验, never waited for (R-304).
    """

    values: Mapping[str, Personal]
    source: str
    at: datetime
    resource: str
    line_id: str
    disputed: tuple[str, ...] = ()


class Unavailable(msgspec.Struct, frozen=True):
    """Why there is no answer, and what the form does instead (取不到): a value, never an exception.

    `reason`: away | no_grant | no_consent | quota | not_found | refused. `retryable`: asking later may help.
    """

    resource: str
    source: str
    reason: Literal["away", "no_grant", "no_consent", "quota", "not_found", "refused"]
    sentence: str
    retryable: bool
    fallback: str = "typed_and_checked_later"


class Gathered(msgspec.Struct, frozen=True):
    """One node's part of a person's ledger, or the name of a node that is silent (一个节点的台账)."""

    node: str
    name: str
    reached: bool
    lines: tuple[Line, ...] = ()


class Use(msgspec.Struct, frozen=True):
    """One use of a person's data, told once although both ends wrote it down (一次使用).

    `agrees` is True when every end that could be asked tells the same, False when an end differs or has no line,
    None when the other end is silent at the moment.
    """

    line: Line
    agrees: bool | None


class DataUse(msgspec.Struct, frozen=True):
    """Who used a person's data, over all nodes (谁用过我的数据). `silent` are nodes that did not answer.

    `home` and `home_url` name the place with the whole ledger when this node is only visited.
    """

    uses: tuple[Use, ...]
    silent: tuple[str, ...]
    home: str = ""
    home_url: str = ""


class Asked(msgspec.Struct, frozen=True, forbid_unknown_fields=False):
    """The body of the call `exchange.get` (取用请求). `id` is minted by the caller; both ledgers carry it."""

    v: int
    id: str
    resource: str
    fields: tuple[str, ...]
    purpose: str
    who: str
    purpose_words: str = ""
    subject: str = ""
    asked: dict[str, str] = {}
    case: str = ""
    consent: ShownConsent | None = None


class ShownConsent(msgspec.Struct, frozen=True):
    """The consent a caller rests on (所凭授权), as it tells the owner: its words by digest, fields, until (Unix ms)."""

    id: str
    text: str
    fields: tuple[str, ...]
    until: int


class Given(msgspec.Struct, frozen=True):
    """The answer of `exchange.get` (取用答复). `digest` is the owner's ledger line, to be equal to the caller's."""

    id: str
    at: int
    source: str
    values: dict[str, str]
    digest: str
    basis: str
    disputed: tuple[str, ...] = ()
    v: int = 1
