"""What can go wrong with 好差评: stable codes and sentences."""

from __future__ import annotations

from tongban.kernel.errors import Failure


class NothingToReview(Failure):
    """The case is not this person's, or not finished yet (没有可以评的)."""

    code = "feedback.nothing"
    status = 404

    def __init__(self) -> None:
        super().__init__(sentence="这件事还不能评价，或者不是你办的", todo="办好以后，从办件详情点“评一评”")


class ReviewGone(Failure):
    """There is no such review at this unit (没有这条评价)."""

    code = "feedback.review_gone"
    status = 404

    def __init__(self) -> None:
        super().__init__(sentence="没有找到这条评价", todo="回到差评列表看一看")


class ReviewNotBelieved(Failure):
    """A letter rates a case that its sender does not stand for, or that is not finished here (不可信的评价来信)."""

    code = "feedback.not_believed"
    status = 422

    def __init__(self) -> None:
        super().__init__(sentence="来信评价的办件对不上")
