"""What can go wrong with a case, in words (办件的错误)."""

from __future__ import annotations

from tongban.kernel.errors import Failure, NotAllowed


class DraftGone(Failure):
    """No such draft of this person, or it was deleted (草稿不在了)."""

    code = "cases.draft_gone"
    status = 404

    def __init__(self) -> None:
        super().__init__(sentence="没有找到这份没填完的申请", todo="它可能已经删除。从办事指南重新开始，填过的会带出来")


class CaseUnknown(Failure):
    """No such case of this person, or at this desk (没有这件). Another person's id gets the same answer."""

    code = "cases.unknown"
    status = 404

    def __init__(self) -> None:
        super().__init__(sentence="没有找到这件", todo="核对办件号，或者从“办件”里打开", ask="还是没有，请打 12345 报办件号")


class ItemNotOffered(Failure):
    """The item is not published here, or not online (这里办不了)."""

    code = "cases.item_not_offered"
    status = 404

    def __init__(self) -> None:
        super().__init__(sentence="这个事项现在不能在网上办", todo="看看办事指南里的窗口地址，或者换一个相近的事项")


class CompanyOnly(Failure):
    """Only an organisation applies for this, and somebody began it for oneself (单位才能办)."""

    code = "cases.company_only"
    status = 403

    def __init__(self, task_code: str) -> None:
        super().__init__(
            sentence="这件事要替企业办，现在是你自己", todo="先切换到企业，再开始办理", ask="没有要找的企业，请打 12345",
            link=("切换到企业", f"/me/switch?next=/s/{task_code}"),
        )  # fmt: skip


class NoCodePool(Failure):
    """A licence for a new organisation needs its code, and nobody gives codes to this node (没有码池)."""

    code = "cases.no_code_pool"
    status = 503

    def __init__(self) -> None:
        super().__init__(
            sentence="这个节点还没有接上统一社会信用代码的赋码系统，执照发不出去", todo="接上以后会自动发出，不用重新审批",
            ask="管理员：在 cases/actions/decide.py 接上登记机关的赋码",
        )  # fmt: skip


class NoLicenceToRenew(Failure):
    """A licence is to be renewed and the company has none of this node that is valid (没有可换的执照)."""

    code = "cases.no_licence_to_renew"
    status = 409

    def __init__(self) -> None:
        super().__init__(
            sentence="没有查到本机关发给这家企业的有效营业执照，不能换发", todo="冻结的先恢复；吊销、注销的不予变更；别处发的转给发照的登记机关",
            ask="证照的情况问本单位证照管理员",
        )  # fmt: skip


class NotYourCounty(NotAllowed):
    """The case belongs to another county or department than the clerk's (不归本单位)."""

    code = "cases.not_your_county"
    status = 403

    def __init__(self) -> None:
        super().__init__("这件不归你单位管，打不开。看别处办件的尝试会被记录")
        self.todo = "确实要办，请对方用“移交”转给你单位"


class OwnCase(NotAllowed):
    """A clerk may not handle a case of their own (本人办件要回避, T-62)."""

    code = "cases.own_case"
    status = 403

    def __init__(self) -> None:
        super().__init__("这是你本人的办件，要回避")
        self.todo = "请交给同事办理"


class VisitOver(Failure):
    """The half hour of a counter visit is over: the form waits until the person is there again (接待结束)."""

    code = "cases.visit_over"
    status = 403

    def __init__(self) -> None:
        super().__init__(sentence="这次接待过了半小时，不能再看这张表", todo="请本人再到窗口，重新核对证件；填好的都在")


class ChangedMeanwhile(Failure):
    """Somebody else moved the case since the page was drawn (刚才有变化)."""

    code = "cases.changed_meanwhile"
    status = 409

    def __init__(self, what: str = "") -> None:
        said = f"：{what}" if what else ""
        super().__init__(sentence=f"这件刚才有了变化{said}", todo="回到办件看一看，再决定要不要做")


class DocumentAway(Failure):
    """A document of the case lies at its owner, which is silent (文书暂时取不到)."""

    code = "cases.document_away"
    status = 503

    def __init__(self) -> None:
        super().__init__(
            sentence="这份文书在受理地，现在连不上", todo="结果已经算数，过一会儿再来打开", ask="急用请打 12345 报办件号", retry_after=60
        )


class LetterNotOurs(Exception):
    """A letter that its sender may not send, or about a thing not yet known: parked for a person (federation.md 5.4)."""
