"""Looking at the log without touching it (查询): heads, proofs, receipts, audit."""

from tongban.transparency.queries.audit import own_signers, verify_log
from tongban.transparency.queries.heads import (
    cosigned,
    cosigners,
    fork_list,
    forks,
    head,
    heads,
    root,
    signing_name,
    unproved,
    witness_statements,
    witnessed,
)
from tongban.transparency.queries.proofs import consistency, inclusion, prove, receipt
from tongban.transparency.queries.records import Row, recorded, verify_records

__all__ = [
    "Row",
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
    "recorded",
    "root",
    "signing_name",
    "unproved",
    "verify_log",
    "verify_records",
    "witness_statements",
    "witnessed",
]
