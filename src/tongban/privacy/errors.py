"""What can go wrong with 个人信息权益, in words a person can act on."""

from __future__ import annotations

from tongban.kernel.errors import Failure


class CopyUnknown(Failure):
    """No such copy of this person (没有这份副本)."""

    code = "privacy.copy_unknown"
    status = 404

    def __init__(self) -> None:
        super().__init__(sentence="没有找到这份副本", todo="回到“要一份副本”看一看")


class CopyGone(Failure):
    """The file was fetched, or its time is over (副本已经不在)."""

    code = "privacy.copy_gone"
    status = 410

    def __init__(self) -> None:
        super().__init__(sentence="这份副本已经不在这里了：取过一次，或者过了时间", todo="还想要，就重新要一份")


class CopyBroken(Failure):
    """Bytes that are no part of a copy (内容读不懂)."""

    code = "privacy.copy_broken"
    status = 500

    def __init__(self) -> None:
        super().__init__(sentence="这份副本没有做好", todo="请重新要一份")


class ChildElsewhere(Failure):
    """The child's account is at another node (孩子的账号不在这里)."""

    code = "privacy.child_elsewhere"
    status = 403

    def __init__(self) -> None:
        super().__init__(sentence="孩子的账号不在这里", todo="到孩子账号所在的地方，切到替孩子办，再来办这一步")


class RightUnknown(Failure):
    """No such request of a desk, or it is decided (没有这项窗口请求)."""

    code = "privacy.right_unknown"
    status = 404

    def __init__(self) -> None:
        super().__init__(sentence="没有这项请求，或者已经办完了", todo="回到清单看一看")


class HoldGone(Failure):
    """No such legal hold, or it ended (没有这项保留)."""

    code = "privacy.hold_gone"
    status = 404

    def __init__(self) -> None:
        super().__init__(sentence="没有这项法定保留，或者已经解除了", todo="回到清单看一看")


class NothingToClose(Failure):
    """The person has no account here that could be closed (这里没有可以注销的账号)."""

    code = "privacy.nothing_to_close"
    status = 409

    def __init__(self) -> None:
        super().__init__(sentence="你的账号不在这里，或者正在保护中，现在不能注销", todo="到账号所在地注销；刚挂失的，等保护期过了再来", ask="拿不准，请打 12345")


class CopyElsewhere(Failure):
    """A copy is asked for by oneself, at the place of one's account (要到账号所在地、由本人要)."""

    code = "privacy.copy_elsewhere"
    status = 403

    def __init__(self, *, other: bool = False) -> None:
        if other:
            super().__init__(sentence="现在是替别人办，副本只能本人要", todo="到“我的”切回自己，再来要")
        else:
            super().__init__(sentence="副本要在账号所在地要", todo="到“我的”里看账号在哪里，去那里要")
