"""Licences of several nodes in one wallet (R-403, R-405): each issued by its owner because the holder's home asked, none inserted."""

from __future__ import annotations

from types import SimpleNamespace

import yaml

from tongban.kernel.settings import CODE_ROOT
from tongban.main.demo.tour.person import sign_in_with

WHO = "何志远"
HELD = {"居民身份证": "公安部", "机动车驾驶证": "交通管理总队", "机动车行驶证": "交通管理总队", "社会保障卡": "社会保险局", "营业执照": "市场监督管理局", "学历证书（高等教育）": "四川演示大学"}


async def test_an_invented_person_holds_licences_of_three_nodes(story):
    people = yaml.safe_load((CODE_ROOT / "deploy" / "demo" / "people.yaml").read_text("utf-8"))["citizens"]
    who = SimpleNamespace(**next(one for one in people if one["name"] == WHO))
    him = story.browser("him")
    page = await him.get(f"{story.home}/login?next=/wallet")
    await sign_in_with(him, page, who)
    for name, office in HELD.items():
        await story.until(lambda: him.get(f"{story.home}/wallet"), office, seconds=40)
        await story.until(lambda: him.get(f"{story.home}/wallet"), name, seconds=40)
    him.page.must("有效", "快到期")  # the driving licence runs out within days, on purpose
    for name in ("学历证书（高等教育）", "机动车驾驶证"):
        href = next(one for text, one in him.page.links if name in text and one.startswith("/wallet/") and not one.endswith("/show"))
        card = await him.get(story.home + href)
        card.must("下载 PDF", "证照经过")
        card.must(HELD[name])
        await him.get(f"{story.home}/wallet")
