"""Failures of the catalogue 事项清单的错误: an author's mistake with file, line and fix; an item that is not here."""

from __future__ import annotations

from tongban.kernel.errors import Failure, NotFound


class DefinitionBroken(Exception):
    """A definition that cannot be read (定义有误): the message names the file, the line, what is wrong and the mend."""

    def __init__(self, file: str, line: int, what: str, fix: str) -> None:
        super().__init__(f"{file}:{line}: {what}. Fix: {fix}")
        self.file = file
        self.line = line
        self.what = what
        self.fix = fix


class ReferenceBroken(Exception):
    """A file of reference data that cannot be read (参考数据有误); names file and line."""


class ItemUnknown(NotFound):
    """No such item is published here (没有这个事项)."""

    code = "catalogue.item_unknown"

    def __init__(self) -> None:
        super().__init__("没有找到这个事项，可能换了编码或者还没有开放")
        self.todo = "从首页搜一搜要办的事，比如“居住证”"


class ItemGone(Failure):
    """The item was withdrawn (事项已下架); says why and what to do instead."""

    code = "catalogue.item_withdrawn"
    status = 404

    def __init__(self, reason: str = "") -> None:
        super().__init__(
            sentence="这个事项已经停办" + (f"，原因：{reason}" if reason else ""),
            todo="已经填的草稿还在“办件”里；可以搜一搜替代的事项，或者到窗口办",
            ask="要问清楚请打 12345",
        )


class ChannelClosed(Failure):
    """The item is not open on this channel (这个渠道没有开放)."""

    code = "catalogue.channel_closed"
    status = 404

    def __init__(self) -> None:
        super().__init__(
            sentence="这个事项在这里还没有开放", todo="换手机或电脑打开同一个网址，或者到窗口办", ask="要问清楚请打 12345"
        )


class PreviewStale(Failure):
    """A preview link that is over or not for this item (预览链接过期)."""

    code = "catalogue.preview_stale"
    status = 404

    def __init__(self) -> None:
        super().__init__(sentence="这个预览链接用不了了，它只管 10 分钟", todo="回到应用管理，再开一次预览")
