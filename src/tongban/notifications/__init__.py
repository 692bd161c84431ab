"""消息 (notifications): what a person is told, once, in the transaction of the fact that it tells (R-708, guide 消息推送).

Nouns: **message** 消息, **channel** 渠道. A message belongs to a thing (`about`, for example a case) and has one act (`link`).
In-app is the only channel that is switched on; a channel outside the node gets a sentence without name, number or matter.

    await notifications.notify(tx, node, subject=applicant, kind="case.accepted", about="case:019aa5c0-…",
                               title="材料收下了", text="高新区市场监管局在审", link="/cases/019aa5c0-…", group="企业开办")
"""

from tongban.notifications.actions import mark_read, notify, telling
from tongban.notifications.model import Message, Thread
from tongban.notifications.queries import messages, unread

__all__ = ["Message", "Thread", "mark_read", "messages", "notify", "telling", "unread"]
