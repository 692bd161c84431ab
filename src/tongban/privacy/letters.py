"""Between nodes 个人信息权益的信件与应答: calls of copies, letters of a closed account."""

from __future__ import annotations

from tongban.privacy.actions import sharing

CALLS = {
    sharing.SERVICE: sharing.answer,
}
