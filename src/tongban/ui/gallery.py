"""Gallery 组件陈列: the data drawn at /dev/components, every component in every state. Invented, for checks and eyes."""

from __future__ import annotations

import msgspec

from tongban.kernel.errors import Refusal, Refusals
from tongban.ui.model import Option


class Gallery(msgspec.Struct, frozen=True):
    """The page of all components (组件陈列页)."""

    title: str
    options: tuple[Option, ...]
    shown: tuple[Option, ...]
    decisions: tuple[Option, ...]
    wrong: Refusals
    qr: str
    back: str = "/"
    back_label: str = "返回首页"
    nav_title: str = "组件陈列"


QR = (
    '<svg viewBox="0 0 29 29" class="qr" shape-rendering="crispEdges"><path stroke="#0b1a2b" '
    'd="M2 2.5h7m2 0h1m1 0h1m2 0h2m2 0h7m-25 1h1m5 0h1m1 0h1m1 0h1m1 0h1m2 0h2m1 0h1m5 0h1"/></svg>'
)

GALLERY = Gallery(
    title="组件陈列",
    options=(
        Option("post", "寄到住址", "免费，约 3 天"),
        Option("fetch", "到便民中心自取"),
        Option("none", "只要电子证，不要卡片"),
    ),
    shown=(Option("age", "只看已满 18 岁"), Option("id", "姓名和证号后 4 位"), Option("full", "整张证照")),
    decisions=(Option("pass", "通过"), Option("correct", "补材料"), Option("refuse", "不通过")),
    wrong=(
        Refusal("demo.phone", "手机号少了 1 位，应该是 11 位数字", "phone2"),
        Refusal("demo.way", "选一种领证方式", "way2"),
        Refusal("demo.declare", "提交前要勾选“上面写的都是真的”", "declare2"),
    ),
    qr=QR,
)
