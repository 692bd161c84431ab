"""好差评 (feedback): one review for each finished service, by the person it was for, answered when it is bad (R-706, 国办发〔2019〕51号).

Nouns: **review** 评价, **handling** 差评处置, **figures** 公开数字. Five levels, none chosen beforehand. Who wrote a review is
sealed from the unit: its letter names no author, the desk sees no case and only the day, public figures need ten reviews.

    what, token = await feedback.open_review(tx, node, actor, case_id)
    await feedback.submit(tx, node, actor, case_id, token, Written(level=2, indicators=("efficiency",), text="…"))
"""

from tongban import identity
from tongban.feedback.actions import answer_review, apply_review, check_review, fix_review, open_review, submit
from tongban.feedback.model import LEVELS, Figures, Handling, Review, Reviewable, Written
from tongban.feedback.queries import figures, handlings, review_of_case, reviewable

identity.follow_rows("review_given")

__all__ = [
    "LEVELS",
    "Figures",
    "Handling",
    "Review",
    "Reviewable",
    "Written",
    "answer_review",
    "apply_review",
    "check_review",
    "figures",
    "fix_review",
    "handlings",
    "open_review",
    "review_of_case",
    "reviewable",
    "submit",
]
