"""A link to an unpublished guide 预览链接: an HMAC over the code and ten minutes; nothing is stored."""

from __future__ import annotations

import hmac

from tongban.kernel.gm import b64, hmac_sm3
from tongban.kernel.node import Node

SLOT_MS = 600_000
SLOTS = 2
"""A token holds for its slot and the one after: ten to twenty minutes."""


def _made(node: Node, task_code: str, slot: int) -> str:
    return b64(hmac_sm3(node.keys.secret("preview"), f"preview\n{task_code}\n{slot}".encode())[:16])


def preview_token(node: Node, task_code: str) -> str:
    """A token that lets its bearer see the draft of this item for ten to twenty minutes (预览令牌)."""
    return _made(node, task_code, node.clock.ms() // SLOT_MS)


def preview_valid(node: Node, task_code: str, token: str) -> bool:
    """Whether the token was made here for this item not long ago (constant time)."""
    now = node.clock.ms() // SLOT_MS
    good = [hmac.compare_digest(_made(node, task_code, now - back).encode(), token.encode()) for back in range(SLOTS)]
    return any(good)
