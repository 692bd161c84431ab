"""What can go wrong with 应用管理: stable codes and sentences."""

from __future__ import annotations

from tongban.kernel.errors import Failure


class AppGone(Failure):
    """There is no such app at this node (没有这个应用)."""

    code = "service_apps.app_gone"
    status = 404

    def __init__(self) -> None:
        super().__init__(sentence="这里没有登记过这个应用", todo="回到应用列表看一看")


class AppNotBelieved(Failure):
    """A letter tells of an app that its sender does not own (不可信的应用来信); the letter is parked."""

    code = "service_apps.not_believed"
    status = 422

    def __init__(self) -> None:
        super().__init__(sentence="来信里的应用不归发信的节点")
