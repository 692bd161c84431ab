"""What is done with seals (印章的动作): trust, making, applying, custody, use, standing. One file a group of verbs."""

from tongban.seals.actions.apply import apply, make_applied, review
from tongban.seals.actions.custody import accept, agree, decline, hand_over
from tongban.seals.actions.make import ensure_seal, make_seal
from tongban.seals.actions.request import ask_use, decide_use
from tongban.seals.actions.standing import lose, resume, revoke_seal, suspend
from tongban.seals.actions.trust import learn, set_up, tell, told_again
from tongban.seals.actions.use import must_stand, seal_document, seal_pdf

__all__ = [
    "accept",
    "agree",
    "apply",
    "ask_use",
    "decide_use",
    "decline",
    "ensure_seal",
    "hand_over",
    "learn",
    "lose",
    "make_applied",
    "make_seal",
    "must_stand",
    "resume",
    "review",
    "revoke_seal",
    "seal_document",
    "seal_pdf",
    "set_up",
    "suspend",
    "tell",
    "told_again",
]
