"""What the space keeps of people 首页的个人信息: how somebody likes pages to look (R-409, R-804)."""

from __future__ import annotations

import msgspec

from tongban.kernel.copying import copier, sealed, time
from tongban.kernel.holdings import Holding, rows_of
from tongban.space.actions import COLUMN, GROUP
from tongban.space.model import Display


def _shown(text: str) -> dict[str, object]:
    display = msgspec.json.decode(text, type=Display)
    return {"版式": display.mode, "字号": display.size, "地区": display.place}


HOLDINGS = (
    Holding(
        table="display_preference", title="显示习惯",
        copy=copier("display_preference", sealed("习惯", GROUP, COLUMN, "subject", show=_shown), time("改动时间", "changed_at"), order="subject"),
        erase=rows_of("display_preference"), no_term="一人一行，跟着账号走，注销时删除",
    ),
)  # fmt: skip
