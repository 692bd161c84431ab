"""What can go wrong with a material, in words (材料的错误)."""

from __future__ import annotations

from tongban.kernel.errors import Failure


class MaterialUnknown(Failure):
    """No such material of this person (没有这份材料). Another person's id gets the same answer."""

    code = "evidence.unknown"
    status = 404

    def __init__(self) -> None:
        super().__init__(sentence="没有找到这份材料", todo="从“我的材料”里再打开一次", ask="找不到请打 12345")


class ContentAway(Failure):
    """The content is still at the node where it was handed in, and that node is silent (原件还没取到)."""

    code = "evidence.content_away"
    status = 503

    def __init__(self) -> None:
        super().__init__(
            sentence="原件还在提交地，现在取不到",
            todo="取到以后自己会显示，先看别的材料",
            ask="一直取不到，请联系本单位管理员",
            retry_after=60,
        )


class ContentDamaged(Failure):
    """The stored bytes are not the ones that were stored (原件被改动)."""

    code = "evidence.content_damaged"
    status = 500

    def __init__(self) -> None:
        super().__init__(sentence="这份原件和交来时不一样，不能用了", todo="请重新交一份", ask="请打 12345，报办件号")
