"""Time's door of 应用管理: figures written down, and on a demo node its apps taken through the whole life."""

from __future__ import annotations

from tongban.kernel.jobs import Clockwork
from tongban.service_apps.actions import seed_demo
from tongban.service_apps.actions.count import flush

CLOCKS = [
    Clockwork("service_apps.flush", 5, flush),
    Clockwork("service_apps.demo", 5, seed_demo),
]
