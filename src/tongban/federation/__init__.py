"""Federation 节点互联: the two ways out of a node, `call` (a question) and `send` (a fact), and the directory of nodes.

Guide: 总体架构 · 公共通道. Requirements R-101 … R-105. Design: federation.md; the models in docs/model/.

Nouns: `Letter`, `Directory`, `ListedNode`, `Handlers`. Every room's `letters.py` has `LETTERS` and `CALLS`; `main` hands
them to `register`.

Example::

    async with node.db.transaction() as tx:                       # the fact and its letter are one commit
        await lock_the_case(tx, case.id)                          # lock first: the ticket orders the facts
        await federation.send(tx, node, to="510000", kind="case.submitted", about=f"case:{case.id}", body={...})

    try:
        answer = await federation.call(node, "mps", "population.match", {"v": 1, ...})
    except federation.CallRefused as no:      # it answered: no.problem, no.reasons
        ...
    except federation.CallFailed as away:     # it did not: away.retryable; take the stated fallback
        ...
"""

from __future__ import annotations

from tongban.federation.actions.answer import remember
from tongban.federation.actions.call import call
from tongban.federation.actions.directory import issue, look_again, refresh, set_status, trust
from tongban.federation.actions.enrol import approve, invite, refuse
from tongban.federation.actions.join import join, renew_keys
from tongban.federation.actions.office import hang_up, recovering, register
from tongban.federation.actions.passing import revoke_own_key
from tongban.federation.actions.recover import restored
from tongban.federation.actions.root import make_hub
from tongban.federation.actions.sealed import open_part, seal_part
from tongban.federation.actions.send import send
from tongban.federation.actions.stream import stream
from tongban.federation.errors import (
    CallFailed,
    CallRefused,
    Contradicts,
    EnrolmentRefused,
    LetterStuck,
    LetterTooLarge,
    NotMember,
    NotYet,
    Recovering,
    StaleTrust,
    UnknownNode,
)
from tongban.federation.model import (
    CallHandler,
    Directory,
    Enrolment,
    Handlers,
    Invitation,
    Invited,
    Letter,
    LetterHandler,
    ListedNode,
    NodeKey,
)
from tongban.federation.queries.directory import directory, name_of, origins, place, present, signing_key
from tongban.federation.queries.enrolments import enrolments, own_digits, own_status
from tongban.federation.queries.mail import mail_complete, mails, outbox, parked
from tongban.federation.queries.trust import require_fresh_trust, trust_words
from tongban.federation.rules.wire import derived_id

__all__ = [
    "CallFailed",
    "CallHandler",
    "CallRefused",
    "Contradicts",
    "Directory",
    "Enrolment",
    "EnrolmentRefused",
    "Handlers",
    "Invitation",
    "Invited",
    "Letter",
    "LetterHandler",
    "LetterStuck",
    "LetterTooLarge",
    "ListedNode",
    "NodeKey",
    "NotMember",
    "NotYet",
    "Recovering",
    "StaleTrust",
    "UnknownNode",
    "approve",
    "call",
    "derived_id",
    "directory",
    "enrolments",
    "hang_up",
    "invite",
    "issue",
    "join",
    "look_again",
    "mail_complete",
    "mails",
    "make_hub",
    "name_of",
    "open_part",
    "origins",
    "outbox",
    "own_digits",
    "own_status",
    "parked",
    "place",
    "present",
    "recovering",
    "refresh",
    "refuse",
    "register",
    "remember",
    "renew_keys",
    "require_fresh_trust",
    "restored",
    "revoke_own_key",
    "seal_part",
    "send",
    "set_status",
    "signing_key",
    "stream",
    "trust",
    "trust_words",
]
