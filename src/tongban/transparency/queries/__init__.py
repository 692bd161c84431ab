"""Looking at the log without touching it (查询): heads, proofs, receipts, audit."""

from tongban.transparency.queries.audit import own_signers, verify_log
from tongban.transparency.queries.heads import forks, head, heads, signing_name, witness_statements, witnessed
from tongban.transparency.queries.proofs import consistency, inclusion, prove, receipt

__all__ = [
    "consistency",
    "forks",
    "head",
    "heads",
    "inclusion",
    "own_signers",
    "prove",
    "receipt",
    "signing_name",
    "verify_log",
    "witness_statements",
    "witnessed",
]
