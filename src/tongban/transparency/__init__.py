"""存证 transparency: one append-only RFC 6962 tree of the node, with SM3. Guide: 全程留痕、可核验. Requirements R-408, R-802.

Every act that counts (issued, shared, decided, stamped, reviewed, looked at) leaves a *leaf*: a salted hash, no personal
data. Tree *heads* are signed on a timer and witnessed by other nodes; a person downloads a *receipt* and checks it with
`docs/check_receipt.py`, which needs nothing of ours. Knows nothing of letters or nodes (decisions.md D-2).

    leaf = await transparency.append(tx, "cases.decided", jcs(decision))
    ...
    receipt = await transparency.receipt(tx, leaf.id)        # seconds later; raises ReceiptNotReady before
"""

from tongban.transparency.actions import (
    accused,
    announce,
    append,
    append_many,
    appending,
    appending_many,
    certify,
    forget,
    fork_seen,
    fork_told,
    overheard,
    sequence,
    settle,
    sign_head,
    statement_of,
    take_cosignature,
    witness,
)
from tongban.transparency.errors import HeadRefused, NoSuchLeaf, NoSuchProof, ReceiptNotReady
from tongban.transparency.model import (
    Announcement,
    Audit,
    CoSignature,
    CoSigned,
    Finding,
    Fork,
    Gap,
    Head,
    Leaf,
    Receipt,
    Witnessed,
    named,
    unnamed,
)
from tongban.transparency.queries import (
    consistency,
    cosigners,
    fork_list,
    forks,
    head,
    heads,
    inclusion,
    receipt,
    unproved,
    verify_log,
    witness_statements,
    witnessed,
)

__all__ = [
    "Announcement",
    "Audit",
    "CoSignature",
    "CoSigned",
    "Finding",
    "Fork",
    "Gap",
    "Head",
    "HeadRefused",
    "Leaf",
    "NoSuchLeaf",
    "NoSuchProof",
    "Receipt",
    "ReceiptNotReady",
    "Witnessed",
    "accused",
    "announce",
    "append",
    "append_many",
    "appending",
    "appending_many",
    "certify",
    "consistency",
    "cosigners",
    "forget",
    "fork_list",
    "fork_seen",
    "fork_told",
    "forks",
    "head",
    "heads",
    "inclusion",
    "named",
    "overheard",
    "receipt",
    "sequence",
    "settle",
    "sign_head",
    "statement_of",
    "take_cosignature",
    "unnamed",
    "unproved",
    "verify_log",
    "witness",
    "witness_statements",
    "witnessed",
]
