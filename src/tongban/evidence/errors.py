"""What can go wrong with a material, in words (材料的错误)."""

from __future__ import annotations

from tongban.kernel.errors import Failure


class MaterialUnknown(Failure):
    """No such material of this person (没有这份材料). Another person's id gets the same answer."""

    code = "evidence.unknown"
    status = 404

    def __init__(self) -> None:
        super().__init__(sentence="没有找到这份材料", todo="从“我的材料”里再打开一次", ask="找不到请打 12345")


class ContentAway(Failure):
    """The content is still at the node where it was handed in, and that node is silent (原件还没取到)."""

    code = "evidence.content_away"
    status = 503

    def __init__(self) -> None:
        super().__init__(
            sentence="原件还在提交地，现在取不到",
            todo="取到以后自己会显示，先看别的材料",
            ask="一直取不到，请联系本单位管理员",
            retry_after=60,
        )


class ContentDamaged(Failure):
    """The stored bytes are not the ones that were stored (原件被改动)."""

    code = "evidence.content_damaged"
    status = 500

    def __init__(self) -> None:
        super().__init__(sentence="这份原件和交来时不一样，不能用了", todo="请重新交一份", ask="请打 12345，报办件号")


class BeingScanned(Failure):
    """The scanner has not looked into it yet (还在查毒)."""

    code = "evidence.being_scanned"
    status = 503

    def __init__(self) -> None:
        super().__init__(
            sentence="这份材料还在查病毒，现在不能打开", todo="一般一分钟就好，过一会儿再打开", ask="一直打不开，请打 12345", retry_after=30
        )


class Infected(Failure):
    """The scanner found something in it (带病毒). It is never opened again."""

    code = "evidence.infected"
    status = 410

    def __init__(self) -> None:
        super().__init__(sentence="这份材料查出带病毒，已经删掉了", todo="换一台设备重新拍一张或重新导出，再交一份", ask="不会弄可以带原件到大厅")


class NoRoom(Failure):
    """The store did not take it; nothing was kept (存不下)."""

    code = "evidence.no_room"
    status = 507

    def __init__(self) -> None:
        super().__init__(sentence="现在存不下这个文件，没有存进去", todo="填的都在，过几分钟再试一次", ask="一直存不下，请打 12345", retry_after=300)


class NoRoomToPack(Failure):
    """The store did not take a package; the case and its files are as they were (归档包存不下)."""

    code = "evidence.no_room_to_pack"
    status = 507

    def __init__(self) -> None:
        super().__init__(
            sentence="现在存不下这个归档包，这件没有归档", todo="案卷和材料都在，过几分钟再归档一次；到期的件会自己再归", ask="一直存不下，请联系系统运维", retry_after=300
        )


class PackageTooLarge(Failure):
    """A case with more files than a package may hold (案卷太大)."""

    code = "evidence.package_too_large"
    status = 422

    def __init__(self) -> None:
        super().__init__(sentence="这件的材料太多，一个归档包装不下", todo="请档案员和系统运维一起处理这一件", ask="请联系本单位管理员")


class NoSuchArchive(Failure):
    """No such package or hand-over in this area (没有这个归档包)."""

    code = "evidence.no_such_archive"
    status = 404

    def __init__(self) -> None:
        super().__init__(sentence="没有找到这个归档包", todo="回到归档列表再打开一次", ask="请联系本单位管理员")


class NotHandedOver(Failure):
    """A package leaves the house only in an approved hand-over (还没批准移交)."""

    code = "evidence.not_approved"
    status = 403

    def __init__(self) -> None:
        super().__init__(sentence="归档包要等另一个人批准移交以后才能拿走", todo="请同事在“待批”里看一眼", ask="请联系本单位管理员")
