"""In-app channel 站内消息: the row itself is the delivery, so it cannot fail apart from its transaction."""

from __future__ import annotations

from tongban.kernel.gm import Personal
from tongban.notifications.providers import Delivered, NotDelivered


class InApp:
    """The page /messages and the bell in the frame (站内)."""

    name = "in_app"

    async def deliver(self, _address: Personal, message_id: str) -> Delivered | NotDelivered:
        return Delivered(self.name, message_id)
