"""Verbs that change the log (动作)."""

from tongban.transparency.actions.append import append, append_many, appending, appending_many, forget
from tongban.transparency.actions.forks import (
    accused,
    fork_seen,
    fork_told,
    overheard,
    settle,
    statement_of,
    take_cosignature,
)
from tongban.transparency.actions.restores import declare_restore
from tongban.transparency.actions.sequence import BATCH, certify, sequence, sign_head
from tongban.transparency.actions.witness import announce, witness

__all__ = [
    "BATCH",
    "accused",
    "announce",
    "append",
    "append_many",
    "appending",
    "appending_many",
    "certify",
    "declare_restore",
    "forget",
    "fork_seen",
    "fork_told",
    "overheard",
    "sequence",
    "settle",
    "sign_head",
    "statement_of",
    "take_cosignature",
    "witness",
]
