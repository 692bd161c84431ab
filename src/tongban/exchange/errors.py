"""What can go wrong with 数据共享: stable codes, HTTP status of the call, a sentence for the page."""

from __future__ import annotations

from tongban.kernel.errors import Failure

SENTENCES: dict[str, str] = {
    "away": "{source}暂时连不上。先自己填，我们稍后再核对",
    "no_grant": "{source}没有授权我们取这几项，请自己填",
    "no_consent": "你没有同意取用，请自己填",
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
