"""What the log refuses (存证错误)."""

from __future__ import annotations

from typing import ClassVar

from tongban.kernel.errors import Failure


class NoSuchLeaf(Failure):
    """There is no such leaf at this node, or its opening was erased (没有这条存证)."""

    code: ClassVar[str] = "transparency.no_such_leaf"
    status: ClassVar[int] = 404

    def __init__(self) -> None:
        super().__init__(sentence="这里没有这条存证记录", todo="看看链接是不是抄全了，或者到办理这件事的网站上下载")


class ReceiptNotReady(Failure):
    """The leaf stands in no signed head yet; seconds at most (存证回执还没生成)."""

    code: ClassVar[str] = "transparency.not_ready"
    status: ClassVar[int] = 503

    def __init__(self) -> None:
        super().__init__(sentence="存证回执正在生成，几秒钟就好", todo="过几秒再点一次下载", retry_after=5)


class NotWhatWasLogged(Failure, ValueError):
    """What stands in the row is not what was logged: somebody changed it (和存证对不上)."""

    code: ClassVar[str] = "transparency.not_what_was_logged"
    status: ClassVar[int] = 409

    def __init__(self) -> None:
        super().__init__(
            sentence="这条记录和当时存证的不一样，可能被人改过", todo="先别用这条记录，把这个情况告诉我们", ask="请打 12345，说“记录和存证对不上”"
        )


class NoSuchProof(Failure):
    """The sizes asked for are no trees of this log (没有这样的证明)."""

    code: ClassVar[str] = "transparency.no_such_proof"
    status: ClassVar[int] = 404

    def __init__(self) -> None:
        super().__init__(sentence="日志里没有这样的位置", todo="先取最新的树头，再按它的大小取证明")


class HeadRefused(Failure):
    """A head of another node that is malformed or not signed by the key given (对方树头不可信). Not a citizen's error."""

    code: ClassVar[str] = "transparency.head_refused"
    status: ClassVar[int] = 422

    def __init__(self, why: str) -> None:
        super().__init__(sentence="对方的日志树头没有通过核对", todo="等下一个树头；一直这样请找对方运维")
        self.why = why
