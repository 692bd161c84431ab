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
