"""The clock's door 定时: place names follow the reference data."""

from __future__ import annotations

from tongban.kernel.jobs import Clockwork
from tongban.space.queries.places import load_places

CLOCKS = [Clockwork("space.places", 300, load_places)]
