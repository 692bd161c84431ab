"""What can go wrong with credentials, in plain words (证照的失败)."""

from __future__ import annotations

from tongban import federation
from tongban.kernel.errors import Failure


class TypeRefused(Failure):
    """A type that cannot be issued here, or data that does not fill it (不能颁发): `detail` names type or fields."""

    code = "credentials.type_refused"
    status = 422

    def __init__(self, detail: str) -> None:
        self.detail = detail
        super().__init__(
            sentence=f"这张证照现在发不了：{detail}", todo="请经办人核对证照类型和内容", ask="本单位证照管理员"
        )


class OfferRefused(Failure):
    """A type that cannot be put into the catalogue of resources (登记不了): `why` is the catalogue's word."""

    code = "credentials.offer_refused"
    status = 422

    def __init__(self, why: str) -> None:
        super().__init__(sentence=f"这类证照现在登记不了：{why}", todo="到资源目录看看它现在的状态", ask="本单位数据共享管理员")


class CardGone(Failure):
    """There is no such card in this wallet (没有这张证)."""

    code = "credentials.no_card"
    status = 404

    def __init__(self) -> None:
        super().__init__(sentence="你的证照里没有这一张", todo="回到证照列表看看", ask="不对的话请打 12345")


class NotReady(Failure):
    """Something another node keeps cannot be had just now (暂时取不到)."""

    code = "credentials.away"
    status = 503

    def __init__(self, what: str = "凭据") -> None:
        super().__init__(
            sentence=f"发证的地方暂时连不上，{what}取不到",
            todo="过几分钟再试，证照照样能用",
            ask="一直不行请打 12345",
            retry_after=60,
        )


class TooManyTries(Failure):
    """Five wrong codes from one verifier (试错太多)."""

    code = "credentials.too_many_tries"
    status = 429

    def __init__(self) -> None:
        super().__init__(
            sentence="数字码连着输错 5 次，先停 1 分钟",
            todo="请对方重新出示，用扫码更快",
            ask="打 12345",
            retry_after=60,
        )


class UnitSuspended(Failure):
    """A verifier unit that may not check for now (查验方暂停了)."""

    code = "credentials.unit_suspended"
    status = 403

    def __init__(self, reason: str = "") -> None:
        why = f"，原因是{reason}" if reason else ""
        super().__init__(sentence=f"这个查验方暂停了{why}", todo="请对方出示实体证件，本单位联系人去平台处理", ask="打 12345")


class OverAsking(Failure):
    """A verifier asks for what its purpose does not allow (超出用途的查询, T-53)."""

    code = "credentials.over_asking"
    status = 403

    def __init__(self) -> None:
        super().__init__(sentence="问的内容超出了登记的用途", todo="只问用途里登记的内容，或者换一个登记过的用途", ask="打 12345")


class KeysRefused(Failure):
    """Keys of a phone that cannot be used (手机的钥匙不对)."""

    code = "credentials.bad_device_keys"
    status = 422

    def __init__(self) -> None:
        super().__init__(sentence="手机没有准备好，没存成", todo="刷新页面，再存一次", ask="一直不行请打 12345")


class BadPicture(Failure):
    """A picture that is none, is too large, or holds no code (图片读不了)."""

    code = "credentials.bad_picture"
    status = 422

    def __init__(self, sentence: str) -> None:
        super().__init__(sentence=sentence, todo="请对准二维码重拍一张，或者输 8 位数字", ask="打 12345")


class PrintRefused(Failure):
    """A step of printing that may not be taken now (这一步不能做)."""

    code = "credentials.print_refused"
    status = 409

    def __init__(self, sentence: str, todo: str = "请刷新页面，看看这一单现在到哪一步了") -> None:
        super().__init__(sentence=sentence, todo=todo, ask="大厅值班长")


class PrintForgotten(federation.LetterStuck):
    """A hall tells of an order that this node does not have, as after a restore (本节点没有这一单)."""

    code = "credentials.print_forgotten"
    words = (
        "大厅说到的打印单，这里没有记录，多半是恢复备份时丢的。打电话给大厅核对：纸证还没交，请大厅退掉这一单，让持证人重新约；"
        "已经交了，记下空白证号，再由两个人搁置这封信"
    )
