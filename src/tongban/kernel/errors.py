"""Errors 错误: a refusal a citizen can cause is a value; a broken promise is an exception. Both have sentences."""

from __future__ import annotations

from typing import ClassVar

import msgspec


class Refusal(msgspec.Struct, frozen=True):
    """One thing that is not right, in words a citizen can act on (不予通过的一处).

    `code` is stable (`room.what`); `sentence` says what is wrong and how to mend it; `field` names the field it is
    drawn beside, or None for the whole page. `wait` is seconds until it may be tried again: the header Retry-After of a
    page that answers 429.
    """

    code: str
    sentence: str
    field: str | None = None
    wait: int | None = None


Refusals = tuple[Refusal, ...]


class Failure(Exception):
    """Something that stops the act (办不下去): what happened, what to do, whom to ask.

    Doors draw it as one error page or as problem+json (RFC 9457). Subclass it in a room's `errors.py`, or raise it
    with a code. `retry_after` is seconds and becomes the header of that name.
    `link` is the words and the path of a button to where `todo` is done.
    """

    code: ClassVar[str] = "kernel.failure"
    status: ClassVar[int] = 500

    def __init__(
        self,
        code: str | None = None,
        *,
        status: int | None = None,
        sentence: str = "这一步没有办成",
        todo: str = "稍后再试一次，刚才填的都在",
        ask: str = "还是不行，请打 12345",
        retry_after: int | None = None,
        link: tuple[str, str] | None = None,
    ) -> None:
        super().__init__(code or type(self).code)
        self.failure_code = code or type(self).code
        self.http_status = status or type(self).status
        self.sentence = sentence
        self.todo = todo
        self.ask = ask
        self.retry_after = retry_after
        self.link = link


class SignInNeeded(Failure):
    """The page is personal and nobody is signed in (需要登录). Pages answer 303 to /login."""

    code = "identity.sign_in_needed"
    status = 401

    def __init__(self) -> None:
        super().__init__(sentence="这一页要先登录", todo="登录以后会回到这里，填的都在")


class LevelNeeded(Failure):
    """The act asks a higher level than the session has (需要提升核验). Pages answer 303 to /step-up.

    `level` is what is asked, 1 to 4 (identity.md 4).
    """

    code = "identity.level_needed"
    status = 403

    def __init__(self, level: int) -> None:
        self.level = level
        super().__init__(sentence="这一步要先核验本人，大约 1 分钟", todo="按页面提示核验，核验完会回到这里")


class SelfOnly(Failure):
    """The act is never done for another under a grant (只能本人办). `what` names it in the sentence."""

    code = "identity.never_delegable"
    status = 403

    def __init__(self, what: str) -> None:
        super().__init__(sentence=f"{what}只能本人办，代办的人办不了", todo="切回自己，或者请本人来办", ask="本人不方便，可以带证件到大厅问")


class StaffNeeded(Failure):
    """The page belongs to a desk and no staff member is signed in (需要工作人员登录)."""

    code = "identity.staff_needed"
    status = 401

    def __init__(self) -> None:
        super().__init__(sentence="这一页给工作人员用，要先登录", todo="用工作证书或通行密钥登录", ask="没有账号请找本单位管理员")


class NotAllowed(Failure):
    """The staff member's roles do not cover this act or this object (没有这项权限)."""

    code = "identity.not_allowed"
    status = 403

    def __init__(self, sentence: str = "你的岗位办不了这一件") -> None:
        super().__init__(sentence=sentence, todo="请转给有权限的同事", ask="权限有误请找本单位管理员")


class NotFound(Failure):
    """There is no such thing here, or not for this person (没有找到)."""

    code = "kernel.not_found"
    status = 404

    def __init__(self, sentence: str = "没有找到这一页") -> None:
        super().__init__(sentence=sentence, todo="看看地址是不是抄全了，或者从首页搜一搜")
