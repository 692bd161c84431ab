"""What can go wrong with seals and documents, in plain words (印章的失败)."""

from __future__ import annotations

from tongban.kernel.errors import Failure


class MissingGlyph(Failure):
    """A character that no font has (字库缺字): an error at issue, never a blank box (stack.md 11)."""

    code = "seals.missing_glyph"
    status = 422

    def __init__(self, characters: str) -> None:
        self.characters = characters
        super().__init__(
            sentence="有生僻字暂时印不出来：" + characters, todo="请告诉经办人，换一种写法或者人工制证", ask="打 12345"
        )


class SealGone(Failure):
    """The seal is revoked or out of its time (印章不能用)."""

    code = "seals.gone"
    status = 409

    def __init__(self) -> None:
        super().__init__(
            sentence="这枚印章已经作废或者过了期", todo="请本单位管理员换一枚有效的印章", ask="本单位印章管理员"
        )


class NoSeal(Failure):
    """The department has no live seal (没有可用的印章)."""

    code = "seals.none"
    status = 409

    def __init__(self) -> None:
        super().__init__(
            sentence="这个部门还没有可用的电子印章", todo="请先在印章管理里制作一枚", ask="本单位印章管理员"
        )


class NotOurs(Failure):
    """A document that this writer cannot seal or draw (不是可用印的版式文件)."""

    code = "seals.not_ours"
    status = 422

    def __init__(self, why: str = "") -> None:
        self.why = why
        super().__init__(sentence="这份版式文件读不了，没有盖章", todo="请重新生成一份再试")


class SealSuspended(SealGone):
    """The seal may not be used for the time being (印章停用中)."""

    code = "seals.suspended"

    def __init__(self) -> None:
        Failure.__init__(
            self, sentence="这枚印章停用着，现在不能盖", todo="请先由另一位管理员恢复使用", ask="本单位印章管理员"
        )


class SecondNeeded(Failure):
    """The seal asks for two persons and only one is there (要两人用印)."""

    code = "seals.second_needed"
    status = 409

    def __init__(self) -> None:
        super().__init__(
            sentence="这枚印章要两个人才能盖", todo="请提出用印申请，由另一位同事看过文件再盖", ask="本单位印章管理员"
        )


class FourEyes(Failure):
    """Somebody decides on his own doing (不能自己审自己)."""

    code = "seals.four_eyes"
    status = 403

    def __init__(self, sentence: str = "自己提出的，要由另一位同事来定") -> None:
        super().__init__(sentence=sentence, todo="请另一位有权限的同事来办", ask="本单位印章管理员")


class Changed(Failure):
    """What is decided on is not what was put forward (内容对不上)."""

    code = "seals.changed"
    status = 409

    def __init__(self) -> None:
        super().__init__(sentence="内容和您看到的不一样，没有办", todo="请打开最新的页面，看清楚再定", ask="本单位印章管理员")


class Over(Failure):
    """Decided already, or never there (已经办过)."""

    code = "seals.over"
    status = 409

    def __init__(self) -> None:
        super().__init__(sentence="这件事已经办过了，或者没有这件事", todo="请回到印章页看现在的情况", ask="本单位印章管理员")
