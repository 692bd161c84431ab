"""Verbs of 好差评: rate, take in, handle, settle, hear the answer."""

from tongban.feedback.actions.give import hear_reply, open_review, submit
from tongban.feedback.actions.handle import answer_review, check_review, fix_review
from tongban.feedback.actions.take import apply_review, settle

__all__ = [
    "answer_review",
    "apply_review",
    "check_review",
    "fix_review",
    "hear_reply",
    "open_review",
    "settle",
    "submit",
]
