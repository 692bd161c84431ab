"""Nouns of applying (申请): answers with their sources, the draft, the submission as its letter carries it."""

from __future__ import annotations

from datetime import datetime
from typing import Any, Literal

import msgspec

from tongban.evidence import Travelling

SourceKind = Literal["typed", "account", "register", "licence", "earlier_case", "earlier_result", "computed"]
Answers = dict[str, Any]
"""Answers by field name, as `catalogue.Answers`; Any because msgspec cannot decode two sorts of list in one union."""


class Source(msgspec.Struct, frozen=True, omit_defaults=True):
    """Where an answer came from (来源). `name` is for people; `pending` 待核验: typed because its register was away,
    or taken from a register where the person disputes it. `at` is when it was asked, `as_of` the source's own date (Unix ms, 0 = none).
    """

    kind: SourceKind = "typed"
    name: str = ""
    at: int = 0
    pending: bool = False
    as_of: int = 0


class FoundCard(msgspec.Struct, frozen=True):
    """A licence the item needs that was found (查到的证照): no content. `at` (Unix ms) is how old that knowledge is.

    `state` is that of the licence, or `coming`: its issuer was asked for it and sends it. `node` is where it was found; `id`,
    `identifier` and `issuer` say which one it is: empty for one that is coming, and from a node that does not say it yet.
    """

    type_name: str
    org_name: str
    state: str
    valid_until: str
    at: int
    node: str = ""
    id: str = ""
    identifier: str = ""
    issuer: str = ""


USABLE = frozenset({"valid", "coming"})
"""States in which a licence stands for a material: it was found, or its issuer is sending it."""


def usable(cards: tuple[FoundCard, ...]) -> frozenset[str]:
    """The types of licence among these that stand for a material (能用的证照)."""
    return frozenset(one.type_name for one in cards if one.state in USABLE)


class DraftFile(msgspec.Struct, frozen=True):
    """What a draft holds (暂存内容): answers as typed, also wrong ones; their sources by field; files by material.

    `filled`: registers and licences were asked once, at `asked_at`; asking again is the person's act. `cards` are licences
    that were found, over all nodes; `silent` are the places that did not answer then, `not_granted` those that gave us no grant,
    `to_agree` the resources that gave nothing because the person has not agreed, of fields that are still empty.
    """

    answers: Answers = {}
    sources: dict[str, Source] = {}
    materials: dict[str, tuple[str, ...]] = {}
    filled: bool = False
    cards: tuple[FoundCard, ...] = ()
    silent: tuple[str, ...] = ()
    asked_at: int = 0
    not_granted: tuple[str, ...] = ()
    to_agree: tuple[str, ...] = ()

    @property
    def held(self) -> frozenset[str] | None:
        """The types of licence that were found and can be used; None where nobody has looked yet (查到的证照)."""
        return usable(self.cards) if self.asked_at else None


class Draft(msgspec.Struct, frozen=True):
    """A form being filled (暂存); the case it becomes has the same id."""

    subject: str
    id: str
    actor_subject: str
    task_code: str
    item_version: str
    item_digest: str
    state: Literal["draft", "submitted", "discarded"]
    step: str
    file: DraftFile
    made_at: datetime
    touched_at: datetime


class Evidence(msgspec.Struct, frozen=True):
    """How sure we are of the applicant (身份证据): level, home node, moment of submission, Unix ms."""

    acr: int
    home: str
    at: int
    name: str = ""
    number: str = ""


class Submission(msgspec.Struct, frozen=True):
    """Body of `case.submitted`: the whole application (申请), enough by itself (cases.md 8).

    `licences`: what was found of the licences the item needs, as it was at submission; None where nobody looked.
    """

    case: str
    number: str
    subject: str
    actor_subject: str
    task_code: str
    item_version: str
    item_digest: str
    division: str
    answers: Answers
    sources: dict[str, Source]
    materials: dict[str, tuple[Travelling, ...]]
    evidence: Evidence
    applicant_node: str
    submitted_at: int
    window_node: str = ""
    window_unit: str = ""
    consents: tuple[str, ...] = ()
    salt: str = ""
    agent_name: str = ""
    agent_basis: str = ""
    licences: tuple[FoundCard, ...] | None = None


class Receipt(msgspec.Struct, frozen=True):
    """The signed receipt of a submission (回执): proves the day though the owner may be away. No personal field.

    `signature` is SM2 over JCS of everything else; `digest` is that of the canonical submission with `salt`.
    """

    case: str
    number: str
    node: str
    task_code: str
    item_version: str
    item_digest: str
    digest: str
    submitted_at: int
    leaf: str
    kid: str
    signature: str


class Unfinished(msgspec.Struct, frozen=True):
    """A draft as home shows it (没填完的)."""

    id: str
    item_name: str
    href: str
    touched_at: datetime
