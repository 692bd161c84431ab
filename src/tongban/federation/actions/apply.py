"""One letter, one handler, one verb 办理一封信: inside the receiving transaction, behind a savepoint (decisions D-3)."""

from __future__ import annotations

from typing import Final, Literal

import asyncpg
import msgspec

from tongban.federation.actions.send import read_body
from tongban.federation.model import Handlers, Letter
from tongban.federation.rules import chain, wire
from tongban.federation.rules.wire import Head, Statement
from tongban.kernel.db import Tx
from tongban.kernel.errors import Failure
from tongban.kernel.gm import GmError
from tongban.kernel.log import log_failure
from tongban.kernel.node import Node

# what tells of a sick node, not of a bad letter: the whole transaction ends and nothing moves
SICK: Final = (
    asyncpg.PostgresConnectionError,
    asyncpg.InterfaceError,
    asyncpg.InsufficientResourcesError,
    asyncpg.OperatorInterventionError,
    asyncpg.PostgresSystemError,
    asyncpg.TransactionRollbackError,
    asyncpg.InternalServerError,
    OSError,
    MemoryError,
)

Reason = Literal[
    "unknown_kind", "unknown_version", "behind", "handler_failed", "cannot_open", "malformed", "revoked_key"
]


class Trouble(msgspec.Struct, frozen=True):
    """Why a letter waits; `error` is a stable code or a class name, never a text with arguments."""

    reason: Reason
    error: str | None = None


class Attempt(msgspec.Struct, frozen=True):
    trouble: Trouble | None


async def attempt(tx: Tx, node: Node, handlers: Handlers, head: Head, body: bytes, said: list[Statement]) -> Attempt:
    """Let the handler of the letter's kind run its one verb; what it did is undone if it fails.

    Errors that tell of a sick node are raised: then the transaction as a whole has not happened.
    """
    handler = handlers.letters.get((head.kind, head.kind_version))
    if handler is None:
        versions = any(kind == head.kind for kind, _ in handlers.letters)
        return Attempt(Trouble("unknown_version" if versions else "unknown_kind"))
    try:
        opened = read_body(node, head, body)
    except wire.Malformed as error:
        return Attempt(Trouble("malformed", error.code))
    except GmError as error:
        return Attempt(Trouble("cannot_open", error.code))
    letter = Letter(
        id=head.id, origin=head.origin, to=head.to, epoch=head.epoch, seq=head.seq, kind=head.kind,
        kind_version=head.kind_version, about=head.about, at=head.at, counts_at=chain.counts_at(head, said), body=opened,
    )  # fmt: skip
    try:
        async with tx.transaction():
            await handler(tx, node, letter)
    except SICK:
        raise
    except Failure as error:
        log_failure(
            "federation.letter_parked", error, kind=head.kind, origin=head.origin, seq=head.seq, code=error.failure_code
        )
        return Attempt(Trouble("handler_failed", error.failure_code))
    except Exception as error:  # noqa: BLE001  whatever a handler raises is about this letter: it waits, and is seen
        log_failure("federation.letter_parked", error, kind=head.kind, origin=head.origin, seq=head.seq)
        return Attempt(Trouble("handler_failed", type(error).__name__))
    return Attempt(None)
