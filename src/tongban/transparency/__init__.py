"""存证 transparency: one append-only RFC 6962 tree of the node, with SM3. Guide: 全程留痕、可核验. Requirements R-408, R-802.

Every act that counts (issued, shared, decided, stamped, reviewed, looked at) leaves a *leaf*: a salted hash, no personal
data. Tree *heads* are signed on a timer and witnessed by other nodes; a person downloads a *receipt* and checks it with
`docs/check_receipt.py`, which needs nothing of ours. Knows nothing of letters or nodes (decisions.md D-2).

    leaf = await transparency.append(tx, "cases.decided", jcs(decision))
    ...
    receipt = await transparency.receipt(tx, leaf.id)        # seconds later; raises ReceiptNotReady before
"""

from tongban.transparency.actions import announce, append, certify, forget, sequence, sign_head, witness
from tongban.transparency.errors import HeadRefused, NoSuchLeaf, NoSuchProof, ReceiptNotReady
from tongban.transparency.model import Announcement, Audit, Finding, Head, Leaf, Receipt, Witnessed
from tongban.transparency.queries import consistency, forks, head, heads, inclusion, receipt, verify_log, witnessed

__all__ = [
    "Announcement",
    "Audit",
    "Finding",
    "Head",
    "HeadRefused",
    "Leaf",
    "NoSuchLeaf",
    "NoSuchProof",
    "Receipt",
    "ReceiptNotReady",
    "Witnessed",
    "announce",
    "append",
    "certify",
    "consistency",
    "forget",
    "forks",
    "head",
    "heads",
    "inclusion",
    "receipt",
    "sequence",
    "sign_head",
    "verify_log",
    "witness",
    "witnessed",
]
