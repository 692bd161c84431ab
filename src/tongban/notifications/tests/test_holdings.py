"""Messages are copied for their person alone, go with the account, and end after their term (R-409, R-804)."""

from __future__ import annotations

from tongban.kernel.ids import uuid7
from tongban.kernel.tests.make_holdings import Sample, judge
from tongban.notifications import notify
from tongban.notifications.actions import GROUP
from tongban.notifications.holdings import HOLDINGS


def _row(node, who, mark):
    made = uuid7()
    sealed = {one: node.cipher.seal(GROUP, f"message.{one}", made, f"{mark}{one}") for one in ("title", "text", "group_name")}
    return {"subject": who, "id": made, "dedupe": made, **sealed}


SAMPLES = {"message": Sample(row=_row, says=3, ends=lambda at: {"at": at})}


async def test_messages_are_kept_as_the_list_says(tx, node):
    await judge(tx, node, HOLDINGS[0], SAMPLES)


async def test_a_copy_reads_what_was_told(tx, node):
    """Written by the verb, read by the copy: the binding of the seal is the verb's."""
    await notify(tx, node, subject="n1x", kind="a.b", title="标题一", text="内容一", link="/me", about="case:1", group="开餐馆")
    copied = await HOLDINGS[0].copy(tx, node, "n1x")
    assert [(one["标题"], one["内容"], one["关于"]) for one in copied] == [("标题一", "内容一", "开餐馆")]
    assert str(copied[0]["时间"]).endswith("+08:00")
