"""What can go wrong with 授权: stable codes and sentences."""

from __future__ import annotations

from tongban.kernel.errors import Failure


class AskGone(Failure):
    """There is no such consent page for this person (授权页不在了)."""

    code = "consent.ask_gone"
    status = 404

    def __init__(self) -> None:
        super().__init__(sentence="这一页授权已经办过，或者不是给你的", todo="回到刚才在办的事，从那里接着办")


class PromiseTooLong(Failure):
    """A room asked for a consent that would last longer than allowed (授权期限过长)."""

    code = "consent.too_long"
    status = 500

    def __init__(self) -> None:
        super().__init__(sentence="这项授权的期限定得太长，没有向你提出")
