"""Looking at the log without touching it (查询): heads, proofs, receipts, audit."""

from tongban.transparency.queries.audit import own_signers, verify_log
from tongban.transparency.queries.heads import (
    cosigned,
    cosigners,
    fork_list,
    forks,
    head,
    heads,
    signing_name,
    unproved,
    witness_statements,
    witnessed,
)
from tongban.transparency.queries.proofs import consistency, inclusion, prove, receipt

__all__ = [
    "consistency",
    "cosigned",
    "cosigners",
    "fork_list",
    "forks",
    "head",
    "heads",
    "inclusion",
    "own_signers",
    "prove",
    "receipt",
    "signing_name",
    "unproved",
    "verify_log",
    "witness_statements",
    "witnessed",
]
