"""What can go wrong with 数据共享: stable codes, HTTP status of the call, a sentence for the page."""

from __future__ import annotations

from tongban.kernel.errors import Failure

SENTENCES: dict[str, str] = {
    "away": "{source}暂时连不上。先自己填，我们稍后再核对",
    "no_grant": "{source}没有授权我们取这几项，请自己填",
    "no_consent": "你没有同意取用，请自己填",
    "busy": "{source}现在问的人太多。先自己填，我们稍后再核对",
    "stopped": "{source}暂停提供这项数据，请自己填",
    "quota": "今天向{source}查询的次数用完了。先自己填，我们明天再核对",
    "not_found": "{source}没有查到。核对一下再试，或者自己填",
    "refused": "{source}这次没有给出数据。先自己填，我们稍后再核对",
}
"""Why a field has to be typed, by reason (取不到时说的话)."""


class GrantGone(Failure):
    """There is no such grant here, or it is not waiting for approval (没有这份授权)."""

    code = "exchange.grant_gone"
    status = 404

    def __init__(self) -> None:
        super().__init__(sentence="没有找到这份共享授权，可能已经办过", todo="回到共享授权列表看一看")


class ResourceGone(Failure):
    """There is no such resource of ours in the state the act needs (没有这项资源)."""

    code = "exchange.resource_gone"
    status = 404

    def __init__(self) -> None:
        super().__init__(sentence="没有找到这项数据资源，或者它的状态已经变了", todo="回到资源目录看一看")


class ComplaintGone(Failure):
    """There is no such complaint here, or it was answered (没有这件投诉)."""

    code = "exchange.complaint_gone"
    status = 404

    def __init__(self) -> None:
        super().__init__(sentence="没有找到这件投诉，可能已经答复过", todo="回到列表看一看")


class DemandGone(Failure):
    """There is no such demand here, or it is not at this step (没有这份需求)."""

    code = "exchange.demand_gone"
    status = 404

    def __init__(self) -> None:
        super().__init__(sentence="没有找到这份共享需求，或者这一步已经办过", todo="回到共享需求列表看一看")


class CorrectionGone(Failure):
    """There is no such correction request here, or it is not at this step (没有这份纠错)."""

    code = "exchange.correction_gone"
    status = 404

    def __init__(self) -> None:
        super().__init__(sentence="没有找到这份纠错申请，或者这一步已经办过", todo="回到纠错列表看一看")
